/// `source` of type `postgres`: a database read through logical replication.
public struct PostgresSourceSettings: SourceSettings, Equatable {
    /// When the current rows of the tables are copied before changes are streamed.
    public enum Snapshot: String, Sendable, CaseIterable {
        /// When no position is known.
        case initial
        /// Never: changes from the slot's creation on.
        case never
        /// At every start.
        case always
        /// Copy, then end.
        case only
    }

    /// How changes of tables become known.
    public enum Definitions: String, Sendable, CaseIterable {
        /// From the stream's descriptions and the catalog.
        case inferred
        /// From messages of an event trigger.
        case trigger
    }

    /// Events that say that the pipeline is alive, for consumers of tables that seldom change.
    public struct Heartbeat: Sendable, Equatable {
        /// Time between two of them.
        public var interval: Duration
        /// A statement that is run before each, in a transaction of its own; nil for none. Its errors are logged and
        /// change nothing else.
        public var query: String?

        /// Makes a heartbeat.
        public init(interval: Duration, query: String? = nil) {
            self.interval = interval
            self.query = query
        }
    }

    /// In which form the stream's values come.
    public enum Binary: String, Sendable, CaseIterable {
        /// As text.
        case never
        /// In the types' binary forms, where each column of the published tables has a decoder; as text otherwise.
        case auto
    }

    /// What becomes of text that is not UTF-8. Only a database in SQL_ASCII has any.
    public enum InvalidText: String, Sendable, CaseIterable {
        /// The pipeline stops at it.
        case refuse
        /// It comes as `\x` and hexadecimal digits.
        case bytes
    }

    /// What `source.type` says.
    public static let type = "postgres"

    /// A libpq connection string. Holds secrets.
    public var url: String
    /// Table patterns in order, the last match wins; empty: the publication decides.
    public var tables: [String]
    /// The replication slot.
    public var slot: String
    /// The publication.
    public var publication: String
    /// When the current rows are copied.
    public var snapshot: Snapshot
    /// How often the server is told the confirmed position.
    public var statusInterval: Duration
    /// How often the catalog is looked at for tables that come in while the stream runs.
    public var discoveryInterval: Duration
    /// How changes of tables become known.
    public var ddl = Definitions.inferred
    /// Heartbeats; nil for none.
    public var heartbeat: Heartbeat?
    /// In which form the stream's values come; events and target rows are the same either way.
    public var binary = Binary.never
    /// What becomes of text that is not UTF-8.
    public var invalidText = InvalidText.refuse

    /// Makes settings.
    public init(
        url: String, tables: [String] = [], slot: String, publication: String, snapshot: Snapshot = .initial,
        statusInterval: Duration = .seconds(10), discoveryInterval: Duration = .seconds(10),
        heartbeat: Heartbeat? = nil
    ) {
        self.url = url
        self.tables = tables
        self.slot = slot
        self.publication = publication
        self.snapshot = snapshot
        self.statusInterval = statusInterval
        self.discoveryInterval = discoveryInterval
        self.heartbeat = heartbeat
    }
}

extension PostgresSourceSettings {
    private enum Keys {
        static let url = SettingsField<String>.connectionString(
            "url", .required, doc: "The source database: any libpq connection string, several hosts and TLS included.")
        static let tables = SettingsField<[String]>.tables(
            "tables", .derived("what the publication holds, else all"),
            doc:
                "Patterns such as `public.*`; `!` excludes, the last match wins, quoted identifiers work. Without any, "
                + "tables made later are named, not taken.")
        static let slot = SettingsField<String>.text(
            "slot", .derived("weir_PIPELINE"), doc: "The replication slot; created when missing."
        ).checked { PostgresNames.slotFault($0) }
        static let publication = SettingsField<String>.text(
            "publication", .derived("weir_PIPELINE"),
            doc:
                "The publication; created when missing, limited to `tables`. One that Weir did not make is "
                + "never altered."
        ).checked { PostgresNames.identifierFault($0) }
        static let snapshot = SettingsField<Snapshot>.choice(
            "snapshot", .value(.initial),
            doc:
                "Copy the current rows before streaming: when there is no position yet, never, at every start, "
                + "or only that."
        )
        static let statusInterval = SettingsField<Duration>.duration(
            "status.interval", .value(.seconds(10)), in: .milliseconds(100)...(.seconds(3600)),
            doc: "How often the confirmed position is sent; keep it well below the server's `wal_sender_timeout`.")
        static let discoveryInterval = SettingsField<Duration>.duration(
            "discovery.interval", .value(.seconds(10)), in: .milliseconds(100)...(.seconds(86_400)),
            doc:
                "How often to look for tables that are new in the publication, or that fit `tables` and are not in "
                + "Weir's own yet: they are added to it, their rows are copied (unless `snapshot` is `never`), then "
                + "they are streamed.")
        static let ddl = SettingsField<Definitions>.choice(
            "ddl", .value(.inferred),
            doc:
                "How changes of tables become known: inferred from the stream and the catalog, or told by an event "
                + "trigger, which a superuser installs once (`weir check` prints the statements; a run as superuser "
                + "installs it), at their exact place and with tables that have no rows. PostgreSQL 14 or newer.")
        static let binary = SettingsField<Binary>.choice(
            "binary", .value(.never),
            doc:
                "Stream values in PostgreSQL's binary forms where every column of the published tables has a decoder "
                + "(`auto`), or as text. The results are the same; PostgreSQL 14 or newer.")
        static let invalidText = SettingsField<InvalidText>.choice(
            "invalid.text", .value(.refuse),
            doc:
                "What a text gets that is not UTF-8, as a database in SQL_ASCII may hold: stop there, or carry it as "
                + "`\\x` and hexadecimal digits (`bytes`).")
        static let heartbeatInterval = SettingsField<Duration>.duration(
            "heartbeat.interval", .none, in: .milliseconds(100)...(.seconds(86_400)),
            doc: "Write a heartbeat event this often, whether or not there are changes (`heartbeat.interval.ms`).")
        static let heartbeatQuery = SettingsField<String>.text(
            "heartbeat.query", .none,
            doc:
                "A statement to run at the source before each heartbeat (`heartbeat.action.query`), for example an "
                + "UPDATE of a published table. The search path is `\"$user\", public`; errors are logged."
        )
    }

    /// The keys besides `type`.
    public static let fields: [SettingsFieldInfo] = [
        Keys.url.info, Keys.tables.info, Keys.slot.info, Keys.publication.info, Keys.snapshot.info,
        Keys.statusInterval.info, Keys.discoveryInterval.info, Keys.ddl.info, Keys.binary.info, Keys.invalidText.info,
        Keys.heartbeatInterval.info, Keys.heartbeatQuery.info,
    ]

    /// Reads the section.
    public init(reading section: SettingsSection, common: CommonSettings) {
        let derived = "weir_\(common.pipeline)"
        self.init(
            url: section.value(Keys.url, or: ""), tables: section.value(Keys.tables, or: []),
            slot: section.value(Keys.slot, or: derived), publication: section.value(Keys.publication, or: derived),
            snapshot: section.value(Keys.snapshot, or: .initial),
            statusInterval: section.value(Keys.statusInterval, or: .seconds(10)),
            discoveryInterval: section.value(Keys.discoveryInterval, or: .seconds(10)))
        ddl = section.value(Keys.ddl, or: .inferred)
        binary = section.value(Keys.binary, or: .never)
        invalidText = section.value(Keys.invalidText, or: .refuse)
        let query = section.value(Keys.heartbeatQuery)
        if let interval = section.value(Keys.heartbeatInterval) {
            heartbeat = Heartbeat(interval: interval, query: query)
        } else if query != nil, !section.has(Keys.heartbeatInterval.info.name) {
            section.problem(
                Keys.heartbeatQuery.info.name, "there are no heartbeats to run it at",
                suggestion: "set `heartbeat.interval`")
        }
    }
}

/// What PostgreSQL allows in names.
public enum PostgresNames {
    /// Longest identifier, in bytes (`NAMEDATALEN` - 1).
    public static let lengthMax = 63

    /// What is wrong with a replication slot's name, or nil. Source: `ReplicationSlotValidateName`.
    public static func slotFault(_ name: String) -> String? {
        guard isPlain(name) else { return "a slot's name has only lower-case letters, digits and \"_\"" }
        return name.utf8.count > lengthMax ? "a slot's name has at most \(lengthMax) characters" : nil
    }

    /// What is wrong with a quoted identifier, or nil.
    public static func identifierFault(_ name: String) -> String? {
        if name.utf8.contains(0) { return "a name cannot hold a NUL character" }
        return name.utf8.count > lengthMax ? "a name has at most \(lengthMax) bytes" : nil
    }

    /// What is wrong with a pipeline's name, or nil: it becomes part of a slot's name, of topics and of file names.
    public static func pipelineFault(_ name: String) -> String? {
        guard isPlain(name) else { return "a pipeline's name has only lower-case letters, digits and \"_\"" }
        let longest = lengthMax - "weir_".count
        return name.utf8.count > longest ? "a pipeline's name has at most \(longest) characters" : nil
    }

    private static func isPlain(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}
