internal import LibRdKafka
internal import WeirCore

/// Finds topics in the cluster and creates those that are missing, each once.
struct TopicDirectory {
    /// How an attempt to find a topic ended.
    enum Verdict {
        /// The topic is there, with so many partitions.
        case ready(Int)
        case cancelled
    }

    private let producer: KafkaProducer
    private let deliveries: Deliveries
    private let settings: KafkaSinkSettings
    private let logger: Logger
    /// Topics with their numbers of partitions when they were found.
    private var known: [String: Int] = [:]

    /// How long a topic may take from its creation until the cluster shows it.
    private static let propagationMax: Duration = .seconds(30)
    /// Pause between two questions; ended early by any report.
    private static let pause: Duration = .milliseconds(100)

    init(_ producer: KafkaProducer, _ deliveries: Deliveries, settings: KafkaSinkSettings, logger: Logger) {
        self.producer = producer
        self.deliveries = deliveries
        self.settings = settings
        self.logger = logger
    }

    /// Makes sure that a topic is there. Waits as long as no broker answers, as for room in the queue; throws when
    /// the topic is missing and may not or cannot be created, or may not be used.
    mutating func ensure(_ name: String, isCancelled: () -> Bool) throws(WeirError) -> Verdict {
        if let partitions = known[name] { return .ready(partitions) }
        var createdAt: ContinuousClock.Instant?
        while !isCancelled() {
            if let failure = deliveries.failure { throw failure }
            switch try look(name) {
            case .ready(let partitions):
                known[name] = partitions
                return .ready(partitions)
            case .missing:
                if let createdAt, .now - createdAt > Self.propagationMax {
                    throw KafkaError(.unknownTopicOrPartition).weirError(
                        stage: .sink, "Topic \(name) was created and does not appear"
                    ).disposed(.retry)
                }
                if createdAt == nil, try create(name) { createdAt = .now }
            case .waiting: break
            }
            deliveries.waitForReport(after: deliveries.reported, limit: Self.pause)
        }
        return .cancelled
    }

    private enum Sight {
        case ready(Int)
        case missing, waiting
    }

    private func look(_ name: String) throws(WeirError) -> Sight {
        let description: KafkaTopicDescription
        do throws(KafkaError) {
            description = try producer.describe(name, within: .seconds(1))
        } catch {
            if let trouble = deliveries.trouble, trouble.isRefusal { throw trouble.refusal }
            guard error.code.trouble == .unavailable else { throw unusable(name, error) }
            return .waiting
        }
        switch description.problem {
        case .none:
            let count = description.partitions.count
            return count == 0 ? .waiting : .ready(count)
        case .unknownTopicOrPartition, .unknownTopic: return .missing
        case let problem where problem.trouble == .unavailable: return .waiting
        case let problem: throw unusable(name, KafkaError(problem))
        }
    }

    /// Asks for the topic's creation; true when it exists from now on, false when the cluster was not able to answer.
    private func create(_ name: String) throws(WeirError) -> Bool {
        guard settings.createsTopics else {
            throw WeirError(
                .topicMissing, stage: .sink, "Topic \(name) does not exist", cause: "`topics.create` is false",
                advice: "Create the topic, or let Weir do it with `topics: {create: true}`.")
        }
        let topic = NewTopic(
            name: name, partitions: settings.partitions, replicationFactor: settings.replicationFactor ?? -1,
            settings: Dictionary(settings.topicProperties.map { ($0.name, $0.value) }) { $1 })
        let outcome: KafkaError??
        do throws(KafkaError) {
            outcome = try producer.create([topic], within: .seconds(5))[name]
        } catch {
            guard error.code.trouble == .unavailable else { throw refused(name, error) }
            return false
        }
        switch outcome {
        case .some(.none):
            logger.info("created topic", [("topic", name)])
            return true
        case .some(.some(let error)) where error.code == .topicExists: return true
        case .some(.some(let error)) where error.code.trouble == .unavailable: return false
        case .some(.some(let error)): throw refused(name, error)
        case .none: return false
        }
    }

    private func unusable(_ name: String, _ error: KafkaError) -> WeirError {
        error.weirError(stage: .sink, "Topic \(name) cannot be used")
    }

    private func refused(_ name: String, _ error: KafkaError) -> WeirError {
        error.weirError(stage: .sink, "Topic \(name) does not exist and its creation was refused")
    }
}
