/// How changes are written as Debezium events. Names and defaults are those of Debezium's PostgreSQL connector where
/// it has them.
///
/// Source: `debezium-connector-postgres` 3.6 documentation, "Connector properties".
public struct DebeziumSettings: Sendable, Equatable {
    /// `decimal.handling.mode`.
    public enum DecimalMode: String, Sendable, CaseIterable {
        case precise, string, double
    }

    /// `time.precision.mode`.
    public enum TimePrecision: String, Sendable, CaseIterable {
        case adaptive
        case adaptiveTimeMicroseconds = "adaptive_time_microseconds"
        case connect, isostring, microseconds, nanoseconds
    }

    /// `interval.handling.mode`.
    public enum IntervalMode: String, Sendable, CaseIterable {
        case numeric, string
    }

    /// `binary.handling.mode`.
    public enum BinaryMode: String, Sendable, CaseIterable {
        case bytes, base64
        case base64URLSafe = "base64-url-safe"
        case hex
    }

    /// `hstore.handling.mode`.
    public enum HstoreMode: String, Sendable, CaseIterable {
        case json, map
    }

    /// Leaves out what Debezium leaves out, instead of carrying PostgreSQL's text form.
    public var strict = false
    /// How numeric values are written.
    public var decimal = DecimalMode.precise
    /// How times and timestamps are written.
    public var timePrecision = TimePrecision.adaptive
    /// How intervals are written.
    public var interval = IntervalMode.numeric
    /// How bytea values are written.
    public var binary = BinaryMode.bytes
    /// How hstore values are written.
    public var hstore = HstoreMode.json
    /// Whether a delete is followed by a record without value.
    public var tombstones = true
    /// What stands for a value that the server did not send because it is unchanged.
    public var unavailableValuePlaceholder = "__debezium_unavailable_value"
    /// Operations that make no event.
    public var skippedOperations: Set<Operation> = [.truncate]

    /// Debezium's defaults.
    public init() {}
}

extension DebeziumSettings {
    private typealias Standard = DebeziumSettings

    private enum Keys {
        static let strict = SettingsField<Bool>.flag(
            "strict", .value(false),
            doc: "Leave out what Debezium leaves out (types it does not know) instead of carrying PostgreSQL's text.")
        static let decimal = SettingsField<DecimalMode>.choice(
            "decimal", .value(.precise), doc: "How `numeric` and `money` are written (`decimal.handling.mode`).")
        static let timePrecision = SettingsField<TimePrecision>.choice(
            "time.precision", .value(.adaptive), doc: "How times and timestamps are written (`time.precision.mode`).")
        static let interval = SettingsField<IntervalMode>.choice(
            "interval", .value(.numeric), doc: "How `interval` is written (`interval.handling.mode`).")
        static let binary = SettingsField<BinaryMode>.choice(
            "binary", .value(.bytes), doc: "How `bytea` is written (`binary.handling.mode`).")
        static let hstore = SettingsField<HstoreMode>.choice(
            "hstore", .value(.json), doc: "How `hstore` is written (`hstore.handling.mode`).")
        static let tombstones = SettingsField<Bool>.flag(
            "tombstones", .value(true), doc: "Follow a delete by a record with the same key and no value.")
        static let placeholder = SettingsField<String>.text(
            "unavailable.value.placeholder", .value(Standard().unavailableValuePlaceholder),
            doc: "What stands for an unchanged large value that the server did not send.")
        static let skipped = SettingsField<[String]>.texts(
            "skipped.operations", .value(["truncate"]),
            doc: "Operations that make no event: `insert`, `update`, `delete`, `truncate`, `message`, `read` "
                + "(or `c`, `u`, `d`, `t`, `m`, `r`), or `none`.")
    }

    /// The keys of a `debezium` block.
    public static let fields: [SettingsFieldInfo] = [
        Keys.strict.info, Keys.decimal.info, Keys.timePrecision.info, Keys.interval.info, Keys.binary.info,
        Keys.hstore.info, Keys.tombstones.info, Keys.placeholder.info, Keys.skipped.info,
    ]

    /// Reads a `debezium` block over `base`: keys that are not written keep its values.
    public init(
        reading node: SettingsNode?, at path: SettingsPath, over base: DebeziumSettings, decoding: SettingsDecoding
    ) {
        self = base
        let section = SettingsSection(node, at: path, fields: Self.fields, decoding: decoding)
        func take<Value>(_ field: SettingsField<Value>, _ set: (Value) -> Void) {
            if section.has(field.info.name), let value = section.value(field) { set(value) }
        }
        take(Keys.strict) { strict = $0 }
        take(Keys.decimal) { decimal = $0 }
        take(Keys.timePrecision) { timePrecision = $0 }
        take(Keys.interval) { interval = $0 }
        take(Keys.binary) { binary = $0 }
        take(Keys.hstore) { hstore = $0 }
        take(Keys.tombstones) { tombstones = $0 }
        take(Keys.placeholder) { unavailableValuePlaceholder = $0 }
        take(Keys.skipped) { names in
            guard names != ["none"] else {
                skippedOperations = []
                return
            }
            let short: [String: Operation] = [
                "c": .insert, "u": .update, "d": .delete, "t": .truncate, "m": .message, "r": .read,
            ]
            skippedOperations = OperationNames.read(
                names, short: short, at: path.appending(key: Keys.skipped.info.name),
                section.node(Keys.skipped.info.name)?.mark ?? section.mark, decoding)
        }
    }
}

/// Reads lists of operations.
enum OperationNames {
    static func read(
        _ names: [String], short: [String: Operation] = [:], at path: SettingsPath, _ mark: SettingsMark,
        _ decoding: SettingsDecoding
    ) -> Set<Operation> {
        var operations: Set<Operation> = []
        let known = Operation.allCases.map(\.name)
        for name in names {
            if let operation = short[name] ?? Operation.allCases.first(where: { $0.name == name }) {
                operations.insert(operation)
            } else {
                let nearest = NearestName.of(name, in: known)
                decoding.problem(
                    path, mark, "\"\(name)\" is not one of \(known.joined(separator: ", "))",
                    suggestion: nearest.map { "did you mean \"\($0)\"?" })
            }
        }
        return operations
    }
}
