import Foundation
import Testing
import WeirTestKit

@Suite(.tags(.integration), .needsPostgres, .needsKafka, .timeLimit(.minutes(5)))
struct StreamScenarios {
    @Test func snapshotThenStreamReachesTopicAndTable() throws {
        let shop = try Shop([.kafka, .postgres])
        try shop.source.exec(
            """
            INSERT INTO customers SELECT i, 'name ' || i, NULL, repeat('n', 50) FROM generate_series(1, 500) i;
            INSERT INTO log_lines VALUES (1, ''), (1, ''), (2, NULL);
            """)
        let weir = try shop.run()
        #expect(eventually { try Shop.rows("customers", shop.target).count == 500 })
        try shop.source.exec("ALTER TABLE log_lines REPLICA IDENTITY FULL")
        try shop.source.exec(
            """
            BEGIN;
            INSERT INTO orders VALUES (1, 7, 12.50, 'new', '2024-02-29 12:00:00+02');
            UPDATE orders SET status = 'paid' WHERE id = 1;
            UPDATE customers SET email = 'a@b' WHERE id = 7;
            DELETE FROM customers WHERE id = 8;
            UPDATE customers SET id = 1000 WHERE id = 9;
            DELETE FROM log_lines WHERE ctid = (SELECT min(ctid) FROM log_lines WHERE at = 1);
            COMMIT;
            """)
        #expect(eventually { try shop.differences().isEmpty })
        // 500 reads, one update, one delete with its tombstone, one key change (delete, tombstone, create).
        let events = try shop.events("customers", atLeast: 506)
        #expect(events.count == 506)
        let operations = events.map { Self.operation($0) }
        #expect(operations.filter { $0 == "r" }.count == 500)
        #expect(operations.suffix(6) == ["u", "d", "tombstone", "d", "tombstone", "c"])
        #expect(events.suffix(6).map(\.keyText) == [7, 8, 8, 9, 9, 1000].map { "{\"id\":\($0)}" })
        #expect(events[503 - 1].header("weir-id") != nil)
        weir.signal(SIGTERM)
        #expect(try weir.waitForExit() == .status(0))
        #expect(weir.outputLines.isEmpty)
        // A clean stop confirmed everything: a second run has nothing to repeat.
        try shop.source.exec("INSERT INTO orders VALUES (2, 1, 1, 'x', NULL)")
        try shop.catchUp()
        #expect(try shop.differences() == [])
        #expect(try shop.events("customers").count == 506)
        #expect(try shop.events("orders").map { Self.operation($0) } == ["c", "u", "c"])
    }

    @Test func anIdleDatabaseStillAdvancesTheSlot() throws {
        let shop = try Shop([.postgres, .kafka])
        let weir = try shop.run()
        #expect(eventually { try shop.confirmed() != nil && Shop.rows("customers", shop.target).isEmpty })
        let neighbour = try shop.server.connect(try shop.server.createDatabase("neighbour"))
        try neighbour.exec("CREATE TABLE t AS SELECT generate_series(1, 20000) i")
        let end = try shop.source.value("SELECT pg_current_wal_lsn()") ?? "0/0"
        #expect(
            eventually(timeout: .seconds(30)) {
                try shop.source.value("SELECT '\(try shop.confirmed() ?? "0/0")'::pg_lsn >= '\(end)'::pg_lsn") == "t"
            })
        weir.signal(SIGTERM)
        #expect(try weir.waitForExit() == .status(0))
        // The idle move was stored before it was confirmed: the next start finds nothing amiss.
        try shop.source.exec("INSERT INTO orders VALUES (1, 1, 1, 'x', NULL)")
        try shop.catchUp()
        #expect(try shop.differences() == [])
    }

    @Test func changesDuringTheSnapshotArriveOnce() throws {
        let shop = try Shop([.postgres])
        try shop.source.exec(
            """
            INSERT INTO customers SELECT i, 'name ' || i, NULL, repeat('n', 200) FROM generate_series(1, 60000) i;
            INSERT INTO log_lines SELECT i, 'line' FROM generate_series(1, 1000) i;
            """)
        let writer = Background {
            let connection = try shop.server.connect(shop.sourceDatabase)
            for round in 1...150 {
                try connection.exec(
                    """
                    BEGIN;
                    INSERT INTO log_lines VALUES (\(round), 'during');
                    UPDATE customers SET email = 'e\(round)' WHERE id = \(round * 7);
                    DELETE FROM customers WHERE id = \(round * 7 + 1);
                    INSERT INTO customers VALUES (\(100_000 + round), 'new', NULL, NULL);
                    COMMIT;
                    """)
            }
        }
        let weir = try shop.run()
        try writer.value(timeout: .seconds(60))
        #expect(eventually(timeout: .seconds(60)) { try shop.differences().isEmpty })
        weir.signal(SIGTERM)
        #expect(try weir.waitForExit() == .status(0))
    }

    @Test func aServerRestartIsSurvived() throws {
        let server = try PrivatePostgres()
        let shop = try Shop([.postgres, .kafka], server: server)
        let weir = try shop.stream()
        try shop.source.exec("INSERT INTO orders VALUES (1, 1, 1, 'before', NULL)")
        #expect(eventually { try shop.differences().isEmpty && Shop.rows("orders", shop.target).count == 1 })
        try server.restart()
        let source = try server.connect(shop.sourceDatabase)
        try source.exec("INSERT INTO orders VALUES (2, 1, 1, 'after', NULL)")
        #expect(
            eventually(timeout: .seconds(60)) {
                try Shop.rows("orders", try server.connect(shop.targetDatabase)).count == 2
            })
        #expect(try shop.events("orders", atLeast: 2).map { Self.operation($0) } == ["c", "c"])
        weir.signal(SIGTERM)
        #expect(try weir.waitForExit() == .status(0))
    }

    /// The `op` field, or `tombstone`.
    static func operation(_ record: TopicRecord) -> String {
        guard let value = record.value else { return "tombstone" }
        let object = try? JSONSerialization.jsonObject(with: Data(value)) as? [String: Any]
        return object?["op"] as? String ?? "?"
    }
}
