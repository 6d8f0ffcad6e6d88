import LibPQ
import PgOutput
import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSource

/// What the binary decoder writes is what PostgreSQL prints, byte for byte.
@Suite("Binary values as PostgreSQL prints them", .tags(.integration), .needsPostgres, .timeLimit(.minutes(5)))
struct BinaryFormTests {
    /// A type, its decoder, and an expression that makes a value, random where it has no other sense.
    private struct Case {
        let form: BinaryForm
        let expression: String
        let rows: String

        init(_ form: BinaryForm, _ expression: String, rows: String) {
            self.form = form
            self.expression = expression
            self.rows = rows
        }
    }

    private static let sign = "CASE WHEN random() < 0.5 THEN '-' ELSE '' END"

    private static let cases: [Case] = [
        Case(
            BinaryForm(.float8),
            "(\(sign) || '0x1.' || lpad(to_hex((random() * 4503599627370495)::int8), 13, '0') || 'p' "
                + "|| ((random() * 2045)::int - 1022))::float8", rows: "generate_series(1, 20000)"),
        Case(
            BinaryForm(.float8),
            "('0x0.' || lpad(to_hex((random() * 4503599627370495)::int8 >> (random() * 50)::int), 13, '0') "
                + "|| 'p-1022')::float8", rows: "generate_series(1, 2000)"),
        Case(BinaryForm(.float8), "('0x1p' || g)::float8", rows: "generate_series(-1074, 1023) g"),
        Case(BinaryForm(.float8), "('0x1.fffffffffffffp' || g)::float8", rows: "generate_series(-1022, 1023) g"),
        Case(BinaryForm(.float8), "('1e' || g)::float8", rows: "generate_series(-323, 308) g"),
        Case(BinaryForm(.float8), "(random() * 9007199254740992)::int8::float8", rows: "generate_series(1, 3000)"),
        Case(BinaryForm(.float8), "(random() * 100000)::numeric(12, 4)::float8", rows: "generate_series(1, 3000)"),
        Case(
            BinaryForm(.float4),
            "(\(sign) || '0x1.' || lpad(to_hex((random() * 8388607)::int8 * 2), 6, '0') || 'p' "
                + "|| ((random() * 253)::int - 126))::float4", rows: "generate_series(1, 20000)"),
        Case(BinaryForm(.float4), "('0x1p' || g)::float4", rows: "generate_series(-149, 127) g"),
        Case(
            BinaryForm(.numeric),
            "(\(sign) || trunc((random() * 10 ^ (random() * 30)::int)::numeric) || '.' "
                + "|| lpad('', (random() * 12)::int, (random() * 1e9)::int8::text) || '0')::numeric",
            rows: "generate_series(1, 10000)"),
        Case(
            BinaryForm(.numeric), "((random() * 1000000)::int || 'e' || (random() * 400)::int - 200)::numeric",
            rows: "generate_series(1, 2000)"),
        Case(BinaryForm(.numeric), "('1e' || g)::numeric", rows: "generate_series(-30, 30) g"),
        Case(
            BinaryForm(.date), "date '2000-01-01' + (-2451545 + random() * (2145031949 + 2451545 - 2))::int8::int4",
            rows: "generate_series(1, 10000)"),
        Case(BinaryForm(.date), "date '2000-01-01' + g", rows: "generate_series(-740000, 60000, 97) g"),
        Case(
            BinaryForm(.timestamp),
            "timestamp '2000-01-01' + (-211813488000::float8 + random() * 9223371331200)::int8 * interval '1 sec'",
            rows: "generate_series(1, 5000)"),
        Case(
            BinaryForm(.timestamptz),
            "timestamptz '2000-01-01 00:00 UTC' "
                + "+ (((random() * 2 - 1) * 211813487999)::numeric(20, 6) || ' sec')::interval",
            rows: "generate_series(1, 5000)"),
        Case(
            BinaryForm(.time), "time '00:00' + ((random() * 86400)::numeric(20, 6) || ' sec')::interval",
            rows: "generate_series(1, 2000)"),
        Case(
            BinaryForm(.timetz),
            "('12:34:56.' || (random() * 999999)::int || CASE WHEN random() < 0.5 THEN '-' ELSE '+' END "
                + "|| lpad((random() * 15)::int::text, 2, '0') || ':' || lpad((random() * 59)::int::text, 2, '0') "
                + "|| CASE WHEN random() < 0.5 THEN ':' || lpad((random() * 59)::int::text, 2, '0') ELSE '' END)"
                + "::timetz", rows: "generate_series(1, 2000)"),
        Case(
            BinaryForm(.interval),
            "make_interval(months => ((random() * 2 - 1) * 10 ^ (random() * 9))::int4, "
                + "days => ((random() * 2 - 1) * 10 ^ (random() * 9))::int4) "
                + "+ (((random() * 2 - 1) * 10 ^ ((random() * 12 - 3)::int))::numeric(20, 6) || ' sec')::interval",
            rows: "generate_series(1, 5000)"),
        Case(
            BinaryForm(.money), "((random() * 2 - 1) * 10 ^ ((random() * 16)::int))::numeric(30, 2)::money",
            rows: "generate_series(1, 2000)"),
        Case(
            BinaryForm(.inet),
            "((SELECT string_agg(CASE WHEN random() < 0.5 THEN '0' ELSE to_hex((random() * 65535)::int) END, ':') "
                + "FROM generate_series(1, 8 + g * 0)) || '/' || (random() * 128)::int)::inet",
            rows: "generate_series(1, 4000) g"),
        Case(
            BinaryForm(.text, .array),
            "ARRAY(SELECT chr(1 + (random() * 126)::int) || chr(32 + (random() * 94)::int) "
                + "FROM generate_series(1, g % 7))", rows: "generate_series(1, 3000) g"),
    ]

    @Test func randomValuesAndWholeRanges() throws {
        let (_, connection) = try Self.pinned()
        for one in Self.cases {
            let rows = try connection.query(
                "SELECT encode(substr(record_send(ROW(v)), 13), 'hex'), format('%s', v) "
                    + "FROM (SELECT \(one.expression) AS v FROM \(one.rows)) s")
            #expect(rows.count > 50)
            #expect(Self.mismatches(rows, one.form) == [], "\(one.expression)")
        }
    }

    @Test func theEdgesOfEveryType() throws {
        let (database, connection) = try Self.pinned()
        try connection.exec(TypeZoo.definitions)
        let catalog = try PGConnection(ConnectionSettings(database))
        let types = TypeCatalog()
        var decoded: Set<String> = []
        let version = try connection.number("SHOW server_version_num") ?? 0
        for entry in TypeZoo.entries(serverVersion: version) {
            try connection.exec("CREATE TABLE zoo_\(entry.name) (v \(entry.type))")
            let values = entry.values.map { "(\($0))" }.joined(separator: ", ")
            try connection.exec("INSERT INTO zoo_\(entry.name) VALUES \(values)")
            let table = try #require(
                try CatalogTable.load(name: TableName(schema: "public", name: "zoo_\(entry.name)"), on: catalog))
            let column = table.columns[0]
            let type = try types.type(oid: column.typeOID, modifier: column.modifier, on: catalog)
            guard let form = BinaryForm(type) else { continue }
            decoded.insert(entry.name)
            let rows = try connection.query(
                "SELECT encode(substr(record_send(ROW(v)), 13), 'hex'), format('%s', v) FROM zoo_\(entry.name)")
            #expect(Self.mismatches(rows, form) == [], "\(entry.name)")
        }
        for name in ["numeric", "interval", "bpchar", "array_pair", "xml", "domain_twice", "enum", "array_box"] {
            #expect(decoded.contains(name) == !["array_pair", "xml"].contains(name), "\(name)")
        }
    }

    /// A database whose sessions have the settings Weir pins: its URL and a connection.
    private static func pinned() throws -> (String, TestConnection) {
        let server = try PrivatePostgres.shared()
        let database = try server.createDatabase("binary")
        let connection = try server.connect(database)
        try connection.exec(
            "SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET extra_float_digits = 3; SET timezone = 'UTC'; "
                + "SET bytea_output = 'hex'; SET lc_monetary = 'C'")
        return (server.url(database: database), connection)
    }

    /// Values whose text differs: what was decoded, and what the server printed.
    private static func mismatches(_ rows: [[String?]], _ form: BinaryForm) -> [String] {
        var values = BinaryText(serverVersion: 150_000)
        var found: [String] = []
        for row in rows {
            guard let hex = row[0], let expected = row[1] else { continue }
            let bytes = Self.bytes(hex)
            values.removeAll()
            do throws(BinaryValueError) {
                try values.append(bytes.span.bytes, ByteRange(offset: 0, length: bytes.count), as: form)
                let text = values.text.withBytes { String(decoding: $0, as: UTF8.self) }
                if text != expected { found.append("\(text.prefix(80)) is \(expected.prefix(80))") }
            } catch {
                found.append("\(error): \(hex.prefix(80)) is \(expected.prefix(80))")
            }
        }
        return Array(found.prefix(5))
    }

    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex.utf8).map { $0 < 0x3A ? $0 - 0x30 : $0 - 0x57 }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

/// A binary stream says what a text stream says.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct BinaryStreamTests {
    private func settings(_ database: SourceDatabase, _ binary: PostgresSourceSettings.Binary)
        -> PostgresSourceSettings
    {
        var settings = database.settings(snapshot: .never)
        settings.binary = binary
        settings.slot += "_\(binary.rawValue)"
        return settings
    }

    /// Whether the stream of this slot was asked for in binary form.
    private func isBinary(_ settings: PostgresSourceSettings, _ database: SourceDatabase) throws -> Bool {
        try database.connection.value(
            """
            SELECT a.query LIKE '%"binary" ''true''%' FROM pg_stat_activity a
            JOIN pg_replication_slots s ON s.active_pid = a.pid WHERE s.slot_name = $1
            """, [settings.slot]) == "t"
    }

    @Test func everyValueIsTheSame() throws {
        let database = try SourceDatabase()
        try database.exec(TypeZoo.definitions)
        let catalog = try PGConnection(ConnectionSettings(database.postgres.url(database: database.name)))
        let types = TypeCatalog()
        let version = try database.connection.number("SHOW server_version_num") ?? 0
        var tables: [(name: String, values: [String])] = []
        for entry in TypeZoo.entries(serverVersion: version) {
            try database.exec("CREATE TABLE z_\(entry.name) (id int, v \(entry.type))")
            let name = TableName(schema: "public", name: "z_\(entry.name)")
            let column = try #require(try CatalogTable.load(name: name, on: catalog)).columns[1]
            let type = try types.type(oid: column.typeOID, modifier: column.modifier, on: catalog)
            if BinaryForm(type) == nil {
                try database.exec("DROP TABLE z_\(entry.name)")
            } else {
                try database.exec("ALTER TABLE z_\(entry.name) REPLICA IDENTITY FULL")
                tables.append((name.name, entry.values))
            }
        }
        #expect(tables.count > 60)
        var runs: [(settings: PostgresSourceSettings, run: SourceRun)] = []
        for binary in [PostgresSourceSettings.Binary.auto, .never] {
            // One after the other: both want a slot and a publication of the same tables.
            let settings = settings(database, binary)
            let run = SourceRun(settings)
            try #require(eventually { run.statistics.isStreaming })
            runs.append((settings, run))
        }
        #expect(eventually { try isBinary(runs[0].settings, database) })
        #expect(try !isBinary(runs[1].settings, database))
        for table in tables {
            let rows = table.values.enumerated().map { "(\($0), \($1))" }.joined(separator: ", ")
            try database.exec("INSERT INTO \(table.name) VALUES (-1, NULL), \(rows)")
            try database.exec("UPDATE \(table.name) SET id = id + 100; DELETE FROM \(table.name)")
        }
        try database.exec("SELECT pg_logical_emit_message(true, 'p', 'end')")
        for (_, run) in runs { #expect(run.log.wait { $0.last == "message p=end" }) }
        for (_, run) in runs { try run.stop() }
        #expect(runs[1].run.log.events.count > 600)
        #expect(runs[0].run.log.identities == runs[1].run.log.identities)
        let pairs = zip(runs[0].run.log.events, runs[1].run.log.events)
        #expect(pairs.filter { $0 != $1 }.map { "\($0.prefix(150)) is \($1.prefix(150))" } == [])
    }

    /// A column of a type without a decoder comes in the middle: the rest of the stream is text, nothing is lost and
    /// nothing comes twice.
    @Test func aTypeWithoutADecoderTurnsTheStreamToText() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE t (id int PRIMARY KEY, n numeric, d date)")
        let settings = settings(database, .auto)
        let run = SourceRun(settings)
        try #require(eventually { run.statistics.isStreaming })
        #expect(eventually { try isBinary(settings, database) })
        try database.exec("INSERT INTO t VALUES (1, 1.50, '0044-03-15 BC')")
        try database.exec(
            """
            BEGIN; INSERT INTO t VALUES (2, 'NaN', 'infinity'); ALTER TABLE t ADD COLUMN x xml;
            INSERT INTO t VALUES (3, 2, NULL, '<a/>'); COMMIT
            """)
        try database.exec("INSERT INTO t VALUES (4, 0.00, NULL, '<b/>')")
        #expect(run.log.wait(count: 4))
        #expect(try !isBinary(settings, database))
        try run.stop()
        #expect(
            run.log.events == [
                "insert public.t 1,1.50,0044-03-15 BC", "insert public.t 2,NaN,infinity",
                "insert public.t 3,2,NULL,<a/>", "insert public.t 4,0.00,NULL,<b/>",
            ])
        // A start with such a column asks for text at once.
        let second = SourceRun(settings, store: run.store)
        try #require(eventually { second.statistics.isStreaming })
        #expect(try !isBinary(settings, database))
        try second.stop()
    }
}
