import LibRdKafka
import Testing
import WeirCore
import WeirTestKit

@testable import KafkaSink

@Suite("Kafka sink: the first messages of a partition", .timeLimit(.minutes(1))) struct FirstWritesTests {
    private let topic = "shop.public.orders"

    @Test("the second message of a partition waits for the first one's report, those of other partitions do not")
    func turns() {
        var first = FirstWrites()
        #expect(first.partitions(toWatch: 1) == nil)
        first.begin(1, partitions: 2)
        #expect(first.partitions(toWatch: 1) == 2 && first.partitions(toWatch: 0) == nil)
        #expect(!first.isUnderWay(1, 0))
        first.queue(1, 0)
        #expect(first.isUnderWay(1, 0) && !first.isUnderWay(1, 1))
        first.queue(1, 1)
        let early = first.take(reported: 1)
        #expect(!early && first.isUnderWay(1, 0) && first.isUnderWay(1, 1))
        let all = first.take(reported: 2)
        #expect(all && !first.isUnderWay(1, 0) && !first.isUnderWay(1, 1))
        #expect(first.partitions(toWatch: 1) == nil)
        // A partition that came later than the topic was looked at is not watched.
        first.begin(0, partitions: 1)
        first.queue(0, 7)
        #expect(!first.isUnderWay(0, 7) && first.partitions(toWatch: 0) == 1)
    }

    @Test("the partition that is watched is the one librdkafka chooses", arguments: ["murmur2", "consistent", "fnv1a"])
    func choice(_ partitioner: String) throws {
        let cluster = try MockCluster(brokers: 1)
        cluster.createTopic(topic, partitions: 7)
        let run = try SinkRun(cluster.bootstrapServers, ["properties.partitioner": partitioner])
        run.script.append(inserts(0..<100))
        #expect(try run.finish() == nil)
        let known = try #require(KafkaPartitioner(property: partitioner + "_random"))
        var configuration = KafkaConfiguration()
        try configuration.set("bootstrap.servers", cluster.bootstrapServers)
        let handle = try KafkaProducer(configuration).topic(topic)
        let records = try TopicReader(bootstrap: cluster.bootstrapServers).read(topic)
        #expect(records.count == 100)
        for record in records {
            let key = Array(try #require(record.keyText).utf8)
            let partition: Int32? = key.withUnsafeBytes { handle.partition(of: $0, count: 7, by: known) }
            #expect(partition.map { Int($0) } == Int(record.partition))
        }
        #expect(handle.partition(of: nil, count: 7, by: known) == nil)
        #expect(KafkaPartitioner(property: "random") == nil)
    }

    @Test("a first request that a new leader refuses is not overtaken", arguments: [nil, "0"])
    func leaderNotReady(linger: String?) throws {
        let cluster = try MockCluster(brokers: 1)
        cluster.createTopic(topic, partitions: 1)
        cluster.setRoundTrip(milliseconds: 50)
        var properties = ["properties.batch.num.messages": "1"]
        properties["properties.linger.ms"] = linger
        let run = try SinkRun(cluster.bootstrapServers, properties)
        // 6: NOT_LEADER_OR_FOLLOWER.
        cluster.fail(.produce, with: [KafkaErrorCode(rawValue: 6)])
        run.script.append(inserts(0..<20))
        #expect(try run.finish() == nil)
        let ids = try TopicReader(bootstrap: cluster.bootstrapServers).read(topic).compactMap(\.keyText)
        #expect(ids == (0..<20).map { "{\"id\":\($0)}" })
        #expect(run.script.opened == 1)
    }
}
