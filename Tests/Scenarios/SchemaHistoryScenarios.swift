import Foundation
import Glibc
import Testing
import WeirTestKit

/// Changes of tables as events in a topic of their own, between the events of rows.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct SchemaHistoryScenarios {
    private static let table = "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'x')"
    private static let history = "debezium: {include.schema.changes: true}"

    /// Lines of events in short: `c {"id":1}` in a table's topic, `ALTER "public"."t" id,a by STATEMENT` in the other.
    private static func story(_ lines: [String], _ shop: Shop) throws -> [String] {
        try lines.map { line in
            let event = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            let value = try #require(event["value"] as? [String: Any])
            guard event["topic"] as? String == shop.name else {
                let after = value["after"] as? [String: Any]
                return "\(value["op"] ?? "") \(after?["id"] ?? "")"
            }
            #expect(event["key"] as? [String: String] == ["databaseName": shop.sourceDatabase])
            #expect(value["databaseName"] as? String == shop.sourceDatabase)
            let change = try #require((value["tableChanges"] as? [[String: Any]])?.first)
            let columns = (change["table"] as? [String: Any])?["columns"] as? [[String: Any]]
            let names = columns?.compactMap { "\($0["name"] ?? "") \($0["typeName"] ?? "")" }.joined(separator: ", ")
            let statement = value["ddl"] as? String
            return "\(change["type"] ?? "") \(change["id"] ?? "") \(names ?? "gone")"
                + (statement.map { " by \($0)" } ?? "")
        }
    }

    private static func finish(_ weir: WeirProcess, lines: Int, _ shop: Shop) throws -> [String] {
        try weir.waitForOutputLines(lines)
        weir.signal(SIGTERM)
        #expect(try weir.waitForExit() == .status(0))
        return try story(weir.outputLines, shop)
    }

    @Test func theTriggerTellsOfEachChangeAtItsPlace() throws {
        let shop = try Shop([.stdout], schema: Self.table, sourceExtra: "  ddl: trigger", extra: Self.history)
        let weir = try shop.stream()
        for statement in [
            "BEGIN", "INSERT INTO t VALUES (2, 'y')", "ALTER TABLE t ADD COLUMN b int", "INSERT INTO t VALUES (3)",
            "COMMIT", "BEGIN", "ALTER TABLE t ADD COLUMN never int", "CREATE TABLE never (id int)",
            "INSERT INTO t VALUES (4)", "ROLLBACK", "ALTER TABLE t ALTER COLUMN b TYPE bigint",
            "ALTER TABLE t RENAME TO u", "INSERT INTO u VALUES (5)", "DROP TABLE u",
        ] {
            try shop.source.exec(statement)
        }
        #expect(
            try Self.finish(weir, lines: 9, shop) == [
                "CREATE \"public\".\"t\" id int4, a text", "r 1", "c 2",
                "ALTER \"public\".\"t\" id int4, a text, b int4 by ALTER TABLE t ADD COLUMN b int", "c 3",
                "ALTER \"public\".\"t\" id int4, a text, b int8 by ALTER TABLE t ALTER COLUMN b TYPE bigint",
                "ALTER \"public\".\"u\" id int4, a text, b int8 by ALTER TABLE t RENAME TO u", "c 5",
                "DROP \"public\".\"u\" gone by DROP TABLE u",
            ])
    }

    @Test func withoutTheTriggerAChangeStandsBeforeTheNextRow() throws {
        let shop = try Shop([.stdout], schema: Self.table, extra: Self.history)
        var weir = try shop.stream()
        for statement in [
            "BEGIN", "INSERT INTO t VALUES (2, 'y')", "ALTER TABLE t ADD COLUMN b int", "INSERT INTO t VALUES (3)",
            "COMMIT", "BEGIN", "ALTER TABLE t ADD COLUMN never int", "INSERT INTO t VALUES (4)", "ROLLBACK",
            "INSERT INTO t VALUES (5)",
        ] {
            try shop.source.exec(statement)
        }
        #expect(
            try Self.finish(weir, lines: 6, shop) == [
                "CREATE \"public\".\"t\" id int4, a text", "r 1", "c 2",
                "ALTER \"public\".\"t\" id int4, a text, b int4", "c 3", "c 5",
            ])
        // What changed while it was down is in the first description after the start.
        try shop.source.exec("ALTER TABLE t DROP COLUMN a; INSERT INTO t VALUES (6)")
        weir = try shop.stream()
        #expect(try Self.finish(weir, lines: 2, shop) == ["CREATE \"public\".\"t\" id int4, b int4", "c 6"])
    }

    @Test(.needsKafka) func inKafkaTheyAreInOnePartitionAndReplayPassesOverThem() throws {
        let shop = try Shop([.kafka], extra: Self.history)
        let config = try String(contentsOfFile: shop.config, encoding: .utf8)
        _ = try shop.directory.write(
            config.replacing("{type: kafka,", with: "{type: kafka, topics.partitions: 4,"), to: "weir.yaml")
        try shop.source.exec("INSERT INTO orders VALUES (1, 7, 12.50, 'new', NULL)")
        try shop.catchUp()
        try shop.source.exec("ALTER TABLE orders ADD COLUMN extra text; INSERT INTO orders VALUES (2)")
        try shop.catchUp()
        let broker = try #require(shop.broker)
        let records = try broker.reader.read(shop.name, atLeast: 4, timeout: .seconds(20))
        let told = records.map { record in
            let names = ["customers", "orders", "log_lines"].filter {
                record.valueText?.contains("\"id\":\"\\\"public\\\".\\\"\($0)\\\"\"") == true
            }
            return names.joined() + (record.valueText?.contains("\"extra\"") == true ? " with extra" : "")
        }
        // A new topic's leader may refuse the first event and take the second: then all come again.
        #expect(Set(told) == ["customers", "log_lines", "orders", "orders with extra"])
        #expect(told.last == "orders with extra")
        #expect(Set(records.map(\.partition)) == [0])
        #expect(Set(records.map(\.keyText)) == ["{\"databaseName\":\"\(shop.sourceDatabase)\"}"])
        #expect(records.allSatisfy { $0.headers.isEmpty })
        let replay = try shop.directory.write(
            """
            pipeline: again
            source:
              type: kafka
              brokers: "\(broker.bootstrap)"
              topics: ["\(shop.name)", "\(shop.name).public.orders"]
            sinks: [{type: stdout, format: flat}]
            """, to: "replay.yaml")
        let done = try shop.weir(["replay", replay, "--from", "earliest"])
        #expect(done.exit == .status(0), "\(done.errors.suffix(3))")
        #expect(done.output.contains { $0.contains("\"id\":1,") })
        #expect(done.output.contains { $0.contains("\"id\":2,") })
        #expect(done.output.allSatisfy { $0.contains("\"customer\":") })
    }
}
