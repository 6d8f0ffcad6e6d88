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
    mutating func appendDateDays(_ text: ByteView, throughJava: Bool) -> Bool {
        guard let day = throughJava ? JavaDates.epochDay(text) : Self.epochDay(text) else { return false }
        // Java's int overflows at infinity.
        appendInteger(Int64(Int32(truncatingIfNeeded: day)))
        return true
    }

    /// Appends a date as `"2020-02-29Z"`; infinities are the days Debezium takes for them.
    mutating func appendDateISO(_ text: ByteView, throughJava: Bool) -> Bool {
        guard let day = throughJava ? JavaDates.epochDay(text) : Self.epochDay(text) else { return false }
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

    /// Units of a time of day as a number.
    enum TimeUnit { case millis, micros, nanos }

    /// Appends a time of day as a number.
    mutating func appendTime(_ text: ByteView, _ unit: TimeUnit, throughJava: Bool) -> Bool {
        var reader = CalendarReader(text)
        guard var micros = reader.time(), reader.isAtEnd else { return false }
        if throughJava { micros = JavaDates.time(micros) }
        switch unit {
        case .millis: appendInteger(micros / 1000)
        case .micros: appendInteger(micros)
        case .nanos: appendInteger(micros * 1000)
        }
        return true
    }

    /// Appends a time of day as `"13:14:15.123Z"`, where 24:00 is 00:00; or, `plain`, without zone and as it is.
    mutating func appendTimeISO(_ text: ByteView, plain: Bool, throughJava: Bool) -> Bool {
        var reader = CalendarReader(text)
        guard var micros = reader.time(), reader.isAtEnd else { return false }
        if throughJava { micros = JavaDates.time(micros) }
        append(UInt8(ascii: "\""))
        appendClock(plain ? micros : micros % Self.microsPerDay, digits: -1)
        if !plain { append(UInt8(ascii: "Z")) }
        append(UInt8(ascii: "\""))
        return true
    }

    /// Appends a timetz as `"11:14:15.5Z"`, shifted to UTC. 24:00 at UTC, which is no other time, stays unless strict.
    mutating func appendZonedTime(_ text: ByteView, _ column: ColumnProgram) -> Bool {
        var reader = CalendarReader(text)
        guard var micros = reader.time(), let offset = reader.offset(), reader.isAtEnd else { return false }
        append(UInt8(ascii: "\""))
        let isEndOfDay = micros == Self.microsPerDay && offset == 0 && !column.isStrict
        if column.isThroughJava { micros = JavaDates.zonedTime(micros) }
        let shifted = floorDivide(micros - offset * 1_000_000, Self.microsPerDay).remainder
        appendClock(isEndOfDay ? micros : shifted, digits: -1)
        append("Z\"" as StaticString)
        return true
    }

    // MARK: timestamp

    /// Appends a timestamp as milliseconds since 1970.
    mutating func appendTimestampMillis(_ text: ByteView, _ column: ColumnProgram) -> Bool {
        guard let (seconds, micros) = Self.instant(text, throughJava: column.isThroughJava) else { return false }
        appendInteger(seconds &* 1000 &+ micros / 1000)
        return true
    }

    /// Appends a timestamp as microseconds since 1970: more than 64 bits after the year 294246, unless strict, which
    /// overflows as Debezium does.
    mutating func appendTimestampMicros(_ text: ByteView, _ column: ColumnProgram) -> Bool {
        guard let (seconds, micros) = Self.instant(text, throughJava: column.isThroughJava) else { return false }
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        let (sum, carry) = product.addingReportingOverflow(micros)
        if !overflow && !carry {
            appendInteger(sum)
        } else if column.isTyped {
            appendInteger((overflow ? Int64.max : product) &+ micros)
        } else {
            appendInteger(wide: Int128(seconds) * 1_000_000 + Int128(micros))
        }
        return true
    }

    /// Appends a timestamp as nanoseconds since 1970: more than 64 bits outside the years 1678 to 2261, unless
    /// strict, which gives null then.
    mutating func appendTimestampNanos(_ text: ByteView, _ column: ColumnProgram) -> Bool {
        switch TimestampValue(text, zoned: false, throughJava: column.isThroughJava) {
        case .finite(let seconds, let micros):
            let nanos = Int128(seconds) * 1_000_000_000 + Int128(micros) * 1000
            if column.isTyped && Int64(exactly: nanos) == nil {
                append("null" as StaticString)
            } else {
                appendInteger(wide: nanos)
            }
        case .infinity: appendInteger(Int64.max)
        case .negativeInfinity: appendInteger(Int64.min)
        case nil: return false
        }
        return true
    }

    /// Appends a timestamp as `"2020-02-29T13:14:15.12Z"`; infinities are the times Debezium takes for them.
    mutating func appendTimestampISO(_ text: ByteView, _ column: ColumnProgram) -> Bool {
        append(UInt8(ascii: "\""))
        if column.isThroughJava || !copyTimestamp(text, zoned: false, digits: -1) {
            guard let (seconds, micros) = Self.instant(text, throughJava: column.isThroughJava) else { return false }
            appendTimestamp(seconds, micros, digits: -1)
        }
        append("Z\"" as StaticString)
        return true
    }

    /// Appends a timestamp as `"2020-02-29T13:14:15.12"`, infinities as words.
    mutating func appendTimestampPlain(_ text: ByteView) -> Bool {
        append(UInt8(ascii: "\""))
        if !copyTimestamp(text, zoned: false, digits: -1) {
            switch TimestampValue(text, zoned: false) {
            case .finite(let seconds, let micros): appendTimestamp(seconds, micros, digits: -1)
            case .infinity, .negativeInfinity: append(text)
            case nil: return false
            }
        }
        append(UInt8(ascii: "\""))
        return true
    }

    /// Appends a timestamptz in UTC with as many digits of a second as the column has (0: as needed), infinities as
    /// words.
    mutating func appendZonedTimestamp(_ text: ByteView, _ column: ColumnProgram) -> Bool {
        let digits = column.scale == 0 ? -1 : Int(column.scale)
        append(UInt8(ascii: "\""))
        if !column.isThroughJava && copyTimestamp(text, zoned: true, digits: digits) {
            append("Z\"" as StaticString)
            return true
        }
        switch TimestampValue(text, zoned: true, throughJava: column.isThroughJava) {
        case .finite(let seconds, let micros):
            appendTimestamp(seconds, micros, digits: digits)
            append(UInt8(ascii: "Z"))
        case .negativeInfinity where column.isThroughJava:
            appendTimestamp(JavaDates.negativeInfiniteZoned, 0, digits: digits)
            append(UInt8(ascii: "Z"))
        case .infinity, .negativeInfinity: append(text)
        case nil: return false
        }
        append(UInt8(ascii: "\""))
        return true
    }

    /// Copies a timestamp whose bytes are almost ISO 8601 already: of the usual form, and in UTC if it has an offset.
    /// `digits` as in `appendClock`. False, and nothing written, for anything else.
    private mutating func copyTimestamp(_ text: ByteView, zoned: Bool, digits: Int) -> Bool {
        let end = text.count - (zoned ? 3 : 0)
        guard end >= 19, end <= 26, end != 20, text.hasFixedDateTime,
            text[11] != UInt8(ascii: "2") || text[12] < UInt8(ascii: "4"),
            end == 19 || text[19] == UInt8(ascii: ".")
        else { return false }
        if zoned {
            guard text[end] == UInt8(ascii: "+"), text[end + 1] == UInt8(ascii: "0"), text[end + 2] == UInt8(ascii: "0")
            else { return false }
        }
        let written = max(end - 20, 0)
        guard digits < 0 || written <= digits else { return false }
        for index in (end - written)..<end where text[index] &- UInt8(ascii: "0") > 9 { return false }
        if digits < 0 && written > 0 && text[end - 1] == UInt8(ascii: "0") { return false }
        append(text[0..<10])
        append(UInt8(ascii: "T"))
        append(text[11..<19])
        if max(digits, written) > 0 { append(UInt8(ascii: ".")) }
        append(text[(end - written)..<end])
        for _ in written..<max(digits, written) { append(UInt8(ascii: "0")) }
        return true
    }

    private static func instant(_ text: ByteView, throughJava: Bool) -> (seconds: Int64, micros: Int64)? {
        let infinite: Int64
        switch TimestampValue(text, zoned: false, throughJava: throughJava) {
        case .finite(let seconds, let micros): return (seconds, micros)
        case .infinity: infinite = infiniteMicros
        case .negativeInfinity: infinite = negativeInfiniteMicros
        case nil: return nil
        }
        let parts = floorDivide(infinite, 1_000_000)
        return (parts.quotient, parts.remainder)
    }

    // MARK: Pieces

    private mutating func appendTimestamp(_ seconds: Int64, _ micros: Int64, digits: Int) {
        let (day, secondOfDay) = floorDivide(seconds, 86_400)
        appendDate(CalendarDate(epochDay: Int(day)))
        append(UInt8(ascii: "T"))
        appendClock(secondOfDay * 1_000_000 + micros, digits: digits)
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
