import Foundation
import Testing
import WeirTestKit

/// Definitions that change while rows flow, with a target that follows them.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(10))) struct SchemaScenarios {
    private static let table = """
        CREATE TABLE t (id int PRIMARY KEY, a text, n int NOT NULL DEFAULT 1);
        INSERT INTO t SELECT i, 'row ' || i, i FROM generate_series(1, 20) i;
        """

    private static let before = "UPDATE t SET a = 'before' WHERE id = 1"

    /// Statements of one change, with rows behind it.
    static let changes: [[String]] = [
        ["ALTER TABLE t ADD COLUMN b int", "UPDATE t SET b = id WHERE id < 5"],
        ["ALTER TABLE t ADD COLUMN b int NOT NULL DEFAULT 7", "INSERT INTO t (id, n) VALUES (100, 1)"],
        ["ALTER TABLE t ADD COLUMN at timestamptz DEFAULT now()", "INSERT INTO t (id, n) VALUES (100, 1)"],
        ["ALTER TABLE t DROP COLUMN a", "INSERT INTO t (id, n) VALUES (100, 1)"],
        ["ALTER TABLE t RENAME COLUMN a TO \"A b\"\"c\"", "UPDATE t SET \"A b\"\"c\" = 'x' WHERE id = 2"],
        ["ALTER TABLE t ALTER COLUMN n TYPE bigint", "INSERT INTO t VALUES (100, 'x', 9999999999)"],
        ["ALTER TABLE t ALTER COLUMN n TYPE text", "INSERT INTO t VALUES (100, 'x', 'words')"],
        ["ALTER TABLE t ALTER COLUMN n DROP DEFAULT, ALTER COLUMN n TYPE smallint", "UPDATE t SET n = 3 WHERE id = 1"],
        ["ALTER TABLE t ALTER COLUMN a SET DEFAULT 'new' || 'er'", "INSERT INTO t (id, n) VALUES (100, 1)"],
        ["ALTER TABLE t ALTER COLUMN n DROP DEFAULT, ALTER COLUMN n DROP NOT NULL", "INSERT INTO t VALUES (100)"],
        ["ALTER TABLE t ALTER COLUMN a SET NOT NULL", "INSERT INTO t VALUES (100, 'x')"],
        ["ALTER TABLE t RENAME TO u", "INSERT INTO u VALUES (100, 'x')", "DELETE FROM u WHERE id = 3"],
        ["CREATE SCHEMA s", "ALTER TABLE t SET SCHEMA s", "INSERT INTO s.t VALUES (100, 'x')"],
        [
            "CREATE SCHEMA s", "ALTER TABLE t SET SCHEMA s", "ALTER TABLE s.t RENAME TO v",
            "DELETE FROM s.v WHERE id = 3",
        ],
        ["DROP TABLE t", "CREATE TABLE t (other text PRIMARY KEY)", "INSERT INTO t VALUES ('new')"],
        ["ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id, n)", "INSERT INTO t VALUES (1, 'again', 50)"],
        ["ALTER TABLE t DROP COLUMN id, ADD PRIMARY KEY (n)", "DELETE FROM t WHERE n = 4"],
        ["COMMENT ON TABLE t IS 'it''s'", "COMMENT ON COLUMN t.a IS 'letters'", "UPDATE t SET a = 'x' WHERE id = 1"],
        [
            "ALTER TABLE t RENAME COLUMN a TO tmp; ALTER TABLE t ADD COLUMN a text; ALTER TABLE t DROP COLUMN n",
            "UPDATE t SET a = tmp WHERE id < 9",
        ],
        [
            "CREATE TABLE t2 (LIKE t INCLUDING ALL); ALTER TABLE t RENAME TO old; ALTER TABLE t2 RENAME TO t",
            "INSERT INTO t VALUES (1, 'in the new one')", "INSERT INTO old VALUES (500, 'in the old one')",
        ],
    ]

    @Test(arguments: changes.indices, Mirror.Definitions.allCases)
    func fullFollowsAChangeAsItHappens(index: Int, definitions: Mirror.Definitions) throws {
        let mirror = try Mirror(Self.table, definitions: definitions)
        try mirror.follow([Self.before] + Self.changes[index])
    }

    @Test(arguments: changes.indices, Mirror.Definitions.allCases)
    func fullFollowsAChangeMadeWhileItWasDown(index: Int, definitions: Mirror.Definitions) throws {
        let mirror = try Mirror(Self.table, definitions: definitions)
        try mirror.followWhileDown([Self.before] + Self.changes[index])
    }

    @Test func aChangeInsideATransactionHasItsPlaceInIt() throws {
        let mirror = try Mirror(Self.table)
        let weir = try mirror.stream()
        try mirror.source.exec(
            """
            BEGIN;
            UPDATE t SET a = 'old' WHERE id = 1; DELETE FROM t WHERE id = 2;
            ALTER TABLE t ADD COLUMN b int DEFAULT 5; UPDATE t SET b = 6 WHERE id = 3;
            ALTER TABLE t RENAME COLUMN a TO c; INSERT INTO t (id, c, n, b) VALUES (100, 'new', 1, 8);
            ALTER TABLE t DROP COLUMN n; INSERT INTO t (id, c) VALUES (101, 'newer');
            ALTER TABLE t ALTER COLUMN b TYPE bigint; UPDATE t SET b = 99999999999 WHERE id = 4;
            COMMIT
            """)
        try mirror.expectSame(weir)
        // Nothing of a change that was rolled back.
        try mirror.source.exec(
            "BEGIN; ALTER TABLE t ADD COLUMN gone int; INSERT INTO t (id, gone) VALUES (200, 1); ROLLBACK")
        try mirror.source.exec("INSERT INTO t (id) VALUES (201)")
        try mirror.expectSame(weir)
        try mirror.stop(weir)
    }

    @Test func severalChangesBeforeAnythingIsRead() throws {
        let mirror = try Mirror(Self.table)
        try mirror.followWhileDown([
            "ALTER TABLE t ADD COLUMN b int", "INSERT INTO t (id, b) VALUES (100, 1)",
            "ALTER TABLE t RENAME COLUMN b TO c",
            "INSERT INTO t (id, c) VALUES (101, 2)", "ALTER TABLE t DROP COLUMN c", "INSERT INTO t (id) VALUES (102)",
            "ALTER TABLE t ADD COLUMN d text NOT NULL DEFAULT 'filled'", "INSERT INTO t (id) VALUES (103)",
            "ALTER TABLE t RENAME COLUMN d TO e", "UPDATE t SET e = 'x' WHERE id = 103",
            "UPDATE t SET a = '' WHERE a IS NULL",
            "ALTER TABLE t ALTER COLUMN a SET NOT NULL; UPDATE t SET a = '' WHERE a IS NULL",
            "ALTER TABLE t RENAME TO u", "DELETE FROM u WHERE id = 5", "ALTER TABLE u RENAME TO v",
            "INSERT INTO v (id, a) VALUES (104, 'last')",
        ])
    }

    @Test func usersTypesAreMadeAndFollowed() throws {
        let mirror = try Mirror(
            """
            CREATE SCHEMA zoo; CREATE TYPE zoo.mood AS ENUM ('sad', 'happy');
            CREATE DOMAIN price AS numeric(8,2) CHECK (VALUE >= 0); CREATE TYPE pair AS (x int, m zoo.mood);
            CREATE TABLE t (id int PRIMARY KEY, m zoo.mood DEFAULT 'sad', p price, c pair, ms zoo.mood[]);
            INSERT INTO t VALUES (1, 'happy', 1.5, '(1,sad)', '{sad,NULL}')
            """)
        let weir = try mirror.stream()
        try mirror.expectSame(weir)
        try mirror.source.exec("ALTER TYPE zoo.mood ADD VALUE 'so so' BEFORE 'happy'")
        try mirror.source.exec("INSERT INTO t (id, m) VALUES (2, 'so so')")
        try mirror.expectSame(weir)
        try mirror.source.exec("ALTER TYPE zoo.mood ADD VALUE 'best'; ALTER TYPE zoo.mood RENAME VALUE 'sad' TO 'blue'")
        try mirror.source.exec("UPDATE t SET ms = '{best,blue}'; ALTER TABLE t ADD COLUMN x int")
        try mirror.source.exec("UPDATE t SET x = 1, m = 'best'")
        try mirror.expectSame(weir)
        // A domain that allows more.
        try mirror.source.exec("ALTER DOMAIN price DROP CONSTRAINT price_check; UPDATE t SET p = -1 WHERE id = 1")
        try mirror.expectSame(weir)
        try mirror.stop(weir)
    }

    @Test func killedInBetweenItGoesOn() throws {
        let mirror = try Mirror(Self.table)
        try mirror.stop(try mirror.stream())
        for round in 1...6 {
            try mirror.change([
                "ALTER TABLE t ADD COLUMN c\(round) int DEFAULT \(round)", "UPDATE t SET a = 'round \(round)'",
                "ALTER TABLE t RENAME COLUMN c\(round) TO d\(round)", "UPDATE t SET d\(round) = id WHERE id % 3 = 0",
                "INSERT INTO t (id) VALUES (1000 + \(round))",
            ])
            let weir = try WeirProcess(["run", mirror.config], workingDirectory: mirror.directory.path)
            _ = try? weir.waitForExit(timeout: .milliseconds(120 + 60 * round))
            weir.kill9()
        }
        try mirror.follow()
    }

    /// The catalog knows neither of the two columns any more.
    private static let doubtful = [
        "ALTER TABLE t DROP COLUMN n; ALTER TABLE t ADD COLUMN m int", "INSERT INTO t (id, m) VALUES (100, 5)",
        "ALTER TABLE t DROP COLUMN m; ALTER TABLE t ADD COLUMN k int", "INSERT INTO t (id, k) VALUES (101, 6)",
    ]

    @Test func theEventTriggerLeavesNoDoubt() throws {
        let mirror = try Mirror(Self.table, definitions: .trigger)
        try mirror.changeWhileDown(Self.doubtful)
        // A table without rows, too.
        try mirror.source.exec("CREATE TABLE e (id int PRIMARY KEY, v text DEFAULT 'x'); ALTER TABLE e ADD n int")
        let weir = try mirror.stream()
        try mirror.expectSame(weir)
        // Nobody but the trigger saw the expression.
        try mirror.source.exec("ALTER TABLE t ALTER COLUMN k TYPE bigint USING k * 100")
        try mirror.source.exec("INSERT INTO t (id, k) VALUES (102, 1)")
        #expect(try weir.waitForExit(timeout: .seconds(30)) == .status(1))
        #expect(
            weir.errorLines.contains {
                $0.contains("How the values of column k were converted is not known: integer to bigint")
            })
        try mirror.target.exec("ALTER TABLE t ALTER COLUMN k TYPE bigint USING k * 100")
        let again = try mirror.stream()
        try mirror.expectSame(again)
        try mirror.source.exec("DROP TABLE e")
        try mirror.expectSame(again)
        try mirror.stop(again)
        // Its key is a secret.
        #expect(try mirror.target.value("SELECT to_regclass('weir.ddl_key') IS NULL") == "t")
        #expect(!(weir.errorLines + again.errorLines).contains { $0.contains("ddl_key") })
    }

    /// The same name and type, told once and without a row: the next start must not take it for the column of before.
    @Test func aColumnThatWasMadeAgainWithoutARow() throws {
        let mirror = try Mirror(Self.table, definitions: .trigger)
        try mirror.stop(try mirror.stream())
        for round in 1...2 {
            let weir = try mirror.stream()
            try mirror.source.exec("ALTER TABLE t DROP COLUMN a, ADD COLUMN a text")
            try mirror.sync(weir)
            try mirror.stop(weir)
            try mirror.follow(["INSERT INTO t (id, a) VALUES (\(100 + round), 'new')"])
        }
        // Untold: the trigger was off.
        try mirror.source.exec("ALTER EVENT TRIGGER weir_ddl_end DISABLE; ALTER EVENT TRIGGER weir_ddl_drop DISABLE")
        try mirror.source.exec("ALTER TABLE t DROP COLUMN a; ALTER TABLE t ADD COLUMN a text")
        try mirror.source.exec(
            "ALTER EVENT TRIGGER weir_ddl_end ENABLE ALWAYS; ALTER EVENT TRIGGER weir_ddl_drop ENABLE ALWAYS")
        try mirror.source.exec("INSERT INTO t (id, a) VALUES (200, 'newer')")
        let lines = try mirror.runUntilItStops()
        #expect(lines.contains { $0.contains("column a was dropped and added again") }, "\(lines.suffix(3))")
    }

    /// Changes that no message tells of: a table of a type, and a trigger that fails.
    @Test func whatTheEventTriggerMissesIsReadFromTheStream() throws {
        let mirror = try Mirror(
            """
            CREATE TYPE addr AS (id int, a text); CREATE TABLE p OF addr (PRIMARY KEY (id));
            INSERT INTO p VALUES (1, 'x'); CREATE TABLE q (id int PRIMARY KEY, a text); INSERT INTO q VALUES (1, 'x')
            """, definitions: .trigger)
        let weir = try mirror.stream()
        try mirror.source.exec("ALTER TABLE p ALTER COLUMN a SET DEFAULT 'y'; INSERT INTO p VALUES (2)")
        try mirror.source.exec("ALTER TYPE addr RENAME ATTRIBUTE a TO c CASCADE; INSERT INTO p VALUES (3, 'z')")
        try mirror.expectSame(weir)
        try mirror.source.exec("ALTER TABLE weir.ddl_key RENAME COLUMN key TO nokey")
        try mirror.source.exec("ALTER TABLE q RENAME COLUMN a TO b; INSERT INTO q VALUES (2, 'y')")
        try mirror.source.exec("ALTER TABLE weir.ddl_key RENAME COLUMN nokey TO key")
        try mirror.expectSame(weir)
        try mirror.stop(weir)
    }

    /// A database that is a target itself, and the source of another one.
    @Test func whatWeirKeepsForItselfIsNoUsersTable() throws {
        let mirror = try Mirror(
            """
            CREATE SCHEMA weir; CREATE TABLE weir.progress (pipeline text PRIMARY KEY, lsn pg_lsn);
            INSERT INTO weir.progress VALUES ('another', '0/1'); CREATE TABLE weir.mine (id int PRIMARY KEY)
            """)
        let weir = try mirror.stream()
        try mirror.source.exec("CREATE TABLE weir.source_types (id int PRIMARY KEY)")
        try mirror.source.exec(
            "INSERT INTO weir.source_types VALUES (1); INSERT INTO weir.progress VALUES ('b', '0/2')")
        try mirror.source.exec("INSERT INTO weir.mine VALUES (7); TRUNCATE weir.progress")
        try mirror.sync(weir)
        #expect(try mirror.target.query("SELECT pipeline FROM weir.progress") == [[mirror.sourceDatabase]])
        #expect(try mirror.target.value("SELECT count(*) FROM weir.source_types") == "0")
        #expect(try mirror.target.query("SELECT * FROM weir.mine") == [["7"]])
        try mirror.stop(weir)
    }

    @Test func whatCannotBeToldStopsWithBothReadings() throws {
        let mirror = try Mirror(Self.table)
        try mirror.changeWhileDown(Self.doubtful)
        // The operator knows.
        for (old, new) in [("n", "m"), ("m", "k")] {
            let lines = try mirror.runUntilItStops()
            let line = try #require(lines.last { $0.contains("two ways") }, "\(lines.suffix(3))")
            #expect(line.contains("column \(new) is column \(old) under another name") && line.contains("public.t"))
            let readings = try #require(lines.last { $0.contains("what is true") })
            #expect(readings.contains("RENAME COLUMN \"\(old)\" TO \"\(new)\"") && readings.contains("DROP COLUMN"))
            try mirror.target.exec("ALTER TABLE t DROP COLUMN \(old); ALTER TABLE t ADD COLUMN \(new) int")
        }
        try mirror.follow()
    }

    @Test func whatTheStreamDoesNotTellStopsUntilItIsMended() throws {
        let mirror = try Mirror(Self.table)
        var weir = try mirror.stream()
        try mirror.sync(weir)
        func stops(_ statement: String, saying text: String) throws -> String {
            try mirror.source.exec(statement)
            #expect(try weir.waitForExit(timeout: .seconds(30)) == .status(1))
            return try #require(weir.errorLines.last { $0.contains(text) }, "\(weir.errorLines.suffix(4))")
        }
        // Each row has another value, and none is sent.
        let added = try stops(
            "ALTER TABLE t ADD COLUMN u int DEFAULT (random() * 1000)::int; INSERT INTO t (id) VALUES (100)",
            saying: "The values of older rows in the added column u are not known")
        #expect(added.contains("random()") && added.contains("public.t"))
        let advice = try #require(weir.errorLines.last { $0.contains("Run on the target: ") })
        try mirror.mend("public.t", running: [try #require(Self.statements(advice))], advice: advice)
        weir = try mirror.stream()
        try mirror.expectSame(weir)
        // Nobody else knows the expression.
        let converted = try stops(
            "ALTER TABLE t ALTER COLUMN a TYPE int USING length(a); INSERT INTO t (id, a) VALUES (101, 3)",
            saying: "How the values of column a were converted is not known: text to integer")
        #expect(converted.contains("USING"))
        try mirror.target.exec("ALTER TABLE t ALTER COLUMN a TYPE int USING length(a)")
        weir = try mirror.stream()
        try mirror.expectSame(weir)
        // Without rows there is nothing to know.
        try mirror.source.exec("TRUNCATE t; INSERT INTO ticks VALUES (-1)")
        try mirror.source.exec(
            "ALTER TABLE t ADD COLUMN w serial, ALTER u DROP DEFAULT, ALTER u TYPE timestamptz USING now()")
        try mirror.source.exec("INSERT INTO t (id) VALUES (1)")
        try mirror.expectSame(weir)
        try mirror.stop(weir)
    }

    @Test func additiveMakesAndWidensAndStopsForTheRest() throws {
        let mirror = try Mirror(Self.table, schema: "additive")
        let weir = try mirror.stream()
        try mirror.expectSame(weir)
        try mirror.change([
            "ALTER TABLE t ADD COLUMN b int DEFAULT 5", "UPDATE t SET b = 6 WHERE id = 1",
            "ALTER TABLE t ALTER COLUMN b TYPE bigint", "UPDATE t SET b = 99999999999 WHERE id = 2",
            "ALTER TABLE t ALTER COLUMN n DROP NOT NULL", "UPDATE t SET n = NULL WHERE id = 3",
        ])
        try mirror.expectSame(weir)
        // A column that is dropped stays.
        try mirror.source.exec("ALTER TABLE t DROP COLUMN n; INSERT INTO t (id) VALUES (50)")
        try mirror.sync(weir)
        #expect(try mirror.target.value("SELECT count(n) FROM t") == "20")
        try mirror.stop(weir)
        try mirror.target.exec("ALTER TABLE t DROP COLUMN n")
        try mirror.source.exec("ALTER TABLE t RENAME COLUMN a TO z; UPDATE t SET z = 'renamed' WHERE id = 4")
        let lines = try mirror.runUntilItStops()
        #expect(lines.contains { $0.contains("renamed") && $0.contains("public.t") }, "\(lines.suffix(3))")
        #expect(lines.contains { $0.contains("RENAME COLUMN \"a\" TO \"z\"") }, "\(lines.suffix(3))")
        #expect(try mirror.target.value("SELECT count(*) FROM t WHERE a = 'renamed'") == "0")
        try mirror.target.exec("ALTER TABLE t RENAME COLUMN a TO z")
        try mirror.follow()
    }

    @Test func noneStopsWithEverythingThatIsNeeded() throws {
        let mirror = try Mirror(
            """
            CREATE SCHEMA s; CREATE TYPE s.mood AS ENUM ('a', 'b');
            CREATE TABLE s.t (id int PRIMARY KEY, m s.mood); INSERT INTO s.t VALUES (1, 'a')
            """, schema: "none")
        try mirror.target.exec("CREATE TABLE ticks (n int PRIMARY KEY)")
        for _ in 0..<4 {
            let lines = try mirror.runUntilItStops()
            let line = try #require(lines.last { $0.contains("Run on the target: ") })
            let statements = try #require(Self.statements(line))
            try mirror.target.exec(statements)
            if statements.contains("CREATE TABLE") { break }
        }
        try mirror.follow()
    }

    /// The statements of an error line of the log.
    private static func statements(_ line: String) -> String? {
        guard let start = line.range(of: "Run on the target: ")?.upperBound,
            let end = line.range(of: ";", options: .backwards)?.upperBound
        else { return nil }
        return line[start..<end].replacingOccurrences(of: "\\\"", with: "\"")
    }
}
