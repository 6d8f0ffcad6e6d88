import Testing
import WeirCore
import WeirTestKit

@testable import LibPQ

/// What a real catalog says, as types, keys and defaults.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct CatalogTests {
    private struct Described {
        let table: CatalogTable
        let types: [String: ColumnType]
    }

    private func describe(_ setup: String, _ name: String = "t") throws -> Described {
        let server = try PrivatePostgres.shared()
        let database = try server.createDatabase()
        let admin = try server.connect(database)
        try admin.exec(setup)
        let connection = try PGConnection(ConnectionSettings(server.url(database: database)))
        let loaded = try CatalogTable.load(name: TableName(schema: "public", name: name), on: connection)
        let table = try #require(loaded)
        let catalog = TypeCatalog()
        var types: [String: ColumnType] = [:]
        for column in table.columns {
            types[column.name] = try catalog.type(oid: column.typeOID, modifier: column.modifier, on: connection)
        }
        return Described(table: table, types: types)
    }

    @Test func builtInTypesHaveTheirKinds() throws {
        let kinds: [(String, ColumnType.Kind)] = [
            ("boolean", .boolean), ("smallint", .int2), ("integer", .int4), ("bigint", .int8), ("oid", .oid),
            ("real", .float4), ("double precision", .float8), ("numeric", .numeric), ("money", .money), ("text", .text),
            ("character varying", .varchar), ("character(3)", .bpchar), ("name", .name), ("\"char\"", .char),
            ("bytea", .bytea), ("date", .date), ("time without time zone", .time), ("time with time zone", .timetz),
            ("timestamp without time zone", .timestamp), ("timestamp with time zone", .timestamptz),
            ("interval", .interval), ("uuid", .uuid), ("json", .json), ("jsonb", .jsonb), ("xml", .xml),
            ("bit(3)", .bit), ("bit varying", .varbit), ("inet", .inet), ("cidr", .cidr), ("macaddr", .macaddr),
            ("macaddr8", .macaddr8), ("tsvector", .tsvector), ("tsquery", .tsquery), ("pg_lsn", .pgLSN),
            ("point", .point), ("box", .box), ("lseg", .lseg), ("path", .path), ("polygon", .polygon),
            ("circle", .circle), ("line", .line), ("int4range", .int4range), ("int8range", .int8range),
            ("numrange", .numrange), ("tsrange", .tsrange), ("tstzrange", .tstzrange), ("daterange", .daterange),
            ("int4multirange", .multirange), ("oidvector", .other), ("int2vector", .other), ("xid8", .other),
        ]
        let columns = kinds.enumerated().map { "c\($0) \($1.0)" }.joined(separator: ", ")
        let found = try describe("CREATE TABLE t (\(columns))")
        for (index, kind) in kinds.enumerated() {
            let type = try #require(found.types["c\(index)"])
            #expect(type.kind == kind.1 && type.name == kind.0, "\(kind.0): \(type)")
            #expect(type.oid == type.baseOID)
        }
    }

    /// PostgreSQL takes a domain's from its base type.
    @Test func arraysHaveTheirElementsDelimiter() throws {
        let found = try describe(
            """
            CREATE DOMAIN frame AS box; CREATE TYPE mark;
            CREATE FUNCTION mark_in(cstring) RETURNS mark LANGUAGE internal IMMUTABLE STRICT AS 'textin';
            CREATE FUNCTION mark_out(mark) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
            CREATE TYPE mark (INPUT = mark_in, OUTPUT = mark_out, LIKE = text, DELIMITER = ':');
            CREATE DOMAIN label AS mark;
            CREATE TABLE t (i int[], b box[], f frame[], m mark[], l label[])
            """)
        for (name, delimiter) in ["i": ",", "b": ";", "f": ";", "m": ":", "l": ":"] as [String: Character] {
            guard case .array(let element) = found.types[name]?.kind else {
                Issue.record("\(name) is no array")
                continue
            }
            #expect(Character(UnicodeScalar(element.arrayDelimiter)) == delimiter, "\(name)")
        }
    }

    @Test func modifiersAreEffective() throws {
        let found = try describe(
            """
            CREATE DOMAIN price AS numeric(12,4) NOT NULL; CREATE DOMAIN tag AS varchar(7); CREATE DOMAIN tag2 AS tag;
            CREATE TABLE t (n numeric(5,2), neg numeric(3,-2), p price, tags tag[], deep tag2, v varchar(20), b bit(9),
                ts timestamptz(3), a numeric(10,2)[], plain numeric)
            """)
        let types = found.types
        #expect(types["n"]?.numericPrecision == 5 && types["n"]?.numericScale == 2)
        #expect(types["neg"]?.numericScale == -2)
        #expect(types["p"]?.kind == .numeric && types["p"]?.numericScale == 4 && types["p"]?.name == "public.price")
        #expect(types["p"]?.baseOID == 1700 && types["p"]?.oid != 1700)
        #expect(types["deep"]?.kind == .varchar && types["deep"]?.length == 7)
        #expect(types["v"]?.length == 20 && types["b"]?.length == 9)
        #expect(types["ts"]?.fractionDigits == 3 && types["ts"]?.name == "timestamp(3) with time zone")
        #expect(types["plain"]?.numericScale == nil)
        guard case .array(let element) = types["a"]?.kind, case .array(let tag) = types["tags"]?.kind else {
            Issue.record("no arrays: \(types)")
            return
        }
        #expect(element.kind == .numeric && element.numericScale == 2)
        #expect(tag.kind == .varchar && tag.length == 7)
    }

    /// `format_type` without a modifier calls the unbounded types `character` and `bit`, which are those of one.
    @Test func typesWithoutALengthKeepIt() throws {
        let found = try describe("CREATE TABLE t (c bpchar, cs bpchar[], c1 char, b \"bit\", b1 bit, v varchar)")
        let names = ["c": "bpchar", "cs": "bpchar[]", "c1": "character(1)", "b": "\"bit\"", "b1": "bit(1)"]
        for (column, name) in names { #expect(found.types[column]?.name == name) }
        #expect(found.types["v"]?.name == "character varying")
    }

    @Test func typesOfTheUsersOwn() throws {
        let found = try describe(
            """
            CREATE SCHEMA other; CREATE TYPE mood AS ENUM ('z', 'a,b', ''); CREATE TYPE other.mood AS ENUM ('x');
            ALTER TYPE mood ADD VALUE 'first' BEFORE 'z'; CREATE TYPE pair AS (a int, b text);
            CREATE TYPE span AS RANGE (subtype = float8);
            CREATE TABLE t (m mood, o other.mood, p pair, ms mood[], s span, h text)
            """)
        #expect(found.types["m"]?.kind == .enumeration(["first", "z", "a,b", ""]))
        #expect(found.types["o"]?.kind == .enumeration(["x"]) && found.types["o"]?.name == "other.mood")
        #expect(found.types["p"]?.kind == .composite && found.types["s"]?.kind == .other)
        if case .array(let element) = found.types["ms"]?.kind {
            #expect(element.kind == .enumeration(["first", "z", "a,b", ""]))
        } else {
            Issue.record("no array: \(String(describing: found.types["ms"]))")
        }
    }

    @Test func aTypeThatIsGoneIsCarriedAsText() throws {
        let connection = try PGConnection(ConnectionSettings(try PrivatePostgres.shared().url()))
        let type = try TypeCatalog().type(oid: 4_000_000_000, modifier: -1, on: connection)
        #expect(type.kind == .other && type.oid == 4_000_000_000)
    }

    @Test func enumsAreReadAnewWhenAsked() throws {
        let server = try PrivatePostgres.shared()
        let database = try server.createDatabase()
        let admin = try server.connect(database)
        try admin.exec("CREATE TYPE mood AS ENUM ('a')")
        let oid = UInt32(try #require(try admin.number("SELECT 'mood'::regtype::oid")))
        let connection = try PGConnection(ConnectionSettings(server.url(database: database)))
        let catalog = TypeCatalog()
        let before = try catalog.type(oid: oid, modifier: -1, on: connection)
        try admin.exec("ALTER TYPE mood ADD VALUE 'b'")
        catalog.forgetUsers()
        let after = try catalog.type(oid: oid, modifier: -1, on: connection)
        #expect(before.kind == .enumeration(["a"]) && after.kind == .enumeration(["a", "b"]))
    }

    @Test func keysIdentitiesAndKinds() throws {
        let found = try describe(
            """
            CREATE TABLE t (a int, gone int, b text NOT NULL, c int UNIQUE NOT NULL,
                g int GENERATED ALWAYS AS (a * 2) STORED,
                i int GENERATED BY DEFAULT AS IDENTITY, PRIMARY KEY (b, a));
            ALTER TABLE t DROP COLUMN gone;
            CREATE UNIQUE INDEX covering ON t (i, c, b) INCLUDE (a);
            ALTER TABLE t REPLICA IDENTITY USING INDEX covering;
            INSERT INTO t (a, b, c) SELECT g, g, g FROM generate_series(1, 50) g;
            ANALYZE t
            """)
        let table = found.table
        #expect(table.columns.map(\.name) == ["a", "b", "c", "g", "i"])
        #expect(table.columns.map(\.number) == [1, 3, 4, 5, 6])
        #expect(table.primaryKey == ["b", "a"] && table.identityIndex == ["i", "c", "b"])
        #expect(table.replicaIdentity == .index && table.hasIdentity && table.kind == "r")
        #expect(table.columns.map(\.isNotNull) == [true, true, true, false, true])
        #expect(table.columns.map(\.isGenerated) == [false, false, false, true, false])
        #expect(table.columns.map(\.identity) == [nil, nil, nil, nil, "d"])
        #expect(table.estimatedRows == 50)
    }

    @Test func theUniqueIndexOfATableWithoutPrimaryKey() throws {
        let indexes = "CREATE UNIQUE INDEX t_b ON t (b); CREATE UNIQUE INDEX t_a ON t (c, a) INCLUDE (b);"
        let expression = "CREATE UNIQUE INDEX a_first ON t ((a + 1)); CREATE INDEX a_plain ON t (a);"
        let table = "CREATE TABLE t (a int, b int, c int);"
        #expect(try describe(table + indexes + expression).table.uniqueIndex == ["c", "a", "b"])
        #expect(try describe(table + indexes + "CLUSTER t USING t_b").table.uniqueIndex == ["b"])
        #expect(try describe(table + expression).table.uniqueIndex == [])
        #expect(try describe("CREATE TABLE t (a int PRIMARY KEY, b int UNIQUE)").table.uniqueIndex == [])
    }

    /// Recorded from Debezium 3.6.3: what it has for a NULL in a column of that declaration, null where it has null.
    @Test(
        arguments: [
            ("int DEFAULT 5", "5"), ("int DEFAULT -5", "-5"), ("bigint DEFAULT 5", "5"), ("int DEFAULT 1 + 2", nil),
            ("numeric(6,2) DEFAULT 1.50", "1.50"), ("numeric(10,0) DEFAULT 5.0", "5"), ("numeric DEFAULT 'NaN'", nil),
            ("numeric(6,2) DEFAULT random()", "0.0"), ("float8 DEFAULT random()", "0.0"),
            ("int DEFAULT (random() * 5)::int", nil), ("int DEFAULT length('abc')", "0"), ("serial", "0"),
            ("text DEFAULT 'it''s'", "it's"), ("text DEFAULT ''", ""), ("text DEFAULT E'a\\\\b'", "a\\b"),
            ("text DEFAULT 'now()'", "now()"), ("text DEFAULT 'a' || 'b'", "a"), ("text DEFAULT upper('x')", ""),
            ("text DEFAULT current_user", "CURRENT_USER"), ("text DEFAULT NULL", nil), ("text", nil),
            ("varchar(9) DEFAULT 'x'", "x"), ("varchar(9) DEFAULT NULL::varchar", nil), ("citext DEFAULT 'y'", nil),
            ("boolean DEFAULT true", "true"), ("boolean DEFAULT (1 = 1)", "false"), ("bit(3) DEFAULT '101'", "101"),
            ("date DEFAULT '2024-02-03'", "2024-02-03"), ("date DEFAULT current_date", "1970-01-01"),
            ("date DEFAULT '2020-01-01'::date + 1", "2020-01-01"), ("time DEFAULT localtime", "00:00:00"),
            ("timestamp DEFAULT timezone('utc', now())", "1970-01-01 00:00:00"),
            ("timestamptz DEFAULT now()", "1970-01-01 00:00:00+00"), ("interval DEFAULT '1 day'", "1 day"),
            ("uuid DEFAULT gen_random_uuid()", "00000000-0000-0000-0000-000000000000"),
            ("jsonb DEFAULT '{\"a\": 1}'", "{\"a\": 1}"), ("jsonb DEFAULT jsonb_build_object()", "{}"),
            ("mood DEFAULT 'ok'", "ok"), ("mood DEFAULT 'ok'::text::mood", nil), ("posint DEFAULT 5", nil),
            ("int[] DEFAULT '{1,2}'", nil), ("money DEFAULT 1", nil), ("bytea DEFAULT '\\x01'", nil),
        ] as [(String, String?)])
    func defaultsAreWhatDebeziumTakes(declaration: String, expected: String?) throws {
        let found = try describe(
            """
            CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN posint AS int;
            CREATE TABLE t (c \(declaration))
            """)
        let type = try #require(found.types["c"])
        let expression = found.table.columns.first?.defaultExpression
        #expect(expression.flatMap { DebeziumDefault.text(of: $0, type: type) } == expected)
    }

    @Test func missingTablesAreNil() throws {
        let connection = try PGConnection(ConnectionSettings(try PrivatePostgres.shared().url()))
        let byName = try CatalogTable.load(name: TableName(schema: "public", name: "no'such\""), on: connection)
        let byOID = try CatalogTable.load(oid: 4_000_000_000, on: connection)
        #expect(byName == nil && byOID == nil)
    }
}
