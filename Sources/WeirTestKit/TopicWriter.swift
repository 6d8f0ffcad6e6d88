import CRdKafka
import Glibc

/// A record to put into a topic.
public struct NewRecord: Sendable {
    /// The key's bytes; nil for none.
    public var key: [UInt8]?
    /// The value's bytes; nil is a tombstone.
    public var value: [UInt8]?
    /// The headers, in order.
    public var headers: [(name: String, value: [UInt8])]
    /// The partition; nil lets the key decide.
    public var partition: Int?
    /// Milliseconds since 1970-01-01 UTC; nil is now.
    public var timestamp: Int64?

    /// A record of text.
    ///
    /// - Parameters:
    ///   - key: as UTF-8; nil for none.
    ///   - value: as UTF-8; nil is a tombstone.
    ///   - headers: in order.
    ///   - partition: nil lets the key decide.
    ///   - timestamp: milliseconds since 1970-01-01 UTC; nil is now.
    public init(
        key: String?, value: String?, headers: [(name: String, value: String)] = [], partition: Int? = nil,
        timestamp: Int64? = nil
    ) {
        self.key = key.map { Array($0.utf8) }
        self.value = value.map { Array($0.utf8) }
        self.headers = headers.map { ($0.name, Array($0.value.utf8)) }
        self.partition = partition
        self.timestamp = timestamp
    }
}

extension KafkaBroker {
    /// Produces records in order, each acknowledged by the broker when this returns.
    ///
    /// - Parameters:
    ///   - records: what to produce.
    ///   - topic: which must exist.
    public func produce(_ records: [NewRecord], to topic: String) throws {
        let client = try KafkaClient(.producer, bootstrap: bootstrap, ["enable.idempotence": "true", "linger.ms": "2"])
        for record in records { try client.produce(record, to: topic) }
        try client.waitForDeliveries(records.count, timeout: .seconds(30))
    }
}

extension KafkaClient {
    fileprivate func produce(_ record: NewRecord, to topic: String) throws {
        let headers = rd_kafka_headers_new(record.headers.count)
        for header in record.headers {
            _ = header.value.withUnsafeBytes {
                rd_kafka_header_add(headers, header.name, -1, $0.baseAddress, $0.count)
            }
        }
        // An empty array has no address, and librdkafka takes no address for "none": empty is not the same.
        let key = duplicate(record.key)
        let value = duplicate(record.value)
        let name = strdup(topic)
        defer {
            free(key)
            free(value)
            free(name)
        }
        var arguments = [rd_kafka_vu_t](repeating: rd_kafka_vu_t(), count: 7)
        arguments[0].vtype = RD_KAFKA_VTYPE_TOPIC
        arguments[0].u.cstr = UnsafePointer(name)
        arguments[1].vtype = RD_KAFKA_VTYPE_MSGFLAGS
        arguments[1].u.i = RD_KAFKA_MSG_F_COPY
        arguments[2].vtype = RD_KAFKA_VTYPE_PARTITION
        arguments[2].u.i32 = record.partition.map { Int32($0) } ?? RD_KAFKA_PARTITION_UA
        arguments[3].vtype = RD_KAFKA_VTYPE_KEY
        arguments[3].u.mem = .init(ptr: key, size: record.key?.count ?? 0)
        arguments[4].vtype = RD_KAFKA_VTYPE_VALUE
        arguments[4].u.mem = .init(ptr: value, size: record.value?.count ?? 0)
        arguments[5].vtype = RD_KAFKA_VTYPE_TIMESTAMP
        arguments[5].u.i64 = record.timestamp ?? 0
        arguments[6].vtype = RD_KAFKA_VTYPE_HEADERS
        arguments[6].u.headers = headers
        if let error = rd_kafka_produceva(handle, arguments, arguments.count) {
            defer { rd_kafka_error_destroy(error) }
            rd_kafka_headers_destroy(headers)
            throw TestKitError("produce to \(topic): \(String(cString: rd_kafka_error_string(error)))")
        }
    }

    fileprivate func waitForDeliveries(_ count: Int, timeout: Duration) throws {
        let deadline = ContinuousClock.now + timeout
        let queue = rd_kafka_queue_get_main(handle)
        defer { rd_kafka_queue_destroy(queue) }
        var delivered = 0
        while delivered < count {
            guard ContinuousClock.now < deadline else {
                throw TestKitError("\(count - delivered) records not delivered")
            }
            guard let event = rd_kafka_queue_poll(queue, 200) else { continue }
            defer { rd_kafka_event_destroy(event) }
            guard rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR else { continue }
            while let message = rd_kafka_event_message_next(event) {
                try check(message.pointee.err, "delivery")
                delivered += 1
            }
        }
    }
}

private func duplicate(_ bytes: [UInt8]?) -> UnsafeMutableRawPointer? {
    guard let bytes else { return nil }
    let copy = malloc(max(1, bytes.count))
    if let copy {
        bytes.withUnsafeBytes { copy.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(copy), byteCount: $0.count) }
    }
    return copy
}
