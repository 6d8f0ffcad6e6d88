internal import LibRdKafka
internal import Synchronization
public import WeirCore

/// Reads recorded changes again from Kafka topics, for `weir replay`: events that Weir or Debezium wrote as JSON.
///
/// Finite: it reads what the topics hold when it starts (or up to `range.to`), then ends. Partitions and topics are
/// merged in the order of their source, and consecutive events of one transaction become one transaction again, so
/// that a target sees what the source's clients saw. Repeated events (after a crash of the writer) are recognised by
/// `weir-id`. The resume point is the next offset of each partition, in `resumeToken`; `endLSN` is the source's own.
///
/// Made, used and closed on one thread, as `ChangeSource` says.
public final class KafkaSource: ChangeSource {
    private let settings: KafkaSourceSettings
    private let range: ReplayRange
    private let attempts: Attempts
    private let logger: Logger
    private var writer: RowWriter
    private var consumer: KafkaConsumer?
    private var parts: [PartitionPart] = []

    /// Whether an attempt before this one got so far that its progress is what counts, and no longer `range.from`.
    final class Attempts: Sendable {
        private let began = Mutex(false)
        var isFirst: Bool { began.withLock { !$0 } }
        func begin() { began.withLock { $0 = true } }
    }

    private static let reachMax: Duration = .seconds(5)
    private static let wait: Duration = .milliseconds(200)

    init(_ request: ReplayRequest, _ attempts: Attempts) throws(WeirError) {
        settings = request.settings
        range = request.range
        logger = request.logger
        self.attempts = attempts
        writer = RowWriter(options: request.options, provider: try request.provider())
    }

    /// A factory of sources for one run: attempts after a failure go on where the last one got durable.
    public static func factory(_ request: ReplayRequest) -> SourceFactory {
        let attempts = Attempts()
        return SourceFactory(name: "kafka") { () throws(WeirError) -> any ChangeSource in
            try KafkaSource(request, attempts)
        }
    }

    // MARK: - Opening

    /// Connects and finds the partitions and their ends.
    public func open(
        resume: ResumePoint, store: any PositionStore, feed: Feed
    ) throws(WeirError) -> SourceDescription {
        let probe = try makeConsumer(partitions: 1)
        try reach(probe, feed)
        let finder = RangeFinder(consumer: probe, settings: settings, range: effectiveRange)
        let partitions = try finder.partitions()
        let token = try resume.position?.token.map { (text) throws(WeirError) in try Self.offsets(text) }
        parts = try finder.parts(partitions, resume: token)
        let left = parts.filter { $0.start < $0.end }
        logger.info(
            "replay begins",
            [
                ("partitions", "\(parts.count)"), ("records", "\(left.reduce(0) { $0 + $1.end - $1.start })"),
                ("from", Offsets(parts, \.start).text), ("to", Offsets(parts, \.end).text),
            ])
        let consumer = try makeConsumer(partitions: left.count)
        self.consumer = consumer
        var description = SourceDescription(systemIdentifier: 0, database: "", start: .zero)
        if let event = try firstEvent(left, consumer, feed) {
            description.systemIdentifier = event.systemIdentifier
            description.database = event.database
        }
        return description
    }

    /// The range of this attempt: after the first one progress counts.
    private var effectiveRange: ReplayRange {
        attempts.isFirst ? range : ReplayRange(from: nil, to: range.to)
    }

    private static func offsets(_ text: String) throws(WeirError) -> Offsets {
        if let offsets = Offsets(text) { return offsets }
        throw WeirError(
            .positionMismatch, stage: .source, "The stored position is none of a replay",
            advice: "Say where to begin with --from, or give the replay a pipeline name of its own.")
    }

    private func makeConsumer(partitions: Int) throws(WeirError) -> KafkaConsumer {
        let configuration = try SourceProperties.configuration(of: settings, partitions: partitions)
        do throws(KafkaError) {
            return try KafkaConsumer(configuration)
        } catch {
            throw WeirError(
                .configurationInvalid, stage: .configuration, "librdkafka refuses the properties of the Kafka source",
                cause: error.detail, advice: "Correct `properties`.")
        }
    }

    private func reach(_ probe: KafkaConsumer, _ feed: Feed) throws(WeirError) {
        let deadline = ContinuousClock.now + Self.reachMax
        var trouble: KafkaError?
        while true {
            do throws(KafkaError) {
                return try probe.reach(within: .seconds(1))
            } catch {
                trouble = serveEvents(probe) ?? trouble
                let worst = trouble ?? error
                let isRefusal = [.authentication, .tls].contains(worst.code.trouble)
                guard !isRefusal, ContinuousClock.now < deadline, !feed.shouldStop else {
                    throw worst.weirError(stage: .source, "Kafka at \(settings.brokers) cannot be reached")
                }
            }
        }
    }

    /// Takes what the client has to say; returns its last error.
    private func serveEvents(_ client: KafkaConsumer) -> KafkaError? {
        var trouble: KafkaError?
        while let event = client.nextEvent(.zero) {
            switch event.kind {
            case .error:
                trouble = event.error
                logger.warning("Kafka trouble", [("code", event.error.code.name), ("detail", event.error.detail)])
            case .log:
                guard let line = event.logLine else { continue }
                logger.debug("librdkafka", [("facility", line.facility), ("text", line.text)])
            case .deliveries, .other: break
            }
        }
        return trouble
    }

    /// Looks for the first event, which tells the cluster and the database; nil when there is none.
    private func firstEvent(
        _ parts: [PartitionPart], _ consumer: KafkaConsumer, _ feed: Feed
    ) throws(WeirError) -> ReplayEvent? {
        for part in parts {
            let cursor = try PartitionCursor(part, consumer)
            while try !cursor.fill(within: Self.wait) {
                _ = serveEvents(consumer)
                guard !feed.shouldStop else { return nil }
            }
            if let event = cursor.head { return event }
        }
        return nil
    }

    // MARK: - Streaming

    /// Sends what the topics hold, transaction by transaction.
    public func stream(into feed: Feed) throws(WeirError) {
        guard let consumer else { return }
        var cursors: [PartitionCursor] = []
        for part in parts where part.start < part.end { cursors.append(try PartitionCursor(part, consumer)) }
        var merged = MergedReader(cursors)
        var assembler = TransactionAssembler(Offsets(parts, \.start))
        attempts.begin()
        var silentSince = ContinuousClock.now
        while true {
            switch try merged.next(within: Self.wait) {
            case .end:
                assembler.finish(merged.offsets)
                guard try send(&assembler, feed) else { return }
                _ = try feed.finish(heartbeat: {})
                return
            case .waiting:
                if let trouble = serveEvents(consumer), ContinuousClock.now - silentSince > Self.reachMax {
                    throw trouble.weirError(stage: .source, "Kafka at \(settings.brokers) sends nothing any more")
                }
                if feed.shouldStop { return try stop(&assembler, feed) }
            case .event(let event, let offset):
                silentSince = .now
                if assembler.begins(event), feed.shouldStop { return try stop(&assembler, feed) }
                try assembler.add(event, offset, &writer)
                if assembler.isFull, try !send(&assembler, feed) { return }
            }
        }
    }

    /// Ends after a stop was asked for; what is left of the transaction at hand comes again with the next replay.
    private func stop(
        _ assembler: inout TransactionAssembler, _ feed: Feed
    ) throws(WeirError) {
        guard try send(&assembler, feed) else { return }
        _ = try feed.finish(heartbeat: {})
    }

    private func send(_ assembler: inout TransactionAssembler, _ feed: Feed) throws(WeirError) -> Bool {
        guard let batch = assembler.seal() else { return true }
        if case .stopped = try feed.send(batch, heartbeat: {}) { return false }
        return true
    }

    /// Ends the connections.
    public func close() { consumer = nil }
}

/// What a replay reads and how.
public struct ReplayRequest: Sendable {
    /// The `source` section.
    public var settings: KafkaSourceSettings
    /// Which part of the topics.
    public var range: ReplayRange
    /// How the events were written.
    public var options: DebeziumOptions
    /// Makes the provider of the tables' types, on the source's thread; nil carries values as JSON has them.
    public var provider: @Sendable () throws(WeirError) -> (any SchemaProvider)?
    /// Where the source reports what it does.
    public var logger: Logger

    /// A request for all of the topics, without types.
    public init(
        settings: KafkaSourceSettings, range: ReplayRange = ReplayRange(),
        options: DebeziumOptions = DebeziumOptions(), logger: Logger = .silent
    ) {
        self.settings = settings
        self.range = range
        self.options = options
        self.logger = logger
        provider = { () throws(WeirError) -> (any SchemaProvider)? in nil }
    }
}

extension Offsets {
    /// One offset of each part.
    init(_ parts: [PartitionPart], _ offset: KeyPath<PartitionPart, Int64>) {
        self.init()
        for part in parts { self[part.partition] = part[keyPath: offset] }
    }
}
