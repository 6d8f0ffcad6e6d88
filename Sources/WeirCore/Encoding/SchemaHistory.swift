/// Schema change events: what a table is from here on, in the topic that is named as the pipeline.
///
/// Source: the records that Debezium's connectors with a schema history write (`EventDispatcher`'s
/// `SchemaChangeEventReceiver`, `ConnectTableChangeSerializer`), with what its PostgreSQL connector has in them: its
/// source block, and its model of a table.
extension EncodingRun {
    /// What a record says.
    private struct Record {
        let type: StaticString
        let relation: Int32
        let transaction: Int32
        var marker = EnvelopeSegments.Marker.streaming
        let lsn: LSN
        var statement: String?
        /// There is no table any more.
        var isDrop = false
    }

    /// Whether changes of tables are still to be written.
    var hasSchemaChanges: Bool { context.topics.schemaChange >= 0 && nextChange < batch.schemaChanges.count }

    /// Emits the changes that take effect before a row, nil for all that are left.
    mutating func emitSchemaChanges(before row: Row?, _ emit: Emit) throws(WeirError) {
        while nextChange < batch.schemaChanges.count {
            let change = batch.schemaChanges[nextChange]
            if let row, (change.transaction, change.nextOrdinal) > (row.transaction, row.ordinal) { return }
            nextChange += 1
            // What nobody told of can be told to nobody.
            guard change.relation >= 0 else { continue }
            let transaction = Int(change.transaction)
            let isPart = batch.transactions[transaction].xid != 0
            try enter(transaction, isPart: isPart, firstLSN: change.lsn, emit)
            let type: StaticString =
                switch change.kind {
                case .described, .created: "CREATE"
                case .altered: "ALTER"
                case .dropped, .missed: "DROP"
                }
            try emitRecord(
                Record(
                    type: type, relation: change.relation, transaction: change.transaction, lsn: change.lsn,
                    statement: change.command?.statement, isDrop: change.kind == .dropped), emit)
        }
    }

    /// Emits what the table of a snapshot is, before its first row. A one-shot copy beside a stream tells of none.
    mutating func emitSnapshotTable(_ emit: Emit) throws(WeirError) {
        guard let part = batch.snapshot, part.isFirstOfTable, part.purpose != .backfill, !batch.relations.isEmpty else {
            return
        }
        try emitRecord(
            Record(
                type: "CREATE", relation: 0, transaction: 0, marker: part.purpose == .addition ? .incremental : .middle,
                lsn: part.consistentPoint), emit)
    }

    /// Emits a record, unless it says of the table what the last one said and there is no statement to tell.
    private mutating func emitRecord(_ record: Record, _ emit: Emit) throws(WeirError) {
        var event = EncodedEvent(
            role: .schemaChange, topic: context.topics.schemaChange, row: -1, transaction: Int(record.transaction))
        let start = out.count
        event.key = appendSchemaChangeKey()
        let head = context.heads.view(context.heads.schemaChangeValue)
        let value = out.beginPart(head)
        out.append(UInt8(ascii: "{"))
        appendSource(
            EnvelopeSegments.Subject(
                relation: record.relation, transaction: record.transaction, marker: record.marker), lsn: record.lsn)
        out.append(",\"ts_ms\":" as StaticString)
        out.appendInteger(floorDivide(context.now, 1_000_000).quotient)
        let relation = batch.relations[Int(record.relation)]
        out.append(",\"databaseName\":" as StaticString)
        out.appendString(utf8: context.source.database)
        out.append(",\"schemaName\":" as StaticString)
        out.appendString(utf8: relation.origin.schema)
        out.append(",\"ddl\":" as StaticString)
        out.appendStringOrNull(record.statement)
        out.append(",\"tableChanges\":[{\"type\":\"" as StaticString)
        out.append(record.type)
        out.append("\",\"id\":" as StaticString)
        let told = out.count
        out.appendString(utf8: relation.origin.sql)
        out.append(",\"table\":" as StaticString)
        if record.isDrop {
            out.append("null" as StaticString)
        } else {
            out.appendTable(relation, options)
        }
        let isNews = takeIn(record, told..<out.count)
        out.append("}]}" as StaticString)
        event.value = out.endPart(value, head)
        guard isNews || record.statement != nil else { return out.truncate(to: start) }
        try emit(event, out)
    }

    /// Remembers what a record says of its table; false when that was said before.
    private mutating func takeIn(_ record: Record, _ place: Range<Int>) -> Bool {
        let oid = batch.relations[Int(record.relation)].oid
        guard !record.isDrop else {
            toldTables.forget(oid)
            return true
        }
        return toldTables.tell(oid, unsafe out.withUnsafeBytes { unsafe Array($0[place]) })
    }

    private mutating func appendSchemaChangeKey() -> EncodedEvent.Part {
        let head = context.heads.view(context.heads.schemaChangeKey)
        let start = out.beginPart(head)
        out.append("{\"databaseName\":" as StaticString)
        out.appendString(utf8: context.source.database)
        out.append(UInt8(ascii: "}"))
        return out.endPart(start, head)
    }
}

/// What a sink's schema change events have said of tables since its source was opened, so that they say nothing twice:
/// a snapshot tells of a table that the stream then describes for the first time.
struct ToldTables {
    private var tables: [UInt32: [UInt8]] = [:]
    private static let countMax = 4096

    /// Forgets a dropped table.
    mutating func forget(_ oid: UInt32) { tables[oid] = nil }

    /// Takes in what is said of a table; false when it was said before.
    mutating func tell(_ oid: UInt32, _ text: [UInt8]) -> Bool {
        guard tables[oid] != text else { return false }
        // Tables come and go; forgetting all now and then only repeats what was said.
        if tables.count >= Self.countMax { tables.removeAll() }
        tables[oid] = text
        return true
    }
}

extension ByteBuffer {
    fileprivate mutating func appendStringOrNull(_ text: String?) {
        if let text { appendString(utf8: text) } else { append("null" as StaticString) }
    }

    private mutating func appendList(_ texts: [String]) {
        append(UInt8(ascii: "["))
        for (place, text) in texts.enumerated() {
            if place > 0 { append(UInt8(ascii: ",")) }
            appendString(utf8: text)
        }
        append(UInt8(ascii: "]"))
    }

    /// Appends Debezium's model of a table: `{"defaultCharsetName":null,"primaryKeyColumnNames":[..],"columns":[..],
    /// "comment":..}`.
    fileprivate mutating func appendTable(_ relation: Relation, _ options: DebeziumOptions) {
        append("{\"defaultCharsetName\":null,\"primaryKeyColumnNames\":" as StaticString)
        let key = relation.primaryKey.isEmpty ? relation.uniqueKey : relation.primaryKey
        appendList(key.map { relation.columns[$0].name })
        append(",\"columns\":[" as StaticString)
        for (place, column) in relation.columns.enumerated() {
            if place > 0 { append(UInt8(ascii: ",")) }
            appendColumn(column, position: place + 1, of: relation, options)
        }
        append("],\"comment\":" as StaticString)
        appendStringOrNull(options.includeSchemaComments ? relation.details?.comment : nil)
        append(UInt8(ascii: "}"))
    }

    private mutating func appendColumn(
        _ column: Column, position: Int, of relation: Relation, _ options: DebeziumOptions
    ) {
        let type = HistoryType(column.type, isStrict: options.strict)
        let details = column.details
        let attribute = details?.number.flatMap { number in
            relation.details?.attributes.first { $0.number == number }
        }
        append("{\"name\":" as StaticString)
        appendString(utf8: column.name)
        append(",\"jdbcType\":" as StaticString)
        appendInteger(Int64(type.jdbcType))
        append(",\"nativeType\":" as StaticString)
        // OIDs are unsigned, Java's int is not.
        appendNumber(column.type.baseOID == 0 ? nil : Int(Int32(bitPattern: column.type.baseOID)))
        append(",\"typeName\":" as StaticString)
        appendString(utf8: type.name)
        append(",\"typeExpression\":" as StaticString)
        appendString(utf8: type.expression)
        append(",\"charsetName\":null,\"length\":" as StaticString)
        appendNumber(type.length)
        append(",\"scale\":" as StaticString)
        appendNumber(type.scale)
        append(",\"position\":" as StaticString)
        appendNumber(position)
        appendFlag(",\"optional\":", !relation.isRequired(column))
        let isSequence = details?.defaultExpression?.contains("nextval(") ?? false
        appendFlag(",\"autoIncremented\":", details?.identity != nil || isSequence)
        appendFlag(",\"generated\":", attribute?.isGenerated ?? false)
        append(",\"comment\":" as StaticString)
        appendStringOrNull(options.includeSchemaComments ? details?.comment : nil)
        append(",\"defaultValueExpression\":" as StaticString)
        appendStringOrNull(details?.defaultExpression)
        append(",\"enumValues\":" as StaticString)
        if case .enumeration(let labels) = column.type.kind {
            appendList(labels)
        } else {
            append("null" as StaticString)
        }
        append(UInt8(ascii: "}"))
    }

    private mutating func appendNumber(_ number: Int?) {
        if let number { appendInteger(Int64(number)) } else { append("null" as StaticString) }
    }

    private mutating func appendFlag(_ label: StaticString, _ flag: Bool) {
        append(label)
        append(flag ? "true" : "false" as StaticString)
    }
}
