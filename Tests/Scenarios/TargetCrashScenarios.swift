import Testing
import WeirTestKit

/// `kill -9` while Weir changes the target's definitions: at places that locks on the target hold it at, and at random
/// ones. Definitions, rows and position go together, so that a second run finds what the first one left.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(15))) struct TargetCrashScenarios {
    /// A change of the table, and a row of the later form.
    static let changes = [
        ("ADD COLUMN c int NOT NULL DEFAULT 7", "INSERT INTO t (id, n, c) VALUES (100, 1, 2)"),
        ("RENAME COLUMN a TO b", "UPDATE t SET b = 'later' WHERE id = 2"),
        ("DROP COLUMN a", "INSERT INTO t VALUES (100, 1, 'high')"),
        ("ALTER COLUMN m TYPE text", "INSERT INTO t (id, n, m) VALUES (100, 1, 'words')"),
        ("ADD COLUMN g text GENERATED ALWAYS AS (a || '!') STORED", "UPDATE t SET a = 'later' WHERE id = 2"),
        ("DROP COLUMN twice, ADD COLUMN twice int DEFAULT 4", "UPDATE t SET twice = 5 WHERE id = 2"),
        ("DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (n, id)", "DELETE FROM t WHERE id = 3"),
        ("RENAME TO u", "INSERT INTO u (id, n) VALUES (100, 1)"),
    ]

    /// The statement waits for somebody who reads the table.
    @Test(arguments: changes.indices, Mirror.Definitions.allCases)
    func insideOfAStatement(index: Int, definitions: Mirror.Definitions) throws {
        let held = try HeldTarget(definitions)
        let mirror = held.mirror
        try held.hold("t", in: "ACCESS SHARE")
        let (change, row) = Self.changes[index]
        // Made behind the rows, in a transaction of its own: the next row brings it again.
        let isLater = definitions == .inferred && change.contains("GENERATED")
        try mirror.source.exec(
            "BEGIN; UPDATE t SET a = 'earlier' WHERE id = 1; ALTER TABLE t \(change); \(row); COMMIT")
        // What the stream does not tell comes with the next rows.
        try mirror.source.exec("INSERT INTO ticks VALUES (-1)")
        let waiting = try held.kill(held.first, waitingFor: "t")
        // The session it left goes; the next agent gets to the same place.
        let second = try mirror.stream()
        if isLater { try mirror.source.exec("DELETE FROM t WHERE id = 2; INSERT INTO ticks VALUES (-2)") }
        let again = try held.kill(second, waitingFor: "t", not: waiting)
        try held.waitUntilGone(again)
        try held.letGo()
        try held.expectAsBefore(firstRow: isLater ? "earlier" : "row 1")
        try mirror.follow(isLater ? ["DELETE FROM t WHERE id = 3"] : [])
    }

    /// Definitions are changed, and the rows that go with them are not all there.
    @Test(arguments: changes.indices, Mirror.Definitions.allCases)
    func betweenAStatementAndItsPosition(index: Int, definitions: Mirror.Definitions) throws {
        let held = try HeldTarget(definitions)
        let mirror = held.mirror
        try held.hold("w", in: "SHARE")
        let (change, row) = Self.changes[index]
        try mirror.source.exec(
            """
            BEGIN; UPDATE t SET a = 'earlier' WHERE id = 1; ALTER TABLE t \(change); \(row);
            INSERT INTO w VALUES (1); COMMIT
            """)
        let waiting = try held.waiting(for: "w", held.first)
        let changed = try mirror.target.value(
            """
            SELECT count(*) FROM pg_locks WHERE pid = \(waiting) AND granted AND mode = 'AccessExclusiveLock'
                AND relation = 't'::regclass
            """)
        // The stream does not tell of generated columns: without the event trigger they come once the rows are there.
        let isTold = definitions == .trigger || !change.contains("GENERATED")
        #expect(changed == (isTold ? "1" : "0"))
        held.first.kill9()
        try held.letGo(waiting)
        try held.expectAsBefore(firstRow: "row 1")
        try mirror.follow()
    }

    /// A label is committed ahead of the rows that need it; a label's new name comes with them.
    @Test(arguments: Mirror.Definitions.allCases) func betweenALabelAndItsRows(definitions: Mirror.Definitions) throws {
        let held = try HeldTarget(definitions)
        let mirror = held.mirror
        try held.hold("w", in: "SHARE")
        try mirror.source.exec("ALTER TYPE mood ADD VALUE 'middle' BEFORE 'high'")
        try mirror.source.exec(
            "BEGIN; INSERT INTO t (id, n, m) VALUES (100, 1, 'middle'); INSERT INTO w VALUES (1); COMMIT")
        var waiting = try held.kill(held.first, waitingFor: "w")
        #expect(try held.labels() == "low,middle,high")
        #expect(try mirror.target.value("SELECT count(*) FROM t WHERE id = 100") == "0")
        try held.letGo(waiting)

        try held.hold("w", in: "SHARE")
        try mirror.source.exec("ALTER TYPE mood RENAME VALUE 'low' TO 'blue'; ALTER TYPE mood ADD VALUE 'top'")
        try mirror.source.exec(
            "BEGIN; UPDATE t SET m = 'blue', n = 0 WHERE id = 1; UPDATE t SET m = 'top' WHERE id = 2; "
                + "INSERT INTO w VALUES (2); COMMIT")
        let second = try mirror.stream()
        waiting = try held.kill(second, waitingFor: "w")
        try held.letGo(waiting)
        let third = try mirror.stream()
        try mirror.expectSame(third)
        #expect(try held.labels() == "blue,middle,high,top")
        // The names are known again: another one is no new label.
        try mirror.source.exec("ALTER TYPE mood RENAME VALUE 'top' TO 'best'")
        try mirror.source.exec("UPDATE t SET m = 'best', n = 9 WHERE id = 3")
        try mirror.expectSame(third)
        #expect(try held.labels() == "blue,middle,high,best")
        try mirror.stop(third)
    }

    /// A constraint that earlier rows break waits for the last of them; their position is committed before it.
    @Test(arguments: Mirror.Definitions.allCases)
    func betweenRowsAndWhatHadToWaitForThem(definitions: Mirror.Definitions) throws {
        let held = try HeldTarget(definitions)
        let mirror = held.mirror
        try mirror.stop(held.first)
        try mirror.change([
            "INSERT INTO t (id, n) VALUES (100, 1)", "UPDATE t SET a = 'late', m = 'high' WHERE id = 100",
            "ALTER TABLE t ALTER COLUMN a SET NOT NULL", "INSERT INTO t VALUES (101, 'last', 2, 'low')",
        ])
        try held.hold("t", in: "ACCESS SHARE")
        try held.letGo(try held.kill(try mirror.stream(), waitingFor: "t"))
        try mirror.follow(["UPDATE t SET n = 3 WHERE id = 100"])
    }

    /// Rounds of killing; `Tests/run.sh --soak N` asks for more.
    static let rounds = TestEnvironment.variable("WEIR_TEST_SOAK").flatMap { Int($0) } ?? 8

    /// With the event trigger, which leaves no doubt: the catalog does not tell of what has come and gone.
    @Test func atRandomMoments() throws {
        let mirror = try Mirror(HeldTarget.table, definitions: .trigger)
        try mirror.stop(try mirror.stream())
        var random = SystemRandomNumberGenerator()
        for round in 1...Self.rounds {
            let statements = Self.statements(round)
            // Some are there when it starts; others come while it runs.
            let early = Int.random(in: 0...statements.count, using: &random)
            try mirror.change(Array(statements[..<early]))
            let weir = try WeirProcess(["run", mirror.config], workingDirectory: mirror.directory.path)
            let source = mirror.source
            let writer = Background { for statement in statements[early...] { try source.exec(statement) } }
            if let exit = try? weir.waitForExit(timeout: .milliseconds(Int.random(in: 20...900, using: &random))) {
                Issue.record("round \(round): weir ended by itself with \(exit): \(weir.errorLines.suffix(5))")
                return
            }
            weir.kill9()
            try writer.value(timeout: .seconds(60))
        }
        try mirror.follow()
    }

    /// Changes of a round, each with rows before and behind it.
    private static func statements(_ round: Int) -> [String] {
        let column = "\"D \(round)\""
        let other = 1000 + round
        return [
            "INSERT INTO t (id, a, n, m) VALUES (\(other), 'round', \(round), 'high')",
            "ALTER TABLE t ADD COLUMN c\(round) int NOT NULL DEFAULT \(round)",
            "UPDATE t SET c\(round) = id WHERE id % 3 = 0", "ALTER TABLE t RENAME COLUMN c\(round) TO \(column)",
            "UPDATE t SET \(column) = -id WHERE id % 4 = 0", "ALTER TABLE t ALTER COLUMN \(column) TYPE bigint",
            "UPDATE t SET \(column) = 9999999999 WHERE id % 5 = 0",
            "ALTER TABLE t ADD COLUMN g\(round) bigint GENERATED ALWAYS AS (\(column) + n) STORED",
            "UPDATE t SET n = n + 1 WHERE id % 2 = 0", "ALTER TYPE mood ADD VALUE 'm\(round)' BEFORE 'high'",
            "UPDATE t SET m = 'm\(round)' WHERE id % 6 = 0",
            "ALTER TYPE mood RENAME VALUE 'm\(round)' TO 'n\(round)'",
            "UPDATE t SET m = 'n\(round)', n = n + 1 WHERE id % 7 = 0",
            """
            BEGIN; UPDATE t SET a = 'before' WHERE id = \(other); ALTER TABLE t ADD COLUMN x\(round) text DEFAULT 'x';
            UPDATE t SET x\(round) = 'behind' WHERE id = \(other); ALTER TABLE t DROP COLUMN g\(round);
            INSERT INTO t (id, n) VALUES (\(other + 1000), 1); INSERT INTO w VALUES (\(round)); COMMIT
            """,
            "DELETE FROM t WHERE id = \(round)",
        ]
    }
}

/// A target that follows its source until the lock of somebody else holds it up.
private struct HeldTarget {
    static let table = """
        CREATE TYPE mood AS ENUM ('low', 'high');
        CREATE TABLE t (id int PRIMARY KEY, a text, n int NOT NULL, m mood,
            twice int GENERATED ALWAYS AS (n * 2) STORED);
        CREATE TABLE w (n int PRIMARY KEY);
        INSERT INTO t (id, a, n, m) SELECT i, 'row ' || i, i, 'low' FROM generate_series(1, 20) i;
        """

    let mirror: Mirror
    /// The agent that made the target's tables, which have their rows.
    let first: WeirProcess
    /// The target's definitions then.
    private let before: [String]
    private let holder: TestConnection

    init(_ definitions: Mirror.Definitions) throws {
        mirror = try Mirror(Self.table, definitions: definitions)
        first = try mirror.stream()
        try mirror.sync(first)
        before = try Mirror.definitions(mirror.target)
        holder = try mirror.server.connect(mirror.targetDatabase)
    }

    /// Locks a table of the target until `letGo`.
    func hold(_ table: String, in mode: String) throws { try holder.exec("BEGIN; LOCK TABLE \(table) IN \(mode) MODE") }

    func letGo() throws { try holder.exec("COMMIT") }

    /// Lets go, and waits until the session that a killed agent left is gone.
    func letGo(_ session: String) throws {
        try letGo()
        try waitUntilGone(session)
    }

    /// Waits until a session waits for a lock on the table, and returns its number.
    func waiting(for table: String, _ weir: WeirProcess, not other: String = "0") throws -> String {
        let sql = """
            SELECT pid FROM pg_locks WHERE NOT granted AND relation = '\(table)'::regclass AND pid <> \(other)
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """
        guard eventually(timeout: .seconds(40), { try !weir.isRunning || mirror.target.value(sql) != nil }),
            let pid = try mirror.target.value(sql)
        else { throw TestKitError("nothing waits for \(table): \(weir.errorLines.suffix(5))") }
        return pid
    }

    /// Kills an agent that waits for a lock on the table, and returns the number of the session it leaves.
    func kill(_ weir: WeirProcess, waitingFor table: String, not other: String = "0") throws -> String {
        let session = try waiting(for: table, weir, not: other)
        weir.kill9()
        return session
    }

    func waitUntilGone(_ session: String) throws {
        let isGone = eventually(timeout: .seconds(30)) {
            try mirror.target.value("SELECT count(*) FROM pg_stat_activity WHERE pid = \(session)") == "0"
        }
        guard isGone else { throw TestKitError("session \(session) of the killed agent is still there") }
    }

    /// Expects that nothing is left of a change whose agent was killed; `firstRow` is in the column `a`.
    func expectAsBefore(firstRow: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let definitions = try Mirror.definitions(mirror.target)
        #expect(definitions == before, sourceLocation: sourceLocation)
        let value = try mirror.target.value("SELECT a FROM t WHERE id = 1")
        #expect(value == firstRow, sourceLocation: sourceLocation)
    }

    /// The labels of the enum, in their order.
    func labels() throws -> String? {
        try mirror.target.value(
            "SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = 'mood'::regtype")
    }
}
