internal import CRdKafka

/// A topic as one producer knows it; keeps that producer's client alive.
///
/// Sendable: `rd_kafka_topic_t` is thread-safe by librdkafka's contract, and the client that destroys it is retained.
@safe public final class KafkaTopic: @unchecked Sendable {
    /// The topic's name.
    public let name: String
    let handle: OpaquePointer
    private let client: KafkaClient

    init(name: String, client: KafkaClient) throws(KafkaError) {
        self.name = name
        self.client = client
        unsafe handle = try client.topic(name)
    }
}

/// Where a message goes.
public struct KafkaDestination: Sendable {
    /// The topic.
    public let topic: KafkaTopic
    /// A partition, or `anyPartition` to let the configured partitioner choose by the key.
    public var partition: Int32
    /// The record's timestamp in milliseconds since 1970; 0 means the time of the call.
    public var timestamp: Int64

    /// Makes a destination.
    public init(_ topic: KafkaTopic, partition: Int32 = Self.anyPartition, timestamp: Int64 = 0) {
        self.topic = topic
        self.partition = partition
        self.timestamp = timestamp
    }

    /// Lets the partitioner choose.
    public static let anyPartition: Int32 = -1
}

/// Owner of a producer instance.
///
/// Sendable: the client is thread-safe. Usually one thread produces and another one serves events; delivery reports
/// must be served, or the queue stays full. The instance ends when the last reference goes: what was not delivered
/// by then is discarded, so `flush` first.
public final class KafkaProducer: Sendable {
    let client: KafkaClient

    /// Makes a producer; connects in the background. Throws when the properties do not fit together.
    public init(_ configuration: consuming KafkaConfiguration) throws(KafkaError) {
        configuration.listen(to: RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG)
        client = try KafkaClient(RD_KAFKA_PRODUCER, configuration)
    }

    /// The topic of this name; makes no request. Throws for a name librdkafka does not take.
    public func topic(_ name: String) throws(KafkaError) -> KafkaTopic {
        try KafkaTopic(name: name, client: client)
    }

    /// Queues a message; key, value and headers are copied before the call returns.
    ///
    /// A nil key lets the partitioner choose at random, a nil value is a tombstone. Returns `.none` when the message
    /// was queued: its fate comes as a delivery report with the same ticket. Returns `.queueFull` when the caller
    /// should serve events and come again, `.messageTooLarge` when `message.max.bytes` forbids it, `.fatal` after a
    /// fatal error, or another code; then there will be no report. Never blocks.
    public func produce(
        to destination: borrowing KafkaDestination, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?,
        headers: borrowing KafkaHeaders, ticket: UInt
    ) -> KafkaErrorCode {
        let topic = unsafe destination.topic.handle
        // librdkafka tells a null key or value from an empty one by its address, which an empty buffer may lack.
        return unsafe withUnsafePointer(to: UInt8(0)) { nothing in
            var record = unsafe weir_kafka_record(
                key: nil, key_size: key?.count ?? 0, value: nil, value_size: value?.count ?? 0,
                timestamp: destination.timestamp, ticket: ticket, partition: destination.partition)
            if let key = unsafe key { unsafe record.key = key.baseAddress ?? UnsafeRawPointer(nothing) }
            if let value = unsafe value { unsafe record.value = value.baseAddress ?? UnsafeRawPointer(nothing) }
            return unsafe headers.withCHeaders { headers, count in
                KafkaErrorCode(unsafe weir_kafka_produce(client.handle, topic, &record, headers, count))
            }
        }
    }

    /// Waits up to `timeout` for the next event. One thread at a time should serve a producer.
    public func nextEvent(_ timeout: Duration) -> KafkaEvent? { client.nextEvent(timeout) }

    /// Makes a thread that waits in `nextEvent` come back at once, without an event.
    public func wake() { client.wake() }

    /// Sends what is queued without regard to `linger.ms` and waits until every message has been reported and its
    /// report served (by another thread), at most `timeout`. True when nothing is left.
    public func flush(_ timeout: Duration) -> Bool {
        unsafe rd_kafka_flush(client.handle, timeout.kafkaMilliseconds) == RD_KAFKA_RESP_ERR_NO_ERROR
    }

    /// Has librdkafka send what waits without regard to `linger.ms`, as far as brokers take it now; a millisecond at
    /// most. True when all of it was reported meanwhile.
    ///
    /// `rd_kafka_flush` tells the brokers' threads not to linger for as long as it lasts.
    public func send() -> Bool { flush(.milliseconds(1)) }

    /// Messages and reports not yet served.
    public var outstanding: Int { unsafe Int(rd_kafka_outq_len(client.handle)) }

    /// The fatal error after which the producer can do no more work, if there was one.
    public var fatalError: KafkaError? { client.fatalError }

    /// Gives up what is queued or on its way; each message is reported as purged. Does not wait.
    public func purge() {
        let everything = RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING
        _ = unsafe rd_kafka_purge(client.handle, everything)
    }

    /// Raises a fatal error as librdkafka itself would, to see how the caller takes it. For tests.
    package func raiseFatalError(_ code: KafkaErrorCode, _ reason: String) {
        _ = unsafe rd_kafka_test_fatal_error(client.handle, code.c, reason)
    }
}
