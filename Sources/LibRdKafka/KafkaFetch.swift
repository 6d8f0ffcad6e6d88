internal import CRdKafka

/// Owner of some messages taken from a consumer; lends them one by one.
@safe public struct KafkaFetch: ~Copyable {
    private let messages: UnsafeMutablePointer<UnsafeMutablePointer<rd_kafka_message_t>?>
    /// How many messages there are; 0 when the time was up.
    public let count: Int

    init(_ limit: Int, _ fill: (UnsafeMutablePointer<UnsafeMutablePointer<rd_kafka_message_t>?>, Int) -> Int) {
        let capacity = max(limit, 1)
        unsafe messages = .allocate(capacity: capacity)
        unsafe messages.initialize(repeating: nil, count: capacity)
        count = unsafe max(fill(messages, capacity), 0)
    }

    deinit {
        for index in 0..<count {
            if let message = unsafe messages[index] { unsafe rd_kafka_message_destroy(message) }
        }
        unsafe messages.deallocate()
    }

    /// Lends the message at a place, 0 to `count` less one.
    public func withMessage<Result, Failure: Error>(
        _ index: Int, _ body: (borrowing KafkaMessage) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(index >= 0 && index < count, "no such message")
        guard let message = unsafe messages[index] else { preconditionFailure("librdkafka counted a message too many") }
        return try body(unsafe KafkaMessage(lending: message))
    }

    /// Lends the messages in the order in which they arrived: in order within a partition.
    public func forEach<Failure: Error>(_ body: (borrowing KafkaMessage) throws(Failure) -> Void) throws(Failure) {
        for index in 0..<count {
            guard let message = unsafe messages[index] else { continue }
            try body(unsafe KafkaMessage(lending: message))
        }
    }
}

/// A view of one message, valid within the closure it is lent to.
@safe public struct KafkaMessage: ~Copyable {
    private let message: UnsafeMutablePointer<rd_kafka_message_t>

    init(lending message: UnsafeMutablePointer<rd_kafka_message_t>) { unsafe self.message = unsafe message }

    /// `.none` for a record; `.partitionEnd` when the partition has no more for now; else why reading failed.
    public var problem: KafkaErrorCode { KafkaErrorCode(unsafe message.pointee.err) }

    /// librdkafka's sentence for a problem.
    public var problemText: String { unsafe String(cString: rd_kafka_message_errstr(message)) }

    /// The topic's name.
    public var topic: String {
        unsafe message.pointee.rkt.map { unsafe String(cString: rd_kafka_topic_name($0)) } ?? ""
    }

    /// The partition's id.
    public var partition: Int32 { unsafe message.pointee.partition }

    /// The record's offset; at the end of a partition, the offset the next record will get.
    public var offset: Int64 { unsafe message.pointee.offset }

    /// The record's timestamp in milliseconds since 1970; nil when it has none.
    public var timestamp: Int64? {
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        let value = unsafe rd_kafka_message_timestamp(message, &type)
        return type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? nil : value
    }

    /// Lends the key; nil when the record has none.
    public func withKey<Result, Failure: Error>(
        _ body: (RawSpan?) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard let start = unsafe message.pointee.key else { return try body(nil) }
        return try body(unsafe RawSpan(_unsafeStart: start, byteCount: message.pointee.key_len))
    }

    /// Lends the value; nil for a tombstone.
    public func withValue<Result, Failure: Error>(
        _ body: (RawSpan?) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard problem == .none, let start = unsafe message.pointee.payload else { return try body(nil) }
        return try body(unsafe RawSpan(_unsafeStart: start, byteCount: message.pointee.len))
    }

    /// Lends the last header of this name; nil when there is none or its value is null.
    public func withHeader<Result, Failure: Error>(
        _ name: String, _ body: (RawSpan?) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var headers: OpaquePointer?
        var value: UnsafeRawPointer?
        var size = 0
        guard unsafe rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR,
            unsafe rd_kafka_header_get_last(headers, name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR,
            let start = unsafe value
        else { return try body(nil) }
        return try body(unsafe RawSpan(_unsafeStart: start, byteCount: size))
    }

    /// All headers in order, copied: for tools and tests.
    public var headers: [(name: String, value: [UInt8]?)] {
        var list: OpaquePointer?
        guard unsafe rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR else { return [] }
        var headers: [(name: String, value: [UInt8]?)] = []
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var size = 0
        while unsafe rd_kafka_header_get_all(list, headers.count, &name, &value, &size)
            == RD_KAFKA_RESP_ERR_NO_ERROR
        {
            let bytes = unsafe value.map { unsafe [UInt8](UnsafeRawBufferPointer(start: $0, count: size)) }
            headers.append((unsafe name.map { unsafe String(cString: $0) } ?? "", bytes))
        }
        return headers
    }
}
