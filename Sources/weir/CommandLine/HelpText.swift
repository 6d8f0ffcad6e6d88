import WeirCore

/// Help made from the declared table.
enum HelpText {
    private static let width = 79

    /// `weir --help`
    static func overview() -> String {
        var text = "weir \(WeirVersion.current)\n\(CommandTable.summary)\n\n"
        text += "Usage: weir COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n"
        let shown = CommandTable.commands.filter { !$0.isHidden }
        let column = (shown.map(\.name.rawValue.count).max() ?? 0) + 4
        for spec in shown { text += entry("  \(spec.name.rawValue)", spec.summary, column: column) }
        text += "\nOptions:\n" + options(CommandTable.global)
        text += "\nExamples:\n"
        for name in [CommandName.check, .run, .tail] {
            if let example = CommandTable.spec(name).examples.first {
                text += "  \(example.command)\n      \(example.meaning)\n"
            }
        }
        text += "\nExit codes: 0 done, 1 failed at work, 2 wrong usage or configuration.\n"
        text += "\"weir COMMAND --help\" tells more about a command.\n"
        return text
    }

    /// `weir COMMAND --help`
    static func command(_ spec: CommandSpec) -> String {
        var text = "\(spec.summary).\n\nUsage: \(spec.usage)\n"
        for note in spec.notes { text += "\n" + wrapped(note, indent: 0) }
        text += "\nOptions:\n" + options(spec.allOptions)
        if !spec.examples.isEmpty { text += "\nExamples:\n" }
        for example in spec.examples { text += "  \(example.command)\n      \(example.meaning)\n" }
        return text
    }

    /// Help for a group such as `slot`.
    static func group(_ specs: [CommandSpec]) -> String {
        var text = "Usage: weir \(specs[0].words[0]) COMMAND [OPTIONS]\n\nCommands:\n"
        let column = (specs.map(\.name.rawValue.count).max() ?? 0) + 4
        for spec in specs { text += entry("  \(spec.name.rawValue)", spec.summary, column: column) }
        return text
    }

    private static func options(_ specs: [OptionSpec]) -> String {
        let labels = specs.map(label)
        let column = min((labels.map(\.count).max() ?? 0) + 2, 26)
        return zip(specs, labels).map { spec, label in
            let choices = spec.choices.isEmpty ? "" : " One of \(spec.choices.joined(separator: ", "))."
            return entry(
                label, spec.doc + choices + (spec.repeats ? " May be given several times." : ""), column: column)
        }.joined()
    }

    private static func label(_ spec: OptionSpec) -> String {
        let short = spec.short.map { "-\($0), " } ?? "    "
        return "  \(short)--\(spec.name)" + (spec.value.map { " \($0)" } ?? "")
    }

    private static func entry(_ label: String, _ doc: String, column: Int) -> String {
        let text = wrapped(doc, indent: column)
        if label.count + 2 > column { return label + "\n" + text }
        return label + text.dropFirst(label.count)
    }

    /// Words in lines of at most 79 columns, each line indented and ended.
    static func wrapped(_ text: String, indent: Int) -> String {
        let space = String(repeating: " ", count: indent)
        var lines: [String] = []
        var line = space
        for word in text.split(separator: " ") {
            if line.count > indent, line.count + 1 + word.count > width {
                lines.append(line)
                line = space
            }
            line += line.count > indent ? " \(word)" : String(word)
        }
        return (lines + [line]).map { $0 + "\n" }.joined()
    }
}
