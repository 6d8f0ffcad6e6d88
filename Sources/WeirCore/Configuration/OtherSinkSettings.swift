/// `sinks` entry of type `postgres`: transactions applied to another database.
public struct PostgresSinkSettings: SinkSettings, Equatable {
    /// Which table definitions Weir may create or change in the target.
    public enum SchemaChanges: String, Sendable, CaseIterable {
        case none, additive, full
    }

    /// How changes are applied.
    public enum Apply: String, Sendable, CaseIterable {
        /// `upsert` for `weir replay`, `exact` otherwise.
        case auto
        /// As they happened.
        case exact
        /// So that the row ends up as the change says, whatever was there.
        case upsert
    }

    /// What an update or delete gets that finds no row.
    public enum MissingRows: String, Sendable, CaseIterable {
        case error, ignore, insert
    }

    /// What the snapshot of a table gets whose target holds rows already.
    public enum NotEmpty: String, Sendable, CaseIterable {
        case refuse, truncate, append
    }

    /// The target session's replication role.
    public enum SessionRole: String, Sendable, CaseIterable {
        case auto, replica, origin
    }

    /// What `sinks[].type` says.
    public static let type = "postgres"

    /// A libpq connection string. Holds secrets.
    public var url: String
    /// Which table definitions Weir may create or change.
    public var schema: SchemaChanges
    /// How changes are applied.
    public var apply: Apply
    /// What an update or delete gets that finds no row.
    public var missingRows: MissingRows
    /// What the snapshot of a table gets whose target holds rows already.
    public var notEmpty: NotEmpty
    /// The target session's replication role.
    public var sessionRole: SessionRole
    /// Bytes of source transactions in one target transaction.
    public var groupBytes: Int
    /// Rows of source transactions in one target transaction.
    public var groupRows: Int
    /// Age of a target transaction.
    public var groupTime: Duration

    private enum Keys {
        static let url = SettingsField<String>.connectionString(
            "url", .required, doc: "The target database: any libpq connection string, several hosts and TLS included.")
        static let schema = SettingsField<SchemaChanges>.choice(
            "schema", .value(.none),
            doc: "Table definitions Weir may create or change in the target. `none`: it stops with the statements to "
                + "run. `additive`: it makes what is missing (tables, types, columns, labels), widens types and drops "
                + "NOT NULL, and stops for the rest. `full`: renames, drops and other changes of type as well.")
        static let apply = SettingsField<Apply>.choice(
            "apply", .value(.auto),
            doc: "Apply changes as they happened (`exact`), or so that the row ends up as the change says (`upsert`); "
                + "`auto` is `upsert` for `weir replay` and `exact` otherwise.")
        static let missingRows = SettingsField<MissingRows>.choice(
            "missing.rows", .value(.error),
            doc: "What an update or delete gets that finds no row: stop, go on, or insert the new row.")
        static let notEmpty = SettingsField<NotEmpty>.choice(
            "snapshot.not.empty", .value(.refuse),
            doc: "What the snapshot of a table gets whose target holds rows of another origin.")
        static let sessionRole = SettingsField<SessionRole>.choice(
            "session.role", .value(.auto),
            doc: "`replica` keeps triggers and foreign keys of the target silent; `auto` takes it where the role may.")
        static let groupBytes = SettingsField<Int>.bytes(
            "group.bytes", .value(8 << 20), in: (64 << 10)...(1 << 30),
            doc: "Under load several source transactions share a target transaction, up to this size.")
        static let groupRows = SettingsField<Int>.count(
            "group.rows", .value(50_000), in: 1...10_000_000, doc: "Most rows of a shared target transaction.")
        static let groupTime = SettingsField<Duration>.duration(
            "group.time", .value(.milliseconds(500)), in: .milliseconds(1)...(.seconds(60)),
            doc: "Greatest age of a shared target transaction.")
    }

    /// The keys besides `type` and `name`.
    public static let fields: [SettingsFieldInfo] = [
        Keys.url.info, Keys.schema.info, Keys.apply.info, Keys.missingRows.info, Keys.notEmpty.info,
        Keys.sessionRole.info, Keys.groupBytes.info, Keys.groupRows.info, Keys.groupTime.info,
    ]

    /// Reads the section.
    public init(reading section: SettingsSection, common: CommonSettings) {
        url = section.value(Keys.url, or: "")
        schema = section.value(Keys.schema, or: .none)
        apply = section.value(Keys.apply, or: .auto)
        missingRows = section.value(Keys.missingRows, or: .error)
        notEmpty = section.value(Keys.notEmpty, or: .refuse)
        sessionRole = section.value(Keys.sessionRole, or: .auto)
        groupBytes = section.value(Keys.groupBytes, or: 0)
        groupRows = section.value(Keys.groupRows, or: 0)
        groupTime = section.value(Keys.groupTime, or: .zero)
        if apply == .upsert, missingRows != .error {
            section.problem("missing.rows", "this key goes with \"apply: exact\" only")
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
    public var debezium: DebeziumOptions
    /// What becomes of the events.
    public var output: Output

    /// What becomes of the events.
    public enum Output: String, Sendable, CaseIterable {
        /// They are printed.
        case print
        /// They are encoded and dropped.
        case encode
        /// Changes are dropped as they come.
        case discard
    }

    private enum Keys {
        static let format = SettingsField<EventFormat>.choice(
            "format", .value(.debezium),
            doc: "Debezium's envelope, or `flat`: the new row. `cloudevents` is not in this version.")
        static let output = SettingsField<Output>.choice(
            "output", .value(.print),
            doc: "`print` events. For measuring what comes before: `encode` them and print nothing, or `discard` the "
                + "changes. Positions move all the same.")
        static let debezium = SettingsFieldInfo(
            name: "debezium", type: "map", fallback: .value("the block `debezium`"),
            doc: "Keys of the block `debezium` that hold for this sink only.")
    }

    /// The keys besides `type` and `name`.
    public static let fields: [SettingsFieldInfo] = [Keys.format.info, Keys.debezium, Keys.output.info]

    /// Makes settings.
    public init(
        format: EventFormat = .debezium, debezium: DebeziumOptions = DebeziumOptions(), output: Output = .print
    ) {
        self.format = format
        self.debezium = debezium
        self.output = output
    }

    /// Reads the section.
    public init(reading section: SettingsSection, common: CommonSettings) {
        format = section.value(Keys.format, or: .debezium)
        debezium = DebeziumOptions(
            reading: section.node(Keys.debezium.name), at: section.path.appending(key: Keys.debezium.name),
            over: common.debezium, decoding: section.decoding)
        output = section.value(Keys.output, or: .print)
        if format == .cloudevents { section.problem("format", "cloudevents is not in this version") }
    }
}
