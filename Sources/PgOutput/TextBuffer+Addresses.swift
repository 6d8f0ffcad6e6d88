extension TextBuffer {
    /// inet and cidr: family, length of the network part, a flag, the number of bytes, the bytes.
    /// Source: `network_send`, `pg_inet_net_ntop`.
    mutating func putAddress(
        _ bytes: RawSpan, _ cursor: inout ValueCursor, isNetwork: Bool
    ) throws(BinaryValueError) {
        let family: UInt8 = try cursor.integer(bytes)
        let bits: UInt8 = try cursor.integer(bytes)
        let flag: UInt8 = try cursor.integer(bytes)
        let count: UInt8 = try cursor.integer(bytes)
        // PGSQL_AF_INET and PGSQL_AF_INET6.
        guard family == 2 && count == 4 || family == 3 && count == 16, bits <= count * 8, flag <= 1 else {
            throw cursor.error(.invalidValue)
        }
        if count == 4 {
            try putOctets(bytes, &cursor)
        } else {
            try putWords(bytes, &cursor)
        }
        guard isNetwork || bits < count * 8 else { return }
        put("/")
        put(decimal: UInt64(bits))
    }

    private mutating func putOctets(_ bytes: RawSpan, _ cursor: inout ValueCursor) throws(BinaryValueError) {
        for index in 0..<4 {
            if index > 0 { put(".") }
            put(decimal: UInt64(try cursor.integer(bytes, as: UInt8.self)))
        }
    }

    /// The longest run of zeros becomes `::`; an address that begins with it may end in an IPv4 address.
    private mutating func putWords(_ bytes: RawSpan, _ cursor: inout ValueCursor) throws(BinaryValueError) {
        var octets = cursor
        octets.offset += 12
        var words = InlineArray<8, UInt16>(repeating: 0)
        for index in 0..<8 { words[index] = try cursor.integer(bytes) }
        let run = Self.longestRun(words)
        reserve(64)
        for index in 0..<8 {
            if run.contains(index) {
                if index == run.lowerBound { put(UInt8(ascii: ":")) }
                continue
            }
            if index > 0 { put(UInt8(ascii: ":")) }
            let isMixed =
                run.count == 6 || run.count == 7 && words[7] != 1 || run.count == 5 && words[5] == 0xFFFF
            if index == 6, run.lowerBound == 0, isMixed { return try putOctets(bytes, &octets) }
            put(hexWord: words[index])
        }
        if !run.isEmpty, run.upperBound == 8 { put(UInt8(ascii: ":")) }
    }

    /// The first of the longest runs of two or more zeros; empty when there is none.
    private static func longestRun(_ words: borrowing InlineArray<8, UInt16>) -> Range<Int> {
        var best = 0..<0
        var start = 0
        for index in 0...8 {
            if index < 8, words[index] == 0 { continue }
            if index - start > max(best.count, 1) { best = start..<index }
            start = index + 1
        }
        return best
    }

    private mutating func put(hexWord word: UInt16) {
        var isLeading = true
        for place in 0..<4 {
            let shift = UInt16(12 - place * 4)
            let digit = UInt8(truncatingIfNeeded: word >> shift & 15)
            if isLeading, digit == 0, shift > 0 { continue }
            isLeading = false
            put(hexDigit: digit)
        }
    }
}
