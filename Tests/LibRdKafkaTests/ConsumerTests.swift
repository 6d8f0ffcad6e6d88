import Testing
import WeirCore
import WeirTestKit

@testable import LibRdKafka

@Suite("Consumer and metadata", .timeLimit(.minutes(1)))
struct ConsumerTests {
    private func fill(_ cluster: MockCluster, _ topic: String, _ count: Int, partition: Int32 = 0) throws {
        let producer = try makeProducer(cluster)
        let destination = KafkaDestination(try producer.topic(topic), partition: partition)
        for index in 0..<count { #expect(producer.send("\(index)", to: destination) == .none) }
        #expect(producer.serve(count).allSatisfy { $0.result == .none })
    }

    @Test("reading starts at the offset asked for, and the end of the partition is told with its offset")
    func offsets() throws {
        let cluster = try MockCluster()
        cluster.createTopic("t")
        try fill(cluster, "t", 10)
        let consumer = try makeConsumer(cluster)
        let reader = try consumer.read(KafkaPartition(topic: "t", id: 0), from: 7)
        var values: [String?] = []
        var end: Int64?
        let deadline = ContinuousClock.now + .seconds(10)
        while end == nil, ContinuousClock.now < deadline {
            let fetch = reader.take(2, within: .milliseconds(100))
            fetch.forEach { message in
                if message.problem == .partitionEnd { end = message.offset }
                if message.problem == .none { values.append(message.copied.value) }
            }
        }
        #expect(values == ["7", "8", "9"])
        #expect(end == 10)
    }

    @Test("watermarks tell first and next offset")
    func watermarks() throws {
        let cluster = try MockCluster()
        cluster.createTopic("t", partitions: 2)
        try fill(cluster, "t", 4, partition: 1)
        let consumer = try makeConsumer(cluster)
        let full = try consumer.watermarks(of: KafkaPartition(topic: "t", id: 1), within: .seconds(5))
        let empty = try consumer.watermarks(of: KafkaPartition(topic: "t", id: 0), within: .seconds(5))
        #expect(full == KafkaWatermarks(low: 0, high: 4))
        #expect(empty == KafkaWatermarks(low: 0, high: 0))
    }

    @Test("a topic is described with its partitions; one with trouble with its problem")
    func describe() throws {
        let cluster = try MockCluster()
        cluster.createTopic("t", partitions: 3)
        cluster.createTopic("secret")
        cluster.setError(.topicAuthorizationFailed, topic: "secret")
        let producer = try makeProducer(cluster)
        let found = try producer.describe("t", within: .seconds(5))
        #expect(found == KafkaTopicDescription(name: "t", partitions: [0, 1, 2], leaderless: 0, problem: .none))
        let secret = try producer.describe("secret", within: .seconds(5))
        #expect(secret.problem == .topicAuthorizationFailed)
        cluster.setLeader(-1, topic: "t", partition: 2)
        let headless = try producer.describe("t", within: .seconds(5))
        #expect(headless.leaderless == 1)
    }

    @Test("no broker means an error in time, not a hang")
    func unreachable() throws {
        var configuration = KafkaConfiguration()
        try configuration.set("bootstrap.servers", "127.0.0.1:1")
        let producer = try KafkaProducer(configuration)
        do throws(KafkaError) {
            _ = try producer.describe("t", within: .milliseconds(300))
            Issue.record("described a topic without a broker")
        } catch {
            #expect(error.weirError(stage: .sink, "Kafka").disposition == .retry)
        }
    }
}
