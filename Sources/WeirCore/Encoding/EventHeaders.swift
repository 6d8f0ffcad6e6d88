/// Headers that Weir adds to events.
extension EncodingRun {
    /// Appends the headers of a row's event.
    mutating func appendHeaders(_ item: RowItem, _ event: inout EncodedEvent) {
        appendHeaders(item.row, part: item.part, &event)
        if isDebezium { return }
        let table = out.count
        out.append(utf8: item.program.collection)
        event.add(.table, part(from: table))
    }

    /// Appends the headers of a row's event that do not depend on its relation.
    mutating func appendHeaders(_ row: Row, part number: Int, _ event: inout EncodedEvent) {
        let transaction = batch.transactions[Int(row.transaction)]
        let identity = out.count
        out.appendInteger(context.source.systemIdentifier)
        out.append(UInt8(ascii: "/"))
        out.appendPosition(transaction.commitLSN)
        out.append(UInt8(ascii: "/"))
        out.appendInteger(row.ordinal)
        if number > 0 {
            out.append(UInt8(ascii: "/"))
            out.appendInteger(UInt64(number))
        }
        event.add(.id, part(from: identity))
        if transaction.xid != 0 {
            let xid = out.count
            out.appendInteger(UInt64(transaction.xid))
            event.add(.transaction, part(from: xid))
        }
        let time = out.count
        out.appendInteger(transaction.commitTime)
        event.add(.commitTime, part(from: time))
        if isDebezium { return }
        let operation = out.count
        switch event.role {
        case .keyChangeDelete: out.append(UInt8(ascii: "d"))
        case .keyChangeCreate: out.append(UInt8(ascii: "c"))
        default: out.append(row.operation.letter)
        }
        event.add(.operation, part(from: operation))
        let position = out.count
        out.appendPosition(row.lsn)
        event.add(.position, part(from: position))
    }

    private func part(from start: Int) -> EncodedEvent.Part {
        EncodedEvent.Part(offset: start, count: out.count - start)
    }
}
