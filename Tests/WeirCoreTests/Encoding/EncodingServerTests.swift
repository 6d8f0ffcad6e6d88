import Testing
import WeirTestKit

@testable import WeirCore

/// The encoder's own arithmetic against PostgreSQL's, over the whole range of each type: edges, infinities, years
/// before Christ, and random values, in every mode.
@Suite("Dates, numbers and intervals as PostgreSQL computes them", .tags(.integration), .needsPostgres)
struct EncodingServerTests {
    private let connection: TestConnection

    init() throws {
        let server = try PrivatePostgres.shared()
        connection = try server.connect(try server.createDatabase("encoding"))
        try connection.exec("SET timezone = 'UTC'; SET datestyle = 'ISO'; SET intervalstyle = 'postgres'")
    }

    private static func bench(_ set: (inout DebeziumOptions) -> Void, flat: Bool = false) -> EncodingBench {
        var bench = EncodingBench()
        if flat { bench.settings.format = .flat }
        set(&bench.settings.debezium)
        return bench
    }

    /// Values whose JSON is not the expected one; a row is the value's text and what is expected of it.
    private func misses(
        _ rows: [[String?]], column: Int, _ type: ColumnType, _ bench: EncodingBench
    ) throws -> [String] {
        var found: [String] = []
        for row in rows {
            guard let text = row[0], let expected = row[column] else { continue }
            let json = try bench.json(text, type)
            if json != expected { found.append("\(text): \(json ?? "refused") is \(expected)") }
        }
        return Array(found.prefix(5))
    }

    // MARK: Dates and times

    /// Moments as seconds around 2000: the type's edges, turns of years around it, and random ones.
    private static let moments = """
        SELECT timestamp '2000-01-01' + s * interval '1 second' + u * interval '1 microsecond' AS v
        FROM (SELECT (-211813488000::float8 + random() * 9223371331199)::int8 AS s, (random() * 999999)::int AS u
              FROM generate_series(1, 3000)
              UNION ALL SELECT (random() * 4e9 - 3e9)::int8, (random() * 999999)::int * (g % 2)
              FROM generate_series(1, 1500) g) r
        UNION ALL SELECT make_timestamp(y, 1, 1, 0, 0, 0) - d * interval '1 microsecond'
        FROM generate_series(-4712, 10400, 7) y, generate_series(0, 1) d WHERE y <> 0
        UNION ALL VALUES (timestamp '4714-11-24 00:00:00 BC'), ('294276-12-31 23:59:59.999999'),
            ('0001-12-31 23:59:59.999999 BC'), ('0001-01-01'), ('1969-12-31 23:59:59.999999'), ('1970-01-01')
        """

    /// Year as ISO 8601 counts, with four digits at least, and a sign before Christ and after 9999.
    private static func isoDay(_ value: String) -> String {
        let year = "(extract(year FROM \(value))::int + CASE WHEN extract(year FROM \(value)) < 0 THEN 1 ELSE 0 END)"
        return "CASE WHEN \(year) > 9999 THEN '+' WHEN \(year) < 0 THEN '-' ELSE '' END "
            + "|| lpad(abs(\(year))::text, greatest(4, length(abs(\(year))::text)), '0') "
            + "|| substring(\(value)::text FROM '-[0-9]{2}-[0-9]{2}')"
    }

    /// `HH:MM:SS` with a fraction that has no zeros at its end.
    private static func clock(_ value: String) -> String {
        "to_char(\(value), 'HH24:MI:SS') || rtrim(rtrim(to_char(\(value), '.US'), '0'), '.')"
    }

    @Test func timestamps() throws {
        // extract(epoch) is rounded after the year 294246.
        let micros =
            "((v::date - date '1970-01-01')::numeric * 86400000000 + extract(hour FROM v) * 3600000000 "
            + "+ extract(minute FROM v) * 60000000 + extract(microseconds FROM v))::numeric(40, 0)"
        let rows = try connection.query(
            """
            SELECT v::text, \(micros)::text, floor(\(micros) / 1000)::text, (\(micros) * 1000)::text,
                '"' || \(Self.isoDay("v")) || 'T' || \(Self.clock("v")) || 'Z"',
                '"' || \(Self.isoDay("v")) || 'T' || \(Self.clock("v")) || '"',
                v::text || '+00', '"' || \(Self.isoDay("v")) || to_char(v, '"T"HH24:MI:SS.US"Z"') || '"'
            FROM (\(Self.moments)) m
            """)
        #expect(rows.count > 7000)
        let type = ColumnType.type(.timestamp)
        let short = ColumnType.type(.timestamp, modifier: 3)
        #expect(try misses(rows, column: 1, type, Self.bench { _ in }) == [])
        #expect(try misses(rows, column: 1, type, Self.bench { $0.timePrecision = .adaptiveTimeMicroseconds }) == [])
        #expect(try misses(rows, column: 1, short, Self.bench { $0.timePrecision = .microseconds }) == [])
        #expect(try misses(rows, column: 2, short, Self.bench { _ in }) == [])
        #expect(try misses(rows, column: 2, type, Self.bench { $0.timePrecision = .connect }) == [])
        #expect(try misses(rows, column: 3, type, Self.bench { $0.timePrecision = .nanoseconds }) == [])
        #expect(try misses(rows, column: 4, type, Self.bench { $0.timePrecision = .isostring }) == [])
        #expect(try misses(rows, column: 5, type, Self.bench({ _ in }, flat: true)) == [])
        // The same moments with a zone: microseconds in full, as the column has them.
        let zoned = rows.map { row in [row[6].map { Self.behindTime($0) }, row[7]] }
        #expect(try misses(zoned, column: 1, .type(.timestamptz), Self.bench { _ in }) == [])
    }

    /// The era stands behind the zone.
    private static func behindTime(_ text: String) -> String {
        text.hasSuffix(" BC+00") ? String(text.dropLast(6)) + "+00 BC" : text
    }

    @Test func timestampsOfOtherZones() throws {
        for zone in ["Asia/Kathmandu", "America/St_Johns", "Africa/Monrovia", "Europe/Amsterdam"] {
            let rows = try connection.query(
                """
                SELECT set_config('timezone', '\(zone)', true) || v::text, u FROM (
                    SELECT v AT TIME ZONE 'UTC' AS v,
                        '"' || \(Self.isoDay("v")) || to_char(v, '"T"HH24:MI:SS.US"Z"') || '"' AS u
                    FROM (SELECT timestamp '1700-01-01' + random() * interval '400 years' AS v
                          FROM generate_series(1, 500)) m) n
                """
            ).map { row in [row[0].map { String($0.dropFirst(zone.count)) }, row[1]] }
            #expect(rows.contains { $0[0]?.hasSuffix("+00") == false })
            #expect(try misses(rows, column: 1, .type(.timestamptz), Self.bench { _ in }) == [], "\(zone)")
        }
    }

    @Test func dates() throws {
        let rows = try connection.query(
            """
            SELECT v::text, (v - date '1970-01-01')::text, '"' || \(Self.isoDay("v")) || 'Z"',
                '"' || \(Self.isoDay("v")) || '"'
            FROM (SELECT date '2000-01-01' + (-2451545 + random() * 2147480000)::int4 AS v FROM generate_series(1, 3000)
                  UNION ALL SELECT date '2000-01-01' + g FROM generate_series(-800000, 800000, 211) g
                  UNION ALL VALUES (date '4714-11-24 BC'), ('5874897-12-31'), ('0001-12-31 BC'), ('0001-01-01')) d
            """)
        #expect(rows.count > 9000)
        #expect(try misses(rows, column: 1, .type(.date), Self.bench { _ in }) == [])
        #expect(try misses(rows, column: 1, .type(.date), Self.bench { $0.timePrecision = .connect }) == [])
        #expect(try misses(rows, column: 2, .type(.date), Self.bench { $0.timePrecision = .isostring }) == [])
        #expect(try misses(rows, column: 3, .type(.date), Self.bench({ _ in }, flat: true)) == [])
    }

    @Test func timesOfDay() throws {
        let micros = "trunc(extract(epoch FROM v) * 1000000)"
        let rows = try connection.query(
            """
            SELECT v::text, \(micros)::text, floor(\(micros) / 1000)::text, (\(micros) * 1000)::text,
                '"' || \(Self.clock("v")) || 'Z"'
            FROM (SELECT time '00:00' + random() * interval '24 hours' AS v FROM generate_series(1, 3000)
                  UNION ALL VALUES (time '00:00'), ('23:59:59.999999'), ('00:00:00.000001')) t
            """)
        let type = ColumnType.type(.time)
        #expect(try misses(rows, column: 1, type, Self.bench { _ in }) == [])
        #expect(try misses(rows, column: 2, .type(.time, modifier: 3), Self.bench { _ in }) == [])
        #expect(try misses(rows, column: 2, type, Self.bench { $0.timePrecision = .connect }) == [])
        #expect(try misses(rows, column: 3, type, Self.bench { $0.timePrecision = .nanoseconds }) == [])
        #expect(try misses(rows, column: 4, type, Self.bench { $0.timePrecision = .isostring }) == [])
        let zoned = try connection.query(
            """
            SELECT v::text, '"' || \(Self.clock("(v AT TIME ZONE 'UTC')::time")) || 'Z"' FROM (
                SELECT (format('%s%s%s:%s', time '00:00' + random() * interval '24 hours',
                    CASE WHEN random() < 0.5 THEN '-' ELSE '+' END, lpad((random() * 15)::int::text, 2, '0'),
                    lpad((random() * 59)::int::text, 2, '0')))::timetz AS v FROM generate_series(1, 3000)) t
            """)
        #expect(try misses(zoned, column: 1, .type(.timetz), Self.bench { _ in }) == [])
    }

    @Test func intervals() throws {
        let months = "(extract(year FROM v) * 12 + extract(month FROM v))"
        let time =
            "(extract(hour FROM v) * 3600000000 + extract(minute FROM v) * 60000000 "
            + "+ extract(microseconds FROM v))"
        let seconds = "rtrim(rtrim((extract(microseconds FROM v) / 1000000)::numeric(20, 6)::text, '0'), '.')"
        let rows = try connection.query(
            """
            SELECT v::text,
                (\(months) * 2629800000000::numeric + extract(day FROM v) * 86400000000::numeric + \(time))
                    ::numeric(40, 0)::text,
                '"P' || extract(year FROM v)::text || 'Y' || extract(month FROM v)::text || 'M'
                || extract(day FROM v)::text || 'DT' || extract(hour FROM v)::text || 'H'
                || extract(minute FROM v)::text || 'M' || \(seconds) || 'S"'
            FROM (SELECT make_interval(months => ((random() * 2 - 1) * 10 ^ (random() * 9))::int4,
                    days => ((random() * 2 - 1) * 10 ^ (random() * 9))::int4)
                    + (((random() * 2 - 1) * 10 ^ ((random() * 12 - 3)::int))::numeric(20, 6) || ' sec')::interval AS v
                  FROM generate_series(1, 4000)
                  UNION ALL VALUES (interval '0'), ('178000000 years'), ('-178000000 years'), ('2147483647 days'),
                    ('-2147483648 days'), ('2147483647 mons'), ('-2147483648 mons'), ('2562047788:00:54.775807'),
                    ('-2562047788:00:54.775807'), ('1 mon -1 day 00:00:00.000001'), ('-00:00:00.000001')) i
            """)
        #expect(rows.count > 4000)
        #expect(try misses(rows, column: 1, .type(.interval), Self.bench { _ in }) == [])
        #expect(try misses(rows, column: 2, .type(.interval), Self.bench { $0.interval = .string }) == [])
    }

    // MARK: Numbers

    private static let numerics = """
        SELECT (CASE WHEN random() < 0.5 THEN '-' ELSE '' END || trunc((random() * 10 ^ (random() * 30)::int)::numeric)
            || '.' || lpad('', (random() * 12)::int, (random() * 1e9)::int8::text) || '0')::numeric AS v
        FROM generate_series(1, 2500)
        UNION ALL SELECT ('1e' || g)::numeric FROM generate_series(-60, 60) g
        UNION ALL SELECT ('-' || repeat('9', g) || '.' || repeat('0', g % 5))::numeric FROM generate_series(1, 200) g
        UNION ALL SELECT 2::numeric ^ g - d FROM generate_series(0, 300, 8) g, generate_series(0, 1) d
        UNION ALL SELECT ('-' || (2::numeric ^ g)::text)::numeric FROM generate_series(0, 300) g
        UNION ALL SELECT (repeat('7', 131072) || '.' || repeat('3', 16383))::numeric
        """

    @Test func numerics() throws {
        let rows = try connection.query(
            """
            SELECT v::text, '"' || v::text || '"', v::text,
                CASE WHEN length(v::text) < 300 THEN abs(v)::float8::text END
            FROM (\(Self.numerics)) n WHERE length(v::text) < 300 OR length(v::text) > 100000
            """)
        #expect(rows.count > 3000)
        let type = ColumnType.type(.numeric)
        #expect(try misses(rows, column: 1, type, Self.bench { $0.decimal = .string }) == [])
        #expect(try misses(rows, column: 2, type, Self.bench({ _ in }, flat: true)) == [])
        let doubles = Self.bench { $0.decimal = .double }
        for row in rows where (row[0]?.count ?? 0) < 300 {
            let json = try #require(try doubles.json(row[0], type))
            #expect(Double(json)?.magnitude == Double(row[3] ?? ""), "\(row[0] ?? "")")
        }
    }

    /// The bytes of both precise forms are the digits: the scale's power of ten times the value, in two's complement.
    @Test func preciseNumerics() throws {
        let rows = try connection.query(
            """
            SELECT v::text, round(v, 5)::text, (round(v, 5) * 100000)::numeric(1000, 0)::text FROM (\(Self.numerics)) n
            WHERE length(v::text) < 300
            """)
        let precise = Self.bench { _ in }
        // numeric(400,5).
        let scaled = ColumnType.type(.numeric, modifier: (400 << 16 | 5) + 4)
        for row in rows {
            let fixed = try #require(try precise.json(row[1], scaled))
            #expect(Self.integer(base64: fixed) == row[2], "\(row[1] ?? "")")
            let free = try #require(try precise.json(row[0], .type(.numeric)))
            let parts = free.split(separator: ",")
            let scale = Int(parts[0].drop { $0 != ":" }.dropFirst()) ?? -1
            let digits = Self.integer(base64: String(parts[1].drop { $0 != ":" }.dropFirst().dropLast()))
            #expect(Self.placed(digits, scale: scale) == Self.trimmed(row[0] ?? ""), "\(row[0] ?? "")")
        }
    }

    /// A number in two's complement as decimal digits.
    private static func integer(base64 json: String) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        let letters = json.utf8.filter { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") }
        var bits = letters.flatMap { letter -> [UInt8] in
            let value = alphabet.firstIndex(of: letter) ?? 0
            return stride(from: 5, through: 0, by: -1).map { UInt8(value >> $0 & 1) }
        }
        bits.removeLast(bits.count % 8)
        let isNegative = bits.first == 1
        if isNegative {
            bits = bits.map { 1 - $0 }
            var index = bits.count - 1
            while index >= 0, bits[index] == 1 {
                bits[index] = 0
                index -= 1
            }
            if index >= 0 { bits[index] = 1 } else { bits.insert(1, at: 0) }
        }
        var digits: [UInt8] = [0]
        for bit in bits {
            var carry = bit
            for index in digits.indices {
                let doubled = digits[index] * 2 + carry
                digits[index] = doubled % 10
                carry = doubled / 10
            }
            if carry > 0 { digits.append(carry) }
        }
        let text = digits.reversed().map { "\($0)" }.joined()
        return (isNegative ? "-" : "") + text
    }

    /// Digits with the point put in.
    private static func placed(_ digits: String, scale: Int) -> String {
        let isNegative = digits.hasPrefix("-")
        var text = String(digits.drop { $0 == "-" })
        if scale <= 0 {
            text += text == "0" ? "" : String(repeating: "0", count: -scale)
        } else {
            text = String(repeating: "0", count: max(scale + 1 - text.count, 0)) + text
            text.insert(".", at: text.index(text.endIndex, offsetBy: -scale))
        }
        return trimmed((isNegative ? "-" : "") + text)
    }

    /// Without zeros at the end of the fraction.
    private static func trimmed(_ text: String) -> String {
        guard text.contains(".") else { return text }
        var text = text
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        return text == "-0" ? "0" : text
    }
}
