/// The schemas of whole events.
///
/// Source: Debezium's `SchemaFactory`, `TableSchemaBuilder` and `PostgresSchemaFactory`.
extension ConnectSchema {
    private static var text: ConnectSchema { ConnectSchema(.string) }
    private static var number: ConnectSchema { ConnectSchema(.int64) }

    /// A structure of a table's columns: `name` is the topic with `.Key` or `.Value`.
    static func row(_ fields: [Field], name: String) -> ConnectSchema { ConnectSchema(.structure(fields), name) }

    /// The envelope around a table's rows.
    static func envelope(row: ConnectSchema, topic: String) -> ConnectSchema {
        let fields = [
            Field("before", row.optional), Field("after", row.optional), Field("source", source),
            Field("transaction", transactionBlock), Field("op", text), Field("ts_ms", number.optional),
            Field("ts_us", number.optional), Field("ts_ns", number.optional),
        ]
        return ConnectSchema(.structure(fields), "\(topic).Envelope", version: 2)
    }

    private static var source: ConnectSchema {
        var snapshot = logical(
            .string, "io.debezium.data.Enum",
            [
                Parameter(
                    name: "allowed",
                    value: "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental")
            ]
        ).optional
        snapshot.defaultJSON = "\"false\""
        let fields = [
            Field("version", text), Field("connector", text), Field("name", text), Field("ts_ms", number),
            Field("snapshot", snapshot), Field("db", text), Field("sequence", text.optional),
            Field("ts_us", number.optional), Field("ts_ns", number.optional), Field("schema", text),
            Field("table", text), Field("txId", number.optional), Field("lsn", number.optional),
            Field("xmin", number.optional), Field("origin", text.optional), Field("origin_lsn", number.optional),
        ]
        return logical(.structure(fields), "io.debezium.connector.postgresql.Source")
    }

    private static var transactionBlock: ConnectSchema {
        let fields = [Field("id", text), Field("total_order", number), Field("data_collection_order", number)]
        return logical(.structure(fields), "event.block").optional
    }

    /// The key of a logical message.
    static var messageKey: ConnectSchema {
        logical(.structure([Field("prefix", text.optional)]), "io.debezium.connector.postgresql.MessageKey")
    }

    /// The value of a logical message.
    static func messageValue(_ binary: DebeziumOptions.BinaryMode) -> ConnectSchema {
        let content = ConnectSchema(binary == .bytes ? .bytes : .string)
        let message = logical(
            .structure([Field("prefix", text.optional), Field("content", content.optional)]),
            "io.debezium.connector.postgresql.Message")
        let fields = [
            Field("op", text), Field("ts_ms", number.optional), Field("source", source),
            Field("transaction", transactionBlock), Field("message", message),
        ]
        return logical(.structure(fields), "io.debezium.connector.postgresql.MessageValue")
    }

    /// The key of the events at begin and end of a transaction.
    static var transactionKey: ConnectSchema {
        logical(.structure([Field("id", text)]), "io.debezium.connector.common.TransactionMetadataKey")
    }

    /// The value of the events at begin and end of a transaction.
    static var transactionValue: ConnectSchema {
        let collection = logical(
            .structure([Field("data_collection", text), Field("event_count", number)]), "event.collection")
        let fields = [
            Field("status", text), Field("id", text), Field("event_count", number.optional),
            Field("data_collections", ConnectSchema(.array(collection.optional)).optional), Field("ts_ms", number),
        ]
        return logical(.structure(fields), "io.debezium.connector.common.TransactionMetadataValue")
    }

    /// The key of a schema change event.
    static var schemaChangeKey: ConnectSchema {
        logical(.structure([Field("databaseName", text)]), "io.debezium.connector.postgresql.SchemaChangeKey")
    }

    /// The value of a schema change event.
    static var schemaChangeValue: ConnectSchema {
        let table = [
            Field("defaultCharsetName", text.optional),
            Field("primaryKeyColumnNames", ConnectSchema(.array(text)).optional),
            Field("columns", ConnectSchema(.array(schemaColumn))), Field("comment", text.optional),
        ]
        let change = [
            Field("type", text), Field("id", text),
            Field("table", logical(.structure(table), "io.debezium.connector.schema.Table").optional),
        ]
        let fields = [
            Field("source", source), Field("ts_ms", number), Field("databaseName", text.optional),
            Field("schemaName", text.optional), Field("ddl", text.optional),
            Field(
                "tableChanges",
                ConnectSchema(.array(logical(.structure(change), "io.debezium.connector.schema.Change")))),
        ]
        return logical(.structure(fields), "io.debezium.connector.postgresql.SchemaChangeValue")
    }

    private static var schemaColumn: ConnectSchema {
        let (count, flag) = (ConnectSchema(.int32), ConnectSchema(.boolean))
        let fields = [
            Field("name", text), Field("jdbcType", count), Field("nativeType", count.optional),
            Field("typeName", text), Field("typeExpression", text.optional), Field("charsetName", text.optional),
            Field("length", count.optional), Field("scale", count.optional), Field("position", count),
            Field("optional", flag.optional), Field("autoIncremented", flag.optional),
            Field("generated", flag.optional), Field("comment", text.optional),
            Field("defaultValueExpression", text.optional),
            Field("enumValues", ConnectSchema(.array(text)).optional),
        ]
        return logical(.structure(fields), "io.debezium.connector.schema.Column")
    }

    /// The key of a heartbeat.
    static var heartbeatKey: ConnectSchema {
        logical(.structure([Field("serverName", text)]), "io.debezium.connector.common.ServerNameKey")
    }

    /// The value of a heartbeat.
    static var heartbeatValue: ConnectSchema {
        logical(.structure([Field("ts_ms", number)]), "io.debezium.connector.common.Heartbeat")
    }
}

/// The schemas of the events of one relation.
struct RelationSchemas {
    /// Of keys.
    let key: ConnectSchema
    /// Of values.
    let value: ConnectSchema

    /// `schemas` holds those of the columns by their index; `topic` names the structures.
    init(
        _ relation: Relation, columns: [ColumnProgram], key: [ColumnProgram], _ schemas: [Int32: ConnectSchema],
        topic: String
    ) {
        func fields(_ columns: [ColumnProgram]) -> [ConnectSchema.Field] {
            columns.compactMap { column in
                schemas[column.cell].map { ConnectSchema.Field(relation.columns[Int(column.cell)].name, $0) }
            }
        }
        self.key = .row(fields(key), name: "\(topic).Key")
        value = .envelope(row: .row(fields(columns), name: "\(topic).Value"), topic: topic)
    }
}

/// What stands before the payloads of events that belong to no table; nothing where schemas are off. Immutable.
final class StandardHeads {
    let messageKey: ConstantRange
    let messageValue: ConstantRange
    let transactionKey: ConstantRange
    let transactionValue: ConstantRange
    let schemaChangeKey: ConstantRange
    let schemaChangeValue: ConstantRange
    let heartbeatKey: ConstantRange
    let heartbeatValue: ConstantRange
    private let constants: ByteBuffer

    init(_ settings: EncoderSettings) {
        let isDebezium = settings.format == .debezium
        let hasKeys = isDebezium && settings.debezium.keySchemas
        let hasValues = isDebezium && settings.debezium.valueSchemas
        var bytes = ByteBuffer(capacity: 4096)
        messageKey = Self.head(hasKeys, .messageKey, &bytes)
        messageValue = Self.head(hasValues, .messageValue(settings.debezium.binary), &bytes)
        transactionKey = Self.head(hasKeys, .transactionKey, &bytes)
        transactionValue = Self.head(hasValues, .transactionValue, &bytes)
        schemaChangeKey = Self.head(hasKeys, .schemaChangeKey, &bytes)
        schemaChangeValue = Self.head(hasValues, .schemaChangeValue, &bytes)
        heartbeatKey = Self.head(hasKeys, .heartbeatKey, &bytes)
        heartbeatValue = Self.head(hasValues, .heartbeatValue, &bytes)
        constants = bytes
    }

    private static func head(_ isOn: Bool, _ schema: ConnectSchema, _ bytes: inout ByteBuffer) -> ConstantRange {
        let start = bytes.count
        if isOn { schema.appendHead(to: &bytes) }
        return ConstantRange(
            offset: Int32(truncatingIfNeeded: start), count: Int32(truncatingIfNeeded: bytes.count - start))
    }

    /// A head's bytes, valid while the heads live.
    @inline(__always)
    func view(_ range: ConstantRange) -> ByteView { unsafe constants.view(range.range) }
}

extension ByteBuffer {
    /// Begins a key, value or header with what stands before its payload, and returns where it starts.
    @inline(__always)
    mutating func beginPart(_ head: ByteView) -> Int {
        let start = count
        if !head.isEmpty { append(head) }
        return start
    }

    /// Ends a part that `beginPart` began with the same head.
    @inline(__always)
    mutating func endPart(_ start: Int, _ head: ByteView) -> EncodedEvent.Part {
        if !head.isEmpty { append(UInt8(ascii: "}")) }
        return EncodedEvent.Part(offset: start, count: count - start)
    }
}
