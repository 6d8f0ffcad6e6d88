/// How events look. A value; the encoder copies it when it is made.
public struct EncoderSettings: Sendable, Equatable {
    /// The shape of an event's value.
    public enum Format: String, Sendable, CaseIterable {
        /// Debezium's PostgreSQL envelope, JSON without schemas.
        case debezium
        /// The new row alone; what happened is in the headers.
        case flat
    }

    /// The shape of an event's value.
    public var format: Format
    /// The pipeline's name.
    public var prefix: String
    /// Topic of a table's events. `{pipeline}` (which is `topicPrefix`), `{database}`, `{schema}` and `{table}` are
    /// filled in.
    public var topic: String
    /// `source.version` of the envelope.
    public var version: String
    /// What concerns the envelope and the rendering of values.
    public var debezium: DebeziumOptions

    /// What topics begin with, and `source.name` of the envelope: the pipeline's name unless told otherwise.
    public var topicPrefix: String { debezium.topicPrefix ?? prefix }

    /// Topic template unless told otherwise: Debezium's naming.
    public static let defaultTopic = "{pipeline}.{schema}.{table}"

    /// Makes settings; everything but the prefix has Debezium's default.
    public init(
        prefix: String, format: Format = .debezium, topic: String = Self.defaultTopic,
        version: String = WeirVersion.current, debezium: DebeziumOptions = DebeziumOptions()
    ) {
        self.format = format
        self.prefix = prefix
        self.topic = topic
        self.version = version
        self.debezium = debezium
    }
}

/// Key columns of the tables that a pattern names, in place of their own.
public struct EventKeyColumns: Sendable, Equatable {
    /// The tables, by their names at the source.
    public var tables: TablePattern
    /// Names of the columns, in the order of the key.
    public var columns: [String]

    /// Makes a choice of key columns.
    public init(tables: TablePattern, columns: [String]) {
        self.tables = tables
        self.columns = columns
    }
}

/// Debezium's options that shape events, under the names of its PostgreSQL connector. Raw values are those of its
/// configuration.
public struct DebeziumOptions: Sendable, Equatable {
    /// `decimal.handling.mode`: numeric and money.
    public enum DecimalMode: String, Sendable, CaseIterable {
        /// Base64 of the unscaled value in two's complement; without a declared scale, a struct with the scale.
        case precise
        /// A JSON number in double precision.
        case double
        /// A string.
        case string
    }

    /// `time.precision.mode`: date, time and timestamp without time zone.
    public enum TimePrecision: String, Sendable, CaseIterable {
        /// Milliseconds up to precision 3, microseconds above; dates in days.
        case adaptive
        /// Like `adaptive`, but time of day always in microseconds.
        case adaptiveTimeMicroseconds = "adaptive_time_microseconds"
        /// Milliseconds always, as Kafka Connect's own logical types.
        case connect
        /// Microseconds always.
        case microseconds
        /// Nanoseconds always; years 1677 to 2262 only.
        case nanoseconds
        /// ISO 8601 strings in UTC.
        case isostring
    }

    /// `interval.handling.mode`.
    public enum IntervalMode: String, Sendable, CaseIterable {
        /// Microseconds, a month counted as 30.4375 days.
        case numeric
        /// `P1Y2M3DT4H5M6.78S`.
        case string
    }

    /// `binary.handling.mode`: bytea and the content of logical messages.
    public enum BinaryMode: String, Sendable, CaseIterable {
        /// Bytes, which are base64 in JSON.
        case bytes
        /// Base64.
        case base64
        /// Base64 with `-` and `_`, padded.
        case base64URLSafe = "base64-url-safe"
        /// Hexadecimal digits, lower case.
        case hex
    }

    /// `hstore.handling.mode`.
    public enum HstoreMode: String, Sendable, CaseIterable {
        /// A string that holds a JSON object.
        case json
        /// A JSON object.
        case map
    }

    /// Exactly what Debezium writes, its losses included. Off: values that Debezium loses travel as text.
    public var strict = false
    /// `decimal.handling.mode`.
    public var decimal = DecimalMode.precise
    /// `time.precision.mode`.
    public var timePrecision = TimePrecision.adaptive
    /// `interval.handling.mode`.
    public var interval = IntervalMode.numeric
    /// `binary.handling.mode`.
    public var binary = BinaryMode.bytes
    /// `hstore.handling.mode`.
    public var hstore = HstoreMode.json
    /// `tombstones.on.delete`: an event without a value after each delete.
    public var tombstones = true
    /// `unavailable.value.placeholder`: stands for a TOASTed value that did not change and was not sent.
    public var unavailablePlaceholder = "__debezium_unavailable_value"
    /// `skipped.operations`: no event for these.
    public var skippedOperations: Set<Operation> = [.truncate]
    /// `provide.transaction.metadata`: events at begin and end of transactions, and a block in each event.
    public var transactionMetadata = false
    /// `include.schema.changes`: an event for each change of a table, in the topic that is named as the pipeline.
    public var includeSchemaChanges = false
    /// `include.schema.comments`: comments of tables and columns in these events.
    public var includeSchemaComments = false
    /// `money.fraction.digits`, 0 to 18.
    public var moneyFractionDigits = 2
    /// `key.converter.schemas.enable`: keys are `{"schema":..,"payload":..}`, as Kafka Connect's JsonConverter writes.
    public var keySchemas = false
    /// `value.converter.schemas.enable`: the same for values.
    public var valueSchemas = false
    /// `header.converter.schemas.enable`: the same for the headers that hold a key.
    public var headerSchemas = false
    /// `message.key.columns`: the first that names a table decides; with `strict` all do, as far as it has the columns.
    public var keyColumns: [EventKeyColumns] = []
    /// `topic.prefix`: stands for the pipeline's name in topics and events.
    public var topicPrefix: String?
    /// `topic.heartbeat.prefix`.
    public var heartbeatTopicPrefix = "__debezium-heartbeat"

    /// Whether keys, values or headers have schemas.
    public var hasSchemas: Bool { keySchemas || valueSchemas || headerSchemas }

    /// Debezium's defaults.
    public init() {}
}
