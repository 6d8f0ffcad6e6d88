public import WeirCore

/// What a Kafka error means for a pipeline. Pure.
public enum KafkaTrouble: Sendable, Equatable {
    /// The cluster cannot be reached or is not able to serve for now.
    case unavailable
    /// The credentials or the mechanism were refused.
    case authentication
    /// TLS could not be agreed on.
    case tls
    /// The principal lacks a right.
    case permission
    /// The topic or partition does not exist.
    case topicMissing
    /// The topic could not be created as asked, or its name is not allowed.
    case topicRefused
    /// The message is too large.
    case messageTooLarge
    /// The broker refused the record for another reason of its own making.
    case recordRefused
    /// The wished offset is not there.
    case offsetGone
    /// The producer lost its order or its identity: a new one has to be made.
    case producerLost
    /// Another producer with the same transactional id took over.
    case fenced
    /// The properties do not fit together.
    case configuration
    /// Anything else.
    case other
}

extension KafkaErrorCode {
    /// What the code means for a pipeline.
    public var trouble: KafkaTrouble {
        switch self {
        case .transport, .resolve, .allBrokersDown, .timedOut, .messageTimedOut, .leaderNotAvailable: .unavailable
        case .authentication, .saslFailed, .unsupportedMechanism: .authentication
        case .tls: .tls
        case .topicAuthorizationFailed, .groupAuthorizationFailed, .clusterAuthorizationFailed,
            .transactionalIDAuthorizationFailed:
            .permission
        case .unknownTopic, .unknownTopicOrPartition, .unknownPartition: .topicMissing
        case .invalidTopic, .invalidPartitions, .invalidReplicationFactor, .invalidConfig, .policyViolation:
            .topicRefused
        case .messageTooLarge, .recordListTooLarge: .messageTooLarge
        case .invalidTimestamp, .invalidRecord: .recordRefused
        case .offsetOutOfRange, .offsetReset: .offsetGone
        case .fatal, .presumedDelivered, .outOfOrderSequence, .unknownProducer, .invalidProducerEpoch: .producerLost
        case .fencedLocally: .fenced
        case .invalidArgument: .configuration
        default: Self.passing.contains(rawValue) ? .unavailable : .other
        }
    }

    /// Codes of the broker that Kafka's protocol guide marks as retriable and that have no name above.
    private static let passing: Set<Int32> = [
        6, 7, 8, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 60, 72, 74, 75, 77, 78, 80, 83, 89,
    ]
}

extension KafkaError {
    /// The error as it crosses module borders: code, advice and disposition follow from Kafka's code.
    /// - Parameter what: what did not work, as a sentence without a full stop: `Topic a.b cannot be written`.
    public func weirError(stage: WeirError.Stage, _ what: String) -> WeirError {
        let (weirCode, disposition, advice) = isFatal ? KafkaError.rule(.producerLost) : KafkaError.rule(code.trouble)
        return WeirError(weirCode, stage: stage, what, cause: description, advice: advice).disposed(disposition)
    }

    private static func rule(_ trouble: KafkaTrouble) -> (WeirError.Code, WeirError.Disposition, String?) {
        switch trouble {
        case .unavailable:
            (
                .brokerUnavailable, .retry,
                "Check that the brokers run and that the addresses they advertise can be reached from here."
            )
        case .authentication:
            (
                .authenticationFailed, .operator,
                "Check security.protocol, sasl.mechanism, sasl.username and sasl.password under `properties`."
            )
        case .tls:
            (
                .tlsFailed, .operator,
                "Check security.protocol, ssl.ca.location and that the broker's certificate names its host."
            )
        case .permission:
            (
                .permissionDenied, .operator,
                "Grant the principal Describe and Write on the topic, and Create if Weir is to create topics."
            )
        case .topicMissing:
            (
                .topicMissing, .operator,
                "Create the topic; a Kafka sink does so when it starts, with `topics.create: true`."
            )
        case .topicRefused:
            (.topicMissing, .operator, "Create the topic by hand, or correct `topic` and `topics` of the sink.")
        case .messageTooLarge:
            (
                .messageTooLarge, .operator,
                "Raise message.max.bytes under `properties` and max.message.bytes of the topic."
            )
        case .recordRefused:
            (.rowRejected, .operator, "Look at the topic's settings: compaction needs keys, time stamps have limits.")
        case .offsetGone:
            (.positionMismatch, .operator, "Start from an offset that the topic still has, or from `earliest`.")
        case .producerLost: (.producerFatal, .retry, nil)
        case .fenced: (.fenced, .operator, "Run one agent for each pipeline name.")
        case .configuration: (.configurationInvalid, .usage, nil)
        case .other: (.brokerRefused, .operator, nil)
        }
    }
}

extension WeirError.Code {
    /// The broker refused a request for a reason Weir does not know better.
    public static let brokerRefused = Self(rawValue: "broker-refused")
}
