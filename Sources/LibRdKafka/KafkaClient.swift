internal import CRdKafka
internal import Synchronization

/// Sole owner of a client instance (`rd_kafka_t`) and of the topic handles made from it.
///
/// `@unchecked Sendable`: `rd_kafka_t`, `rd_kafka_topic_t` and queues are thread-safe by librdkafka's contract
/// ("the API is completely thread-safe", INTRODUCTION.md); our own mutable state, the table of topics, is in a `Mutex`.
/// The pointers live until `deinit`, and whoever lends them keeps this object alive.
@safe final class KafkaClient: @unchecked Sendable {
    let handle: OpaquePointer
    /// The queue of events: delivery reports, errors, log lines.
    let events: OpaquePointer
    private let topics = Mutex<[String: TopicBox]>([:])

    /// Makes the client and routes its log lines to its main queue.
    init(_ type: rd_kafka_type_t, _ configuration: consuming KafkaConfiguration) throws(KafkaError) {
        unsafe handle = try configuration.makeClient(type)
        unsafe events = rd_kafka_queue_get_main(handle)
        unsafe rd_kafka_set_log_queue(handle, events)
    }

    deinit {
        topics.withLock { table in
            for box in table.values { unsafe rd_kafka_topic_destroy(box.handle) }
        }
        unsafe rd_kafka_queue_destroy(events)
        unsafe rd_kafka_destroy(handle)
    }

    /// The handle of a topic, made once. It belongs to this client and lives as long.
    func topic(_ name: String) throws(KafkaError) -> OpaquePointer {
        let found: Result<TopicBox, KafkaError> = topics.withLock { table in
            if let box = table[name] { return .success(box) }
            guard let made = unsafe rd_kafka_topic_new(handle, name, nil) else {
                return .failure(KafkaError(KafkaErrorCode(rd_kafka_last_error())))
            }
            let box = unsafe TopicBox(handle: made)
            table[name] = box
            return .success(box)
        }
        return unsafe try found.get().handle
    }

    /// The fatal error of the instance, if one was raised.
    var fatalError: KafkaError? {
        let (code, reason) = unsafe withErrorText { unsafe rd_kafka_fatal_error(handle, $0, $1) }
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
        return KafkaError(KafkaErrorCode(code), reason, isFatal: true)
    }

    /// Ends a wait for the next event.
    func wake() { unsafe rd_kafka_queue_yield(events) }

    /// Waits up to `timeout` for the next event of the main queue.
    func nextEvent(_ timeout: Duration) -> KafkaEvent? {
        guard let event = unsafe rd_kafka_queue_poll(events, timeout.kafkaMilliseconds) else { return nil }
        return unsafe KafkaEvent(owning: event)
    }
}

/// A topic handle in the table of its client, which destroys it.
///
/// `@unchecked Sendable`: the handle is thread-safe by librdkafka's contract and outlives every use (see KafkaClient).
@safe private struct TopicBox: @unchecked Sendable {
    let handle: OpaquePointer
}

extension Duration {
    /// The duration as librdkafka takes time-outs: whole milliseconds, rounded up, between 0 and Int32.max.
    var kafkaMilliseconds: Int32 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let part = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        guard !overflow, whole < Int64(Int32.max) - part else { return Int32.max }
        return Int32(whole + part)
    }
}
