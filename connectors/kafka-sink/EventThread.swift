internal import LibRdKafka
internal import WeirCore

/// The thread that serves a producer's events: delivery reports, errors, log lines.
struct EventThread: ~Copyable {
    private let deliveries: Deliveries
    private let producer: KafkaProducer
    private let thread: WorkerThread

    /// Starts serving. Throws when the system has no thread left.
    init(_ producer: KafkaProducer, _ deliveries: Deliveries, logger: Logger) throws(WeirError) {
        let started = WorkerThread(name: "kafka-events") {
            while true {
                switch deliveries.step {
                case .stop: return
                case .send: _ = producer.send()
                case .wait(let limit):
                    guard let event = producer.nextEvent(limit) else { continue }
                    Self.serve(event, producer, deliveries, logger)
                }
            }
        }
        guard let started else {
            throw WeirError(
                .internalError, stage: .sink, "The system has no thread left",
                advice: "Raise the limit of processes and threads (ulimit -u, TasksMax).")
        }
        self.deliveries = deliveries
        self.producer = producer
        thread = started
    }

    /// Ends the thread and waits for it.
    consuming func stop() {
        deliveries.stop()
        producer.wake()
        thread.join()
    }

    private static func serve(
        _ event: consuming KafkaEvent, _ producer: KafkaProducer, _ deliveries: Deliveries, _ logger: Logger
    ) {
        switch event.kind {
        case .deliveries:
            var runs: [DeliveryRun] = []
            event.forEachRun(ignoring: MessageTicket.rowBits) { runs.append($0) }
            deliveries.take(runs)
            let count = runs.reduce(0) { $0 + $1.count }
            // Its messages count against the queue's limits until the event is gone.
            _ = consume event
            deliveries.released(count)
        case .error:
            let error = event.error
            let fatal = error.isFatal ? producer.fatalError ?? error : nil
            logger.warning("Kafka trouble", [("code", error.code.name), ("detail", error.detail)])
            deliveries.take(error, fatal: fatal, outstanding: producer.outstanding)
        case .log:
            guard let line = event.logLine else { return }
            // librdkafka says at "error" what it goes on to cure by itself; real failures come as events.
            // And it calls a property of Weir's choice experimental.
            let isExpected = line.facility == "CONFWARN" && line.text.contains("enable.gapless.guarantee")
            let level: LogLevel = line.severity <= 4 && !isExpected ? .info : .debug
            logger.log(level, "librdkafka", [("facility", line.facility), ("text", line.text)])
        case .other: break
        }
    }
}
