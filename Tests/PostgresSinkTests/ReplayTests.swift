import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSink

@Suite("Replay: mode upsert", .tags(.integration), .needsPostgres)
struct ReplayTests {
    private func replaying(_ target: Target) throws -> SinkDriver {
        try SinkDriver(target.settings { $0.applyMode = .upsert })
    }

    @Test func overwritesInsertsAndForgivesMissingRows() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v text, extra text DEFAULT 'd')")
        let source = Relation.test("t", ["id": .int4, "v": .text])
        try target.exec("INSERT INTO t VALUES (1, 'later', 'kept')")
        let driver = try replaying(target)
        try driver.write(
            transaction(100) {
                $0.insert(source, ["1", "first"])
                $0.update(source, ["2", "inserted"])
                $0.delete(source, key: ["3", nil])
                $0.insert(source, ["4", "d"])
                $0.delete(source, key: ["4", nil])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["1|first|kept", "2|inserted|d"])
        // The same changes again end in the same rows.
        try driver.write(
            transaction(100) {
                $0.insert(source, ["1", "first"])
                $0.update(source, ["2", "inserted"])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["1|first|kept", "2|inserted|d"])
    }

    /// Nothing would keep a row from being there twice.
    @Test func aKeyThatIsOnlyDeferrableIsRefused() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, v text); INSERT INTO t VALUES (1, 'a')")
        let t = try target.relation("t")
        let driver = try replaying(target)
        let batch = transaction(100) { $0.insert(t, ["1", "b"]) }
        let refused = failure { () throws(WeirError) in try driver.write(batch) }
        let error = try #require(refused)
        #expect(error.code == .targetMismatch && error.table?.name == "t")
        #expect(error.cause == #"its only key ("id") is deferrable"#)
        driver.sink.close()
        let advice = try #require(error.advice?.split(separator: ";").first)
        try target.exec(String(advice.dropFirst("Run on the target: ".count)))
        try replaying(target).write(batch)
        #expect(try target.rows("SELECT * FROM t") == ["1|b"])
    }

    @Test func movesKeys() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v text, big text)")
        let t = try target.relation("t")
        let driver = try replaying(target)
        try driver.write(
            transaction(100) {
                $0.insert(t, ["1", "a", "toast"])
                $0.insert(t, ["2", "b", "other"])
                // Onto a key that is taken, from one that is there, and from one that is not.
                $0.update(t, ["2", "c", .unchanged], key: ["1", nil, nil])
                $0.update(t, ["5", "e", "x"], key: ["4", nil, nil])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["2|c|other", "5|e|x"])
        try driver.write(transaction(200) { $0.update(t, ["3", "d", .unchanged], key: ["2", nil, nil]) })
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["3|d|other", "5|e|x"])
    }

    @Test func keepsUnchangedValuesThatMayNotBeNull() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v text, big text NOT NULL)")
        let t = try target.relation("t")
        let driver = try replaying(target)
        try driver.write(
            transaction(100) {
                $0.insert(t, ["1", "a", "toast"])
                $0.update(t, ["1", "b", .unchanged])
            })
        #expect(try target.rows("SELECT * FROM t") == ["1|b|toast"])
    }

    @Test func writesIdentityColumns() throws {
        let target = try Target(
            "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text); INSERT INTO t (v) VALUES ('old')"
        )
        let t = try target.relation("t")
        let driver = try replaying(target)
        try driver.write(
            transaction(100) {
                $0.insert(t, ["1", "new"])
                $0.update(t, ["7", "moved"], key: ["1", nil])
                $0.update(t, ["7", "again"])
            })
        #expect(try target.rows("SELECT * FROM t") == ["7|again"])
    }

    @Test func doesNotSkipByPosition() throws {
        // Partitions of a topic come one after the other: positions go to and fro, the token says where it is.
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY)")
        let t = try target.relation("t")
        let driver = try replaying(target)
        for (commit, token) in [(500, "0=1"), (100, "1=1"), (300, "2=1")] {
            var batch = TestBatch()
            batch.begin(UInt64(commit))
            batch.insert(t, [.text("\(commit)")])
            batch.commit()
            try driver.write(batch.seal(resumeToken: token))
        }
        #expect(try target.rows("SELECT id FROM t ORDER BY id") == ["100", "300", "500"])
        #expect(try target.rows("SELECT lsn, token FROM weir.progress") == ["~|2=1"])
        // The position of the pipeline's stream stays its own.
        driver.sink.close()
        let streaming = try SinkDriver(target.settings)
        try streaming.write(transaction(600) { $0.insert(t, ["600"]) })
        streaming.sink.close()
        let again = try replaying(target)
        #expect(again.openingPosition?.token == "2=1")
        var batch = TestBatch()
        batch.begin(9000)
        batch.insert(t, ["9000"])
        batch.commit()
        try again.write(batch.seal(resumeToken: "2=2"))
        #expect(try target.rows("SELECT lsn, token FROM weir.progress") == ["0/260|2=2"])
    }

    @Test func appliesRowsWithoutAKeyAsTheyCome() throws {
        let target = try Target("CREATE TABLE t (id int, v text)")
        let t = try target.relation("t")
        let driver = try replaying(target)
        try driver.write(
            transaction(100) {
                $0.insert(t, ["1", "a"])
                $0.update(t, ["1", "b"], full: ["1", "a"])
                $0.update(t, ["9", "b"], full: ["9", "a"])
                $0.delete(t, full: ["8", "x"])
            })
        #expect(try target.rows("SELECT * FROM t") == ["1|b"])
    }
}
