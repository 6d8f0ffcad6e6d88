/// What a sink answers when it opens.
public enum SinkOpening: Sendable, Equatable {
    /// It keeps its position itself, together with the data; nil when it has none yet.
    case keepsPosition(StoredPosition?)
    /// The pipeline's `PositionStore` keeps it.
    case positionKeptElsewhere
}

/// Takes batches and makes them durable somewhere. A sink is made, used and closed on one thread of its own, once an
/// attempt; only the session's methods may be called from other threads.
///
/// Two verdicts per batch: returning from `write` means accepted (that is back-pressure), `session.resolve` means
/// durable (that moves the position).
public protocol Sink: AnyObject {
    /// Connects, checks, fences off other agents, and tells the durable position.
    func open() throws(WeirError) -> SinkOpening

    /// Called once after `open`, before the first batch, when the source is open too.
    func begin(_ source: SourceDescription, session: SinkSession) throws(WeirError)

    /// Accepts a batch. Tickets rise by one. May block until there is room, but looks at `session.isCancelled` at
    /// least once a second and then returns. Must call `session.accepted(ticket, outstanding:)` exactly once before it
    /// returns, unless it was cancelled, with the number of parts that will be resolved later (0 when all of it is
    /// durable already).
    ///
    /// - A batch without rows but with an `endLSN` moves the position of an idle source: store it, resolve it.
    /// - A sink that keeps its own position skips transactions whose `commitLSN` is below it: they were applied before.
    ///   For the others the pipeline has left them out; such a batch may be empty.
    /// - The first batch of a snapshot (`snapshot.isFirst`) starts the sink afresh: forget an older position.
    /// - `moreFollows` is false when no other batch waits: a sink that groups transactions commits now.
    func write(_ batch: ChangeBatch, ticket: UInt64, moreFollows: Bool) throws(WeirError)

    /// Makes all that was accepted durable and resolves it, or throws: `drain-timed-out` at the deadline. An open,
    /// incomplete transaction is left unapplied. Looks at `session.isGivenUp` at least once a second, and returns when
    /// that is true.
    func flush(deadline: ContinuousClock.Instant) throws(WeirError)

    /// Releases connections, giving up what is not durable. Called once, also after an error; must not block long.
    func close()
}
