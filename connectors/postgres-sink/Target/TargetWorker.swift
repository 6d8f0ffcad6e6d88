import LibPQ
import WeirCore

/// Everything that lives as long as a session on the target: applies batches, groups transactions, commits.
final class TargetWorker {
    /// Whole transactions of the open group, kept so that they can be applied one by one when one is refused.
    private struct Kept {
        let batch: ChangeBatch
        let transactions: Range<Int>
    }

    private let session: TargetSession
    private let channel: PipelineChannel
    private let book: PlanBook
    private let keeper: SchemaKeeper
    private let memory: SchemaMemory
    private let applier: RowApplier
    private let progress: ProgressTable
    private let snapshot: SnapshotWriter
    private let settings: PostgresTargetSettings
    private var planner: GroupPlanner
    private var kept: [Kept] = []
    private var isInTransaction = false
    /// The open target transaction holds one source transaction only: its commit LSN.
    private var onlyTransaction: LSN?
    private var source: SourceDescription?
    private var logger = Logger.silent
    private var reportedMissing: UInt64 = 0
    /// The token of the last batch whose end is behind the group's position.
    private var token: String?
    /// Where the target is.
    private(set) var position: StoredPosition?
    /// Says that everything before the batch at hand is committed.
    var onCommit: () -> Void = {}
    /// Whether the session is a replica: triggers and foreign keys stay silent.
    let isReplica: Bool

    /// Connects, takes the fence, reads the position. Bounded by `openTimeout`, and the connecting by its own.
    init(_ settings: PostgresTargetSettings, _ memory: SchemaMemory) throws(WeirError) {
        self.settings = settings
        self.memory = memory
        session = try TargetSession(settings)
        channel = PipelineChannel(
            session, syncBytes: settings.syncBytes, inFlightBytesMax: settings.inFlightBytesMax)
        let catalog = CatalogReader(session)
        keeper = SchemaKeeper(session, catalog, settings, memory)
        book = PlanBook(catalog, channel, keeper, applyMode: settings.applyMode)
        applier = RowApplier(session, channel, book, settings)
        progress = ProgressTable(session, settings: settings)
        snapshot = SnapshotWriter(session, channel, applier, progress, settings)
        planner = GroupPlanner(limits: settings.group)
        session.deadline = .now + settings.openTimeout * 2
        do throws(TargetFailure) {
            isReplica = try SessionRole.apply(settings.replicationRole, to: session)
            try SessionRole.makeCommitsDurable(session)
            position = try progress.open(lockTimeout: settings.openTimeout)
            if settings.applyMode == .exact {
                book.copiedAhead = try progress.backfilled(beyond: position?.lsn ?? .zero)
            }
        } catch {
            throw Rejection.error(error, plan: nil, role: session.connection.user)
        }
        session.deadline = nil
        keeper.isReplica = isReplica
        token = position?.token
    }

    /// Called once the source is open.
    func begin(
        _ source: SourceDescription, logger: Logger, isCancelled: @escaping () -> Bool
    ) throws(WeirError) {
        self.source = source
        self.logger = logger
        session.isCancelled = isCancelled
        if !isReplica {
            logger.warning(
                "the target session is no replica: triggers and foreign keys of the target fire",
                [("remedy", SessionRole.remedy(role: session.connection.user))])
        }
        do throws(TargetFailure) {
            try keeper.begin(source, logger: logger)
        } catch {
            throw Rejection.error(error, plan: nil, role: session.connection.user)
        }
        book.onPlan = { plan in Self.remark(plan, logger) }
    }

    private static func remark(_ plan: TablePlan, _ logger: Logger) {
        let table = plan.relation.table.description
        if plan.identity == .key, !plan.hasIndexForKey {
            logger.warning(
                "no unique index on the target covers the key: updates and deletes read the whole table",
                [("table", table), ("key", plan.keyColumnNames.joined(separator: ","))])
        }
        if plan.target.rowSecurity {
            logger.warning("row-level security applies to Weir's role on the target", [("table", table)])
        }
    }

    // MARK: - Batches

    /// Applies a batch. True when everything up to its end is committed.
    func write(_ batch: ChangeBatch, moreFollows: Bool) throws(TargetFailure) -> Bool {
        if let part = batch.snapshot { return try copy(batch, part) }
        try checkSource()
        let isReplay = settings.applyMode == .upsert
        let steps = planner.steps(
            GroupPlanner.Input(
                transactions: batch.transactions, endLSN: batch.endLSN, hasToken: batch.resumeToken != nil,
                bytes: batch.byteCount, moreFollows: moreFollows, now: .now,
                applied: isReplay ? nil : position?.lsn))
        for (index, step) in steps.enumerated() {
            // The token stands for the whole batch: it goes with the last commit only.
            let isLast = index == steps.count - 1
            if isLast, !planner.isSpanning { token = batch.resumeToken ?? token }
            try perform(step, batch, hasMore: !isLast)
        }
        if steps.isEmpty, !planner.isSpanning { token = batch.resumeToken ?? token }
        if !planner.isSettled { try push() }
        return planner.isSettled
    }

    /// Lets the server work on the open transaction while the next batch is on its way.
    private func push() throws(TargetFailure) {
        do throws(TargetFailure) {
            try channel.push()
        } catch {
            try recover(from: error)
        }
    }

    private func copy(_ batch: ChangeBatch, _ part: SnapshotPart) throws(TargetFailure) -> Bool {
        if case .commit(let lsn)? = planner.commitAtFlush {
            planner.reset()
            try commit(lsn)
        }
        do throws(TargetFailure) {
            let isDone = try snapshot.write(batch, part, systemIdentifier: source?.systemIdentifier ?? 0)
            if isDone { keeper.committed() }
            if part.isLast, part.purpose == .initial {
                position = StoredPosition(
                    lsn: batch.endLSN ?? part.consistentPoint, systemIdentifier: source?.systemIdentifier ?? 0,
                    token: batch.resumeToken)
            } else if part.isFirst, part.purpose == .initial {
                position = nil
            }
            return isDone
        } catch {
            guard case .server(let cause, nil) = error, let plan = snapshot.plan else { throw error }
            throw .server(cause, snapshot.context(plan, part))
        }
    }

    /// A position of another cluster would skip or repeat what it has nothing to do with.
    private func checkSource() throws(TargetFailure) {
        guard let position, let source, position.systemIdentifier != 0, source.systemIdentifier != 0,
            position.systemIdentifier != source.systemIdentifier
        else { return }
        throw .refused(
            WeirError(
                .positionMismatch, stage: .sink, "The target's position belongs to another PostgreSQL cluster",
                cause: "system identifier \(position.systemIdentifier), the source is \(source.systemIdentifier)",
                advice: "Use another pipeline name, or delete the row of pipeline \(settings.pipeline) in "
                    + "weir.progress and take a new snapshot."
            ).at(position: position.lsn))
    }

    private func perform(
        _ step: GroupPlanner.Step, _ batch: ChangeBatch, hasMore: Bool
    ) throws(TargetFailure) {
        switch step {
        case .outOfOrder:
            throw .refused(
                WeirError(.internalError, stage: .sink, "A transaction began before the one before it had ended"))
        case .apply(let transactions):
            keep(batch, transactions)
            do throws(TargetFailure) {
                try apply(batch, transactions, mayCopy: true)
            } catch {
                try recover(from: error)
            }
        case .commit(let lsn):
            try commitOrRecover(lsn)
            if hasMore { onCommit() }
            try settleDefinitions(lsn)
        }
    }

    /// What the catalog had told ahead of the rows holds once they have got there.
    private func settleDefinitions(_ lsn: LSN?) throws(TargetFailure) {
        guard keeper.hasOpenFacts, let lsn else { return }
        try channel.leave()
        if try keeper.settle(lsn) { book.forgetPlans() }
    }

    private func keep(_ batch: ChangeBatch, _ transactions: Range<Int>) {
        guard let first = transactions.first else { return }
        let isWhole = transactions.allSatisfy { batch.transactions[$0].ends && batch.transactions[$0].begins }
        if isWhole {
            onlyTransaction = kept.isEmpty && transactions.count == 1 ? batch.transactions[first].commitLSN : nil
            kept.append(Kept(batch: batch, transactions: transactions))
        } else {
            onlyTransaction = batch.transactions[first].commitLSN
            kept = []
        }
    }

    private func apply(
        _ batch: ChangeBatch, _ transactions: Range<Int>, mayCopy: Bool
    ) throws(TargetFailure) {
        guard let first = transactions.first, let last = transactions.last else { return }
        guard !batch.schemaChanges.isEmpty, settings.schema != .none else {
            let rows = batch.transactions[first].rows.lowerBound..<batch.transactions[last].rows.upperBound
            return try apply(batch, rows: rows, mayCopy: mayCopy)
        }
        for piece in batch.pieces(of: transactions) {
            switch piece {
            case .rows(let rows): try apply(batch, rows: rows, mayCopy: mayCopy)
            case .change(let index):
                try begin()
                try applier.change(batch.schemaChanges[index], batch, keeper: keeper)
            }
        }
    }

    private func apply(_ batch: ChangeBatch, rows: Range<Int>, mayCopy: Bool) throws(TargetFailure) {
        guard !rows.isEmpty else { return }
        try begin()
        try applier.apply(batch, rows: rows, mayCopy: mayCopy)
    }

    private func begin() throws(TargetFailure) {
        guard !isInTransaction else { return }
        try channel.send("BEGIN")
        isInTransaction = true
    }

    private func commit(_ lsn: LSN?) throws(TargetFailure) {
        let system = source?.systemIdentifier ?? 0
        let isNews = lsn.map { $0 > position?.lsn ?? .zero } ?? false || token != position?.token
        if isNews || isInTransaction {
            try progress.move(
                to: lsn, systemIdentifier: system, token: token, in: channel, commitLSN: onlyTransaction ?? .zero)
            // Every row's count is known before the commit is asked for.
            try channel.drain()
        }
        if isInTransaction {
            try channel.send("COMMIT")
            try channel.drain()
        }
        isInTransaction = false
        kept = []
        onlyTransaction = nil
        keeper.committed()
        if isNews {
            position = StoredPosition(
                lsn: max(lsn ?? .zero, position?.lsn ?? .zero), systemIdentifier: system, token: token)
        }
        if channel.missingRows > reportedMissing {
            logger.warning(
                "updates or deletes found no row on the target",
                [("rows", "\(channel.missingRows - reportedMissing)"), ("position", lsn?.description ?? "")])
            reportedMissing = channel.missingRows
        }
    }

    private func commitOrRecover(_ lsn: LSN?) throws(TargetFailure) {
        do throws(TargetFailure) {
            try commit(lsn)
        } catch {
            try recover(from: error)
            try commit(lsn)
        }
    }

    /// Commits what is whole and gives up the rest, within the deadline. True when something was committed.
    func flush(
        deadline: ContinuousClock.Instant, isGivenUp: @escaping () -> Bool
    ) throws(TargetFailure) -> Bool {
        guard case .commit(let lsn)? = planner.commitAtFlush else { return false }
        session.deadline = deadline
        session.isCancelled = isGivenUp
        try commitOrRecover(lsn)
        planner.reset()
        return true
    }

    // MARK: - Failures

    /// After a refused change: rolls back, applies the transactions of the group one by one, and throws at the one
    /// that is refused. Returns when none is, with all of them committed.
    private func recover(from failure: TargetFailure) throws(TargetFailure) {
        guard failure.isRejection else { throw failure }
        try rollBack()
        let group = kept
        kept = []
        guard group.reduce(0, { $0 + $1.transactions.count }) > 1 else { throw failure }
        logger.info("a change was refused: the group's transactions are applied one by one")
        for piece in group {
            for index in piece.transactions {
                let transaction = piece.batch.transactions[index]
                onlyTransaction = transaction.commitLSN
                do throws(TargetFailure) {
                    try apply(piece.batch, index..<index + 1, mayCopy: false)
                    try commit(transaction.endLSN > .zero ? transaction.endLSN : nil)
                } catch {
                    onlyTransaction = transaction.commitLSN
                    if error.isRejection { try rollBack() }
                    throw error
                }
            }
        }
    }

    private func rollBack() throws(TargetFailure) {
        try channel.abandon()
        _ = try session.run("ROLLBACK")
        isInTransaction = false
        try book.forgetStatements()
        if keeper.hasChanged { book.forgetPlans() }
        keeper.rolledBack()
    }

    /// The failure in words.
    func report(_ failure: TargetFailure) -> WeirError {
        var failure = failure
        if case .fenced = failure {
            try? rollBack()
            if let explained = try? progress.explainFence() { return explained }
        }
        // A constraint that is checked at the commit names its table itself.
        if case .server(let cause, nil) = failure, let schema = cause.schema, let name = cause.table,
            let onlyTransaction
        {
            let table = TableName(schema: schema, name: name)
            failure = .server(
                cause,
                RowContext(
                    table: table, keyColumns: book.plan(of: table)?.keyColumnNames ?? [], operation: nil,
                    commitLSN: onlyTransaction))
        }
        var plan: TablePlan?
        switch failure {
        case .server(_, let context?), .rowCount(_, let context): plan = book.plan(of: context.table)
        default: break
        }
        var error = Rejection.error(failure, plan: plan, role: session.connection.user)
        if error.position == nil, let onlyTransaction { error = error.at(position: onlyTransaction) }
        if mayHelpToLookAgain(failure, plan) { return error.disposed(.retry) }
        // A table that was changed meanwhile gets another chance with a new plan.
        if failure.isRejection, let plan, (try? book.hasChanged(plan)) == true {
            return error.disposed(.retry)
        }
        return error
    }

    /// A refusal that a changed type of the source, or a catalog ahead of the log, explains.
    private func mayHelpToLookAgain(_ failure: TargetFailure, _ plan: TablePlan?) -> Bool {
        guard case .server(let cause, let context?) = failure, let state = cause.sqlState else { return false }
        switch state {
        case "22P02", "23514":
            // Without a plan the table was changed in the transaction that was rolled back.
            guard plan.map({ $0.relation.details?.types.isEmpty == false }) ?? true else { return false }
        case "23502": guard settings.schema != .none else { return false }
        default: return false
        }
        return memory.mayRetry(
            state, column: cause.column, table: context.table, position: context.commitLSN)
    }
}
