/// The layout that Java gives a float or double, made from PostgreSQL's shortest decimal form without converting the
/// number: both sides print the same digits, only the layout differs.
///
/// Source: `Double.toString` of Java 19 and later. Two digits are the least it prints, so that the few subnormals
/// whose shortest form has one digit come out with another second digit than zero (`4.9E-324`).
struct DecimalDigits {
    /// Minus sign, also of zero.
    var isNegative = false
    /// Place of the first significant digit in the text; meaningless for zero.
    var first = 0
    /// Place after the last significant digit.
    var end = 0
    /// Significant digits; 0 for zero. The point between them, if any, is skipped when they are copied.
    var count = 0
    /// Power of ten of the first digit.
    var exponent = 0

    /// Reads `[+-]digits[.digits][e[+-]digits]`; nil for anything else, NaN and infinities included.
    init?(_ text: ByteView) {
        var index = 0
        if text.at(0) == UInt8(ascii: "-") || text.at(0) == UInt8(ascii: "+") {
            isNegative = text.at(0) == UInt8(ascii: "-")
            index = 1
        }
        var seen = 0
        var integerDigits = 0
        var pendingZeros = 0
        var hasPoint = false
        var leadingZeros = 0
        scan: while index < text.count {
            let byte = text[index]
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                seen += 1
                if !hasPoint { integerDigits += 1 }
                if byte == UInt8(ascii: "0") {
                    if count == 0 { leadingZeros += 1 } else { pendingZeros += 1 }
                } else {
                    if count == 0 { first = index }
                    count += pendingZeros + 1
                    pendingZeros = 0
                    end = index + 1
                }
            case UInt8(ascii: ".") where !hasPoint: hasPoint = true
            case UInt8(ascii: "e") where seen > 0, UInt8(ascii: "E") where seen > 0: break scan
            default: return nil
            }
            index += 1
        }
        guard seen > 0 else { return nil }
        var written = 0
        if index < text.count {
            guard let value = DecimalDigits.exponent(text, index + 1) else { return nil }
            written = value
        }
        exponent = integerDigits - leadingZeros - 1 + written
    }

    private static func exponent(_ text: ByteView, _ start: Int) -> Int? {
        var index = start
        let sign = text.at(index)
        if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { index += 1 }
        var value = 0
        guard index < text.count, text.count - index <= 6 else { return nil }
        while index < text.count {
            guard let digit = decimalDigit(text[index]) else { return nil }
            value = value * 10 + digit
            index += 1
        }
        return sign == UInt8(ascii: "-") ? -value : value
    }
}

/// The value of a decimal digit.
@inline(__always)
func decimalDigit(_ byte: UInt8) -> Int? {
    let value = byte &- UInt8(ascii: "0")
    return value < 10 ? Int(value) : nil
}

extension ByteBuffer {
    /// Appends a float's text form as a JSON number in Java's layout; NaN and infinities between quotes. False when
    /// the text is none of these.
    mutating func appendJavaFloat(_ text: ByteView, isDouble: Bool) -> Bool {
        guard let digits = DecimalDigits(text) else {
            guard text.equals("NaN") || text.equals("Infinity") || text.equals("-Infinity") else { return false }
            appendPlainString(text)
            return true
        }
        if digits.count == 1 && digits.exponent <= (isDouble ? -320 : -42) {
            appendSubnormal(text, digits, isDouble: isDouble)
        } else {
            appendJavaLayout(text, digits)
        }
        return true
    }

    /// Appends the shortest JSON number in Java's layout of a double.
    mutating func appendJavaDouble(_ value: Double) {
        var text = value.description
        text.withUTF8 { bytes in
            guard let start = bytes.baseAddress else { return }
            _ = unsafe appendJavaFloat(
                value.isFinite ? ByteView(start: start, count: bytes.count) : javaWord(value), isDouble: true)
        }
    }

    /// Appends digits with the point where Java puts it: plain from 10^-3 up to 10^7, else with an exponent.
    mutating func appendJavaLayout(_ text: ByteView, _ digits: DecimalDigits) {
        if digits.isNegative { append(UInt8(ascii: "-")) }
        guard digits.count > 0 else { return append("0.0" as StaticString) }
        var reader = DigitReader(text: text, index: digits.first)
        if digits.exponent >= 7 || digits.exponent < -3 {
            append(reader.next())
            append(UInt8(ascii: "."))
            if digits.count == 1 { append(UInt8(ascii: "0")) }
            for _ in 1..<max(digits.count, 1) { append(reader.next()) }
            append(UInt8(ascii: "E"))
            appendInteger(Int64(digits.exponent))
        } else if digits.exponent < 0 {
            append("0." as StaticString)
            for _ in 0..<(-digits.exponent - 1) { append(UInt8(ascii: "0")) }
            for _ in 0..<digits.count { append(reader.next()) }
        } else {
            for place in 0..<max(digits.count, digits.exponent + 2) {
                if place == digits.exponent + 1 { append(UInt8(ascii: ".")) }
                append(place < digits.count ? reader.next() : UInt8(ascii: "0"))
            }
        }
    }

    private mutating func appendSubnormal(_ text: ByteView, _ digits: DecimalDigits, isDouble: Bool) {
        // The number is a small multiple of the least subnormal; `unit` is that, in units of 10^floor.
        let unit = isDouble ? 4.940656458412465 : 1.401298464324817
        let floor = isDouble ? -324 : -45
        let digit = Double(text[digits.first] - UInt8(ascii: "0"))
        var scaled = digit
        for _ in 0..<max(digits.exponent - floor, 0) { scaled *= 10 }
        for _ in 0..<max(floor - digits.exponent, 0) { scaled /= 10 }
        var value = (scaled / unit).rounded() * unit
        var exponent = floor
        while value >= 10 {
            value /= 10
            exponent += 1
        }
        var tenths = Int((value * 10).rounded())
        if tenths >= 100 {
            tenths /= 10
            exponent += 1
        }
        if digits.isNegative { append(UInt8(ascii: "-")) }
        appendInteger(Int64(tenths / 10))
        append(UInt8(ascii: "."))
        appendInteger(Int64(tenths % 10))
        append(UInt8(ascii: "E"))
        appendInteger(Int64(exponent))
    }
}

private func javaWord(_ value: Double) -> ByteView {
    let word: StaticString = value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
    return unsafe ByteView(start: word.utf8Start, count: word.utf8CodeUnitCount)
}

/// Reads digits one by one, skipping the point.
struct DigitReader {
    let text: ByteView
    var index: Int

    @inline(__always)
    mutating func next() -> UInt8 {
        if text.at(index) == UInt8(ascii: ".") { index += 1 }
        let digit = text.at(index)
        index += 1
        return digit
    }
}
