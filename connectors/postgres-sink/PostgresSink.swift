import LibPQ
public import WeirCore

/// Applies changes to a PostgreSQL database and keeps its position there, in the same transactions.
///
/// Each source transaction is applied whole, in commit order, once. Under load several whole ones share a target
/// transaction. Made, used and closed on one thread.
public final class PostgresSink: Sink {
    private let settings: PostgresTargetSettings
    private let memory: SchemaMemory
    private var worker: TargetWorker?
    private var session: SinkSession?
    private var lastTicket: UInt64 = 0
    /// The attempt ended while a statement was at work: the session is in no state to go on.
    private var isAbandoned = false

    /// Makes a sink; nothing is connected yet. `memory` is the same for all attempts of a run.
    public init(_ settings: PostgresTargetSettings, memory: SchemaMemory = SchemaMemory()) {
        self.settings = settings
        self.memory = memory
    }

    /// Connects, takes the fence in `weir.progress`, and tells the position stored there.
    ///
    /// Errors: those of connecting, `permission-denied` with the statements an administrator runs, `fenced` (retried)
    /// while another agent holds the pipeline's lock.
    public func open() throws(WeirError) -> SinkOpening {
        let worker = try TargetWorker(settings, memory)
        self.worker = worker
        return .keepsPosition(worker.position)
    }

    /// Takes the source's description and the way back to the pipeline.
    public func begin(_ source: SourceDescription, session: SinkSession) throws(WeirError) {
        self.session = session
        try worker?.begin(source, logger: session.logger) { session.isCancelled }
        worker?.onCommit = { [unowned self] in session.resolveAll(through: lastTicket) }
    }

    /// Applies a batch; see `Sink.write`. What it holds is durable when its last transaction is committed.
    ///
    /// Errors: `row-rejected`, `target-mismatch`, `permission-denied`, `target-not-empty` with table and commit
    /// position; `fenced` when another agent has taken over; lost connections and conflicts with other sessions are
    /// retried. The refused transaction and everything after it is not applied; everything before it is.
    public func write(_ batch: ChangeBatch, ticket: UInt64, moreFollows: Bool) throws(WeirError) {
        guard let worker, let session else {
            throw WeirError(.internalError, stage: .sink, "A batch came before the sink was opened")
        }
        var isDurable = false
        if !isAbandoned {
            do throws(TargetFailure) {
                isDurable = try worker.write(batch, moreFollows: moreFollows)
            } catch {
                guard case .cancelled = error else { throw worker.report(error) }
                isAbandoned = true
            }
        }
        session.accepted(ticket, outstanding: isDurable ? 0 : 1)
        lastTicket = ticket
        if isDurable { session.resolveAll(through: ticket) }
    }

    /// Commits whole transactions that are not committed yet; an incomplete one is left unapplied.
    public func flush(deadline: ContinuousClock.Instant) throws(WeirError) {
        guard !isAbandoned, let worker, let session else { return }
        do throws(TargetFailure) {
            if try worker.flush(deadline: deadline, isGivenUp: { session.isGivenUp }) {
                session.resolveAll(through: lastTicket)
            }
        } catch {
            if case .cancelled = error { return }
            if case .server(let cause, _) = error, cause.kind == .timeout {
                throw WeirError(
                    .drainTimedOut, stage: .sink, "The target did not confirm the last transactions in time",
                    advice: "They are applied again after the next start.")
            }
            throw worker.report(error)
        }
    }

    /// Drops the connection: the server rolls back what is not committed.
    public func close() {
        worker = nil
    }
}
