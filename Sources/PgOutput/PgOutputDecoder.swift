/// Decodes messages of pgoutput, protocol version 1. Pure: bytes in, ranges out; no state from message to message
/// but reused memory.
///
/// Input is not trusted: every malformed message is a `DecodeError`, never a trap, and no count or length is
/// believed before the bytes are there. Decoding a row allocates nothing once `columns` has grown to the widest tuple;
/// offsets are into the message, so a consumer copies the message once and adds where it put it.
public struct PgOutputDecoder: ~Copyable {
    /// Most columns a tuple can have: `MaxTupleAttributeNumber` of PostgreSQL.
    public static let columnsMax = 1664

    /// Columns of the last message's tuples: old tuple first, then the new one. Valid until the next `decode`.
    public private(set) var columns: [TupleColumn] = []
    /// The last Relation message.
    public private(set) var relation = RelationMessage(
        oid: 0, schema: "", name: "", identity: .nothing, columns: [])
    /// The last Type message.
    public private(set) var type = TypeMessage(oid: 0, schema: "", name: "")
    /// OIDs of the tables of the last Truncate message.
    public private(set) var truncated: [UInt32] = []

    /// Makes a decoder.
    public init() { columns.reserveCapacity(128) }

    /// Decodes one message: the payload of one XLogData.
    public mutating func decode(_ bytes: RawSpan) throws(DecodeError) -> PgOutputMessage {
        guard bytes.byteCount > 0 else { throw DecodeError(.truncated(needed: 1), message: 0, offset: 0) }
        let tag = unsafe bytes.unsafeLoad(fromByteOffset: 0, as: UInt8.self)
        var cursor = MessageCursor(message: tag, offset: 1)
        let message: PgOutputMessage
        switch tag {
        case UInt8(ascii: "I"): message = try insert(bytes, &cursor)
        case UInt8(ascii: "U"): message = try update(bytes, &cursor)
        case UInt8(ascii: "D"): message = try delete(bytes, &cursor)
        case UInt8(ascii: "B"): message = try Self.begin(bytes, &cursor)
        case UInt8(ascii: "C"): message = try Self.commit(bytes, &cursor)
        case UInt8(ascii: "R"): message = try relation(bytes, &cursor)
        case UInt8(ascii: "Y"): message = try type(bytes, &cursor)
        case UInt8(ascii: "T"): message = try truncate(bytes, &cursor)
        case UInt8(ascii: "O"):
            message = .origin(lsn: try cursor.integer(bytes), name: try cursor.stringRange(bytes))
        case UInt8(ascii: "M"): message = try Self.logicalMessage(bytes, &cursor)
        default: throw DecodeError(.unknownMessage(tag), message: tag, offset: 0)
        }
        try cursor.end(bytes)
        return message
    }

    // MARK: - Rows

    private mutating func insert(
        _ bytes: RawSpan, _ cursor: inout MessageCursor
    ) throws(DecodeError) -> PgOutputMessage {
        columns.removeAll(keepingCapacity: true)
        let relation: UInt32 = try cursor.integer(bytes)
        try Self.expectNew(bytes, &cursor)
        return .insert(relation: relation, new: try tuple(bytes, &cursor))
    }

    private mutating func update(
        _ bytes: RawSpan, _ cursor: inout MessageCursor
    ) throws(DecodeError) -> PgOutputMessage {
        columns.removeAll(keepingCapacity: true)
        let relation: UInt32 = try cursor.integer(bytes)
        try cursor.require(1, bytes)
        var old = OldTuple.none
        if unsafe bytes.unsafeLoad(fromByteOffset: cursor.offset, as: UInt8.self) != UInt8(ascii: "N") {
            old = try oldTuple(bytes, &cursor)
        }
        try Self.expectNew(bytes, &cursor)
        return .update(relation: relation, old: old, new: try tuple(bytes, &cursor))
    }

    private mutating func delete(
        _ bytes: RawSpan, _ cursor: inout MessageCursor
    ) throws(DecodeError) -> PgOutputMessage {
        columns.removeAll(keepingCapacity: true)
        let relation: UInt32 = try cursor.integer(bytes)
        return .delete(relation: relation, old: try oldTuple(bytes, &cursor))
    }

    private static func expectNew(_ bytes: RawSpan, _ cursor: inout MessageCursor) throws(DecodeError) {
        let kind = try cursor.byte(bytes)
        guard kind == UInt8(ascii: "N") else {
            cursor.offset -= 1
            throw cursor.error(.unknownTupleKind(kind))
        }
    }

    private mutating func oldTuple(
        _ bytes: RawSpan, _ cursor: inout MessageCursor
    ) throws(DecodeError) -> OldTuple {
        let kind = try cursor.byte(bytes)
        switch kind {
        case UInt8(ascii: "K"): return .key(try tuple(bytes, &cursor))
        case UInt8(ascii: "O"): return .full(try tuple(bytes, &cursor))
        default:
            cursor.offset -= 1
            throw cursor.error(.unknownTupleKind(kind))
        }
    }

    private mutating func tuple(_ bytes: RawSpan, _ cursor: inout MessageCursor) throws(DecodeError) -> TupleRange {
        let count = Int(try cursor.integer(bytes, as: Int16.self))
        guard count >= 0 && count <= Self.columnsMax else {
            cursor.offset -= 2
            throw cursor.error(.invalidCount(count))
        }
        let start = columns.count
        for _ in 0..<count { columns.append(try Self.column(bytes, &cursor)) }
        return TupleRange(start: start, count: count)
    }

    @inline(__always)
    private static func column(_ bytes: RawSpan, _ cursor: inout MessageCursor) throws(DecodeError) -> TupleColumn {
        let kind = try cursor.byte(bytes)
        switch kind {
        case UInt8(ascii: "t"): return try value(.text, bytes, &cursor)
        case UInt8(ascii: "n"): return TupleColumn(kind: .null)
        case UInt8(ascii: "u"): return TupleColumn(kind: .unchanged)
        case UInt8(ascii: "b"): return try value(.binary, bytes, &cursor)
        default:
            cursor.offset -= 1
            throw cursor.error(.unknownColumnKind(kind))
        }
    }

    @inline(__always)
    private static func value(
        _ kind: TupleColumn.Kind, _ bytes: RawSpan, _ cursor: inout MessageCursor
    ) throws(DecodeError) -> TupleColumn {
        let length = Int(try cursor.integer(bytes, as: Int32.self))
        // A value is at most 1 GiB less one.
        guard length >= 0 && length <= 0x3FFF_FFFF else {
            cursor.offset -= 4
            throw cursor.error(.invalidLength(length))
        }
        try cursor.require(length, bytes)
        let offset = UInt32(truncatingIfNeeded: cursor.offset)
        cursor.offset &+= length
        return TupleColumn(kind: kind, offset: offset, length: UInt32(truncatingIfNeeded: length))
    }

    // MARK: - Everything else

    private static func begin(_ bytes: RawSpan, _ cursor: inout MessageCursor) throws(DecodeError) -> PgOutputMessage {
        .begin(
            finalLSN: try cursor.integer(bytes), commitTime: try cursor.integer(bytes),
            xid: try cursor.integer(bytes))
    }

    private static func commit(_ bytes: RawSpan, _ cursor: inout MessageCursor) throws(DecodeError) -> PgOutputMessage {
        _ = try flags(bytes, &cursor, known: 0)
        return .commit(
            commitLSN: try cursor.integer(bytes), endLSN: try cursor.integer(bytes),
            commitTime: try cursor.integer(bytes))
    }

    private static func logicalMessage(
        _ bytes: RawSpan, _ cursor: inout MessageCursor
    ) throws(DecodeError) -> PgOutputMessage {
        let flags = try flags(bytes, &cursor, known: 1)
        let lsn: UInt64 = try cursor.integer(bytes)
        let prefix = try cursor.stringRange(bytes)
        let content = try value(.binary, bytes, &cursor)
        return .message(
            transactional: flags == 1, lsn: lsn, prefix: prefix,
            content: ByteRange(offset: Int(content.offset), length: Int(content.length)))
    }

    private mutating func type(_ bytes: RawSpan, _ cursor: inout MessageCursor) throws(DecodeError) -> PgOutputMessage {
        type = TypeMessage(
            oid: try cursor.integer(bytes), schema: try cursor.schemaName(bytes), name: try cursor.name(bytes))
        return .type
    }

    private mutating func truncate(
        _ bytes: RawSpan, _ cursor: inout MessageCursor
    ) throws(DecodeError) -> PgOutputMessage {
        let count = Int(try cursor.integer(bytes, as: Int32.self))
        guard count >= 0 else {
            cursor.offset -= 4
            throw cursor.error(.invalidCount(count))
        }
        let flags = try Self.flags(bytes, &cursor, known: 3)
        let (needed, overflow) = count.multipliedReportingOverflow(by: 4)
        if overflow { throw cursor.error(.invalidCount(count)) }
        try cursor.require(needed, bytes)
        truncated.removeAll(keepingCapacity: true)
        for _ in 0..<count { truncated.append(try cursor.integer(bytes)) }
        return .truncate(cascade: flags & 1 != 0, restartIdentity: flags & 2 != 0)
    }

    private mutating func relation(
        _ bytes: RawSpan, _ cursor: inout MessageCursor
    ) throws(DecodeError) -> PgOutputMessage {
        let oid: UInt32 = try cursor.integer(bytes)
        let schema = try cursor.schemaName(bytes)
        let name = try cursor.name(bytes)
        let identityByte = try cursor.byte(bytes)
        guard let identity = ReplicaIdentityKind(rawValue: identityByte) else {
            cursor.offset -= 1
            throw cursor.error(.unknownIdentity(identityByte))
        }
        let count = Int(try cursor.integer(bytes, as: Int16.self))
        guard count >= 0 && count <= Self.columnsMax else {
            cursor.offset -= 2
            throw cursor.error(.invalidCount(count))
        }
        var list: [RelationMessage.Column] = []
        for _ in 0..<count {
            let flags = try Self.flags(bytes, &cursor, known: 1)
            list.append(
                RelationMessage.Column(
                    isKey: flags == 1, name: try cursor.name(bytes), typeOID: try cursor.integer(bytes),
                    typeModifier: try cursor.integer(bytes)))
        }
        relation = RelationMessage(oid: oid, schema: schema, name: name, identity: identity, columns: list)
        return .relation
    }

    private static func flags(
        _ bytes: RawSpan, _ cursor: inout MessageCursor, known: UInt8
    ) throws(DecodeError) -> UInt8 {
        let flags = try cursor.byte(bytes)
        guard flags & ~known == 0 else {
            cursor.offset -= 1
            throw cursor.error(.unknownFlags(flags))
        }
        return flags
    }
}
