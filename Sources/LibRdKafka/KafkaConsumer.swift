internal import CRdKafka

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
/// caller's to keep. Sendable: the client is thread-safe.
public final class KafkaConsumer: Sendable {
    let client: KafkaClient

    /// Makes a consumer; connects in the background. Only committed records are read unless the configuration sets
    /// `isolation.level` otherwise. Throws when the properties do not fit together.
    public init(_ configuration: consuming KafkaConfiguration) throws(KafkaError) {
        configuration.listen(to: RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG)
        client = try KafkaClient(RD_KAFKA_CONSUMER, configuration)
    }

    /// Starts reading a partition at an offset. Fetches ahead as `queued.max.messages.kbytes` allows, for each
    /// partition on its own. A partition is read once at a time.
    public func read(_ partition: KafkaPartition, from offset: Int64) throws(KafkaError) -> KafkaPartitionReader {
        try KafkaPartitionReader(partition, from: offset, client)
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

/// Reads one partition; stops doing so when it goes.
///
/// Not Sendable: one thread takes the messages. Keeps its client alive.
@safe public final class KafkaPartitionReader {
    /// The partition.
    public let partition: KafkaPartition
    private let topic: KafkaTopic
    private let queue: OpaquePointer

    init(_ partition: KafkaPartition, from offset: Int64, _ client: KafkaClient) throws(KafkaError) {
        self.partition = partition
        topic = try KafkaTopic(name: partition.topic, client: client)
        unsafe queue = rd_kafka_queue_new(client.handle)
        guard unsafe rd_kafka_consume_start_queue(topic.handle, partition.id, offset, queue) == 0 else {
            let error = KafkaError(KafkaErrorCode(rd_kafka_last_error()))
            unsafe rd_kafka_queue_destroy(queue)
            throw error
        }
    }

    deinit {
        _ = unsafe rd_kafka_consume_stop(topic.handle, partition.id)
        unsafe rd_kafka_queue_destroy(queue)
    }

    /// Takes up to `limit` messages; waits up to `timeout` for the first one.
    public func take(_ limit: Int, within timeout: Duration) -> KafkaFetch {
        unsafe KafkaFetch(limit) { buffer, size in
            unsafe rd_kafka_consume_batch_queue(queue, timeout.kafkaMilliseconds, buffer, size)
        }
    }
}
