/// Headers that Weir adds to events.
extension EncodingRun {
    /// Appends the headers of a row's event.
    mutating func appendHeaders(_ item: RowItem, _ event: inout EncodedEvent) {
        appendHeaders(item.row, part: item.part, &event)
        if isDebezium { return }
        let name = item.program.view(item.program.collectionText)
        event.add(.table, EncodedEvent.Part(offset: out.count, count: name.count))
        out.append(name)
    }

    /// Appends the headers of a row's event that do not depend on its relation.
    mutating func appendHeaders(_ row: Row, part number: Int, _ event: inout EncodedEvent) {
        if segments.headersOf != row.transaction { buildHeaders(row.transaction) }
        let start = out.count
        out.append(segments.headers, 0..<segments.headers.count)
        let time = start + segments.transactionCount
        let identity = time + segments.timeCount
        out.appendInteger(row.ordinal)
        if number > 0 {
            out.append(UInt8(ascii: "/"))
            out.appendInteger(UInt64(number))
        }
        event.add(.id, EncodedEvent.Part(offset: identity, count: out.count - identity))
        if segments.transactionCount > 0 {
            event.add(.transaction, EncodedEvent.Part(offset: start, count: segments.transactionCount))
        }
        event.add(.commitTime, EncodedEvent.Part(offset: time, count: segments.timeCount))
        if isDebezium { return }
        let operation = out.count
        switch event.role {
        case .keyChangeDelete: out.append(UInt8(ascii: "d"))
        case .keyChangeCreate: out.append(UInt8(ascii: "c"))
        default: out.append(row.operation.letter)
        }
        event.add(.operation, EncodedEvent.Part(offset: operation, count: 1))
        let position = out.count
        out.appendPosition(row.lsn)
        event.add(.position, EncodedEvent.Part(offset: position, count: out.count - position))
    }

    /// Writes what the headers of all events of a transaction share.
    @inline(never)
    private mutating func buildHeaders(_ index: Int32) {
        let transaction = batch.transactions[Int(index)]
        segments.headersOf = index
        segments.headers.removeAll()
        if transaction.xid != 0 { segments.headers.appendInteger(UInt64(transaction.xid)) }
        segments.transactionCount = segments.headers.count
        segments.headers.appendInteger(transaction.commitTime)
        segments.timeCount = segments.headers.count - segments.transactionCount
        segments.headers.appendInteger(context.source.systemIdentifier)
        segments.headers.append(UInt8(ascii: "/"))
        segments.headers.appendPosition(transaction.commitLSN)
        segments.headers.append(UInt8(ascii: "/"))
    }
}
