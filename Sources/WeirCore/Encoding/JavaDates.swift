/// What becomes of dates and times on their way through pgjdbc's and Java's own types: Debezium reads arrays, and dates
/// of snapshots, through them. Only for strict mode.
///
/// Source: recorded from Debezium 3.6.3; `java.sql.Date`, `Time` and `Timestamp` over `GregorianCalendar`, which counts
/// days before 1582-10-15 by the Julian calendar and has no year 0.
enum JavaDates {
    /// Days since 1970 of a date's text: the era is lost, and days that the calendar skipped in 1582 move on by ten.
    static func epochDay(_ text: ByteView) -> Int? {
        if text.equals("infinity") { return CalendarDate(year: 292_278_994, month: 8, day: 16).epochDay }
        if text.equals("-infinity") { return CalendarDate(year: 292_269_055, month: 12, day: 2).epochDay }
        var reader = CalendarReader(text)
        guard let date = reader.date(), reader.endOfEra() else { return nil }
        return withoutEra(date).epochDay + daysSkipped(date)
    }

    /// Seconds since 1970 of the timestamp with zone that stands for the one before all others.
    static let negativeInfiniteZoned =
        Int64(CalendarDate(year: 292_269_055, month: 12, day: 2).epochDay) * 86_400 + 23 * 3600

    /// Days since 1970 of a timestamp's date: by the Julian calendar before 1582-10-15; when it has a time zone,
    /// without its era, and days that the calendar skipped in 1582 move on by ten.
    static func epochDay(of date: CalendarDate, zoned: Bool) -> Int {
        if zoned { return withoutEra(date).epochDay + daysSkipped(date) }
        let isJulian = (date.year, date.month, date.day) < (1582, 10, 15)
        return isJulian ? date.julianEpochDay : date.epochDay
    }

    /// A time of day of microseconds, cut to milliseconds; 24:00 is 00:00.
    static func time(_ micros: Int64) -> Int64 { micros % 86_400_000_000 / 1000 * 1000 }

    /// A time of day with zone, of microseconds, cut to seconds; 24:00 is 00:00.
    static func zonedTime(_ micros: Int64) -> Int64 { micros % 86_400_000_000 / 1_000_000 * 1_000_000 }

    private static func daysSkipped(_ date: CalendarDate) -> Int {
        date.year == 1582 && date.month == 10 && (5...14).contains(date.day) ? 10 : 0
    }

    private static func withoutEra(_ date: CalendarDate) -> CalendarDate {
        date.year > 0 ? date : CalendarDate(year: 1 - date.year, month: date.month, day: date.day)
    }
}

extension CalendarDate {
    /// Days since 1970-01-01 of the Gregorian calendar, the date read as one of the Julian.
    fileprivate var julianEpochDay: Int {
        let shifted = month <= 2 ? year - 1 : year
        let leapDays = (shifted >= 0 ? shifted : shifted - 3) / 4
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return shifted * 365 + leapDays + dayOfYear - 719_470
    }
}
