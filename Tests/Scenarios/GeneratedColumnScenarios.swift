import Glibc
import Testing
import WeirTestKit

/// Columns that the source computes: the stream does not carry them, and the target has them all the same.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(10))) struct GeneratedColumnScenarios {
    private static let table = """
        CREATE TYPE mood AS ENUM ('low', 'high');
        CREATE TABLE t (id int PRIMARY KEY, net numeric(10,2),
            gross numeric(10,2) GENERATED ALWAYS AS (net * 1.19) STORED, "A b" text,
            label text COLLATE "C" GENERATED ALWAYS AS (upper("A b") || '''!') STORED NOT NULL,
            m mood GENERATED ALWAYS AS (CASE WHEN net > 10 THEN 'high'::mood ELSE 'low'::mood END) STORED, n int);
        COMMENT ON COLUMN t.gross IS 'with tax';
        INSERT INTO t (id, net, "A b", n) SELECT i, i * 1.5, 'row ' || i, i FROM generate_series(1, 20) i;
        """

    private static let before = "UPDATE t SET net = 99 WHERE id = 1"

    /// Statements of one change, with rows behind it.
    static let changes: [[String]] = [
        ["ALTER TABLE t ADD COLUMN twice int GENERATED ALWAYS AS (n * 2) STORED", "UPDATE t SET n = 50 WHERE id < 5"],
        ["ALTER TABLE t DROP COLUMN gross", "INSERT INTO t (id, net, \"A b\") VALUES (100, 1, '')"],
        ["ALTER TABLE t DROP COLUMN \"A b\" CASCADE", "INSERT INTO t (id, net) VALUES (100, 1)"],
        [
            "ALTER TABLE t DROP COLUMN gross, ADD COLUMN gross int GENERATED ALWAYS AS (n + 1) STORED",
            "UPDATE t SET n = -1 WHERE id = 2",
        ],
        [
            "ALTER TABLE t DROP COLUMN gross, ADD COLUMN gross numeric(10,2) DEFAULT 4",
            "INSERT INTO t (id, \"A b\") VALUES (100, '')", "UPDATE t SET gross = 5 WHERE id = 3",
        ],
        [
            "ALTER TABLE t ALTER COLUMN gross DROP EXPRESSION, ALTER COLUMN gross SET DEFAULT 4",
            "UPDATE t SET net = 0 WHERE id = 2",
            "UPDATE t SET gross = 5 WHERE id = 3",
        ],
        [
            "ALTER TABLE t RENAME COLUMN gross TO brutto; ALTER TABLE t RENAME COLUMN net TO gross",
            "UPDATE t SET gross = 70 WHERE id = 2",
        ],
        [
            "ALTER TABLE t RENAME COLUMN gross TO brutto; ALTER TABLE t ADD COLUMN gross text DEFAULT 'x'",
            "UPDATE t SET net = 70 WHERE id = 2",
        ],
        [
            "ALTER TABLE t DROP COLUMN gross, DROP COLUMN m",
            "ALTER TABLE t ALTER COLUMN net TYPE numeric(20,4); "
                + "ALTER TABLE t ADD COLUMN gross numeric(20,4) GENERATED ALWAYS AS (net * 1.07) STORED",
            "INSERT INTO t (id, net, \"A b\") VALUES (100, 1234567890123.4567, '')",
        ],
        [
            "ALTER TABLE t ALTER COLUMN label DROP NOT NULL", "INSERT INTO t (id) VALUES (100)",
            "COMMENT ON COLUMN t.label IS 'shouted'; COMMENT ON COLUMN t.gross IS NULL",
            "UPDATE t SET n = 0 WHERE id = 100",
        ],
        ["ALTER TABLE t RENAME TO u", "INSERT INTO u (id, \"A b\") VALUES (100, 'x')"],
        ["TRUNCATE t", "INSERT INTO t (id, net, \"A b\") VALUES (1, 1, 'x'), (2, 20, 'y')"],
        [
            """
            BEGIN; UPDATE t SET net = 1; ALTER TABLE t ADD COLUMN h int GENERATED ALWAYS AS (id * 2) STORED;
            UPDATE t SET net = 2 WHERE id = 2; ALTER TABLE t DROP COLUMN h; ALTER TABLE t ADD COLUMN h int DEFAULT 1;
            UPDATE t SET h = 2 WHERE id = 2; COMMIT
            """
        ],
        [
            "CREATE TABLE w (g int GENERATED ALWAYS AS (id) STORED, id int PRIMARY KEY, v text, "
                + "l int GENERATED ALWAYS AS (length(v)) STORED)", "INSERT INTO w VALUES (DEFAULT, 1, 'abc')",
        ],
    ]

    @Test(arguments: changes.indices, Mirror.Definitions.allCases)
    func aChangeIsFollowedAsItHappens(index: Int, definitions: Mirror.Definitions) throws {
        let mirror = try Mirror(Self.table, definitions: definitions)
        try mirror.follow(Self.changes[index], behind: [Self.before])
    }

    @Test(arguments: changes.indices, Mirror.Definitions.allCases)
    func aChangeMadeWhileItWasDownIsFollowed(index: Int, definitions: Mirror.Definitions) throws {
        let mirror = try Mirror(Self.table, definitions: definitions)
        try mirror.followWhileDown([Self.before] + Self.changes[index])
    }

    @Test func theTablesColumnsKeepTheirOrder() throws {
        let mirror = try Mirror(Self.table)
        try mirror.stop(try mirror.stream())
        let order =
            "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute "
            + "WHERE attrelid = 't'::regclass AND attnum > 0"
        #expect(try mirror.target.value(order) == "id,net,gross,A b,label,m,n")
        #expect(
            try mirror.target.query("SELECT * FROM t ORDER BY id") == mirror.source.query("SELECT * FROM t ORDER BY id")
        )
    }

    @Test func additiveMakesThemAndTakesNoneAway() throws {
        let mirror = try Mirror(Self.table, schema: "additive")
        let weir = try mirror.stream()
        try mirror.expectSame(weir)
        try mirror.source.exec(
            """
            ALTER TABLE t ADD COLUMN twice int GENERATED ALWAYS AS (n * 2) STORED; ALTER TABLE t DROP COLUMN gross;
            UPDATE t SET net = 100 WHERE id = 1
            """)
        try mirror.sync(weir)
        try mirror.sync(weir)
        #expect(eventually { try mirror.target.value("SELECT twice FROM t WHERE id = 3") == "6" })
        #expect(try mirror.target.value("SELECT gross FROM t WHERE id = 1") == "119.00")
        // In the way of a wider type, they are made again.
        try mirror.source.exec(
            """
            ALTER TABLE t DROP COLUMN twice; ALTER TABLE t ALTER COLUMN n TYPE bigint;
            ALTER TABLE t ADD COLUMN twice bigint GENERATED ALWAYS AS (n * 2) STORED;
            UPDATE t SET n = 5000000000 WHERE id = 1
            """)
        try mirror.sync(weir)
        try mirror.sync(weir)
        #expect(eventually { try mirror.target.value("SELECT twice FROM t WHERE id = 1") == "10000000000" })
        try mirror.stop(weir)
    }

    @Test func noneLeavesThemAloneAndAUsersOwnAreKept() throws {
        let mirror = try Mirror(Self.table, schema: "full")
        try mirror.target.exec(
            """
            CREATE TYPE mood AS ENUM ('low', 'high');
            CREATE TABLE t (id int PRIMARY KEY, net numeric(10,2), gross int GENERATED ALWAYS AS (id * 7) STORED,
                "A b" text, n int, own int GENERATED ALWAYS AS (n + 1) STORED)
            """)
        let weir = try mirror.stream()
        try mirror.source.exec("ALTER TABLE t DROP COLUMN gross; UPDATE t SET n = 6 WHERE id = 1")
        try mirror.sync(weir)
        #expect(
            try mirror.target.query("SELECT gross, own, label, m FROM t WHERE id IN (1, 2) ORDER BY id") == [
                ["7", "7", "ROW 1'!", "low"], ["14", "3", "ROW 2'!", "low"],
            ])
        try mirror.stop(weir)
    }

    @Test func oneThatOnlyTheSourceCanComputeIsNamedAndLeftOut() throws {
        let mirror = try Mirror(
            """
            CREATE FUNCTION half(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT n / 2';
            CREATE TABLE t (id int PRIMARY KEY, h int GENERATED ALWAYS AS (half(id)) STORED);
            INSERT INTO t (id) VALUES (8)
            """)
        let weir = try mirror.stream()
        try mirror.sync(weir)
        #expect(weir.errorLines.contains { $0.contains("generated column h is not made on the target") })
        // By hand, it stays.
        try mirror.target.exec("ALTER TABLE t ADD COLUMN h int GENERATED ALWAYS AS (id / 2) STORED")
        try mirror.source.exec("INSERT INTO t (id) VALUES (9); ALTER TABLE t ADD COLUMN x int; UPDATE t SET x = 1")
        try mirror.sync(weir)
        #expect(try mirror.target.query("SELECT id, h, x FROM t ORDER BY id") == [["8", "4", "1"], ["9", "4", "1"]])
        try mirror.stop(weir)
    }

    @Test func columnsThatTransformsChangeAreNotComputedFrom() throws {
        let mirror = try Mirror(
            """
            CREATE TABLE t (id int PRIMARY KEY, secret text, n int,
                shown text GENERATED ALWAYS AS (upper(secret)) STORED, twice int GENERATED ALWAYS AS (n * 2) STORED);
            INSERT INTO t VALUES (1, 'canary', 4)
            """, extra: "transforms: [{mask: {columns: [public.t.secret], with: fixed, value: \"***\"}}]")
        let weir = try mirror.stream()
        try mirror.sync(weir)
        #expect(try mirror.target.query("SELECT * FROM t") == [["1", "***", "4", "8"]])
        try mirror.stop(weir)
    }

    /// The stream did not carry the column, and older rows have values: without the target's own there is no guess.
    @Test func valuesThatTheStreamNeverCarriedAreNotTakenForNULL() throws {
        let mirror = try Mirror(
            """
            CREATE FUNCTION half(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT n / 2';
            CREATE TABLE t (id int PRIMARY KEY, h int GENERATED ALWAYS AS (half(id)) STORED, z int);
            INSERT INTO t (id) VALUES (8)
            """)
        try mirror.changeWhileDown(["ALTER TABLE t ALTER COLUMN h DROP EXPRESSION; INSERT INTO t VALUES (9, 1)"])
        let lines = try mirror.runUntilItStops()
        #expect(lines.contains { $0.contains("The values of older rows in the added column h are not known") })
        try mirror.target.exec("ALTER TABLE t ADD COLUMN h int; UPDATE t SET h = 4")
        try mirror.follow()
    }
}
