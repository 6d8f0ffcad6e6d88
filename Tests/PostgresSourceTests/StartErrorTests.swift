import LibPQ
import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSource

/// Wrong servers, rights, slots and publications: each with its code, its cause, and nothing changed.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct StartErrorTests {
    private func outcome(_ settings: PostgresSourceSettings) throws -> WeirError? {
        try SourceRun(settings).outcome()
    }

    @Test func wrongAddressesAndLogIns() throws {
        let server = try PrivatePostgres(authentication: .scram(password: "right-canary"))
        let database = try SourceDatabase(server)
        try database.exec("CREATE TABLE t (id int PRIMARY KEY)")
        var settings = database.settings()
        settings.url = server.url(database: "nowhere")
        #expect(try outcome(settings)?.code == .databaseMissing)
        settings.url = server.url(database: database.name, password: "wrong-canary")
        let refused = try #require(try outcome(settings))
        #expect(refused.code == .authenticationFailed && refused.disposition == .operator)
        #expect(!refused.description.contains("canary"))
        settings.url = "postgresql://postgres:canary@127.0.0.1:1/x"
        let closed = try #require(try outcome(settings))
        #expect(closed.code == .connectionLost && closed.disposition == .retry)
        settings.url = "postgresql://postgres:canary@host:port:x/y"
        let malformed = try #require(try outcome(settings))
        #expect(malformed.disposition == .usage && !malformed.description.contains("canary"))
    }

    @Test func aServerWithoutALogicalLog() throws {
        let server = try PrivatePostgres(["wal_level": "replica"])
        let database = try SourceDatabase(server)
        try database.exec("CREATE TABLE t (id int PRIMARY KEY)")
        let error = try #require(try outcome(database.settings()))
        #expect(error.code == .serverMisconfigured)
        #expect(error.cause == "wal_level is replica" && error.advice?.contains("ALTER SYSTEM") == true)
        // A copy needs none.
        #expect(try outcome(database.settings(snapshot: .only)) == nil)
        let findings = SourceInspector.inspect(database.settings())
        #expect(findings.contains { $0.severity == .error && $0.message.contains("wal_level is replica") })
    }

    @Test func noSlotLeft() throws {
        let server = try PrivatePostgres(["max_replication_slots": "1"])
        let database = try SourceDatabase(server)
        try database.exec("CREATE TABLE t (id int PRIMARY KEY); SELECT pg_create_physical_replication_slot('taken')")
        let error = try #require(try outcome(database.settings()))
        #expect(error.code == .serverMisconfigured && error.advice?.contains("max_replication_slots") == true)
        let findings = SourceInspector.inspect(database.settings())
        #expect(findings.contains { $0.severity == .error && $0.remedy?.contains("max_replication_slots") == true })
    }

    @Test func missingRights() throws {
        let database = try SourceDatabase()
        let role = "limited_\(database.name)"
        try database.exec("CREATE TABLE t (id int PRIMARY KEY, v int); CREATE ROLE \(role) LOGIN")
        var settings = database.settings()
        settings.url = database.postgres.url(database: database.name, user: role)
        let noReplication = try #require(try outcome(settings))
        #expect(noReplication.code == .permissionDenied && noReplication.advice?.contains("REPLICATION") == true)
        try database.exec("ALTER ROLE \(role) REPLICATION")
        let noPublication = try #require(try outcome(settings))
        #expect(noPublication.code == .permissionDenied)
        #expect(noPublication.advice?.contains("CREATE PUBLICATION \"\(settings.publication)\" FOR TABLE") == true)
        let findings = SourceInspector.inspect(settings)
        #expect(findings.filter { $0.severity == .error }.count == 2)
        // The statements that `weir check` prints are enough.
        for statement in try LeastPrivileges.statements(settings) { try database.exec(statement) }
        #expect(SourceInspector.inspect(settings).allSatisfy { $0.severity == .ok })
        try database.exec("INSERT INTO t VALUES (1, 2)")
        let run = SourceRun(settings)
        #expect(run.log.wait(count: 1))
        #expect(try run.stop() == nil)
    }

    @Test func slotsOfOthers() throws {
        let database = try SourceDatabase()
        let settings = database.settings()
        try database.exec("CREATE TABLE t (id int PRIMARY KEY)")
        for create in [
            "SELECT pg_create_logical_replication_slot('\(settings.slot)', 'test_decoding')",
            "SELECT pg_create_physical_replication_slot('\(settings.slot)')",
        ] {
            try database.exec(create)
            #expect(try outcome(settings)?.code == .slotMismatch)
            #expect(SourceInspector.inspect(settings).contains { $0.severity == .error })
            // Refused before anything was made.
            #expect(try database.connection.number("SELECT count(*) FROM pg_publication") == 0)
            try database.exec("SELECT pg_drop_replication_slot('\(settings.slot)')")
        }
        let other = try SourceDatabase()
        try other.exec("SELECT pg_create_logical_replication_slot('\(settings.slot)', 'pgoutput')")
        let error = try #require(try outcome(settings))
        #expect(error.code == .slotMismatch && error.cause?.contains(other.name) == true)
        try other.exec("SELECT pg_drop_replication_slot('\(settings.slot)')")
    }

    @Test func aBusySlotIsTakenOverWhenItIsFree() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
        let first = SourceRun(database.settings())
        try #require(first.log.wait(count: 1))
        let refused = try #require(try SourceRun(database.settings(), store: first.store).outcome())
        #expect(refused.code == .slotBusy && refused.cause?.contains("server process") == true)
        let second = SourceRun(database.settings(), store: first.store)
        try first.stop()
        try database.exec("INSERT INTO t VALUES (2)")
        #expect(second.log.wait(count: 1))
        #expect(second.log.events == ["insert public.t 2"])
        try second.stop()
    }

    @Test func noTableToReplicate() throws {
        let database = try SourceDatabase()
        let empty = try #require(try outcome(database.settings(tables: [])))
        #expect(empty.code == .tableUnusable)
        let wrong = try #require(try outcome(database.settings(tables: ["public.nothing"])))
        #expect(wrong.code == .tableUnusable && wrong.cause == "patterns: public.nothing")
        #expect(try database.slot("slot_name") == nil)
        // A copy of nothing is no success either.
        let copied = try #require(try outcome(database.settings(tables: ["public.no*"], snapshot: .only)))
        #expect(copied.code == .tableUnusable && copied.cause == "patterns: public.no*")
        let copy = SourceInspector.inspect(database.settings(tables: ["public.no*"], snapshot: .only))
        #expect(copy.contains { $0.subject == "source tables" && $0.severity == .error })
        let findings = SourceInspector.inspect(database.settings(tables: ["public.nothing"]))
        #expect(findings.contains { $0.subject == "source table public.nothing" && $0.severity == .error })
    }

    @Test func aPublicationThatIsGone() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
        let first = SourceRun(database.settings())
        try #require(first.log.wait(count: 1))
        // While it streams: found out with the next change.
        try database.exec("DROP PUBLICATION weir_\(database.name)")
        try database.exec("INSERT INTO t VALUES (2)")
        let running = try #require(try first.outcome())
        #expect(running.code == .publicationMissing && running.message == "The publication was dropped")
        // At the next start; none is made in its place.
        let second = try #require(try SourceRun(database.settings(), store: first.store).outcome())
        #expect(second.code == .publicationMissing)
        #expect(try database.connection.number("SELECT count(*) FROM pg_publication") == 0)
        // One made later does not hold for the changes before.
        try database.exec("CREATE PUBLICATION weir_\(database.name) FOR TABLE t")
        let third = try #require(try SourceRun(database.settings(), store: first.store).outcome())
        #expect(third.code == .publicationMissing)
        #expect(third.message == "The publication did not exist yet when these changes were made")
    }

    @Test func anInvalidatedSlot() throws {
        let server = try PrivatePostgres([
            "max_slot_wal_keep_size": "1MB", "max_wal_size": "32MB", "min_wal_size": "32MB", "wal_sender_timeout": "2s",
        ])
        let database = try SourceDatabase(server)
        try database.exec("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TABLE noise (v text)")
        let run = SourceRun(database.settings(tables: ["public.t"]))
        try #require(run.log.wait(count: 1))
        try run.stop()
        for _ in 0..<3 {
            try database.exec("INSERT INTO noise SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
            try database.exec("SELECT pg_switch_wal(); CHECKPOINT")
        }
        #expect(try database.slot("wal_status") == "lost")
        let error = try #require(try SourceRun(database.settings(tables: ["public.t"]), store: run.store).outcome())
        #expect(error.code == .slotInvalidated && error.disposition == .operator)
        let findings = SourceInspector.inspect(database.settings(tables: ["public.t"]))
        #expect(findings.contains { $0.severity == .error && $0.message.contains("invalidated") })
    }

    @Test func aTableWithoutIdentityIsAnnounced() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE log (v int)")
        let findings = SourceInspector.inspect(database.settings())
        let warning = findings.first { $0.subject == "source replica identity" }
        #expect(warning?.severity == .warning && warning?.message.contains("public.log") == true)
        // Its inserts stream; updates fail in the application, not here.
        let run = SourceRun(database.settings())
        #expect(eventually { run.statistics.isStreaming })
        try database.exec("INSERT INTO log VALUES (1)")
        #expect(run.log.wait(count: 1))
        #expect(throws: TestKitError.self) { try database.exec("UPDATE log SET v = 2") }
        try run.stop()
    }

    @Test func rowsThatAPolicyHidesStopTheSnapshot() throws {
        let database = try SourceDatabase()
        let role = "hidden_\(database.name)"
        try database.exec(
            """
            CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
            CREATE ROLE \(role) LOGIN REPLICATION; GRANT SELECT ON t TO \(role); CREATE PUBLICATION theirs FOR TABLE t
            """)
        var settings = database.settings(tables: [])
        settings.publication = "theirs"
        settings.url = database.postgres.url(database: database.name, user: role)
        let findings = SourceInspector.inspect(settings)
        #expect(findings.contains { $0.severity == .error && $0.message.contains("Row-level security") })
        let error = try #require(try outcome(settings))
        #expect(error.code == .permissionDenied && error.table == TableName(schema: "public", name: "t"))
        #expect(try database.slot("slot_name") == nil)
    }

    @Test func adminCallsShowAndDropSlots() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
        let settings = database.settings()
        let run = SourceRun(settings)
        try #require(run.log.wait(count: 1))
        #expect(try SourceAdministration.status(settings).slot?.activePID != nil)
        #expect(throws: WeirError.self) { try SourceAdministration.dropSlot(settings.slot, url: settings.url) }
        try run.stop()
        // Others' tests have slots on the server too.
        func own() throws -> [SlotStatus] {
            try SourceAdministration.slots(url: settings.url).filter { $0.database == database.name }
        }
        let slots = try own()
        #expect(slots.map(\.name) == [settings.slot] && slots.first?.activePID == nil)
        try SourceAdministration.dropSlot(settings.slot, url: settings.url)
        #expect(try SourceAdministration.dropPublication(settings.publication, url: settings.url))
        #expect(try own().isEmpty)
        var missing: WeirError?
        do throws(WeirError) { try SourceAdministration.dropSlot("nope", url: settings.url) } catch { missing = error }
        #expect(missing?.code == .slotMissing)
    }

    @Test func tablesAndPartitionsThatWouldSurpriseAreNamed() throws {
        let database = try SourceDatabase()
        try database.exec(
            """
            CREATE TABLE keyless (v text);
            CREATE TABLE parted (id int, k text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
            CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a')
            """)
        func warnings(_ settings: PostgresSourceSettings) -> [String] {
            SourceInspector.inspect(settings).filter { $0.severity == .warning }.map(\.message)
        }
        let all = warnings(database.settings(tables: ["public.*"]))
        #expect(all.count == 2)
        #expect(all.contains { $0.contains("refuses UPDATE and DELETE") && $0.contains("public.keyless") })
        #expect(all.contains { $0.contains("whole partition") && $0.hasSuffix("of public.parted") })
        let unnamed = warnings(database.settings(tables: []))
        #expect(unnamed.contains { $0.contains("left out") && $0.hasSuffix(": public.keyless") })
        #expect(!unnamed.contains { $0.contains("refuses UPDATE") })
    }
}
