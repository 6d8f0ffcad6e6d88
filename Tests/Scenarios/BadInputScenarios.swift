import Testing
import WeirTestKit

/// Every way of setting Weir up wrongly ends with the cause, a remedy and a defined exit code, and loses nothing.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5)))
struct BadInputScenarios {
    /// Short limits, so that "retry, then give up" is quick.
    static let impatient = "limits: {retry.startup: 1s, retry.delay.min: 100ms, drain: 5s}"

    /// Runs `weir run` to its end and checks exit code and that one line of stderr holds every text.
    private func expect(
        _ shop: Shop, exit: Int32 = 1, _ texts: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let finished = try shop.weir(["run", shop.config], timeout: .seconds(40))
        let output = finished.errors.joined(separator: "\n")
        #expect(finished.exit == .status(exit), "\(output)", sourceLocation: sourceLocation)
        for text in texts {
            #expect(output.contains(text), "no '\(text)' in:\n\(output)", sourceLocation: sourceLocation)
        }
        #expect(finished.output == [], sourceLocation: sourceLocation)
    }

    private func config(_ source: String, sink: String = "{type: stdout}", extra: String = impatient) throws
        -> (TemporaryDirectory, String)
    {
        let directory = try TemporaryDirectory()
        let path = try directory.write(
            "pipeline: bad\nsource: \(source)\nsinks: [\(sink)]\n\(extra)\n", to: "weir.yaml")
        return (directory, path)
    }

    private func run(_ directory: TemporaryDirectory, _ path: String) throws -> (ProcessExit, String) {
        let finished = try WeirProcess.run(["run", path], workingDirectory: directory.path, timeout: .seconds(40))
        return (finished.exit, finished.errors.joined(separator: "\n"))
    }

    @Test func aServerThatIsNotThere() throws {
        let (directory, path) = try config("{url: \"postgresql://weir:s3cret@127.0.0.1:9/shop\"}")
        let (exit, output) = try run(directory, path)
        #expect(exit == .status(1))
        #expect(output.contains("127.0.0.1"), "\(output)")
        #expect(output.contains("refused"), "\(output)")
        #expect(!output.contains("s3cret"), "\(output)")
    }

    @Test func aMalformedURL() throws {
        let (directory, path) = try config("{url: \"postgresql://weir:s3cret@[::1/shop?nonsense=1\"}")
        let (exit, output) = try run(directory, path)
        #expect(exit == .status(2), "\(output)")
        let check = try WeirProcess.run(["check", path], workingDirectory: directory.path)
        #expect(check.exit == .status(2), "\(check.output)")
        #expect(!check.output.joined().contains("s3cret"))
        #expect(output.contains("connection string"), "\(output)")
        #expect(!output.contains("s3cret"), "\(output)")
    }

    @Test func aDatabaseThatIsNotThere() throws {
        let server = try PrivatePostgres.shared()
        let (directory, path) = try config("{url: \"\(server.url(database: "nowhere"))\"}")
        let (exit, output) = try run(directory, path)
        #expect(exit == .status(1))
        #expect(output.contains("\"nowhere\" does not exist"), "\(output)")
    }

    @Test func aWrongPassword() throws {
        let server = try PrivatePostgres([:], authentication: .scram(password: "correct horse"))
        let (directory, path) = try config("{url: \"\(server.url(password: "canary-pw"))\"}")
        let (exit, output) = try run(directory, path)
        #expect(exit == .status(1))
        #expect(output.contains("password authentication failed"), "\(output)")
        #expect(!output.contains("canary-pw"), "\(output)")
    }

    @Test func aServerWithoutLogicalDecoding() throws {
        let server = try PrivatePostgres(["wal_level": "replica"])
        let (directory, path) = try config("{url: \"\(server.url())\"}")
        let (exit, output) = try run(directory, path)
        #expect(exit == .status(1))
        #expect(output.contains("wal_level"), "\(output)")
        #expect(output.contains("logical"), "\(output)")
    }

    @Test func aRoleWithoutTheReplicationRight() throws {
        let shop = try Shop([.stdout])
        try shop.source.exec("CREATE ROLE \(shop.sourceDatabase)_plain LOGIN")
        let (directory, path) = try config(
            "{url: \"\(shop.server.url(database: shop.sourceDatabase, user: "\(shop.sourceDatabase)_plain"))\"}")
        let (exit, output) = try run(directory, path)
        #expect(exit == .status(1))
        #expect(output.contains("REPLICATION"), "\(output)")
        #expect(try shop.source.number("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'weir_bad'") == 0)
    }

    @Test func aSlotThatIsBusy() throws {
        let shop = try Shop([.postgres], extra: Self.impatient)
        let first = try shop.run()
        // A slot is active while it is made, too, and free again until the first stream.
        try #require(
            eventually {
                try shop.source.number(
                    """
                    SELECT count(*) FROM pg_replication_slots s JOIN pg_stat_replication r ON r.pid = s.active_pid
                    WHERE s.slot_name = $1 AND r.state IN ('catchup', 'streaming')
                    """, ["weir_\(shop.name)"]) == 1
            })
        let (directory, path) = try config(
            "{url: \"\(shop.server.url(database: shop.sourceDatabase))\", slot: weir_\(shop.name), snapshot: never}")
        let (exit, output) = try run(directory, path)
        #expect(exit == .status(1))
        #expect(output.contains("is active for PID") || output.contains("in use"), "\(output)")
        #expect(first.isRunning)
    }

    @Test func aSlotOfAnotherPlugin() throws {
        let shop = try Shop([.stdout], extra: Self.impatient)
        try shop.source.exec("SELECT pg_create_logical_replication_slot('weir_\(shop.name)', 'test_decoding')")
        try expect(shop, "test_decoding", "pgoutput")
    }

    @Test func aSlotOfAnotherDatabase() throws {
        let shop = try Shop([.stdout], extra: Self.impatient)
        let other = try shop.server.connect(shop.targetDatabase)
        try other.exec("SELECT pg_create_logical_replication_slot('weir_\(shop.name)', 'pgoutput')")
        try expect(shop, shop.targetDatabase)
    }

    @Test func aSlotThatLostItsWAL() throws {
        let server = try PrivatePostgres([
            "max_slot_wal_keep_size": "1MB", "max_wal_size": "32MB", "min_wal_size": "32MB",
        ])
        let shop = try Shop([.postgres], extra: Self.impatient, server: server)
        try shop.catchUp()
        for _ in 1...6 {
            try shop.source.exec("INSERT INTO log_lines SELECT i, repeat('w', 400) FROM generate_series(1, 40000) i")
            try shop.source.exec("SELECT pg_switch_wal()")
            try shop.source.exec("CHECKPOINT")
        }
        #expect(
            try shop.source.value("SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'weir_\(shop.name)'")
                == "lost")
        try expect(shop, "weir_\(shop.name)", "lost")
    }

    @Test func aSlotThatIsGone() throws {
        let shop = try Shop([.postgres], extra: Self.impatient)
        try shop.catchUp()
        try shop.source.exec("SELECT pg_drop_replication_slot('weir_\(shop.name)')")
        try expect(shop, "weir_\(shop.name)", "is gone")
    }

    @Test func aSlotThatSomebodyAdvanced() throws {
        let shop = try Shop([.postgres], extra: Self.impatient)
        try shop.catchUp()
        try shop.source.exec("INSERT INTO orders VALUES (1, 1, 1, 'skipped?', NULL)")
        try shop.source.exec("SELECT pg_replication_slot_advance('weir_\(shop.name)', pg_current_wal_lsn())")
        try expect(shop, "position")
        #expect(try Shop.rows("orders", shop.target) == [])
    }

    @Test func aPublicationThatWasDropped() throws {
        let shop = try Shop([.postgres], extra: Self.impatient)
        try shop.catchUp()
        try shop.source.exec("DROP PUBLICATION weir_\(shop.name)")
        try shop.source.exec("INSERT INTO orders VALUES (1, 1, 1, 'x', NULL)")
        try expect(shop, "weir_\(shop.name)", "publication")
    }

    @Test func aTargetTableThatIsMissing() throws {
        let shop = try Shop([.postgres], extra: Self.impatient)
        try shop.catchUp()
        try shop.target.exec("DROP TABLE orders")
        try shop.source.exec("INSERT INTO orders VALUES (1, 1, 1, 'x', NULL)")
        try expect(shop, "public.orders")
        try shop.target.exec(
            """
            CREATE TABLE orders
              (id bigint PRIMARY KEY, customer bigint, amount numeric(12,2), status text, placed timestamptz)
            """)
        try shop.catchUp()
        #expect(try shop.differences() == [])
    }

    @Test func aTargetColumnThatIsMissing() throws {
        let shop = try Shop([.postgres], extra: Self.impatient)
        try shop.catchUp()
        try shop.target.exec("ALTER TABLE orders DROP COLUMN status")
        try shop.source.exec("INSERT INTO orders VALUES (1, 1, 1, 'x', NULL)")
        try expect(shop, "public.orders", "status")
        try shop.target.exec("ALTER TABLE orders ADD COLUMN status text")
        try shop.catchUp()
        #expect(try shop.target.query("SELECT id, status FROM orders") == [["1", "x"]])
    }

    @Test func aTargetTypeThatDoesNotFit() throws {
        let shop = try Shop([.postgres], extra: Self.impatient)
        try shop.catchUp()
        try shop.target.exec("ALTER TABLE orders ALTER COLUMN status TYPE int USING NULL")
        try shop.source.exec("INSERT INTO orders VALUES (1, 1, 1, 'top secret', NULL)")
        let finished = try shop.weir(["run", shop.config], timeout: .seconds(40))
        let output = finished.errors.joined(separator: "\n")
        #expect(finished.exit == .status(1))
        #expect(output.contains("public.orders"), "\(output)")
        #expect(!output.contains("top secret"), "row data in:\n\(output)")
        try shop.target.exec("ALTER TABLE orders ALTER COLUMN status TYPE text")
        try shop.catchUp()
        #expect(try shop.differences() == [])
    }

    @Test func aRowThatTheTargetRefuses() throws {
        let shop = try Shop([.postgres], extra: Self.impatient)
        try shop.catchUp()
        try shop.target.exec("ALTER TABLE orders ADD CONSTRAINT small CHECK (amount < 100)")
        try shop.source.exec("INSERT INTO orders VALUES (1, 1, 1, 'fits', NULL)")
        try shop.source.exec("INSERT INTO orders VALUES (2, 1, 1000, 'not', NULL)")
        try shop.source.exec("INSERT INTO orders VALUES (3, 1, 1, 'after', NULL)")
        try expect(shop, "public.orders", "23514", "small")
        #expect(try shop.target.query("SELECT id FROM orders ORDER BY id").count <= 1)
        try shop.target.exec("ALTER TABLE orders DROP CONSTRAINT small")
        try shop.catchUp()
        #expect(try shop.differences() == [])
    }

    @Test func anUnknownConfigurationKey() throws {
        let (directory, path) = try config(
            "{url: \"postgresql:///x\", tabels: [a]}", sink: "{type: stdout, fromat: flat}")
        let (exit, output) = try run(directory, path)
        #expect(exit == .status(2))
        #expect(output.contains("source.tabels") && output.contains("tables"), "\(output)")
        #expect(output.contains("sinks[0].fromat") && output.contains("format"), "\(output)")
    }

    @Test func aBrokerThatIsNotThere() throws {
        let shop = try Shop([])
        let (directory, path) = try config(
            "{url: \"\(shop.server.url(database: shop.sourceDatabase))\", slot: weir_\(shop.name)}",
            sink: "{type: kafka, brokers: \"127.0.0.1:9\"}")
        let (exit, output) = try run(directory, path)
        #expect(exit == .status(1))
        #expect(output.contains("127.0.0.1:9"), "\(output)")
    }

    @Test func aCorruptStateFile() throws {
        let shop = try Shop([.stdout], extra: Self.impatient)
        try shop.catchUp()
        _ = try shop.directory.write("this is no database", to: "weir-state/state.db")
        try expect(shop, "weir-state/state.db")
    }
}

@Suite(.tags(.integration), .needsPostgres, .needsKafka, .timeLimit(.minutes(5)))
struct BadTopicScenarios {
    private func expect(_ shop: Shop, _ texts: String...) throws {
        let finished = try shop.weir(["run", shop.config], timeout: .seconds(60))
        let output = finished.errors.joined(separator: "\n")
        #expect(finished.exit == .status(1), "\(output)")
        for text in texts { #expect(output.contains(text), "no '\(text)' in:\n\(output)") }
    }

    @Test func aTopicThatMayNotBeCreated() throws {
        let shop = try Shop([.kafka], extra: BadInputScenarios.impatient)
        let config = try shop.directory.read("weir.yaml")
            .replacing("{type: kafka,", with: "{type: kafka, topics.create: false,")
        _ = try shop.directory.write(config, to: "weir.yaml")
        try shop.source.exec("INSERT INTO orders VALUES (1, 1, 1, 'x', NULL)")
        try expect(shop, "\(shop.name).public.orders")
    }

    @Test(.needsApacheKafka) func aMessageLargerThanTheBrokerTakes() throws {
        let shop = try Shop([.kafka], extra: BadInputScenarios.impatient)
        try shop.broker?.createTopic(
            "\(shop.name).public.customers", partitions: 1, settings: ["max.message.bytes": "2000"])
        try shop.catchUp()
        // The broker knows the producer's numbers once it has an event of it: what is under way behind the refused one
        // is refused as well.
        let weir = try shop.stream()
        try shop.source.exec("INSERT INTO customers VALUES (1, 'fits', NULL, NULL)")
        #expect(eventually { try shop.events("customers").count == 1 })
        try shop.source.exec(
            "INSERT INTO customers SELECT 2, 'not', NULL, string_agg(md5(i::text), '') FROM generate_series(1, 500) i")
        try shop.source.exec("INSERT INTO customers SELECT i, 'after', NULL, NULL FROM generate_series(3, 1000) i")
        #expect(try weir.waitForExit(timeout: .seconds(40)) == .status(1))
        #expect(weir.errorLines.contains { $0.contains("public.customers") }, "\(weir.errorLines.suffix(3))")
        let keys = try shop.events("customers").compactMap(\.keyText)
        #expect(keys == ["{\"id\":1}"])
    }
}
