import WeirCore

/// `weir help [COMMAND]`, and `--help` anywhere.
enum HelpCommand {
    static func run(_ command: ParsedCommand, _ console: Console) throws(WeirError) -> ExitCode {
        guard !command.arguments.isEmpty else {
            try console.print(HelpText.overview())
            return .done
        }
        let words = command.arguments
        if let spec = CommandTable.commands.first(where: { $0.words == words }) {
            try console.print(HelpText.command(spec))
            return .done
        }
        let group = CommandTable.commands.filter { $0.words.count == 2 && [$0.words[0]] == words }
        guard !group.isEmpty else {
            console.report(UsageError("there is no command \"\(words.joined(separator: " "))\"", command: .help))
            return .usage
        }
        try console.print(HelpText.group(group))
        return .done
    }
}
