/// Transaction metadata: BEGIN and END events and the block in each event of the transaction.
///
/// Source: Debezium's `TransactionMonitor`. The id of a BEGIN names the position that the server sent with it, that of
/// an END the commit's end. A transaction of which nothing becomes an event has both all the same.
extension EncodingRun {

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

    /// Emits BEGIN when another transaction starts. Where no position came with it, it is the first row's.
    mutating func beginTransaction(_ index: Int, firstLSN: LSN, _ emit: Emit) throws(WeirError) {
        let transaction = batch.transactions[index]
        guard progress.commitLSN != transaction.commitLSN else { return }
        progress = TransactionProgress()
        progress.commitLSN = transaction.commitLSN
        let position = transaction.beginLSN ?? firstLSN
        var event = EncodedEvent(
            role: .transactionBegin, topic: context.topics.transaction, row: -1, transaction: index)
        event.key = appendTransactionKey(index, position)
        let head = context.heads.view(context.heads.transactionValue)
        let start = out.beginPart(head)
        out.append("{\"status\":\"BEGIN\",\"id\":\"" as StaticString)
        appendTransactionID(transaction.xid, position)
        out.append("\",\"event_count\":null,\"data_collections\":null,\"ts_ms\":" as StaticString)
        out.appendInteger(floorDivide(transaction.commitTime, 1000).quotient)
        out.append(UInt8(ascii: "}"))
        event.value = out.endPart(start, head)
        try emit(event, out)
    }

    /// Emits END if the transaction ends in this batch, behind BEGIN where no row was left to begin it.
    mutating func endTransaction(_ index: Int, _ emit: Emit) throws(WeirError) {
        let transaction = batch.transactions[index]
        guard transaction.ends, transaction.xid != 0, batch.snapshot == nil else { return }
        if progress.commitLSN != transaction.commitLSN {
            guard let position = transaction.beginLSN else { return }
            try beginTransaction(index, firstLSN: position, emit)
        }
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
    func takesPart(_ row: Row) -> Bool {
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
