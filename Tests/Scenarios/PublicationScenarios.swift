import Testing
import WeirTestKit

/// Publications that an administrator made: partitions both ways, row filters and column lists.
@Suite("Publications into a target", .tags(.integration), .needsPostgres, .timeLimit(.minutes(10)))
struct PublicationScenarios {
    private static let parted = """
        CREATE TABLE p (id int, k text, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
        CREATE TABLE p_a PARTITION OF p FOR VALUES IN ('a');
        CREATE TABLE p_b PARTITION OF p FOR VALUES IN ('b') PARTITION BY RANGE (id);
        CREATE TABLE p_b1 PARTITION OF p_b FOR VALUES FROM (0) TO (100);
        CREATE TABLE p_b2 (v text, id int NOT NULL, k text NOT NULL, PRIMARY KEY (id, k));
        ALTER TABLE p_b ATTACH PARTITION p_b2 FOR VALUES FROM (100) TO (200)
        """

    /// Rows that come, change, wander between partitions and go; partitions that come and go.
    private func change(_ source: TestConnection) throws {
        for statement in [
            "INSERT INTO p VALUES (1, 'a', 'x'), (2, 'b', 'x'), (150, 'b', 'x'), (3, 'a', 'y'), (4, 'a', NULL)",
            "UPDATE p SET v = v || '!' WHERE id > 1", "UPDATE p SET k = 'b' WHERE id = 3",
            "UPDATE p SET id = 160 WHERE id = 2", "DELETE FROM p WHERE id = 150", "TRUNCATE p_a",
            "INSERT INTO p VALUES (7, 'a', 'again')",
        ] {
            try source.exec(statement)
        }
    }

    /// What happens to leaves while it runs; the target has the same leaves already or does not need them.
    private static let leaves = [
        "CREATE TABLE p_c PARTITION OF p FOR VALUES IN ('c')",
        "INSERT INTO p VALUES (1, 'c', 'created'), (2, 'c', 'created')",
        "CREATE TABLE p_d (k text NOT NULL, id int NOT NULL, gone int, v text, PRIMARY KEY (id, k)); "
            + "ALTER TABLE p_d DROP COLUMN gone",
        "ALTER TABLE p ATTACH PARTITION p_d FOR VALUES IN ('d')", "INSERT INTO p VALUES (1, 'd', 'attached')",
        "UPDATE p SET k = 'd', id = 9 WHERE k = 'c' AND id = 1", "DELETE FROM p WHERE k = 'c'",
        "ALTER TABLE p DETACH PARTITION p_c", "INSERT INTO p_c VALUES (5, 'c', 'of no root any more')",
        "DROP TABLE p_c", "UPDATE p SET v = 'last' WHERE k = 'd'",
    ]

    private func stage(_ schema: String, target: String? = nil, publication: String) throws -> Shop {
        let shop = try Shop([.postgres], schema: schema, sourceExtra: "  publication: theirs", tables: "[\"public.*\"]")
        if let target {
            try shop.target.exec("DROP SCHEMA public CASCADE; CREATE SCHEMA public; \(target)")
        }
        try shop.source.exec("CREATE PUBLICATION theirs \(publication)")
        return shop
    }

    @Test(arguments: ["plain", "partitioned"]) func partitionsThroughTheirRoot(_ target: String) throws {
        let plain = "CREATE TABLE p (id int, k text, v text, PRIMARY KEY (id, k))"
        let parted = """
            CREATE TABLE p (v text, k text, id int, PRIMARY KEY (k, id)) PARTITION BY HASH (id);
            CREATE TABLE p_0 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 0);
            CREATE TABLE p_1 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 1)
            """
        let shop = try stage(
            Self.parted, target: target == "plain" ? plain : parted,
            publication: "FOR TABLE p WITH (publish_via_partition_root = true)")
        try shop.source.exec("INSERT INTO p VALUES (50, 'a', 'before'), (51, 'b', 'before'), (52, 'a', NULL)")
        try shop.source.exec("DELETE FROM p WHERE k = 'a'")
        try shop.catchUp()
        let rows = "SELECT id, k, v FROM p ORDER BY 1, 2"
        #expect(try shop.target.query(rows) == shop.source.query(rows))
        let weir = try shop.stream()
        // TRUNCATE of a leaf is not published under the root: `weir check` says so. The leaf is empty here.
        for statement in [
            "INSERT INTO p VALUES (1, 'a', 'x'), (2, 'b', 'x'), (150, 'b', 'x'), (3, 'a', 'y'), (4, 'a', NULL)",
            "UPDATE p SET v = v || '!' WHERE id > 1", "UPDATE p SET k = 'b' WHERE id = 3",
            "UPDATE p SET id = 160 WHERE id = 2", "DELETE FROM p WHERE id = 150",
        ] + Self.leaves {
            try shop.source.exec(statement)
        }
        #expect(eventually { try shop.target.query(rows) == shop.source.query(rows) })
        try shop.source.exec("TRUNCATE p; INSERT INTO p VALUES (1, 'a', 'after')")
        #expect(eventually { try shop.target.query(rows) == [["1", "a", "after"]] })
        weir.signal(15)
        #expect(try weir.waitForExit() == .status(0))
    }

    @Test func partitionsUnderTheirOwnNames() throws {
        let leaves = ["p_a", "p_b1", "p_b2"]
        // The target's leaves are tables of their own.
        let target = leaves.map { "CREATE TABLE \($0) (id int, k text, v text, PRIMARY KEY (id, k));" }.joined()
        let shop = try stage(
            Self.parted, target: target,
            publication: "FOR TABLE p WITH (publish_via_partition_root = false)")
        try shop.source.exec("INSERT INTO p VALUES (50, 'a', 'before'), (51, 'b', 'before')")
        try shop.catchUp()
        func differences(_ tables: [String]) throws -> [String] {
            try tables.filter { table in
                let rows = "SELECT id, k, v FROM \(table) ORDER BY 1, 2"
                return try shop.source.query(rows) != shop.target.query(rows)
            }
        }
        #expect(try differences(leaves) == [])
        let weir = try shop.stream()
        try change(shop.source)
        #expect(eventually { try differences(leaves) == [] })
        // Leaves that come: the target has them first, as its administrator made them.
        try shop.target.exec(
            "CREATE TABLE p_c (id int, k text, v text, PRIMARY KEY (id, k)); CREATE TABLE p_d (LIKE p_c INCLUDING ALL)")
        for statement in Self.leaves.dropLast(4) { try shop.source.exec(statement) }
        #expect(eventually { try differences(leaves + ["p_c", "p_d"]) == [] })
        // A leaf that is detached is no part of the publication any more.
        try shop.source.exec("ALTER TABLE p DETACH PARTITION p_c; INSERT INTO p_c VALUES (5, 'c', 'alone')")
        try shop.source.exec("UPDATE p SET v = 'last' WHERE k = 'd'")
        #expect(eventually { try differences(leaves + ["p_d"]) == [] })
        #expect(try shop.target.value("SELECT count(*) FROM p_c") == "0")
        weir.signal(15)
        #expect(try weir.waitForExit() == .status(0))
    }

    @Test func rowFiltersAndColumnLists() throws {
        let shop = try stage(
            "CREATE TABLE t (id int PRIMARY KEY, v text, secret text); CREATE TABLE u (id int PRIMARY KEY, n int); "
                + "ALTER TABLE u REPLICA IDENTITY FULL",
            target: "CREATE TABLE t (v text, id int PRIMARY KEY, more int DEFAULT 7); "
                + "CREATE TABLE u (id int PRIMARY KEY, n int)",
            publication: "FOR TABLE t (id, v) WHERE (id > 10), u WHERE (n IS NOT NULL)")
        try #require(try (shop.source.number("SHOW server_version_num") ?? 0) >= 150_000)
        try shop.source.exec(
            "INSERT INTO t SELECT g, 'v' || g, 's' FROM generate_series(1, 20) g; "
                + "INSERT INTO u VALUES (1, 1), (2, NULL)"
        )
        try shop.catchUp()
        func areEqual() throws -> Bool {
            try shop.target.query("SELECT id, v FROM t ORDER BY 1")
                == shop.source.query("SELECT id, v FROM t WHERE id > 10 ORDER BY 1")
                && shop.target.query("SELECT * FROM u ORDER BY 1")
                    == shop.source.query("SELECT * FROM u WHERE n IS NOT NULL ORDER BY 1")
        }
        #expect(try areEqual())
        for statement in [
            "UPDATE t SET v = 'new', secret = 'x' WHERE id < 15", "UPDATE t SET secret = 'only' WHERE id = 12",
            "UPDATE t SET id = id + 100 WHERE id < 5", "UPDATE t SET id = -id WHERE id = 20",
            "DELETE FROM t WHERE id IN (6, 16)", "INSERT INTO t VALUES (8000, 'in', ''), (-8000, 'out', '')",
            "UPDATE u SET n = NULL WHERE id = 1", "UPDATE u SET n = 2 WHERE id = 2", "UPDATE u SET n = 3 WHERE id = 2",
            "DELETE FROM u WHERE id = 1", "INSERT INTO u VALUES (3, NULL), (4, 4)",
        ] {
            try shop.source.exec(statement)
        }
        try shop.catchUp()
        #expect(try areEqual())
        #expect(try shop.target.value("SELECT bool_and(more = 7) FROM t") == "t")
    }
}
