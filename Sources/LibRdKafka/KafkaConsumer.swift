internal import CRdKafka
internal import Synchronization

/// The first and the next offset of a partition.
public struct KafkaWatermarks: Sendable, Equatable {
    /// The oldest offset that is still there.
    public let low: Int64
    /// The offset the next message will get: one past the last one.
    public let high: Int64
}

/// A partition of a topic.
public struct KafkaPartition: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The topic's name.
    public let topic: String
    /// The partition's id.
    public let id: Int32

    /// Names a partition.
    public init(topic: String, id: Int32) {
        self.topic = topic
        self.id = id
    }

    /// Orders by topic, then by id.
    public static func < (left: KafkaPartition, right: KafkaPartition) -> Bool {
        (left.topic, left.id) < (right.topic, right.id)
    }

    /// `topic[id]`.
    public var description: String { "\(topic)[\(id)]" }
}

/// Owner of a consumer instance that reads chosen partitions from chosen offsets.
///
/// It belongs to no group: it needs read access to the topics and nothing else, and commits nothing. Offsets are the
/// caller's to keep. Sendable: the client is thread-safe; one thread at a time should take messages.
@safe public final class KafkaConsumer: @unchecked Sendable {
    // `@unchecked Sendable`: `rd_kafka_queue_t` is thread-safe like the client and lives as long as this object;
    // the list of what was started is in a `Mutex`.
    let client: KafkaClient
    private let messages: OpaquePointer
    private let started = Mutex<[(topic: KafkaTopic, partition: Int32)]>([])

    /// Makes a consumer; connects in the background. Only committed records are read unless the configuration sets
    /// `isolation.level` otherwise. Throws when the properties do not fit together.
    public init(_ configuration: consuming KafkaConfiguration) throws(KafkaError) {
        configuration.listen(to: RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG)
        let client = try KafkaClient(RD_KAFKA_CONSUMER, configuration)
        self.client = client
        unsafe messages = rd_kafka_queue_new(client.handle)
    }

    deinit {
        started.withLock { list in
            for (topic, partition) in list { _ = unsafe rd_kafka_consume_stop(topic.handle, partition) }
        }
        unsafe rd_kafka_queue_destroy(messages)
    }

    /// Starts reading a partition at an offset; its messages arrive through `take`. Each partition once.
    public func start(_ partition: KafkaPartition, at offset: Int64) throws(KafkaError) {
        let topic = try KafkaTopic(name: partition.topic, client: client)
        guard unsafe rd_kafka_consume_start_queue(topic.handle, partition.id, offset, messages) == 0 else {
            throw KafkaError(KafkaErrorCode(rd_kafka_last_error()))
        }
        started.withLock { $0.append((topic, partition.id)) }
    }

    /// Takes up to `limit` messages; waits up to `timeout` for the first one.
    public func take(_ limit: Int, within timeout: Duration) -> KafkaFetch {
        unsafe KafkaFetch(limit) { buffer, size in
            unsafe rd_kafka_consume_batch_queue(messages, timeout.kafkaMilliseconds, buffer, size)
        }
    }

    /// Waits up to `timeout` for the next event: an error or a log line.
    public func nextEvent(_ timeout: Duration) -> KafkaEvent? { client.nextEvent(timeout) }

    /// The first and the next offset of a partition, as the leader says. Blocks up to `timeout`.
    public func watermarks(of partition: KafkaPartition, within timeout: Duration) throws(KafkaError) -> KafkaWatermarks
    {
        var low: Int64 = 0
        var high: Int64 = 0
        let code = unsafe rd_kafka_query_watermark_offsets(
            client.handle, partition.topic, partition.id, &low, &high, timeout.kafkaMilliseconds)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(KafkaErrorCode(code)) }
        return KafkaWatermarks(low: low, high: high)
    }

    /// For each partition the offset of the first record at or after a time (milliseconds since 1970); a partition
    /// without one is left out. Blocks up to `timeout`.
    public func offsets(
        of partitions: [KafkaPartition], since milliseconds: Int64, within timeout: Duration
    ) throws(KafkaError) -> [KafkaPartition: Int64] {
        guard !partitions.isEmpty else { return [:] }
        guard let list = unsafe rd_kafka_topic_partition_list_new(Int32(clamping: partitions.count)) else {
            throw KafkaError(.invalidArgument)
        }
        defer { unsafe rd_kafka_topic_partition_list_destroy(list) }
        for partition in partitions {
            let item = unsafe rd_kafka_topic_partition_list_add(list, partition.topic, partition.id)
            unsafe item?.pointee.offset = milliseconds
        }
        let code = unsafe rd_kafka_offsets_for_times(client.handle, list, timeout.kafkaMilliseconds)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(KafkaErrorCode(code)) }
        var offsets: [KafkaPartition: Int64] = [:]
        for index in 0..<Int(unsafe list.pointee.cnt) {
            let item = unsafe list.pointee.elems[index]
            guard unsafe item.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
                throw KafkaError(KafkaErrorCode(unsafe item.err))
            }
            // No such record: the logical offset "end", which is negative.
            guard unsafe item.offset >= 0 else { continue }
            offsets[KafkaPartition(topic: unsafe String(cString: item.topic), id: unsafe item.partition)] =
                unsafe item.offset
        }
        return offsets
    }
}
