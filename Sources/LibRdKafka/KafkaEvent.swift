internal import CRdKafka

/// Several delivery reports with one ticket and one result, folded.
///
/// librdkafka reports a message that no broker acknowledged as delivered when one behind it was: a broker looks at the
/// numbers of messages. It does not at the first that a producer writes to a partition: where the first request was
/// refused for a moment (a new topic's leader), and the one behind it was not, the first is lost. Such a report has no
/// offset, and is handed out as `.presumedDelivered`.
public struct DeliveryRun: Sendable, Equatable {
    /// The ticket of the first message, as given when it was produced.
    public let ticket: UInt
    /// How many messages the run folds; at least 1.
    public let count: Int
    /// What became of them: `.none` means durable by the configured acknowledgement.
    public let result: KafkaErrorCode
    /// The topic of the first failed message; nil for a success.
    public let failedTopic: String?
    /// The partition of the first message (-1 when it never got one).
    public let partition: Int32
    /// Key and value bytes of the first failed message; 0 for a success.
    public let failedBytes: Int
}

/// A log line of librdkafka.
public struct KafkaLogLine: Sendable, Equatable {
    /// Syslog severity: 0 emergency to 7 debug.
    public let severity: Int
    /// librdkafka's short name of the place that logs, for example `FAIL`.
    public let facility: String
    /// The text. librdkafka puts no property values in it.
    public let text: String
}

/// What an event carries.
public enum KafkaEventKind: Sendable {
    /// Delivery reports.
    case deliveries
    /// A client-wide error; mostly informational, librdkafka goes on by itself unless it is fatal.
    case error
    /// A log line.
    case log
    /// Anything Weir does not listen to.
    case other
}

/// Owner of one event taken from a client's queue (`rd_kafka_event_t`).
///
/// Messages of a delivery event count against the client's queue limits until the event is destroyed, so look and
/// let go. Use it on the thread that took it.
@safe public struct KafkaEvent: ~Copyable {
    private let handle: OpaquePointer

    init(owning handle: OpaquePointer) { unsafe self.handle = unsafe handle }

    deinit { unsafe rd_kafka_event_destroy(handle) }

    /// What the event carries.
    public var kind: KafkaEventKind {
        switch unsafe rd_kafka_event_type(handle) {
        case RD_KAFKA_EVENT_DR: .deliveries
        case RD_KAFKA_EVENT_ERROR: .error
        case RD_KAFKA_EVENT_LOG: .log
        default: .other
        }
    }

    /// The error of an `.error` event.
    public var error: KafkaError {
        let code = KafkaErrorCode(unsafe rd_kafka_event_error(handle))
        let text = unsafe rd_kafka_event_error_string(handle).map { unsafe String(cString: $0) }
        return KafkaError(code, text, isFatal: unsafe rd_kafka_event_error_is_fatal(handle) != 0)
    }

    /// The line of a `.log` event.
    public var logLine: KafkaLogLine? {
        var facility: UnsafePointer<CChar>?
        var text: UnsafePointer<CChar>?
        var severity: Int32 = 0
        guard unsafe rd_kafka_event_log(handle, &facility, &text, &severity) == 0 else { return nil }
        return KafkaLogLine(
            severity: Int(severity), facility: unsafe facility.map { unsafe String(cString: $0) } ?? "",
            text: unsafe text.map { unsafe String(cString: $0) } ?? "")
    }

    /// Hands out the reports of a `.deliveries` event, consecutive ones of one ticket and result folded into a run.
    /// Tickets that differ in their lowest `lowBits` bits only count as one.
    ///
    /// Reports can be read once; a second call finds none. Takes no lock of its own: lock around the whole call.
    public func forEachRun(ignoring lowBits: UInt = 0, _ body: (DeliveryRun) -> Void) {
        var folder = RunFolder(shift: lowBits)
        unsafe withUnsafeTemporaryAllocation(of: UnsafePointer<rd_kafka_message_t>?.self, capacity: 256) { buffer in
            unsafe buffer.initialize(repeating: nil)
            while true {
                let count = unsafe rd_kafka_event_message_array(handle, buffer.baseAddress, buffer.count)
                guard count > 0 else { break }
                for index in 0..<count {
                    guard let message = unsafe buffer[index] else { continue }
                    unsafe folder.add(message, body)
                }
            }
        }
        folder.finish(body)
    }
}

/// Folds consecutive reports of one ticket and result.
private struct RunFolder {
    private let shift: UInt
    private var ticket: UInt = 0
    private var result: Int32 = 0
    private var count = 0
    private var topic: String?
    private var partition: Int32 = -1
    private var bytes = 0

    init(shift: UInt) { self.shift = shift }

    mutating func add(_ message: UnsafePointer<rd_kafka_message_t>, _ body: (DeliveryRun) -> Void) {
        let next = unsafe UInt(weir_kafka_ticket(message))
        var code = unsafe message.pointee.err.rawValue
        if code == 0, unsafe message.pointee.offset < 0 { code = KafkaErrorCode.presumedDelivered.rawValue }
        if count > 0, next >> shift == ticket >> shift, code == result {
            count += 1
            return
        }
        finish(body)
        ticket = next
        result = code
        count = 1
        partition = unsafe message.pointee.partition
        guard code != 0 else { return }
        topic = unsafe message.pointee.rkt.map { unsafe String(cString: rd_kafka_topic_name($0)) }
        bytes = unsafe message.pointee.len + message.pointee.key_len
    }

    mutating func finish(_ body: (DeliveryRun) -> Void) {
        guard count > 0 else { return }
        body(
            DeliveryRun(
                ticket: ticket, count: count, result: KafkaErrorCode(rawValue: result), failedTopic: topic,
                partition: partition, failedBytes: bytes))
        count = 0
        topic = nil
        bytes = 0
    }
}
