import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSink

@Suite("Snapshot and backfill", .tags(.integration), .needsPostgres)
struct SnapshotTests {
    static let tables =
        "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int, v text); CREATE TABLE c (id int)"

    /// The batches of one table, `size` rows each; at least one.
    private func table(
        _ relation: Relation, _ rows: [[TestValue]], at point: UInt64 = 1000, size: Int = 100,
        purpose: SnapshotPart.Purpose = .initial, isFirst: Bool = false, isLast: Bool = false
    ) -> [ChangeBatch] {
        var batch = TestBatch()
        batch.begin(point - 1)
        var result: [ChangeBatch] = []
        let starts = rows.isEmpty ? [0] : Array(stride(from: 0, to: rows.count, by: size))
        for start in starts {
            for row in rows[start..<min(start + size, rows.count)] { batch.insert(relation, row, operation: .read) }
            let isEnd = start == starts.last
            let part = SnapshotPart(
                purpose: purpose, consistentPoint: LSN(point), isFirst: isFirst && start == 0,
                isFirstOfTable: start == 0, isLastOfTable: isEnd, isLast: isLast && isEnd)
            let sealed = batch.seal(snapshot: part)
            result.append(
                ChangeBatch(
                    arena: sealed.arena, rows: sealed.rows, cells: sealed.cells, relations: [relation],
                    transactions: sealed.transactions, snapshot: part,
                    endLSN: part.isLast && purpose == .initial ? LSN(point) : nil, sealedAt: 0))
        }
        return result
    }

    private func rows(_ ids: Range<Int>, _ text: String = "v") -> [[TestValue]] {
        ids.map { [.text("\($0)"), $0 % 7 == 0 ? nil : .text("\(text)\\\($0)\n")] }
    }

    private func ledger(_ target: Target) throws -> [String] {
        try target.rows(
            """
            SELECT table_name, copied_rows, consistent_point FROM weir.snapshot_tables
            WHERE pipeline !~ 'backfill' ORDER BY 1
            """)
    }

    @Test func copiesTablesAndSetsThePosition() throws {
        let target = try Target(Self.tables)
        let (a, b, c) = (try target.relation("a"), try target.relation("b"), try target.relation("c"))
        let driver = try SinkDriver(target.settings)
        for batch in table(a, rows(0..<250), isFirst: true) { try driver.write(batch, moreFollows: true) }
        #expect(driver.durable == 3)
        #expect(try ledger(target) == ["a|250|0/3E8"])
        #expect(try target.position == nil)
        let second = table(b, rows(0..<150))
        try driver.write(second[0], moreFollows: true)
        // Nothing of a table is seen, or confirmed, before all of it is.
        #expect(try target.rows("SELECT count(*) FROM b") == ["0"])
        #expect(driver.durable == 3)
        try driver.write(second[1], moreFollows: true)
        for batch in table(c, [], isLast: true) { try driver.write(batch) }
        #expect(driver.durable == 6)
        #expect(driver.confirmed == LSN(1000))
        #expect(try target.position == "0/3E8")
        #expect(try ledger(target) == ["a|250|0/3E8", "b|150|0/3E8", "c|0|0/3E8"])
        #expect(try target.rows("SELECT count(*), count(v), min(v) FROM a") == ["250|214|v\\1\n"])
        // The stream goes on from there; what the snapshot holds already is skipped.
        try driver.write(transactions([(990, { $0.insert(a, ["1", "x"]) }), (1000, { $0.insert(a, ["300", "x"]) })]))
        #expect(try target.rows("SELECT count(*) FROM a") == ["251"])
    }

    @Test func startsAgainAfterACrashWithoutDuplicates() throws {
        let target = try Target(Self.tables)
        let (a, b) = (try target.relation("a"), try target.relation("b"))
        let driver = try SinkDriver(target.settings)
        for batch in table(a, rows(0..<10), isFirst: true) { try driver.write(batch) }
        try driver.write(table(b, rows(0..<200))[0])
        driver.sink.close()
        #expect(try target.rows("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)") == ["10|0"])
        // The next snapshot is another one: fewer rows, a later point.
        let again = try SinkDriver(target.settings)
        #expect(again.openingPosition == nil)
        for batch in table(a, rows(5..<8), at: 2000, isFirst: true) { try again.write(batch) }
        for batch in table(b, rows(0..<20), at: 2000, isLast: true) { try again.write(batch) }
        #expect(try target.rows("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)") == ["3|20"])
        #expect(try target.position == "0/7D0")
        again.sink.close()
        // A snapshot taken anew, because another sink has none yet, empties what this pipeline copied, and only that.
        let third = try SinkDriver(target.settings)
        for batch in table(a, rows(0..<1), at: 3000, isFirst: true) { try third.write(batch) }
        #expect(try target.rows("SELECT count(*) FROM a") == ["1"])
        third.sink.close()
        // The position is forgotten until the end: the stream must not go on over a hole.
        #expect(try SinkDriver(target.settings).openingPosition == nil)
        let other = try SinkDriver(target.settings { $0.pipeline = "other" })
        let error = failure { () throws(WeirError) in
            for batch in table(a, rows(0..<1), at: 3000, isFirst: true) { try other.write(batch) }
        }
        #expect(error?.code == .targetNotEmpty)
    }

    @Test func refusesTruncatesOrAppends() throws {
        let target = try Target(Self.tables)
        let a = try target.relation("a")
        try target.exec("INSERT INTO a VALUES (1000, 'mine')")
        let refusing = try SinkDriver(target.settings)
        let error = failure { () throws(WeirError) in
            for batch in table(a, rows(0..<3), isFirst: true, isLast: true) { try refusing.write(batch) }
        }
        #expect(error?.code == .targetNotEmpty)
        #expect(error?.table == a.table)
        #expect(error?.advice?.contains("TRUNCATE \"public\".\"a\"") == true)
        refusing.sink.close()
        #expect(try target.rows("SELECT id FROM a") == ["1000"])
        let appending = try SinkDriver(target.settings { $0.onSnapshotNotEmpty = .append })
        for batch in table(a, rows(0..<3), isFirst: true, isLast: true) { try appending.write(batch) }
        appending.sink.close()
        #expect(try target.rows("SELECT count(*) FROM a") == ["4"])
        let truncating = try SinkDriver(target.settings { $0.onSnapshotNotEmpty = .truncate })
        for batch in table(a, rows(0..<3), isFirst: true, isLast: true) { try truncating.write(batch) }
        #expect(try target.rows("SELECT count(*) FROM a") == ["3"])
    }

    @Test(arguments: [PostgresTargetSettings.SnapshotPolicy.refuse, .truncate])
    func copiesAParentWithoutTouchingTheRowsOfTablesThatInherit(
        _ notEmpty: PostgresTargetSettings.SnapshotPolicy
    ) throws {
        let target = try Target(
            "CREATE TABLE parent (id int PRIMARY KEY, v text); CREATE TABLE heir (w int) INHERITS (parent)")
        let (parent, heir) = (try target.relation("parent"), try target.relation("heir"))
        let driver = try SinkDriver(target.settings { $0.onSnapshotNotEmpty = notEmpty })
        for batch in table(heir, [["1", "h", "0"], ["2", "h", "0"]], isFirst: true) { try driver.write(batch) }
        for batch in table(parent, [["1", "p"], ["3", "p"]], isLast: true) { try driver.write(batch) }
        #expect(
            try target.rows("SELECT tableoid::regclass, id FROM parent ORDER BY 1, 2")
                == ["parent|1", "parent|3", "heir|1", "heir|2"])
    }

    @Test func emptiesTablesThatForeignKeysPointTo() throws {
        let target = try Target(
            """
            CREATE TABLE parent (id int PRIMARY KEY, v text);
            CREATE TABLE child (id int, parent int REFERENCES parent);
            INSERT INTO parent VALUES (1, 'old'); INSERT INTO child VALUES (1, 1)
            """)
        let parent = try target.relation("parent")
        let driver = try SinkDriver(target.settings { $0.onSnapshotNotEmpty = .truncate })
        for batch in table(parent, rows(1..<3), isFirst: true, isLast: true) { try driver.write(batch) }
        #expect(try target.rows("SELECT count(*) FROM parent") == ["2"])
        #expect(try target.rows("SELECT count(*) FROM child") == ["1"])
    }

    @Test func aViolationStopsTheSnapshotUntilRepaired() throws {
        let target = try Target("CREATE TABLE a (id int PRIMARY KEY, v text CHECK (v <> 'canary'))")
        let a = try target.relation("a")
        let batches = table(a, [["1", "x"], ["2", "canary"]], isFirst: true, isLast: true)
        let driver = try SinkDriver(target.settings)
        let thrown = failure { () throws(WeirError) in for batch in batches { try driver.write(batch) } }
        let error = try #require(thrown)
        #expect(error.code == .rowRejected)
        #expect(error.table == a.table)
        #expect(error.position == LSN(1000))
        #expect(error.cause?.contains("a_v_check") == true)
        #expect(!"\(error)".contains("canary"))
        driver.sink.close()
        try target.exec("ALTER TABLE a DROP CONSTRAINT a_v_check")
        let again = try SinkDriver(target.settings)
        for batch in batches { try again.write(batch) }
        #expect(try target.rows("SELECT id FROM a ORDER BY 1") == ["1", "2"])
    }

    @Test func snapshotOfNoTableSetsThePosition() throws {
        let target = try Target()
        let driver = try SinkDriver(target.settings)
        let part = SnapshotPart(consistentPoint: LSN(1000), isFirst: true, isLast: true)
        try driver.write(
            ChangeBatch(
                arena: [], rows: [], cells: [], relations: [], transactions: [], snapshot: part, endLSN: LSN(1000),
                sealedAt: 0))
        #expect(try target.position == "0/3E8")
        #expect(driver.confirmed == LSN(1000))
    }

    @Test func copiesTablesWithoutColumnsAndUnderRowSecurity() throws {
        let target = try Target(
            "CREATE TABLE none (); CREATE TABLE a (id int, v text); ALTER TABLE a ENABLE ROW LEVEL SECURITY; "
                + "CREATE POLICY everything ON a USING (true)")
        let role = "rls_\(target.database)"
        try target.exec(
            "CREATE ROLE \(role) LOGIN; GRANT ALL ON a, none TO \(role); "
                + "GRANT CREATE ON DATABASE \(target.database) TO \(role)")
        defer { try? target.exec("DROP OWNED BY \(role); DROP ROLE \(role)") }
        let (none, a) = (try target.relation("none"), try target.relation("a"))
        let driver = try SinkDriver(
            target.settings { $0.url = target.server.url(database: target.database, user: role) })
        for batch in table(none, [[], [], []], isFirst: true) { try driver.write(batch) }
        for batch in table(a, rows(0..<250), isLast: true) { try driver.write(batch) }
        #expect(try target.rows("SELECT (SELECT count(*) FROM none), (SELECT count(*) FROM a)") == ["3|250"])
        #expect(try target.position == "0/3E8")
    }

    @Test func aBackfillMergesByKeyAndLeavesThePosition() throws {
        let target = try Target(Self.tables)
        let (a, b, c) = (try target.relation("a"), try target.relation("b"), try target.relation("c"))
        let driver = try SinkDriver(target.settings)
        try driver.write(transaction(5000) { $0.insert(a, ["2", "old"]) })
        try target.exec("ALTER TABLE a ADD extra text DEFAULT 'd'; UPDATE a SET extra = 'kept'")
        try target.exec("INSERT INTO b VALUES (1, 'x')")
        driver.sink.close()
        let filling = try SinkDriver(target.settings)
        for batch in table(a, rows(1..<4, "new"), purpose: .backfill, isFirst: true) { try filling.write(batch) }
        for batch in table(c, [["1"], ["2"]], purpose: .backfill) { try filling.write(batch) }
        #expect(filling.durable == 2)
        #expect(
            try target.rows("SELECT id, v, extra FROM a ORDER BY id") == [
                "1|new\\1\n|d", "2|new\\2\n|kept", "3|new\\3\n|d",
            ])
        #expect(try target.rows("SELECT count(*) FROM c") == ["2"])
        #expect(try target.position == "0/1390")
        #expect(try ledger(target).isEmpty)
        let filled = "SELECT table_name, copied_rows FROM weir.snapshot_tables WHERE pipeline ~ 'backfill' ORDER BY 1"
        #expect(try target.rows(filled) == ["a|3", "c|2"])
        // Rows without a key cannot be told apart from those that are there.
        let error = failure { () throws(WeirError) in
            for batch in table(b, rows(0..<3), purpose: .backfill, isLast: true) { try filling.write(batch) }
        }
        #expect(error?.code == .targetNotEmpty)
        #expect(error?.cause?.contains("unique index") == true)
    }

    @Test func aBackfillThatFailsLeavesTheTableAsItWas() throws {
        let target = try Target("CREATE TABLE a (id int PRIMARY KEY, v text CHECK (v <> 'bad'))")
        let a = try target.relation("a")
        try target.exec("INSERT INTO a VALUES (1, 'old')")
        let driver = try SinkDriver(target.settings)
        let error = failure { () throws(WeirError) in
            for batch in table(a, [["1", "new"], ["2", "bad"]], purpose: .backfill, isFirst: true, isLast: true) {
                try driver.write(batch)
            }
        }
        #expect(error?.code == .rowRejected)
        #expect(error?.table == a.table)
        driver.sink.close()
        #expect(try target.rows("SELECT * FROM a") == ["1|old"])
    }
}
