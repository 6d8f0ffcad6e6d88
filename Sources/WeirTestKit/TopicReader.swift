import CRdKafka
import Glibc

/// One record as a consumer gets it.
public struct TopicRecord: Sendable {
    /// The partition it is in.
    public let partition: Int
    /// Its offset there.
    public let offset: Int64
    /// The key's bytes; nil when it has none.
    public let key: [UInt8]?
    /// The value's bytes; nil is a tombstone.
    public let value: [UInt8]?
    /// The headers, in order; a header without a value is empty here.
    public let headers: [(name: String, value: [UInt8])]
    /// Milliseconds since 1970-01-01 UTC; -1 when the broker gives none.
    public let timestamp: Int64

    /// The key as UTF-8.
    public var keyText: String? { key.map { String(decoding: $0, as: UTF8.self) } }

    /// The value as UTF-8.
    public var valueText: String? { value.map { String(decoding: $0, as: UTF8.self) } }

    /// The last header of that name, as UTF-8.
    public func header(_ name: String) -> String? {
        headers.last { $0.name == name }.map { String(decoding: $0.value, as: UTF8.self) }
    }
}

/// Reads topics from their beginning to their present end, with a consumer in no group that commits nothing.
public struct TopicReader: Sendable {
    /// Which records of transactions are read.
    public enum Isolation: String, Sendable {
        /// Those of committed transactions, and those of none.
        case committed = "read_committed"
        /// All, also of aborted and open transactions.
        case uncommitted = "read_uncommitted"
    }

    private let bootstrap: String

    /// - Parameter bootstrap: the broker's bootstrap servers.
    public init(bootstrap: String) { self.bootstrap = bootstrap }

    /// All records of a topic, by partition and then by offset; none when the topic does not exist.
    ///
    /// - Parameters:
    ///   - topic: its name.
    ///   - isolation: which records of transactions are seen.
    ///   - timeout: for all of it; over it this throws.
    public func read(
        _ topic: String, isolation: Isolation = .committed, timeout: Duration = .seconds(60)
    ) throws -> [TopicRecord] {
        let deadline = ContinuousClock.now + timeout
        let client = try KafkaClient(
            .consumer, bootstrap: bootstrap,
            [
                "group.id": "weir-test-reader", "enable.auto.commit": "false", "enable.auto.offset.store": "false",
                "enable.partition.eof": "true", "isolation.level": isolation.rawValue,
                "auto.offset.reset": "earliest", "fetch.wait.max.ms": "20",
                // Those who read a topic that is still written come again, so a look must not take long.
                "topic.metadata.refresh.interval.ms": "-1",
            ])
        let count = try client.partitions(of: topic, timeout: timeout)
        guard count > 0 else { return [] }
        let assignment = rd_kafka_topic_partition_list_new(CInt(count))
        defer { rd_kafka_topic_partition_list_destroy(assignment) }
        for partition in 0..<count {
            let entry = rd_kafka_topic_partition_list_add(assignment, topic, Int32(partition))
            // RD_KAFKA_OFFSET_BEGINNING
            entry?.pointee.offset = -2
        }
        try client.check(rd_kafka_assign(client.handle, assignment), "assign \(topic)")
        defer { rd_kafka_consumer_close(client.handle) }
        var records: [TopicRecord] = []
        var open = Set(0..<count)
        while !open.isEmpty {
            guard ContinuousClock.now < deadline else {
                throw TestKitError("\(topic): not read to its end within \(timeout), \(records.count) records so far")
            }
            guard let message = rd_kafka_consumer_poll(client.handle, 200) else { continue }
            defer { rd_kafka_message_destroy(message) }
            switch message.pointee.err {
            case RD_KAFKA_RESP_ERR_NO_ERROR: records.append(Self.record(message))
            case RD_KAFKA_RESP_ERR__PARTITION_EOF: open.remove(Int(message.pointee.partition))
            default: try client.check(message.pointee.err, "read \(topic)")
            }
        }
        return records.sorted { ($0.partition, $0.offset) < ($1.partition, $1.offset) }
    }

    /// Reads until a topic holds at least so many records; what was there last when the time is over.
    ///
    /// - Parameters:
    ///   - topic: its name; it need not exist yet.
    ///   - count: how many records to wait for.
    ///   - isolation: which records of transactions are seen.
    ///   - timeout: for all of it.
    public func read(
        _ topic: String, atLeast count: Int, isolation: Isolation = .committed, timeout: Duration = .seconds(60)
    ) throws -> [TopicRecord] {
        var last: [TopicRecord] = []
        _ = eventually(timeout: timeout) {
            last = try read(topic, isolation: isolation)
            return last.count >= count
        }
        return last
    }

    private static func record(_ message: UnsafeMutablePointer<rd_kafka_message_t>) -> TopicRecord {
        let content = message.pointee
        var type = rd_kafka_timestamp_type_t(0)
        var headers: [(name: String, value: [UInt8])] = []
        var list: OpaquePointer?
        if rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR {
            var index = 0
            var name: UnsafePointer<CChar>?
            var value: UnsafeRawPointer?
            var size = 0
            while rd_kafka_header_get_all(list, index, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR {
                headers.append((name.map { String(cString: $0) } ?? "", bytes(value, size) ?? []))
                index += 1
            }
        }
        return TopicRecord(
            partition: Int(content.partition), offset: content.offset, key: bytes(content.key, content.key_len),
            value: bytes(content.payload, content.len), headers: headers,
            timestamp: rd_kafka_message_timestamp(message, &type))
    }

    private static func bytes(_ start: UnsafeRawPointer?, _ count: Int) -> [UInt8]? {
        start.map { Array(UnsafeRawBufferPointer(start: $0, count: count)) }
    }
}
