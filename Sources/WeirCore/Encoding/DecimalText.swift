#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// numeric and money: from base-10 digits to base-256 two's complement, exact at any length.
///
/// Source: Kafka Connect's `Decimal` and Java's `BigInteger.toByteArray` (shortest two's complement, big-endian).
struct NumericText {
    /// Minus sign.
    let isNegative: Bool
    /// The digits before and after the point.
    let integer: ByteView
    let fraction: ByteView

    /// Reads `[-]digits[.digits]`; nil for anything else, NaN and infinities included.
    init?(_ text: ByteView) {
        let isNegative = text.at(0) == UInt8(ascii: "-")
        let start = isNegative ? 1 : 0
        var index = start
        while decimalDigit(text.at(index)) != nil, index < text.count { index += 1 }
        integer = text[start..<index]
        if index < text.count {
            guard text[index] == UInt8(ascii: ".") else { return nil }
            let begin = index + 1
            index = begin
            while index < text.count {
                guard decimalDigit(text[index]) != nil else { return nil }
                index += 1
            }
            fraction = text[begin..<index]
        } else {
            fraction = text[text.count..<text.count]
        }
        guard integer.count + fraction.count > 0 else { return nil }
        self.isNegative = isNegative
    }

    /// Digits of the fraction up to the last that is not zero.
    var significantFraction: Int {
        var count = fraction.count
        while count > 0, fraction[count - 1] == UInt8(ascii: "0") { count -= 1 }
        return count
    }
}

extension ByteBuffer {
    /// Appends a numeric as base64 of its unscaled value at `scale`, between quotes. NaN and infinities, which
    /// Debezium refuses, are words between quotes unless `strict`. False when the text cannot be rendered.
    mutating func appendDecimal(_ text: ByteView, scale: Int, strict: Bool) -> Bool {
        guard let numeric = NumericText(text) else { return appendNumericWord(text, strict: strict) }
        // Digits beyond the scale may only be zeros: of the fraction, or with a negative scale of the integer part.
        let fractionKept = max(min(scale, numeric.fraction.count), 0)
        guard numeric.significantFraction <= fractionKept else { return false }
        let dropped = min(max(-scale, 0), numeric.integer.count)
        let kept = numeric.integer[0..<(numeric.integer.count - dropped)]
        for index in kept.count..<numeric.integer.count where numeric.integer[index] != UInt8(ascii: "0") {
            return false
        }
        append(UInt8(ascii: "\""))
        appendUnscaled(
            numeric.isNegative, kept, numeric.fraction[0..<fractionKept], zeros: max(scale - fractionKept, 0))
        append(UInt8(ascii: "\""))
        return true
    }

    /// Appends a numeric without declared scale as `{"scale":s,"value":base64}`, trailing zeros stripped.
    mutating func appendVariableDecimal(_ text: ByteView, strict: Bool) -> Bool {
        guard let numeric = NumericText(text) else { return appendNumericWord(text, strict: strict) }
        let scale = numeric.significantFraction
        append("{\"scale\":" as StaticString)
        appendInteger(UInt64(scale))
        append(",\"value\":\"" as StaticString)
        appendUnscaled(numeric.isNegative, numeric.integer, numeric.fraction[0..<scale], zeros: 0)
        append("\"}" as StaticString)
        return true
    }

    /// Appends the double nearest to a numeric, in Java's layout.
    mutating func appendDecimalAsDouble(_ text: ByteView) -> Bool {
        guard let digits = DecimalDigits(text) else { return appendNumericWord(text, strict: false) }
        // Up to 15 digits the shortest form of the nearest double has just these digits.
        if digits.count <= 15 && digits.exponent.magnitude < 300 {
            appendJavaLayout(text, digits)
        } else {
            appendJavaDouble(parseDouble(text))
        }
        return true
    }

    /// Appends a numeric's digits between quotes, zeros added up to `scale` (a default may lack them). Debezium writes
    /// special values with Java's names of them.
    mutating func appendDecimalString(_ text: ByteView, scale: Int, strict: Bool) -> Bool {
        if let numeric = NumericText(text) {
            append(UInt8(ascii: "\""))
            append(text)
            if numeric.fraction.isEmpty && scale > 0 { append(UInt8(ascii: ".")) }
            for _ in min(numeric.fraction.count, scale)..<scale { append(UInt8(ascii: "0")) }
            append(UInt8(ascii: "\""))
            return true
        }
        guard strict else { return appendNumericWord(text, strict: false) }
        if text.equals("NaN") {
            append("\"NAN\"" as StaticString)
        } else if text.equals("Infinity") {
            append("\"POSITIVE_INFINITY\"" as StaticString)
        } else if text.equals("-Infinity") {
            append("\"NEGATIVE_INFINITY\"" as StaticString)
        } else {
            return false
        }
        return true
    }

    /// Appends NaN, Infinity or -Infinity between quotes; false for anything else, and always when strict.
    mutating func appendNumericWord(_ text: ByteView, strict: Bool) -> Bool {
        guard !strict, text.equals("NaN") || text.equals("Infinity") || text.equals("-Infinity") else { return false }
        appendPlainString(text)
        return true
    }

    /// Appends base64 of an integer given as two runs of digits and a number of zeros after them.
    private mutating func appendUnscaled(_ isNegative: Bool, _ high: ByteView, _ low: ByteView, zeros: Int) {
        let digits = high.count + low.count + zeros
        if digits <= 18 {
            var value: Int64 = 0
            for index in 0..<high.count { value = value &* 10 &+ Int64(high[index] & 15) }
            for index in 0..<low.count { value = value &* 10 &+ Int64(low[index] & 15) }
            for _ in 0..<zeros { value = value &* 10 }
            appendBase64(twosComplement: isNegative ? -value : value)
        } else {
            appendLongUnscaled(isNegative, high, low, zeros: zeros)
        }
    }

    /// Appends base64 of the shortest two's complement of an integer, big-endian.
    mutating func appendBase64(twosComplement value: some FixedWidthInteger & SignedInteger) {
        let significant = value.bitWidth + 1 - (value < 0 ? ~value : value).leadingZeroBitCount
        let count = (significant + 7) / 8
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { bytes in
            for index in 0..<count {
                unsafe bytes[index] = UInt8(truncatingIfNeeded: value >> (8 * (count - 1 - index)))
            }
            guard let start = bytes.baseAddress else { return }
            unsafe appendBase64(ByteView(start: start, count: count))
        }
    }

    private mutating func appendLongUnscaled(_ isNegative: Bool, _ high: ByteView, _ low: ByteView, zeros: Int) {
        // A digit takes 3.33 bits at most; one limb more for the sign.
        let capacity = (high.count + low.count + zeros) * 10 / 192 + 2
        unsafe withUnsafeTemporaryAllocation(of: UInt64.self, capacity: capacity) { limbs in
            unsafe limbs.initialize(repeating: 0)
            var number = unsafe Limbs(words: limbs)
            number.multiplyAdd(digitsOf: high)
            number.multiplyAdd(digitsOf: low)
            number.multiply(zeros: zeros)
            if isNegative { number.negate() }
            let words = number.bigEndianBytes(isNegative: isNegative)
            appendBase64(words)
        }
    }
}

/// A natural number in little-endian 64-bit limbs, in memory that its maker lends.
@safe
private struct Limbs {
    private let words: UnsafeMutableBufferPointer<UInt64>
    private var used = 0
    private var pending: UInt64 = 0
    private var pendingFactor: UInt64 = 1

    @unsafe
    init(words: UnsafeMutableBufferPointer<UInt64>) { unsafe self.words = words }

    /// Appends decimal digits on the right, eighteen at a time.
    mutating func multiplyAdd(digitsOf text: ByteView) {
        for index in 0..<text.count { push(UInt64(text[index] & 15)) }
    }

    /// Appends zeros on the right and settles what is pending.
    mutating func multiply(zeros: Int) {
        for _ in 0..<zeros { push(0) }
        flush()
    }

    private mutating func push(_ digit: UInt64) {
        pending = pending &* 10 &+ digit
        pendingFactor = pendingFactor &* 10
        if pendingFactor == 1_000_000_000_000_000_000 { flush() }
    }

    private mutating func flush() {
        var carry = pending
        for index in 0..<used {
            let product = unsafe words[index].multipliedFullWidth(by: pendingFactor)
            let (low, overflow) = product.low.addingReportingOverflow(carry)
            unsafe words[index] = low
            carry = product.high &+ (overflow ? 1 : 0)
        }
        if carry > 0 {
            unsafe words[used] = carry
            used += 1
        }
        pending = 0
        pendingFactor = 1
    }

    /// Two's complement over all words.
    mutating func negate() {
        var carry = true
        for index in unsafe 0..<words.count {
            let (value, overflow) = unsafe (~words[index]).addingReportingOverflow(carry ? 1 : 0)
            unsafe words[index] = value
            carry = overflow
        }
    }

    /// Turns the words into big-endian bytes in place and lends the shortest two's complement of them.
    func bigEndianBytes(isNegative: Bool) -> ByteView {
        let count = unsafe words.count
        for index in 0..<(count / 2) { unsafe words.swapAt(index, count - 1 - index) }
        for index in 0..<count { unsafe words[index] = words[index].bigEndian }
        let bytes = unsafe UnsafeRawBufferPointer(words)
        let filler: UInt8 = isNegative ? 0xFF : 0
        var start = 0
        while start < bytes.count - 1, unsafe bytes[start] == filler,
            unsafe (bytes[start + 1] ^ filler) & 0x80 == 0
        {
            start += 1
        }
        let base = unsafe bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
        return unsafe ByteView(start: base + start, count: bytes.count - start)
    }
}

/// The double nearest to a number's text, which was checked before.
func parseDouble(_ text: ByteView) -> Double {
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: text.count + 1) { copy in
        guard let start = copy.baseAddress else { return 0 }
        unsafe memcpy(start, text.start, text.count)
        unsafe start[text.count] = 0
        return unsafe strtod(start, nil)
    }
}
