extension TextBuffer {
    /// numeric: groups of four digits, the power of 10,000 of the first, a sign and the digits after the point.
    /// Source: `numeric_send`, `get_str_from_var`.
    mutating func putNumeric(_ bytes: RawSpan, _ cursor: inout ValueCursor) throws(BinaryValueError) {
        // Up to 36,864: more than the signed 16 bits that the protocol's description gives it.
        let groups = Int(try cursor.integer(bytes, as: UInt16.self))
        let weight = Int(try cursor.integer(bytes, as: Int16.self))
        let sign: UInt16 = try cursor.integer(bytes)
        let scale = Int(try cursor.integer(bytes, as: UInt16.self))
        switch sign {
        case 0x0000, 0x4000: break
        case 0xC000: return try putWord("NaN", groups, cursor)
        case 0xD000: return try putWord("Infinity", groups, cursor)
        case 0xF000: return try putWord("-Infinity", groups, cursor)
        default: throw cursor.error(.invalidValue)
        }
        guard scale <= 0x3FFF else { throw cursor.error(.invalidCount(scale)) }
        if cursor.remaining < groups * 2 { throw cursor.error(.truncated(needed: groups * 2 - cursor.remaining)) }
        // Sign, four digits for each group before the point, the point, and the last group in full.
        reserve(8 + max(weight + 1, 1) * 4 + scale + 4)
        if sign == 0x4000 { put(UInt8(ascii: "-")) }
        var next = 0
        if weight < 0 {
            put(UInt8(ascii: "0"))
        } else {
            for place in 0...weight {
                let group = try Self.group(bytes, &cursor, &next, groups)
                // No value begins with a group of zeros: its text would be no number in JSON.
                if place == 0, weight > 0, group == 0 { throw cursor.error(.invalidValue) }
                if place == 0 { put(decimal: UInt64(group)) } else { put(fourDigits: group) }
            }
        }
        if scale > 0 { try putFraction(bytes, &cursor, from: &next, groups: groups, weight: weight, scale: scale) }
        // Digits beyond the scale are not printed, and are not sent either.
        while next < groups { _ = try Self.group(bytes, &cursor, &next, groups) }
    }

    private mutating func putFraction(
        _ bytes: RawSpan, _ cursor: inout ValueCursor, from next: inout Int, groups: Int, weight: Int, scale: Int
    ) throws(BinaryValueError) {
        put(UInt8(ascii: "."))
        let end = count + scale
        // Groups of zeros between the point and the first one.
        var skipped = max(-weight - 1, 0)
        while count < end {
            reserve(4)
            if skipped > 0 {
                skipped -= 1
                put(fourDigits: 0)
            } else {
                put(fourDigits: try Self.group(bytes, &cursor, &next, groups))
            }
        }
        truncate(to: end)
    }

    private mutating func putWord(
        _ word: StaticString, _ groups: Int, _ cursor: ValueCursor
    ) throws(BinaryValueError) {
        guard groups == 0 else { throw cursor.error(.invalidCount(groups)) }
        put(word)
    }

    /// The next group of digits; zero after the last.
    private static func group(
        _ bytes: RawSpan, _ cursor: inout ValueCursor, _ next: inout Int, _ groups: Int
    ) throws(BinaryValueError) -> UInt16 {
        guard next < groups else { return 0 }
        next += 1
        let group: UInt16 = try cursor.integer(bytes)
        guard group < 10_000 else { throw cursor.error(.invalidValue) }
        return group
    }

    private mutating func put(fourDigits group: UInt16) {
        put(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: group / 1000))
        put(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: group / 100 % 10))
        put(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: group / 10 % 10))
        put(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: group % 10))
    }

    /// money under `lc_monetary` C: `-$1,234.50`. Source: `cash_out`.
    mutating func putMoney(_ cents: Int64) {
        reserve(32)
        if cents < 0 { put(UInt8(ascii: "-")) }
        put(UInt8(ascii: "$"))
        var power: UInt64 = 1
        let whole = cents.magnitude / 100
        while whole / power >= 1000 { power *= 1000 }
        put(decimal: whole / power)
        while power > 1 {
            put(UInt8(ascii: ","))
            let rest = whole % power
            power /= 1000
            put(padded: rest / power, width: 3)
        }
        put(UInt8(ascii: "."))
        put(padded: cents.magnitude % 100, width: 2)
    }

    /// Bytes in hexadecimal, with a separator before those whose bits are set.
    mutating func putHex(
        _ bytes: RawSpan, _ cursor: inout ValueCursor, count: Int, _ separator: UInt8, before places: UInt32
    ) throws(BinaryValueError) {
        reserve(count * 3)
        for index in 0..<count {
            if places >> UInt32(index) & 1 == 1 { put(separator) }
            put(hex: try cursor.integer(bytes))
        }
    }

    /// A bit string: its length in bits, then its bits from the highest of the first byte on.
    mutating func putBits(_ bytes: RawSpan, _ cursor: inout ValueCursor) throws(BinaryValueError) {
        let length = Int(try cursor.integer(bytes, as: Int32.self))
        guard length >= 0, (length + 7) / 8 == cursor.remaining else { throw cursor.error(.invalidCount(length)) }
        reserve(length)
        var byte: UInt8 = 0
        for index in 0..<length {
            if index % 8 == 0 { byte = try cursor.integer(bytes) }
            put(UInt8(ascii: "0") &+ (byte >> 7))
            byte <<= 1
        }
    }

    /// Points and what is made of them. Source: geo_ops.c.
    mutating func putGeometry(
        _ bytes: RawSpan, _ cursor: inout ValueCursor, _ form: BinaryForm.Scalar
    ) throws(BinaryValueError) {
        switch form {
        case .line: try putNumbers(bytes, &cursor, 3, "{", "}")
        case .lseg: try putPoints(bytes, &cursor, 2, "[", "]")
        case .box: try putPoints(bytes, &cursor, 2, "", "")
        case .polygon: try putPoints(bytes, &cursor, try Self.points(bytes, &cursor), "(", ")")
        case .path:
            let closed: UInt8 = try cursor.integer(bytes)
            guard closed <= 1 else { throw cursor.error(.invalidValue) }
            let count = try Self.points(bytes, &cursor)
            try putPoints(bytes, &cursor, count, closed == 1 ? "(" : "[", closed == 1 ? ")" : "]")
        case .circle:
            put("<")
            try putNumbers(bytes, &cursor, 2, "(", "),")
            try putNumbers(bytes, &cursor, 1, "", ">")
        default: try putNumbers(bytes, &cursor, 2, "(", ")")
        }
    }

    private static func points(_ bytes: RawSpan, _ cursor: inout ValueCursor) throws(BinaryValueError) -> Int {
        let count = Int(try cursor.integer(bytes, as: Int32.self))
        guard count > 0, count * 16 == cursor.remaining else { throw cursor.error(.invalidCount(count)) }
        return count
    }

    private mutating func putPoints(
        _ bytes: RawSpan, _ cursor: inout ValueCursor, _ count: Int, _ begin: StaticString, _ end: StaticString
    ) throws(BinaryValueError) {
        put(begin)
        for index in 0..<count { try putNumbers(bytes, &cursor, 2, index == 0 ? "(" : ",(", ")") }
        put(end)
    }

    private mutating func putNumbers(
        _ bytes: RawSpan, _ cursor: inout ValueCursor, _ count: Int, _ begin: StaticString, _ end: StaticString
    ) throws(BinaryValueError) {
        put(begin)
        for index in 0..<count {
            if index > 0 { put(",") }
            put(Double(bitPattern: try cursor.integer(bytes)))
        }
        put(end)
    }
}
