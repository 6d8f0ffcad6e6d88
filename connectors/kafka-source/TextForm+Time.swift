internal import WeirCore

/// Dates, times, timestamps and intervals: numbers since 1970 or ISO 8601, back to PostgreSQL's ISO style.
///
/// Source of the sentinels: Debezium's `PostgresValueConverter` and pgjdbc's `PGStatement.DATE_POSITIVE_INFINITY`; of
/// the ranges: "Date/Time Types" in PostgreSQL's documentation.
extension TextForm {
    private static let microsPerDay: Int64 = 86_400_000_000
    private static let microsPerMonth: UInt128 = 2_629_800_000_000
    /// 4714-11-24 BC to 5874897-12-31, in days since 1970.
    private static let days: ClosedRange<Int64> = -2_440_588...2_145_042_905
    /// 4714-11-24 BC to the end of the year 294276, in microseconds since 1970: more than 64 bits have.
    private static let micros: ClosedRange<Int128> = -210_866_803_200_000_000...9_224_318_015_999_999_999
    /// Of a column; of an array or a snapshot, which Debezium reads through Java's calendar.
    private static let infiniteDays: [(Int64, Int64)] = [
        (-2_147_472_692, -2_147_472_691), (-622_191_234, -625_821_272),
    ]
    private static let infiniteISODays = [
        ("-5877611-06-21Z", "-5877611-06-22Z"), ("+292278994-08-16Z", "+292269055-12-02Z"),
    ]
    private static let infiniteMicros: (Int128, Int128) = (9_223_372_036_825_200_000, -9_223_372_036_832_400_000)
    private static let infiniteMillis: (Int128, Int128) = (9_223_372_036_825_200, -9_223_372_036_832_400)
    private static let infiniteISO = ("+294247-01-10T04:00:25.2Z", "-290308-12-21T19:59:27.6Z")

    // MARK: - Columns

    func appendDate(_ value: JSONTree.Index, of tree: JSONTree, to output: inout [UInt8]) throws(ValueProblem) {
        if let text = tree.string(value) { return try appendISODate(text, to: &output) }
        guard let day = tree.integer(value) else { throw ValueProblem("no date") }
        if let infinity = Self.infiniteDays.first(where: { $0 == day || $1 == day }) {
            return Self.appendInfinity(isNegative: day == infinity.1, to: &output)
        }
        guard Self.days.contains(day) else { throw ValueProblem("a date outside of PostgreSQL's range") }
        let era = Self.appendCalendarDay(day, to: &output)
        output.append(contentsOf: era.utf8)
    }

    private static func appendInfinity(isNegative: Bool, to output: inout [UInt8]) {
        output.append(contentsOf: (isNegative ? "-infinity" : "infinity").utf8)
    }

    func appendTime(
        _ value: JSONTree.Index, of tree: JSONTree, digits: Int, to output: inout [UInt8]
    ) throws(ValueProblem) {
        if let text = tree.string(value) {
            Self.appendISOClock(text.hasSuffix("Z") ? text.dropLast() : text[...], to: &output)
            return
        }
        guard let number = tree.integer(value) else { throw ValueProblem("no time of day") }
        let micros: Int64?
        switch options.timePrecision {
        case .connect: micros = Self.product(number, 1000)
        case .adaptive: micros = digits <= 3 ? Self.product(number, 1000) : number
        case .nanoseconds: micros = number % 1000 == 0 ? number / 1000 : nil
        case .adaptiveTimeMicroseconds, .microseconds, .isostring: micros = number
        }
        guard let micros, (0...Self.microsPerDay).contains(micros) else {
            throw ValueProblem("a time of day outside of 00:00 to 24:00")
        }
        Self.appendClock(micros, to: &output)
    }

    /// timetz, which travels in UTC.
    func appendZonedTime(_ value: JSONTree.Index, of tree: JSONTree, to output: inout [UInt8]) throws(ValueProblem) {
        guard let text = tree.string(value) else { throw ValueProblem("no time of day") }
        if text.hasSuffix("Z") {
            Self.appendISOClock(text.dropLast(), to: &output)
            output.append(contentsOf: "+00".utf8)
        } else {
            output.append(contentsOf: text.utf8)
        }
    }

    func appendTimestamp(
        _ value: JSONTree.Index, of tree: JSONTree, digits: Int, to output: inout [UInt8]
    ) throws(ValueProblem) {
        if let text = tree.string(value) {
            if text == Self.infiniteISO.0 || text == Self.infiniteISO.1 {
                return Self.appendInfinity(isNegative: text == Self.infiniteISO.1, to: &output)
            }
            return try appendISOTimestamp(text, zone: "", to: &output)
        }
        guard let number = tree.wideInteger(value) else { throw ValueProblem("no timestamp") }
        let isMillis: Bool
        switch options.timePrecision {
        case .connect: isMillis = true
        case .adaptive, .adaptiveTimeMicroseconds: isMillis = digits <= 3
        case .microseconds, .isostring: isMillis = false
        case .nanoseconds:
            if number == Int64.max || number == Int64.min {
                return Self.appendInfinity(isNegative: number < 0, to: &output)
            }
            guard number % 1000 == 0 else { throw ValueProblem("a timestamp finer than microseconds") }
            return try appendMicros(number / 1000, to: &output)
        }
        // Debezium writes its sentinels in microseconds, whatever the unit.
        let sentinels = [Self.infiniteMicros] + (isMillis ? [Self.infiniteMillis] : [])
        if let infinity = sentinels.first(where: { $0 == number || $1 == number }) {
            return Self.appendInfinity(isNegative: number == infinity.1, to: &output)
        }
        let (micros, overflow) = number.multipliedReportingOverflow(by: isMillis ? 1000 : 1)
        guard !overflow else { throw ValueProblem("a timestamp outside of PostgreSQL's range") }
        try appendMicros(micros, to: &output)
    }

    /// timestamptz, which travels as ISO 8601 in UTC.
    func appendZonedTimestamp(
        _ value: JSONTree.Index, of tree: JSONTree, to output: inout [UInt8]
    ) throws(ValueProblem) {
        guard let text = tree.string(value) else { throw ValueProblem("no timestamp") }
        try appendISOTimestamp(text, zone: "+00", to: &output)
    }

    /// interval: microseconds become a time part alone, which PostgreSQL adds up the same; ISO 8601 it reads itself.
    func appendInterval(_ value: JSONTree.Index, of tree: JSONTree, to output: inout [UInt8]) throws(ValueProblem) {
        if tree.kind(value) == .string {
            tree.appendText(value, to: &output)
            return
        }
        guard let micros = tree.wideInteger(value) else { throw ValueProblem("no interval") }
        let magnitude = micros.magnitude
        let sign = micros < 0 ? "-" : ""
        var clock = magnitude
        // The time part of PostgreSQL's intervals has 64 bits: what is longer was months, of 30.4375 days each.
        if magnitude > Int64.max {
            output.append(contentsOf: "\(sign)\(magnitude / Self.microsPerMonth) mons ".utf8)
            clock = magnitude % Self.microsPerMonth
        }
        guard let clock = UInt64(exactly: clock) else { throw ValueProblem("no interval") }
        output.append(contentsOf: sign.utf8)
        // Hours may need more digits than a day's clock; PostgreSQL takes any number of them.
        Self.appendPadded(clock / 3_600_000_000, width: 2, to: &output)
        output.append(UInt8(ascii: ":"))
        Self.appendPadded(clock / 60_000_000 % 60, width: 2, to: &output)
        output.append(UInt8(ascii: ":"))
        Self.appendSeconds(clock % 60_000_000, to: &output)
    }

    // MARK: - ISO 8601

    private func appendISODate(_ text: String, to output: inout [UInt8]) throws(ValueProblem) {
        if let infinity = Self.infiniteISODays.first(where: { $0 == text || $1 == text }) {
            return Self.appendInfinity(isNegative: text == infinity.1, to: &output)
        }
        var rest = text[...]
        if rest.hasSuffix("Z") { rest.removeLast() }
        let era = try appendISODay(rest, to: &output)
        output.append(contentsOf: era.utf8)
    }

    private func appendISOTimestamp(
        _ text: String, zone: String, to output: inout [UInt8]
    ) throws(ValueProblem) {
        guard text != "infinity", text != "-infinity" else {
            output.append(contentsOf: text.utf8)
            return
        }
        guard let mark = text.firstIndex(of: "T") else { throw ValueProblem("a timestamp that is not ISO 8601") }
        let era = try appendISODay(text[..<mark], to: &output)
        output.append(UInt8(ascii: " "))
        var clock = text[text.index(after: mark)...]
        if clock.hasSuffix("Z") { clock.removeLast() }
        let isClock = clock.utf8.allSatisfy { byte in
            byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".") || byte &- UInt8(ascii: "0") < 10
        }
        guard isClock, !clock.isEmpty else { throw ValueProblem("a timestamp that is not ISO 8601 in UTC") }
        Self.appendISOClock(clock, to: &output)
        output.append(contentsOf: zone.utf8)
        output.append(contentsOf: era.utf8)
    }

    /// Appends a clock as PostgreSQL prints it: java.time leaves out seconds that are zero, and Debezium fills the
    /// fraction with zeros.
    private static func appendISOClock(_ clock: Substring, to output: inout [UInt8]) {
        output.append(contentsOf: clock.utf8)
        if clock.utf8.count == 5 { output.append(contentsOf: ":00".utf8) }
        guard clock.contains(".") else { return }
        while output.last == UInt8(ascii: "0") { output.removeLast() }
        if output.last == UInt8(ascii: ".") { output.removeLast() }
    }

    /// Appends `YYYY-MM-DD` without sign and returns what goes at the very end: " BC" for years before 1.
    private func appendISODay(_ text: Substring, to output: inout [UInt8]) throws(ValueProblem) -> String {
        var rest = text
        let isNegative = rest.first == "-"
        if isNegative || rest.first == "+" { rest.removeFirst() }
        let parts = rest.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, let year = Int64(parts[0]), (0...5_874_897).contains(year),
            let month = UInt8(parts[1]), (1...12).contains(month), let day = UInt8(parts[2]), (1...31).contains(day)
        else { throw ValueProblem("a date that is not ISO 8601") }
        return Self.appendYearMonthDay(isNegative ? -year : year, month, day, to: &output)
    }

    // MARK: - Pieces

    private static func product(_ number: Int64, _ factor: Int64) -> Int64? {
        let (result, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : result
    }

    private func appendMicros(_ micros: Int128, to output: inout [UInt8]) throws(ValueProblem) {
        guard Self.micros.contains(micros) else { throw ValueProblem("a timestamp outside of PostgreSQL's range") }
        let perDay = Int128(Self.microsPerDay)
        var (day, time) = micros.quotientAndRemainder(dividingBy: perDay)
        if time < 0 {
            time += perDay
            day -= 1
        }
        let era = Self.appendCalendarDay(Int64(day), to: &output)
        output.append(UInt8(ascii: " "))
        Self.appendClock(Int64(time), to: &output)
        output.append(contentsOf: era.utf8)
    }

    /// Days since 1970 as a proleptic Gregorian date. Source: H. Hinnant, "chrono-Compatible Low-Level Date
    /// Algorithms", `civil_from_days`.
    private static func appendCalendarDay(_ epochDay: Int64, to output: inout [UInt8]) -> String {
        let shifted = epochDay + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return appendYearMonthDay(year, UInt8(month), UInt8(day), to: &output)
    }

    private static func appendYearMonthDay(
        _ year: Int64, _ month: UInt8, _ day: UInt8, to output: inout [UInt8]
    ) -> String {
        appendPadded(UInt64(year > 0 ? year : 1 - year), width: 4, to: &output)
        output.append(UInt8(ascii: "-"))
        appendPadded(UInt64(month), width: 2, to: &output)
        output.append(UInt8(ascii: "-"))
        appendPadded(UInt64(day), width: 2, to: &output)
        return year > 0 ? "" : " BC"
    }

    private static func appendClock(_ micros: Int64, to output: inout [UInt8]) {
        let value = UInt64(micros)
        appendPadded(value / 3_600_000_000, width: 2, to: &output)
        output.append(UInt8(ascii: ":"))
        appendPadded(value / 60_000_000 % 60, width: 2, to: &output)
        output.append(UInt8(ascii: ":"))
        appendSeconds(value % 60_000_000, to: &output)
    }

    /// Seconds with as many digits of a fraction as there are, as PostgreSQL prints them.
    private static func appendSeconds(_ micros: UInt64, to output: inout [UInt8]) {
        appendPadded(micros / 1_000_000, width: 2, to: &output)
        guard micros % 1_000_000 != 0 else { return }
        output.append(UInt8(ascii: "."))
        appendPadded(micros % 1_000_000, width: 6, to: &output)
        while output.last == UInt8(ascii: "0") { output.removeLast() }
    }

    private static func appendPadded(_ value: UInt64, width: Int, to output: inout [UInt8]) {
        let digits = String(value).utf8
        output.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: max(width - digits.count, 0)))
        output.append(contentsOf: digits)
    }
}
