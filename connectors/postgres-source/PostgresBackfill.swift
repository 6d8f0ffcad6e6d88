import LibPQ
public import WeirCore

/// Copies the current rows of tables in one consistent snapshot, then ends: no slot, no publication of its own.
///
/// Several workers read at the same time, each on a connection of its own inside that snapshot: large tables in parts,
/// by page, small ones whole. The sinks get one table after another. Where the server has too few connections free,
/// fewer workers do.
///
/// Resumes at whole tables: one is written down as finished once its last batch is durable in every sink, and a later
/// run under the same name leaves it out. Tables of a resumed run are of a later snapshot than the finished ones.
public final class PostgresBackfill: ChangeSource {
    private let settings: PostgresSourceSettings
    private let chosen: TableSelection?
    private let name: String
    private let limits: Limits
    private let logger: Logger
    private var team: CopyTeam?
    private var run: SnapshotRun?
    private var tables: [SnapshotTable] = []
    private var store: (any PositionStore)?
    private var pending: [(table: TableName, ticket: UInt64)] = []

    /// How much at once.
    public struct Limits: Sendable {
        /// When a batch is full.
        public var batch: BatchLimits
        /// Connections that copy at the same time, from 1. With more than one there is another one, which holds the
        /// snapshot. Each worker is at most two batches ahead of the sinks.
        public var workers: Int
        /// How long one of several workers waits for the lock of a table, in whole seconds, before the backfill is
        /// tried again.
        public var lockTimeout: Duration

        /// Four workers, unless told otherwise.
        public init(batch: BatchLimits = BatchLimits(), workers: Int = 4, lockTimeout: Duration = .seconds(20)) {
            self.batch = batch
            self.workers = max(1, workers)
            self.lockTimeout = lockTimeout
        }
    }

    /// Makes a backfill; nothing is connected yet.
    /// - Parameters:
    ///   - settings: the source's; the publication's filters hold where it exists, `tables` narrows it.
    ///   - chosen: narrows the tables further; nil takes all.
    ///   - name: the key of its progress in the position store.
    public init(
        _ settings: PostgresSourceSettings, chosen: TableSelection? = nil, name: String,
        limits: Limits = Limits(), logger: Logger = .silent
    ) {
        self.settings = settings
        self.chosen = chosen
        self.name = name
        self.limits = limits
        self.logger = logger
    }

    /// Connects, takes the snapshot and finds the tables that are left to copy.
    public func open(
        resume: ResumePoint, store: any PositionStore, feed: Feed
    ) throws(WeirError) -> SourceDescription {
        self.store = store
        let selection = try settings.tableSelection()
        let catalog = try PostgresSource.connect(settings, feed)
        let prerequisites = try SourceErrors.mapping { () throws(PGError) in try Prerequisites.load(on: catalog) }
        if let error = prerequisites.firstObstacle(snapshotOnly: true) { throw error }
        let published = try PublishedTables.find(settings.publication, selection: selection, on: catalog)
            .filter { chosen?.contains($0.name) ?? true }
        guard !published.isEmpty else { throw nothingToCopy(selection) }
        let finished = try store.finishedTables(backfill: name)
        let run = try SnapshotRun(
            connection,
            SnapshotRun.Order(
                purpose: .backfill, batchLimits: limits.batch, invalidText: settings.invalidText),
            givesUp: { feed.shouldStop })
        tables = try run.tables(published.filter { !finished.contains($0.name) }, selection: nil)
        if !finished.isEmpty {
            logger.info(
                "resuming the backfill", [("finished", "\(finished.count)"), ("left", "\(tables.count)")])
        }
        team = try team(for: run, feed)
        let point = run.consistentPoint
        self.run = consume run
        return SourceDescription(
            systemIdentifier: prerequisites.server.systemIdentifier, database: prerequisites.server.database,
            start: point)
    }

    /// Copies the tables, waits until they are durable, and forgets the progress when all of them are.
    public func stream(into feed: Feed) throws(WeirError) {
        guard let run = run.take() else {
            throw WeirError(.internalError, stage: .source, "The backfill was streamed without having been opened")
        }
        var ending = SnapshotRun.Ending.complete
        if !tables.isEmpty {
            ending = try run.copy(tables, into: feed, team: team) { batch, ticket throws(WeirError) in
                if batch.snapshot?.isLastOfTable == true, let table = batch.relations.first?.origin {
                    pending.append((table, ticket))
                }
                try markFinished(feed)
            }
        }
        _ = try feed.finish { () throws(WeirError) in try markFinished(feed) }
        try markFinished(feed)
        if ending == .complete, pending.isEmpty { try store?.removeBackfill(name) }
    }

    private var connection: ConnectionSettings {
        ConnectionSettings(settings.url, applicationName: "weir backfill")
    }

    /// Brings workers into the snapshot; nil when this thread's own connection does as well.
    private func team(for run: borrowing SnapshotRun, _ feed: Feed) throws(WeirError) -> CopyTeam? {
        guard limits.workers > 1 else { return nil }
        tables = try run.measured(tables)
        let parts = CopyPart.plan(tables, workers: limits.workers)
        let workers = min(limits.workers, parts.count)
        guard workers > 1 else { return nil }
        let team = try CopyTeam(
            connection, lockTimeout: limits.lockTimeout, try run.share(), parts, workers: workers)
        let joined = try team.join(feed: feed, workers: workers)
        if joined < workers {
            logger.warning(
                "the server has too few connections free: fewer workers copy",
                [("workers", "\(max(joined, 1))"), ("wanted", "\(workers)")])
        }
        return joined > 0 ? team : nil
    }

    private func markFinished(_ feed: Feed) throws(WeirError) {
        guard let first = pending.first, first.ticket <= feed.durableTicket else { return }
        let durable = feed.durableTicket
        while let next = pending.first, next.ticket <= durable {
            try store?.finish(table: next.table, backfill: name)
            pending.removeFirst()
        }
    }

    private func nothingToCopy(_ selection: TableSelection?) -> WeirError {
        let patterns = (selection?.patterns ?? []) + (chosen?.patterns ?? [])
        return WeirError(
            .tableUnusable, stage: .source, "There is no table to copy",
            cause: patterns.isEmpty ? nil : "patterns: \(patterns.map(\.description).joined(separator: ", "))",
            advice:
                "Check the patterns, and that publication \"\(settings.publication)\" holds the tables if it exists; a "
                + "table without replica identity has to be named in `source.tables`.")
    }

    /// Closes what is open.
    public func close() {
        team?.end()
        team = nil
        run = nil
        store = nil
    }
}
