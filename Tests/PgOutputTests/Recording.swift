import Foundation
import PgOutput

/// The messages that a real server wrote; see Tests/Fixtures/pgoutput.
struct Recording {
    /// One message.
    struct Message {
        let bytes: [UInt8]
    }

    let messages: [Message]
    /// The same messages, rendered by an independent decoder.
    let rendered: [String]

    static func load() throws -> Recording {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures/pgoutput")
        let lines = try String(contentsOf: folder.appending(path: "recorded.hex"), encoding: .utf8)
            .split(separator: "\n")
        let text = try String(contentsOf: folder.appending(path: "recorded.txt"), encoding: .utf8)
        return Recording(
            messages: lines.map { line in Message(bytes: bytes(hex: line.split(separator: " ")[2])) },
            rendered: text.split(separator: "\n").map(String.init))
    }

    private static func bytes(hex: Substring) -> [UInt8] {
        let digits = hex.utf8.map { $0 < 0x3A ? $0 - 0x30 : $0 - 0x57 }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

/// Renders a decoded message as `render.py` does.
struct Renderer {
    let bytes: [UInt8]
    let columns: [TupleColumn]
    let relation: RelationMessage
    let type: TypeMessage
    let truncated: [UInt32]

    func render(_ message: PgOutputMessage) -> String {
        switch message {
        case .begin(let lsn, let time, let xid): "begin final=\(position(lsn)) time=\(time) xid=\(xid)"
        case .commit(let lsn, let end, let time):
            "commit flags=0 lsn=\(position(lsn)) end=\(position(end)) time=\(time)"
        case .origin(let lsn, let name): "origin lsn=\(position(lsn)) name=\(text(name.offset, name.length))"
        case .type: "type oid=\(type.oid) \(type.schema).\(type.name)"
        case .relation:
            ([
                "relation oid=\(relation.oid) \(relation.schema).\(relation.name) identity="
                    + String(Character(Unicode.Scalar(relation.identity.rawValue)))
            ]
                + relation.columns.map { "\($0.isKey ? "*" : "")\($0.name):\($0.typeOID):\($0.typeModifier)" })
                .joined(separator: " ")
        case .insert(let oid, let new): "insert oid=\(oid) N\(tuple(new))"
        case .update(let oid, let old, let new): "update oid=\(oid)\(tuple(old)) N\(tuple(new))"
        case .delete(let oid, let old): "delete oid=\(oid)\(tuple(old))"
        case .truncate(let cascade, let restart):
            "truncate cascade=\(cascade ? 1 : 0) restart=\(restart ? 1 : 0)"
                + truncated.map { " \($0)" }.joined()
        case .message(let transactional, let lsn, let prefix, let content):
            "message transactional=\(transactional ? 1 : 0) lsn=\(position(lsn)) "
                + "prefix=\(text(prefix.offset, prefix.length)) content="
                + bytes[content.offset..<content.offset + content.length].map { byte in
                    (byte < 16 ? "0" : "") + String(byte, radix: 16)
                }.joined()
        }
    }

    private func tuple(_ old: OldTuple) -> String {
        switch old {
        case .none: ""
        case .key(let range): " K\(tuple(range))"
        case .full(let range): " O\(tuple(range))"
        }
    }

    private func tuple(_ range: TupleRange) -> String {
        let cells = columns[range.start..<range.start + range.count].map { column in
            switch column.kind {
            case .null: "n"
            case .unchanged: "u"
            case .text: "t=\(text(Int(column.offset), Int(column.length)))"
            case .binary: "b=\(text(Int(column.offset), Int(column.length)))"
            }
        }
        return "(" + cells.joined(separator: ", ") + ")"
    }

    private func text(_ offset: Int, _ length: Int) -> String {
        let text = String(decoding: bytes[offset..<offset + length], as: UTF8.self)
        if length > 100 { return "\(text.first!)*\(length)" }
        return text.replacing("\t", with: "\\t").replacing("\n", with: "\\n")
    }

    private func position(_ lsn: UInt64) -> String {
        String(lsn >> 32, radix: 16, uppercase: true) + "/" + String(lsn & 0xFFFF_FFFF, radix: 16, uppercase: true)
    }
}

/// Outcome of one decoding as a value, for expectations.
func decoded(_ bytes: [UInt8]) throws(DecodeError) -> PgOutputMessage {
    var decoder = PgOutputDecoder()
    return try decoder.decode(bytes.span.bytes)
}
