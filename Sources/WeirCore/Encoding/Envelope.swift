/// The envelope's bytes between the values that differ from row to row.
///
/// Everything in the source block but the position is the same for all rows of one relation, transaction and snapshot
/// marker, so it is written once for such a run of rows and copied for each row.
struct EnvelopeSegments: ~Copyable {
    /// What the segments were built for.
    struct Subject: Equatable {
        var relation: Int32 = -2
        var transaction: Int32 = -2
        var marker = Marker.streaming
        /// A message of its own, outside any transaction.
        var isAlone = false
    }

    /// Values of `source.snapshot`.
    enum Marker { case streaming, first, firstOfTable, middle, lastOfTable, last, incremental }

    var bytes = ByteBuffer(capacity: 2048)
    var subject = Subject()
    /// Up to the position inside `sequence`, from there to `lsn`, and from there to the transaction block.
    var head = 0..<0
    var middle = 0..<0
    var tail = 0..<0
    /// The tail without the name of the transaction block: where the source block ends.
    var sourceTail = 0..<0
    /// From behind the operation's letter to the end, of the whole batch.
    var closing = 0..<0
    /// `,"ts_ms":...` of messages.
    var messageTime = 0..<0
    /// Transaction id, commit time and beginning of the event id, one behind the other, of one transaction.
    var headers = ByteBuffer(capacity: 256)
    var headersOf: Int32 = -1
    var transactionCount = 0
    var timeCount = 0

    /// Writes what holds for the whole batch.
    mutating func startBatch(_ context: EncodingContext) {
        let (micros, _) = floorDivide(context.now, 1000)
        let (millis, _) = floorDivide(micros, 1000)
        bytes.append("\",\"ts_ms\":" as StaticString)
        bytes.appendInteger(millis)
        messageTime = 1..<bytes.count
        bytes.append(",\"ts_us\":" as StaticString)
        bytes.appendInteger(micros)
        bytes.append(",\"ts_ns\":" as StaticString)
        bytes.appendInteger(context.now)
        bytes.append(UInt8(ascii: "}"))
        closing = 0..<bytes.count
    }
}

extension EncodingRun {
    /// Appends `{"before":..,"after":..,"source":{..},"transaction":..,"op":..,"ts_ms":..,"ts_us":..,"ts_ns":..}`.
    mutating func appendEnvelope(
        _ item: RowItem, _ role: EncodedEvent.Role, old: Bool, new: Bool
    ) throws(WeirError) {
        if old {
            out.append("{\"before\":" as StaticString)
            try appendRow(item, .old)
            out.append(",\"after\":" as StaticString)
        } else {
            out.append("{\"before\":null,\"after\":" as StaticString)
        }
        if new {
            try appendRow(item, .new)
        } else {
            out.append("null" as StaticString)
        }
        out.append(UInt8(ascii: ","))
        prepareSegments(item.row, marker: marker(of: item))
        appendSource(item.row.lsn, segments.tail)
        appendTransactionBlock(item.row, collection: item.program.collection)
        out.append(",\"op\":\"" as StaticString)
        out.append(letter(item.row.operation, role))
        out.append(segments.bytes, segments.closing)
    }

    /// Appends the value of a logical message, whose fields Debezium orders differently.
    mutating func appendMessageValue(_ row: Row, prefix: ByteView, content: ByteView) {
        if isDebezium {
            out.append("{\"op\":\"m\"" as StaticString)
            out.append(segments.bytes, segments.messageTime)
            out.append(UInt8(ascii: ","))
            prepareSegments(row, marker: .streaming)
            appendSource(row.lsn, segments.tail)
            appendTransactionBlock(row, collection: "message")
            out.append(",\"message\":" as StaticString)
        }
        out.append("{\"prefix\":" as StaticString)
        out.appendString(prefix)
        out.append(",\"content\":\"" as StaticString)
        switch options.binary {
        case .bytes, .base64: out.appendBase64(content)
        case .base64URLSafe: out.appendBase64(content, url: true)
        case .hex: out.appendHex(content)
        }
        out.append(isDebezium ? "\"}}" : "\"}" as StaticString)
    }

    private func letter(_ operation: Operation, _ role: EncodedEvent.Role) -> UInt8 {
        switch role {
        case .keyChangeDelete: UInt8(ascii: "d")
        case .keyChangeCreate: UInt8(ascii: "c")
        default: operation.letter
        }
    }

    private func marker(of item: RowItem) -> EnvelopeSegments.Marker {
        guard let part = batch.snapshot, item.row.operation == .read else { return .streaming }
        if part.purpose == .addition { return .incremental }
        let isFirst = item.index == 0
        let isLast = item.index == batch.rows.count - 1
        if isLast && part.holdsLastRow { return .last }
        // The first row of all, unless tables before its own are empty.
        if isFirst && part.isFirst { return .first }
        if isLast && part.isLastOfTable { return .lastOfTable }
        return isFirst && part.isFirstOfTable ? .firstOfTable : .middle
    }

    // MARK: Source block

    /// Appends `"source":{...}` of what is no row.
    mutating func appendSource(_ subject: EnvelopeSegments.Subject, lsn: LSN) {
        if subject != segments.subject { buildSegments(subject) }
        appendSource(lsn, segments.sourceTail)
    }

    /// Appends `"source":{...}` and, with the whole tail, `"transaction":` without its value.
    @inline(__always)
    private mutating func appendSource(_ lsn: LSN, _ tail: Range<Int>) {
        out.append(segments.bytes, segments.head)
        let start = out.count
        out.appendInteger(lsn.rawValue)
        let digits = start..<out.count
        if segments.subject.isAlone {
            out.append("\\\",\\\"" as StaticString)
            out.appendCopy(of: digits)
        }
        out.append(segments.bytes, segments.middle)
        out.appendCopy(of: digits)
        out.append(segments.bytes, tail)
    }

    @inline(__always)
    private mutating func prepareSegments(_ row: Row, marker: EnvelopeSegments.Marker) {
        let isAlone = row.operation == .message && !row.flags.contains(.transactional)
        let subject = EnvelopeSegments.Subject(
            relation: row.relation, transaction: row.transaction, marker: marker, isAlone: isAlone)
        if subject != segments.subject { buildSegments(subject) }
    }

    @inline(never)
    private mutating func buildSegments(_ subject: EnvelopeSegments.Subject) {
        let transaction = transaction(of: subject)
        segments.subject = subject
        segments.bytes.truncate(to: segments.closing.upperBound)
        segments.head = buildHead(subject, transaction)
        segments.middle = buildMiddle(subject, transaction)
        let start = segments.bytes.count
        segments.bytes.append(",\"xmin\":null,\"origin\":" as StaticString)
        if let origin = origin(of: subject) {
            segments.bytes.appendString(utf8: origin.name)
            segments.bytes.append(",\"origin_lsn\":" as StaticString)
            segments.bytes.appendInteger(origin.lsn.rawValue)
        } else {
            segments.bytes.append("null,\"origin_lsn\":null" as StaticString)
        }
        segments.bytes.append(UInt8(ascii: "}"))
        segments.sourceTail = start..<segments.bytes.count
        segments.bytes.append(",\"transaction\":" as StaticString)
        segments.tail = start..<segments.bytes.count
    }

    /// A table without rows has no transaction in a snapshot.
    private func transaction(of subject: EnvelopeSegments.Subject) -> TransactionInfo {
        guard batch.transactions.indices.contains(Int(subject.transaction)) else {
            return TransactionInfo(
                xid: 0, commitLSN: .zero, commitTime: batch.sealedAt, rows: 0..<0, begins: true, ends: false)
        }
        return batch.transactions[Int(subject.transaction)]
    }

    /// The origin of a transaction. A message of its own has none, but Debezium forgets one only when the next
    /// transaction begins.
    private func origin(of subject: EnvelopeSegments.Subject) -> TransactionOrigin? {
        guard subject.isAlone && isStrict else {
            return TransactionOrigin(transaction(of: subject))
        }
        return origin(before: Int(subject.transaction))
    }

    /// The origin of the last transaction before another one of this batch; messages of their own do not count.
    func origin(before index: Int) -> TransactionOrigin? {
        guard let last = batch.transactions[..<index].last(where: { $0.xid != 0 }) else { return lastOrigin }
        return TransactionOrigin(last)
    }

    private mutating func buildHead(
        _ subject: EnvelopeSegments.Subject, _ transaction: TransactionInfo
    ) -> Range<Int> {
        let start = segments.bytes.count
        segments.bytes.append("\"source\":{\"version\":" as StaticString)
        segments.bytes.appendString(utf8: context.settings.version)
        segments.bytes.append(",\"connector\":\"postgresql\",\"name\":" as StaticString)
        segments.bytes.appendString(utf8: context.settings.topicPrefix)
        segments.bytes.append(",\"ts_ms\":" as StaticString)
        segments.bytes.appendInteger(floorDivide(transaction.commitTime, 1000).quotient)
        segments.bytes.append(",\"snapshot\":\"" as StaticString)
        segments.bytes.append(subject.marker.text)
        segments.bytes.append("\",\"db\":" as StaticString)
        segments.bytes.appendString(utf8: context.source.database)
        segments.bytes.append(",\"sequence\":\"[" as StaticString)
        if subject.isAlone {
            segments.bytes.append("\\\"" as StaticString)
        } else if let previous = transaction.previousEndLSN {
            segments.bytes.append("\\\"" as StaticString)
            segments.bytes.appendInteger(previous.rawValue)
            segments.bytes.append("\\\",\\\"" as StaticString)
        } else {
            segments.bytes.append("null,\\\"" as StaticString)
        }
        return start..<segments.bytes.count
    }

    private mutating func buildMiddle(
        _ subject: EnvelopeSegments.Subject, _ transaction: TransactionInfo
    ) -> Range<Int> {
        let start = segments.bytes.count
        segments.bytes.append("\\\"]\",\"ts_us\":" as StaticString)
        segments.bytes.appendInteger(transaction.commitTime)
        segments.bytes.append(",\"ts_ns\":" as StaticString)
        segments.bytes.appendInteger(transaction.commitTime &* 1000)
        if subject.relation >= 0 {
            let program = context.programs[Int(subject.relation)]
            segments.bytes.append(program.view(program.table))
        } else {
            segments.bytes.append(",\"schema\":\"\",\"table\":\"\"" as StaticString)
        }
        segments.bytes.append(",\"txId\":" as StaticString)
        if transaction.xid == 0 || subject.isAlone {
            segments.bytes.append("null" as StaticString)
        } else {
            segments.bytes.appendInteger(UInt64(transaction.xid))
        }
        segments.bytes.append(",\"lsn\":" as StaticString)
        return start..<segments.bytes.count
    }
}

/// Where a transaction came from.
struct TransactionOrigin {
    let name: String
    /// Where it ended there.
    let lsn: LSN

    /// Nil for a transaction of the server itself.
    init?(_ transaction: TransactionInfo) {
        guard let name = transaction.originName else { return nil }
        self.name = name
        lsn = transaction.originLSN ?? .zero
    }
}

extension EnvelopeSegments.Marker {
    /// The value of `source.snapshot`.
    var text: StaticString {
        switch self {
        case .streaming: "false"
        case .first: "first"
        case .firstOfTable: "first_in_data_collection"
        case .middle: "true"
        case .lastOfTable: "last_in_data_collection"
        case .last: "last"
        case .incremental: "incremental"
        }
    }
}

extension Operation {
    /// Debezium's letter for `op`.
    var letter: UInt8 {
        switch self {
        case .insert: UInt8(ascii: "c")
        case .update: UInt8(ascii: "u")
        case .delete: UInt8(ascii: "d")
        case .truncate: UInt8(ascii: "t")
        case .message: UInt8(ascii: "m")
        case .read: UInt8(ascii: "r")
        }
    }
}
