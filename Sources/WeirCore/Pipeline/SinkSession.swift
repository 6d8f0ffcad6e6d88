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

    /// Whether waits inside `write` have to end: the attempt is given up, or the deadline of a stop has passed. Then
    /// `write` may return without having accepted its batch.
    public var isCancelled: Bool { attempt.monitor.read(\.cutsWrites) }

    /// Whether even what was accepted is given up: waits inside `flush` end before their deadline.
    public var isGivenUp: Bool { attempt.monitor.read { $0.isCancelled } }

    /// Says that a batch was accepted in so many parts; see `Sink.write`.
    public func accepted(_ ticket: UInt64, outstanding: Int) {
        let index = self.index
        attempt.monitor.update { state in
            state.sinks[index].window.accepted(ticket, outstanding: outstanding)
            state.sinks[index].acceptedTicket = max(state.sinks[index].acceptedTicket, ticket)
        }
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
