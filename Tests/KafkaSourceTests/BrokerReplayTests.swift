import Testing
import WeirCore
import WeirTestKit

@testable import KafkaSource

/// Against a real broker: what the in-process cluster lacks.
@Suite("Replay from a broker", .tags(.integration), .needsKafka, .timeLimit(.minutes(2)))
struct BrokerReplayTests {
    private func record(_ id: Int, partition: Int, timestamp: Int64? = nil) -> NewRecord {
        NewRecord(
            key: #"{"id":\#(id)}"#, value: envelope("c", after: #"{"id":\#(id)}"#),
            headers: [("weir-id", "5/0/\(String(id * 16, radix: 16))/1")], partition: partition, timestamp: timestamp)
    }

    @Test("many records of several partitions arrive once and in order")
    func many() throws {
        let broker = try KafkaBroker.shared()
        let topic = broker.uniqueName("replay")
        try broker.createTopic(topic, partitions: 4)
        try broker.produce((1...5000).map { record($0, partition: $0 % 4) }, to: topic)
        let replay = Replay(broker.bootstrap, [topic])
        #expect(try replay.run() == nil)
        #expect(replay.target.lines == (1...5000).map { "insert public.t id=\($0)" })
        #expect(replay.token == (0..<4).map { "\(topic)[\($0)]=1250" }.joined(separator: ","))
    }

    @Test("a time begins at the first record of then, and ends before it", .needsApacheKafka)
    func times() throws {
        let broker = try KafkaBroker.shared()
        let topic = broker.uniqueName("times")
        try broker.createTopic(topic, partitions: 2)
        // Within the topic's retention.
        let hour = wallClockMicroseconds() / 1000 - 3_600_000
        try broker.produce((1...8).map { record($0, partition: $0 % 2, timestamp: hour + Int64($0) * 1000) }, to: topic)
        var replay = Replay(broker.bootstrap, [topic])
        replay.range = ReplayRange(
            from: .time(hour + 3000), to: .time(hour + 7000))
        #expect(try replay.run() == nil)
        #expect(replay.target.lines == (3...6).map { "insert public.t id=\($0)" })
    }

    @Test("records that the broker has deleted are not jumped over", .needsApacheKafka)
    func deleted() throws {
        let broker = try KafkaBroker.shared()
        let topic = broker.uniqueName("gone")
        try broker.createTopic(topic)
        try broker.produce((1...9).map { record($0, partition: 0) }, to: topic)
        var replay = Replay(broker.bootstrap, [topic])
        replay.range = ReplayRange(to: ReplayPosition("0=3"))
        #expect(try replay.run() == nil)
        try broker.deleteRecords(of: topic, partition: 0, before: 6)
        replay.range = ReplayRange()
        let error = try #require(try replay.run())
        #expect(error.code == .positionMismatch)
        #expect(error.message.contains("Offset 3 of \(topic)[0]"))
        #expect(error.advice?.contains("earliest") == true)
        #expect(replay.target.lines.count == 3)
        replay.range = ReplayRange(from: .earliest)
        #expect(try replay.run() == nil)
        #expect(replay.target.lines.dropFirst(3) == (7...9).map { "insert public.t id=\($0)" }[...])
    }

    @Test("a topic that does not exist is named")
    func missing() throws {
        let broker = try KafkaBroker.shared()
        let error = try #require(try Replay(broker.bootstrap, [broker.uniqueName("none")]).run())
        #expect(error.code == .topicMissing)
    }
}
