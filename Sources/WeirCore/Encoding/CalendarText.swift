/// Reads the ISO text forms of PostgreSQL's date and time types, exactly and over the whole range.
///
/// Source: `EncodeDateOnly`, `EncodeDateTime`, `EncodeTimeOnly` in PostgreSQL's datetime.c with DateStyle ISO.
struct CalendarReader {
    /// The text.
    let text: ByteView
    /// Next byte to be read.
    var index = 0

    /// Starts at the beginning.
    init(_ text: ByteView) { self.text = text }

    /// Whether everything was read.
    var isAtEnd: Bool { index == text.count }

    /// Reads a byte if it is next.
    mutating func skip(_ byte: UInt8) -> Bool {
        guard index < text.count, text[index] == byte else { return false }
        index += 1
        return true
    }

    /// Reads `least` to `most` digits.
    mutating func digits(_ least: Int, _ most: Int) -> Int? {
        var value = 0
        let start = index
        while index < text.count, index - start < most, let digit = decimalDigit(text[index]) {
            value = value * 10 + digit
            index += 1
        }
        return index - start >= least ? value : nil
    }

    /// Reads `YYYY-MM-DD`; the era comes at the very end of the whole text.
    mutating func date() -> CalendarDate? {
        guard let year = digits(4, 7), skip(UInt8(ascii: "-")), let month = digits(2, 2), skip(UInt8(ascii: "-")),
            let day = digits(2, 2), (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        return CalendarDate(year: isBeforeChrist ? 1 - year : year, month: month, day: day)
    }

    /// Reads `HH:MM:SS[.ffffff]` as microseconds, 24:00:00 included.
    mutating func time() -> Int64? {
        guard let hour = digits(2, 2), skip(UInt8(ascii: ":")), let minute = digits(2, 2), skip(UInt8(ascii: ":")),
            let second = digits(2, 2), hour <= 24, minute < 60, second <= 60
        else { return nil }
        var micros = Int64((hour * 60 + minute) * 60 + second) * 1_000_000
        if skip(UInt8(ascii: ".")) {
            guard let fraction = fraction() else { return nil }
            micros += Int64(fraction)
        }
        return micros
    }

    /// Reads a date, a space and a time.
    mutating func dateTime() -> (date: CalendarDate, time: Int64)? {
        guard let date = date(), skip(UInt8(ascii: " ")), let time = time() else { return nil }
        return (date, time)
    }

    /// Reads `YYYY-MM-DD HH:MM:SS[.ffffff]` at the beginning of the text by its places: what almost every timestamp
    /// looks like. Nil, and nothing read, for anything else.
    mutating func fixedDateTime() -> (date: CalendarDate, time: Int64)? {
        guard text.hasFixedDateTime else { return nil }
        let date = CalendarDate(
            year: text.pair(0) * 100 + text.pair(2), month: text.pair(5), day: text.pair(8))
        let (hour, minute, second) = (text.pair(11), text.pair(14), text.pair(17))
        var micros = Int64((hour * 60 + minute) * 60 + second) * 1_000_000
        index = 19
        if skip(UInt8(ascii: ".")) {
            guard let fraction = fraction() else {
                index = 0
                return nil
            }
            micros += Int64(fraction)
        }
        return (date, micros)
    }

    /// Reads one to six digits after a point as microseconds.
    mutating func fraction() -> Int? {
        let start = index
        guard var value = digits(1, 6) else { return nil }
        for _ in (index - start)..<6 { value *= 10 }
        return value
    }

    /// Reads `+HH[:MM[:SS]]` as seconds east of UTC.
    mutating func offset() -> Int64? {
        let isNegative = index < text.count && text[index] == UInt8(ascii: "-")
        guard skip(UInt8(ascii: "-")) || skip(UInt8(ascii: "+")), let hours = digits(2, 2) else { return nil }
        var seconds = Int64(hours) * 3600
        if skip(UInt8(ascii: ":")) {
            guard let minutes = digits(2, 2) else { return nil }
            seconds += Int64(minutes) * 60
        }
        if skip(UInt8(ascii: ":")) {
            guard let rest = digits(2, 2) else { return nil }
            seconds += Int64(rest)
        }
        return isNegative ? -seconds : seconds
    }

    /// Reads ` BC` if it is next; nothing else may follow.
    mutating func endOfEra() -> Bool {
        if isBeforeChrist { index = text.count }
        return isAtEnd
    }

    private var isBeforeChrist: Bool {
        let count = text.count
        return count > 3 && text[count - 1] == UInt8(ascii: "C") && text[count - 2] == UInt8(ascii: "B")
            && text[count - 3] == UInt8(ascii: " ")
    }
}

extension ByteView {
    /// Whether the text begins with `YYYY-MM-DD HH:MM:SS` of our era, month to second in their ranges.
    var hasFixedDateTime: Bool {
        guard count >= 19, self[count - 1] != UInt8(ascii: "C") else { return false }
        // Digits leave their value, other bytes something above nine; separators are compared.
        var wrong: UInt8 = 0
        for place in 0..<19 {
            let byte = unsafe start[place]
            let expected: UInt8
            switch place {
            case 4, 7: expected = UInt8(ascii: "-")
            case 10: expected = UInt8(ascii: " ")
            case 13, 16: expected = UInt8(ascii: ":")
            default:
                wrong |= byte &- UInt8(ascii: "0") > 9 ? 1 : 0
                continue
            }
            wrong |= byte ^ expected
        }
        return wrong == 0 && (1...12).contains(pair(5)) && (1...31).contains(pair(8)) && pair(11) <= 24
            && pair(14) < 60 && pair(17) <= 60
    }

    /// The number of two digits at a place that was checked.
    @inline(__always)
    fileprivate func pair(_ place: Int) -> Int {
        Int(self[place]) &* 10 &+ Int(self[place + 1]) &- 528
    }
}

/// A day of the proleptic Gregorian calendar; year 0 is 1 BC.
struct CalendarDate: Equatable {
    var year: Int
    var month: Int
    var day: Int

    /// Makes a date of its parts.
    init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// The date that many days after 1970-01-01. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    init(epochDay: Int) {
        let shifted = epochDay + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// Days since 1970-01-01.
    var epochDay: Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}

/// A timestamp's text as seconds since 1970-01-01 00:00 and microseconds of the second, or an infinity. (Microseconds
/// alone would need more than 64 bits from the year 294247 on; PostgreSQL goes to 294276.)
enum TimestampValue {
    case finite(seconds: Int64, micros: Int64)
    case infinity
    case negativeInfinity

    /// Reads a timestamp, with a time zone offset when `zoned`; nil for anything else. `throughJava` as `JavaDates` has
    /// it.
    init?(_ text: ByteView, zoned: Bool, throughJava: Bool = false) {
        if text.equals("infinity") {
            self = .infinity
            return
        }
        if text.equals("-infinity") {
            self = .negativeInfinity
            return
        }
        var reader = CalendarReader(text)
        guard let (date, time) = reader.fixedDateTime() ?? reader.dateTime() else { return nil }
        let day = throughJava ? JavaDates.epochDay(of: date, zoned: zoned) : date.epochDay
        var seconds = Int64(day) * 86_400 + time / 1_000_000
        if zoned {
            guard let offset = reader.offset() else { return nil }
            seconds -= offset
        }
        guard reader.endOfEra() else { return nil }
        self = .finite(seconds: seconds, micros: time % 1_000_000)
    }
}

/// Quotient rounded down, and the remainder that is never negative.
@inline(__always)
func floorDivide(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
}
