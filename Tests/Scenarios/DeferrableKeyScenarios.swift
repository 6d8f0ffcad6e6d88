import Glibc
import Testing
import WeirTestKit

/// Primary keys that are looked at late: rows may have the same one for a moment.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct DeferrableKeyScenarios {
    private static let setup = """
        CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, v text);
        CREATE TABLE u (id int, v text, CONSTRAINT own PRIMARY KEY (id));
        ALTER TABLE t REPLICA IDENTITY FULL; ALTER TABLE u REPLICA IDENTITY FULL;
        INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO u SELECT * FROM t
        """
    /// Each has rows that tell of it.
    private static let changes = [
        "UPDATE t SET id = 4 - id", "UPDATE t SET id = id + 1",
        """
        ALTER TABLE u DROP CONSTRAINT own, ADD CONSTRAINT own PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED;
        UPDATE u SET id = 3 WHERE id = 2; INSERT INTO u VALUES (2, 'd'); UPDATE u SET id = 9 WHERE v = 'c'
        """,
        """
        CREATE TABLE w (id int PRIMARY KEY DEFERRABLE, v text); ALTER TABLE w REPLICA IDENTITY FULL;
        INSERT INTO w VALUES (1, 'a'), (2, 'b'); UPDATE w SET id = 3 - id
        """,
        "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id); UPDATE t SET id = 11 WHERE id = 3",
        "DELETE FROM t WHERE id = 4",
    ]

    @Test(arguments: Mirror.Definitions.allCases) func rowsSwapTheirKeys(definitions: Mirror.Definitions) throws {
        let mirror = try Mirror(Self.setup, definitions: definitions)
        let weir = try mirror.stream()
        for change in Self.changes {
            try mirror.source.exec(change)
            try mirror.expectSame(weir)
        }
        try mirror.stop(weir)
    }

    @Test(arguments: Mirror.Definitions.allCases) func rowsSwapTheirKeysWhileDown(
        definitions: Mirror.Definitions
    ) throws {
        try Mirror(Self.setup, definitions: definitions).followWhileDown(Self.changes)
    }

    /// ON CONFLICT takes no deferrable key: the target's is none.
    @Test(arguments: ["apply: upsert", "missing.rows: insert"], ["additive", "full"])
    func keysThatFindRowsAreNotDeferrable(setting: String, schema: String) throws {
        let mirror = try Mirror(Self.setup, schema: "\(schema), \(setting)")
        let weir = try mirror.stream()
        try mirror.source.exec("UPDATE t SET id = id + 10, v = 'moved' WHERE id = 2; INSERT INTO t VALUES (7, 'g')")
        try mirror.source.exec(
            "ALTER TABLE u DROP CONSTRAINT own, ADD CONSTRAINT own PRIMARY KEY (id) DEFERRABLE; "
                + "INSERT INTO u VALUES (8, 'h')")
        try mirror.sync(weir)
        for table in ["t", "u"] {
            let sql = "SELECT * FROM \(table) ORDER BY id"
            #expect(try mirror.target.query(sql) == mirror.source.query(sql))
        }
        #expect(try mirror.target.value("SELECT count(*) FROM pg_constraint WHERE condeferrable") == "0")
        try mirror.stop(weir)
    }

    /// A user's own table, in which rows cannot swap their keys.
    @Test func whatCheckAdvisesIsEnough() throws {
        let mirror = try Mirror(Self.setup, schema: "additive")
        try mirror.target.exec(
            "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY, v text)")
        let check = try WeirProcess.run(["check", mirror.config], workingDirectory: mirror.directory.path)
        let lines = check.output.filter { $0.contains("ADD CONSTRAINT") }
        #expect(lines.count == 1, "\(check.output)")
        let remedy = try #require(lines.first)
        let start = try #require(remedy.firstRange(of: "ALTER TABLE")?.lowerBound)
        try mirror.target.exec(String(remedy[start...]))
        let weir = try mirror.stream()
        try mirror.source.exec(Self.changes[0])
        try mirror.sync(weir)
        let rows = "SELECT * FROM t ORDER BY id"
        #expect(try mirror.target.query(rows) == [["1", "c"], ["2", "b"], ["3", "a"]])
        try mirror.stop(weir)
    }

    /// As documented: the second of two rows takes the place of the first.
    @Test func upsertKeepsOneOfTwoRowsThatSwapTheirKeys() throws {
        let mirror = try Mirror(Self.setup, schema: "additive, apply: upsert")
        let weir = try mirror.stream()
        try mirror.sync(weir)
        let check = try WeirProcess.run(["check", mirror.config], workingDirectory: mirror.directory.path)
        #expect(check.output.contains { $0.contains("of rows that swap their keys `apply: upsert` keeps one") })
        try mirror.source.exec(Self.changes[0])
        try mirror.sync(weir)
        #expect(try mirror.target.value("SELECT count(*) FROM t") == "2")
        try mirror.stop(weir)
    }

    /// A publication of the target's own takes no deferrable key for a replica identity; and a session that is no
    /// replica looks at keys at the end of each statement.
    @Test func aTargetThatIsPublishedAndNoReplica() throws {
        let mirror = try Mirror(Self.setup, schema: "full, session.role: origin")
        try mirror.target.exec("CREATE PUBLICATION p FOR ALL TABLES")
        let weir = try mirror.stream()
        for change in [Self.changes[0], Self.changes[2], Self.changes[3]] {
            try mirror.source.exec(change)
            try mirror.sync(weir)
        }
        for table in ["t", "u", "w"] {
            let sql = "SELECT * FROM \(table) ORDER BY id"
            #expect(try mirror.target.query(sql) == mirror.source.query(sql))
        }
        try mirror.stop(weir)
    }

    /// PostgreSQL refuses updates and deletes of a published table whose only key is deferrable, and of a partition
    /// that has none, whatever its root has.
    @Test func noTableIsPublishedUnaskedWhoseUsersWouldBeRefused() throws {
        let mirror = try Mirror(
            """
            CREATE TABLE d (id int PRIMARY KEY DEFERRABLE, v int); INSERT INTO d VALUES (1, 1);
            CREATE TABLE r (id int, v int) PARTITION BY LIST (id); CREATE TABLE r1 PARTITION OF r FOR VALUES IN (1);
            ALTER TABLE r REPLICA IDENTITY FULL; INSERT INTO r VALUES (1, 1)
            """)
        let own = "own_\(mirror.sourceDatabase)"
        try mirror.source.exec("DROP PUBLICATION weir_\(mirror.sourceDatabase)")
        func run(_ tables: String) throws -> WeirProcess {
            let config = try mirror.directory.write(
                """
                pipeline: \(own)
                source: {url: "\(mirror.server.url(database: mirror.sourceDatabase))"\(tables)}
                sinks: [{type: stdout}]

                """, to: "own.yaml")
            let weir = try WeirProcess(
                ["run", config], workingDirectory: mirror.directory.path)
            try weir.waitForErrorLine(containing: "streaming")
            return weir
        }
        let unasked = try run("")
        try mirror.source.exec("UPDATE d SET v = 2; UPDATE r SET v = 2; INSERT INTO ticks VALUES (1)")
        #expect(eventually { unasked.outputLines.contains { $0.contains(#""n":1"#) } })
        try mirror.stop(unasked)
        #expect(!unasked.outputLines.contains { $0.contains(#""table":"d""#) })
        // Asked for, it has inserts only, and the key that Debezium gives them.
        let asked = try run(", tables: [public.d]")
        #expect(eventually { asked.outputLines.count == 1 })
        try mirror.source.exec("INSERT INTO d VALUES (7, 7)")
        #expect(eventually { asked.outputLines.count == 2 })
        #expect(throws: TestKitError.self) { try mirror.source.exec("UPDATE d SET v = 3") }
        #expect(asked.errorLines.contains { $0.contains("refuses UPDATE and DELETE") && $0.contains("public.d") })
        try mirror.stop(asked)
        #expect(asked.outputLines.map { $0.contains(#""op":"r""#) } == [true, false])
        #expect(
            asked.outputLines[0].contains(#""key":{"id":1},"#) && asked.outputLines[1].contains(#""key":{"id":7},"#))
    }
}
