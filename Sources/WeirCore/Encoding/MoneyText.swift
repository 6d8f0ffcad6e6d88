/// money, whose text form depends on `lc_monetary`: the digits are taken as they come, and the last point or comma
/// parts the fraction, unless it parts thousands: with three digits behind it and no other separator than its like.
///
/// Source: `cash_out` in PostgreSQL's cash.c. A minus sign or an opening parenthesis makes it negative.
struct MoneyText {
    /// The amount in units of 10^-scale.
    let units: Int64
    /// Digits behind the point.
    let scale: Int

    /// Reads an amount; nil without a digit, or beyond 64 bits.
    init?(_ text: ByteView) {
        let point = MoneyText.point(text)
        var magnitude: UInt64 = 0
        var digits = 0
        var fraction = 0
        var isNegative = false
        for index in 0..<text.count {
            let byte = text[index]
            if let digit = decimalDigit(byte) {
                let (shifted, tooLarge) = magnitude.multipliedReportingOverflow(by: 10)
                let (sum, carry) = shifted.addingReportingOverflow(UInt64(digit))
                guard !tooLarge, !carry else { return nil }
                magnitude = sum
                digits += 1
                if index > point { fraction += 1 }
            } else if byte == UInt8(ascii: "-") || byte == UInt8(ascii: "(") {
                isNegative = true
            }
        }
        guard digits > 0, fraction <= 18, magnitude <= UInt64(Int64.max) + (isNegative ? 1 : 0) else { return nil }
        units = isNegative ? Int64(truncatingIfNeeded: 0 &- magnitude) : Int64(magnitude)
        scale = fraction
    }

    /// The amount in units of 10^-digits, 0 to 18, halves rounded away from zero.
    func units(digits: Int) -> Int128 {
        var value = Int128(units)
        for _ in 0..<max(digits - scale, 0) { value *= 10 }
        guard scale > digits else { return value }
        var power: Int128 = 1
        for _ in digits..<scale { power *= 10 }
        let half = units < 0 ? -power / 2 : power / 2
        return (value + half) / power
    }

    /// Index of the byte that parts the fraction; the text's count when there is none.
    private static func point(_ text: ByteView) -> Int {
        var last = text.count
        var digits = 0
        var hasOther = false
        for index in 0..<text.count {
            let byte = text[index]
            if decimalDigit(byte) != nil { digits += 1 }
            guard byte == UInt8(ascii: ".") || byte == UInt8(ascii: ",") else { continue }
            hasOther = hasOther || last < text.count && text[last] != byte
            last = index
            digits = 0
        }
        return digits == 0 || digits == 3 && !hasOther ? text.count : last
    }
}

extension ByteBuffer {
    /// Appends an amount as base64 of its unscaled value, between quotes.
    mutating func appendMoney(_ text: ByteView, scale: Int) -> Bool {
        guard let money = MoneyText(text) else { return false }
        append(UInt8(ascii: "\""))
        appendBase64(twosComplement: money.units(digits: scale))
        append(UInt8(ascii: "\""))
        return true
    }

    /// Appends an amount as digits between quotes, as in `"-1234.56"`.
    mutating func appendMoneyString(_ text: ByteView) -> Bool {
        guard let money = MoneyText(text) else { return false }
        append(UInt8(ascii: "\""))
        appendDigits(money)
        append(UInt8(ascii: "\""))
        return true
    }

    /// Appends the double nearest to an amount.
    mutating func appendMoneyDouble(_ text: ByteView) -> Bool {
        guard let money = MoneyText(text) else { return false }
        let start = count
        appendDigits(money)
        let value = unsafe parseDouble(view(start..<count))
        truncate(to: start)
        appendJavaDouble(value)
        return true
    }

    private mutating func appendDigits(_ money: MoneyText) {
        var power: UInt64 = 1
        for _ in 0..<money.scale { power *= 10 }
        if money.units < 0 { append(UInt8(ascii: "-")) }
        appendInteger(money.units.magnitude / power)
        if money.scale > 0 {
            append(UInt8(ascii: "."))
            appendPadded(money.units.magnitude % power, width: money.scale)
        }
    }
}
