extension DebeziumOptions {
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
            "unavailable.value.placeholder", .value(DebeziumOptions().unavailablePlaceholder),
            doc: "What stands for an unchanged large value that the server did not send.")
        static let transactions = SettingsField<Bool>.flag(
            "transaction.metadata", .value(false),
            doc: "Write events at begin and end of transactions, and the place in its transaction into each event "
                + "(`provide.transaction.metadata`).")
        static let schemaChanges = SettingsField<Bool>.flag(
            "include.schema.changes", .value(false),
            doc: "Write an event for each table that is described, created, altered or dropped, to the topic "
                + "`PIPELINE`, as Debezium's connectors for MySQL and SQL Server do (`include.schema.changes`).")
        static let schemaComments = SettingsField<Bool>.flag(
            "include.schema.comments", .value(false),
            doc: "Have the comments of tables and columns in these events (`include.schema.comments`).")
        static let topicPrefix = SettingsField<String>.text(
            "topic.prefix", .derived("the pipeline's name"),
            doc: "What topics begin with, and `source.name` in events, where the pipeline's name is not to be it "
                + "(`topic.prefix`). `{pipeline}` in templates of topics is this too."
        ).checked { KafkaNames.prefixFault($0) }
        static let heartbeatPrefix = SettingsField<String>.text(
            "topic.heartbeat.prefix", .value(DebeziumOptions().heartbeatTopicPrefix),
            doc: "Heartbeats go to the topic `PREFIX.PIPELINE`; `source.heartbeat.interval` switches them on.")
        static let schemas = SettingsField<Bool>.flag(
            "schemas.enable", .value(false),
            doc: "Write keys, values and the keys in headers as `{\"schema\":..,\"payload\":..}`, as Kafka Connect's "
                + "JsonConverter does (`converter.schemas.enable`).")
        static let keySchemas = SettingsField<Bool>.flag(
            "key.schemas.enable", .derived("as `schemas.enable`"),
            doc: "The same for keys (`key.converter.schemas.enable`).")
        static let valueSchemas = SettingsField<Bool>.flag(
            "value.schemas.enable", .derived("as `schemas.enable`"),
            doc: "The same for values (`value.converter.schemas.enable`).")
        static let headerSchemas = SettingsField<Bool>.flag(
            "header.schemas.enable", .derived("as `schemas.enable`"),
            doc: "The same for the keys in headers (`header.converter.schemas.enable`).")
        static let moneyDigits = SettingsField<Int>.count(
            "money.fraction.digits", .value(2), in: 0...18, doc: "Digits after the point of `money`.")
        static let keyColumns = SettingsFieldInfo(
            name: "message.key.columns", type: "map", fallback: .value("primary key or replica identity"),
            doc: "Columns that make the key, by table pattern: `{\"public.orders\": [customer_id]}`.")
        static let skipped = SettingsField<[String]>.texts(
            "skipped.operations", .value(["truncate"]),
            doc: "Operations that make no event: `insert`, `update`, `delete`, `truncate`, `message`, `read` "
                + "(or `c`, `u`, `d`, `t`, `m`, `r`), or `none`.")
    }

    /// The keys of a `debezium` block.
    public static let fields: [SettingsFieldInfo] = [
        Keys.strict.info, Keys.decimal.info, Keys.timePrecision.info, Keys.interval.info, Keys.binary.info,
        Keys.hstore.info, Keys.tombstones.info, Keys.placeholder.info, Keys.skipped.info,
        Keys.transactions.info, Keys.schemaChanges.info, Keys.schemaComments.info, Keys.topicPrefix.info,
        Keys.heartbeatPrefix.info, Keys.moneyDigits.info, Keys.keyColumns, Keys.schemas.info,
        Keys.keySchemas.info, Keys.valueSchemas.info, Keys.headerSchemas.info,
    ]

    /// Reads a `debezium` block over `base`: keys that are not written keep its values.
    public init(
        reading node: SettingsNode?, at path: SettingsPath, over base: DebeziumOptions, decoding: SettingsDecoding
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
        take(Keys.placeholder) { unavailablePlaceholder = $0 }
        take(Keys.transactions) { transactionMetadata = $0 }
        take(Keys.schemaChanges) { includeSchemaChanges = $0 }
        take(Keys.schemaComments) { includeSchemaComments = $0 }
        take(Keys.topicPrefix) { topicPrefix = $0 }
        take(Keys.heartbeatPrefix) { heartbeatTopicPrefix = $0 }
        take(Keys.moneyDigits) { moneyFractionDigits = $0 }
        take(Keys.schemas) { (keySchemas, valueSchemas, headerSchemas) = ($0, $0, $0) }
        take(Keys.keySchemas) { keySchemas = $0 }
        take(Keys.valueSchemas) { valueSchemas = $0 }
        take(Keys.headerSchemas) { headerSchemas = $0 }
        if section.has(Keys.keyColumns.name) { keyColumns = Self.readKeyColumns(section) }
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

extension DebeziumOptions {
    private static func readKeyColumns(_ section: SettingsSection) -> [EventKeyColumns] {
        let name = Keys.keyColumns.name
        let path = section.path.appending(key: name)
        guard let node = section.node(name), case .mapping(let entries) = node.content else {
            section.problem(name, "expected a map from table patterns to columns")
            return []
        }
        return entries.compactMap { entry in
            let columns = SettingsScalars.names(entry.value, path.appending(key: entry.key), section.decoding)
            do throws(TablePattern.Problem) {
                let tables = try TablePattern(entry.key)
                return columns.map { EventKeyColumns(tables: tables, columns: $0) }
            } catch {
                section.decoding.problem(
                    path.appending(key: entry.key), entry.mark,
                    "\"\(entry.key)\" is no table pattern: \(error.description)")
                return nil
            }
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
