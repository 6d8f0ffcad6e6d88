#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// JSON's pieces, written as Jackson writes them: the bytes Debezium's consumers know.
extension ByteBuffer {
    /// What becomes of characters beyond U+FFFF.
    enum Astral {
        /// Two escapes, as in `\uD83D\uDE00`: Jackson's writer of UTF-8.
        case escaped
        /// Themselves: Jackson's writer of text, whose result goes into another string.
        case plain
    }

    /// Appends text between quotes, escaped.
    @inline(__always)
    mutating func appendString(_ text: ByteView) {
        append(UInt8(ascii: "\""))
        appendEscaped(text)
        append(UInt8(ascii: "\""))
    }

    /// Appends text between quotes that is known to need no escape.
    @inline(__always)
    mutating func appendPlainString(_ text: ByteView) {
        unsafe room(text.count + 2).pointee = UInt8(ascii: "\"")
        unsafe advance(1)
        append(text)
        append(UInt8(ascii: "\""))
    }

    /// Appends text with JSON's escapes: eight bytes at a time are copied first and looked at then, so that text
    /// without a quote, backslash, control character or character beyond U+FFFF costs a copy.
    mutating func appendEscaped(_ text: ByteView, astral: Astral = .escaped) {
        var index = 0
        while index < text.count {
            var chunk = min(text.count - index, 4096)
            // A character stays in one piece.
            for _ in 0..<3 where index + chunk < text.count && text[index + chunk] & 0xC0 == 0x80 { chunk -= 1 }
            let to = unsafe room(chunk * 6 + 8)
            let written = unsafe escape(text.start + index, chunk, to, astral)
            unsafe advance(written)
            index += chunk
        }
    }

    /// Appends a string's UTF-8 as a JSON string. For names and settings; values come as bytes.
    public mutating func appendString(utf8 text: String) { appendString(utf8: text, astral: .escaped) }

    mutating func appendString(utf8 text: String, astral: Astral) {
        append(UInt8(ascii: "\""))
        var copy = text
        copy.withUTF8 { bytes in
            guard let start = bytes.baseAddress else { return }
            unsafe appendEscaped(ByteView(start: start, count: bytes.count), astral: astral)
        }
        append(UInt8(ascii: "\""))
    }

    /// Appends a range of another buffer's written bytes as a JSON string.
    public mutating func appendString(_ other: borrowing ByteBuffer, _ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= other.count, "range beyond the end")
        unsafe appendString(other.view(range))
    }

    /// Appends base64 of bytes, padded; `url` takes `-` and `_` in place of `+` and `/`.
    mutating func appendBase64(_ bytes: ByteView, url: Bool = false) {
        let alphabet: StaticString =
            url
            ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        let table = unsafe alphabet.utf8Start
        let length = (bytes.count + 2) / 3 * 4
        var to = unsafe room(length)
        var index = 0
        while index + 3 <= bytes.count {
            let group = Int(bytes[index]) << 16 | Int(bytes[index + 1]) << 8 | Int(bytes[index + 2])
            unsafe to[0] = table[group >> 18]
            unsafe to[1] = table[group >> 12 & 63]
            unsafe to[2] = table[group >> 6 & 63]
            unsafe to[3] = table[group & 63]
            unsafe to += 4
            index += 3
        }
        let rest = bytes.count - index
        if rest > 0 {
            let group = Int(bytes[index]) << 16 | (rest == 2 ? Int(bytes[index + 1]) << 8 : 0)
            unsafe to[0] = table[group >> 18]
            unsafe to[1] = table[group >> 12 & 63]
            unsafe to[2] = rest == 2 ? table[group >> 6 & 63] : UInt8(ascii: "=")
            unsafe to[3] = UInt8(ascii: "=")
        }
        unsafe advance(length)
    }

    /// Appends lower-case hexadecimal digits of bytes.
    mutating func appendHex(_ bytes: ByteView) {
        let to = unsafe room(bytes.count * 2)
        for index in 0..<bytes.count {
            unsafe to[index * 2] = hexDigit(bytes[index] >> 4, letters: UInt8(ascii: "a"))
            unsafe to[index * 2 + 1] = hexDigit(bytes[index] & 15, letters: UInt8(ascii: "a"))
        }
        unsafe advance(bytes.count * 2)
    }
}

@inline(__always)
private func hexDigit(_ nibble: UInt8, letters: UInt8) -> UInt8 {
    nibble < 10 ? UInt8(ascii: "0") &+ nibble : letters &+ nibble &- 10
}

/// Copies `count` bytes with JSON's escapes and returns how many were written: at most six for each, and up to eight
/// bytes beyond them are touched.
@unsafe
private func escape(
    _ from: UnsafePointer<UInt8>, _ count: Int, _ start: UnsafeMutablePointer<UInt8>, _ astral: ByteBuffer.Astral
) -> Int {
    var to = unsafe start
    var index = 0
    let leads: UInt64 = astral == .escaped ? .max : 0
    while index + 8 <= count {
        let word = unsafe UnsafeRawPointer(from + index).loadUnaligned(as: UInt64.self).littleEndian
        unsafe UnsafeMutableRawPointer(to).storeBytes(of: word.littleEndian, as: UInt64.self)
        let special = specialBytes(word) | leadBytes(word) & leads
        if special == 0 {
            unsafe to += 8
            index += 8
        } else {
            let clean = special.trailingZeroBitCount >> 3
            unsafe to += clean
            index += clean
            let byte = unsafe from[index]
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                unsafe to[0] = UInt8(ascii: "\\")
                unsafe to[1] = byte
                unsafe to += 2
            } else if byte >= 0xF0 {
                index += unsafe escapeAstral(from + index, count - index, &to) - 1
            } else {
                unsafe to = escapeByte(byte, to)
            }
            index += 1
        }
    }
    while index < count {
        let byte = unsafe from[index]
        if byte >= 0xF0 && leads != 0 {
            index += unsafe escapeAstral(from + index, count - index, &to) - 1
        } else if byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") {
            unsafe to.pointee = byte
            unsafe to += 1
        } else {
            unsafe to = escapeByte(byte, to)
        }
        index += 1
    }
    return unsafe to - start
}

/// High bit set in each byte that is a control character, quote or backslash; exact up to the first one, which is
/// all that is asked.
@inline(__always)
private func specialBytes(_ word: UInt64) -> UInt64 {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highs: UInt64 = 0x8080_8080_8080_8080
    let control = (word &- ones &* 0x20) & ~word
    let quotes = word ^ (ones &* 0x22)
    let slashes = word ^ (ones &* 0x5C)
    return (control | ((quotes &- ones) & ~quotes) | ((slashes &- ones) & ~slashes)) & highs
}

/// High bit set in each byte that begins a character of four.
@inline(__always)
private func leadBytes(_ word: UInt64) -> UInt64 {
    word & word << 1 & word << 2 & word << 3 & 0x8080_8080_8080_8080
}

/// Writes the character of four bytes as two escapes and returns 4; a byte that begins none is copied, which makes 1.
@inline(never)
@unsafe
private func escapeAstral(
    _ from: UnsafePointer<UInt8>, _ count: Int, _ to: inout UnsafeMutablePointer<UInt8>
) -> Int {
    var scalar = unsafe UInt32(from[0] & 7)
    var length = 1
    while length < min(count, 4), unsafe from[length] & 0xC0 == 0x80 {
        scalar = unsafe scalar << 6 | UInt32(from[length] & 0x3F)
        length += 1
    }
    guard length == 4, 0x1_0000...0x10_FFFF ~= scalar else {
        unsafe to[0] = from[0]
        unsafe to += 1
        return 1
    }
    let offset = scalar - 0x1_0000
    for half in 0..<2 {
        let unit = half == 0 ? 0xD800 | offset >> 10 : 0xDC00 | offset & 0x3FF
        unsafe to[0] = UInt8(ascii: "\\")
        unsafe to[1] = UInt8(ascii: "u")
        for place in 0..<4 {
            let nibble = UInt8(truncatingIfNeeded: unit >> UInt32(12 - 4 * place)) & 15
            unsafe to[2 + place] = hexDigit(nibble, letters: UInt8(ascii: "A"))
        }
        unsafe to += 6
    }
    return 4
}

@inline(never)
@unsafe
private func escapeByte(_ byte: UInt8, _ to: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
    unsafe to[0] = UInt8(ascii: "\\")
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): unsafe to[1] = byte
    case 8: unsafe to[1] = UInt8(ascii: "b")
    case 9: unsafe to[1] = UInt8(ascii: "t")
    case 10: unsafe to[1] = UInt8(ascii: "n")
    case 12: unsafe to[1] = UInt8(ascii: "f")
    case 13: unsafe to[1] = UInt8(ascii: "r")
    default:
        unsafe to[1] = UInt8(ascii: "u")
        unsafe to[2] = UInt8(ascii: "0")
        unsafe to[3] = UInt8(ascii: "0")
        unsafe to[4] = hexDigit(byte >> 4, letters: UInt8(ascii: "A"))
        unsafe to[5] = hexDigit(byte & 15, letters: UInt8(ascii: "A"))
        return unsafe to + 6
    }
    return unsafe to + 2
}
