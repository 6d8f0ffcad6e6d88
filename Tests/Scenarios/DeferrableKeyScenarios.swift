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

    /// PostgreSQL refuses updates and deletes of a published table whose only key is deferrable.
    @Test func noTableIsPublishedUnaskedWhoseUsersWouldBeRefused() throws {
        let mirror = try Mirror("CREATE TABLE d (id int PRIMARY KEY DEFERRABLE, v int); INSERT INTO d VALUES (1, 1)")
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
        try mirror.source.exec("UPDATE d SET v = 2; INSERT INTO ticks VALUES (1)")
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
