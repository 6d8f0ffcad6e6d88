import Glibc
import Testing
import WeirTestKit

/// Tables with rows that become partitions: their rows are in no change of the root's.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct AttachedPartitionScenarios {
    private static let schema = """
        CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
        CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (100);
        INSERT INTO p SELECT i, 'copied' FROM generate_series(1, 9) i
        """

    /// A table that gets a row before it becomes a partition, and one afterwards.
    private static func attach(_ low: Int, in transaction: Bool) -> [String] {
        let name = "p_\(low)"
        let statements = [
            "CREATE TABLE \(name) (LIKE p INCLUDING ALL)", "INSERT INTO \(name) VALUES (\(low), 'before')",
            "ALTER TABLE p ATTACH PARTITION \(name) FOR VALUES FROM (\(low)) TO (\(low + 100))",
            "INSERT INTO p VALUES (\(low + 1), 'behind')",
        ]
        return transaction ? ["BEGIN; \(statements.joined(separator: ";")); COMMIT"] : statements
    }

    @Test func rowsFromBeforeAreNamedAndBackfilled() throws {
        let shop = try Shop([.postgres], schema: Self.schema, sourceExtra: "  discovery.interval: 100ms")
        try shop.target.exec("DROP TABLE p; CREATE TABLE p (id int PRIMARY KEY, v text)")
        var weir = try shop.stream()
        func change(_ statements: [String]) throws {
            for statement in statements { try shop.source.exec(statement) }
        }
        // Those that were empty, or made as partitions, need nothing.
        try change([
            "CREATE TABLE p_100 PARTITION OF p FOR VALUES FROM (100) TO (200)", "INSERT INTO p VALUES (100, 'made')",
            "BEGIN; CREATE TABLE p_200 (LIKE p INCLUDING ALL); "
                + "ALTER TABLE p ATTACH PARTITION p_200 FOR VALUES FROM (200) TO (300); "
                + "INSERT INTO p VALUES (200, 'empty'); COMMIT",
        ])
        #expect(eventually { try shop.differences(["p"]) == [] })
        try change(Self.attach(300, in: true))
        try weir.waitForErrorLine(containing: "partition=public.p_300")
        try change(Self.attach(400, in: false))
        try weir.waitForErrorLine(containing: "partition=public.p_400")
        #expect(!weir.errorLines.contains { $0.contains("partition=public.p_100") || $0.contains("=public.p_200") })
        weir.signal(SIGTERM)
        #expect(try weir.waitForExit() == .status(0))
        // Below a partition that is partitioned itself, and while nobody looks.
        try change([
            "CREATE TABLE p_500 (LIKE p INCLUDING ALL) PARTITION BY RANGE (id)",
            "CREATE TABLE p_500_1 PARTITION OF p_500 FOR VALUES FROM (500) TO (600)",
            "INSERT INTO p_500 VALUES (500, 'before')",
            "ALTER TABLE p ATTACH PARTITION p_500 FOR VALUES FROM (500) TO (600)",
        ])
        weir = try shop.stream()
        let line = try weir.waitForErrorLine(containing: "partition=public.p_500_1")
        #expect(line.contains("warning") && line.contains("weir backfill --table 'public.p'"), "\(line)")
        weir.signal(SIGTERM)
        #expect(try weir.waitForExit() == .status(0))
        let backfill = try shop.weir(["backfill", shop.config, "--table", "public.p"])
        #expect(backfill.exit == .status(0), "\(backfill.errors.suffix(4))")
        #expect(try shop.differences(["p"]) == [])
    }

    /// A table that becomes a partition of a new one: the copy of the new one has its rows.
    @Test func aTableThatIsMadePartitionedIsCopiedWhole() throws {
        let shop = try Shop(
            [.postgres],
            schema: "CREATE TABLE t (id int PRIMARY KEY, v text); "
                + "INSERT INTO t SELECT i, 'x' FROM generate_series(1, 50) i",
            sourceExtra: "  discovery.interval: 100ms")
        try shop.target.exec("DROP TABLE t")
        let weir = try shop.run(["--set", "sinks[0].schema=full"])
        try weir.waitForErrorLine(containing: "streaming")
        try shop.source.exec(
            """
            BEGIN; ALTER TABLE t RENAME TO t_1; ALTER INDEX t_pkey RENAME TO t_1_pkey;
            CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
            ALTER TABLE t ATTACH PARTITION t_1 FOR VALUES FROM (0) TO (1000); COMMIT
            """)
        try shop.source.exec("INSERT INTO t VALUES (60, 'y'); UPDATE t SET v = 'z' WHERE id = 3")
        #expect(eventually { try shop.differences(["t"]) == [] })
        weir.signal(SIGTERM)
        #expect(try weir.waitForExit() == .status(0))
        #expect(!weir.errorLines.contains { $0.contains("a partition had rows") }, "\(weir.errorLines.suffix(4))")
    }
}
