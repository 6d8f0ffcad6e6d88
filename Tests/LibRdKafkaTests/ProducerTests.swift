import Testing
import WeirTestKit

@testable import LibRdKafka

@Suite("Producer", .timeLimit(.minutes(1)))
struct ProducerTests {
    @Test("keys, values, tombstones, empty values and headers arrive as they were given")
    func roundTrip() throws {
        let cluster = try MockCluster()
        cluster.createTopic("t")
        let producer = try makeProducer(cluster)
        let destination = KafkaDestination(try producer.topic("t"))
        var headers = KafkaHeaders()
        headers.add("weir-id") { $0.append(contentsOf: "42/0/1/1".utf8) }
        headers.add("empty") { _ in }
        #expect(producer.send("v1", key: "k1", to: destination, ticket: 1, headers: headers) == .none)
        #expect(producer.send(nil, key: "k1", to: destination, ticket: 1) == .none)
        #expect(producer.send("", key: nil, to: destination, ticket: 2) == .none)
        let runs = producer.serve(3)
        #expect(runs.map(\.ticket) == [1, 2])
        #expect(runs.map(\.count) == [2, 1])
        #expect(runs.allSatisfy { $0.result == .none })

        let consumer = try makeConsumer(cluster)
        let received = try consumer.readAll("t")
        #expect(
            received == [
                Received(key: "k1", value: "v1", offset: 0), Received(key: "k1", value: nil, offset: 1),
                Received(key: nil, value: "", offset: 2),
            ])
    }

    @Test("headers come back in order, an empty one as empty")
    func headers() throws {
        let cluster = try MockCluster()
        cluster.createTopic("t")
        let producer = try makeProducer(cluster)
        let destination = KafkaDestination(try producer.topic("t"), timestamp: 1_700_000_000_123)
        var headers = KafkaHeaders()
        for round in 0..<3 {
            headers.removeAll()
            headers.add("round") { $0.append(UInt8(ascii: "0") + UInt8(round)) }
            headers.add("empty") { _ in }
            #expect(producer.send("v", to: destination, headers: headers) == .none)
        }
        _ = producer.serve(3)
        let consumer = try makeConsumer(cluster)
        let reader = try consumer.read(KafkaPartition(topic: "t", id: 0), from: 0)
        var seen: [String] = []
        let deadline = ContinuousClock.now + .seconds(10)
        while seen.count < 3, ContinuousClock.now < deadline {
            let fetch = reader.take(10, within: .milliseconds(100))
            fetch.forEach { message in
                guard message.problem == .none else { return }
                let list = message.headers.map { "\($0.name)=\(String(decoding: $0.value ?? [63], as: UTF8.self))" }
                let last = message.withHeader("round") { $0?.byteCount }
                seen.append("\(list.joined(separator: ",")) \(last ?? -1) \(message.timestamp ?? 0)")
            }
        }
        #expect(seen == (0..<3).map { "round=\($0),empty= 1 1700000000123" })
    }

    /// Hashes of org.apache.kafka.common.utils.Utils.murmur2, from Kafka's own UtilsTest.
    @Test(
        "a key goes to the partition Java's producer would choose",
        arguments: [
            ("21", Int32(-973_932_308)), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971), ("abc", 479_470_107),
        ])
    func partitioner(_ key: String, _ hash: Int32) throws {
        let cluster = try MockCluster()
        cluster.createTopic("t", partitions: 7)
        let producer = try makeProducer(cluster)
        let destination = KafkaDestination(try producer.topic("t"))
        #expect(producer.send("v", key: key, to: destination, ticket: 9) == .none)
        let runs = producer.serve(1)
        #expect(runs.map(\.partition) == [(hash & 0x7FFF_FFFF) % 7])
    }

    @Test("a full queue answers `.queueFull` and takes messages again once reports are served")
    func queueFull() throws {
        let cluster = try MockCluster()
        cluster.createTopic("t")
        let producer = try makeProducer(cluster, ["queue.buffering.max.messages": "10"])
        let destination = KafkaDestination(try producer.topic("t"))
        for index in 0..<10 { #expect(producer.send("\(index)", to: destination) == .none) }
        #expect(producer.send("10", to: destination) == .queueFull)
        _ = producer.serve(10)
        #expect(producer.send("10", to: destination) == .none)
        let flushed = producer.serve(1)
        #expect(flushed.first?.result == KafkaErrorCode.none)
    }

    @Test("a message above message.max.bytes is refused at once")
    func tooLarge() throws {
        let cluster = try MockCluster()
        cluster.createTopic("t")
        let producer = try makeProducer(cluster, ["message.max.bytes": "2000", "batch.size": "1000"])
        let destination = KafkaDestination(try producer.topic("t"))
        let big = String(repeating: "x", count: 4000)
        #expect(producer.send(big, to: destination) == .messageTooLarge)
    }

    @Test("a failed message is reported with topic, partition and size")
    func failedReport() throws {
        let cluster = try MockCluster()
        cluster.createTopic("t")
        let producer = try makeProducer(cluster)
        cluster.fail(.produce, with: [.messageTooLarge])
        let destination = KafkaDestination(try producer.topic("t"))
        #expect(producer.send("12345", key: "678", to: destination, ticket: 77) == .none)
        let runs = producer.serve(1)
        #expect(
            runs == [
                DeliveryRun(
                    ticket: 77, count: 1, result: .messageTooLarge, failedTopic: "t", partition: 0, failedBytes: 8)
            ])
    }

    @Test("messages wait for a broker that is away and arrive in order once it is back")
    func outage() throws {
        let cluster = try MockCluster()
        cluster.createTopic("t")
        let producer = try makeProducer(cluster)
        let destination = KafkaDestination(try producer.topic("t"))
        #expect(producer.send("0", to: destination) == .none)
        _ = producer.serve(1)
        cluster.takeDown()
        for index in 1..<50 { #expect(producer.send("\(index)", to: destination) == .none) }
        let whileDown = producer.serve(within: .milliseconds(200)) { !$0.isEmpty }
        #expect(whileDown.isEmpty)
        cluster.bringUp()
        let runs = producer.serve(49)
        #expect(runs.allSatisfy { $0.result == .none })
        let consumer = try makeConsumer(cluster)
        let received = try consumer.readAll("t")
        #expect(received.map(\.value) == (0..<50).map { "\($0)" })
    }

    @Test("a disconnect after a request was sent leads to neither loss nor duplicates")
    func disconnect() throws {
        let cluster = try MockCluster()
        cluster.createTopic("t")
        let producer = try makeProducer(cluster)
        let destination = KafkaDestination(try producer.topic("t"))
        cluster.fail(.produce, with: [.transport, .none, .transport])
        for index in 0..<20 {
            #expect(producer.send("\(index)", to: destination) == .none)
        }
        let runs = producer.serve(20)
        #expect(runs.allSatisfy { $0.result == .none })
        let consumer = try makeConsumer(cluster)
        let received = try consumer.readAll("t")
        #expect(received.map(\.value) == (0..<20).map { "\($0)" })
    }

    @Test("a message that cannot be delivered in time is reported as timed out")
    func deliveryTimeout() throws {
        let cluster = try MockCluster()
        cluster.createTopic("t")
        let producer = try makeProducer(cluster, ["message.timeout.ms": "300"])
        let destination = KafkaDestination(try producer.topic("t"))
        #expect(producer.send("0", to: destination) == .none)
        _ = producer.serve(1)
        cluster.takeDown()
        #expect(producer.send("1", to: destination, ticket: 5) == .none)
        let runs = producer.serve(1)
        #expect(runs.map(\.result) == [.messageTimedOut])
        #expect(runs.map(\.ticket) == [5])
    }

    @Test("after a fatal error nothing is taken any more and the cause is kept")
    func fatal() throws {
        let cluster = try MockCluster()
        let producer = try makeProducer(cluster)
        let destination = KafkaDestination(try producer.topic("t"))
        #expect(producer.fatalError == nil)
        producer.raiseFatalError(.outOfOrderSequence, "sequence desynchronised")
        #expect(producer.send("1", to: destination) == .fatal)
        let error = try #require(producer.fatalError)
        #expect(error.isFatal)
        #expect(error.code == .outOfOrderSequence)
        #expect(error.detail.contains("sequence desynchronised"))
    }

    @Test("a purge reports what was given up, and the producer ends without waiting for a dead broker")
    func purge() throws {
        let cluster = try MockCluster()
        cluster.createTopic("t")
        let producer = try makeProducer(cluster)
        let destination = KafkaDestination(try producer.topic("t"))
        #expect(producer.send("0", to: destination) == .none)
        _ = producer.serve(1)
        cluster.takeDown()
        #expect(producer.send("1", to: destination, ticket: 3) == .none)
        #expect(!producer.flush(.milliseconds(50)))
        producer.purge()
        let runs = producer.serve(1)
        #expect(runs.map(\.ticket) == [3])
        #expect(runs.map(\.result) == [.purgedFromQueue])
        // Errors about the dead broker may still wait to be taken, and they count as outstanding.
        #expect(
            eventually {
                _ = producer.nextEvent(.milliseconds(10))
                return producer.outstanding == 0
            })
    }

    @Test("an unreachable broker shows as an error event, and log lines come as events")
    func events() throws {
        var configuration = KafkaConfiguration()
        try configuration.set("bootstrap.servers", "127.0.0.1:1")
        let producer = try KafkaProducer(configuration)
        var error: KafkaError?
        var line: KafkaLogLine?
        let deadline = ContinuousClock.now + .seconds(10)
        while error == nil || line == nil, ContinuousClock.now < deadline {
            guard let event = producer.nextEvent(.milliseconds(100)) else { continue }
            switch event.kind {
            case .error: error = event.error
            case .log: line = event.logLine
            default: break
            }
        }
        #expect(error?.code == .transport || error?.code == .allBrokersDown)
        #expect(line?.text.isEmpty == false)
    }
}
