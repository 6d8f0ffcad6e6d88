import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSource

@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct BackfillAndTailTests {
    private func backfill(
        _ database: SourceDatabase, tables: [String] = ["public.*"], chosen: [String] = [], log: EventLog = EventLog(),
        store: MemoryStore = MemoryStore(), workers: Int = 1
    ) throws -> SourceRun {
        let settings = database.settings(tables: tables)
        let limits = PostgresBackfill.Limits(batch: BatchLimits(rowsMax: 100), workers: workers)
        let selection = chosen.isEmpty ? nil : TableSelection(try chosen.map { try TablePattern($0) })
        return SourceRun(
            SourceFactory(name: "backfill") {
                PostgresBackfill(settings, chosen: selection, name: "b", limits: limits)
            }, log: log, store: store)
    }

    private func threeTables() throws -> SourceDatabase {
        let database = try SourceDatabase()
        for name in ["a", "b", "c"] {
            try database.exec(
                "CREATE TABLE \(name) (id int PRIMARY KEY); INSERT INTO \(name) SELECT generate_series(1, 500)")
        }
        return database
    }

    @Test func copiesAndEndsWithoutATrace() throws {
        let database = try threeTables()
        let run = try backfill(database, chosen: ["public.a", "public.c"])
        #expect(try run.outcome() == nil)
        #expect(run.log.events.count == 1000 && Set(run.log.events).count == 1000)
        #expect(run.log.parts.allSatisfy { $0.purpose == .backfill } && run.log.ends.isEmpty)
        #expect(Set(run.log.identities).count == 1000)
        #expect(try run.store.finishedTables(backfill: "b").isEmpty && run.store.position == nil)
        let left = try database.connection.number(
            """
            SELECT (SELECT count(*) FROM pg_publication)
            + (SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE $1)
            """, ["%\(database.name)%"])
        #expect(left == 0)
    }

    @Test func resumesAtWholeTables() throws {
        let database = try threeTables()
        let log = EventLog()
        // Fails inside the second table.
        log.state.update { $0.failAfter = 700 }
        let first = try backfill(database, log: log)
        #expect(try first.outcome()?.code == .rowRejected)
        #expect(try first.store.finishedTables(backfill: "b").map(\.name) == ["a"])
        let second = try backfill(database, store: first.store)
        #expect(try second.outcome() == nil)
        #expect(second.log.events.count == 1000)
        #expect(second.log.events.allSatisfy { !$0.hasPrefix("read public.a ") })
        #expect(try first.store.finishedTables(backfill: "b").isEmpty)
    }

    @Test func aStopKeepsWhatIsDone() throws {
        let database = try threeTables()
        let log = EventLog()
        let run = try backfill(database, log: log)
        #expect(try run.stop() == nil)
        let rest = try backfill(database, store: run.store)
        #expect(try rest.outcome() == nil)
        let all = Set(log.events).union(rest.log.events)
        #expect(all.count == 1500)
    }

    @Test func thePublicationsFiltersHold() throws {
        let database = try threeTables()
        try database.exec("CREATE PUBLICATION weir_\(database.name) FOR TABLE a WHERE (id > 498), b")
        let run = try backfill(database, chosen: ["public.a"])
        #expect(try run.outcome() == nil)
        #expect(run.log.events == ["read public.a 499", "read public.a 500"])
        let none = try backfill(database, chosen: ["public.c"])
        #expect(try none.outcome()?.code == .tableUnusable)
    }

    @Test func rowsChangedMeanwhileAreOfOneMoment() throws {
        let database = try SourceDatabase()
        try database.exec(
            """
            CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY);
            INSERT INTO a SELECT generate_series(1, 300); INSERT INTO b SELECT generate_series(1, 300)
            """)
        let log = EventLog()
        log.block(true)
        let run = try backfill(database, log: log)
        try #require(eventually { run.statistics.rowsIn >= 100 })
        try database.exec("DELETE FROM b")
        log.block(false)
        #expect(try run.outcome() == nil)
        #expect(log.events.count == 600)
    }

    // MARK: - Tail

    private func tail(_ settings: PostgresSourceSettings) -> SourceRun {
        SourceRun(SourceFactory(name: "tail") { PostgresTail(settings) })
    }

    private func traces(_ database: SourceDatabase) throws -> Int? {
        try database.connection.number(
            """
            SELECT (SELECT count(*) FROM pg_publication)
            + (SELECT count(*) FROM pg_replication_slots WHERE database = current_database())
            """)
    }

    @Test func aTailLeavesNothingBehindAndBreaksNothing() throws {
        let database = try SourceDatabase()
        try database.exec(
            "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE keyless (v int); INSERT INTO keyless VALUES (1)")
        let run = tail(database.settings())
        try #require(eventually { run.statistics.isStreaming })
        try database.exec("INSERT INTO t VALUES (1); INSERT INTO keyless VALUES (2)")
        // The application's own statement must not fail because somebody looks on.
        try database.exec("UPDATE keyless SET v = 3")
        try database.exec("DELETE FROM t")
        #expect(run.log.wait(count: 3))
        #expect(run.log.events == ["insert public.t 1", "insert public.keyless 2", "delete public.t was 1"])
        #expect(try run.stop() == nil)
        #expect(eventually { try traces(database) == 0 })
    }

    @Test func aTailUsesAPublicationThatExists() throws {
        let database = try SourceDatabase()
        try database.exec(
            """
            CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY);
            CREATE PUBLICATION theirs FOR TABLE t
            """
        )
        var settings = database.settings(tables: [])
        settings.publication = "theirs"
        let run = tail(settings)
        try #require(eventually { run.statistics.isStreaming })
        try database.exec("INSERT INTO u VALUES (1); INSERT INTO t VALUES (1)")
        #expect(run.log.wait(count: 1))
        #expect(try run.stop() == nil)
        #expect(run.log.events == ["insert public.t 1"])
        #expect(eventually { try traces(database) == 1 })
    }

    @Test func leftoversOfAKilledTailAreRemoved() throws {
        let database = try SourceDatabase()
        try database.exec(
            """
            CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION weir_tail_1_dead FOR TABLE t;
            COMMENT ON PUBLICATION weir_tail_1_dead IS 'Made by Weir for `weir tail`';
            CREATE PUBLICATION weir_tail_theirs
            """)
        let first = tail(database.settings())
        try #require(eventually { first.statistics.isStreaming })
        // A second one leaves the living one's alone.
        let second = tail(database.settings())
        try #require(eventually { second.statistics.isStreaming })
        try database.exec("INSERT INTO t VALUES (1)")
        #expect(first.log.wait(count: 1) && second.log.wait(count: 1))
        try first.stop()
        try second.stop()
        let left = try database.connection.query("SELECT pubname FROM pg_publication")
        #expect(left == [["weir_tail_theirs"]])
    }
}
