import WeirCore

/// The settings of a Debezium connector, from any of the files they are kept in.
struct DebeziumProperties {
    /// Why a file holds no settings.
    struct Failure: Error, Equatable {
        let reason: String
    }

    /// What the file is for.
    enum Kind { case connect, server, engine }

    /// A setting as it is written.
    struct Entry: Equatable {
        /// The name in the file.
        let written: String
        /// The connector's own name for it.
        let name: String
        let value: String
    }

    let kind: Kind
    /// Settings of the connector and its converters.
    private(set) var entries: [Entry] = []
    /// Settings of Debezium Server's sink, without `debezium.sink.`.
    private(set) var sink: [Entry] = []
    /// Settings of Debezium Server's formats, without `debezium.format.`.
    private(set) var format: [Entry] = []
    /// Settings that belong to the program around the connector.
    private(set) var others: [Entry] = []

    /// The value of a setting, without spaces around it.
    func value(_ name: String) -> String? { entries.last { $0.name == name }?.value }

    /// Reads a connector's JSON for Kafka Connect, or a properties file of the engine or of Debezium Server.
    init(_ bytes: [UInt8]) throws(Failure) {
        let first = bytes.first { $0 != 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D }
        guard first == UInt8(ascii: "{") else {
            let pairs = JavaProperties(bytes).pairs
            guard !pairs.isEmpty else { throw Failure(reason: "it holds no properties") }
            kind = pairs.contains { $0.name.hasPrefix("debezium.source.") } ? .server : .engine
            for pair in pairs { take(pair.name, pair.value) }
            return
        }
        let document: JSONValue
        do throws(JSONFailure) {
            document = try JSONValue(bytes)
        } catch {
            throw Failure(reason: "it is no JSON: \(error)")
        }
        kind = .connect
        let settings = document["config"] ?? document
        guard case .object(let members) = settings, !members.isEmpty else {
            throw Failure(reason: "it holds no connector's configuration")
        }
        for member in members {
            guard let text = member.value.text else {
                throw Failure(reason: "the value of \(member.name) is no text, number or boolean")
            }
            take(member.name, text)
        }
    }

    private mutating func take(_ name: String, _ value: String) {
        let value = Self.trimmed(value)
        guard kind == .server else {
            entries.append(Entry(written: name, name: name, value: value))
            return
        }
        func rest(_ prefix: String) -> String? { name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : nil }
        if let own = rest("debezium.source.") {
            entries.append(Entry(written: name, name: own, value: value))
        } else if let own = rest("debezium.sink.") {
            sink.append(Entry(written: name, name: own, value: value))
        } else if let own = rest("debezium.format.") {
            format.append(Entry(written: name, name: own, value: value))
        } else if let own = rest("debezium.transforms") {
            entries.append(Entry(written: name, name: "transforms" + own, value: value))
        } else {
            others.append(Entry(written: name, name: name, value: value))
        }
    }

    private static func trimmed(_ text: String) -> String {
        var rest = text[...]
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }
}

/// A `.properties` file. Source: `java.util.Properties.load`.
struct JavaProperties {
    /// Names and values in the order of the file.
    private(set) var pairs: [(name: String, value: String)] = []

    init(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        var logical = ""
        var isContinued = false
        for raw in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            let line = raw.drop { $0 == " " || $0 == "\t" || $0 == "\u{c}" }
            if !isContinued, line.isEmpty || line.first == "#" || line.first == "!" { continue }
            let slashes = line.reversed().prefix { $0 == "\\" }.count
            isContinued = slashes % 2 == 1
            logical += isContinued ? line.dropLast() : line
            guard !isContinued else { continue }
            take(logical)
            logical = ""
        }
        if !logical.isEmpty { take(logical) }
    }

    private mutating func take(_ line: String) {
        var rest = line[...]
        let name = Self.part(&rest) { $0 == "=" || $0 == ":" || $0 == " " || $0 == "\t" }
        rest = rest.drop { $0 == " " || $0 == "\t" }
        if rest.first == "=" || rest.first == ":" { rest = rest.dropFirst().drop { $0 == " " || $0 == "\t" } }
        let value = Self.part(&rest) { _ in false }
        if !name.isEmpty { pairs.append((name, value)) }
    }

    /// Takes text up to a character that ends it, escapes resolved.
    private static func part(_ rest: inout Substring, until ends: (Character) -> Bool) -> String {
        var text = ""
        while let character = rest.first, !ends(character) {
            rest.removeFirst()
            guard character == "\\", let escaped = rest.popFirst() else {
                text.append(character)
                continue
            }
            switch escaped {
            case "t": text.append("\t")
            case "n": text.append("\n")
            case "r": text.append("\r")
            case "f": text.append("\u{c}")
            case "u":
                let digits = rest.prefix(4)
                if digits.count == 4, let code = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(code) {
                    text.unicodeScalars.append(scalar)
                    rest = rest.dropFirst(4)
                }
            default: text.append(escaped)
            }
        }
        return text
    }
}
