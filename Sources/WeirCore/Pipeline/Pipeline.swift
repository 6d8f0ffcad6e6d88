/// Makes a source, on the thread that will use it.
public struct SourceFactory: Sendable {
    /// Shown in logs and in `top -H`.
    public let name: String
    /// Makes the source; must not block.
    public let make: @Sendable () throws(WeirError) -> any ChangeSource

    /// Makes a factory.
    public init(name: String, make: @escaping @Sendable () throws(WeirError) -> any ChangeSource) {
        self.name = name
        self.make = make
    }
}

/// Makes a sink, on the thread that will use it.
public struct SinkFactory: Sendable {
    /// Unique in the pipeline and stable over restarts: the position store's key.
    public let name: String
    /// Makes the sink; must not block.
    public let make: @Sendable () throws(WeirError) -> any Sink

    /// Makes a factory.
    public init(name: String, make: @escaping @Sendable () throws(WeirError) -> any Sink) {
        self.name = name
        self.make = make
    }
}

/// Settings of a pipeline that belong to no connector.
public struct PipelineSettings: Sendable, Equatable {
    /// Bytes of batches that may wait for each sink.
    public var queueBytesMax = 8 << 20
    /// How long a stop may take until everything accepted is durable.
    public var drainLimit: Duration = .seconds(30)
    /// Positions in the store are saved no more often.
    public var saveInterval: Duration = .milliseconds(200)
    /// A waiting source gets its heartbeat this often.
    public var heartbeatInterval: Duration = .milliseconds(500)
    /// When to try again after a failure.
    public var retry = RetryPolicy()

    /// The defaults.
    public init() {}
}

/// One source, a chain of transforms and one or more sinks, run until the source's end, a stop, or an error that
/// needs a person.
///
/// Every attempt starts anew from the durable positions, so there is one way to recover for a lost server, a lost
/// broker and a lost target. `run` blocks its thread; the other methods may be called from any thread.
public final class Pipeline: Sendable {
    private struct Control {
        var attempt: Attempt?
        var isStopping = false
        var isCancelled = false
        var failures = 0
        var last = PipelineStatistics()
    }

    private let source: SourceFactory
    private let transforms: @Sendable () throws(WeirError) -> [any Transform]
    private let sinks: [SinkFactory]
    private let store: any PositionStore
    private let settings: PipelineSettings
    private let logger: Logger
    private let control = Monitor(Control())

    /// Makes a pipeline; nothing runs yet. `transforms` is called once an attempt, on the source's thread.
    public init(
        source: SourceFactory, transforms: @escaping @Sendable () throws(WeirError) -> [any Transform] = { [] },
        sinks: [SinkFactory], store: any PositionStore, settings: PipelineSettings = PipelineSettings(),
        logger: Logger = .silent
    ) {
        self.source = source
        self.transforms = transforms
        self.sinks = sinks
        self.store = store
        self.settings = settings
        self.logger = logger
    }

    /// Asks for a graceful stop: the source finishes its transaction, sinks drain, positions are confirmed.
    public func requestStop() {
        let limit = settings.drainLimit
        control.update { control in
            control.isStopping = true
            control.attempt?.requestStop(within: limit)
        }
    }

    /// Stops at once; what is not durable comes again after the next start.
    public func cancel() {
        control.update { control in
            control.isStopping = true
            control.isCancelled = true
            control.attempt?.cancel()
        }
    }

    /// Counts as of now.
    public var statistics: PipelineStatistics {
        control.read { control in
            guard let attempt = control.attempt else { return control.last }
            return Self.statistics(of: attempt, failures: control.failures)
        }
    }

    private static func statistics(of attempt: Attempt, failures: Int) -> PipelineStatistics {
        attempt.monitor.read { state in
            var statistics = state.statistics
            statistics.confirmed = max(statistics.confirmed, state.confirmed)
            statistics.isStreaming = state.isStreaming && !state.isFailed
            statistics.failures = state.hasProgressed ? 0 : failures
            return statistics
        }
    }

    /// Runs until the source's end or a stop; throws what a person has to look at. Retries passing trouble with
    /// back-off and jitter.
    public func run() throws(WeirError) {
        var hasStreamed = false
        var failures = 0
        var troubleSince: ContinuousClock.Instant?
        while true {
            let began = ContinuousClock.now
            let attempt = Attempt(
                sinks: sinks.map(\.name), queueBytesMax: settings.queueBytesMax,
                statistics: control.read { $0.last })
            let isStopping = control.update { control in
                control.attempt = attempt
                return control.isStopping
            }
            if isStopping { return }
            AttemptRunner(
                attempt: attempt, source: source, transforms: transforms, sinks: sinks, store: store,
                settings: settings, logger: logger
            ).run()
            let (failure, streamed, cancelled) = attempt.monitor.read { ($0.failure, $0.isStreaming, $0.isCancelled) }
            finish(attempt)
            if cancelled { return }
            guard let failure else { return }
            if stopEnds(failure, streamed: streamed) { return }
            guard failure.disposition == .retry else { throw failure }
            if streamed {
                hasStreamed = true
                troubleSince = nil
                if ContinuousClock.now - began > .seconds(30) { failures = 0 }
            }
            failures += 1
            let since = troubleSince ?? (streamed ? .now : began)
            troubleSince = since
            if settings.retry.givesUp(after: .now - since, hasStreamed: hasStreamed) { throw failure }
            if try backOff(after: failure, failures: failures) { return }
        }
    }

    /// After a stop was asked for, passing trouble and a start that was cut short are no failures: what is not durable
    /// comes again after the next start.
    private func stopEnds(_ failure: WeirError, streamed: Bool) -> Bool {
        guard control.read({ $0.isStopping }) else { return false }
        guard !streamed || failure.disposition == .retry else { return false }
        logger.warning("stopped while in trouble; the position is kept", [("error", failure.description)])
        return true
    }

    private func finish(_ attempt: Attempt) {
        control.update { control in
            control.last = Self.statistics(of: attempt, failures: control.failures)
            control.last.isStreaming = false
            control.attempt = nil
        }
    }

    /// Waits before the next attempt; true when a stop was asked for meanwhile.
    private func backOff(after failure: WeirError, failures: Int) throws(WeirError) -> Bool {
        let delay = settings.retry.delay(failures: failures, random: .random(in: 0..<1))
        logger.warning(
            "an attempt failed, trying again",
            [("error", failure.description), ("failures", "\(failures)"), ("delay", "\(delay)")])
        control.update { control in
            control.failures = failures
            control.last.failures = failures
        }
        return control.wait(until: .now + delay) { $0.isStopping ? true : nil } ?? false
    }
}
