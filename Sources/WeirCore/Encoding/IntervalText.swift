/// An interval in the fields PostgreSQL prints. Source: `EncodeInterval` in datetime.c with IntervalStyle postgres,
/// as in `-1 years +2 mons 3 days -04:05:06.789`.
struct IntervalText {
    var years: Int64 = 0
    var months: Int64 = 0
    var days: Int64 = 0
    /// The time part, signed, as hours, minutes and microseconds of the minute.
    var hours: Int64 = 0
    var minutes: Int64 = 0
    var micros: Int64 = 0

    /// Reads the text form; nil for anything else.
    init?(_ text: ByteView) {
        var index = 0
        guard !text.isEmpty else { return nil }
        while index < text.count {
            if text[index] == UInt8(ascii: " ") {
                index += 1
                continue
            }
            var isNegative = false
            if text[index] == UInt8(ascii: "-") || text[index] == UInt8(ascii: "+") {
                isNegative = text[index] == UInt8(ascii: "-")
                index += 1
            }
            var reader = CalendarReader(text)
            reader.index = index
            guard let number = reader.digits(1, 10) else { return nil }
            let value = isNegative ? -Int64(number) : Int64(number)
            if reader.skip(UInt8(ascii: ":")) {
                guard readTime(&reader, hours: value, isNegative: isNegative) else { return nil }
            } else {
                guard reader.skip(UInt8(ascii: " ")), readUnit(&reader, value) else { return nil }
            }
            index = reader.index
        }
    }

    private mutating func readTime(_ reader: inout CalendarReader, hours value: Int64, isNegative: Bool) -> Bool {
        guard let minute = reader.digits(2, 2), reader.skip(UInt8(ascii: ":")), let second = reader.digits(2, 2)
        else { return false }
        var fraction = 0
        if reader.skip(UInt8(ascii: ".")) {
            guard let digits = reader.fraction() else { return false }
            fraction = digits
        }
        hours = value
        minutes = isNegative ? -Int64(minute) : Int64(minute)
        micros = Int64(second) * 1_000_000 + Int64(fraction)
        if isNegative { micros = -micros }
        return true
    }

    private mutating func readUnit(_ reader: inout CalendarReader, _ value: Int64) -> Bool {
        let start = reader.index
        while !reader.isAtEnd, reader.text[reader.index] != UInt8(ascii: " ") { reader.index += 1 }
        let unit = reader.text[start..<reader.index]
        if unit.equals("year") || unit.equals("years") {
            years = value
        } else if unit.equals("mon") || unit.equals("mons") {
            months = value
        } else if unit.equals("day") || unit.equals("days") {
            days = value
        } else {
            return false
        }
        return true
    }

    /// Microseconds, a month counted as 30.4375 days; more than 64 bits beyond 292471 years.
    var totalMicros: Int128 {
        let byMonths = Int128(years * 12 + months) * 2_629_800_000_000
        let byClock = Int128(hours * 60 + minutes) * 60_000_000
        return byMonths + Int128(days) * 86_400_000_000 + byClock + Int128(micros)
    }

    /// Microseconds as Debezium's `MicroDuration` computes them, rounding errors of its doubles included.
    var totalMicrosInDouble: Int64 {
        let daysPerMonth = 365.25 / 12.0
        let seconds = Double(micros / 1_000_000) + Double(micros % 1_000_000) / 1_000_000.0
        let numberOfDays = Double(years * 12 + months) * daysPerMonth + Double(days)
        let numberOfSeconds = ((numberOfDays * 24 + Double(hours)) * 60 + Double(minutes)) * 60 + seconds
        let total = numberOfSeconds * 1e6
        if total >= 9.223372036854775807e18 { return .max }
        return total <= -9.223372036854775808e18 ? .min : Int64(total)
    }
}

extension ByteBuffer {
    /// Appends an interval as microseconds; `inDouble` with Debezium's rounding.
    mutating func appendIntervalMicros(_ text: ByteView, inDouble: Bool) -> Bool {
        guard let interval = IntervalText(text) else { return false }
        if inDouble {
            appendInteger(interval.totalMicrosInDouble)
        } else {
            appendInteger(wide: interval.totalMicros)
        }
        return true
    }

    /// Appends an interval as `"P1Y2M3DT4H5M6.789S"`.
    mutating func appendIntervalISO(_ text: ByteView) -> Bool {
        guard let interval = IntervalText(text) else { return false }
        append("\"P" as StaticString)
        appendInteger(interval.years)
        append(UInt8(ascii: "Y"))
        appendInteger(interval.months)
        append(UInt8(ascii: "M"))
        appendInteger(interval.days)
        append("DT" as StaticString)
        appendInteger(interval.hours)
        append(UInt8(ascii: "H"))
        appendInteger(interval.minutes)
        append(UInt8(ascii: "M"))
        if interval.micros < 0 { append(UInt8(ascii: "-")) }
        appendInteger(interval.micros.magnitude / 1_000_000)
        appendFraction(interval.micros.magnitude % 1_000_000, digits: -1)
        append("S\"" as StaticString)
        return true
    }
}
