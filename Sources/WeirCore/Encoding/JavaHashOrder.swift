/// The order in which Java's `HashMap` gives string keys: Debezium writes some objects in it.
///
/// Source: `java.util.HashMap`: 16 buckets, doubled when three quarters full, `hash ^ hash >>> 16` picks one, keys of
/// one bucket in the order they were added. (Buckets of more than eight keys become trees; that is not followed.)
enum JavaHashOrder {
    /// Indexes of the keys in iteration order; `hashes` in the order the keys were added, all different keys.
    static func order(_ hashes: [UInt32]) -> [Int] {
        var buckets: UInt32 = 16
        while hashes.count > Int(buckets) / 4 * 3 { buckets *= 2 }
        return hashes.indices.sorted { left, right in
            let leftBucket = (hashes[left] ^ hashes[left] >> 16) & (buckets - 1)
            let rightBucket = (hashes[right] ^ hashes[right] >> 16) & (buckets - 1)
            return (leftBucket, left) < (rightBucket, right)
        }
    }

    /// `String.hashCode` of a string.
    static func hash(_ text: String) -> UInt32 {
        text.utf16.reduce(0) { $0 &* 31 &+ UInt32($1) }
    }

    /// `String.hashCode` of UTF-8 in which a backslash protects the byte after it.
    static func hash(escapedUTF8 raw: ByteView) -> UInt32 {
        var bytes: [UInt8] = []
        var index = 0
        while index < raw.count {
            if raw[index] == UInt8(ascii: "\\") { index += 1 }
            if index < raw.count { bytes.append(raw[index]) }
            index += 1
        }
        return hash(String(decoding: bytes, as: UTF8.self))
    }
}
