@preconcurrency import CGetopt
import Glibc
import Synchronization
import WeirCore

/// A command line that was understood.
struct ParsedCommand: Sendable {
    /// The command.
    let name: CommandName
    /// Values by option name, in the order given; an option without value has empty texts.
    var options: [String: [String]] = [:]
    /// Positional arguments.
    var arguments: [String] = []
    /// `--version` was given in front of a command.
    var wantsVersion = false

    /// Whether an option was given.
    func has(_ option: String) -> Bool { options[option] != nil }
    /// The last value of an option.
    func value(_ option: String) -> String? { options[option]?.last }
}

/// A command line that was not understood: exit code 2.
struct UsageError: Error, Equatable {
    /// What is wrong, without a full stop.
    let message: String
    /// The command whose help tells more.
    var command: CommandName?

    init(_ message: String, command: CommandName? = nil) {
        self.message = message
        self.command = command
    }
}

/// Reads a command line by the declared table, with glibc's `getopt_long`.
enum CommandParser {
    /// getopt keeps its place in globals.
    private static let getopt = Mutex(())

    /// Reads the arguments after the program's name.
    static func parse(_ arguments: [String]) throws(UsageError) -> ParsedCommand {
        guard arguments.allSatisfy({ !$0.utf8.contains(0) }) else {
            throw UsageError("an argument holds a NUL character")
        }
        let head = try read(arguments, CommandTable.global, stopsAtArgument: true, command: nil)
        if head.options["version"] != nil {
            return ParsedCommand(name: .help, wantsVersion: true)
        }
        guard let first = head.rest.first else {
            guard head.options["help"] != nil else { throw UsageError("a command is missing") }
            return ParsedCommand(name: .help)
        }
        if asksGroupHelp(head.rest) { return ParsedCommand(name: .help, arguments: [first]) }
        let (spec, words) = try command(head.rest)
        if head.options["help"] != nil { return ParsedCommand(name: .help, arguments: [first]) }
        let tail = try read(
            Array(head.rest.dropFirst(words)), spec.allOptions, stopsAtArgument: false, command: spec.name)
        var parsed = ParsedCommand(name: spec.name)
        parsed.options = head.options.merging(tail.options) { $0 + $1 }
        parsed.arguments = tail.rest
        if tail.options["help"] != nil { return ParsedCommand(name: .help, arguments: spec.words) }
        try checkArguments(parsed, spec)
        try checkChoices(parsed, spec)
        return parsed
    }

    /// `weir slot --help`
    private static func asksGroupHelp(_ words: [String]) -> Bool {
        guard words.count > 1, ["-h", "--help"].contains(words[1]) else { return false }
        return CommandTable.commands.contains { $0.words.count == 2 && $0.words.first == words.first }
    }

    /// Whether a command line that may be wrong asks for log lines in JSON.
    static func asksForJSON(_ arguments: [String]) -> Bool {
        arguments.contains("--log-format=json")
            || zip(arguments, arguments.dropFirst()).contains { $0 == "--log-format" && $1 == "json" }
    }

    private static func command(_ words: [String]) throws(UsageError) -> (CommandSpec, Int) {
        let specs = CommandTable.commands
        for length in [2, 1] where words.count >= length {
            if let spec = specs.first(where: { $0.words == Array(words.prefix(length)) }) { return (spec, length) }
        }
        let group = specs.filter { $0.words.count == 2 && $0.words.first == words.first }
        if let first = group.first {
            let names = group.map { $0.words[1] }
            guard words.count > 1, !words[1].hasPrefix("-") else {
                throw UsageError(
                    "\(words[0]) needs one of \(names.joined(separator: ", "))", command: first.name)
            }
            let nearest = NearestName.of(words[1], in: names).map { "; did you mean \"\(words[0]) \($0)\"?" }
            throw UsageError(
                "unknown command \"\(words[0]) \(shown(words[1]))\"" + (nearest ?? ""), command: first.name)
        }
        let names = Set(specs.filter { !$0.isHidden }.map { $0.words[0] }).sorted()
        let nearest = NearestName.of(words[0], in: names).map { "; did you mean \"\($0)\"?" }
        throw UsageError(
            "unknown command \"\(shown(words[0]))\"" + (nearest ?? "; commands are \(names.joined(separator: ", "))"))
    }

    private static func checkArguments(_ parsed: ParsedCommand, _ spec: CommandSpec) throws(UsageError) {
        let most = spec.name == .help ? 2 : spec.arguments.count
        if parsed.arguments.count > most {
            throw UsageError("unexpected argument \"\(shown(parsed.arguments[most]))\"", command: spec.name)
        }
        let least = spec.arguments.count { !$0.isOptional }
        if parsed.arguments.count < least {
            throw UsageError("\(spec.arguments[parsed.arguments.count].name) is missing", command: spec.name)
        }
        for (argument, value) in zip(spec.arguments, parsed.arguments)
        where !argument.choices.isEmpty && !argument.choices.contains(value) {
            throw UsageError(
                "\(argument.name) \"\(shown(value))\" is not one of \(argument.choices.joined(separator: ", "))",
                command: spec.name)
        }
    }

    private static func checkChoices(_ parsed: ParsedCommand, _ spec: CommandSpec) throws(UsageError) {
        for option in spec.allOptions {
            let values = parsed.options[option.name] ?? []
            if values.count > 1, !option.repeats, option.value != nil {
                throw UsageError("--\(option.name) is given twice", command: spec.name)
            }
            for value in values where !option.choices.isEmpty && !option.choices.contains(value) {
                throw UsageError(
                    "--\(option.name) \"\(shown(value))\" is not one of \(option.choices.joined(separator: ", "))",
                    command: spec.name)
            }
        }
    }

    /// An argument may be a URL with a password that stands at a wrong place.
    private static func shown(_ argument: String) -> String {
        let safe = ConnectionStringSecrets.redacted(argument)
        return safe.count <= 60 ? safe : "\(safe.prefix(60))…"
    }

    // MARK: - getopt_long

    private static func read(
        _ arguments: [String], _ specs: [OptionSpec], stopsAtArgument: Bool, command: CommandName?
    ) throws(UsageError) -> (options: [String: [String]], rest: [String]) {
        let result: Result<(options: [String: [String]], rest: [String]), UsageError> = getopt.withLock { _ in
            Result { () throws(UsageError) in
                try readLocked(arguments, specs, stopsAtArgument: stopsAtArgument, command: command)
            }
        }
        return try result.get()
    }

    private static func readLocked(
        _ arguments: [String], _ specs: [OptionSpec], stopsAtArgument: Bool, command: CommandName?
    ) throws(UsageError) -> (options: [String: [String]], rest: [String]) {
        let firstLong: Int32 = 1000
        var values = (["weir"] + arguments).map { strdup($0) } + [nil]
        let names = specs.map { strdup($0.name) }
        defer { (values + names).forEach { free($0) } }
        let argv = values
        var table = zip(specs, names).enumerated().map { index, entry in
            option(
                name: entry.1, has_arg: entry.0.value == nil ? no_argument : required_argument, flag: nil,
                val: firstLong + Int32(index))
        }
        table.append(option(name: nil, has_arg: 0, flag: nil, val: 0))
        // "+" stops at the first argument, ":" tells a missing value from an unknown option.
        var shorts = stopsAtArgument ? "+:" : ":"
        for spec in specs { if let short = spec.short { shorts += "\(short)" + (spec.value == nil ? "" : ":") } }

        var options: [String: [String]] = [:]
        opterr = 0
        optind = 0
        while true {
            let found = getopt_long(Int32(values.count - 1), &values, shorts, table, nil)
            guard found != -1 else { break }
            guard found != CInt(UInt8(ascii: "?")), found != CInt(UInt8(ascii: ":")) else {
                let text = argv.indices.contains(Int(optind) - 1) ? values[Int(optind) - 1] : nil
                throw fault(
                    found, text: text.map { String(cString: $0) } ?? "", specs: specs, firstLong: firstLong, command)
            }
            let spec = found >= firstLong ? specs[Int(found - firstLong)] : specs.first { $0.short?.asciiCode == found }
            guard let spec else { continue }
            options[spec.name, default: []].append(optarg.map { String(cString: $0) } ?? "")
        }
        let rest = values[Int(optind)..<(values.count - 1)].map { $0.map { String(cString: $0) } ?? "" }
        return (options, rest)
    }

    private static func fault(
        _ found: Int32, text: String, specs: [OptionSpec], firstLong: Int32, _ command: CommandName?
    ) -> UsageError {
        let known = optopt >= firstLong ? specs[Int(optopt - firstLong)] : specs.first { $0.short?.asciiCode == optopt }
        if found == CInt(UInt8(ascii: ":")), let known {
            return UsageError("--\(known.name) needs a value \(known.value ?? "")", command: command)
        }
        if let known { return UsageError("--\(known.name) takes no value", command: command) }
        let name = text.prefix { $0 != "=" }
        let place = command.map { " for \"\($0.rawValue)\"" } ?? ""
        if name.hasPrefix("--") {
            let written = String(name.dropFirst(2))
            let matches = specs.filter { $0.name.hasPrefix(written) }
            if matches.count > 1 {
                let names = matches.map { "--\($0.name)" }.joined(separator: ", ")
                return UsageError("\(name) may be any of \(names)", command: command)
            }
            let nearest = NearestName.of(written, in: specs.map(\.name)).map { "; did you mean --\($0)?" }
            return UsageError("unknown option \(shown(String(name)))\(place)" + (nearest ?? ""), command: command)
        }
        let letter = UnicodeScalar(UInt8(truncatingIfNeeded: optopt))
        return UsageError("unknown option -\(Character(letter))\(place)", command: command)
    }
}

extension Character {
    fileprivate var asciiCode: Int32? { asciiValue.map(Int32.init) }
}
