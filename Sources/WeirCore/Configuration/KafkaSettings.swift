/// `sinks` entry of type `kafka`: events published to topics.
public struct KafkaSinkSettings: SinkSettings, Equatable {
    /// What `sinks[].type` says.
    public static let type = "kafka"

    /// Bootstrap servers, `host:port` separated by commas.
    public var brokers: String
    /// Template of topic names with `{pipeline}`, `{database}`, `{schema}` and `{table}`.
    public var topic: String
    /// The form of the events.
    public var format: EventFormat
    /// What a crash may do to the topic.
    public var delivery: KafkaDelivery
    /// Whether missing topics are created.
    public var createsTopics: Bool
    /// Partitions of a topic that Weir creates.
    public var partitions: Int
    /// Copies of each partition of a topic that Weir creates; nil: the broker's default.
    public var replicationFactor: Int?
    /// Settings of a topic that Weir creates.
    public var topicProperties: [SettingsProperty]
    /// Columns that make the key, by table pattern, in place of the table's own.
    public var keyColumns: [KafkaKeyColumns]
    /// librdkafka's properties, secrets among them.
    public var properties: [SettingsProperty]
    /// How Debezium events are written.
    public var debezium: DebeziumOptions
}

/// The form of events.
public enum EventFormat: String, Sendable, CaseIterable {
    /// Debezium's envelope.
    case debezium
    /// The new row, metadata in headers.
    case flat
    /// CloudEvents 1.0 structured JSON.
    case cloudevents
}

/// What a crash may do to a topic.
public enum KafkaDelivery: String, Sendable, CaseIterable {
    /// Events may repeat with the same id.
    case atLeastOnce = "at-least-once"
    /// Events and position commit in one Kafka transaction.
    case exactlyOnce = "exactly-once"
}

/// Key columns of tables, in place of the primary key or replica identity.
public struct KafkaKeyColumns: Sendable, Equatable {
    /// Pattern of the tables.
    public var table: String
    /// Names of the columns, in the order of the key.
    public var columns: [String]

    /// Makes a choice of key columns.
    public init(table: String, columns: [String]) {
        self.table = table
        self.columns = columns
    }
}

extension KafkaSinkSettings {
    private enum Keys {
        static let brokers = SettingsField<String>.text(
            "brokers", .required, doc: "Bootstrap servers, such as `127.0.0.1:9092`; several are separated by commas.")
        static let topic = SettingsField<String>.text(
            "topic", .value("{pipeline}.{schema}.{table}"),
            doc: "Template of topic names with `{pipeline}`, `{database}`, `{schema}` and `{table}`; a `route` "
                + "overrides it."
        ).checked { KafkaNames.templateFault($0) }
        static let format = SettingsField<EventFormat>.choice(
            "format", .value(.debezium),
            doc:
                "Debezium's envelope, or `flat`: the new row with metadata in headers. `cloudevents` is not in "
                + "this version."
        )
        static let delivery = SettingsField<KafkaDelivery>.choice(
            "delivery", .value(.atLeastOnce),
            doc:
                "After a crash events may repeat with the same `weir-id` header. `exactly-once` is not in this version."
        )
        static let createsTopics = SettingsField<Bool>.flag(
            "topics.create", .value(true), doc: "Create topics that are missing.")
        static let partitions = SettingsField<Int>.count(
            "topics.partitions", .value(1), in: 1...100_000, doc: "Partitions of a topic that Weir creates.")
        static let replication = SettingsField<Int>.count(
            "topics.replication.factor", .derived("the broker's"), in: 1...1_000,
            doc: "Copies of each partition of a topic that Weir creates.")
        static let topicProperties = SettingsField<[SettingsProperty]>.properties(
            "topics.properties", doc: "Settings of a topic that Weir creates, such as `cleanup.policy: compact`.")
        static let properties = SettingsField<[SettingsProperty]>.properties(
            "properties",
            doc: "Any librdkafka property, such as `compression.type: lz4` or `sasl.password: file:/run/secret`.")
        static let keyColumns = SettingsFieldInfo(
            name: "key.columns", type: "map", fallback: .value("primary key or replica identity"),
            doc: "Columns that make the key, by table pattern: `{\"public.orders\": [customer_id]}`.")
        static let debezium = SettingsFieldInfo(
            name: "debezium", type: "map", fallback: .value("the block `debezium`"),
            doc: "Keys of the block `debezium` that hold for this sink only.")
    }

    /// The keys besides `type` and `name`.
    public static let fields: [SettingsFieldInfo] = [
        Keys.brokers.info, Keys.topic.info, Keys.format.info, Keys.delivery.info, Keys.createsTopics.info,
        Keys.partitions.info, Keys.replication.info, Keys.topicProperties.info, Keys.keyColumns,
        Keys.properties.info, Keys.debezium,
    ]

    /// Reads the section.
    public init(reading section: SettingsSection, common: CommonSettings) {
        brokers = section.value(Keys.brokers, or: "")
        topic = section.value(Keys.topic, or: "")
        format = section.value(Keys.format, or: .debezium)
        delivery = section.value(Keys.delivery, or: .atLeastOnce)
        createsTopics = section.value(Keys.createsTopics, or: true)
        partitions = section.value(Keys.partitions, or: 1)
        replicationFactor = section.value(Keys.replication)
        topicProperties = section.value(Keys.topicProperties, or: [])
        properties = section.value(Keys.properties, or: [])
        keyColumns = Self.readKeyColumns(section)
        debezium = DebeziumOptions(
            reading: section.node(Keys.debezium.name), at: section.path.appending(key: Keys.debezium.name),
            over: common.debezium, decoding: section.decoding)
        if format == .cloudevents { section.problem("format", "cloudevents is not in this version") }
        if delivery == .exactlyOnce { section.problem("delivery", "exactly-once is not in this version") }
    }

    private static func readKeyColumns(_ section: SettingsSection) -> [KafkaKeyColumns] {
        let name = Keys.keyColumns.name
        guard let node = section.node(name), node.content != .null else { return [] }
        let path = section.path.appending(key: name)
        guard case .mapping(let entries) = node.content else {
            section.problem(name, "expected a map from table patterns to columns, found \(node.kindName)")
            return []
        }
        return entries.compactMap { entry in
            SettingsScalars.names(entry.value, path.appending(key: entry.key), section.decoding)
                .map { KafkaKeyColumns(table: entry.key, columns: $0) }
        }
    }
}

/// `source` of type `kafka`: events recorded in topics, by Weir or by Debezium, read again.
public struct KafkaSourceSettings: SourceSettings, Equatable {
    /// What `source.type` says.
    public static let type = "kafka"

    /// Bootstrap servers.
    public var brokers: String
    /// Topics to read.
    public var topics: [String]
    /// The form of the events.
    public var format: EventFormat
    /// librdkafka's properties, secrets among them.
    public var properties: [SettingsProperty]

    private enum Keys {
        static let brokers = SettingsField<String>.text(
            "brokers", .required, doc: "Bootstrap servers, such as `127.0.0.1:9092`; several are separated by commas.")
        static let topics = SettingsField<[String]>.texts("topics", .required, doc: "The topics to read.")
        static let format = SettingsField<EventFormat>.choice(
            "format", .value(.debezium), doc: "The form of the recorded events.")
        static let properties = SettingsField<[SettingsProperty]>.properties(
            "properties", doc: "Any librdkafka property.")
    }

    /// The keys besides `type`.
    public static let fields: [SettingsFieldInfo] = [
        Keys.brokers.info, Keys.topics.info, Keys.format.info, Keys.properties.info,
    ]

    /// Reads the section.
    public init(reading section: SettingsSection, common: CommonSettings) {
        brokers = section.value(Keys.brokers, or: "")
        topics = section.value(Keys.topics, or: [])
        format = section.value(Keys.format, or: .debezium)
        properties = section.value(Keys.properties, or: [])
        if format != .debezium { section.problem("format", "only debezium can be read in this version") }
    }
}

/// What Kafka allows in topic names.
public enum KafkaNames {
    /// What is wrong with a prefix of topic names, or nil. Source: Debezium's `topic.prefix`.
    public static func prefixFault(_ prefix: String) -> String? {
        guard !prefix.isEmpty, TopicName.sanitized(prefix) == prefix else {
            return "a prefix of topics has only letters, digits, \".\", \"_\" and \"-\""
        }
        return nil
    }

    /// What is wrong with a template of topic names, or nil. Besides the placeholders it is plain: what a topic's name
    /// cannot hold would silently become "_".
    public static func templateFault(
        _ template: String, placeholders: [String] = ["{pipeline}", "{database}", "{schema}", "{table}"]
    ) -> String? {
        var plain = ""
        var rest = Substring(template)
        while let open = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) {
            plain += rest[..<open]
            rest = rest[open...]
            guard let known = placeholders.first(where: { rest.hasPrefix($0) }) else {
                return "a template's placeholders are \(placeholders.joined(separator: ", "))"
            }
            rest = rest.dropFirst(known.count)
        }
        plain += rest
        guard TopicName.sanitized(plain) == plain || [".", ".."].contains(plain) else {
            return plain.utf8.count > TopicName.lengthMax
                ? "a topic's name has at most \(TopicName.lengthMax) characters"
                : "a topic's name has only letters, digits, \".\", \"_\" and \"-\""
        }
        return nil
    }
}
