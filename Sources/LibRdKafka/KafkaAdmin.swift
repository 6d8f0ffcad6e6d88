internal import CRdKafka

/// One topic as the cluster describes it.
public struct KafkaTopicDescription: Sendable, Equatable {
    /// The topic's name.
    public let name: String
    /// The partitions' ids, ascending; empty when the topic does not exist or may not be seen.
    public let partitions: [Int32]
    /// How many of the partitions have no leader at the moment.
    public let leaderless: Int
    /// Why the topic cannot be used; `.none` when it can.
    public let problem: KafkaErrorCode
}

/// A topic to be created.
public struct NewTopic: Sendable, Equatable {
    /// The topic's name.
    public let name: String
    /// Number of partitions; -1 takes the broker's default.
    public let partitions: Int
    /// Copies of each partition; -1 takes the broker's default.
    public let replicationFactor: Int
    /// Topic settings, for example `cleanup.policy`. Source: "Topic Configs" of Kafka's documentation.
    public let settings: [String: String]

    /// Describes a topic to be created.
    public init(name: String, partitions: Int = -1, replicationFactor: Int = -1, settings: [String: String] = [:]) {
        self.name = name
        self.partitions = partitions
        self.replicationFactor = replicationFactor
        self.settings = settings
    }
}

extension KafkaClient {
    /// Asks the cluster for one topic. The topic is not created by asking unless `allow.auto.create.topics` is on.
    func describe(_ topic: String, within timeout: Duration) throws(KafkaError) -> KafkaTopicDescription {
        let handle = unsafe try self.topic(topic)
        let found = unsafe try metadata(of: handle, all: false, timeout)
        return found.first { $0.name == topic }
            ?? KafkaTopicDescription(name: topic, partitions: [], leaderless: 0, problem: .unknownTopicOrPartition)
    }

    /// Asks the cluster for all its topics that the principal may see.
    func describeAll(within timeout: Duration) throws(KafkaError) -> [KafkaTopicDescription] {
        unsafe try metadata(of: nil, all: true, timeout)
    }

    /// Asks for the topics that are in use, which is next to nothing: to see whether a broker answers.
    func reach(within timeout: Duration) throws(KafkaError) {
        _ = unsafe try metadata(of: nil, all: false, timeout)
    }

    private func metadata(
        of topic: OpaquePointer?, all: Bool, _ timeout: Duration
    ) throws(KafkaError) -> [KafkaTopicDescription] {
        var answer: UnsafePointer<rd_kafka_metadata>?
        let code = unsafe rd_kafka_metadata(handle, all ? 1 : 0, topic, &answer, timeout.kafkaMilliseconds)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let answer = unsafe answer else {
            throw KafkaError(KafkaErrorCode(code))
        }
        defer { unsafe rd_kafka_metadata_destroy(answer) }
        let topics = unsafe UnsafeBufferPointer(start: answer.pointee.topics, count: Int(answer.pointee.topic_cnt))
        return unsafe topics.map { unsafe Self.description(of: $0) }
    }

    private static func description(of topic: rd_kafka_metadata_topic) -> KafkaTopicDescription {
        let partitions = unsafe UnsafeBufferPointer(start: topic.partitions, count: Int(topic.partition_cnt))
        return unsafe KafkaTopicDescription(
            name: String(cString: topic.topic), partitions: partitions.map { unsafe $0.id }.sorted(),
            leaderless: partitions.count { unsafe $0.leader < 0 }, problem: KafkaErrorCode(topic.err))
    }

    /// Creates topics and waits for the controller's answer. An entry of the result that is nil was created; an
    /// error of `.topicExists` means that somebody else was faster. Throws when the request itself failed.
    func create(_ topics: [NewTopic], within timeout: Duration) throws(KafkaError) -> [String: KafkaError?] {
        let request = try NewTopicList(topics)
        let queue = unsafe rd_kafka_queue_new(handle)
        defer { unsafe rd_kafka_queue_destroy(queue) }
        let options = unsafe rd_kafka_AdminOptions_new(handle, RD_KAFKA_ADMIN_OP_CREATETOPICS)
        defer { unsafe rd_kafka_AdminOptions_destroy(options) }
        // Longer than our own wait would be: the answer is what counts, and it always comes within the time-out.
        let (refused, reason) = unsafe withErrorText { text, size in
            unsafe rd_kafka_AdminOptions_set_request_timeout(options, max(timeout.kafkaMilliseconds, 1), text, size)
        }
        guard refused == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(KafkaErrorCode(refused), reason) }
        unsafe request.lend { list, count in unsafe rd_kafka_CreateTopics(handle, list, count, options, queue) }
        guard let event = unsafe rd_kafka_queue_poll(queue, (timeout + .seconds(1)).kafkaMilliseconds) else {
            throw KafkaError(.timedOut)
        }
        defer { unsafe rd_kafka_event_destroy(event) }
        let code = KafkaErrorCode(unsafe rd_kafka_event_error(event))
        guard code == .none, let result = unsafe rd_kafka_event_CreateTopics_result(event) else {
            throw KafkaError(code, unsafe rd_kafka_event_error_string(event).map { unsafe String(cString: $0) })
        }
        var count = 0
        let answers = unsafe rd_kafka_CreateTopics_result_topics(result, &count)
        return unsafe Self.outcomes(UnsafeBufferPointer(start: answers, count: count))
    }

    private static func outcomes(_ answers: UnsafeBufferPointer<OpaquePointer?>) -> [String: KafkaError?] {
        var outcomes: [String: KafkaError?] = [:]
        for index in answers.indices {
            guard let answer = unsafe answers[index] else { continue }
            let name = unsafe String(cString: rd_kafka_topic_result_name(answer))
            let code = KafkaErrorCode(unsafe rd_kafka_topic_result_error(answer))
            let text = unsafe rd_kafka_topic_result_error_string(answer).map { unsafe String(cString: $0) }
            outcomes[name] = .some(code == .none ? nil : KafkaError(code, text))
        }
        return outcomes
    }
}

extension KafkaProducer {
    /// Waits until a broker answers, at most `timeout`. Throws when none did.
    public func reach(within timeout: Duration) throws(KafkaError) { try client.reach(within: timeout) }

    /// Asks the cluster for one topic; the topic is not created by asking unless `allow.auto.create.topics` is on.
    /// Blocks up to `timeout`. Throws when no broker answered.
    public func describe(_ topic: String, within timeout: Duration) throws(KafkaError) -> KafkaTopicDescription {
        try client.describe(topic, within: timeout)
    }

    /// Creates topics and waits for the controller's answer, up to `timeout`. An entry of the result that is nil was
    /// created; an error of `.topicExists` means that somebody else was faster. Throws when the request itself failed.
    public func create(_ topics: [NewTopic], within timeout: Duration) throws(KafkaError) -> [String: KafkaError?] {
        try client.create(topics, within: timeout)
    }
}

extension KafkaConsumer {
    /// Waits until a broker answers, at most `timeout`. Throws when none did.
    public func reach(within timeout: Duration) throws(KafkaError) { try client.reach(within: timeout) }

    /// Asks the cluster for one topic. Blocks up to `timeout`. Throws when no broker answered.
    public func describe(_ topic: String, within timeout: Duration) throws(KafkaError) -> KafkaTopicDescription {
        try client.describe(topic, within: timeout)
    }

    /// Asks the cluster for all topics the principal may see. Blocks up to `timeout`. Throws when no broker answered.
    public func describeAll(within timeout: Duration) throws(KafkaError) -> [KafkaTopicDescription] {
        try client.describeAll(within: timeout)
    }
}

/// Owner of the array that `rd_kafka_CreateTopics` reads.
@safe private struct NewTopicList: ~Copyable {
    private var items: [OpaquePointer?] = unsafe []

    init(_ topics: [NewTopic]) throws(KafkaError) {
        for topic in topics {
            let (item, reason) = unsafe withErrorText { text, size in
                unsafe rd_kafka_NewTopic_new(
                    topic.name, Int32(clamping: topic.partitions), Int32(clamping: topic.replicationFactor), text, size)
            }
            guard let item = unsafe item else { throw KafkaError(.invalidArgument, reason) }
            unsafe items.append(item)
            for (name, value) in topic.settings.sorted(by: { $0.key < $1.key }) {
                _ = unsafe rd_kafka_NewTopic_set_config(item, name, value)
            }
        }
    }

    deinit { unsafe items.forEach { unsafe rd_kafka_NewTopic_destroy($0) } }

    func lend(_ body: (UnsafeMutablePointer<OpaquePointer?>?, Int) -> Void) {
        var copy = unsafe items
        unsafe copy.withUnsafeMutableBufferPointer { unsafe body($0.baseAddress, $0.count) }
    }
}
