/// One attempt's shared state: queues, windows, verdicts. Every thread of the attempt waits on its monitor.
final class Attempt: Sendable {
    struct SinkState {
        let name: String
        var opening: SinkOpening?
        /// Where the sink was when it opened.
        var resume: StoredPosition?
        var window = ProgressWindow()
        var queue: [(batch: ChangeBatch, ticket: UInt64)] = []
        var queuedBytes = 0
        var isWriting = false
        var hasBegun = false
        /// The last batch it accepted.
        var acceptedTicket: UInt64 = 0
        /// Its position, stored durably.
        var saved: LSN?
        var hasEnded = false

        var keepsPosition: Bool {
            if case .keepsPosition = opening { true } else { false }
        }
        /// Safe to confirm as far as this sink is concerned. A sink that is ahead of the others goes through what it
        /// has already, so its window starts below the position it resumed from.
        var durable: LSN? {
            guard let known = keepsPosition ? window.confirmed : saved else { return resume?.lsn }
            return resume.map { max(known, $0.lsn) } ?? known
        }
    }

    struct State {
        var sinks: [SinkState]
        var description: SourceDescription?
        var failure: WeirError?
        /// A graceful stop was asked for: the source finishes its transaction.
        var isStopping = false
        var stopDeadline: ContinuousClock.Instant?
        /// No batch comes any more: drain.
        var isClosed = false
        /// Something failed: nothing more is read.
        var isFailed: Bool { failure != nil }
        /// A sink or the store failed: drop what is queued, make durable what was accepted. When the source fails, what
        /// it sent before is still written.
        var dropsQueue = false
        /// Give up at once.
        var isCancelled = false
        var sourceHasEnded = false
        var drainDeadline: ContinuousClock.Instant?
        /// Saving a position failed: nothing more is confirmed.
        var storeHasFailed = false
        /// All sinks are drained and the last positions are saved.
        var isSettled = false
        var statistics = PipelineStatistics()

        var confirmed: LSN {
            var lowest: LSN?
            for sink in sinks {
                guard let durable = sink.durable else { return .zero }
                lowest = lowest.map { min($0, durable) } ?? durable
            }
            return lowest ?? .zero
        }
        var sinksHaveEnded: Bool { sinks.allSatisfy(\.hasEnded) }
        var hasEnded: Bool { sourceHasEnded && sinksHaveEnded }
        var isStreaming: Bool { description != nil && sinks.allSatisfy(\.hasBegun) }
        /// Whether a batch has become durable in every sink.
        var hasProgressed: Bool { sinks.allSatisfy { $0.window.durableTicket > 0 } }
        /// Whether writing has to end although batches wait.
        var isOverdue: Bool { drainDeadline.map { ContinuousClock.now >= $0 } ?? false }
        /// Whether a wait inside a sink's `write` has to end.
        var cutsWrites: Bool { isCancelled || dropsQueue || isOverdue }
    }

    let monitor: Monitor<State>
    let queueBytesMax: Int

    /// `statistics` are those of the attempts before: counts go on.
    init(sinks: [String], queueBytesMax: Int, statistics: PipelineStatistics) {
        var state = State(sinks: sinks.map { SinkState(name: $0) })
        state.statistics = statistics
        monitor = Monitor(state)
        self.queueBytesMax = queueBytesMax
    }

    /// Records the first failure; later ones are consequences. After a failure of the source, `keepsQueue` says that
    /// what was sent before is still written.
    func fail(_ error: WeirError, drainWithin limit: Duration, keepsQueue: Bool = false) {
        monitor.update { state in
            if state.failure == nil { state.failure = error }
            if !keepsQueue { state.dropsQueue = true }
            if state.drainDeadline == nil { state.drainDeadline = .now + limit }
        }
    }

    func requestStop(within limit: Duration) {
        monitor.update { state in
            guard !state.isStopping else { return }
            state.isStopping = true
            state.stopDeadline = .now + limit / 2
            state.drainDeadline = .now + limit
        }
    }

    func cancel() {
        monitor.update { $0.isCancelled = true }
    }
}

/// Counts of a pipeline for progress lines and status; a snapshot of values, no reference.
public struct PipelineStatistics: Sendable, Equatable {
    /// Rows the source sent, before transforms.
    public var rowsIn: UInt64 = 0
    /// Rows handed to sinks, after transforms.
    public var rowsOut: UInt64 = 0
    /// Bytes of batches the source sent.
    public var bytesIn: UInt64 = 0
    /// Transactions the source sent whole.
    public var transactions: UInt64 = 0
    /// Commit time of the last whole transaction, microseconds since 1970-01-01 UTC; 0 when there is none.
    public var lastCommitTime: Int64 = 0
    /// End of the last whole transaction the source sent.
    public var received: LSN = .zero
    /// Durable in every sink and stored.
    public var confirmed: LSN = .zero
    /// Attempts that failed since the pipeline last made progress.
    public var failures = 0
    /// Whether every sink takes batches.
    public var isStreaming = false
    /// The snapshot at work, nil when there is none.
    public var snapshot: SnapshotProgress?

    /// All zero.
    public init() {}
}

/// How far a snapshot is.
public struct SnapshotProgress: Sendable, Equatable {
    /// Tables to copy.
    public var tables: Int
    /// Tables copied.
    public var tablesDone: Int
    /// Rows copied so far.
    public var rows: UInt64
    /// Rows expected by the planner's statistics, 0 when unknown.
    public var rowsEstimated: UInt64
    /// The table being copied.
    public var table: TableName?

    /// Makes a progress record.
    public init(tables: Int, tablesDone: Int, rows: UInt64, rowsEstimated: UInt64, table: TableName?) {
        self.tables = tables
        self.tablesDone = tablesDone
        self.rows = rows
        self.rowsEstimated = rowsEstimated
        self.table = table
    }
}
