import LibRdKafka
import WeirTestKit

/// Makes a producer for a mock cluster; `properties` override the defaults of these tests.
func makeProducer(_ cluster: MockCluster, _ properties: [String: String] = [:]) throws -> KafkaProducer {
    var configuration = KafkaConfiguration()
    let defaults = [
        "bootstrap.servers": cluster.bootstrapServers, "enable.idempotence": "true", "linger.ms": "1",
        "partitioner": "murmur2_random", "reconnect.backoff.ms": "10", "reconnect.backoff.max.ms": "50",
        "retry.backoff.ms": "10", "message.timeout.ms": "20000", "topic.metadata.refresh.fast.interval.ms": "20",
    ]
    for (name, value) in defaults.merging(properties, uniquingKeysWith: { $1 }) {
        try configuration.set(name, value)
    }
    return try KafkaProducer(configuration)
}

/// Makes a consumer for a mock cluster.
func makeConsumer(_ cluster: MockCluster) throws -> KafkaConsumer {
    var configuration = KafkaConfiguration()
    try configuration.set("bootstrap.servers", cluster.bootstrapServers)
    try configuration.set("enable.partition.eof", "true")
    try configuration.set("fetch.wait.max.ms", "20")
    return try KafkaConsumer(configuration)
}

extension KafkaProducer {
    /// Queues a message of strings.
    func send(
        _ value: String?, key: String? = nil, to destination: KafkaDestination, ticket: UInt = 0,
        headers: borrowing KafkaHeaders = KafkaHeaders()
    ) -> KafkaErrorCode {
        withBytes(key) { key in
            withBytes(value) { value in
                produce(to: destination, key: key, value: value, headers: headers, ticket: ticket)
            }
        }
    }

    private func withBytes<Result>(_ text: String?, _ body: (UnsafeRawBufferPointer?) -> Result) -> Result {
        guard let text else { return body(nil) }
        return Array(text.utf8).withUnsafeBytes { body($0) }
    }

    /// Serves events until `done` of the runs so far is true or the time is up.
    func serve(within limit: Duration = .seconds(10), until done: ([DeliveryRun]) -> Bool) -> [DeliveryRun] {
        var runs: [DeliveryRun] = []
        let deadline = ContinuousClock.now + limit
        while !done(runs), ContinuousClock.now < deadline {
            guard let event = nextEvent(.milliseconds(100)), event.kind == .deliveries else { continue }
            event.forEachRun { runs.append($0) }
        }
        return runs
    }

    /// Serves events until so many messages were reported.
    func serve(_ count: Int, within limit: Duration = .seconds(10)) -> [DeliveryRun] {
        serve(within: limit) { runs in runs.reduce(0) { $0 + $1.count } >= count }
    }
}

/// A message copied out of a fetch.
struct Received: Equatable {
    var key: String?
    var value: String?
    var partition: Int32 = 0
    var offset: Int64 = 0
}

extension KafkaConsumer {
    /// Reads partitions of a topic from the beginning to their ends.
    func readAll(_ topic: String, partitions: Int32 = 1, within limit: Duration = .seconds(10)) throws -> [Received] {
        var received: [Received] = []
        let deadline = ContinuousClock.now + limit
        for partition in 0..<partitions {
            let reader = try read(KafkaPartition(topic: topic, id: partition), from: 0)
            var hasEnded = false
            while !hasEnded, ContinuousClock.now < deadline {
                let fetch = reader.take(100, within: .milliseconds(100))
                fetch.forEach { message in
                    if message.problem == .partitionEnd { hasEnded = true }
                    guard message.problem == .none else { return }
                    received.append(message.copied)
                }
            }
        }
        return received
    }
}

extension KafkaMessage {
    var copied: Received {
        Received(
            key: withKey { Self.text($0) }, value: withValue { Self.text($0) }, partition: partition, offset: offset)
    }

    private static func text(_ span: RawSpan?) -> String? {
        guard let span else { return nil }
        return span.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }
}
