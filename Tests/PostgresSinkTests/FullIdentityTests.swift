import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSink

@Suite("Apply: rows without a key", .tags(.integration), .needsPostgres)
struct FullIdentityTests {
    @Test func touchesExactlyOneOfEqualRows() throws {
        let target = try Target("CREATE TABLE t (a int, b text)")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transaction(100) { batch in
                for _ in 0..<4 { batch.insert(t, ["1", "x"]) }
                batch.update(t, ["1", "y"], full: ["1", "x"])
                batch.delete(t, full: ["1", "x"])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY b") == ["1|x", "1|x", "1|y"])
    }

    @Test func swapsKeysThatMayBeEqualUntilTheCommit() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, v text)")
        let t = try target.relation("t", identity: .full)
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transaction(100) {
                $0.insert(t, ["1", "a"])
                $0.insert(t, ["2", "b"])
                $0.update(t, ["2", "a"], full: ["1", "a"])
                $0.update(t, ["1", "b"], full: ["2", "b"])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["1|b", "2|a"])
    }

    /// With `apply: upsert` the unique index that inserts overwrite by tells which row a change is for.
    @Test(arguments: ["", "PARTITION BY RANGE (id); CREATE TABLE p PARTITION OF t DEFAULT"])
    func aUniqueIndexFindsRowsThatUpsertsOverwrite(partitioning: String) throws {
        let target = try Target(
            "CREATE TABLE t (id int, v text) \(partitioning); CREATE UNIQUE INDEX ON t (id); "
                + "INSERT INTO t VALUES (3, 'other than at the source')")
        let t = try target.relation("t", identity: .full)
        let driver = try SinkDriver(target.settings { $0.applyMode = .upsert })
        try driver.write(
            transaction(100) {
                $0.insert(t, ["1", "a"])
                $0.update(t, ["1000", "b"], full: ["1", "a"])
                $0.insert(t, ["2", "c"])
                $0.update(t, ["2", "d"], full: ["2", "c"])
                $0.delete(t, full: ["3", "z"])
                $0.update(t, ["5", "new"], full: ["4", "not there"])
                $0.insert(t, [nil, "n"])
                $0.delete(t, full: [nil, "n"])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["2|d", "5|new", "1000|b"])
    }

    @Test func findsRowsByNulls() throws {
        let target = try Target("CREATE TABLE t (a int, b text)")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transaction(100) {
                $0.insert(t, [nil, nil])
                $0.insert(t, ["1", nil])
                $0.insert(t, [nil, "x"])
                $0.insert(t, [nil, ""])
                $0.update(t, ["2", nil], full: [nil, nil])
                $0.delete(t, full: [nil, ""])
                $0.update(t, [nil, nil], full: ["1", nil])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY a NULLS FIRST, b NULLS FIRST") == ["~|~", "~|x", "2|~"])
    }

    @Test func comparesTypesWithoutEqualityByText() throws {
        let target = try Target(
            """
            CREATE TYPE pair AS (p point, n int);
            CREATE TABLE t (j json, x xml, p point, b box, c pair, js json[], jp jsonpath, n int)
            """)
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings)
        let row: [TestValue] = [
            "{\"a\": 1,  \"a\": 2}", "<a>1</a>", "(1.5,2)", "(3,4),(1,2)", "(\"(1,2)\",7)",
            "{\"{\\\"k\\\": null}\",NULL}", "$.\"a\"[*]", "1",
        ]
        var other = row
        other[0] = "{\"a\": 1, \"a\": 2}"
        var changed = row
        changed[7] = "2"
        try driver.write(
            transaction(100) {
                $0.insert(t, other)
                $0.insert(t, row)
                $0.update(t, changed, full: row)
                $0.delete(t, full: other)
            })
        #expect(try target.rows("SELECT j, p, c, n FROM t") == ["{\"a\": 1,  \"a\": 2}|(1.5,2)|(\"(1,2)\",7)|2"])
    }

    @Test func prefersTheRowWhoseTextIsTheSame() throws {
        let target = try Target("CREATE TABLE t (n numeric, f float8, j jsonb, a numeric[])")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings)
        let rows: [[TestValue]] = [
            ["1.10", "-0", "{\"k\": 1.0}", "{1.0}"], ["1.1000", "0", "{\"k\": 1.00}", "{1.00}"],
            ["1.1", "0", "{\"k\": 1}", "{1}"],
        ]
        try driver.write(
            transaction(100) { batch in
                for row in rows { batch.insert(t, row) }
                batch.delete(t, full: rows[1])
                batch.update(t, ["5", nil, nil, nil], full: rows[2])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY n") == ["1.10|-0|{\"k\": 1.0}|{1.0}", "5|~|~|~"])
    }

    @Test func usesTheTargetsPrimaryKeyWhenThereIsOne() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, p point)")
        let t = try target.relation("t", identity: .full)
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transaction(100) {
                $0.insert(t, ["1", "(1,2)"])
                $0.insert(t, ["2", "(1,2)"])
                $0.update(t, ["1", "(3,4)"], full: ["1", "(1,2)"])
                $0.update(t, ["3", "(1,2)"], full: ["2", "(1,2)"])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["1|(3,4)", "3|(1,2)"])
    }

    @Test func setsOnlyWhatChanged() throws {
        // A column that may not be written shows which columns a statement names.
        let target = try Target(
            """
            CREATE TABLE t (a int, b text, c text);
            CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'column b was written'; END $$;
            CREATE TRIGGER watch BEFORE UPDATE OF b ON t EXECUTE FUNCTION watch();
            ALTER TABLE t ENABLE ALWAYS TRIGGER watch
            """)
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transaction(100) {
                $0.insert(t, ["1", "b", "c"])
                $0.update(t, ["1", "b", "new"], full: ["1", "b", "c"])
                $0.update(t, ["1", "b", "new"], full: ["1", "b", "new"])
            })
        #expect(try target.rows("SELECT * FROM t") == ["1|b|new"])
        let error = failure { () throws(WeirError) in
            try driver.write(transaction(200) { $0.update(t, ["1", "B", "new"], full: ["1", "b", "new"]) })
        }
        #expect(error?.code == .rowRejected)
    }

    @Test func usesOperatorsOfExtensionTypes() throws {
        let target = try Target(
            """
            CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE EXTENSION hstore SCHEMA ext;
            CREATE TABLE keyed (id ext.citext PRIMARY KEY, v text);
            CREATE TABLE keyless (c ext.citext, h ext.hstore)
            """)
        let (keyed, keyless) = (try target.relation("keyed"), try target.relation("keyless"))
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transaction(100) {
                $0.insert(keyed, ["Key", "1"])
                $0.update(keyed, ["KEY", "2"], key: ["Key", nil])
                $0.insert(keyless, ["a", "\"k\"=>\"1\""])
                $0.insert(keyless, ["A", "\"k\"=>\"1\""])
                $0.delete(keyless, full: ["A", "\"k\"=>\"1\""])
            })
        #expect(try target.rows("SELECT * FROM keyed") == ["KEY|2"])
        #expect(try target.rows("SELECT * FROM keyless") == ["a|\"k\"=>\"1\""])
    }
}
