/// RFC 3339 in UTC, from microseconds since 1970-01-01.
enum Timestamp {
    /// `2026-11-21T09:00:00.123Z`
    static func text(_ microseconds: Int64) -> String {
        let (days, rest) = floorDivision(microseconds, by: 86_400_000_000)
        let (year, month, day) = date(days)
        let milliseconds = rest / 1000
        let time = [
            padded(milliseconds / 3_600_000, 2), padded(milliseconds / 60_000 % 60, 2),
            padded(milliseconds / 1000 % 60, 2),
        ].joined(separator: ":")
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T\(time).\(padded(milliseconds % 1000, 3))Z"
    }

    /// Year, month and day of a day since 1970-01-01 in the proleptic Gregorian calendar.
    ///
    /// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    private static func date(_ days: Int64) -> (Int64, Int64, Int64) {
        let (era, dayOfEra) = floorDivision(days + 719_468, by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    private static func floorDivision(_ value: Int64, by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
