/// Integers as decimal and hexadecimal digits, without a string in between.
extension ByteBuffer {
    /// Appends a signed integer.
    @inline(__always)
    mutating func appendInteger(_ value: Int64) {
        if value < 0 { append(UInt8(ascii: "-")) }
        appendInteger(value.magnitude)
    }

    /// Appends an unsigned integer, two digits at a time.
    mutating func appendInteger(_ value: UInt64) {
        let length = decimalLength(value)
        unsafe writeDigits(value, length, room(length))
        unsafe advance(length)
    }

    /// Appends an integer that may need more than 64 bits.
    mutating func appendInteger(wide value: Int128) {
        if let narrow = Int64(exactly: value) { return appendInteger(narrow) }
        if value < 0 { append(UInt8(ascii: "-")) }
        let parts = value.magnitude.quotientAndRemainder(dividingBy: 1_000_000_000_000_000_000)
        guard parts.quotient > 0 else { return appendInteger(UInt64(parts.remainder)) }
        appendInteger(wide: Int128(parts.quotient))
        appendPadded(UInt64(parts.remainder), width: 18)
    }

    /// Appends the lowest `width` digits (1 to 20) of an integer, with leading zeros.
    mutating func appendPadded(_ value: UInt64, width: Int) {
        unsafe writeDigits(value, width, room(width))
        unsafe advance(width)
    }

    /// Appends a log position in its text form `X/Y`.
    mutating func appendPosition(_ position: LSN) {
        appendUpperHex(UInt32(truncatingIfNeeded: position.rawValue >> 32))
        append(UInt8(ascii: "/"))
        appendUpperHex(UInt32(truncatingIfNeeded: position.rawValue))
    }

    private mutating func appendUpperHex(_ value: UInt32) {
        let length = max((35 - value.leadingZeroBitCount) / 4, 1)
        let to = unsafe room(8)
        var rest = value
        for index in stride(from: length - 1, through: 0, by: -1) {
            let nibble = UInt8(truncatingIfNeeded: rest & 15)
            unsafe to[index] = nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "A") + nibble - 10
            rest >>= 4
        }
        unsafe advance(length)
    }
}

/// Digits of an unsigned integer, 1 to 20.
func decimalLength(_ value: UInt64) -> Int {
    var length = 1
    var rest = value
    while rest >= 10000 {
        rest /= 10000
        length += 4
    }
    if rest >= 1000 { return length + 3 }
    if rest >= 100 { return length + 2 }
    return rest >= 10 ? length + 1 : length
}

@inline(__always)
@unsafe
private func writeDigits(_ value: UInt64, _ length: Int, _ to: UnsafeMutablePointer<UInt8>) {
    let pairs: StaticString =
        """
        00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051\
        525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899
        """
    let table = unsafe pairs.utf8Start
    var rest = value
    var index = length
    while index >= 2 {
        let pair = Int(rest % 100) * 2
        rest /= 100
        unsafe to[index - 1] = table[pair + 1]
        unsafe to[index - 2] = table[pair]
        index -= 2
    }
    if index == 1 { unsafe to[0] = UInt8(ascii: "0") + UInt8(rest % 10) }
}
