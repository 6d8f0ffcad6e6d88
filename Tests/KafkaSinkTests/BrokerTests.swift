import Testing
import WeirCore
import WeirTestKit

/// Against a real broker: what the in-process cluster lacks.
@Suite("Kafka sink on a broker", .tags(.integration), .needsKafka, .timeLimit(.minutes(2)))
struct BrokerTests {
    private func run(_ prefix: String, _ changes: [String: String] = [:]) throws -> (KafkaBroker, SinkRun) {
        let broker = try KafkaBroker.shared()
        let topic = "\(prefix).{schema}.{table}"
        return (broker, try SinkRun(broker.bootstrap, changes.merging(["topic": topic]) { $1 }))
    }

    @Test("missing topics are created with the configured partitions and settings, keys keep to one partition")
    func creation() throws {
        let prefix = try KafkaBroker.shared().uniqueName("create")
        let (broker, run) = try run(prefix, ["topics.partitions": "3"])
        run.script.append(inserts(0..<60))
        run.script.append(inserts(0..<60, from: 2000))
        #expect(try run.finish() == nil)
        #expect(try broker.partitionCount("\(prefix).public.orders") == 3)
        let records = try broker.reader.read("\(prefix).public.orders")
        #expect(records.count == 120)
        let partitions = Dictionary(grouping: records, by: \.keyText).mapValues { Set($0.map(\.partition)) }
        #expect(partitions.count == 60)
        #expect(partitions.values.allSatisfy { $0.count == 1 })
        #expect(Set(records.map(\.partition)) == [0, 1, 2])
        for partition in 0..<3 {
            let ids = records.filter { $0.partition == partition }.compactMap { $0.header("weir-id") }
            let order = ids.compactMap { $0.split(separator: "/").dropFirst().dropLast().joined(separator: "/") }
            #expect(order.compactMap { LSN($0) } == order.compactMap { LSN($0) }.sorted())
        }
    }

    @Test("topics that are missing and may not be created stop the pipeline by name")
    func refusedCreation() throws {
        let prefix = try KafkaBroker.shared().uniqueName("refuse")
        let (broker, run) = try run(prefix, ["topics.create": "false"])
        run.script.append(inserts(0..<1))
        let error = try #require(try run.failure(timeout: .seconds(60)))
        #expect(error.code == .topicMissing)
        #expect(error.disposition == .operator)
        #expect(error.message.contains("\(prefix).public.orders"))
        #expect(try broker.partitionCount("\(prefix).public.orders") == 0)
    }

    @Test("a topic that is deleted under way is made again, and what it lacks comes")
    func deletedTopic() throws {
        let prefix = try KafkaBroker.shared().uniqueName("gone")
        let (broker, run) = try run(prefix)
        run.script.append(inserts(0..<5))
        #expect(eventually(timeout: .seconds(20)) { run.position == 16 + 4 * 16 + 8 })
        try broker.deleteTopic("\(prefix).public.orders")
        run.script.append(inserts(5..<10, from: 1000))
        #expect(eventually(timeout: .seconds(60)) { run.position == 1000 + 4 * 16 + 8 })
        #expect(try run.finish() == nil)
        let keys = try broker.reader.read("\(prefix).public.orders").compactMap(\.keyText)
        #expect(Set(keys).isSuperset(of: (5..<10).map { "{\"id\":\($0)}" }))
    }

    @Test("a delete is followed by a tombstone, a moved key leaves one behind; headers name event and transaction")
    func deletes() throws {
        let prefix = try KafkaBroker.shared().uniqueName("delete")
        let (broker, run) = try run(prefix)
        var batch = TestBatch()
        batch.begin(16, xid: 701)
        batch.insert(orders, ["1", "one"])
        batch.update(orders, ["2", "one"], key: ["1", nil])
        batch.delete(orders, key: ["2", nil])
        batch.commit()
        run.script.append(batch.seal())
        #expect(try run.finish() == nil)
        let records = try broker.reader.read("\(prefix).public.orders")
        #expect(
            records.map(\.keyText) == [
                "{\"id\":1}", "{\"id\":1}", "{\"id\":1}", "{\"id\":2}", "{\"id\":2}", "{\"id\":2}",
            ])
        #expect(records.map { $0.value == nil } == [false, false, true, false, false, true])
        #expect(records[1].header("__debezium.newkey") == "{\"id\":2}")
        #expect(records[3].header("__debezium.oldkey") == "{\"id\":1}")
        #expect(records.allSatisfy { $0.header("weir-txid") == "701" })
        #expect(
            records.map { $0.header("weir-id") } == [
                "42/0/10/1", "42/0/10/2", "42/0/10/2/1", "42/0/10/2/2", "42/0/10/3", "42/0/10/3/1",
            ])
        #expect(records[4].valueText?.contains("\"op\":\"d\"") == true)
    }

    @Test("logical messages go to their own topic, truncates to the table's when they are wanted")
    func messages() throws {
        let prefix = try KafkaBroker.shared().uniqueName("marks")
        let broker = try KafkaBroker.shared()
        var settings = try SinkRun.settings(broker.bootstrap, ["topic": "\(prefix).{schema}.{table}"])
        settings.debezium.skippedOperations = []
        let run = SinkRun(settings)
        var batch = TestBatch()
        batch.begin(16)
        batch.insert(orders, ["1", "one"])
        batch.truncate([orders])
        batch.commit()
        run.script.append(batch.seal())
        #expect(try run.finish() == nil)
        let records = try broker.reader.read("\(prefix).public.orders")
        #expect(records.count == 2)
        #expect(records.last?.key == nil)
        #expect(records.last?.valueText?.contains("\"op\":\"t\"") == true)
    }

    @Test("events without a key keep their order: one partition, unless the configuration says how to choose one")
    func keyless() throws {
        let prefix = try KafkaBroker.shared().uniqueName("keyless")
        let notes = Relation.test("notes", ["text": .text], keys: 0, identity: .nothing)
        for (topic, partitioner, partitions) in [("a", nil, [0]), ("b", "random", [0, 1, 2])] {
            var changes = ["topics.partitions": "3", "topic": "\(prefix).\(topic)"]
            if let partitioner {
                changes["properties.partitioner"] = partitioner
                changes["properties.sticky.partitioning.linger.ms"] = "0"
            }
            let run = SinkRun(try SinkRun.settings(try KafkaBroker.shared().bootstrap, changes))
            var batch = TestBatch()
            batch.begin(16)
            for number in 0..<60 { batch.insert(notes, [.text("\(number)")]) }
            batch.commit()
            run.script.append(batch.seal())
            #expect(try run.finish() == nil)
            let records = try KafkaBroker.shared().reader.read("\(prefix).\(topic)")
            #expect(records.count == 60)
            #expect(Set(records.map { Int($0.partition) }).sorted() == partitions)
        }
    }

    @Test("key columns of the configuration make the key")
    func keyColumns() throws {
        let prefix = try KafkaBroker.shared().uniqueName("keys")
        let (broker, run) = try run(prefix, ["key.columns public.orders": "name"])
        run.script.append(inserts(0..<2))
        #expect(try run.finish() == nil)
        let records = try broker.reader.read("\(prefix).public.orders")
        #expect(Set(records.compactMap(\.keyText)) == ["{\"name\":\"name 0\"}", "{\"name\":\"name 1\"}"])
    }
}

/// What only Apache Kafka enforces.
@Suite("Kafka sink on Apache Kafka", .tags(.integration), .needsApacheKafka, .timeLimit(.minutes(2)))
struct ApacheKafkaTests {
    @Test("settings of created topics hold; a message above the topic's limit stops the pipeline")
    func topicLimit() throws {
        let broker = try KafkaBroker.shared()
        let prefix = broker.uniqueName("limit")
        var settings = try SinkRun.settings(broker.bootstrap, ["topic": "\(prefix).{schema}.{table}"])
        settings.topicProperties = [SettingsProperty(name: "max.message.bytes", value: "2000")]
        let run = SinkRun(settings)
        run.script.append(inserts(0..<3))
        #expect(eventually { run.position == 16 + 2 * 16 + 8 })
        var batch = TestBatch()
        batch.begin(1000)
        batch.insert(orders, ["9", .text(String(repeating: "x", count: 5000))])
        batch.commit()
        run.script.append(batch.seal())
        let error = try #require(try run.failure())
        #expect(error.code == .messageTooLarge)
        #expect(error.table == orders.table)
        #expect(error.position == LSN(1000))
        #expect(run.position == 16 + 2 * 16 + 8)
    }

    @Test("a topic setting that the broker does not know refuses the creation, with the broker's words")
    func badSetting() throws {
        let broker = try KafkaBroker.shared()
        let prefix = broker.uniqueName("setting")
        var settings = try SinkRun.settings(broker.bootstrap, ["topic": "\(prefix).{schema}.{table}"])
        settings.topicProperties = [SettingsProperty(name: "cleanup.policy", value: "tidy")]
        let run = SinkRun(settings)
        run.script.append(inserts(0..<1))
        let error = try #require(try run.failure())
        #expect(error.code == .topicMissing)
        #expect(error.cause?.contains("tidy") == true)
    }

    @Test("TRUNCATE into a compacted topic, which takes no event without key, names the reason")
    func compacted() throws {
        let broker = try KafkaBroker.shared()
        let prefix = broker.uniqueName("compact")
        var settings = try SinkRun.settings(broker.bootstrap, ["topic": "\(prefix).{schema}.{table}"])
        settings.topicProperties = [SettingsProperty(name: "cleanup.policy", value: "compact")]
        settings.debezium.skippedOperations = []
        let run = SinkRun(settings)
        var batch = TestBatch()
        batch.begin(16)
        batch.truncate([orders])
        batch.commit()
        run.script.append(batch.seal())
        let error = try #require(try run.failure())
        #expect(error.code == .rowRejected)
        #expect(error.advice?.contains("compaction") == true)
        #expect(error.table == orders.table)
    }

    @Test("a broker that is killed and comes back: one attempt, nothing lost, nothing twice", .needsPrivateKafka)
    func killed() throws {
        let broker = try KafkaBroker()
        let run = try SinkRun(broker.bootstrap, ["topics.partitions": "2"])
        run.script.append(inserts(0..<1000))
        #expect(eventually { run.position == 16 + 999 * 16 + 8 })
        broker.kill9()
        for part in 1..<6 { run.script.append(inserts(part * 1000..<(part + 1) * 1000, from: UInt64(part) * 16_384)) }
        try broker.start()
        #expect(try run.finish(timeout: .seconds(60)) == nil)
        let records = try broker.reader.read("shop.public.orders")
        #expect(records.count == 6000)
        for partition in 0..<2 {
            let commits = records.filter { $0.partition == partition }.compactMap { record in
                record.header("weir-id").flatMap { LSN($0.split(separator: "/")[1...2].joined(separator: "/")) }
            }
            #expect(commits == commits.sorted())
        }
        #expect(run.script.opened == 1)
    }
}
