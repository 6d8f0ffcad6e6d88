/// Transaction metadata: BEGIN and END events and the block in each event of the transaction.
///
/// Source: Debezium's `TransactionMonitor`. The id of a BEGIN is the transaction's first event's, that of an END names
/// the commit's end.
extension EncodingRun {
    /// Resets the counters when another transaction starts.
    mutating func openTransaction(_ index: Int) {
        let transaction = batch.transactions[index]
        guard progress.commitLSN != transaction.commitLSN else { return }
        progress = TransactionProgress()
        progress.commitLSN = transaction.commitLSN
    }

    /// Appends null, or the block that tells the event's place in its transaction.
    mutating func appendTransactionBlock(_ row: Row, collection: String) {
        guard context.topics.transaction >= 0, takesPart(row) else { return out.append("null" as StaticString) }
        let place = progress.count(collection)
        out.append("{\"id\":\"" as StaticString)
        appendTransactionID(batch.transactions[Int(row.transaction)].xid, row.lsn)
        out.append("\",\"total_order\":" as StaticString)
        out.appendInteger(Int64(progress.total))
        out.append(",\"data_collection_order\":" as StaticString)
        out.appendInteger(Int64(place))
        out.append(UInt8(ascii: "}"))
    }

    /// Emits BEGIN before the transaction's first event.
    mutating func beginTransaction(_ row: Row, _ emit: Emit) throws(WeirError) {
        guard context.topics.transaction >= 0, !progress.isBegun, takesPart(row) else { return }
        progress.isBegun = true
        let index = Int(row.transaction)
        var event = EncodedEvent(
            role: .transactionBegin, topic: context.topics.transaction, row: -1, transaction: index)
        event.key = appendTransactionKey(index, row.lsn)
        let head = context.heads.view(context.heads.transactionValue)
        let start = out.beginPart(head)
        out.append("{\"status\":\"BEGIN\",\"id\":\"" as StaticString)
        appendTransactionID(batch.transactions[index].xid, row.lsn)
        out.append("\",\"event_count\":null,\"data_collections\":null,\"ts_ms\":" as StaticString)
        out.appendInteger(floorDivide(batch.transactions[index].commitTime, 1000).quotient)
        out.append(UInt8(ascii: "}"))
        event.value = out.endPart(start, head)
        try emit(event, out)
    }

    /// Emits END if the transaction ends in this batch and had an event.
    mutating func endTransaction(_ index: Int, _ emit: Emit) throws(WeirError) {
        let transaction = batch.transactions[index]
        guard transaction.ends, progress.isBegun, progress.commitLSN == transaction.commitLSN else { return }
        var event = EncodedEvent(
            role: .transactionEnd, topic: context.topics.transaction, row: -1, transaction: index)
        event.key = appendTransactionKey(index, transaction.endLSN)
        let head = context.heads.view(context.heads.transactionValue)
        let start = out.beginPart(head)
        out.append("{\"status\":\"END\",\"id\":\"" as StaticString)
        appendTransactionID(transaction.xid, transaction.endLSN)
        out.append("\",\"event_count\":" as StaticString)
        out.appendInteger(Int64(progress.total))
        out.append(",\"data_collections\":[" as StaticString)
        let order = JavaHashOrder.order(progress.collections.map { JavaHashOrder.hash($0.name) })
        for (place, collection) in order.enumerated() {
            out.append(place == 0 ? "{\"data_collection\":" : ",{\"data_collection\":" as StaticString)
            out.appendString(utf8: progress.collections[collection].name)
            out.append(",\"event_count\":" as StaticString)
            out.appendInteger(Int64(progress.collections[collection].count))
            out.append(UInt8(ascii: "}"))
        }
        out.append("],\"ts_ms\":" as StaticString)
        out.appendInteger(floorDivide(transaction.commitTime, 1000).quotient)
        out.append(UInt8(ascii: "}"))
        event.value = out.endPart(start, head)
        progress = TransactionProgress()
        try emit(event, out)
    }

    /// Whether the row belongs to a transaction that metadata is about: no snapshot, no message of its own.
    private func takesPart(_ row: Row) -> Bool {
        if row.operation == .message && !row.flags.contains(.transactional) { return false }
        return batch.snapshot == nil && row.operation != .read
    }

    private mutating func appendTransactionKey(_ index: Int, _ position: LSN) -> EncodedEvent.Part {
        let head = context.heads.view(context.heads.transactionKey)
        let start = out.beginPart(head)
        out.append("{\"id\":\"" as StaticString)
        appendTransactionID(batch.transactions[index].xid, position)
        out.append("\"}" as StaticString)
        return out.endPart(start, head)
    }

    private mutating func appendTransactionID(_ xid: UInt32, _ position: LSN) {
        out.appendInteger(UInt64(xid))
        out.append(UInt8(ascii: ":"))
        out.appendInteger(position.rawValue)
    }
}
