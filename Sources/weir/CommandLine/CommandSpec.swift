/// Every command of the program.
enum CommandName: String, CaseIterable, Sendable {
    case run, backfill, replay, check, status, tail
    case slotList = "slot list"
    case slotDrop = "slot drop"
    case importDebezium = "import debezium"
    case completions, reference, help
}

/// An option as declared: what the parser accepts, what help and completions show.
struct OptionSpec: Sendable {
    /// The long name, without hyphens.
    let name: String
    /// The short form, one letter.
    var short: Character?
    /// What its value is called in help; nil when it takes none.
    var value: String?
    /// The only values there are, when they are few.
    var choices: [String] = []
    /// Whether it may be given several times.
    var repeats = false
    /// What it does, as a sentence.
    let doc: String
}

/// A positional argument as declared.
struct ArgumentSpec: Sendable {
    /// What it is called in help.
    let name: String
    /// Whether it may be left out.
    var isOptional = true
    /// The only values there are, when they are few.
    var choices: [String] = []
    /// Whether it names a file.
    var isFile = true
}

/// A command as declared.
struct CommandSpec: Sendable {
    /// The command.
    let name: CommandName
    /// One line for the list of commands.
    let summary: String
    /// Its positional arguments.
    var arguments: [ArgumentSpec] = []
    /// Its options besides the common ones.
    var options: [OptionSpec] = []
    /// More to know, one paragraph each.
    var notes: [String] = []
    /// Commands to copy, each with what it does.
    var examples: [(command: String, meaning: String)] = []
    /// Not in the list of commands.
    var isHidden = false

    /// The words that call it.
    var words: [String] { name.rawValue.split(separator: " ").map(String.init) }

    /// Its options and the common ones.
    var allOptions: [OptionSpec] { options + CommandTable.common }

    /// `weir run [OPTIONS] [CONFIG]`
    var usage: String {
        let places = arguments.map { $0.isOptional ? "[\($0.name)]" : $0.name }
        return (["weir", name.rawValue, "[OPTIONS]"] + places).joined(separator: " ")
    }
}
