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
            level: command.value("log-level").flatMap { name in LogLevel.allCases.first { $0.name == name } } ?? .info)
        let code = run(command, console)
        console.standardError.status(nil)
        console.standardError.flush()
        return code
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
            case .run:
                guard let loaded = LoadedConfiguration.load(command, console: console) else { return .usage }
                return try RunCommand.run(command, loaded, console)
            case .backfill, .replay, .check, .status, .tail, .slotList, .slotDrop:
                guard let loaded = LoadedConfiguration.load(command, console: console) else { return .usage }
                throw WeirError(
                    .usage, stage: .command, "\"\(command.name.rawValue)\" is not in this version",
                    cause: "the configuration \(loaded.path) was read without a problem")
            }
        } catch {
            console.report(error)
            return ExitCode(error)
        }
    }
}
