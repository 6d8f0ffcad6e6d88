import WeirCore

/// What a Debezium configuration becomes: Weir's settings, and what became of each property.
struct DebeziumImport {
    /// What became of one property.
    struct Note: Equatable {
        let severity: Finding.Severity
        /// The property as it is written in the file.
        let property: String
        let message: String
        var remedy: String?

        var finding: Finding { Finding(severity, property, message, remedy: remedy) }
    }

    /// A setting of Weir, its value as YAML on one line.
    struct Setting: Equatable {
        let key: String
        let yaml: String
    }

    private(set) var notes: [Note] = []
    /// The pipeline's name, and the prefix of topics it is made of.
    var pipeline = ""
    var topicPrefix = ""
    /// The patterns of `table.include.list`.
    var includedTables: [String]?
    var source: [Setting] = []
    var transforms: [String] = []
    var sink: [Setting] = []
    var sinkProperties: [Setting] = []
    var debezium: [Setting] = []
    /// The sink's name, under which a position is stored.
    var sinkName = "kafka"

    private let properties: DebeziumProperties
    private var taken: Set<String> = []

    /// Works through all properties.
    init(_ properties: DebeziumProperties) {
        self.properties = properties
        connector()
        naming()
        connection()
        start()
        tables()
        columns()
        events()
        formats()
        transformations()
        delivery()
        remainder()
    }

    /// Whether something changes events, or keeps Weir from taking over.
    var hasErrors: Bool { notes.contains { $0.severity == .error } }

    // MARK: - Helpers for the parts

    /// Takes a property: its value, nil when it is not written.
    mutating func take(_ name: String) -> String? {
        taken.insert(name)
        return properties.value(name)
    }

    /// Properties whose names begin so.
    func names(_ prefix: String) -> [String] {
        properties.entries.map(\.name).filter { $0.hasPrefix(prefix) }
    }

    /// Whether the file is for Debezium Server, and its settings of sink and formats.
    var kind: DebeziumProperties.Kind { properties.kind }
    var serverSink: [DebeziumProperties.Entry] { properties.sink }
    var serverFormat: [DebeziumProperties.Entry] { properties.format }

    /// The connector's own name, which its stored offset has too.
    var connectorName: String? { properties.value("name") }

    /// A property's value without marking it as dealt with.
    func peek(_ name: String) -> String? { properties.value(name) }

    mutating func mark(_ names: [String]) { taken.formUnion(names) }

    mutating func note(_ severity: Finding.Severity, _ name: String, _ message: String, remedy: String? = nil) {
        let written = properties.entries.last { $0.name == name }?.written ?? name
        notes.append(Note(severity: severity, property: written, message: message, remedy: remedy))
    }

    mutating func ok(_ name: String, _ message: String) { note(.ok, name, message) }

    /// Notes what a property of a part that is not the connector's became.
    mutating func note(written: String, _ severity: Finding.Severity, _ message: String, remedy: String? = nil) {
        notes.append(Note(severity: severity, property: written, message: message, remedy: remedy))
    }

    private mutating func remainder() {
        for entry in properties.entries where !taken.contains(entry.name) {
            taken.insert(entry.name)
            if let reason = KnownProperties.needless(entry.name) {
                notes.append(Note(severity: .ok, property: entry.written, message: reason))
            } else {
                notes.append(
                    Note(
                        severity: .warning, property: entry.written, message: "is not known here and was left out",
                        remedy: "Look it up in Debezium's documentation: does it change events?"))
            }
        }
        for entry in properties.others {
            notes.append(
                Note(severity: .ok, property: entry.written, message: "belongs to Debezium Server, not to the pipeline")
            )
        }
    }
}

/// Texts of YAML, and of references to secrets.
enum YAMLText {
    /// A text between double quotes, in which `$` stands for itself.
    static func quoted(_ text: String) -> String {
        JSONText.quoted(text.split(separator: "$", omittingEmptySubsequences: false).joined(separator: "$$"))
    }

    /// A text between double quotes whose `${NAME}` are references.
    static func reference(_ text: String) -> String { JSONText.quoted(text) }

    /// A list on one line.
    static func list(_ items: [String]) -> String { "[\(items.map(quoted).joined(separator: ", "))]" }
}

/// Kafka Connect's references to values that live elsewhere: `${provider:path:key}`.
enum ConnectReference {
    /// What stands for it in Weir, and what the operator has to do; nil when the value is no reference.
    static func translate(_ value: String, default name: String) -> (text: String, advice: String?)? {
        guard value.hasPrefix("${"), value.hasSuffix("}"), !value.dropFirst(2).contains("${") else { return nil }
        let parts = value.dropFirst(2).dropLast().split(separator: ":", omittingEmptySubsequences: false)
        switch parts.first {
        case "env" where parts.count >= 2:
            return ("${\(variable(String(parts[parts.count - 1]), name))}", nil)
        case "dir" where parts.count >= 3, "directory" where parts.count >= 3:
            return ("file:\(parts[1])/\(parts[2])", nil)
        default:
            let key =
                parts.count >= 2
                ? variable(String(parts[parts.count - 1]), name)
                : parts.count == 1 ? variable(String(parts[0]), name) : name
            return ("${\(key)}", "Set the environment variable \(key) to what \(value) stood for.")
        }
    }

    /// A name as the environment has them.
    static func variable(_ text: String, _ fallback: String) -> String {
        let name = text.map {
            $0.isLetter && $0.isASCII || $0.isNumber && $0.isASCII ? Character($0.uppercased()) : "_"
        }
        guard let first = name.first, !first.isNumber else { return fallback }
        return String(name)
    }
}
