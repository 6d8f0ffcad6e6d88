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
    /// Partitions that wait for their first report.
    private var first = FirstWrites()
    /// Nil when chance decides on partitions.
    private let partitioner: KafkaPartitioner?

    init(_ settings: KafkaSinkSettings, _ deliveries: Deliveries, _ logger: Logger) throws(WeirError) {
        let configuration = try ProducerProperties.configuration(of: settings)
        limits = MessageLimits(configuration)
        deliveries.start(
            limits, asksToSend: !ProducerProperties.lingers(settings), createsTopics: settings.createsTopics)
        partitioner = configuration.value(of: "partitioner").flatMap { KafkaPartitioner(property: $0) }
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
        guard case .ready(let partitions) = try directory.ensure(name, isCancelled: isCancelled) else { return nil }
        first.begin(index, partitions: partitions)
        while destinations.count <= index { destinations.append(nil) }
        do throws(KafkaError) {
            let made = KafkaDestination(try producer.topic(name))
            destinations[index] = made
            return made
        } catch {
            throw error.weirError(stage: .sink, "Topic \(name) cannot be used")
        }
    }

    /// The partition that a message goes to, where the first report of one of the topic's partitions is still awaited.
    func watchedPartition(
        _ topic: Int, _ destination: KafkaDestination, key: UnsafeRawBufferPointer?
    ) -> Int? {
        guard let count = first.partitions(toWatch: topic) else { return nil }
        guard destination.partition < 0 else { return Int(destination.partition) }
        guard let partitioner else { return nil }
        return unsafe destination.topic.partition(of: key, count: Int32(clamping: count), by: partitioner)
            .map { Int($0) }
    }

    /// Whether a message has to wait until the first one of its partition is reported; `reported` counts all reports.
    func mustWait(_ topic: Int, _ partition: Int, reported: UInt64) -> Bool {
        first.isUnderWay(topic, partition) && !first.take(reported: reported)
    }

    /// Takes in that a message was queued.
    func queued(_ topic: Int, _ partition: Int?) { first.queue(topic, partition) }

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
