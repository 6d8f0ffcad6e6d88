import Foundation
import LibPQ
import Testing
import WeirTestKit

@testable import PostgresSink
@testable import WeirCore

/// The page on types is what the server, the encoder and the target's rules say: its table is made anew from them and
/// compared. `WEIR_WRITE_PAGES=1` writes it.
@Suite("The page on types", .tags(.integration), .needsPostgres) struct TypesPageTests {
    /// A type and one value of it.
    private static let samples: [(type: String, value: String)] = [
        ("boolean", "true"), ("smallint", "-32768"), ("integer", "2147483647"), ("bigint", "-9223372036854775808"),
        ("oid", "4294967295"), ("xid8", "'18446744073709551615'"), ("real", "'1e-45'"),
        ("double precision", "'1e21'"), ("numeric", "1.50"), ("numeric(12,2)", "1.5"), ("numeric(5,-2)", "12345"),
        ("money", "'-1234.5'"), ("text", "E'é\"\\n'"), ("varchar(9)", "'NULL'"), ("char(4)", "'a'"),
        ("\"char\"", "'c'"),
        ("name", "'n'"), ("citext", "'Ci'"), ("bytea", "'\\x00ff5c'"),
        ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"),
        ("date", "'0044-03-15 BC'"), ("time", "'24:00'"), ("time(3)", "'13:14:15.5'"),
        ("timetz", "'13:14:15.5+05:30'"), ("timestamp", "'2020-02-29 13:14:15.5'"),
        ("timestamp(3)", "'1969-12-31 23:59:59.999'"), ("timestamptz", "'2020-02-29 13:14:15.5+02'"),
        ("timestamptz(0)", "'infinity'"), ("interval", "'1 year -2 days 03:04:05.678'"),
        ("json", "'{\"a\":1, \"a\":2}'"), ("jsonb", "'{\"b\":[1, 1.0]}'"), ("xml", "'<a>&amp;</a>'"),
        ("jsonpath", "'$.a'"), ("inet", "'10.0.0.1'"), ("cidr", "'2001:db8::/32'"),
        ("macaddr", "'08:00:2b:01:02:03'"), ("macaddr8", "'08:00:2b:01:02:03:04:05'"), ("bit(1)", "'1'"),
        ("bit(9)", "'000000001'"), ("bit varying", "'101'"), ("tsvector", "'a:1A b'"), ("tsquery", "'a & !b'"),
        ("point", "'(1.5,-2)'"), ("line", "'{1,-1,0}'"), ("lseg", "'[(0,0),(1,1)]'"), ("box", "'(1,1),(0,0)'"),
        ("path", "'[(0,0),(1,1)]'"), ("polygon", "'((0,0),(1,1))'"), ("circle", "'<(0,0),1>'"),
        ("int4range", "'[1,5]'"), ("numrange", "'(,1.50]'"), ("tstzrange", "'[2020-01-01 00:00:00+00,)'"),
        ("daterange", "'empty'"), ("int4multirange", "'{[1,2),[5,)}'"), ("mood", "'so, so'"),
        ("positive", "7"), ("pair", "ROW(1, 'a\"b')"), ("hstore", "'a=>1, b=>NULL'"), ("ltree", "'Top.Science'"),
        ("pg_lsn", "'16/B374D848'"), ("tid", "'(1,2)'"), ("integer[]", "'{1,NULL}'"),
        ("integer[]", "'[2:3][1:1]={{1},{2}}'"), ("text[]", "'{a,\"NULL\",NULL,\"\"}'"), ("numeric(6,2)[]", "'{1.5}'"),
        ("timestamptz[]", "'{2020-02-29 13:14:15.5+02}'"), ("mood[]", "'{\"so, so\"}'"),
        ("pair[]", "ARRAY[ROW(1, 'x')::pair]"), ("int2vector", "'1 2'"),
    ]

    private static let definitions = """
        CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree;
        CREATE TYPE mood AS ENUM ('sad', 'so, so'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);
        CREATE TYPE pair AS (a int, b text)
        """

    private static let marker = "<!-- made by the test TypesPageTests -->"

    private static var page: URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Sources/WeirCore/WeirCore.docc/Types.md")
    }

    @Test func thePageSaysWhatTheCodeDoes() throws {
        let server = try PrivatePostgres.shared()
        let database = try server.createDatabase("page")
        let connection = try server.connect(database)
        guard try connection.number("SHOW server_version_num") ?? 0 >= 150_000 else { return }
        try connection.exec(Self.definitions)
        let session = try PGConnection(ConnectionSettings(server.url(database: database)))
        let types = TypeCatalog()
        let targets = try Self.targets(types, session)
        var lines = [
            "| type | PostgreSQL's text | `debezium` | with other options | `flat` | other target types |",
            "|---|---|---|---|---|---|",
        ]
        for (index, sample) in Self.samples.enumerated() {
            try connection.exec(
                "CREATE TABLE s\(index) (v \(sample.type)); INSERT INTO s\(index) VALUES (\(sample.value))")
            let table = try #require(
                try CatalogTable.load(name: TableName(schema: "public", name: "s\(index)"), on: session))
            let column = table.columns[0]
            let type = try types.type(oid: column.typeOID, modifier: column.modifier, on: session)
            let text = try #require(
                try session.query("SELECT v FROM public.s\(index)", operation: "test").string(row: 0, column: 0))
            lines.append(try Self.line(sample.type, type, text, targets))
        }
        let made = lines.joined(separator: "\n") + "\n"
        let written = try String(contentsOf: Self.page, encoding: .utf8)
        let start = try #require(written.range(of: Self.marker + "\n\n"))
        let end = try #require(written.range(of: "\n\n" + Self.marker, range: start.upperBound..<written.endIndex))
        if ProcessInfo.processInfo.environment["WEIR_WRITE_PAGES"] == "1" {
            let text = written.replacingCharacters(in: start.upperBound..<end.lowerBound, with: made.dropLast())
            try text.write(to: Self.page, atomically: true, encoding: .utf8)
        } else {
            let found = written[start.upperBound..<end.lowerBound].split(separator: "\n").map(String.init)
            #expect(zip(found, lines).filter { $0 != $1 }.map { "\($0)\nis\n\($1)" } == [])
            #expect(found.count == lines.count)
        }
    }

    // MARK: One line

    private static func line(
        _ name: String, _ type: ColumnType, _ text: String, _ targets: [(String, ColumnType)]
    ) throws -> String {
        let standard = try json(text, type, DebeziumOptions())
        var others: [String] = []
        for (label, options) in modes {
            let other = try json(text, type, options)
            if other != standard { others.append("\(label): \(code(other))") }
        }
        let flat = try json(text, type, nil)
        let exact = targets.filter { $0.1.oid != type.oid && TypeFit(source: type, target: $0.1) == .exact }.map(\.0)
        let fits = exact.map { code($0) }.joined(separator: ", ")
        return "| \(code(name)) | \(code(text)) | \(code(standard)) | \(others.joined(separator: "<br>")) "
            + "| \(code(flat)) | \(fits) |"
    }

    private static func code(_ text: String?) -> String {
        guard let text else { return "no field" }
        return text.isEmpty ? "" : "`" + text.replacing("|", with: "\\|").replacing("\n", with: "↵") + "`"
    }

    /// Each option with another value than its default, and strict.
    private static var modes: [(String, DebeziumOptions)] {
        var modes: [(String, DebeziumOptions)] = []
        func add(_ label: String, _ set: (inout DebeziumOptions) -> Void) {
            var options = DebeziumOptions()
            set(&options)
            modes.append((label, options))
        }
        for mode in DebeziumOptions.DecimalMode.allCases { add("decimal \(mode)") { $0.decimal = mode } }
        for mode in DebeziumOptions.TimePrecision.allCases {
            add("time.precision \(mode.rawValue)") { $0.timePrecision = mode }
        }
        for mode in DebeziumOptions.IntervalMode.allCases { add("interval \(mode)") { $0.interval = mode } }
        for mode in DebeziumOptions.BinaryMode.allCases { add("binary \(mode.rawValue)") { $0.binary = mode } }
        for mode in DebeziumOptions.HstoreMode.allCases { add("hstore \(mode)") { $0.hstore = mode } }
        add("strict") { $0.strict = true }
        return modes
    }

    /// Types that a column of the target may have in place of the source's.
    private static func targets(
        _ types: TypeCatalog, _ session: borrowing PGConnection
    ) throws -> [(String, ColumnType)] {
        var list: [(String, ColumnType)] = []
        for (name, oid, modifier) in [
            ("smallint", 21, -1), ("integer", 23, -1), ("bigint", 20, -1), ("numeric", 1700, -1),
            ("numeric(9,2)", 1700, (9 << 16 | 2) + 4), ("double precision", 701, -1), ("text", 25, -1),
            ("varchar(20)", 1043, 24), ("bytea", 17, -1), ("date", 1082, -1), ("time", 1083, -1),
            ("timestamp", 1114, -1), ("timestamptz", 1184, -1), ("timestamp(3)", 1114, 3), ("interval", 1186, -1),
            ("uuid", 2950, -1), ("json", 114, -1), ("jsonb", 3802, -1), ("text[]", 1009, -1), ("bigint[]", 1016, -1),
        ] as [(String, UInt32, Int32)] {
            list.append((name, try types.type(oid: oid, modifier: modifier, on: session)))
        }
        return list
    }

    /// A value as the events have it; nil when they have no such column. Without options the format `flat`.
    private static func json(_ text: String, _ type: ColumnType, _ options: DebeziumOptions?) throws -> String? {
        let relation = Relation(
            oid: 1, table: TableName(schema: "s", name: "t"),
            columns: [
                Column(name: "id", type: ColumnType(oid: 23, name: "integer", kind: .int4)),
                Column(name: "v", type: type),
            ],
            identity: .default, primaryKey: [0])
        let encoder = EventEncoder(
            settings: EncoderSettings(
                prefix: "p", format: options == nil ? .flat : .debezium, debezium: options ?? DebeziumOptions()))
        encoder.begin(SourceDescription(systemIdentifier: 1, database: "d", start: .zero))
        var batch = TestBatch()
        batch.begin(16)
        batch.insert(relation, ["1", .text(text)])
        batch.commit()
        var value = ""
        var buffer = ByteBuffer()
        try encoder.encode(batch.seal(), into: &buffer) { (event, bytes) throws(WeirError) in
            value = bytes.text(event.value.range ?? 0..<0)
        }
        let start = value.firstRange(of: options == nil ? "{\"id\":1" : "\"after\":{\"id\":1")
        let end =
            options == nil ? value.index(before: value.endIndex) : value.firstRange(of: "},\"source\":")?.lowerBound
        guard let start, let end else { return nil }
        let row = value[start.upperBound..<end]
        return row.isEmpty ? nil : String(row.dropFirst(",\"v\":".count))
    }
}
