/// Why a message, well formed by itself, may not come at this point of the stream.
public enum StreamError: Error, Sendable, Equatable {
    /// A transaction began inside another.
    case beginInTransaction
    /// A commit, an origin or a change outside a transaction; names the message's first byte.
    case outsideTransaction(UInt8)
    /// The commit is not the one that Begin announced.
    case commitMismatch(announced: UInt64, found: UInt64)
    /// The commit record ends before it starts.
    case commitEndsBeforeStart(commitLSN: UInt64, endLSN: UInt64)
    /// A transaction that committed before the one streamed last.
    case outOfOrder(last: UInt64, found: UInt64)
    /// A change of a table that no Relation message described.
    case unknownRelation(UInt32)
    /// A tuple with another number of columns than its table.
    case columnCount(relation: UInt32, expected: Int, found: Int)
}

extension StreamError: CustomStringConvertible {
    /// One line; positions in hexadecimal `X/Y` form.
    public var description: String {
        switch self {
        case .beginInTransaction: "Begin inside a transaction"
        case .outsideTransaction(let byte): "message \(byteName(byte)) outside a transaction"
        case .commitMismatch(let announced, let found):
            "Commit at \(position(found)), but Begin announced \(position(announced))"
        case .commitEndsBeforeStart(let start, let end): "Commit at \(position(start)) ends at \(position(end))"
        case .outOfOrder(let last, let found): "transaction \(position(found)) after \(position(last))"
        case .unknownRelation(let oid): "change of relation \(oid), which was not described"
        case .columnCount(let oid, let expected, let found):
            "tuple of \(found) columns for relation \(oid), which has \(expected)"
        }
    }

    private func position(_ lsn: UInt64) -> String {
        String(lsn >> 32, radix: 16, uppercase: true) + "/" + String(lsn & 0xFFFF_FFFF, radix: 16, uppercase: true)
    }
}

/// Checks that messages come in an order the protocol allows. Pure; one value for one stream.
public struct StreamState: Sendable {
    /// Where in the stream the last message was.
    public enum Phase: Sendable, Equatable {
        /// Between transactions.
        case idle
        /// Inside the transaction whose commit record starts at `finalLSN`.
        case transaction(finalLSN: UInt64)
    }

    /// Where in the stream the last message was.
    public private(set) var phase = Phase.idle
    private var lastCommit: UInt64 = 0
    private var columnCounts: [UInt32: Int] = [:]
    private var recent: (oid: UInt32, columns: Int) = (0, -1)

    /// The state before the first message.
    public init() {}

    /// Takes in a message that `decoder` has just decoded. After an error the stream cannot go on.
    public mutating func accept(
        _ message: PgOutputMessage, _ decoder: borrowing PgOutputDecoder
    ) throws(StreamError) {
        switch message {
        case .insert(let relation, let new):
            try requireTransaction("I")
            try check(new, relation)
        case .update(let relation, let old, let new):
            try requireTransaction("U")
            try check(new, relation)
            try check(old, relation)
        case .delete(let relation, let old):
            try requireTransaction("D")
            try check(old, relation)
        case .begin(let finalLSN, _, _): try begin(finalLSN)
        case .commit(let commitLSN, let endLSN, _): try commit(commitLSN, endLSN)
        case .relation:
            columnCounts[decoder.relation.oid] = decoder.relation.columns.count
            recent = (0, -1)
        case .type: break
        case .origin: try requireTransaction("O")
        case .truncate:
            try requireTransaction("T")
            for oid in decoder.truncated where columnCounts[oid] == nil { throw .unknownRelation(oid) }
        case .message(let transactional, _, _, _): if transactional { try requireTransaction("M") }
        }
    }

    private mutating func begin(_ finalLSN: UInt64) throws(StreamError) {
        guard phase == .idle else { throw .beginInTransaction }
        guard finalLSN > lastCommit else { throw .outOfOrder(last: lastCommit, found: finalLSN) }
        phase = .transaction(finalLSN: finalLSN)
    }

    private mutating func commit(_ commitLSN: UInt64, _ endLSN: UInt64) throws(StreamError) {
        guard case .transaction(let announced) = phase else { throw .outsideTransaction(UInt8(ascii: "C")) }
        guard commitLSN == announced else { throw .commitMismatch(announced: announced, found: commitLSN) }
        guard endLSN > commitLSN else { throw .commitEndsBeforeStart(commitLSN: commitLSN, endLSN: endLSN) }
        lastCommit = commitLSN
        phase = .idle
    }

    @inline(__always)
    private func requireTransaction(_ tag: Unicode.Scalar) throws(StreamError) {
        if phase == .idle { throw .outsideTransaction(UInt8(ascii: tag)) }
    }

    @inline(__always)
    private mutating func check(_ old: OldTuple, _ relation: UInt32) throws(StreamError) {
        switch old {
        case .none: break
        case .key(let tuple), .full(let tuple): try check(tuple, relation)
        }
    }

    @inline(__always)
    private mutating func check(_ tuple: TupleRange, _ relation: UInt32) throws(StreamError) {
        if relation != recent.oid || recent.columns < 0 {
            guard let count = columnCounts[relation] else { throw .unknownRelation(relation) }
            recent = (relation, count)
        }
        if tuple.count != recent.columns {
            throw .columnCount(relation: relation, expected: recent.columns, found: tuple.count)
        }
    }
}
