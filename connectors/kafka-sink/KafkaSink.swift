internal import LibRdKafka
public import WeirCore

/// Publishes events to Kafka topics, at least once: what a batch becomes is durable when every replica in sync has it.
///
/// The pipeline's position store keeps its position. Used on one thread, as `Sink` says; reports of delivery come in
/// on a thread of the sink's own. Order is kept for each key, since a key has one partition and the producer is
/// idempotent. A full queue, an unreachable broker and a missing leader are back-pressure; what a broker refuses for
/// good stops the pipeline at that transaction.
public final class KafkaSink: Sink {
    private let settings: KafkaSinkSettings
    private let logger: Logger
    private let deliveries: Deliveries
    private let encoder: EventEncoder
    private var keys: KeyOverrides
    private var owners: TopicOwners
    /// Everything that exists only while the sink is open.
    private var link: ProducerLink?
    private var session: SinkSession?
    private var buffer = ByteBuffer()
    private var checkedRelations: [ObjectIdentifier: Relation] = [:]

    /// How long `open` waits for a broker; after that the pipeline's retry policy decides.
    private static let reachMax: Duration = .seconds(5)
    /// How long a sink that stops for good waits for what it had queued.
    private static let settleMax: Duration = .seconds(5)

    /// Makes a sink; connects when it is opened. Throws `configuration-invalid` for a key column pattern that is none.
    public init(settings: KafkaSinkSettings, pipeline: String, logger: Logger = .silent) throws(WeirError) {
        self.settings = settings
        self.logger = logger
        deliveries = Deliveries()
        encoder = EventEncoder(settings: settings.encoder(pipeline: pipeline))
        keys = try KeyOverrides(settings.keyColumns)
        owners = TopicOwners(template: settings.topic)
    }

    // MARK: - Life

    /// Connects, and waits until a broker answers.
    public func open() throws(WeirError) -> SinkOpening {
        let link = try ProducerLink(settings, deliveries, logger)
        self.link = link
        let deadline = ContinuousClock.now + Self.reachMax
        while true {
            do throws(KafkaError) {
                try link.producer.reach(within: .seconds(1))
                return .positionKeptElsewhere
            } catch {
                if let trouble = deliveries.trouble, trouble.isRefusal { throw trouble.refusal }
                guard ContinuousClock.now < deadline, error.code.trouble == .unavailable else {
                    throw (deliveries.trouble ?? error).weirError(
                        stage: .sink, "Kafka at \(settings.brokers) cannot be reached")
                }
            }
        }
    }

    /// Takes note of the source and the way back to the pipeline.
    public func begin(_ source: SourceDescription, session: SinkSession) throws(WeirError) {
        self.session = session
        encoder.begin(source)
        deliveries.begin(session)
    }

    /// Encodes and queues a batch's events; waits while the queue is full.
    public func write(_ batch: ChangeBatch, ticket: UInt64, moreFollows: Bool) throws(WeirError) {
        guard let link, let session else { throw KafkaSink.notOpen }
        if let failure = deliveries.failure { throw failure }
        // A batch before this one may have been left half written: nothing may overtake it.
        if session.isCancelled { return }
        let batch = try keys.apply(to: batch)
        try check(batch.relations)
        deliveries.register(batch, ticket: ticket)
        var writer = BatchWriter(batch: batch, ticket: ticket, link: link, deliveries: deliveries, session: session)
        do throws(WeirError) {
            try encoder.encode(batch, into: &buffer) { (event, bytes) throws(WeirError) in
                try writer.write(event, bytes, topics: encoder.topics)
            }
        } catch {
            // Cancelled: the attempt is over, and the batch stays unaccepted.
            if writer.isCancelled { return }
            settle(link)
            throw error
        }
        deliveries.accepted(ticket, messages: writer.count)
        session.accepted(ticket, outstanding: writer.count)
        writer.tell(moreFollows: moreFollows)
    }

    /// Waits until every event is delivered and its report is in.
    public func flush(deadline: ContinuousClock.Instant) throws(WeirError) {
        guard let link else { return }
        while true {
            if let failure = deliveries.failure { throw failure }
            if session?.isGivenUp == true { return }
            let left = deadline - ContinuousClock.now
            if link.producer.flush(max(.zero, min(left, .milliseconds(500)))) { break }
            guard left > .zero else {
                throw WeirError(
                    .drainTimedOut, stage: .sink, "\(link.producer.outstanding) events were not delivered in time",
                    cause: deliveries.trouble?.description,
                    advice: "They come again after the next start: the position is before them.")
            }
        }
        // The last report's failure may have come while flush was returning.
        if let failure = deliveries.failure { throw failure }
    }

    /// Ends the connection, giving up what is not delivered.
    public func close() {
        link?.close()
        link = nil
    }

    /// Gives what was queued before an event that cannot be sent the time to be delivered, so that the position
    /// comes to stand right before it.
    private func settle(_ link: ProducerLink) {
        let deadline = ContinuousClock.now + Self.settleMax
        while deliveries.failure == nil, session?.isCancelled == false, ContinuousClock.now < deadline {
            if link.producer.flush(.milliseconds(200)) { return }
        }
    }

    private static var notOpen: WeirError {
        WeirError(.internalError, stage: .sink, "A batch was written to a Kafka sink that is not open")
    }

    /// Refuses tables whose events would go to another table's topic by accident.
    private func check(_ relations: [Relation]) throws(WeirError) {
        for relation in relations where checkedRelations[ObjectIdentifier(relation)] == nil {
            try owners.claim(try encoder.topic(of: relation), for: relation)
            checkedRelations[ObjectIdentifier(relation)] = relation
        }
    }
}

extension KafkaSinkSettings {
    /// How events look, for the encoder.
    func encoder(pipeline: String) -> EncoderSettings {
        EncoderSettings(
            prefix: pipeline, format: format == .flat ? .flat : .debezium, topic: topic,
            debezium: debezium)
    }
}
