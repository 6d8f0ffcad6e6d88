import Glibc
import WeirCore

/// The program: reads the command line, runs one command, gives its exit code.
enum Program {
    /// Runs the command that `arguments` (after the program's name) ask for.
    static func run(_ arguments: [String]) -> ExitCode {
        let command: ParsedCommand
        do throws(UsageError) {
            command = try CommandParser.parse(arguments)
        } catch {
            let console = Console(format: CommandParser.asksForJSON(arguments) ? .json : .text)
            console.report(error)
            console.standardError.flush()
            return .usage
        }
        if drains(command.name) { Signals.holdStops() }
        let console = Console(
            format: command.value("log-format").flatMap(LogFormat.init) ?? .text,
            level: level(command))
        let code = run(command, console)
        console.standardError.status(nil)
        console.standardError.flush()
        return code
    }

    /// The least level shown. Who looks at changes as they come wants to see them and what goes wrong, not what goes
    /// well.
    private static func level(_ command: ParsedCommand) -> LogLevel {
        let chosen = command.value("log-level").flatMap { name in LogLevel.allCases.first { $0.name == name } }
        return chosen ?? (command.name == .tail ? .warning : .info)
    }

    /// Commands that end in order when asked to stop.
    private static func drains(_ name: CommandName) -> Bool {
        [.run, .backfill, .replay, .tail].contains(name)
    }

    private static func run(_ command: ParsedCommand, _ console: Console) -> ExitCode {
        do throws(WeirError) {
            if command.wantsVersion {
                try console.print("weir \(WeirVersion.current)\n")
                return .done
            }
            switch command.name {
            case .help: return try HelpCommand.run(command, console)
            case .completions:
                try console.print(command.arguments.first.flatMap(Completions.script) ?? "")
                return .done
            case .reference:
                try console.print(SettingsReference.markdown())
                return .done
            case .run: return try configured(command, console, RunCommand.run)
            case .backfill: return try configured(command, console, BackfillCommand.run)
            case .check: return try configured(command, console, CheckCommand.run)
            case .status: return try configured(command, console, StatusCommand.run)
            case .replay: return try configured(command, console, ReplayCommand.run)
            case .tail: return try TailCommand.run(command, console) ?? .usage
            case .slotList: return try SlotListCommand.run(command, console) ?? .usage
            case .slotDrop: return try SlotDropCommand.run(command, console) ?? .usage
            case .importDebezium: return try ImportCommand.run(command, console)
            }
        } catch {
            console.report(error)
            return ExitCode(error)
        }
    }

    /// Runs a command that needs a configuration.
    private static func configured(
        _ command: ParsedCommand, _ console: Console,
        _ body: (ParsedCommand, LoadedConfiguration, Console) throws(WeirError) -> ExitCode
    ) throws(WeirError) -> ExitCode {
        guard let loaded = LoadedConfiguration.load(command, console: console) else { return .usage }
        return try body(command, loaded, console)
    }
}
