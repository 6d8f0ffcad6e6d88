/// bytea, bit strings and points: types whose JSON form carries bytes.
extension ByteBuffer {
    /// How bytes become JSON text.
    enum ByteStyle { case base64, base64URL, hex }

    /// Appends a bytea's text form, hex or escape, between quotes.
    mutating func appendBytea(_ text: ByteView, _ style: ByteStyle) -> Bool {
        append(UInt8(ascii: "\""))
        if text.at(0) == UInt8(ascii: "\\") && text.at(1) == UInt8(ascii: "x") {
            guard appendHexDigits(text[2..<text.count], style) else { return false }
        } else {
            guard appendEscapeFormat(text, style) else { return false }
        }
        append(UInt8(ascii: "\""))
        return true
    }

    /// Appends bytes in a style, without quotes.
    mutating func appendBytes(_ bytes: ByteView, _ style: ByteStyle) {
        switch style {
        case .base64: appendBase64(bytes)
        case .base64URL: appendBase64(bytes, url: true)
        case .hex: appendHex(bytes)
        }
    }

    private mutating func appendHexDigits(_ digits: ByteView, _ style: ByteStyle) -> Bool {
        guard digits.count % 2 == 0 else { return false }
        // A multiple of three, so that base64 of the pieces is base64 of the whole.
        let piece = 768
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: piece) { bytes in
            guard let start = bytes.baseAddress else { return false }
            var index = 0
            while index < digits.count {
                let length = min((digits.count - index) / 2, piece)
                for place in 0..<length {
                    let high = nibble(digits[index + 2 * place])
                    let low = nibble(digits[index + 2 * place + 1])
                    guard high < 16, low < 16 else { return false }
                    unsafe bytes[place] = high << 4 | low
                }
                unsafe appendBytes(ByteView(start: start, count: length), style)
                index += 2 * length
            }
            return true
        }
    }

    /// Source: `byteaout` with bytea_output = escape: `\\` is a backslash, `\ooo` an octal byte.
    private mutating func appendEscapeFormat(_ text: ByteView, _ style: ByteStyle) -> Bool {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: text.count + 1) { bytes in
            guard let start = bytes.baseAddress else { return false }
            var length = 0
            var index = 0
            while index < text.count {
                var byte = text[index]
                index += 1
                if byte == UInt8(ascii: "\\") {
                    if text.at(index) == UInt8(ascii: "\\") {
                        index += 1
                    } else {
                        guard let value = octal(text, index) else { return false }
                        byte = value
                        index += 3
                    }
                }
                unsafe bytes[length] = byte
                length += 1
            }
            unsafe appendBytes(ByteView(start: start, count: length), style)
            return true
        }
    }

    private func octal(_ text: ByteView, _ index: Int) -> UInt8? {
        guard let high = decimalDigit(text.at(index)), let middle = decimalDigit(text.at(index + 1)),
            let low = decimalDigit(text.at(index + 2)), high < 4, middle < 8, low < 8
        else { return nil }
        return UInt8(high << 6 | middle << 3 | low)
    }

    private func nibble(_ digit: UInt8) -> UInt8 {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit &- UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit &- UInt8(ascii: "a") &+ 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit &- UInt8(ascii: "A") &+ 10
        default: 255
        }
    }

    /// Appends a single bit as a boolean; the empty varbit(1) is null, as in Debezium.
    mutating func appendBit(_ text: ByteView) -> Bool {
        if text.isEmpty {
            append("null" as StaticString)
            return true
        }
        guard text.count == 1, text[0] == UInt8(ascii: "0") || text[0] == UInt8(ascii: "1") else { return false }
        text[0] == UInt8(ascii: "1") ? append("true" as StaticString) : append("false" as StaticString)
        return true
    }

    /// Appends bits as base64 of their little-endian bytes, leading zero bits left out: Java's `BitSet.toByteArray`.
    mutating func appendBits(_ text: ByteView) -> Bool {
        var first = 0
        while first < text.count, text[first] == UInt8(ascii: "0") { first += 1 }
        let bits = text[first..<text.count]
        for index in 0..<bits.count where bits[index] & 0xFE != UInt8(ascii: "0") { return false }
        let length = (bits.count + 7) / 8
        append(UInt8(ascii: "\""))
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: length + 1) { bytes in
            unsafe bytes.initialize(repeating: 0)
            for index in 0..<bits.count where bits[bits.count - 1 - index] == UInt8(ascii: "1") {
                unsafe bytes[index >> 3] |= 1 << UInt8(index & 7)
            }
            guard let start = bytes.baseAddress else { return }
            unsafe appendBase64(ByteView(start: start, count: length))
        }
        append(UInt8(ascii: "\""))
        return true
    }

    /// Appends a point `(x,y)` as `{"x":x,"y":y,"wkb":base64,"srid":null}`.
    mutating func appendPoint(_ text: ByteView) -> Bool {
        var comma = 0
        while comma < text.count, text[comma] != UInt8(ascii: ",") { comma += 1 }
        guard comma < text.count, text.count >= 5, text[0] == UInt8(ascii: "("),
            text[text.count - 1] == UInt8(ascii: ")")
        else { return false }
        let first = text[1..<comma]
        let second = text[(comma + 1)..<(text.count - 1)]
        append("{\"x\":" as StaticString)
        guard appendJavaFloat(first, isDouble: true) else { return false }
        append(",\"y\":" as StaticString)
        guard appendJavaFloat(second, isDouble: true) else { return false }
        append(",\"wkb\":\"" as StaticString)
        appendWellKnownBinary(parseDouble(first), parseDouble(second))
        append("\",\"srid\":null}" as StaticString)
        return true
    }

    /// Appends base64 of a point's well-known binary: little-endian mark, type 1, coordinates.
    private mutating func appendWellKnownBinary(_ horizontal: Double, _ vertical: Double) {
        unsafe withUnsafeTemporaryAllocation(byteCount: 21, alignment: 1) { bytes in
            unsafe bytes.storeBytes(of: 1, as: UInt8.self)
            unsafe bytes.storeBytes(of: UInt32(1).littleEndian, toByteOffset: 1, as: UInt32.self)
            unsafe bytes.storeBytes(of: horizontal.bitPattern.littleEndian, toByteOffset: 5, as: UInt64.self)
            unsafe bytes.storeBytes(of: vertical.bitPattern.littleEndian, toByteOffset: 13, as: UInt64.self)
            guard let start = unsafe bytes.assumingMemoryBound(to: UInt8.self).baseAddress else { return }
            unsafe appendBase64(ByteView(start: start, count: 21))
        }
    }
}
