/// Dates and times, in ISO form and UTC. Source: `EncodeDateOnly`, `EncodeTimeOnly`, `EncodeDateTime` and
/// `EncodeInterval` (style `postgres`) in PostgreSQL's datetime.c.
extension TextBuffer {
    private static let microsecondsADay: Int64 = 86_400_000_000
    /// 2000-01-01, in days since 0000-03-01 of the proleptic Gregorian calendar.
    private static let epochDay: Int64 = 730_425
    /// 4714-11-24 BC and the day after 5874897-12-31, in days since 2000-01-01.
    private static let days: Range<Int64> = -2_451_545..<2_145_031_949
    /// The first moment of 4714-11-24 BC and of the year 294277, in microseconds since 2000-01-01.
    private static let moments: Range<Int64> = -211_813_488_000_000_000..<9_223_371_331_200_000_000

    mutating func putTime(
        _ bytes: RawSpan, _ cursor: inout ValueCursor, _ form: BinaryForm.Scalar
    ) throws(BinaryValueError) {
        reserve(64)
        switch form {
        case .date:
            let day: Int32 = try cursor.integer(bytes)
            if day == .max { return put("infinity") }
            if day == .min { return put("-infinity") }
            guard Self.days.contains(Int64(day)) else { throw cursor.error(.invalidValue) }
            if putDay(Int64(day)) { put(" BC") }
        case .time, .timetz:
            let time: Int64 = try cursor.integer(bytes)
            guard (0...Self.microsecondsADay).contains(time) else { throw cursor.error(.invalidValue) }
            putTimeOfDay(UInt64(time))
            if form == .timetz { try putZone(try cursor.integer(bytes), cursor) }
        default:
            let moment: Int64 = try cursor.integer(bytes)
            if moment == .max { return put("infinity") }
            if moment == .min { return put("-infinity") }
            guard Self.moments.contains(moment) else { throw cursor.error(.invalidValue) }
            let (day, time) = moment.flooredQuotient(Self.microsecondsADay)
            let isBeforeChrist = putDay(day)
            put(UInt8(ascii: " "))
            putTimeOfDay(UInt64(time))
            if form == .timestamptz { put("+00") }
            if isBeforeChrist { put(" BC") }
        }
    }

    /// Writes a day since 2000-01-01 as `YYYY-MM-DD`; true when its year is one before Christ.
    private mutating func putDay(_ day: Int64) -> Bool {
        // Eras of 400 years of 146,097 days, years that begin in March.
        let (era, dayOfEra) = (day + Self.epochDay).flooredQuotient(146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        put(padded: UInt64(year > 0 ? year : 1 - year), width: 4)
        put(UInt8(ascii: "-"))
        put(padded: UInt64(month), width: 2)
        put(UInt8(ascii: "-"))
        put(padded: UInt64(dayOfMonth), width: 2)
        return year <= 0
    }

    /// `HH:MM:SS`, and a fraction without zeros at its end.
    private mutating func putTimeOfDay(_ time: UInt64) {
        put(padded: time / 3_600_000_000, width: 2)
        put(UInt8(ascii: ":"))
        put(padded: time / 60_000_000 % 60, width: 2)
        put(UInt8(ascii: ":"))
        put(padded: time / 1_000_000 % 60, width: 2)
        var fraction = time % 1_000_000
        guard fraction > 0 else { return }
        put(UInt8(ascii: "."))
        var width = 6
        while fraction % 10 == 0 {
            fraction /= 10
            width -= 1
        }
        put(padded: fraction, width: width)
    }

    /// A zone in seconds west of Greenwich: `+HH`, with minutes and seconds where there are any.
    private mutating func putZone(_ zone: Int32, _ cursor: ValueCursor) throws(BinaryValueError) {
        // Less than 16 hours: TZDISP_LIMIT.
        guard abs(Int64(zone)) < 16 * 3600 else { throw cursor.error(.invalidValue) }
        let seconds = UInt64(zone.magnitude)
        put(zone <= 0 ? UInt8(ascii: "+") : UInt8(ascii: "-"))
        put(padded: seconds / 3600, width: 2)
        guard seconds % 3600 != 0 else { return }
        put(UInt8(ascii: ":"))
        put(padded: seconds / 60 % 60, width: 2)
        guard seconds % 60 != 0 else { return }
        put(UInt8(ascii: ":"))
        put(padded: seconds % 60, width: 2)
    }

    /// interval: microseconds, days, months.
    mutating func putInterval(
        _ bytes: RawSpan, _ cursor: inout ValueCursor, hasInfinite: Bool
    ) throws(BinaryValueError) {
        let time: Int64 = try cursor.integer(bytes)
        let days: Int32 = try cursor.integer(bytes)
        let months: Int32 = try cursor.integer(bytes)
        if hasInfinite, time == .max, days == .max, months == .max { return put("infinity") }
        if hasInfinite, time == .min, days == .min, months == .min { return put("-infinity") }
        reserve(128)
        let start = count
        var isBefore = false
        putUnit(Int64(months) / 12, "year", since: start, &isBefore)
        putUnit(Int64(months) % 12, "mon", since: start, &isBefore)
        putUnit(Int64(days), "day", since: start, &isBefore)
        guard time != 0 || count == start else { return }
        if count > start { put(UInt8(ascii: " ")) }
        if time < 0 { put(UInt8(ascii: "-")) } else if isBefore { put(UInt8(ascii: "+")) }
        putTimeOfDay(time.magnitude)
    }

    /// A field that is not zero; after a negative one, the next carries its sign even when it is positive.
    private mutating func putUnit(_ value: Int64, _ unit: StaticString, since start: Int, _ isBefore: inout Bool) {
        guard value != 0 else { return }
        if count > start { put(UInt8(ascii: " ")) }
        if isBefore, value > 0 { put(UInt8(ascii: "+")) }
        put(decimal: value)
        put(UInt8(ascii: " "))
        put(unit)
        if value != 1 { put(UInt8(ascii: "s")) }
        isBefore = value < 0
    }
}

extension Int64 {
    /// Quotient rounded down, and what is left, which is never negative.
    fileprivate func flooredQuotient(_ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
