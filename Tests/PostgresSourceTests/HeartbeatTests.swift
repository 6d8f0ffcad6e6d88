import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSource

@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct HeartbeatTests {
    private func run(_ database: SourceDatabase, query: String? = nil) -> SourceRun {
        var settings = database.settings(snapshot: .never)
        settings.heartbeat = PostgresSourceSettings.Heartbeat(interval: .milliseconds(100), query: query)
        return SourceRun(settings)
    }

    private func beats(_ events: [String]) -> Int { events.filter { $0 == "heartbeat" }.count }

    @Test func aQuietDatabaseGivesHeartbeatsAndItsStatementRuns() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE pulse (id int PRIMARY KEY, n int); INSERT INTO pulse VALUES (1, 0)")
        let run = run(database, query: "UPDATE pulse SET n = n + 1")
        #expect(run.log.wait { $0.contains("update public.pulse 1,3") && beats($0) >= 3 })
        #expect(try run.stop() == nil)
        let confirmed = try #require(try database.confirmed()), end = try #require(run.log.lastEnd)
        #expect(confirmed >= end)
    }

    @Test func aBusyDatabaseGivesHeartbeatsAsWell() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE t (id serial PRIMARY KEY)")
        let run = run(database)
        #expect(run.log.wait { beats($0) >= 1 })
        let before = beats(run.log.events)
        let end = ContinuousClock.now + .milliseconds(600)
        var rows = 0
        while ContinuousClock.now < end {
            try database.exec("INSERT INTO t DEFAULT VALUES")
            rows += 1
        }
        #expect(run.log.wait { $0.filter { $0.hasPrefix("insert") }.count == rows })
        #expect(beats(run.log.events) >= before + 3)
        #expect(try run.stop() == nil)
    }

    @Test(arguments: [
        "UPDATE nowhere SET n = 1", "BEGIN", "SELECT pg_sleep(3600)", "BEGIN; SELECT 1/0", "no SQL at all",
    ])
    func aBadStatementStopsNothing(query: String) throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE t (id int PRIMARY KEY)")
        let run = run(database, query: query)
        #expect(run.log.wait { beats($0) >= 1 })
        try database.exec("INSERT INTO t VALUES (1)")
        #expect(run.log.wait { $0.contains("insert public.t 1") })
        // The catalog's session still answers: a new version of the table is looked up there.
        try database.exec("ALTER TABLE t ADD COLUMN v text; INSERT INTO t VALUES (2, 'two')")
        #expect(run.log.wait { $0.contains("insert public.t 2,two") })
        #expect(try run.stop() == nil)
        #expect(run.statistics.failures == 0)
    }

    @Test func noneUnlessAskedFor() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE t (id int PRIMARY KEY)")
        let run = SourceRun(database.settings(snapshot: .never))
        #expect(!run.log.wait(.milliseconds(1500)) { beats($0) > 0 })
        #expect(try run.stop() == nil)
    }
}
