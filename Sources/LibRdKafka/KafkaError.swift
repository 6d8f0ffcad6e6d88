internal import CRdKafka

/// librdkafka's error code: a broker's answer (positive) or a local condition (negative).
///
/// Source: `rd_kafka_resp_err_t` in rdkafka.h and "Error Codes" of the Kafka protocol guide.
public struct KafkaErrorCode: RawRepresentable, Hashable, Sendable {
    /// The numeric code.
    public let rawValue: Int32
    /// Wraps a numeric code.
    @inlinable
    public init(rawValue: Int32) { self.rawValue = rawValue }

    init(_ code: rd_kafka_resp_err_t) { rawValue = code.rawValue }

    var c: rd_kafka_resp_err_t { rd_kafka_resp_err_t(rawValue: rawValue) }

    /// The symbolic name, for example `MSG_SIZE_TOO_LARGE`.
    public var name: String { unsafe String(cString: rd_kafka_err2name(c)) }
    /// librdkafka's sentence for the code.
    public var sentence: String { unsafe String(cString: rd_kafka_err2str(c)) }
}

extension KafkaErrorCode {
    /// Success.
    public static let none = Self(rawValue: 0)
    /// The connection broke or could not be made.
    public static let transport = Self(rawValue: -195)
    /// The broker's name could not be resolved.
    public static let resolve = Self(rawValue: -193)
    /// The message was not delivered within `message.timeout.ms`.
    public static let messageTimedOut = Self(rawValue: -192)
    /// The consumer reached the end of a partition.
    public static let partitionEnd = Self(rawValue: -191)
    /// The partition does not exist in the cluster.
    public static let unknownPartition = Self(rawValue: -190)
    /// The topic does not exist in the cluster (found out locally).
    public static let unknownTopic = Self(rawValue: -188)
    /// No broker of the cluster can be reached.
    public static let allBrokersDown = Self(rawValue: -187)
    /// An argument or a combination of properties is not allowed.
    public static let invalidArgument = Self(rawValue: -186)
    /// An operation did not end in time.
    public static let timedOut = Self(rawValue: -185)
    /// The local queue is full.
    public static let queueFull = Self(rawValue: -184)
    /// TLS failed.
    public static let tls = Self(rawValue: -181)
    /// Authentication failed.
    public static let authentication = Self(rawValue: -169)
    /// The message was removed from the queue by a purge.
    public static let purgedFromQueue = Self(rawValue: -152)
    /// The message was given up by a purge while on its way.
    public static let purgedInFlight = Self(rawValue: -151)
    /// The message was refused once and then taken for delivered, only because a later one was: see ``DeliveryRun``.
    public static let presumedDelivered = Self(rawValue: -149)
    /// The client can do no more work; the cause is its fatal error.
    public static let fatal = Self(rawValue: -150)
    /// A message failed for good, and the client may not send what is behind it (`enable.gapless.guarantee`).
    public static let gaplessGuarantee = Self(rawValue: -148)
    /// Another producer took over.
    public static let fencedLocally = Self(rawValue: -144)
    /// The wished offset is out of range and no reset is configured.
    public static let offsetReset = Self(rawValue: -140)
    /// The wished offset does not exist.
    public static let offsetOutOfRange = Self(rawValue: 1)
    /// The broker does not know the topic or the partition.
    public static let unknownTopicOrPartition = Self(rawValue: 3)
    /// The partition has no leader at the moment.
    public static let leaderNotAvailable = Self(rawValue: 5)
    /// The message is larger than the broker or the client allows.
    public static let messageTooLarge = Self(rawValue: 10)
    /// The topic's name is not allowed.
    public static let invalidTopic = Self(rawValue: 17)
    /// A batch is larger than a segment of the topic.
    public static let recordListTooLarge = Self(rawValue: 18)
    /// The principal may not use the topic.
    public static let topicAuthorizationFailed = Self(rawValue: 29)
    /// The principal may not use the group.
    public static let groupAuthorizationFailed = Self(rawValue: 30)
    /// The principal may not act on the cluster.
    public static let clusterAuthorizationFailed = Self(rawValue: 31)
    /// The record's timestamp is outside of what the topic allows.
    public static let invalidTimestamp = Self(rawValue: 32)
    /// The broker does not offer the SASL mechanism.
    public static let unsupportedMechanism = Self(rawValue: 33)
    /// The topic exists already.
    public static let topicExists = Self(rawValue: 36)
    /// The number of partitions is not allowed.
    public static let invalidPartitions = Self(rawValue: 37)
    /// The replication factor cannot be met.
    public static let invalidReplicationFactor = Self(rawValue: 38)
    /// A topic setting is not known or not allowed.
    public static let invalidConfig = Self(rawValue: 40)
    /// A policy of the broker refused the request.
    public static let policyViolation = Self(rawValue: 44)
    /// A sequence number was not the one expected.
    public static let outOfOrderSequence = Self(rawValue: 45)
    /// The producer's epoch is over: another producer took its place.
    public static let invalidProducerEpoch = Self(rawValue: 47)
    /// The transactional id is not granted.
    public static let transactionalIDAuthorizationFailed = Self(rawValue: 53)
    /// The broker refused the SASL credentials.
    public static let saslFailed = Self(rawValue: 58)
    /// The broker has forgotten the producer.
    public static let unknownProducer = Self(rawValue: 59)
    /// A record is not allowed in the topic, for example one without key in a compacted topic.
    public static let invalidRecord = Self(rawValue: 87)
}

/// A failure reported by librdkafka or by a broker, in its own words. Holds no message data and no secret.
public struct KafkaError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What failed.
    public let code: KafkaErrorCode
    /// The reporter's sentence; the code's when there is no other.
    public let detail: String
    /// The client instance can do no more work and has to be replaced.
    public let isFatal: Bool

    /// Makes an error; without `detail` the code's own sentence is used.
    public init(_ code: KafkaErrorCode, _ detail: String? = nil, isFatal: Bool = false) {
        self.code = code
        self.detail = detail ?? code.sentence
        self.isFatal = isFatal
    }

    /// `NAME: sentence`.
    public var description: String { "\(code.name): \(detail)" }
}
