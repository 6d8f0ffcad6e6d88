import Testing
import WeirTestKit

@testable import WeirCore

@Suite struct EncodingTimeTests {
    private let bench = EncodingBench()

    /// Days before a year of the proleptic Gregorian calendar, counted in another way than the encoder does.
    private func daysBefore(year: Int) -> Int {
        func leaps(_ year: Int) -> Int {
            let last = year - 1
            func floored(_ divisor: Int) -> Int { Int((Double(last) / Double(divisor)).rounded(.down)) }
            return floored(4) - floored(100) + floored(400)
        }
        return 365 * (year - 1970) + leaps(year) - leaps(1970)
    }

    private func text(_ year: Int, _ month: Int, _ day: Int) -> (text: String, era: String) {
        func padded(_ value: Int, _ width: Int) -> String {
            String(repeating: "0", count: max(width - "\(value)".count, 0)) + "\(value)"
        }
        let shown = year > 0 ? year : 1 - year
        return ("\(padded(shown, 4))-\(padded(month, 2))-\(padded(day, 2))", year > 0 ? "" : " BC")
    }

    @Test func daysOverTheWholeRange() throws {
        var random = SeededGenerator(seed: 4)
        let months = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        var years = [
            -4712, -1, 0, 1, 4, 100, 400, 1582, 1600, 1900, 1969, 1970, 1999, 2000, 2024, 9999, 10_000, 5_874_897,
        ]
        for _ in 0..<150 { years.append(Int.random(in: -4712...294_276, using: &random)) }
        for year in years {
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            let month = Int.random(in: 1...12, using: &random)
            let length = months[month - 1] + (isLeap && month == 2 ? 1 : 0)
            let day = [1, length, Int.random(in: 1...length, using: &random)].randomElement(using: &random) ?? 1
            let before = months[..<(month - 1)].reduce(0, +) + (isLeap && month > 2 ? 1 : 0)
            let expected = daysBefore(year: year) + before + day - 1
            let (date, era) = text(year, month, day)
            #expect(try bench.json(date + era, .type(.date)) == "\(expected)")
            #expect(CalendarDate(epochDay: expected) == CalendarDate(year: year, month: month, day: day))
            let micros = try bench.json("\(date) 00:00:00.000001\(era)", .type(.timestamp))
            #expect(micros == "\(Int128(expected) * 86_400_000_000 + 1)")
        }
    }

    @Test func everyDayFollowsTheDayBefore() {
        var date = CalendarDate(year: -4, month: 2, day: 27)
        for epochDay in date.epochDay..<(date.epochDay + 4000) {
            date = CalendarDate(epochDay: epochDay)
            #expect(date.epochDay == epochDay)
        }
    }

    @Test(arguments: [
        ("2020-02-29 13:14:15.123456+00", 6, "2020-02-29T13:14:15.123456Z"),
        ("2020-02-29 13:14:15+00", 6, "2020-02-29T13:14:15.000000Z"),
        ("2020-02-29 13:14:15.1+00", 3, "2020-02-29T13:14:15.100Z"),
        ("2020-02-29 13:14:15+00", 0, "2020-02-29T13:14:15Z"),
        ("2020-02-29 13:14:15.12+00", 0, "2020-02-29T13:14:15.12Z"),
        ("2020-02-29 13:14:15.5+05:30", 3, "2020-02-29T07:44:15.500Z"),
        ("1800-01-01 00:00:00-00:01:15", 6, "1800-01-01T00:01:15.000000Z"),
        ("2019-12-31 23:59:59.999999-01", 6, "2020-01-01T00:59:59.999999Z"),
        ("10000-01-01 00:00:00+00", 6, "+10000-01-01T00:00:00.000000Z"),
        ("0044-03-15 00:00:00+00 BC", 6, "-0043-03-15T00:00:00.000000Z"),
        ("0001-01-01 00:30:00+01 BC", 0, "-0001-12-31T23:30:00Z"),
        ("2020-02-29 24:00:00+00", 0, "2020-03-01T00:00:00Z"), ("infinity", 6, "infinity"),
    ])
    func timestampsWithZone(_ text: String, _ digits: Int32, _ expected: String) throws {
        #expect(try bench.json(text, .type(.timestamptz, modifier: digits)) == "\"\(expected)\"")
    }

    @Test(arguments: [
        "", "2020", "2020-02-29", "2020-02-29 13:14", "2020-13-01 00:00:00", "2020-02-29T13:14:15", "x",
        "2020-02-29 13:14:15.", "2020-02-29 13:14:15.1234567", "2020-02-29 13:14:15 AD", "2020-02-29 13:14:15+00",
        "2020-02-29 25:00:00", "20-02-29 13:14:15", "2020-0a-29 13:14:15", "29/02/2020 13:14:15",
    ])
    func whatIsNoTimestampIsRefused(_ text: String) throws {
        #expect(try bench.json(text, .type(.timestamp)) == nil)
        var iso = bench
        iso.settings.debezium.timePrecision = .isostring
        #expect(try iso.json(text, .type(.timestamp)) == nil)
    }

    @Test(arguments: [
        ("13:14:15", "13:14:15Z"), ("13:14:15.120", "13:14:15.12Z"), ("24:00:00", "00:00:00Z"),
    ])
    func timesAsISO(_ text: String, _ expected: String) throws {
        var iso = bench
        iso.settings.debezium.timePrecision = .isostring
        #expect(try iso.json(text, .type(.time)) == "\"\(expected)\"")
    }

    @Test(arguments: [
        ("13:14:15.5+02", "11:14:15.5Z"), ("00:30:00+01", "23:30:00Z"), ("23:30:00-01:30", "01:00:00Z"),
        ("24:00:00+00", "24:00:00Z"), ("22:00:00-02", "00:00:00Z"), ("24:00:00+02", "22:00:00Z"),
        ("00:00:00+15:59:59", "08:00:01Z"),
    ])
    func timesWithZone(_ text: String, _ expected: String) throws {
        #expect(try bench.json(text, .type(.timetz)) == "\"\(expected)\"")
        var strict = bench
        strict.settings.debezium.strict = true
        let wrapped = expected == "24:00:00Z" ? "00:00:00Z" : expected
        #expect(try strict.json(text, .type(.timetz)) == "\"\(wrapped)\"")
    }

    /// Recorded from Debezium 3.6.3.
    @Test(arguments: [
        ("{infinity}", #"["infinity"]"#), ("{-infinity}", #"["+292269055-12-02T23:00:00.000000Z"]"#),
        (#"{"1582-10-05 01:02:03+00"}"#, #"["1582-10-15T01:02:03.000000Z"]"#),
        (#"{"1582-10-14 23:00:00+00"}"#, #"["1582-10-24T23:00:00.000000Z"]"#),
        (
            #"{"1582-10-04 01:02:03+00","1582-10-15 00:00:00+00"}"#,
            #"["1582-10-04T01:02:03.000000Z","1582-10-15T00:00:00.000000Z"]"#
        ),
    ])
    func zonedTimestampsInStrictArrays(_ text: String, _ expected: String) throws {
        var strict = bench
        strict.settings.debezium.strict = true
        #expect(try strict.json(text, .type(.array(.type(.timestamptz)))) == expected)
    }

    @Test(arguments: [
        ("00:00:00", "0", "P0Y0M0DT0H0M0S"), ("1 mon", "2629800000000", "P0Y1M0DT0H0M0S"),
        ("-1 years -2 mons +3 days -04:05:06.789", "-36572706789000", "P-1Y-2M3DT-4H-5M-6.789S"),
        ("00:00:01.000001", "1000001", "P0Y0M0DT0H0M1.000001S"), ("-00:00:00.5", "-500000", "P0Y0M0DT0H0M-0.5S"),
        ("178000000 years", "5617252800000000000000", "P178000000Y0M0DT0H0M0S"),
        ("2147483647:00:00", "7730941129200000000", "P0Y0M0DT2147483647H0M0S"),
    ])
    func intervals(_ text: String, _ micros: String, _ iso: String) throws {
        #expect(try bench.json(text, .type(.interval)) == micros)
        var strings = bench
        strings.settings.debezium.interval = .string
        #expect(try strings.json(text, .type(.interval)) == "\"\(iso)\"")
    }

    @Test(arguments: ["", "1", "1 fortnight", "1 day 2", "01:02", "P1D", "1 day -", "01:02:03.", "99999999999 days"])
    func whatIsNoIntervalIsRefused(_ text: String) throws {
        let json = try bench.json(text, .type(.interval))
        #expect(json == nil)
    }
}
