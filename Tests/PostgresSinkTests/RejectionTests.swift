import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSink

@Suite("What the target refuses", .tags(.integration), .needsPostgres)
struct RejectionTests {
    private let table = TableName(schema: "public", name: "t")

    /// Three transactions in one batch, the second of which is refused; returns the error after checking that the
    /// first is applied and that, once repaired, the stream goes on with the second.
    private func refusal(
        _ target: Target, good: @escaping (inout TestBatch) -> Void, bad: @escaping (inout TestBatch) -> Void,
        last: @escaping (inout TestBatch) -> Void, repair: String, expected: [String], secret: String? = nil,
        settings given: PostgresTargetSettings? = nil
    ) throws -> WeirError {
        let settings = given ?? target.settings
        let batch = transactions([(100, good), (200, bad), (300, last)])
        let driver = try SinkDriver(settings)
        let thrown = failure { () throws(WeirError) in try driver.write(batch) }
        let error = try #require(thrown)
        #expect(error.table == table, "\(error)")
        #expect(error.position == LSN(200), "\(error)")
        #expect(error.disposition == .operator, "\(error)")
        #expect(try target.position == "0/6C")
        if let secret { #expect(!"\(error)".contains(secret), "\(error)") }
        // Nothing has overtaken it, also after another start.
        driver.sink.close()
        let again = try SinkDriver(settings)
        #expect(again.openingPosition?.lsn == LSN(108))
        #expect(failure { () throws(WeirError) in try again.write(batch) } == error)
        again.sink.close()
        try target.exec(repair)
        let repaired = try SinkDriver(settings)
        try repaired.write(batch)
        #expect(try target.rows("SELECT * FROM t ORDER BY 1, 2") == expected)
        #expect(try target.position == "0/134")
        return error
    }

    @Test(arguments: [1, 64])
    func uniqueViolation(copyRowsMin: Int) throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (2, 'in the way')")
        let t = try target.relation("t")
        let error = try refusal(
            target, good: { $0.insert(t, ["1", "a"]) },
            bad: {
                $0.insert(t, ["5", "e"])
                $0.insert(t, ["2", "canary"])
            },
            last: { $0.insert(t, ["3", "c"]) }, repair: "DELETE FROM t WHERE id = 2",
            expected: ["1|a", "2|canary", "3|c", "5|e"], secret: "canary",
            settings: target.settings { $0.copyRowsMin = copyRowsMin })
        #expect(error.code == .rowRejected)
        let cause = try #require(error.cause)
        #expect(cause.contains("23505") && cause.contains("t_pkey") && cause.contains("key columns id"), "\(cause)")
        #expect(error.advice?.contains("delete or correct") == true)
    }

    @Test func notNullViolationNamesTheColumn() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v text, extra int NOT NULL DEFAULT 1)")
        let source = Relation.test("t", ["id": .int4, "v": .text])
        try target.exec("ALTER TABLE t ALTER v SET NOT NULL")
        let error = try refusal(
            target, good: { $0.insert(source, ["1", "a"]) }, bad: { $0.insert(source, ["2", nil]) },
            last: { $0.insert(source, ["3", "c"]) }, repair: "ALTER TABLE t ALTER v DROP NOT NULL",
            expected: ["1|a|1", "2|~|1", "3|c|1"])
        #expect(error.cause?.contains("23502") == true)
        #expect(
            error.advice == "Give the target's column a default or allow NULL: "
                + "ALTER TABLE \"public\".\"t\" ALTER COLUMN \"v\" DROP NOT NULL;")
    }

    @Test func checkViolation() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v int CONSTRAINT small CHECK (v < 10))")
        let t = try target.relation("t")
        let error = try refusal(
            target, good: { $0.insert(t, ["1", "1"]) }, bad: { $0.update(t, ["1", "11"]) },
            last: { $0.insert(t, ["2", "2"]) }, repair: "ALTER TABLE t DROP CONSTRAINT small",
            expected: ["1|11", "2|2"])
        #expect(error.cause?.contains("constraint small") == true)
    }

    @Test func deferredConstraintAtTheCommit() throws {
        let target = try Target(
            "CREATE TABLE t (id int, v int, CONSTRAINT late UNIQUE (id) DEFERRABLE INITIALLY DEFERRED)")
        let t = try target.relation("t", identity: .nothing)
        let error = try refusal(
            target, good: { $0.insert(t, ["1", "1"]) }, bad: { $0.insert(t, ["1", "2"]) },
            last: { $0.insert(t, ["2", "2"]) }, repair: "ALTER TABLE t DROP CONSTRAINT late",
            expected: ["1|1", "1|2", "2|2"],
            // A replica's session does not look at deferred constraints.
            settings: target.settings { $0.replicationRole = .origin })
        #expect(error.cause?.contains("late") == true)
    }

    @Test func aValueTheTargetsTypeCannotTake() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v varchar(4))")
        let source = Relation.test("t", ["id": .int8, "v": .text])
        let error = try refusal(
            target, good: { $0.insert(source, ["1", "a"]) }, bad: { $0.insert(source, ["99999999999", "canary"]) },
            last: { $0.insert(source, ["3", "c"]) },
            repair: "ALTER TABLE t ALTER id TYPE bigint, ALTER v TYPE text",
            expected: ["1|a", "3|c", "99999999999|canary"], secret: "canary")
        #expect(error.code == .targetMismatch)
        #expect(error.advice?.contains("ALTER COLUMN \"v\" TYPE text") == true, "\(error)")
        #expect(!"\(error)".contains("99999999999"))
    }

    /// PostgreSQL cuts spaces that do not fit into `varchar(n)`, and says nothing.
    @Test(arguments: [1, 3000]) func spacesAreNotCut(rows: Int) throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v varchar(4))")
        let source = Relation.test("t", ["id": .int4, "v": .text])
        let values = (0..<rows).map { $0 == rows / 2 ? "can  " : "abcd" }
        let expected = ["1|é"] + values.enumerated().map { "\(100 + $0)|\($1)" }
        let error = try refusal(
            target, good: { $0.insert(source, ["1", "ééé "]) },
            bad: {
                for (id, value) in values.enumerated() { $0.insert(source, [.text("\(100 + id)"), .text(value)]) }
            },
            last: { $0.update(source, ["1", "é"]) }, repair: "ALTER TABLE t ALTER v TYPE text", expected: expected,
            secret: "can  ")
        #expect(error.code == .valueRejected)
        #expect(error.advice?.contains("ALTER COLUMN \"v\" TYPE text") == true, "\(error)")
    }

    /// A `char(n)` arrives padded: the spaces say nothing.
    @Test func paddingIsNoValue() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v varchar(4))")
        let source = Relation.test("t", ["id": .int4, "v": .bpchar])
        let driver = try SinkDriver(target.settings)
        try driver.write(transaction(100) { $0.insert(source, ["1", "ab        "]) })
        try driver.flush()
        #expect(try target.rows("SELECT * FROM t") == ["1|ab  "])
    }

    @Test func aMissingTableComesWithItsDefinition() throws {
        let target = try Target("CREATE TABLE good (id int PRIMARY KEY)")
        let good = try target.relation("good")
        let t = Relation(
            oid: 1, table: table,
            columns: [
                Column(
                    name: "id", type: ColumnType(oid: 20, name: "bigint", kind: .int8), isIdentity: true,
                    isNotNull: true),
                Column(name: "v\"w", type: ColumnType(oid: 1700, name: "numeric(10,2)", kind: .numeric)),
            ], identity: .default, primaryKey: [0])
        let definition =
            "CREATE TABLE \"public\".\"t\" (\"id\" bigint NOT NULL, \"v\"\"w\" numeric(10,2), PRIMARY KEY (\"id\"));"
        let error = try refusal(
            target, good: { $0.insert(good, ["1"]) }, bad: { $0.insert(t, ["2", "1.50"]) },
            last: { $0.insert(t, ["3", nil]) }, repair: definition, expected: ["2|1.50", "3|~"])
        #expect(error.code == .targetMismatch)
        #expect(error.advice?.hasSuffix(definition) == true, "\(error)")
    }

    @Test func aMissingColumnComesWithItsDefinition() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE good (id int)")
        let (good, wide) = (
            try target.relation("good"), Relation.test("t", ["id": .int4, "v": .text, "new": .int8])
        )
        let error = try refusal(
            target, good: { $0.insert(good, ["1"]) }, bad: { $0.insert(wide, ["2", "b", "7"]) },
            last: { $0.insert(wide, ["3", "c", "8"]) }, repair: "ALTER TABLE t ADD new bigint",
            expected: ["2|b|7", "3|c|8"])
        #expect(error.code == .targetMismatch)
        #expect(error.message.contains("Column new is missing"))
        #expect(error.advice?.contains("ALTER TABLE \"public\".\"t\" ADD COLUMN \"new\"") == true)
    }

    @Test func aTypeThatWouldChangeValuesIsRefused() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v date); CREATE TABLE good (id int)")
        let (good, source) = (try target.relation("good"), Relation.test("t", ["id": .int4, "v": .timestamp]))
        let error = try refusal(
            target, good: { $0.insert(good, ["1"]) }, bad: { $0.insert(source, ["1", "2024-01-02 03:04:05"]) },
            last: { $0.insert(source, ["2", nil]) }, repair: "ALTER TABLE t ALTER v TYPE timestamp",
            expected: ["1|2024-01-02 03:04:05", "2|~"])
        #expect(error.code == .targetMismatch)
        #expect(error.cause?.contains("date on the target") == true)
    }

    @Test(arguments: [
        ("CREATE VIEW t AS SELECT 1 AS id", "a view"),
        ("CREATE MATERIALIZED VIEW t AS SELECT 1 AS id", "a materialized view"),
    ])
    func viewsAreNoTargets(definition: String, kind: String) throws {
        let target = try Target(definition)
        let driver = try SinkDriver(target.settings)
        let error = failure { () throws(WeirError) in
            try driver.write(transaction(200) { $0.insert(Relation.test("t", ["id": .int4]), ["1"]) })
        }
        #expect(error?.code == .targetMismatch)
        #expect(error?.message.contains(kind) == true)
    }

    @Test func anUpdateThatFindsNoRowStops() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v text)")
        let t = try target.relation("t")
        let error = try refusal(
            target, good: { $0.insert(t, ["1", "a"]) }, bad: { $0.update(t, ["2", "canary"]) },
            last: { $0.insert(t, ["3", "c"]) }, repair: "INSERT INTO t VALUES (2, 'b')",
            expected: ["1|a", "2|canary", "3|c"], secret: "canary")
        #expect(error.code == .rowRejected)
        #expect(error.message == "An update found no row on the target")
        #expect(error.cause == "key columns id")
    }

    @Test func aDeleteOrProbeThatFindsNoRowStops() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v text)")
        let t = try target.relation("t")
        _ = try refusal(
            target, good: { $0.insert(t, ["1", "a"]) }, bad: { $0.delete(t, key: ["2", nil]) },
            last: { $0.insert(t, ["3", "c"]) }, repair: "INSERT INTO t VALUES (2, 'b')", expected: ["1|a", "3|c"])
        let lone = try Target("CREATE TABLE t (id int PRIMARY KEY, v text)")
        let full = try lone.relation("t", identity: .full)
        _ = try refusal(
            lone, good: { $0.insert(full, ["1", "a"]) }, bad: { $0.update(full, ["2", "b"], full: ["2", "b"]) },
            last: { $0.insert(full, ["3", "c"]) }, repair: "INSERT INTO t VALUES (2, 'b')",
            expected: ["1|a", "2|b", "3|c"])
    }

    @Test func aKeyThatIsNotUniqueOnTheTargetStops() throws {
        let target = try Target("CREATE TABLE t (id int, v text); INSERT INTO t VALUES (2, 'x'), (2, 'y')")
        let source = Relation.test("t", ["id": .int4, "v": .text])
        let error = try refusal(
            target, good: { $0.insert(source, ["1", "a"]) }, bad: { $0.update(source, ["2", "b"]) },
            last: { $0.insert(source, ["3", "c"]) }, repair: "DELETE FROM t WHERE v = 'y'",
            expected: ["1|a", "2|b", "3|c"])
        #expect(error.message.contains("2 rows"))
        #expect(error.advice?.contains("CREATE UNIQUE INDEX ON \"public\".\"t\" (\"id\")") == true)
    }

    @Test func missingRowsCanBeIgnoredOrInserted() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v text, big text)")
        let t = try target.relation("t")
        let ignoring = try SinkDriver(target.settings { $0.onMissingRow = .ignore })
        try ignoring.write(
            transaction(100) {
                $0.update(t, ["1", "a", nil])
                $0.delete(t, key: ["2", nil, nil])
                $0.insert(t, ["3", "c", nil])
            })
        #expect(try target.rows("SELECT * FROM t") == ["3|c|~"])
        #expect(ignoring.log.all.contains { $0.contains("found no row on the target rows=2") })
        ignoring.sink.close()
        let inserting = try SinkDriver(target.settings { $0.onMissingRow = .insert })
        try inserting.write(
            transaction(200) {
                $0.update(t, ["1", "a", "x"])
                $0.update(t, ["30", "moved", .unchanged], key: ["3", nil, nil])
                $0.update(t, ["5", "e", .unchanged], key: ["4", nil, nil])
                $0.delete(t, key: ["9", nil, nil])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["1|a|x", "5|e|~", "30|moved|~"])
    }

    @Test func aChangeWithoutIdentityIsRefused() throws {
        let target = try Target("CREATE TABLE t (id int, v text)")
        let t = try target.relation("t", identity: .nothing)
        let driver = try SinkDriver(target.settings)
        let error = failure { () throws(WeirError) in
            try driver.write(transaction(200) { $0.update(t, ["1", "a"]) })
        }
        #expect(error?.code == .tableUnusable)
        #expect(error?.position == LSN(200))
    }

    @Test func aNulCharacterIsRefusedWithItsColumn() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v text)")
        let t = try target.relation("t")
        for copyRowsMin in [1, 64] {
            let driver = try SinkDriver(target.settings { $0.copyRowsMin = copyRowsMin })
            let error = failure { () throws(WeirError) in
                try driver.write(transaction(200) { $0.insert(t, ["1", "a\0b"]) })
            }
            #expect(error?.table == table)
            #expect(error?.disposition == .operator)
            #expect(try target.rows("SELECT * FROM t").isEmpty)
        }
    }

    @Test func aConflictWithAnotherSessionIsRetried() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings)
        let other = try target.server.connect(target.database)
        try other.exec("SET deadlock_timeout = '60s'; BEGIN")
        try other.exec("UPDATE t SET v = 'other' WHERE id = 2")
        var batch = TestBatch()
        batch.begin(200)
        batch.update(t, ["1", "x"])
        try driver.write(batch.seal())
        batch.update(t, ["2", "y"])
        batch.commit()
        let holds = eventually {
            try target.connection.number(
                """
                SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir test'
                AND datname = current_database() AND state = 'idle in transaction' AND query LIKE 'UPDATE%'
                """) == 1
        }
        #expect(holds)
        let crossing = Background { try other.exec("UPDATE t SET v = 'other' WHERE id = 1") }
        let waits = eventually {
            try target.connection.number(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            ) == 1
        }
        #expect(waits)
        let rest = batch.seal()
        let error = failure { () throws(WeirError) in try driver.write(rest) }
        #expect(error?.disposition == .retry)
        #expect(error?.cause?.contains("40P01") == true)
        driver.sink.close()
        try crossing.value()
        try other.exec("COMMIT")
        let again = try SinkDriver(target.settings)
        try again.write(
            transaction(200) {
                $0.update(t, ["1", "x"])
                $0.update(t, ["2", "y"])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["1|x", "2|y"])
    }

    @Test func aTargetChangedMeanwhileIsReadAgain() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v int)")
        let source = Relation.test("t", ["id": .int4, "v": .text])
        let driver = try SinkDriver(target.settings)
        try driver.write(transaction(100) { $0.insert(source, ["1", "1"]) })
        try target.exec("ALTER TABLE t ALTER v TYPE text")
        // The prepared statement still takes numbers only.
        let error = failure { () throws(WeirError) in
            try driver.write(transaction(200) { $0.insert(source, ["2", "two"]) })
        }
        #expect(error?.disposition == .retry)
        driver.sink.close()
        let again = try SinkDriver(target.settings)
        try again.write(transaction(200) { $0.insert(source, ["2", "two"]) })
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["1|1", "2|two"])
    }

    @Test func theSourcesNewShapeIsFollowed() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, a text, b text)")
        let first = Relation.test("t", ["id": .int4, "a": .text])
        let second = Relation.test("t", ["b": .text, "id": .int4], keys: 0, identity: .full)
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transaction(100) {
                $0.insert(first, ["1", "a"])
                $0.insert(second, ["b", "2"])
                $0.update(second, ["new", "1"], full: [nil, "1"])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["1|a|new", "2|~|b"])
    }
}
