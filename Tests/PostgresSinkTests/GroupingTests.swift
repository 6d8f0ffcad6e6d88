import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSink

@Suite("Grouping of transactions", .tags(.integration), .needsPostgres)
struct GroupingTests {
    /// The rows' target transactions, numbered from 1 in order of their ids.
    private func groups(_ target: Target, _ table: String = "t") throws -> [String] {
        try target.rows("SELECT id, dense_rank() OVER (ORDER BY xmin::text::bigint) FROM \(table) ORDER BY id")
    }

    private func one(_ t: Relation, _ id: Int, at commit: UInt64) -> ChangeBatch {
        transaction(commit) { $0.insert(t, [.text("\(id)")]) }
    }

    @Test func groupsWholeTransactionsWhileMoreFollows() throws {
        let target = try Target("CREATE TABLE t (id int)")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings { $0.group.ageMax = .seconds(60) })
        try driver.write(one(t, 1, at: 100), moreFollows: true)
        try driver.write(one(t, 2, at: 200), moreFollows: true)
        #expect(try target.rows("SELECT * FROM t").isEmpty)
        #expect(driver.durable == 0)
        try driver.write(one(t, 3, at: 300))
        #expect(driver.durable == 3)
        try driver.write(one(t, 4, at: 400))
        #expect(try groups(target) == ["1|1", "2|1", "3|1", "4|2"])
        #expect(try target.position == "0/198")
    }

    @Test func commitsAtTheRowLimitBetweenTransactions() throws {
        let target = try Target("CREATE TABLE t (id int)")
        let t = try target.relation("t")
        let driver = try SinkDriver(
            target.settings { $0.group = GroupLimits(rowsMax: 3, ageMax: .seconds(60)) })
        var batch = TestBatch()
        for commit in 1...7 {
            batch.begin(UInt64(commit * 100))
            batch.insert(t, [.text("\(commit * 10)")])
            batch.insert(t, [.text("\(commit * 10 + 1)")])
            batch.commit()
        }
        try driver.write(batch.seal(), moreFollows: true)
        #expect(
            try groups(target) == [
                "10|1", "11|1", "20|1", "21|1", "30|2", "31|2", "40|2", "41|2", "50|3", "51|3", "60|3", "61|3",
            ])
        #expect(driver.durable == 0)
        try driver.flush()
        #expect(driver.durable == 1)
        #expect(try groups(target).suffix(2) == ["70|4", "71|4"])
    }

    @Test func givesATransactionThatSpansBatchesItsOwn() throws {
        let target = try Target("CREATE TABLE t (id int)")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings { $0.group = GroupLimits(rowsMax: 2, ageMax: .seconds(60)) })
        var batch = TestBatch()
        batch.begin(100)
        batch.insert(t, ["1"])
        batch.commit()
        batch.begin(200)
        batch.insert(t, ["2"])
        batch.insert(t, ["3"])
        try driver.write(batch.seal(), moreFollows: true)
        // The transaction before it is committed; the batch is durable only with all it holds.
        #expect(try groups(target) == ["1|1"])
        #expect(driver.durable == 0)
        batch.insert(t, ["4"])
        try driver.write(batch.seal())
        #expect(try groups(target) == ["1|1"])
        batch.insert(t, ["5"])
        batch.commit()
        batch.begin(300)
        batch.insert(t, ["6"])
        batch.commit()
        try driver.write(batch.seal())
        #expect(try groups(target) == ["1|1", "2|2", "3|2", "4|2", "5|2", "6|3"])
        #expect(driver.durable == 3)
        #expect(try target.position == "0/134")
    }

    @Test func flushCommitsWhatIsWholeAndGivesUpTheRest() throws {
        let target = try Target("CREATE TABLE t (id int)")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings { $0.group.ageMax = .seconds(60) })
        try driver.write(one(t, 1, at: 100), moreFollows: true)
        try driver.flush()
        #expect(try target.rows("SELECT * FROM t") == ["1"])
        #expect(driver.confirmed == LSN(108))
        var batch = TestBatch()
        batch.begin(200)
        batch.insert(t, ["2"])
        try driver.write(batch.seal())
        try driver.flush()
        driver.sink.close()
        #expect(try target.rows("SELECT * FROM t") == ["1"])
        #expect(try target.position == "0/6C")
    }

    @Test func storesThePositionOfAnIdleSource() throws {
        let target = try Target()
        let driver = try SinkDriver(target.settings)
        func idle(_ lsn: UInt64) -> ChangeBatch {
            ChangeBatch(arena: [], rows: [], cells: [], relations: [], transactions: [], endLSN: LSN(lsn), sealedAt: 0)
        }
        try driver.write(idle(500))
        #expect(try target.position == "0/1F4")
        try driver.write(idle(600), moreFollows: true)
        #expect(try target.position == "0/1F4")
        try driver.write(idle(700))
        #expect(try target.position == "0/2BC")
        #expect(driver.durable == 3)
        // What was said before is no news, and resolves all the same.
        try driver.write(idle(700))
        #expect(driver.durable == 4)
    }

    @Test func skipsWhatIsAppliedAlready() throws {
        let target = try Target("CREATE TABLE t (id int)")
        let t = try target.relation("t")
        do {
            let driver = try SinkDriver(target.settings)
            try driver.write(one(t, 1, at: 100))
        }
        let driver = try SinkDriver(target.settings)
        #expect(driver.openingPosition == StoredPosition(lsn: LSN(108), systemIdentifier: SinkDriver.system))
        try driver.write(transactions([(90, { $0.insert(t, ["0"]) }), (100, { $0.insert(t, ["1"]) })]))
        #expect(driver.durable == 1)
        try driver.write(transactions([(100, { $0.insert(t, ["1"]) }), (200, { $0.insert(t, ["2"]) })]))
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["1", "2"])
        #expect(driver.durable == 2)
    }

    @Test func appliesATransactionOfManyBatches() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v text)")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings { $0.copyRowsMin = 1 << 40 })
        var batch = TestBatch()
        batch.begin(100)
        for part in 0..<20 {
            for row in 0..<500 {
                let id = part * 500 + row
                batch.insert(t, [.text("\(id)"), .text("value \(id)")])
                if row % 2 == 0 { batch.update(t, [.text("\(id)"), "changed"]) }
            }
            try driver.write(batch.seal(), moreFollows: true)
        }
        batch.commit()
        try driver.write(batch.seal())
        #expect(try target.rows("SELECT count(*), count(*) FILTER (WHERE v = 'changed') FROM t") == ["10000|5000"])
        #expect(try target.rows("SELECT count(DISTINCT xmin::text) FROM t") == ["1"])
        #expect(driver.durable == 21)
    }

    @Test func storesTheTokenOnlyWithAWholeBatch() throws {
        let target = try Target("CREATE TABLE t (id int)")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings { $0.applyMode = .upsert })
        var batch = TestBatch()
        batch.begin(100)
        batch.insert(t, ["1"])
        batch.commit()
        batch.begin(200)
        batch.insert(t, ["2"])
        try driver.write(batch.seal(resumeToken: "first"))
        let token = "SELECT token FROM weir.progress"
        #expect(try target.rows(token) == ["~"])
        batch.commit()
        try driver.write(batch.seal(resumeToken: "second"))
        #expect(try target.rows(token) == ["second"])
        driver.sink.close()
        let again = try SinkDriver(target.settings { $0.applyMode = .upsert })
        #expect(again.openingPosition?.token == "second")
    }
}
