/// money, whose text form depends on `lc_monetary`: the digits are taken as they come, and the last point or comma
/// with at most `scale` digits behind it parts the fraction.
///
/// Source: `cash_out` in PostgreSQL's cash.c. A minus sign or an opening parenthesis makes it negative.
struct MoneyText {
    /// The amount in units of 10^-scale.
    let units: Int64

    /// Reads an amount; nil without a digit, or beyond 64 bits.
    init?(_ text: ByteView, scale: Int) {
        var magnitude: UInt64 = 0
        var digits = 0
        var fraction = -1
        var isNegative = false
        for index in 0..<text.count {
            let byte = text[index]
            if let digit = decimalDigit(byte) {
                let (shifted, tooLarge) = magnitude.multipliedReportingOverflow(by: 10)
                guard !tooLarge else { return nil }
                magnitude = shifted &+ UInt64(digit)
                digits += 1
                if fraction >= 0 { fraction += 1 }
            } else if byte == UInt8(ascii: "-") || byte == UInt8(ascii: "(") {
                isNegative = true
            } else if byte == UInt8(ascii: ".") || byte == UInt8(ascii: ",") {
                fraction = MoneyText.digitsFollow(text, index + 1, atMost: scale) ? 0 : -1
            }
        }
        guard digits > 0 else { return nil }
        for _ in 0..<(scale - max(fraction, 0)) {
            let (shifted, tooLarge) = magnitude.multipliedReportingOverflow(by: 10)
            guard !tooLarge else { return nil }
            magnitude = shifted
        }
        guard magnitude <= UInt64(Int64.max) + (isNegative ? 1 : 0) else { return nil }
        units = isNegative ? Int64(truncatingIfNeeded: 0 &- magnitude) : Int64(magnitude)
    }

    /// Whether the rest holds one to `atMost` digits and no other separator.
    private static func digitsFollow(_ text: ByteView, _ start: Int, atMost: Int) -> Bool {
        var count = 0
        for index in start..<text.count {
            if decimalDigit(text[index]) != nil { count += 1 }
            if text[index] == UInt8(ascii: ".") || text[index] == UInt8(ascii: ",") { return false }
        }
        return count > 0 && count <= atMost
    }
}

extension ByteBuffer {
    /// Appends an amount as base64 of its unscaled value, between quotes.
    mutating func appendMoney(_ text: ByteView, scale: Int) -> Bool {
        guard let money = MoneyText(text, scale: scale) else { return false }
        append(UInt8(ascii: "\""))
        appendBase64(twosComplement: money.units)
        append(UInt8(ascii: "\""))
        return true
    }

    /// Appends an amount as digits between quotes, as in `"-1234.56"`.
    mutating func appendMoneyString(_ text: ByteView, scale: Int) -> Bool {
        guard let money = MoneyText(text, scale: scale) else { return false }
        append(UInt8(ascii: "\""))
        appendScaled(money.units, scale)
        append(UInt8(ascii: "\""))
        return true
    }

    /// Appends the double nearest to an amount.
    mutating func appendMoneyDouble(_ text: ByteView, scale: Int) -> Bool {
        guard let money = MoneyText(text, scale: scale) else { return false }
        let start = count
        appendScaled(money.units, scale)
        let value = unsafe parseDouble(view(start..<count))
        truncate(to: start)
        appendJavaDouble(value)
        return true
    }

    private mutating func appendScaled(_ units: Int64, _ scale: Int) {
        var power: UInt64 = 1
        for _ in 0..<scale { power *= 10 }
        if units < 0 { append(UInt8(ascii: "-")) }
        appendInteger(units.magnitude / power)
        if scale > 0 {
            append(UInt8(ascii: "."))
            appendPadded(units.magnitude % power, width: scale)
        }
    }
}
