import LibPQ
import WeirCore

/// Which texts of a server may not be UTF-8, and what becomes of those that are not.
struct TextRule: Sendable, Equatable {
    let policy: PostgresSourceSettings.InvalidText
    /// Any text: a database in SQL_ASCII checks none. In every other encoding the server checks and converts; only the
    /// type "char" holds any byte, which servers before 15 send as it is where nothing has to be converted.
    let isAnyText: Bool

    /// Nil where everything that the server sends is UTF-8.
    init?(_ policy: PostgresSourceSettings.InvalidText, on connection: borrowing PGConnection) {
        let isAnyText = connection.hasUncheckedText
        let isSentAsItIs = connection.parameterStatus("server_encoding") == "UTF8"
        guard isAnyText || isSentAsItIs && connection.serverVersion < 150_000 else { return nil }
        self.init(policy, isAnyText: isAnyText)
    }

    init(_ policy: PostgresSourceSettings.InvalidText, isAnyText: Bool) {
        self.policy = policy
        self.isAnyText = isAnyText
    }

    /// Whether a table's rows have to be looked at.
    func applies(to relation: Relation) -> Bool {
        isAnyText || relation.columns.contains { Self.mayHoldBytes($0.type.kind) }
    }

    private static func mayHoldBytes(_ kind: ColumnType.Kind) -> Bool {
        switch kind {
        case .char, .composite, .other: true
        case .array(let element): mayHoldBytes(element.kind)
        default: false
        }
    }
}

/// Looks for text that is not UTF-8.
enum TextCheck {
    /// Place of the first byte that no UTF-8 text has there; nil for valid text. Source: table 3-7 of the Unicode
    /// standard.
    static func firstInvalid(_ bytes: UnsafeRawBufferPointer) -> Int? {
        var index = 0
        while index < bytes.count {
            let lead = unsafe bytes[index]
            if lead < 0x80 {
                index += 1
                continue
            }
            let length: Int
            // The second byte's range keeps out overlong forms, surrogates and what is beyond U+10FFFF.
            var second: ClosedRange<UInt8> = 0x80...0xBF
            switch lead {
            case 0xC2...0xDF: length = 2
            case 0xE0:
                length = 3
                second = 0xA0...0xBF
            case 0xED:
                length = 3
                second = 0x80...0x9F
            case 0xE1...0xEF: length = 3
            case 0xF0:
                length = 4
                second = 0x90...0xBF
            case 0xF1...0xF3: length = 4
            case 0xF4:
                length = 4
                second = 0x80...0x8F
            default: return index
            }
            guard index + length <= bytes.count, unsafe second.contains(bytes[index + 1]) else { return index }
            for next in (index + 2)..<max(index + length, index + 2) {
                guard unsafe bytes[next] & 0xC0 == 0x80 else { return index }
            }
            index += length
        }
        return nil
    }

    /// Bytes as `\x` and two hexadecimal digits for each, as PostgreSQL prints bytea.
    static func hexadecimal(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = [UInt8(ascii: "\\"), UInt8(ascii: "x")]
        text.reserveCapacity(2 + bytes.count * 2)
        for index in 0..<bytes.count {
            let byte = unsafe bytes[index]
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return text
    }

    /// The error for a value that is refused. `offset` is that of the first invalid byte.
    static func refusal(
        _ column: Column, of table: TableName, offset: Int, at position: LSN, isAnyText: Bool
    ) -> WeirError {
        let holder = isAnyText ? "the database's encoding is SQL_ASCII, which" : "the type \"char\""
        return WeirError(
            .valueRejected, stage: .decode, "A text of column \(column.name) is not UTF-8",
            cause: "byte \(offset) of the value; \(holder) takes any byte",
            advice: "Correct the row, leave the column out with a column list of the publication, or set "
                + "source.invalid.text to bytes: such values then come as \\x and hexadecimal digits."
        ).at(table: table, position: position)
    }

    /// Looks at a row's cells in a batch, and refuses or replaces those that are not UTF-8.
    static func check(
        _ builder: inout BatchBuilder, cells first: Int, of relation: Relation, at position: LSN,
        _ rule: TextRule
    ) throws(WeirError) {
        for (index, column) in relation.columns.enumerated() {
            let cell = builder.cell(at: first + index)
            guard cell.kind == .text else { continue }
            guard let offset = unsafe builder.withBytes(of: cell, { unsafe firstInvalid($0) }) else { continue }
            guard rule.policy == .bytes else {
                throw refusal(column, of: relation.table, offset: offset, at: position, isAnyText: rule.isAnyText)
            }
            let text = unsafe builder.withBytes(of: cell) { unsafe hexadecimal($0) }
            let start = unsafe text.withUnsafeBytes { unsafe builder.appendBytes($0) }
            builder.setCell(at: first + index, Cell(kind: .text, offset: start, length: text.count))
        }
    }
}
