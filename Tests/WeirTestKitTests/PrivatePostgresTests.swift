import Testing
import WeirTestKit

@Suite("PrivatePostgres", .needsPostgres, .tags(.integration), .timeLimit(.minutes(2)))
struct PrivatePostgresTests {
    @Test func databasesOfTheSharedClusterAreSeparate() throws {
        let postgres = try PrivatePostgres.shared()
        let first = try postgres.createDatabase("kit")
        let second = try postgres.createDatabase("kit")
        try postgres.connect(first).exec("CREATE TABLE t (id int)")
        let tables = try postgres.connect(second).query("SELECT 1 FROM pg_tables WHERE tablename = 't'")
        #expect(first != second)
        #expect(tables.isEmpty)
    }

    @Test func anUrlReachesItsDatabaseOverTCP() throws {
        let postgres = try PrivatePostgres.shared()
        let database = try postgres.createDatabase("kit")
        let connection = try TestConnection(postgres.url(database: database))
        let row = try connection.query("SELECT current_database(), inet_client_addr(), NULL, $1", ["it's"])
        #expect(row == [[database, "127.0.0.1", nil, "it's"]])
    }

    @Test func aSlotStreamsAndGoesWithItsDatabase() throws {
        let postgres = try PrivatePostgres.shared()
        let database = try postgres.createDatabase("kit")
        let connection = try postgres.connect(database)
        try connection.exec("CREATE TABLE t (id int primary key)")
        _ = try connection.query("SELECT pg_create_logical_replication_slot($1, 'test_decoding')", [database])
        try connection.copy("COPY t FROM STDIN", "1\n2\n")
        let changes = try connection.number(
            "SELECT count(*) FROM pg_logical_slot_peek_changes('\(database)', NULL, NULL)")
        #expect(changes == 4)
        try postgres.dropDatabase(database)
        let slots = try postgres.connect().number(
            "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '\(database)'")
        #expect(slots == 0)
    }

    @Test func rowsSurviveARestartAndAKillOnTheSamePort() throws {
        let postgres = try PrivatePostgres(["wal_sender_timeout": "2s"])
        let url = postgres.url()
        try TestConnection(url).exec("CREATE TABLE t AS SELECT 1 AS id")
        try postgres.restart()
        try TestConnection(url).exec("INSERT INTO t VALUES (2)")
        try postgres.kill9()
        #expect(!postgres.isRunning)
        #expect(throws: TestKitError.self) { try TestConnection(url) }
        try postgres.start()
        let connection = try TestConnection(url)
        #expect(try connection.value("SELECT string_agg(id::text, ',' ORDER BY id) FROM t") == "1,2")
        #expect(try connection.value("SHOW wal_sender_timeout") == "2s")
    }

    @Test func scramAsksForThePassword() throws {
        let postgres = try PrivatePostgres(authentication: .scram(password: "secret word"))
        #expect(try TestConnection(postgres.url(password: "secret%20word")).value("SELECT 1") == "1")
        #expect(throws: TestKitError.self) { try TestConnection(postgres.url(password: "wrong")) }
    }

    @Test func aRefusedStatementCarriesItsCode() throws {
        let connection = try PrivatePostgres.shared().connect()
        let error = #expect(throws: TestKitError.self) { try connection.exec("SELECT 1/0") }
        #expect(error?.sqlState == "22012")
    }
}
