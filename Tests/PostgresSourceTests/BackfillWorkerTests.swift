import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSource

/// A backfill whose workers read at the same time, on a server.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct BackfillWorkerTests {
    private static let rows = 9000

    /// A table of two parts and more, one row to half a page, between small ones; `big` has gaps and moved rows.
    private func database() throws -> SourceDatabase {
        let database = try SourceDatabase()
        try database.exec(
            """
            CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 300);
            CREATE TABLE big (id int PRIMARY KEY, filler text); ALTER TABLE big ALTER filler SET STORAGE PLAIN;
            INSERT INTO big SELECT g, repeat('x', 4000) FROM generate_series(1, \(Self.rows)) g;
            DELETE FROM big WHERE id % 10 = 0; UPDATE big SET filler = 'y' WHERE id % 7 = 0;
            CREATE TABLE c (id int PRIMARY KEY);
            CREATE TABLE d (id int PRIMARY KEY); INSERT INTO d SELECT generate_series(1, 300)
            """)
        return database
    }

    private func backfill(
        _ database: SourceDatabase, url: String? = nil, workers: Int = 4, lockTimeout: Int = 20,
        log: EventLog = EventLog(), store: MemoryStore = MemoryStore(), logger: Logger = .silent
    ) -> SourceRun {
        var settings = database.settings()
        settings.url = url ?? settings.url
        let made = settings
        let limits = PostgresBackfill.Limits(
            batch: BatchLimits(rowsMax: 100), workers: workers, lockTimeout: .seconds(lockTimeout))
        return SourceRun(
            SourceFactory(name: "backfill") { PostgresBackfill(made, name: "b", limits: limits, logger: logger) },
            log: log, store: store)
    }

    /// What a table holds, as the log names it.
    private func expected(_ database: SourceDatabase, _ tables: [String]) throws -> [String] {
        try tables.flatMap { name in
            try database.connection.query("SELECT id FROM \(name)").map { "\(name) \($0[0] ?? "")" }
        }.sorted()
    }

    /// Table and key of each event.
    private func copied(_ log: EventLog) -> [String] {
        log.events.map { event in
            let words = event.split(separator: " ")
            return "\(words[1].dropFirst("public.".count)) \(words[2].prefix { $0 != "," })"
        }
    }

    private func backends(_ database: SourceDatabase) throws -> Int? {
        try database.connection.number(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1",
            ["weir backfill"])
    }

    @Test(arguments: [1, 2, 4, 16]) func everyRowOnceAndTableAfterTable(workers: Int) throws {
        let database = try database()
        let run = backfill(database, workers: workers)
        #expect(try run.outcome() == nil)
        #expect(copied(run.log).sorted() == (try expected(database, ["a", "big", "c", "d"])))
        let parts = run.log.parts
        #expect(parts.count { $0.isFirst } == 1 && parts.count { $0.isLast } == 1)
        #expect(parts.count { $0.isFirstOfTable } == 4 && parts.count { $0.isLastOfTable } == 4)
        let tables = copied(run.log).map { $0.prefix { $0 != " " } }
        #expect(zip(tables, tables.dropFirst()).allSatisfy { $0 <= $1 }, "no table comes before the end of another")
        let identities = run.log.identities
        #expect(zip(identities, identities.dropFirst()).allSatisfy { $0 < $1 })
        #expect(try run.store.finishedTables(backfill: "b").isEmpty)
        #expect(eventually { try backends(database) == 0 })
    }

    @Test func theServerScansPagesOnly() throws {
        let database = try database()
        let conditions = PageRange(first: 8, end: 16).conditions.joined(separator: " AND ")
        let plan = try database.connection.query("EXPLAIN SELECT id FROM ONLY big WHERE \(conditions)")
        #expect(plan.first?[0]?.contains("Tid Range Scan") == true, "\(plan)")
    }

    @Test func allWorkersReadOneMomentAndKeepTheRowsInPlace() throws {
        let database = try database()
        let all = try expected(database, ["a", "big", "c", "d"])
        let log = EventLog()
        log.block(true)
        let run = backfill(database, log: log)
        try #require(eventually { try backends(database) == 5 && run.statistics.rowsIn >= 100 })
        try database.exec(
            "DELETE FROM a; DELETE FROM d; UPDATE big SET filler = 'z'; INSERT INTO c SELECT generate_series(1, 50)")
        try database.exec("VACUUM")
        try database.exec("SET lock_timeout = '100ms'")
        // The rows of a table that is being copied in parts may not be moved to other pages.
        #expect(throws: (any Error).self) { try database.exec("VACUUM FULL big") }
        log.block(false)
        #expect(try run.outcome() == nil)
        #expect(copied(log).sorted() == all)
        #expect(log.events.allSatisfy { !$0.hasSuffix(",z") })
    }

    @Test func whoWaitsForAWorkersLockDoesNotHoldTheOthersUpForEver() throws {
        let database = try database()
        let log = EventLog()
        log.block(true)
        let run = backfill(database, workers: 2, lockTimeout: 1, log: log)
        // One worker is in `a`, the other one in the first part of `big`.
        let locked = "SELECT count(*) FROM pg_locks WHERE relation = 'big'::regclass AND granted = $1"
        try #require(eventually { try database.connection.number(locked, ["t"]) ?? 0 > 0 })
        let truncated = Background { try database.postgres.connect(database.name).exec("TRUNCATE big") }
        try #require(eventually { try database.connection.number(locked, ["f"]) == 1 })
        log.block(false)
        #expect(try run.outcome() == nil)
        try truncated.value()
        #expect(Set(copied(log)).isSuperset(of: try expected(database, ["a", "c", "d"])))
    }

    @Test func aLostWorkerIsMadeUpForFromTheTablesThatAreLeft() throws {
        let database = try database()
        let log = EventLog()
        log.block(true)
        let run = backfill(database, log: log)
        try #require(eventually { try backends(database) == 5 })
        log.block(false)
        #expect(log.wait { $0.contains { $0.hasPrefix("read public.big ") } })
        log.block(true)
        // Whoever reads the big table now.
        try database.exec(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND query LIKE 'COPY (SELECT%' AND pid <> pg_backend_pid()
            """)
        log.block(false)
        #expect(try run.outcome() == nil)
        #expect(Set(copied(log)) == Set(try expected(database, ["a", "big", "c", "d"])))
        #expect(copied(log).count { $0.hasPrefix("a ") } == 300)
    }

    @Test func aWorkersFailureNamesItsTable() throws {
        let database = try database()
        // Fails in one of the later parts only.
        try database.exec(
            "CREATE PUBLICATION weir_\(database.name) FOR TABLE a, big WHERE (1 / (id - 8501) < 5), c, d")
        let run = backfill(database)
        let error = try #require(try run.outcome())
        #expect(error.table == TableName(schema: "public", name: "big") && error.cause?.contains("22012") == true)
        #expect(error.disposition == .operator)
        #expect(eventually { try backends(database) == 0 })
    }

    @Test func aCrashIsResumedAtWholeTables() throws {
        let database = try database()
        let log = EventLog()
        log.state.update { $0.failAfter = 2000 }
        let first = backfill(database, log: log)
        #expect(try first.outcome()?.code == .rowRejected)
        #expect(try first.store.finishedTables(backfill: "b").map(\.name) == ["a"])
        let second = backfill(database, store: first.store)
        #expect(try second.outcome() == nil)
        #expect(copied(second.log).sorted() == (try expected(database, ["big", "c", "d"])))
    }

    @Test(arguments: [2, 3]) func fewConnectionsMeanFewWorkers(limit: Int) throws {
        let database = try database()
        let role = "few_\(database.name)"
        try database.exec(
            """
            CREATE ROLE \(role) LOGIN CONNECTION LIMIT \(limit);
            GRANT SELECT ON ALL TABLES IN SCHEMA public TO \(role)
            """)
        let lines = Monitor<[String]>([])
        let logger = Logger(level: .info) { _, message, _ in lines.update { $0.append(message) } }
        let run = backfill(
            database, url: database.postgres.url(database: database.name, user: role), logger: logger)
        #expect(try run.outcome() == nil)
        #expect(copied(run.log).sorted() == (try expected(database, ["a", "big", "c", "d"])))
        #expect(lines.read { $0.contains { $0.contains("too few connections free") } })
        try database.exec("DROP OWNED BY \(role); DROP ROLE \(role)")
    }
}
