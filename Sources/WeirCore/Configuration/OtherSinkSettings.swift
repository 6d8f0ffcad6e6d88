/// `sinks` entry of type `postgres`: transactions applied to another database.
public struct PostgresSinkSettings: SinkSettings, Equatable {
    /// Which table definitions Weir may create or change in the target.
    public enum SchemaChanges: String, Sendable, CaseIterable {
        case none, additive, full
    }

    /// What `sinks[].type` says.
    public static let type = "postgres"

    /// A libpq connection string. Holds secrets.
    public var url: String
    /// Which table definitions Weir may create or change.
    public var schema: SchemaChanges

    private enum Keys {
        static let url = SettingsField<String>.connectionString(
            "url", .required, doc: "The target database: any libpq connection string, several hosts and TLS included.")
        static let schema = SettingsField<SchemaChanges>.choice(
            "schema", .value(.none),
            doc:
                "Table definitions Weir may create or change in the target. Only `none` is in this version: the "
                + "tables exist."
        )
    }

    /// The keys besides `type` and `name`.
    public static let fields: [SettingsFieldInfo] = [Keys.url.info, Keys.schema.info]

    /// Reads the section.
    public init(reading section: SettingsSection, common: CommonSettings) {
        url = section.value(Keys.url, or: "")
        schema = section.value(Keys.schema, or: .none)
        if schema != .none {
            section.problem(
                "schema", "\(schema.rawValue) is not in this version",
                suggestion: "create the target's tables yourself (pg_dump --schema-only) and write schema: none")
        }
    }
}

/// `sinks` entry of type `stdout`: one JSON object a line on the standard output.
public struct StdoutSinkSettings: SinkSettings, Equatable {
    /// What `sinks[].type` says.
    public static let type = "stdout"

    /// The form of the events.
    public var format: EventFormat
    /// How Debezium events are written.
    public var debezium: DebeziumSettings

    private enum Keys {
        static let format = SettingsField<EventFormat>.choice(
            "format", .value(.debezium),
            doc: "Debezium's envelope, or `flat`: the new row. `cloudevents` is not in this version.")
        static let debezium = SettingsFieldInfo(
            name: "debezium", type: "map", fallback: .value("the block `debezium`"),
            doc: "Keys of the block `debezium` that hold for this sink only.")
    }

    /// The keys besides `type` and `name`.
    public static let fields: [SettingsFieldInfo] = [Keys.format.info, Keys.debezium]

    /// Makes settings.
    public init(format: EventFormat = .debezium, debezium: DebeziumSettings = DebeziumSettings()) {
        self.format = format
        self.debezium = debezium
    }

    /// Reads the section.
    public init(reading section: SettingsSection, common: CommonSettings) {
        format = section.value(Keys.format, or: .debezium)
        debezium = DebeziumSettings(
            reading: section.node(Keys.debezium.name), at: section.path.appending(key: Keys.debezium.name),
            over: common.debezium, decoding: section.decoding)
        if format == .cloudevents { section.problem("format", "cloudevents is not in this version") }
    }
}
