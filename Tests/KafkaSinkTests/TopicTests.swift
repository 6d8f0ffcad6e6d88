import LibRdKafka
import Testing
import WeirCore
import WeirTestKit

@testable import KafkaSink

@Suite("Kafka sink: topics, keys and properties")
struct TopicTests {
    private func relation(_ schema: String, _ name: String, route: String? = nil) -> Relation {
        Relation(
            oid: 1, table: TableName(schema: schema, name: name), columns: [], identity: .default, route: route)
    }

    private func collision(_ template: String, _ relations: [Relation]) -> WeirError? {
        var owners = TopicOwners(template: template)
        do throws(WeirError) {
            for relation in relations {
                let topic = TopicName.topic(of: relation, template: template, pipeline: "p", database: "d")
                try owners.claim(topic, for: relation)
            }
            return nil
        } catch {
            return error
        }
    }

    @Test("tables whose cleaned names meet in one topic are refused by name")
    func collisions() throws {
        let usual = "{pipeline}.{schema}.{table}"
        let error = try #require(collision(usual, [relation("s", "A b"), relation("s", "A_b")]))
        #expect(error.code == .tableUnusable)
        #expect(error.message.contains("\"A b\"") && error.message.contains("\"A_b\""))
        #expect(error.message.contains("p.s.A_b"))
        // A dot in a name is no part's end.
        #expect(collision(usual, [relation("a.b", "c"), relation("a", "b.c")]) != nil)
        let long = String(repeating: "x", count: 260)
        #expect(collision(usual, [relation("s", long + "1"), relation("s", long + "2")]) != nil)
        #expect(collision(usual, [relation("s", "a", route: "t x"), relation("s", "b", route: "t_x")]) != nil)
    }

    @Test(
        "tables that somebody sends to one topic may share it",
        arguments: [
            ("{pipeline}.{table}", [("a", "t", nil), ("b", "t", nil)]),
            ("events", [("a", "t", nil), ("b", "u", nil)]),
            ("{pipeline}.{schema}.{table}", [("a", "t1", "orders"), ("a", "t2", "orders")]),
            ("{pipeline}.{schema}.{table}", [("a", "t", nil), ("a", "t_old", "p.a.t")]),
            ("{pipeline}.{schema}.{table}", [("a", "t", nil), ("a", "t", nil)]),
        ] as [(String, [(String, String, String?)])])
    func sharing(_ template: String, _ tables: [(String, String, String?)]) {
        #expect(collision(template, tables.map { relation($0.0, $0.1, route: $0.2) }) == nil)
    }

    @Test("configured key columns replace the table's key, first pattern first")
    func keyOverride() throws {
        var keys = try KeyOverrides([
            KafkaKeyColumns(table: "public.orders", columns: ["name", "id"]),
            KafkaKeyColumns(table: "public.*", columns: ["nothing"]),
        ])
        let batch = inserts(0..<1)
        let changed = try keys.apply(to: batch)
        #expect(changed.relations[0].keyColumns == [1, 0])
        let again = try keys.apply(to: batch)
        #expect(again.relations[0] === changed.relations[0])
        let other = Relation.test("users", ["id": .int4])
        do throws(WeirError) {
            _ = try keys.apply(to: TestBatch.inserts(other, ["1"], commit: 16))
            Issue.record("a key column that does not exist was accepted")
        } catch {
            #expect(error.code == .tableUnusable)
            #expect(error.table == other.table)
            #expect(error.message.contains("\"nothing\""))
        }
    }

    @Test("properties that Weir's promise depends on, unknown ones and bad values are refused, each by name")
    func properties() {
        let problems = KafkaSink.problems(of: [
            SettingsProperty(name: "compression.type", value: "lz4"),
            SettingsProperty(name: "acks", value: "all"),
            SettingsProperty(name: "acks", value: "1"),
            SettingsProperty(name: "enable.idempotence", value: "false"),
            SettingsProperty(name: "bootstrap.servers", value: "x"),
            SettingsProperty(name: "compresion.type", value: "lz4"),
            SettingsProperty(name: "linger.ms", value: "-1"),
            SettingsProperty(name: "sasl.password", value: "canary"),
        ])
        #expect(
            problems.map(\.name) == [
                "acks", "enable.idempotence", "bootstrap.servers", "compresion.type", "linger.ms",
            ])
        #expect(problems[3].nearest == "compression.type")
        #expect(problems[2].reason.contains("brokers"))
    }

    @Test("a sink is not made of properties that librdkafka refuses")
    func refusedProperties() throws {
        for (name, value) in [("acks", "0"), ("no.such", "1"), ("transactional.id", "x")] {
            let settings = try SinkRun.settings("127.0.0.1:1", ["properties.\(name)": value])
            let sink = try KafkaSink(settings: settings, pipeline: "p")
            do throws(WeirError) {
                _ = try sink.open()
                Issue.record("\(name)=\(value) was accepted")
            } catch {
                #expect(error.disposition == .usage)
                #expect(error.message.contains(name))
            }
        }
    }
}
