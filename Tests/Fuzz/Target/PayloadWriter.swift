import PgOutput

/// Writes a decoded message in the form of protocol 1 again, from what the decoder says it means.
struct PayloadWriter {
    /// The message that was decoded: values are ranges of it.
    let payload: [UInt8]
    /// The columns of its tuples.
    let columns: [TupleColumn]

    /// The message's bytes; nil when a range points outside of it.
    func write(_ message: PgOutputMessage, _ decoder: borrowing PgOutputDecoder) -> [UInt8]? {
        switch message {
        case .begin(let finalLSN, let time, let xid):
            return tag("B") + bigEndian(finalLSN) + bigEndian(time) + bigEndian(xid)
        case .commit(let commitLSN, let endLSN, let time):
            return tag("C") + [0] + bigEndian(commitLSN) + bigEndian(endLSN) + bigEndian(time)
        case .origin(let lsn, let name):
            return text(name).map { tag("O") + bigEndian(lsn) + $0 + [0] }
        case .relation: return relation(decoder.relation)
        case .type:
            let type = decoder.type
            return tag("Y") + bigEndian(type.oid) + schema(type.schema, at: 5) + name(type.name)
        case .insert(let relation, let new):
            return tuple("N", new).map { tag("I") + bigEndian(relation) + $0 }
        case .update(let relation, let old, let new):
            guard let before = tuple(old), let after = tuple("N", new) else { return nil }
            return tag("U") + bigEndian(relation) + before + after
        case .delete(let relation, let old):
            guard old != .none else { return nil }
            return tuple(old).map { tag("D") + bigEndian(relation) + $0 }
        case .truncate(let cascade, let restart):
            let flags: UInt8 = (cascade ? 1 : 0) | (restart ? 2 : 0)
            let count = bigEndian(Int32(decoder.truncated.count))
            return tag("T") + count + [flags] + decoder.truncated.flatMap { bigEndian($0) }
        case .message(let isTransactional, let lsn, let prefix, let content):
            guard let first = text(prefix), let last = text(content) else { return nil }
            let flags: UInt8 = isTransactional ? 1 : 0
            let head = tag("M") + [flags] + bigEndian(lsn) + first + [0]
            return head + bigEndian(Int32(content.length)) + last
        }
    }

    private func tag(_ scalar: Unicode.Scalar) -> [UInt8] { [UInt8(ascii: scalar)] }

    private func name(_ name: String) -> [UInt8] { Array(name.utf8) + [0] }

    /// A schema; that of the system may stand there empty.
    private func schema(_ schema: String, at offset: Int) -> [UInt8] {
        schema == "pg_catalog" && payload[offset] == 0 ? [0] : name(schema)
    }

    private func relation(_ relation: RelationMessage) -> [UInt8] {
        let head = tag("R") + bigEndian(relation.oid) + schema(relation.schema, at: 5) + name(relation.name)
        let columns = relation.columns.flatMap { column -> [UInt8] in
            let flags: UInt8 = column.isKey ? 1 : 0
            return [flags] + name(column.name) + bigEndian(column.typeOID) + bigEndian(column.typeModifier)
        }
        return head + [relation.identity.rawValue] + bigEndian(Int16(relation.columns.count)) + columns
    }

    private func tuple(_ old: OldTuple) -> [UInt8]? {
        switch old {
        case .none: []
        case .key(let range): tuple("K", range)
        case .full(let range): tuple("O", range)
        }
    }

    private func tuple(_ kind: Unicode.Scalar, _ range: TupleRange) -> [UInt8]? {
        guard range.start >= 0, range.count >= 0, range.start + range.count <= columns.count else { return nil }
        var bytes = tag(kind) + bigEndian(Int16(range.count))
        for column in columns[range.start..<range.start + range.count] {
            switch column.kind {
            case .null: bytes += tag("n")
            case .unchanged: bytes += tag("u")
            case .text, .binary:
                let range = ByteRange(offset: Int(column.offset), length: Int(column.length))
                guard let value = text(range) else { return nil }
                bytes += tag(column.kind == .text ? "t" : "b") + bigEndian(Int32(column.length)) + value
            }
        }
        return bytes
    }

    private func text(_ range: ByteRange) -> [UInt8]? {
        guard range.offset >= 0, range.length >= 0, range.offset + range.length <= payload.count else { return nil }
        return Array(payload[range.offset..<range.offset + range.length])
    }
}
