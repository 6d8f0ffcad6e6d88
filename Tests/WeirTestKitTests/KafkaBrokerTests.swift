import Testing
import WeirTestKit

@Suite("KafkaBroker", .needsKafka, .tags(.integration), .timeLimit(.minutes(2)))
struct KafkaBrokerTests {
    @Test func recordsComeBackAsTheyWereProduced() throws {
        let broker = try KafkaBroker.shared()
        let topic = broker.uniqueName()
        try broker.createTopic(topic, partitions: 2)
        #expect(try broker.partitionCount(topic) == 2)
        try broker.produce(
            [
                NewRecord(key: "a", value: "1", headers: [("h", "x"), ("h", "y")], partition: 1, timestamp: 1234),
                NewRecord(key: "a", value: nil, partition: 1),
                NewRecord(key: nil, value: "", partition: 0),
            ], to: topic)
        let records = try broker.reader.read(topic)
        #expect(records.map(\.partition) == [0, 1, 1])
        #expect(records.map(\.offset) == [0, 0, 1])
        #expect(records.map(\.keyText) == [nil, "a", "a"])
        #expect(records.map(\.valueText) == ["", "1", nil])
        #expect(records[1].headers.map(\.name) == ["h", "h"])
        #expect(records[1].header("h") == "y")
        #expect(records[1].timestamp == 1234)
    }

    @Test func aTopicThatIsNotThereHasNoRecords() throws {
        let broker = try KafkaBroker.shared()
        let records = try broker.reader.read(broker.uniqueName("absent"))
        #expect(records.isEmpty)
    }

    @Test(.needsPrivateKafka) func recordsSurviveAKilledBroker() throws {
        let broker = try KafkaBroker(["num.partitions": "3"])
        try broker.createTopic("t")
        try broker.produce([NewRecord(key: "k", value: "v")], to: "t")
        broker.kill9()
        try broker.start()
        #expect(try broker.reader.read("t").map(\.valueText) == ["v"])
    }
}
