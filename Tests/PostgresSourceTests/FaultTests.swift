import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSource

/// Servers that stop, crash, vanish and forget; connections that break anywhere.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct FaultTests {
    private func started(_ database: SourceDatabase, port: Int? = nil) throws -> SourceRun {
        try database.exec("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (0, 'first')")
        let run = SourceRun(database.settings(port: port))
        try #require(run.log.wait(count: 1))
        return run
    }

    /// Every id exactly once by name; repeats have the same identity.
    private func ids(_ log: EventLog) -> [String] {
        let unique = Dictionary(zip(log.identities, log.events)) { $1 }
        return unique.values.map { String($0.split(separator: " ")[2].split(separator: ",")[0]) }
    }

    @Test(arguments: [PrivatePostgres.StopMode.fast, .immediate])
    func theServerRestarts(mode: PrivatePostgres.StopMode) throws {
        let server = try PrivatePostgres()
        let run = try started(SourceDatabase(server))
        var database: SourceDatabase?
        for round in 1...3 {
            let names = try server.connect().query("SELECT datname FROM pg_database WHERE datname LIKE 'test%'")
            let name = try #require(names.first?.first ?? nil)
            let connection = try server.connect(name)
            for id in 0..<20 { try connection.exec("INSERT INTO t VALUES (\(round * 100 + id), 'x')") }
            try server.restart(mode)
        }
        #expect(run.log.wait { Set($0).count >= 61 })
        #expect(try run.stop() == nil)
        let found = ids(run.log)
        #expect(found.count == 61 && Set(found).count == 61)
        database = nil
        _ = database
    }

    @Test func theServerIsKilled() throws {
        let server = try PrivatePostgres()
        let database = try SourceDatabase(server)
        let run = try started(database)
        for id in 1...30 { try database.exec("INSERT INTO t VALUES (\(id), 'x')") }
        try server.kill9()
        try server.start()
        let connection = try server.connect(database.name)
        for id in 31...60 { try connection.exec("INSERT INTO t VALUES (\(id), 'x')") }
        #expect(run.log.wait { Set($0).count >= 61 })
        #expect(try run.stop() == nil)
        #expect(Set(ids(run.log)).count == 61)
    }

    @Test func aStuckSinkDoesNotHoldUpTheServersShutdown() throws {
        let server = try PrivatePostgres()
        let database = try SourceDatabase(server)
        let run = try started(database)
        run.log.block(true)
        try database.exec("INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(1, 50000) g")
        try #require(eventually { run.statistics.rowsIn > 1 })
        let began = ContinuousClock.now
        try server.stop(.fast)
        #expect(ContinuousClock.now - began < .seconds(20))
        try server.start()
        run.log.block(false)
        #expect(run.log.wait { Set($0).count >= 50_001 })
        #expect(try run.stop() == nil)
        #expect(Set(ids(run.log)).count == 50_001)
    }

    @Test func anIdleSourceDoesNotHoldUpTheServersShutdown() throws {
        let server = try PrivatePostgres()
        let database = try SourceDatabase(server)
        let run = try started(database)
        try database.exec("CREATE TABLE noise (v int); INSERT INTO noise VALUES (1)")
        let began = ContinuousClock.now
        try server.stop(.fast)
        #expect(ContinuousClock.now - began < .seconds(15))
        try server.start()
        let connection = try server.connect(database.name)
        try connection.exec("INSERT INTO t VALUES (1, 'after')")
        #expect(run.log.wait { $0.contains("insert public.t 1,after") })
        #expect(try run.stop() == nil)
    }

    @Test func statusGoesOnWhileTheSinkIsStuck() throws {
        let server = try PrivatePostgres(["wal_sender_timeout": "1s"])
        let database = try SourceDatabase(server)
        let run = try started(database)
        run.log.block(true)
        try database.exec("INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(1, 50000) g")
        let pid = try database.slot("active_pid")
        let last = try server.connect().value("SELECT clock_timestamp()::text")
        // Well past the time-out, the same walsender is still there.
        #expect(
            eventually {
                try server.connect().value("SELECT (clock_timestamp() > $1::timestamptz + '4 s')::text", [last])
                    == "true"
            })
        #expect(try database.slot("active_pid") == pid && pid != nil)
        run.log.block(false)
        #expect(run.log.wait(count: 50_001))
        #expect(run.statistics.failures == 0)
        #expect(try run.stop() == nil)
    }

    @Test func sessionsAreTerminated() throws {
        let database = try SourceDatabase()
        let run = try started(database)
        for id in 1...5 {
            _ = try database.connection.query(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
                AND application_name LIKE 'weir %' AND (backend_type = 'walsender') = $1::boolean
                """, [id % 2 == 0 ? "true" : "false"])
            try database.exec("INSERT INTO t VALUES (\(id), 'x')")
            #expect(run.log.wait { $0.contains("insert public.t \(id),x") })
        }
        #expect(try run.stop() == nil)
        #expect(Set(ids(run.log)).count == 6)
    }

    @Test func theConnectionBreaksAfterAnyNumberOfBytes() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (0, 'first')")
        let first = SourceRun(database.settings())
        try #require(first.log.wait(count: 1))
        try first.stop()
        for id in 1...200 { try database.exec("INSERT INTO t VALUES (\(id), repeat('x', 50))") }
        let proxy = try TCPProxy(to: database.postgres.port)
        let store = first.store
        let log = EventLog()
        let run = SourceRun(database.settings(port: proxy.port), log: log, store: store)
        // Each connection gets further than the last one by an odd step; all of them see the same bytes first.
        var bytes = 4000
        while !log.wait(.milliseconds(120), { Set($0).count >= 200 }), bytes < 400_000 {
            proxy.cut(after: bytes, .toClient)
            bytes += 3001
        }
        proxy.resume()
        #expect(log.wait { Set($0).count >= 200 })
        #expect(try run.stop() == nil)
        let found = ids(log)
        #expect(Set(found) == Set((1...200).map(String.init)) && found.count == 200)
    }

    @Test func aServerThatSaysNothingIsGivenUp() throws {
        let database = try SourceDatabase()
        let proxy = try TCPProxy(to: database.postgres.port)
        try database.exec("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (0, 'first')")
        let settings = database.settings(port: proxy.port)
        let history = PostgresSourceHistory()
        let run = SourceRun(
            SourceFactory(name: "postgres") {
                PostgresSource(settings, history: history, receiveTimeout: .milliseconds(600))
            })
        try #require(run.log.wait(count: 1))
        proxy.stall()
        try database.exec("INSERT INTO t VALUES (1, 'x')")
        #expect(eventually { run.statistics.failures > 0 })
        proxy.resume()
        #expect(run.log.wait { $0.contains("insert public.t 1,x") })
        #expect(try run.stop() == nil)
    }

    @Test func theSlotIsDroppedUnderAnOutage() throws {
        let database = try SourceDatabase()
        let run = try started(database)
        // Weir may be back between the two.
        #expect(
            eventually {
                _ = try database.connection.query(
                    """
                    SELECT pg_terminate_backend(active_pid, 5000), pg_drop_replication_slot(slot_name)
                    FROM pg_replication_slots WHERE slot_name = $1
                    """, ["weir_\(database.name)"])
                return true
            })
        let error = try #require(try run.outcome())
        #expect(error.code == .slotMissing && error.disposition == .operator, "\(error.code) \(error)")
    }

    @Test func theSlotIsInvalidatedWhileItStreams() throws {
        let server = try PrivatePostgres([
            "max_slot_wal_keep_size": "1MB", "max_wal_size": "32MB", "min_wal_size": "32MB", "wal_sender_timeout": "0",
        ])
        let database = try SourceDatabase(server)
        let run = try started(database)
        run.log.block(true)
        try database.exec("INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(1, 60000) g")
        for _ in 0..<3 { try database.exec("SELECT pg_switch_wal(); CHECKPOINT") }
        #expect(eventually { try database.slot("wal_status") == "lost" })
        let error = try #require(try run.outcome())
        #expect(error.code == .slotInvalidated)
        run.log.block(false)
    }
}
