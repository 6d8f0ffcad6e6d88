import CRdKafka
import Glibc

/// One librdkafka handle for the fixtures' own questions. Straight on the C library and not on Weir's own owner of it,
/// so that a test looks at the broker with other eyes than the code it tests.
final class KafkaClient: @unchecked Sendable {
    // Unchecked: rd_kafka_t may be used from any thread; it is set once.
    let handle: OpaquePointer

    enum Role {
        case producer, consumer
    }

    init(_ role: Role, bootstrap: String, _ properties: [String: String] = [:]) throws {
        let configuration = rd_kafka_conf_new()
        var text = [CChar](repeating: 0, count: 512)
        var all = ["bootstrap.servers": bootstrap, "log_level": "0"]
        all.merge(properties) { $1 }
        for (name, value) in all
        where rd_kafka_conf_set(configuration, name, value, &text, text.count) != RD_KAFKA_CONF_OK {
            rd_kafka_conf_destroy(configuration)
            throw TestKitError("librdkafka: \(string(text))")
        }
        // Delivery reports come as events, so that whoever waits for them needs no callback.
        rd_kafka_conf_set_events(configuration, RD_KAFKA_EVENT_DR)
        let type = role == .producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER
        guard let handle = rd_kafka_new(type, configuration, &text, text.count) else {
            rd_kafka_conf_destroy(configuration)
            throw TestKitError("librdkafka: \(string(text))")
        }
        self.handle = handle
    }

    deinit { rd_kafka_destroy(handle) }

    /// What the brokers say of themselves and of all topics.
    func metadata(timeout: Duration) throws -> (brokers: Int, topics: [String]) {
        var answer: UnsafePointer<rd_kafka_metadata>?
        try check(rd_kafka_metadata(handle, 1, nil, &answer, milliseconds(timeout)), "metadata")
        guard let answer else { throw TestKitError("metadata: no answer") }
        defer { rd_kafka_metadata_destroy(answer) }
        let topics = (0..<Int(answer.pointee.topic_cnt)).map { String(cString: answer.pointee.topics[$0].topic) }
        return (Int(answer.pointee.broker_cnt), topics)
    }

    /// The number of partitions of a topic; 0 when it does not exist.
    func partitions(of topic: String, timeout: Duration) throws -> Int {
        guard try metadata(timeout: timeout).topics.contains(topic) else { return 0 }
        let object = rd_kafka_topic_new(handle, topic, nil)
        defer { rd_kafka_topic_destroy(object) }
        var answer: UnsafePointer<rd_kafka_metadata>?
        try check(rd_kafka_metadata(handle, 0, object, &answer, milliseconds(timeout)), "metadata of \(topic)")
        guard let answer, answer.pointee.topic_cnt == 1 else { throw TestKitError("metadata of \(topic): no answer") }
        defer { rd_kafka_metadata_destroy(answer) }
        return Int(answer.pointee.topics[0].partition_cnt)
    }

    /// Asks the broker for a new topic and waits for its word.
    func createTopic(_ name: String, partitions: Int, settings: [String: String]) throws {
        var text = [CChar](repeating: 0, count: 512)
        guard let topic = rd_kafka_NewTopic_new(name, CInt(partitions), 1, &text, text.count) else {
            throw TestKitError("topic \(name): \(string(text))")
        }
        defer { rd_kafka_NewTopic_destroy(topic) }
        for (key, value) in settings {
            try check(rd_kafka_NewTopic_set_config(topic, key, value), "topic setting \(key)")
        }
        let queue = rd_kafka_queue_new(handle)
        defer { rd_kafka_queue_destroy(queue) }
        var topics: [OpaquePointer?] = [topic]
        rd_kafka_CreateTopics(handle, &topics, 1, nil, queue)
        guard let event = rd_kafka_queue_poll(queue, 30_000) else { throw TestKitError("topic \(name): no answer") }
        defer { rd_kafka_event_destroy(event) }
        try check(rd_kafka_event_error(event), "topic \(name)")
        let result = rd_kafka_event_CreateTopics_result(event)
        var count = 0
        guard let results = rd_kafka_CreateTopics_result_topics(result, &count), count == 1 else {
            throw TestKitError("topic \(name): no result")
        }
        try check(rd_kafka_topic_result_error(results[0]), "topic \(name)")
    }

    /// Asks the broker to delete a topic and waits for its word.
    func deleteTopic(_ name: String) throws {
        let topic = rd_kafka_DeleteTopic_new(name)
        defer { rd_kafka_DeleteTopic_destroy(topic) }
        let queue = rd_kafka_queue_new(handle)
        defer { rd_kafka_queue_destroy(queue) }
        var topics: [OpaquePointer?] = [topic]
        rd_kafka_DeleteTopics(handle, &topics, 1, nil, queue)
        guard let event = rd_kafka_queue_poll(queue, 30_000) else { throw TestKitError("topic \(name): no answer") }
        defer { rd_kafka_event_destroy(event) }
        try check(rd_kafka_event_error(event), "topic \(name)")
    }

    func check(_ code: rd_kafka_resp_err_t, _ what: String) throws {
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return }
        throw TestKitError("\(what): \(rd_kafka_err2str(code).map { String(cString: $0) } ?? "\(code)")")
    }
}

func milliseconds(_ duration: Duration) -> CInt {
    let (seconds, attoseconds) = duration.components
    return CInt(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000)
}

private func string(_ text: [CChar]) -> String {
    text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
}
