/// A sink's line back to the pipeline. Sendable: delivery reports may come from any thread.
public final class SinkSession: Sendable {
    private let attempt: Attempt
    private let index: Int
    private let drainLimit: Duration
    /// Where the sink stood when it opened; its transactions with a lower commit LSN are applied already.
    public let resume: StoredPosition?
    /// The logger, with the sink's name added by whoever made it.
    public let logger: Logger

    init(attempt: Attempt, index: Int, drainLimit: Duration, resume: StoredPosition?, logger: Logger) {
        self.attempt = attempt
        self.index = index
        self.drainLimit = drainLimit
        self.resume = resume
        self.logger = logger
    }

    /// Whether the attempt is over at once, or the time to drain after a stop is up: waits inside `write` end.
    public var isCancelled: Bool {
        attempt.monitor.read { state in
            state.isCancelled || state.isFailed || state.drainDeadline.map { ContinuousClock.now >= $0 } ?? false
        }
    }

    /// Says that a batch was accepted in so many parts; see `Sink.write`.
    public func accepted(_ ticket: UInt64, outstanding: Int) {
        let index = self.index
        attempt.monitor.update { $0.sinks[index].window.accepted(ticket, outstanding: outstanding) }
    }

    /// Says that parts of a batch are durable; may overtake `accepted`.
    public func resolve(_ ticket: UInt64, parts: Int) {
        let index = self.index
        attempt.monitor.update { $0.sinks[index].window.resolve(ticket, parts: parts) }
    }

    /// Says that parts of several batches are durable, under one lock.
    public func resolve(_ parts: [(ticket: UInt64, parts: Int)]) {
        let index = self.index
        attempt.monitor.update { state in
            for part in parts { state.sinks[index].window.resolve(part.ticket, parts: part.parts) }
        }
    }

    /// Says that every accepted batch up to and including this one is durable.
    public func resolveAll(through ticket: UInt64) {
        let index = self.index
        attempt.monitor.update { $0.sinks[index].window.resolveAll(through: ticket) }
    }

    /// Reports a failure from another thread than the sink's own (a delivery report, an error callback).
    public func fail(_ error: WeirError) { attempt.fail(error, drainWithin: drainLimit) }
}
