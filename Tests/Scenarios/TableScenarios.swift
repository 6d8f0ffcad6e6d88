import Testing
import WeirTestKit

/// Every kind of table and key, from a source to a target that ends up equal: by a snapshot, then by a stream.
@Suite("Tables and keys into a target", .tags(.integration), .needsPostgres, .timeLimit(.minutes(10)))
struct TableScenarios {
    /// Copies what `schema` made, then carries out each change and compares.
    private func follow(
        _ tables: [String], schema: String, rows: String = "", changes: [String], selection: String = "[\"public.*\"]"
    ) throws {
        let shop = try Shop([.postgres], schema: schema, tables: selection)
        if !rows.isEmpty { try shop.source.exec(rows) }
        try shop.catchUp()
        #expect(try shop.differences(tables) == [], "after the snapshot")
        for change in changes { try shop.source.exec(change) }
        try shop.catchUp()
        #expect(try shop.differences(tables) == [], "after the stream")
    }

    @Test func replicaIdentitiesAndSwitchesBetweenThem() throws {
        let shop = try Shop(
            [.postgres],
            schema: """
                CREATE TABLE d (id int PRIMARY KEY, v text);
                CREATE TABLE i (code text NOT NULL UNIQUE, v text);
                ALTER TABLE i REPLICA IDENTITY USING INDEX i_code_key;
                CREATE TABLE f (id int, v text); ALTER TABLE f REPLICA IDENTITY FULL;
                CREATE TABLE n (id int PRIMARY KEY, v text); ALTER TABLE n REPLICA IDENTITY NOTHING;
                CREATE TABLE s (id int PRIMARY KEY, code text NOT NULL UNIQUE, v text)
                """)
        let rows = "SELECT g, 'v' || g FROM generate_series(1, 9) g"
        try shop.source.exec(
            "INSERT INTO d \(rows); INSERT INTO i \(rows); INSERT INTO f \(rows); INSERT INTO n \(rows); "
                + "INSERT INTO s SELECT g, 'c' || g, 'v' FROM generate_series(1, 9) g")
        let weir = try shop.stream()
        for table in ["d", "i", "f"] {
            let key = table == "i" ? "code" : "id"
            try shop.source.exec("UPDATE \(table) SET v = 'new' WHERE \(key)::int % 2 = 0")
            try shop.source.exec("UPDATE \(table) SET \(key) = \(key)::int + 100 WHERE \(key)::int % 3 = 0")
            try shop.source.exec("DELETE FROM \(table) WHERE \(key)::int IN (1, 103)")
            try shop.source.exec("INSERT INTO \(table) VALUES ('5000', NULL)")
        }
        // What has no identity is refused by the source's server, and inserts go on.
        for change in ["UPDATE n SET v = 'x'", "DELETE FROM n"] {
            #expect(throws: TestKitError.self) { try shop.source.exec(change) }
        }
        try shop.source.exec("INSERT INTO n VALUES (10, 'ten')")
        for identity in ["FULL", "USING INDEX s_code_key", "NOTHING", "DEFAULT", "FULL", "DEFAULT"] {
            try shop.source.exec("ALTER TABLE s REPLICA IDENTITY \(identity)")
            try shop.source.exec("INSERT INTO s SELECT max(id) + 1, 'i' || max(id), 'w' FROM s")
            guard identity != "NOTHING" else { continue }
            try shop.source.exec("UPDATE s SET v = v || id WHERE id % 2 = 0")
            try shop.source.exec("UPDATE s SET code = code || '!' WHERE id % 3 = 0")
            try shop.source.exec("DELETE FROM s WHERE id = (SELECT min(id) FROM s)")
        }
        #expect(eventually { try shop.differences(["d", "i", "f", "n", "s"]) == [] })
        weir.signal(15)
        #expect(try weir.waitForExit() == .status(0))
        #expect(try shop.differences(["d", "i", "f", "n", "s"]) == [])
    }

    @Test func oneOfEqualRowsIsChanged() throws {
        try follow(
            ["f"], schema: "CREATE TABLE f (a int, b text, j json); ALTER TABLE f REPLICA IDENTITY FULL",
            rows:
                "INSERT INTO f SELECT 1, 'x', '{ }' FROM generate_series(1, 5); "
                + "INSERT INTO f VALUES (NULL, NULL, NULL)",
            changes: [
                "DELETE FROM f WHERE ctid = (SELECT min(ctid) FROM f WHERE a = 1)",
                "UPDATE f SET b = 'y' WHERE ctid = (SELECT min(ctid) FROM f WHERE a = 1)",
                "INSERT INTO f VALUES (NULL, NULL, NULL), (1, 'x', '{}')",
                "DELETE FROM f WHERE ctid = "
                    + "(SELECT max(ctid) FROM f WHERE a IS NULL)",
                "UPDATE f SET a = a WHERE b = 'y'", "UPDATE f SET j = '[1]' WHERE j::text = '{ }'",
            ])
    }

    @Test func toastedKeysAndValues() throws {
        let key = "string_agg(md5(g::text || $1), '') FROM generate_series(1, 70) g"
        func value(_ seed: Int) -> String { "(SELECT \(key.replacing("$1", with: "'\(seed)'")))" }
        try follow(
            ["t", "w"],
            schema: """
                CREATE TABLE t (k text PRIMARY KEY, v int, big text) WITH (toast_tuple_target = 128);
                ALTER TABLE t ALTER k SET STORAGE EXTERNAL; ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
                CREATE TABLE w (k text, v int, big text) WITH (toast_tuple_target = 128);
                ALTER TABLE w ALTER k SET STORAGE EXTERNAL; ALTER TABLE w ALTER big SET STORAGE EXTERNAL;
                ALTER TABLE w REPLICA IDENTITY FULL
                """,
            rows: ["t", "w"].flatMap { table in
                (1...4).map { "INSERT INTO \(table) VALUES (\(value($0)), \($0), repeat('b\($0)', 5000));" }
            }.joined(),
            changes: ["t", "w"].flatMap { table in
                [
                    "UPDATE \(table) SET v = v + 10", "UPDATE \(table) SET k = \(value(9)) WHERE v = 11",
                    "UPDATE \(table) SET big = NULL WHERE v = 12", "DELETE FROM \(table) WHERE v = 13",
                    "UPDATE \(table) SET k = k || '!', v = 0 WHERE v = 14",
                ]
            })
    }

    @Test func keysThatChangePlacesWithinATransaction() throws {
        try follow(
            ["t", "d"],
            schema: """
                CREATE TABLE t (id int PRIMARY KEY, v text);
                CREATE TABLE d (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text);
                ALTER TABLE d REPLICA IDENTITY FULL
                """,
            rows: "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO d SELECT * FROM t",
            changes: [
                """
                BEGIN; UPDATE t SET id = -1 WHERE id = 1; UPDATE t SET id = 1 WHERE id = 2;
                UPDATE t SET id = 2 WHERE id = -1; UPDATE t SET v = v || '!' WHERE id = 1; COMMIT
                """,
                "BEGIN; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (3, 'again'); "
                    + "DELETE FROM t WHERE id = 3; COMMIT",
                "UPDATE d SET id = 3 - id WHERE id < 3", "UPDATE d SET id = id + 1",
                "BEGIN; UPDATE d SET id = 4 WHERE id = 2; UPDATE d SET id = 2 WHERE id = 4 AND v = 'c'; COMMIT",
            ])
    }

    @Test func tablesThatInherit() throws {
        try follow(
            ["ONLY parent", "child", "grandchild"],
            schema: """
                CREATE TABLE parent (id int PRIMARY KEY, v text);
                CREATE TABLE child (extra int, PRIMARY KEY (id)) INHERITS (parent);
                CREATE TABLE grandchild (PRIMARY KEY (id)) INHERITS (child)
                """,
            rows: "INSERT INTO parent VALUES (1, 'p'), (2, 'p'); INSERT INTO child VALUES (1, 'c', 7), (2, 'c', 8); "
                + "INSERT INTO grandchild VALUES (1, 'g', 9)",
            changes: [
                "UPDATE parent SET v = v || '!' WHERE id = 1", "DELETE FROM ONLY parent WHERE id = 2",
                "INSERT INTO child VALUES (5, 'new', NULL)", "TRUNCATE ONLY child",
                "INSERT INTO child VALUES (6, '', 1)",
                "TRUNCATE parent", "INSERT INTO grandchild VALUES (1, 'after', 2)",
            ])
    }

    @Test func identityAndGeneratedColumns() throws {
        try follow(
            ["t"],
            schema: """
                CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int,
                    twice int GENERATED ALWAYS AS (a * 2) STORED, b int GENERATED BY DEFAULT AS IDENTITY)
                """,
            rows: "INSERT INTO t (a) SELECT g FROM generate_series(1, 9) g",
            changes: [
                "INSERT INTO t (a, b) VALUES (100, 5000)", "UPDATE t SET a = a + 1 WHERE id < 4",
                "UPDATE t SET id = DEFAULT WHERE id = 5", "UPDATE t SET b = 7 WHERE id = 6",
                "DELETE FROM t WHERE id = 7",
                "INSERT INTO t (id, a) OVERRIDING SYSTEM VALUE VALUES (5, NULL)",
            ])
    }

    @Test func tablesWithoutALogAreLeftOutAndNamed() throws {
        let shop = try Shop([.postgres], schema: "CREATE TABLE t (id int PRIMARY KEY)")
        try shop.source.exec("CREATE UNLOGGED TABLE noise (id int PRIMARY KEY)")
        let check = try shop.weir(["check", shop.config])
        let line = try #require(check.output.first { $0.contains("Unlogged tables are not replicated") }, "\(check)")
        #expect(line.contains("public.noise"))
        try shop.source.exec(
            "INSERT INTO noise VALUES (1); CREATE TEMP TABLE passing (id int PRIMARY KEY); "
                + "INSERT INTO passing VALUES (1)"
        )
        try shop.catchUp()
        try shop.source.exec("INSERT INTO noise VALUES (2); INSERT INTO passing VALUES (2); INSERT INTO t VALUES (1)")
        try shop.catchUp()
        #expect(try shop.differences(["t"]) == [])
        #expect(try shop.target.value("SELECT to_regclass('noise') IS NULL") == "t")
    }

    @Test func sixteenHundredColumns() throws {
        let columns = (2...1600).map { "c\($0) int" }.joined(separator: ", ")
        try follow(
            ["t"], schema: "CREATE TABLE t (id int PRIMARY KEY, \(columns))",
            rows:
                "INSERT INTO t SELECT \((1...1600).map(String.init).joined(separator: ", ")); "
                + "INSERT INTO t (id) VALUES (2)",
            changes: [
                "INSERT INTO t (id, c1600) VALUES (3, -1)", "UPDATE t SET c800 = NULL, c1600 = 7 WHERE id = 1",
                "UPDATE t SET id = 9 WHERE id = 2", "DELETE FROM t WHERE id = 3",
            ])
    }

    @Test func twoHundredToastedColumns() throws {
        let names = (1...200).map { "c\($0)" }
        try follow(
            ["t"],
            schema:
                "CREATE TABLE t (id int PRIMARY KEY, n int, \(names.map { "\($0) text" }.joined(separator: ", "))); "
                + names.map { "ALTER TABLE t ALTER \($0) SET STORAGE EXTERNAL;" }.joined(),
            rows: "INSERT INTO t SELECT g, 0, \(names.map { "repeat('\($0)', 800)" }.joined(separator: ", ")) "
                + "FROM generate_series(1, 3) g",
            changes: [
                "UPDATE t SET n = 1", "UPDATE t SET c7 = 'short', c200 = repeat('x', 5000) WHERE id = 2",
                "UPDATE t SET id = 10, c1 = NULL WHERE id = 3", "DELETE FROM t WHERE id = 1",
                "INSERT INTO t (id, c100) VALUES (11, repeat('n', 9000))",
            ])
    }

    @Test func hostileIdentifiers() throws {
        let names = [
            "a\"b", "a.b", "a b", "Ünï", "😀", "'; DROP TABLE kept; --", "%s%d%n", "back\\slash", "$1", "select",
            "new\nline", "tab\t", String(repeating: "é", count: 31) + "x", "\"", "{pipeline}", "*", "!x", "public.x",
            " ",
        ]
        let schema = "odd \"schema\".x"
        let quoted = quotedIdentifier(schema)
        let tables = names.map { "\(quoted).\(quotedIdentifier($0))" }
        let columns = names.map { "\(quotedIdentifier($0)) text" }.joined(separator: ", ")
        try follow(
            tables,
            schema: "CREATE TABLE kept (id int PRIMARY KEY); CREATE SCHEMA \(quoted);"
                + zip(tables, names).map { "CREATE TABLE \($0) (\(columns), PRIMARY KEY (\(quotedIdentifier($1))));" }
                .joined(),
            rows: tables.map { table in
                (1...3).map { row in
                    "INSERT INTO \(table) VALUES (\(names.indices.map { "'\(row) \($0)'" }.joined(separator: ", ")));"
                }.joined()
            }.joined(),
            changes: zip(tables, names).flatMap { table, name in
                let key = quotedIdentifier(name)
                let other = quotedIdentifier(names[name == names[0] ? 1 : 0])
                return [
                    "UPDATE \(table) SET \(other) = 'new' WHERE \(key) LIKE '1%'",
                    "UPDATE \(table) SET \(key) = 'moved' WHERE \(key) LIKE '2%'",
                    "DELETE FROM \(table) WHERE \(key) LIKE '3%'", "INSERT INTO \(table) (\(key)) VALUES ('late')",
                ]
            }, selection: "[\"*.*\", \"!weir.*\"]")
    }
}
