internal import LibRdKafka
internal import WeirCore

/// An open producer with its thread of events and the topics it has found. Used on the sink's thread.
final class ProducerLink {
    let producer: KafkaProducer
    let limits: MessageLimits
    /// Events without a key go to partition 0; not so with a `partitioner` of the user's own.
    let pinsKeyless: Bool
    private var events: EventThread?
    private var directory: TopicDirectory
    /// By the encoder's topic index.
    private var destinations: [KafkaDestination?] = []

    init(_ settings: KafkaSinkSettings, _ deliveries: Deliveries, _ logger: Logger) throws(WeirError) {
        let configuration = try ProducerProperties.configuration(of: settings)
        limits = MessageLimits(configuration)
        deliveries.start(
            limits, asksToSend: !ProducerProperties.lingers(settings), createsTopics: settings.createsTopics)
        pinsKeyless = !settings.properties.contains { $0.name == "partitioner" }
        do throws(KafkaError) {
            producer = try KafkaProducer(configuration)
        } catch {
            throw WeirError(
                .configurationInvalid, stage: .configuration, "librdkafka refuses the properties of the Kafka sink",
                cause: error.detail, advice: "Correct `properties`.")
        }
        directory = TopicDirectory(producer, deliveries, settings: settings, logger: logger)
        events = try EventThread(producer, deliveries, logger: logger)
    }

    /// The destination of a topic, found or created first; nil when the attempt was cancelled meanwhile.
    func destination(
        _ index: Int, _ names: [String], isCancelled: () -> Bool
    ) throws(WeirError) -> KafkaDestination? {
        if index < destinations.count, let known = destinations[index] { return known }
        let name = names[index]
        guard try directory.ensure(name, isCancelled: isCancelled) == .ready else { return nil }
        while destinations.count <= index { destinations.append(nil) }
        do throws(KafkaError) {
            let made = KafkaDestination(try producer.topic(name))
            destinations[index] = made
            return made
        } catch {
            throw error.weirError(stage: .sink, "Topic \(name) cannot be used")
        }
    }

    /// Has what waits in the queue sent now.
    func send() {
        // Not all delivered yet: the thread of events, which may be asleep, looks after the rest.
        if !producer.send() { producer.wake() }
    }

    func close() {
        events.take()?.stop()
        producer.purge()
    }

    deinit { close() }
}
