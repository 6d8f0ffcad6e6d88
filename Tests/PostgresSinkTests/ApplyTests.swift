import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSink

@Suite("Apply: keys, TRUNCATE, columns", .tags(.integration), .needsPostgres)
struct ApplyTests {
    @Test func insertsUpdatesAndDeletesByPrimaryKey() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, a text, b numeric(10,2))")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transaction(100) { batch in
                batch.insert(t, ["1", "one", "1.50"])
                batch.insert(t, ["2", nil, "2.50"])
                batch.insert(t, ["3", "", nil])
            })
        try driver.write(
            transaction(200) { batch in
                batch.update(t, ["1", "uno", "1.50"])
                batch.update(t, ["20", "two", "2.50"], key: ["2", nil, nil])
                batch.delete(t, key: ["3", nil, nil])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["1|uno|1.50", "20|two|2.50"])
        #expect(try target.position == "0/D0")
        #expect(driver.confirmed == LSN(208))
        #expect(driver.durable == 2)
    }

    @Test func keepsTheOrderInsideATransaction() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, a text UNIQUE)")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transaction(100) {
                $0.insert(t, ["1", "a"])
                $0.insert(t, ["2", "b"])
            })
        try driver.write(
            transaction(200) {
                // Keys swapped through a third one, then one key deleted and inserted twice.
                $0.update(t, ["-1", "a"], key: ["1", nil])
                $0.update(t, ["1", "b"], key: ["2", nil])
                $0.update(t, ["2", "a"], key: ["-1", nil])
                $0.delete(t, key: ["1", nil])
                $0.insert(t, ["1", "c"])
                $0.delete(t, key: ["1", nil])
                $0.insert(t, ["1", "d"])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["1|d", "2|a"])
    }

    @Test func leavesRowsOfTablesThatInheritAlone() throws {
        let target = try Target(
            """
            CREATE TABLE parent (id int PRIMARY KEY, v text); CREATE TABLE heir () INHERITS (parent);
            INSERT INTO parent VALUES (1, 'p'), (2, 'p'); INSERT INTO heir VALUES (1, 'h'), (2, 'h'), (3, 'h')
            """)
        let (parent, full) = (try target.relation("parent"), try target.relation("parent", identity: .full))
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transaction(100) {
                $0.update(parent, ["1", "x"])
                $0.delete(full, full: ["2", "p"])
            })
        let rows = "SELECT tableoid::regclass, id, v FROM parent ORDER BY 1, 2"
        #expect(try target.rows(rows) == ["parent|1|x", "heir|1|h", "heir|2|h", "heir|3|h"])
        try driver.write(transaction(200) { $0.truncate([parent]) })
        #expect(try target.rows(rows) == ["heir|1|h", "heir|2|h", "heir|3|h"])
    }

    @Test func leavesUnchangedToastAlone() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, big text NOT NULL, a text)")
        let t = try target.relation("t")
        let full = try target.relation("t", identity: .full)
        let driver = try SinkDriver(target.settings)
        let big = TestValue.text(String(repeating: "x", count: 9000))
        try driver.write(transaction(100) { $0.insert(t, ["1", big, "a"]) })
        try driver.write(transaction(200) { $0.update(t, ["1", .unchanged, "b"]) })
        try driver.write(transaction(300) { $0.update(t, ["2", .unchanged, "c"], key: ["1", nil, nil]) })
        // With the whole old row sent, its value is there although the new one says unchanged.
        try driver.write(transaction(400) { $0.update(full, ["2", .unchanged, "d"], full: ["2", big, "c"]) })
        #expect(try target.rows("SELECT id, length(big), a FROM t") == ["2|9000|d"])
    }

    @Test func updatesByReplicaIdentityIndex() throws {
        let target = try Target(
            """
            CREATE TABLE t (a int NOT NULL, b text NOT NULL, c text, UNIQUE (b, a));
            ALTER TABLE t REPLICA IDENTITY USING INDEX t_b_a_key
            """)
        let t = try target.relation("t")
        #expect(t.identity == .index)
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transaction(100) {
                $0.insert(t, ["1", "x", "one"])
                $0.insert(t, ["1", "y", "two"])
                $0.update(t, ["1", "y", nil])
                $0.update(t, ["2", "x", "three"], key: ["1", "x", nil])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY b") == ["2|x|three", "1|y|~"])
        try driver.write(transaction(200) { $0.delete(t, key: ["1", "y", nil]) })
        #expect(try target.rows("SELECT * FROM t") == ["2|x|three"])
    }

    @Test func truncatesTablesOfOneStatementTogether() throws {
        let target = try Target(
            """
            CREATE TABLE parent (id int PRIMARY KEY);
            CREATE TABLE child (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, parent int REFERENCES parent);
            INSERT INTO parent VALUES (1); INSERT INTO child (parent) VALUES (1), (1)
            """)
        let (parent, child) = (try target.relation("parent"), try target.relation("child"))
        let driver = try SinkDriver(target.settings)
        try driver.write(transaction(100) { $0.truncate([parent, child]) })
        #expect(try target.rows("SELECT count(*) FROM parent UNION ALL SELECT count(*) FROM child") == ["0", "0"])
        #expect(try target.rows("SELECT nextval(pg_get_serial_sequence('child', 'id'))") == ["3"])
    }

    @Test func truncateTakesCascadeAndRestartFromTheSource() throws {
        let target = try Target(
            """
            CREATE TABLE parent (id int PRIMARY KEY);
            CREATE TABLE child (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, parent int REFERENCES parent);
            INSERT INTO parent VALUES (1); INSERT INTO child (parent) VALUES (1), (1)
            """)
        let parent = try target.relation("parent")
        let driver = try SinkDriver(target.settings)
        var builder = BatchBuilder()
        builder.begin(
            TransactionInfo(xid: 1, commitLSN: LSN(100), commitTime: 0, rows: 0..<0, begins: true, ends: false))
        builder.addRow(.truncate, relation: parent, lsn: LSN(90), flags: [.cascade, .restartIdentity])
        builder.commit(endLSN: LSN(108))
        try driver.write(builder.seal(at: 0))
        #expect(try target.rows("SELECT count(*) FROM child") == ["0"])
        #expect(try target.rows("SELECT nextval(pg_get_serial_sequence('child', 'id'))") == ["1"])
    }

    @Test func writesIdentityColumnsAndLeavesGeneratedOnes() throws {
        let target = try Target(
            """
            CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int,
                            twice int GENERATED ALWAYS AS (a * 2) STORED, extra text DEFAULT 'mine')
            """)
        // The source sends the generated column as well, as PostgreSQL 18 can.
        let source = Relation.test("t", ["id": .int4, "a": .int4, "twice": .int4])
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transaction(100) {
                $0.insert(source, ["7", "1", "2"])
                $0.insert(source, ["9", "2", "4"])
            })
        try target.exec("UPDATE t SET extra = 'kept'")
        try driver.write(
            transaction(200) {
                $0.update(source, ["7", "5", "10"])
                // The key of an identity column that the source set anew.
                $0.update(source, ["11", "6", "12"], key: ["9", nil, nil])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["7|5|10|kept", "11|6|12|kept"])
    }

    @Test func appliesTablesWithOnlyAKeyOrNoColumn() throws {
        let target = try Target("CREATE TABLE lone (id int PRIMARY KEY); CREATE TABLE none ()")
        let (lone, none) = (try target.relation("lone"), try target.relation("none"))
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transaction(100) {
                $0.insert(lone, ["1"])
                $0.update(lone, ["1"])
                for _ in 0..<3 { $0.insert(none, []) }
            })
        try driver.write(transaction(200) { $0.delete(none, full: []) })
        #expect(try target.rows("SELECT id FROM lone") == ["1"])
        #expect(try target.rows("SELECT count(*) FROM none") == ["2"])
    }

    @Test func quotesHostileIdentifiers() throws {
        let names = ["a\"b", "Ünï😀", "select", "$1", "with space", "a.b", "back\\slash", "'; DROP TABLE x; --"]
        let columns = names.map { "\(quotedIdentifier($0)) text" }.joined(separator: ", ")
        let schema = "we\"ird"
        let table = "t'\"; --"
        let target = try Target(
            """
            CREATE SCHEMA \(quotedIdentifier(schema));
            CREATE TABLE \(quotedIdentifier(schema)).\(quotedIdentifier(table)) (id int PRIMARY KEY, \(columns))
            """)
        let t = try target.relation(table, schema: schema)
        let driver = try SinkDriver(target.settings)
        let values = names.map { TestValue.text($0) }
        try driver.write(
            transaction(100) {
                $0.insert(t, ["1"] + values)
                $0.insert(t, ["2"] + values)
                $0.update(t, ["1"] + values.reversed())
                $0.delete(t, key: ["2"] + names.map { _ in nil })
            })
        let found = try target.rows("SELECT * FROM \(quotedIdentifier(schema)).\(quotedIdentifier(table))")
        #expect(found == [(["1"] + names.reversed()).joined(separator: "|")])
    }

    @Test func appliesWideTables() throws {
        let count = 300
        let columns = (0..<count).map { "c\($0) text" }.joined(separator: ", ")
        let target = try Target("CREATE TABLE wide (id int PRIMARY KEY, \(columns))")
        let wide = try target.relation("wide")
        let driver = try SinkDriver(target.settings)
        let values = (0..<count).map { TestValue.text("\($0)") }
        var partly = values
        partly[2] = .unchanged
        partly[250] = .unchanged
        partly[299] = "last"
        try driver.write(
            transaction(100) {
                $0.insert(wide, ["1"] + values)
                $0.update(wide, ["1"] + partly)
            })
        #expect(try target.rows("SELECT c2, c250, c299 FROM wide") == ["2|250|last"])
    }

    @Test func appliesToPartitionedTables() throws {
        let target = try Target(
            """
            CREATE TABLE p (id int, v text) PARTITION BY RANGE (id);
            CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
            CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)
            """)
        let p = try target.relation("p")
        #expect(p.identity == .full)
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transaction(100) {
                for _ in 0..<2 {
                    $0.insert(p, ["1", "a"])
                    $0.insert(p, ["11", "a"])
                }
                $0.update(p, ["12", "moved"], full: ["1", "a"])
                $0.update(p, ["11", nil], full: ["11", "a"])
                $0.delete(p, full: ["11", "a"])
            })
        #expect(
            try target.rows("SELECT tableoid::regclass, * FROM p ORDER BY id, v") == [
                "p1|1|a", "p2|11|~", "p2|12|moved",
            ])
        try driver.write(transaction(200) { $0.truncate([p]) })
        #expect(try target.rows("SELECT count(*) FROM p") == ["0"])
    }

    @Test func ignoresLogicalMessagesAndEmptyTransactions() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY)")
        let driver = try SinkDriver(target.settings)
        try driver.write(transaction(100) { $0.message("note", "hello") })
        try driver.write(transaction(200) { _ in })
        #expect(try target.position == "0/D0")
    }
}
