import Testing
import WeirTestKit

@testable import PostgresSink
@testable import WeirCore

@Suite("Crashes and lost connections", .tags(.integration), .needsPostgres)
struct CrashTests {
    private func terminateSink(_ target: Target) throws {
        let pid = try target.connection.number(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'weir test' AND datname = current_database()")
        let ended = try target.connection.value("SELECT pg_terminate_backend($1::int, 5000)", [pid.map { "\($0)" }])
        #expect(ended == "t")
    }

    @Test func aTerminatedSessionLeavesWholeTransactionsOnly() throws {
        let target = try Target("CREATE TABLE t (id int)")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings)
        try driver.write(transaction(100) { $0.insert(t, ["1"]) })
        var batch = TestBatch()
        batch.begin(200)
        batch.insert(t, ["2"])
        try driver.write(batch.seal())
        try terminateSink(target)
        batch.insert(t, ["3"])
        batch.commit()
        let rest = batch.seal()
        let error = failure { () throws(WeirError) in try driver.write(rest) }
        #expect(error?.disposition == .retry)
        let again = try SinkDriver(target.settings)
        #expect(again.openingPosition?.lsn == LSN(108))
        #expect(try target.rows("SELECT * FROM t") == ["1"])
        try again.write(
            transaction(200) {
                $0.insert(t, ["2"])
                $0.insert(t, ["3"])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["1", "2", "3"])
        #expect(try target.position == "0/D0")
    }

    /// Cuts the connection after a random number of bytes, in either direction, again and again while a stream of
    /// transactions is applied to a table whose duplicates would show.
    @Test(arguments: [1, 2, 3, 4])
    func aCutAnywhereLosesAndRepeatsNothing(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let target = try Target(
            """
            CREATE TABLE log (tx int, n int);
            CREATE TABLE state (id int PRIMARY KEY, v int);
            INSERT INTO state VALUES (1, 0)
            """
        )
        let proxy = try TCPProxy(to: target.server.port)
        let settings = target.settings {
            $0.url = target.server.url(database: target.database, port: proxy.port)
            $0.copyRowsMin = 20
        }
        let (log, state) = (try target.relation("log"), try target.relation("state"))
        let counts = (1...60).map { _ in Int.random(in: 1...60, using: &random) }
        func batch(from first: Int, to last: Int) -> ChangeBatch {
            transactions(
                (first...last).map { tx in
                    (
                        UInt64(tx * 100),
                        { batch in
                            for n in 0..<counts[tx - 1] { batch.insert(log, [.text("\(tx)"), .text("\(n)")]) }
                            batch.update(state, ["1", .text("\(tx)")])
                        }
                    )
                })
        }
        var attempts = 0
        var isDone = false
        while !isDone {
            attempts += 1
            try #require(attempts < 200)
            // Between attempts every other cut is off, so that the stream comes to its end.
            if attempts % 2 == 1 {
                let direction: TCPProxy.Direction = Bool.random(using: &random) ? .toServer : .toClient
                proxy.cut(after: .random(in: 500...(direction == .toServer ? 40_000 : 8000), using: &random), direction)
            }
            do {
                let driver = try SinkDriver(settings)
                let position = driver.openingPosition?.lsn.rawValue ?? 0
                // A position is always the end of a transaction, and the rows agree with it.
                let applied = Int(position / 100)
                #expect(position == (applied == 0 ? 0 : UInt64(applied * 100 + 8)))
                #expect(try target.rows("SELECT v FROM state") == ["\(applied)"])
                var next = max(1, applied)
                while next <= 60 {
                    let last = min(60, next + Int.random(in: 0...4, using: &random))
                    try driver.write(batch(from: next, to: last), moreFollows: last < 60 && Bool.random(using: &random))
                    next = last + 1
                    if attempts % 2 == 0, Int.random(in: 0..<4, using: &random) == 0 { break }
                }
                if next > 60 { isDone = true }
            } catch let error as WeirError {
                #expect(error.disposition == .retry, "\(error)")
            }
        }
        let expected = counts.enumerated().map { "\($0 + 1)|\($1)|\($1)" }
        let found = try target.rows(
            "SELECT tx, count(*), count(DISTINCT n) FROM log GROUP BY tx ORDER BY tx")
        #expect(found == expected)
        #expect(try target.rows("SELECT v FROM state") == ["60"])
    }

    @Test func resumesAfterTheTargetCrashed() throws {
        let server = try PrivatePostgres()
        let database = try server.createDatabase()
        try server.connect(database).exec("CREATE TABLE t (id int)")
        let settings = PostgresTargetSettings(url: server.url(database: database), pipeline: "test")
        let t = Relation.test("t", ["id": .int4])
        let driver = try SinkDriver(settings)
        try driver.write(transaction(100) { $0.insert(t, ["1"]) })
        try server.kill9()
        let error = failure { () throws(WeirError) in
            try driver.write(transaction(200) { $0.insert(t, ["2"]) })
        }
        #expect(error?.disposition == .retry)
        let down = failure { () throws(WeirError) in _ = try SinkDriver(settings) }
        #expect(down?.disposition == .retry)
        try server.start()
        let again = try SinkDriver(settings)
        #expect(again.openingPosition?.lsn == LSN(108))
        try again.write(transaction(200) { $0.insert(t, ["2"]) })
        #expect(try server.connect(database).query("SELECT id FROM t ORDER BY id") == [["1"], ["2"]])
    }

    @Test func waitsForALockUntilTheAttemptIsOver() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY)")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings)
        let other = try target.server.connect(target.database)
        try other.exec("BEGIN")
        try other.exec("INSERT INTO t VALUES (1)")
        driver.failAttempt()
        // The insert waits for the other session's row; the attempt's end is noticed within about a second.
        let began = ContinuousClock.now
        try driver.write(transaction(100) { $0.insert(t, ["1"]) })
        #expect(ContinuousClock.now - began < .seconds(8))
        #expect(driver.durable == 0)
        try driver.flush()
        driver.sink.close()
        // The server notices that the session's agent is gone, although its statement still waits.
        let again = try SinkDriver(target.settings { $0.openTimeout = .seconds(20) })
        try other.exec("ROLLBACK")
        #expect(again.openingPosition == nil)
        #expect(try target.rows("SELECT count(*) FROM t") == ["0"])
    }

    @Test func aFlushEndsAtItsDeadline() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY)")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings { $0.group.ageMax = .seconds(60) })
        let other = try target.server.connect(target.database)
        try other.exec("BEGIN")
        try other.exec("INSERT INTO t VALUES (1)")
        try driver.write(transaction(100) { $0.insert(t, ["1"]) }, moreFollows: true)
        let error = failure { () throws(WeirError) in try driver.flush(within: .milliseconds(300)) }
        #expect(error?.code == .drainTimedOut)
        #expect(driver.durable == 0)
        try other.exec("ROLLBACK")
    }

    @Test func carriesLargeValues() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v text)")
        let t = try target.relation("t")
        // Escaped, the first is twice as long.
        let values = [String(repeating: "\\", count: 3_000_000), String(repeating: "é", count: 4_000_000)]
        for (copyRowsMin, first) in [(1, 0), (64, 2)] {
            let driver = try SinkDriver(target.settings { $0.copyRowsMin = copyRowsMin })
            try driver.write(
                transaction(UInt64(100 + first * 100)) { batch in
                    for (index, value) in values.enumerated() {
                        batch.insert(t, [.text("\(first + index)"), .text(value)])
                    }
                })
        }
        #expect(
            try target.rows("SELECT octet_length(v), v = repeat(left(v, 1), length(v)) FROM t ORDER BY id") == [
                "3000000|t", "8000000|t", "3000000|t", "8000000|t",
            ])
    }

    @Test func commitsAreOnDiskEvenIfTheRoleSaysOtherwise() throws {
        let target = try Target("CREATE TABLE t (id int)")
        try target.exec("ALTER DATABASE \(target.database) SET synchronous_commit = off")
        let driver = try SinkDriver(target.settings)
        let watcher = try Target.settingOfSink(target, "synchronous_commit", during: driver)
        #expect(watcher == "on")
    }
}

extension Target {
    /// A setting of the sink's session, written down by a trigger that fires in it.
    static func settingOfSink(_ target: Target, _ name: String, during driver: SinkDriver) throws -> String? {
        try target.exec(
            """
            CREATE TABLE seen (value text);
            CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN INSERT INTO public.seen VALUES (current_setting('\(name)')); RETURN NEW; END $$;
            CREATE TRIGGER see AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION see();
            ALTER TABLE t ENABLE ALWAYS TRIGGER see
            """)
        let t = try target.relation("t")
        try driver.write(transaction(100) { $0.insert(t, ["1"]) })
        return try target.connection.value("SELECT value FROM seen")
    }
}
