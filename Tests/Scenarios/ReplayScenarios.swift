import Testing
import WeirTestKit

@Suite(.tags(.integration), .needsPostgres, .needsKafka, .timeLimit(.minutes(5)))
struct ReplayScenarios {
    /// A shop whose topic holds reads, inserts, updates, a delete and a key change, and a replay of it.
    private func recorded() throws -> (Shop, String) {
        let shop = try Shop([.kafka])
        try shop.source.exec(
            """
            INSERT INTO orders VALUES
              (1, 7, 12.50, 'new', '2024-02-29 12:00:00.25+02'), (2, 8, -0.01, '', NULL);
            """)
        try shop.catchUp()
        try shop.source.exec(
            """
            INSERT INTO orders VALUES (3, NULL, 99999.99, 'it''s "odd" \\N', 'infinity');
            UPDATE orders SET status = 'paid', amount = 0 WHERE id = 1;
            DELETE FROM orders WHERE id = 2;
            UPDATE orders SET id = 30 WHERE id = 3;
            """)
        try shop.catchUp()
        let broker = try #require(shop.broker)
        let config = try shop.directory.write(
            """
            pipeline: \(shop.name)
            source: {type: kafka, brokers: "\(broker.bootstrap)", topics: ["\(shop.name).public.orders"]}
            sinks: [{type: postgres, url: "\(shop.server.url(database: shop.targetDatabase))"}]
            state: {path: replay-state}

            """, to: "replay.yaml")
        return (shop, config)
    }

    @Test func aTopicReplayedIntoADatabaseEqualsItsSource() throws {
        let (shop, config) = try recorded()
        let first = try shop.weir(["replay", config, "--from", "earliest"])
        #expect(first.exit == .status(0), "\(first.errors)")
        #expect(try shop.differences(["orders"]) == [])
        // Again from the beginning: merged by key, the same rows.
        let again = try shop.weir(["replay", config, "--from", "earliest"])
        #expect(again.exit == .status(0), "\(again.errors)")
        #expect(try shop.differences(["orders"]) == [])
    }

    @Test func aDryRunWritesNothing() throws {
        let (shop, config) = try recorded()
        let run = try shop.weir(["replay", config, "--from", "earliest", "--dry-run"])
        #expect(run.exit == .status(0), "\(run.errors)")
        #expect(try Shop.rows("orders", shop.target) == [])
    }

    @Test func aReplayFromAnOffsetPrintsTheRest() throws {
        let (shop, config) = try recorded()
        let all = try shop.events("orders")
        let broker = try #require(shop.broker)
        let print = try shop.directory.write(
            """
            pipeline: \(shop.name)
            source: {type: kafka, brokers: "\(broker.bootstrap)", topics: ["\(shop.name).public.orders"]}
            sinks: [{type: stdout}]
            state: {path: print-state}

            """, to: "print.yaml")
        _ = config
        // The key change: delete, tombstone and create of the last three records are one update again.
        let run = try shop.weir(["replay", print, "--from", "0=\(all.count - 3)"])
        #expect(run.exit == .status(0), "\(run.errors)")
        #expect(run.output.map { $0.contains("\"key\":{\"id\":3}") } == [true, true, false])
        #expect(run.output.last?.contains("\"key\":{\"id\":30}") == true)
    }

    @Test func aWrongPositionIsAUsageError() throws {
        let (shop, config) = try recorded()
        let run = try shop.weir(["replay", config, "--from", "yesterday"])
        #expect(run.exit == .status(2))
        #expect(run.errors.joined().contains("yesterday"))
    }
}
