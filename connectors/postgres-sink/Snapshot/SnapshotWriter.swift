import LibPQ
import WeirCore

/// Copies the tables of a snapshot, each in a target transaction of its own, with a ledger row in the same
/// transaction; the last one also sets the position. Used on the sink's thread.
final class SnapshotWriter {
    /// Where the rows of the table at hand go.
    private enum Way {
        /// COPY into the table.
        case copy
        /// COPY into a temporary table, merged by key at the end.
        case merge
        /// Single inserts: row-level security, or no column to copy.
        case insert
    }

    private struct Table {
        let plan: TablePlan
        let way: Way
        var rows = 0
    }

    private let session: TargetSession
    private let channel: PipelineChannel
    private let applier: RowApplier
    private let progress: ProgressTable
    private let settings: PostgresTargetSettings
    private var table: Table?
    private var encoder = CopyEncoder()

    private static let staging = "pg_temp.weir_backfill"

    init(
        _ session: TargetSession, _ channel: PipelineChannel, _ applier: RowApplier, _ progress: ProgressTable,
        _ settings: PostgresTargetSettings
    ) {
        self.session = session
        self.channel = channel
        self.applier = applier
        self.progress = progress
        self.settings = settings
    }

    /// Whether a table is half copied.
    var isInTable: Bool { table != nil }

    /// The table at hand, for errors.
    var plan: TablePlan? { table?.plan }

    /// Writes one batch. True when everything up to its end is committed.
    func write(_ batch: ChangeBatch, _ part: SnapshotPart, systemIdentifier: UInt64) throws(TargetFailure) -> Bool {
        let isInitial = part.purpose == .initial
        if part.isFirst, isInitial { try progress.forget() }
        guard let relation = batch.relations.first else {
            if part.isLast { try finish(batch, part, systemIdentifier) }
            return true
        }
        if part.isFirstOfTable { try begin(relation, part) }
        guard table != nil else {
            throw .refused(
                WeirError(.internalError, stage: .sink, "A part of a snapshot came without its beginning")
                    .at(table: relation.table))
        }
        try write(batch)
        guard part.isLastOfTable else { return false }
        try end(relation, part)
        if part.isLast { try finish(batch, part, systemIdentifier) }
        _ = try session.run("COMMIT")
        return true
    }

    // MARK: - One table

    private func begin(_ relation: Relation, _ part: SnapshotPart) throws(TargetFailure) {
        guard table == nil else {
            throw .refused(
                WeirError(.internalError, stage: .sink, "Two tables of a snapshot came at once")
                    .at(table: relation.table))
        }
        try channel.leave()
        // A table that is made here is made together with its rows.
        _ = try session.run("BEGIN")
        // Not in one expression: `plans` would be read before the plan is added.
        let index = try applier.book.index(for: relation, at: nil)
        let plan = applier.book.plans[index]
        try channel.leave()
        let way = try prepare(plan, part)
        table = Table(plan: plan, way: way)
        switch way {
        case .insert: break
        case .copy: try session.beginCopy(plan.copySQL(into: plan.layout.table))
        case .merge:
            let columns = plan.writtenColumns.map { plan.layout.columns[$0].sql }.joined(separator: ", ")
            _ = try session.run(
                "CREATE TEMPORARY TABLE weir_backfill ON COMMIT DROP AS SELECT \(columns) FROM \(plan.layout.table) "
                    + "WITH NO DATA")
            try session.beginCopy(plan.copySQL(into: Self.staging))
        }
    }

    /// Makes room for the rows, or refuses, and says how they go in.
    private func prepare(_ plan: TablePlan, _ part: SnapshotPart) throws(TargetFailure) -> Way {
        // Neither "is it empty" nor a DELETE can be trusted where rows are hidden.
        guard !plan.target.hidesRows else { throw .refused(hidden(plan)) }
        let direct: Way = plan.canCopy ? .copy : .insert
        let found = try session.run("SELECT EXISTS (SELECT FROM \(plan.layout.ownRows))")
        guard found.boolean(row: 0, column: 0) == true else { return direct }
        if part.purpose != .backfill, try progress.hasCopied(plan.relation.table) {
            try empty(plan)
            return direct
        }
        switch settings.onSnapshotNotEmpty {
        case .truncate:
            try empty(plan)
            return direct
        case .append:
            return direct
        case .refuse:
            if part.purpose == .backfill, !plan.layout.conflict.isEmpty, !plan.written.isEmpty { return .merge }
            throw .refused(notEmpty(plan, part))
        }
    }

    private func hidden(_ plan: TablePlan) -> WeirError {
        WeirError(
            .permissionDenied, stage: .sink, "Row-level security may hide rows of the target table from Weir's role",
            cause: "whether the table is empty cannot be seen",
            advice: TargetDefinition.openPolicy(on: plan.relation.table, to: session.connection.user)
        ).at(table: plan.relation.table)
    }

    private func notEmpty(_ plan: TablePlan, _ part: SnapshotPart) -> WeirError {
        let name = plan.layout.ownRows
        let cause =
            part.purpose != .backfill
            ? "no snapshot of this pipeline put them there"
            : "without a unique index of the target that is not deferrable, they cannot be told apart from the rows to "
                + "come"
        return WeirError(
            .targetNotEmpty, stage: .sink, "The target table holds rows already", cause: cause,
            advice: "Empty it (TRUNCATE \(name);), or set snapshot.not.empty to truncate or append."
        ).at(table: plan.relation.table)
    }

    /// TRUNCATE where that is possible; a table that foreign keys point to can only be emptied row by row.
    private func empty(_ plan: TablePlan) throws(TargetFailure) {
        let mayTruncate = plan.target.privileges.contains(.truncate) && !plan.target.isReferenced
        _ = try session.run((mayTruncate ? "TRUNCATE TABLE " : "DELETE FROM ") + plan.layout.ownRows)
    }

    private func write(_ batch: ChangeBatch) throws(TargetFailure) {
        guard let table, !batch.rows.isEmpty else { return }
        if table.way == .insert {
            try applier.apply(batch, rows: batch.rows.indices, mayCopy: false)
        } else {
            try copy(batch, table.plan)
        }
        self.table?.rows += batch.rows.count
    }

    private func copy(_ batch: ChangeBatch, _ plan: TablePlan) throws(TargetFailure) {
        let columns = plan.writtenColumns
        try unsafe batch.arena.span.bytes.withUnsafeBytes { bytes throws(TargetFailure) in
            for row in batch.rows {
                let cells = Int(row.cells)
                for column in columns {
                    let kind = batch.cells[cells + column].kind
                    guard kind == .text || kind == .null else { throw .refused(unusable(plan, column)) }
                }
                do throws(WeirError) {
                    try unsafe plan.checkLimits(cells, batch, bytes)
                } catch {
                    throw .refused(error)
                }
                unsafe encoder.append(columns, cells: cells, of: batch, bytes: bytes)
                if encoder.isFull { try encoder.send(to: session) }
            }
        }
    }

    private func unusable(_ plan: TablePlan, _ column: Int) -> WeirError {
        WeirError(
            .valueRejected, stage: .sink,
            "A snapshot value of column \(plan.relation.columns[column].name) is not in text form",
            advice: "This is a defect of the source connector."
        ).at(table: plan.relation.table)
    }

    private func end(_ relation: Relation, _ part: SnapshotPart) throws(TargetFailure) {
        guard let table else { return }
        switch table.way {
        case .insert: try channel.leave()
        case .copy, .merge:
            try encoder.send(to: session)
            let stored = try session.endCopy()
            guard stored == table.rows else { throw .rowCount(0, context(table.plan, part)) }
        }
        if table.way == .merge {
            let sql = StatementText.merge(Self.staging, table.plan.writtenColumns, table.plan.layout)
            _ = try session.run(sql)
        }
        if part.purpose == .backfill {
            try progress.addBackfilled(relation.table, rows: table.rows, consistentPoint: part.consistentPoint)
        } else {
            try progress.addCopied(relation.table, rows: table.rows, consistentPoint: part.consistentPoint)
        }
        self.table = nil
    }

    /// The change to blame for a failure of the table at hand.
    func context(_ plan: TablePlan, _ part: SnapshotPart) -> RowContext {
        RowContext(
            table: plan.relation.table, keyColumns: plan.keyColumnNames, operation: .read,
            commitLSN: part.consistentPoint)
    }

    // MARK: - The end

    /// Sets the first position. A snapshot beside a stream leaves it alone.
    private func finish(
        _ batch: ChangeBatch, _ part: SnapshotPart, _ systemIdentifier: UInt64
    ) throws(TargetFailure) {
        guard part.purpose == .initial else { return }
        try progress.move(
            to: batch.endLSN ?? part.consistentPoint, systemIdentifier: systemIdentifier, token: batch.resumeToken,
            in: channel, commitLSN: .zero)
        try channel.leave()
    }
}
