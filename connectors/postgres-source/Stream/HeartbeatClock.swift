import LibPQ
import WeirCore

/// Decides when a heartbeat is due, and runs its statement.
struct HeartbeatClock {
    private let interval: Duration?
    private let query: String?
    /// How long the statement may take: the stream is not served meanwhile.
    private let queryLimit: Duration
    /// When the next one is due; nil for never.
    private(set) var nextBeat: ContinuousClock.Instant?
    private var hasComplained = false

    init(_ heartbeat: PostgresSourceSettings.Heartbeat?, senderTimeout: Duration?, now: ContinuousClock.Instant) {
        interval = heartbeat?.interval
        query = heartbeat?.query
        queryLimit = min(.seconds(5), senderTimeout.map { $0 / 4 } ?? .seconds(5))
        nextBeat = interval.map { now + $0 }
    }

    func isDue(at now: ContinuousClock.Instant) -> Bool { nextBeat.map { now >= $0 } ?? false }

    /// Runs the statement, and counts from now to the next heartbeat. A statement that the server refuses or that takes
    /// too long is logged, the first time as a warning; a lost connection is thrown.
    mutating func beat(on catalog: borrowing PGConnection, _ logger: Logger) throws(WeirError) {
        defer { nextBeat = interval.map { .now + $0 } }
        guard let query else { return }
        do throws(PGError) {
            let milliseconds = max(1, Int64(queryLimit / .milliseconds(1)))
            // The user's own statement, as it is written, with PostgreSQL's usual search path: this session's is
            // pinned. All is one implicit transaction.
            try catalog.execute(
                "SET LOCAL statement_timeout = \(milliseconds); SET LOCAL search_path = \"$user\", public; \(query)",
                operation: "heartbeat")
            hasComplained = false
        } catch {
            guard error.kind == .server else { throw SourceErrors.from(error) }
            let fields = [("cause", error.description), ("remedy", "correct source.heartbeat.query")]
            if hasComplained {
                logger.debug("the heartbeat's statement failed", fields)
            } else {
                logger.warning("the heartbeat's statement failed; the stream goes on", fields)
            }
            hasComplained = true
        }
        guard catalog.transactionStatus != .idle else { return }
        do throws(PGError) {
            try catalog.execute("ROLLBACK", operation: "heartbeat")
        } catch {
            throw SourceErrors.from(error)
        }
    }
}
