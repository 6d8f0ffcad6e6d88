import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSource

/// Positions: what is confirmed, when, and where a restart goes on.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct ResumeTests {
    private func started(_ database: SourceDatabase) throws -> SourceRun {
        try database.exec("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
        let run = SourceRun(database.settings())
        try #require(run.log.wait(count: 1))
        return run
    }

    @Test func aRestartGoesOnWhereItStopped() throws {
        let database = try SourceDatabase()
        let first = try started(database)
        try database.exec("INSERT INTO t VALUES (2, 'b')")
        #expect(first.log.wait(count: 2))
        try first.stop()
        try database.exec("INSERT INTO t VALUES (3, 'c')")
        let second = SourceRun(database.settings(), store: first.store)
        #expect(second.log.wait(count: 1))
        try database.exec("INSERT INTO t VALUES (4, 'd')")
        #expect(second.log.wait(count: 2))
        try second.stop()
        #expect(second.log.events == ["insert public.t 3,c", "insert public.t 4,d"])
        #expect(first.store.intent == nil)
    }

    /// A message outside of transactions ends where the next record begins: a position there must not stand for the
    /// transaction whose commit that is.
    @Test func aMessageBeforeACommitIsAnotherEvent() throws {
        let database = try SourceDatabase()
        let first = try started(database)
        try database.exec(
            "BEGIN; INSERT INTO t VALUES (2, 'b'); SELECT pg_logical_emit_message(false, 'm', 'x'); COMMIT")
        #expect(first.log.wait(count: 3))
        try first.stop()
        #expect(first.log.events.suffix(2) == ["message m=x", "insert public.t 2,b"])
        let (message, insert) = (first.log.identities[1], first.log.identities[2])
        #expect(message.commit < insert.commit)
        #expect(LSN(message.commit.rawValue + 1) <= insert.commit)
    }

    @Test func aStopConfirmsEverythingThatIsDurable() throws {
        let database = try SourceDatabase()
        let run = try started(database)
        try database.exec("INSERT INTO t VALUES (2, 'b')")
        #expect(run.log.wait(count: 2))
        try run.stop()
        let confirmed = try database.confirmed()
        #expect(confirmed == run.log.lastEnd && confirmed == run.store.position)
    }

    @Test func afterACrashNothingIsMissingAndRepeatsHaveTheSameNames() throws {
        let database = try SourceDatabase()
        let first = try started(database)
        for id in 2...50 { try database.exec("INSERT INTO t VALUES (\(id), 'x')") }
        #expect(first.log.wait(count: 20))
        try first.crash()
        try database.exec("INSERT INTO t VALUES (51, 'y')")
        let second = SourceRun(database.settings(), store: first.store)
        #expect(second.log.wait { $0.contains("insert public.t 51,y") })
        try second.stop()
        let names = zip(first.log.identities, first.log.events)
        let all = Dictionary(names) { $1 }.merging(zip(second.log.identities, second.log.events)) { $1 }
        #expect(
            Set(all.values)
                == Set(["read public.t 1,a"] + (2...50).map { "insert public.t \($0),x" } + ["insert public.t 51,y"]))
        #expect(all.count == 51)
    }

    @Test func nothingIsConfirmedThatIsNotDurable() throws {
        let database = try SourceDatabase()
        let run = try started(database)
        try #require(eventually { try database.confirmed() == run.log.lastEnd })
        let before = try database.confirmed()
        run.log.block(true)
        try database.exec("INSERT INTO t VALUES (2, 'b')")
        // Several status updates go out while the sink is stuck.
        let replies =
            """
            SELECT r.reply_time::text FROM pg_stat_replication r JOIN pg_replication_slots s ON s.active_pid = r.pid
            WHERE s.slot_name = $1
            """
        let slot = ["weir_\(database.name)"]
        for _ in 0..<3 {
            let last = try database.connection.value(replies, slot)
            #expect(eventually { try database.connection.value(replies, slot) != last })
        }
        #expect(try database.confirmed() == before)
        run.log.block(false)
        #expect(run.log.wait(count: 2))
        #expect(eventually { try database.confirmed() == run.log.lastEnd })
        try run.stop()
    }

    @Test func confirmedPositionsAreEndsOfCommits() throws {
        let database = try SourceDatabase()
        let run = try started(database)
        var seen: Set<LSN> = []
        for id in 2...30 {
            try database.exec("INSERT INTO t SELECT g, 'x' FROM generate_series(\(id * 100), \(id * 100 + 50)) g")
            if let confirmed = try database.confirmed() { seen.insert(confirmed) }
        }
        #expect(run.log.wait(count: 29 * 51 + 1))
        try run.stop()
        if let last = try database.confirmed() { seen.insert(last) }
        // The slot starts at its consistent point, the end of the snapshot; idle moves come with an end as well.
        #expect(seen.subtracting(run.log.ends).isEmpty)
    }

    @Test func anIdleSlotMovesWithTheServer() throws {
        let database = try SourceDatabase()
        let run = try started(database)
        // In a schema that the patterns do not take.
        try database.exec("CREATE SCHEMA quiet; CREATE TABLE quiet.other (id int)")
        for _ in 0..<3 {
            try database.exec("INSERT INTO quiet.other VALUES (1)")
            let end = try #require(try database.walEnd())
            #expect(eventually { (try database.confirmed()).map { $0 >= end } ?? false })
        }
        #expect(run.log.events.count == 1)
        try run.stop()
        // What was confirmed was stored before.
        let confirmed = try #require(try database.confirmed())
        #expect((run.store.position ?? .zero) >= confirmed)
    }

    @Test func aNeverIdleSlotOfAFreshStreamMovesAsWell() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int)")
        let run = SourceRun(database.settings(tables: ["public.t"], snapshot: .never))
        #expect(eventually { run.statistics.isStreaming })
        try database.exec("INSERT INTO other VALUES (1)")
        let end = try #require(try database.walEnd())
        #expect(eventually { (try database.confirmed()).map { $0 >= end } ?? false })
        try run.stop()
    }

    @Test func aPositionBehindTheSlotStopsTheStart() throws {
        let database = try SourceDatabase()
        let first = try started(database)
        try first.stop()
        try database.exec("INSERT INTO t VALUES (2, 'b')")
        try database.exec("SELECT pg_replication_slot_advance('weir_\(database.name)', pg_current_wal_lsn())")
        let outcome = try SourceRun(database.settings(), store: first.store).outcome()
        #expect(outcome?.code == .positionMismatch)
    }

    @Test func aSlotThatIsGoneStopsTheStart() throws {
        let database = try SourceDatabase()
        let first = try started(database)
        try first.stop()
        try database.exec("SELECT pg_drop_replication_slot('weir_\(database.name)')")
        let second = SourceRun(database.settings(), store: first.store)
        #expect(try second.outcome()?.code == .slotMissing)
        #expect(try database.slot("slot_name") == nil)
        // The way out that the error names.
        let third = SourceRun(database.settings(snapshot: .always), store: first.store)
        #expect(third.log.wait { $0.contains("read public.t 1,a") })
        try third.stop()
    }

    @Test func aSnapshotThatWasCutShortIsTakenAnew() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 5000)")
        let first = SourceRun(database.settings(), limits: BatchLimits(rowsMax: 100))
        first.log.block(true)
        #expect(eventually { first.store.intent?.consistentPoint != nil })
        try first.crash()
        #expect(first.store.intent != nil && first.store.position == nil)
        try database.exec("INSERT INTO t VALUES (5001)")
        let second = SourceRun(database.settings(), store: first.store)
        #expect(second.log.wait(count: 5001))
        try second.stop()
        #expect(Set(second.log.events).count == 5001 && second.log.events.count == 5001)
        #expect(first.store.intent == nil)
    }

    @Test func aFailedSnapshotLeavesNoSlotBehind() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 5000)")
        let log = EventLog()
        log.state.update { $0.failAfter = 200 }
        let run = SourceRun(database.settings(), limits: BatchLimits(rowsMax: 100), log: log)
        #expect(try run.outcome()?.code == .rowRejected)
        #expect(try database.slot("slot_name") == nil)
        // And the next start succeeds.
        log.state.update { $0.failAfter = nil }
        let again = SourceRun(database.settings(), store: run.store)
        #expect(again.log.wait(count: 5000))
        try again.stop()
    }

    @Test func aTransactionIsFinishedBeforeAStop() throws {
        let database = try SourceDatabase()
        let run = try started(database)
        try database.exec("INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(2, 60000) g")
        #expect(run.log.wait(count: 100))
        #expect(try run.stop() == nil)
        // All of it or, had the stop come first, nothing.
        #expect(run.log.events.count == 60_000)
        #expect(try database.confirmed() == run.log.lastEnd)
    }
}
