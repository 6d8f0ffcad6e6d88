/// Dates, times and timestamps as Debezium renders them: numbers since 1970, or ISO 8601 in UTC.
extension ByteBuffer {
    // What PostgreSQL's infinities become in Debezium: see `PostgresValueConverter` and pgjdbc's `PGStatement`.
    private static let infiniteMicros: Int64 = 9_223_372_036_825_200_000
    private static let negativeInfiniteMicros: Int64 = -9_223_372_036_832_400_000
    private static let infiniteDay = -2_147_472_692
    private static let negativeInfiniteDay = -2_147_472_691
    private static let microsPerDay: Int64 = 86_400_000_000

    // MARK: date

    /// Appends a date as days since 1970.
    mutating func appendDateDays(_ text: ByteView) -> Bool {
        guard let day = Self.epochDay(text) else { return false }
        appendInteger(Int64(day))
        return true
    }

    /// Appends a date of a snapshot as Debezium's snapshots do, which lose the era and overflow at infinity.
    mutating func appendDateDaysOfSnapshot(_ text: ByteView) -> Bool {
        if text.equals("infinity") {
            appendInteger(Int64(-622_191_234))
            return true
        }
        if text.equals("-infinity") {
            appendInteger(Int64(622_191_149))
            return true
        }
        var reader = CalendarReader(text)
        guard var date = reader.date(), reader.endOfEra() else { return false }
        if date.year <= 0 { date.year = 1 - date.year }
        appendInteger(Int64(date.epochDay))
        return true
    }

    /// Appends a date as `"2020-02-29Z"`; infinities are the days Debezium takes for them.
    mutating func appendDateISO(_ text: ByteView) -> Bool {
        guard let day = Self.epochDay(text) else { return false }
        append(UInt8(ascii: "\""))
        appendDate(CalendarDate(epochDay: day))
        append("Z\"" as StaticString)
        return true
    }

    /// Appends a date as `"2020-02-29"`, infinities as words.
    mutating func appendDatePlain(_ text: ByteView) -> Bool {
        guard let day = Self.epochDay(text) else { return false }
        append(UInt8(ascii: "\""))
        if day == Self.infiniteDay || day == Self.negativeInfiniteDay {
            append(text)
        } else {
            appendDate(CalendarDate(epochDay: day))
        }
        append(UInt8(ascii: "\""))
        return true
    }

    private static func epochDay(_ text: ByteView) -> Int? {
        if text.equals("infinity") { return infiniteDay }
        if text.equals("-infinity") { return negativeInfiniteDay }
        var reader = CalendarReader(text)
        guard let date = reader.date(), reader.endOfEra() else { return nil }
        return date.epochDay
    }

    // MARK: time

    /// Appends a time of day as a number: microseconds divided or multiplied to the unit.
    mutating func appendTime(_ text: ByteView, divisor: Int64, factor: Int64) -> Bool {
        var reader = CalendarReader(text)
        guard let micros = reader.time(), reader.isAtEnd else { return false }
        appendInteger(micros / divisor &* factor)
        return true
    }

    /// Appends a time of day as `"13:14:15.123Z"`, where 24:00 is 00:00; or, `plain`, without zone and as it is.
    mutating func appendTimeISO(_ text: ByteView, plain: Bool) -> Bool {
        var reader = CalendarReader(text)
        guard let micros = reader.time(), reader.isAtEnd else { return false }
        append(UInt8(ascii: "\""))
        appendClock(plain ? micros : micros % Self.microsPerDay, digits: -1)
        if !plain { append(UInt8(ascii: "Z")) }
        append(UInt8(ascii: "\""))
        return true
    }

    /// Appends a timetz as `"11:14:15.5Z"`, shifted to UTC.
    mutating func appendZonedTime(_ text: ByteView) -> Bool {
        var reader = CalendarReader(text)
        guard let micros = reader.time(), let offset = reader.offset(), reader.isAtEnd else { return false }
        append(UInt8(ascii: "\""))
        let shifted = micros - offset * 1_000_000
        // 24:00:00 exactly at UTC has no other name; everything else wraps around the day.
        appendClock(
            shifted == Self.microsPerDay ? shifted : floorDivide(shifted, Self.microsPerDay).remainder, digits: -1)
        append("Z\"" as StaticString)
        return true
    }

    // MARK: timestamp

    /// Appends a timestamp as milliseconds since 1970.
    mutating func appendTimestampMillis(_ text: ByteView) -> Bool {
        guard let micros = Self.micros(text) else { return false }
        appendInteger(floorDivide(micros, 1000).quotient)
        return true
    }

    /// Appends a timestamp as microseconds since 1970.
    mutating func appendTimestampMicros(_ text: ByteView) -> Bool {
        guard let micros = Self.micros(text) else { return false }
        appendInteger(micros)
        return true
    }

    /// Appends a timestamp as nanoseconds since 1970; false beyond 64 bits.
    mutating func appendTimestampNanos(_ text: ByteView) -> Bool {
        switch TimestampValue(text, zoned: false) {
        case .finite(let micros):
            let (nanos, overflow) = micros.multipliedReportingOverflow(by: 1000)
            guard !overflow else { return false }
            appendInteger(nanos)
        case .infinity: appendInteger(Int64.max)
        case .negativeInfinity: appendInteger(Int64.min)
        case nil: return false
        }
        return true
    }

    /// Appends a timestamp as `"2020-02-29T13:14:15.12Z"`; infinities are the times Debezium takes for them.
    mutating func appendTimestampISO(_ text: ByteView) -> Bool {
        guard let micros = Self.micros(text) else { return false }
        append(UInt8(ascii: "\""))
        appendTimestamp(micros, digits: -1)
        append("Z\"" as StaticString)
        return true
    }

    /// Appends a timestamp as `"2020-02-29T13:14:15.12"`, infinities as words.
    mutating func appendTimestampPlain(_ text: ByteView) -> Bool {
        append(UInt8(ascii: "\""))
        switch TimestampValue(text, zoned: false) {
        case .finite(let micros): appendTimestamp(micros, digits: -1)
        case .infinity, .negativeInfinity: append(text)
        case nil: return false
        }
        append(UInt8(ascii: "\""))
        return true
    }

    /// Appends a timestamptz in UTC with `digits` of a second (0: as many as needed), infinities as words.
    mutating func appendZonedTimestamp(_ text: ByteView, digits: Int) -> Bool {
        append(UInt8(ascii: "\""))
        switch TimestampValue(text, zoned: true) {
        case .finite(let micros):
            appendTimestamp(micros, digits: digits == 0 ? -1 : digits)
            append(UInt8(ascii: "Z"))
        case .infinity, .negativeInfinity: append(text)
        case nil: return false
        }
        append(UInt8(ascii: "\""))
        return true
    }

    private static func micros(_ text: ByteView) -> Int64? {
        switch TimestampValue(text, zoned: false) {
        case .finite(let micros): micros
        case .infinity: infiniteMicros
        case .negativeInfinity: negativeInfiniteMicros
        case nil: nil
        }
    }

    // MARK: Pieces

    private mutating func appendTimestamp(_ micros: Int64, digits: Int) {
        let (day, time) = floorDivide(micros, Self.microsPerDay)
        appendDate(CalendarDate(epochDay: Int(day)))
        append(UInt8(ascii: "T"))
        appendClock(time, digits: digits)
    }

    /// Appends year, month and day as Java's ISO_LOCAL_DATE: four digits of the year, a sign when it needs more.
    private mutating func appendDate(_ date: CalendarDate) {
        if date.year < 0 { append(UInt8(ascii: "-")) }
        if date.year > 9999 { append(UInt8(ascii: "+")) }
        let year = UInt64(date.year.magnitude)
        appendPadded(year, width: max(decimalLength(year), 4))
        append(UInt8(ascii: "-"))
        appendPadded(UInt64(date.month), width: 2)
        append(UInt8(ascii: "-"))
        appendPadded(UInt64(date.day), width: 2)
    }

    /// Appends a time of day with `digits` of a second; -1 for as many as needed, none if there is no fraction.
    private mutating func appendClock(_ micros: Int64, digits: Int) {
        let seconds = UInt64(micros / 1_000_000)
        appendPadded(seconds / 3600, width: 2)
        append(UInt8(ascii: ":"))
        appendPadded(seconds / 60 % 60, width: 2)
        append(UInt8(ascii: ":"))
        appendPadded(seconds % 60, width: 2)
        appendFraction(UInt64(micros % 1_000_000), digits: digits)
    }

    /// Appends a point and digits of a second, given in microseconds; see `appendClock`.
    mutating func appendFraction(_ micros: UInt64, digits: Int) {
        if digits < 0 && micros == 0 { return }
        append(UInt8(ascii: "."))
        appendPadded(micros, width: 6)
        var kept = digits
        if digits < 0 {
            kept = 6
            var rest = micros
            while rest % 10 == 0 {
                rest /= 10
                kept -= 1
            }
        }
        for _ in 6..<max(kept, 6) { append(UInt8(ascii: "0")) }
        truncate(to: count - max(6 - kept, 0))
    }
}
