import LibRdKafka
import Testing
import WeirCore
import WeirTestKit

@Suite("Kafka sink: delivery and its faults", .timeLimit(.minutes(1)))
struct DeliveryTests {
    private let topic = "shop.public.orders"

    private func cluster(partitions: Int = 1, brokers: Int = 1) throws -> MockCluster {
        let cluster = try MockCluster(brokers: brokers)
        cluster.createTopic(topic, partitions: partitions)
        return cluster
    }

    private func ids(_ cluster: MockCluster) throws -> [String] {
        try TopicReader(bootstrap: cluster.bootstrapServers).read(topic).compactMap(\.keyText)
    }

    private func keys(_ ids: Range<Int>) -> [String] { ids.map { "{\"id\":\($0)}" } }

    @Test("events arrive in order, and the position is the end of the last transaction")
    func happyPath() throws {
        let cluster = try cluster()
        let run = try SinkRun(cluster.bootstrapServers)
        run.script.append(inserts(0..<100))
        run.script.append(inserts(100..<200, from: 1616))
        #expect(try run.finish() == nil)
        #expect(try ids(cluster) == keys(0..<200))
        #expect(run.position == 1616 + 99 * 16 + 8)
    }

    @Test("heartbeats go to the first partition of their topic, and the position moves past them")
    func heartbeats() throws {
        let cluster = try cluster()
        let beats = "__debezium-heartbeat.shop"
        cluster.createTopic(beats, partitions: 4)
        let run = try SinkRun(cluster.bootstrapServers)
        run.script.append(inserts(0..<5).beating(at: 1))
        run.script.append(inserts(5..<10, from: 1000).beating(at: 2))
        #expect(try run.finish() == nil)
        #expect(try ids(cluster) == keys(0..<10))
        let records = try TopicReader(bootstrap: cluster.bootstrapServers).read(beats)
        #expect(records.map(\.partition) == [0, 0])
        #expect(records.map(\.valueText) == [#"{"ts_ms":1}"#, #"{"ts_ms":2}"#])
        #expect(run.position == 1000 + 4 * 16 + 8)
    }

    @Test("brokers down and up again: a pause, nothing lost, no second attempt")
    func outage() throws {
        let cluster = try cluster()
        let run = try SinkRun(cluster.bootstrapServers)
        run.script.append(inserts(0..<10))
        #expect(eventually { run.position == 16 + 9 * 16 + 8 })
        cluster.takeDown()
        run.script.append(inserts(10..<50, from: 1000))
        #expect(!eventually(timeout: .milliseconds(300)) { run.position != 16 + 9 * 16 + 8 })
        cluster.bringUp()
        #expect(try run.finish() == nil)
        #expect(try ids(cluster) == keys(0..<50))
        #expect(run.script.opened == 1)
    }

    @Test("a leader that moves and a disconnect after sending: no loss, no duplicate, order kept")
    func leaderChange() throws {
        let cluster = try cluster(brokers: 3)
        cluster.setLeader(1, topic: topic, partition: 0)
        let run = try SinkRun(cluster.bootstrapServers)
        cluster.fail(.produce, with: [KafkaErrorCode(rawValue: 6), .transport, .none, .transport])
        for part in 0..<10 { run.script.append(inserts(part * 10..<(part + 1) * 10, from: UInt64(part * 1000 + 16))) }
        #expect(eventually { run.position != 0 })
        cluster.setLeader(2, topic: topic, partition: 0)
        for part in 10..<20 { run.script.append(inserts(part * 10..<(part + 1) * 10, from: UInt64(part * 1000 + 16))) }
        #expect(try run.finish() == nil)
        #expect(try ids(cluster) == keys(0..<200))
        #expect(run.script.opened == 1)
    }

    @Test("an event that is taken for delivered, because a later one was, comes again")
    func presumed() throws {
        let cluster = try cluster()
        cluster.setRoundTrip(milliseconds: 200)
        // Where chance chooses the partition, nothing waits for the first report of one.
        let run = try SinkRun(
            cluster.bootstrapServers, ["properties.batch.num.messages": "1", "properties.partitioner": "random"])
        // The leader is not ready for the first request, and is for the second, which is on its way.
        cluster.fail(.produce, with: [KafkaErrorCode(rawValue: 6)])
        run.script.append(inserts(0..<2))
        #expect(try run.finish() == nil)
        #expect(try Set(ids(cluster)) == Set(keys(0..<2)))
        #expect(run.script.opened == 2)
    }

    @Test("a partition without a leader holds everything back, not more")
    func leaderless() throws {
        let cluster = try cluster()
        cluster.setLeader(-1, topic: topic, partition: 0)
        let run = try SinkRun(cluster.bootstrapServers)
        run.script.append(inserts(0..<10))
        #expect(!eventually(timeout: .milliseconds(300)) { run.position != 0 })
        cluster.setLeader(1, topic: topic, partition: 0)
        #expect(try run.finish() == nil)
        #expect(try ids(cluster) == keys(0..<10))
    }

    @Test("a tiny queue is back-pressure: everything arrives once, in order", arguments: [nil, "0", "20"])
    func queueFull(linger: String?) throws {
        let cluster = try cluster()
        var properties = ["properties.queue.buffering.max.messages": "7"]
        properties["properties.linger.ms"] = linger
        let run = try SinkRun(cluster.bootstrapServers, properties)
        run.script.append(inserts(0..<500))
        #expect(try run.finish() == nil)
        #expect(try ids(cluster) == keys(0..<500))
        #expect(run.script.opened == 1)
    }

    @Test("a stop while the queue is full and the broker away ends in time and keeps the position")
    func stopWhileBlocked() throws {
        let cluster = try cluster()
        let settings = try SinkRun.settings(
            cluster.bootstrapServers, ["properties.queue.buffering.max.messages": "7"])
        let run = SinkRun(settings, drainLimit: .seconds(1))
        run.script.append(inserts(0..<5))
        #expect(eventually { run.position == 16 + 4 * 16 + 8 })
        cluster.takeDown()
        run.script.append(inserts(5..<100, from: 1000))
        run.stop()
        let error = try run.failure(timeout: .seconds(25))
        #expect(error?.code == nil || error?.code == .drainTimedOut)
        #expect(run.position == 16 + 4 * 16 + 8)
    }

    @Test("one partition fails, others succeed: the position is before the lowest event not durable")
    func partialFailure() throws {
        let cluster = try cluster(partitions: 4, brokers: 2)
        for partition in 0..<4 { cluster.setLeader(1, topic: topic, partition: Int32(partition)) }
        let run = try SinkRun(cluster.bootstrapServers)
        run.script.append(inserts(0..<20))
        #expect(eventually { run.position == 16 + 19 * 16 + 8 })
        cluster.setLeader(-1, topic: topic, partition: 2)
        let before = try TopicReaderCount.of(cluster, topic, partitions: [0, 1, 3])
        run.script.append(inserts(20..<60, from: 1000))
        // Three of four partitions take theirs.
        #expect(eventually { try TopicReaderCount.of(cluster, topic, partitions: [0, 1, 3]) > before })
        #expect(run.position == 16 + 19 * 16 + 8)
        cluster.setLeader(2, topic: topic, partition: 2)
        #expect(try run.finish() == nil)
        #expect(try Set(ids(cluster)) == Set(keys(0..<60)))
        #expect(try ids(cluster).count == 60)
    }

    @Test("a message that is not delivered in time: a new attempt from the position, nothing lost")
    func deliveryTimeout() throws {
        let cluster = try cluster()
        let run = try SinkRun(cluster.bootstrapServers, ["properties.message.timeout.ms": "300"])
        run.script.append(inserts(0..<5))
        #expect(eventually { run.position == 16 + 4 * 16 + 8 })
        cluster.takeDown()
        run.script.append(inserts(5..<10, from: 1000))
        #expect(eventually { run.script.opened == 1 && run.logged.contains { $0.contains("trying again") } })
        cluster.bringUp()
        #expect(try run.finish() == nil)
        #expect(run.script.opened > 1)
        #expect(try Set(ids(cluster)) == Set(keys(0..<10)))
    }

    @Test("a message the broker finds too large stops the pipeline there, with table, position and remedy")
    func tooLargeForBroker() throws {
        let cluster = try cluster()
        let run = try SinkRun(cluster.bootstrapServers)
        run.script.append(inserts(0..<5))
        #expect(eventually { run.position == 16 + 4 * 16 + 8 })
        cluster.fail(.produce, with: [.messageTooLarge])
        run.script.append(inserts(5..<6, from: 1000))
        let error = try #require(try run.failure())
        #expect(error.code == .messageTooLarge)
        #expect(error.table == orders.table)
        #expect(error.position == LSN(1000))
        #expect(error.message.contains("bytes"))
        #expect(error.cause?.contains("message.max.bytes is 1000000") == true)
        #expect(error.advice?.contains("max.message.bytes") == true)
        #expect(run.position == 16 + 4 * 16 + 8)
    }

    @Test("nothing overtakes a message that the broker refuses, however much waits behind it")
    func nothingOvertakes() throws {
        let cluster = try cluster()
        let run = try SinkRun(cluster.bootstrapServers, ["properties.batch.num.messages": "1"])
        cluster.fail(.produce, with: [.none, .none, .messageTooLarge])
        run.script.append(inserts(0..<2))
        run.script.append(inserts(2..<500, from: 1000))
        let error = try #require(try run.failure())
        #expect(error.code == .messageTooLarge)
        #expect(error.position == LSN(1000))
        #expect(run.position == 16 + 1 * 16 + 8)
        #expect(run.script.opened == 1)
        let arrived = try ids(cluster)
        #expect(Array(arrived.prefix(2)) == keys(0..<2))
        #expect(!arrived.contains("{\"id\":2}"))
        // Five requests may be under way. A broker refuses those behind the gap by their sequence numbers; the mock
        // cluster does not look at them.
        #expect(arrived.count <= 2 + 4, "\(arrived)")
    }

    @Test("a message above the producer's own limit stops the pipeline there; what went before is durable")
    func tooLargeForProducer() throws {
        let cluster = try cluster()
        let run = try SinkRun(
            cluster.bootstrapServers, ["properties.message.max.bytes": "2000", "properties.batch.size": "1500"])
        run.script.append(inserts(0..<5))
        var batch = TestBatch()
        batch.begin(1000)
        batch.insert(orders, ["5", "small"])
        batch.insert(orders, ["6", .text(String(repeating: "x", count: 5000))])
        batch.commit()
        run.script.append(batch.seal())
        let error = try #require(try run.failure())
        #expect(error.code == .messageTooLarge)
        #expect(error.disposition == .operator)
        #expect(error.table == orders.table)
        #expect(error.position == LSN(1000))
        #expect(error.description.contains("2000"))
        #expect(!error.description.contains("xxx"))
        #expect(run.position == 16 + 4 * 16 + 8)
    }

    @Test("a message larger than the default queue is sent when the producer's limit allows it")
    func largerThanTheQueue() throws {
        let cluster = try cluster()
        let run = try SinkRun(cluster.bootstrapServers, ["properties.message.max.bytes": "20000000"])
        var batch = TestBatch()
        batch.begin(1000)
        batch.insert(orders, ["1", "small"])
        batch.insert(orders, ["2", .text(String(repeating: "x", count: 18_000_000))])
        batch.commit()
        run.script.append(batch.seal())
        #expect(eventually { run.position == 1008 })
        #expect(try run.finish() == nil)
    }

    @Test("a queue smaller than the largest message is refused")
    func queueTooSmall() throws {
        let run = try SinkRun(
            "127.0.0.1:1",
            ["properties.message.max.bytes": "20000000", "properties.queue.buffering.max.kbytes": "19000"])
        let error = try #require(try run.failure())
        #expect(error.code == .configurationInvalid)
        #expect(error.message.contains("queue.buffering.max.kbytes"))
        #expect(error.cause?.contains("20000000") == true)
    }

    @Test("a producer that lost its order is made anew from the position: duplicates at most, nothing lost")
    func fatal() throws {
        let cluster = try cluster()
        let run = try SinkRun(cluster.bootstrapServers)
        run.script.append(inserts(0..<5))
        #expect(eventually { run.position == 16 + 4 * 16 + 8 })
        cluster.fail(.produce, with: [.outOfOrderSequence])
        run.script.append(inserts(5..<10, from: 1000))
        #expect(eventually { run.script.opened == 2 })
        #expect(run.logged.contains { $0.contains("producer-fatal") || $0.contains("made anew") })
        #expect(try run.finish() == nil)
        #expect(try Set(ids(cluster)) == Set(keys(0..<10)))
        #expect(run.position == 1000 + 4 * 16 + 8)
    }

    @Test("an unreachable broker at start is trouble that passes, named with its address")
    func unreachable() throws {
        let settings = try SinkRun.settings("127.0.0.1:1")
        let run = SinkRun(settings, retry: RetryPolicy(delayMin: .milliseconds(10), startupLimit: .milliseconds(1)))
        let error = try #require(try run.failure(timeout: .seconds(40)))
        #expect(error.code == .brokerUnavailable)
        #expect(error.disposition == .retry)
        #expect(error.message.contains("127.0.0.1:1"))
    }

    @Test("a topic that may not be written stops the pipeline by name")
    func unauthorised() throws {
        let cluster = try cluster()
        cluster.setError(.topicAuthorizationFailed, topic: topic)
        let run = try SinkRun(cluster.bootstrapServers)
        run.script.append(inserts(0..<1))
        let error = try #require(try run.failure())
        #expect(error.code == .permissionDenied)
        #expect(error.message.contains(topic))
    }
}

/// Counts records of some partitions.
enum TopicReaderCount {
    static func of(_ cluster: MockCluster, _ topic: String, partitions: Set<Int>) throws -> Int {
        var configuration = KafkaConfiguration()
        try configuration.set("bootstrap.servers", cluster.bootstrapServers)
        let consumer = try KafkaConsumer(configuration)
        return try partitions.reduce(0) { sum, partition in
            let marks = try consumer.watermarks(
                of: KafkaPartition(topic: topic, id: Int32(partition)), within: .seconds(5))
            return sum + Int(marks.high)
        }
    }
}
