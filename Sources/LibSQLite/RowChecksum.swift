/// Tells a damaged row from a sound one: SQLite checks its pages' structure, not the bytes of a value, and a position
/// with a flipped bit would lose or repeat changes.
enum RowChecksum {
    /// FNV-1a over the values, each followed by a byte that no UTF-8 text holds, NULL by another.
    static func of(_ values: [SQLiteValue]) -> SQLiteValue {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        for value in values {
            switch value {
            case .null: add(0xFE)
            case .integer(let number): "\(number)".utf8.forEach(add)
            case .text(let text): text.utf8.forEach(add)
            }
            add(0xFF)
        }
        return .integer(Int64(bitPattern: hash))
    }

    /// The values with their checksum at the end.
    static func appended(to values: [SQLiteValue]) -> [SQLiteValue] {
        values + [of(values)]
    }
}
