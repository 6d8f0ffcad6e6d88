import Glibc
import LibPQ
import WeirCore

/// Turns the changes of batches into statements, in their order. Used on the sink's thread.
final class RowApplier {
    private let session: TargetSession
    private let channel: PipelineChannel
    let book: PlanBook
    private let settings: PostgresTargetSettings
    private let copyRowsMin: Int
    private var values = ParameterBuffer()
    private var encoder = CopyEncoder()
    private let exactShaper: RowShaper
    /// For changes that a backfill's copy of their table has already.
    private let overlapShaper: RowShaper
    private static let scratchBytesMax = 4 << 20
    /// Rows before this index were looked at and make no run worth a COPY.
    private var singleUntil = 0

    init(
        _ session: TargetSession, _ channel: PipelineChannel, _ book: PlanBook, _ settings: PostgresTargetSettings
    ) {
        self.session = session
        self.channel = channel
        self.book = book
        self.settings = settings
        copyRowsMin = settings.copyRowsMin ?? Self.copyRowsMin(roundTrip: session.roundTrip)
        exactShaper = RowShaper(applyMode: settings.applyMode, onMissingRow: settings.onMissingRow)
        overlapShaper = RowShaper(applyMode: .upsert, onMissingRow: settings.onMissingRow, isOverlap: true)
        channel.context = { [unowned book] expectation in
            guard expectation.plan >= 0 else { return nil }
            let plan = book.plans[Int(expectation.plan)]
            return RowContext(
                table: plan.relation.table, keyColumns: plan.keyColumnNames, operation: expectation.operation,
                commitLSN: expectation.commitLSN)
        }
    }

    /// From how many rows on a COPY is faster than as many statements: it costs three round trips, to empty the
    /// pipeline, to begin and to end, and saves about 6 µs a row.
    static func copyRowsMin(roundTrip: Duration) -> Int {
        min(max(64, Int(roundTrip / .microseconds(2))), 2048)
    }

    /// Sends the changes of these rows; failures may only show when the channel is drained.
    /// - Parameter mayCopy: runs of inserts may be sent as COPY, which blames a run and not a row.
    func apply(_ batch: ChangeBatch, rows: Range<Int>, mayCopy: Bool) throws(TargetFailure) {
        singleUntil = 0
        try unsafe batch.arena.span.bytes.withUnsafeBytes { bytes throws(TargetFailure) in
            var work = unsafe RowWork(batch: batch, bytes: bytes, end: rows.upperBound, mayCopy: mayCopy)
            var index = rows.lowerBound
            while index < rows.upperBound { index = try apply(index, &work) }
        }
    }

    /// What the rows of one call have in common. The bytes are lent for that call.
    @safe
    private struct RowWork {
        let batch: ChangeBatch
        let bytes: UnsafeRawBufferPointer
        let end: Int
        let mayCopy: Bool
        /// The relation of the last row and its plan.
        var relation: Int32 = -2
        var planIndex = 0
        var plan: TablePlan?
    }

    /// Applies one row, or a run, and returns the index of the next.
    private func apply(_ index: Int, _ work: inout RowWork) throws(TargetFailure) -> Int {
        let row = work.batch.rows[index]
        guard row.operation != .message, row.relation >= 0 else { return index + 1 }
        if row.relation != work.relation { try turn(to: row, &work) }
        guard let plan = work.plan else { return index + 1 }
        let isOverlap = try isCopied(row, plan, work.batch)
        let shaper = isOverlap ? overlapShaper : exactShaper
        switch row.operation {
        case .insert, .read:
            if work.mayCopy, index >= singleUntil, plan.canCopy, !isOverlap, settings.applyMode == .exact {
                let end = endOfRun(index, &work)
                if end - index >= copyRowsMin {
                    try copy(index..<end, plan, &work)
                    return end
                }
                singleUntil = end
            }
            try send(shaper.insert(row, plan, work.batch), row, plan, work)
        case .update, .delete:
            let change: ShapedChange
            do throws(WeirError) {
                change =
                    try row.operation == .update
                    ? unsafe shaper.update(row, plan, work.batch, work.bytes) : shaper.delete(row, plan, work.batch)
            } catch {
                throw .refused(error.at(table: plan.relation.table, position: commitLSN(row, work.batch)))
            }
            try send(change, row, plan, work)
        case .truncate: return try truncate(index, &work)
        case .message: break
        }
        return index + 1
    }

    /// Whether a backfill has copied what a change of the stream led to: then the row ends up as the change says.
    private func isCopied(_ row: Row, _ plan: TablePlan, _ batch: ChangeBatch) throws(TargetFailure) -> Bool {
        guard let point = plan.copiedAhead, row.operation != .read, row.operation != .truncate else { return false }
        let position = commitLSN(row, batch)
        guard position < point else { return false }
        func isTold(by first: Int) -> Bool {
            first < 0 || plan.layout.conflict.allSatisfy { !batch.cells[first + $0].isNull }
        }
        let old = row.oldTuple == .full ? Int(row.oldCells) : -1
        if !plan.layout.conflict.isEmpty, isTold(by: Int(row.cells)), isTold(by: old) { return true }
        let table = plan.relation.table
        throw .refused(
            WeirError(
                .targetMismatch, stage: .sink,
                "A backfill has copied the table ahead of the stream, and its rows cannot be told apart",
                cause: "the target has no unique index without NULLs on it that is not deferrable; the copy is of "
                    + "\(point)",
                advice:
                    "Give it a primary key on the target, then start again. Or empty the table, DELETE FROM "
                    + "weir.snapshot_tables WHERE pipeline = "
                    + "\(TargetDefinition.literal("\(settings.pipeline) (backfill)")) AND schema_name = "
                    + "\(TargetDefinition.literal(table.schema)) AND table_name = "
                    + "\(TargetDefinition.literal(table.name)); start again, with missing.rows: ignore where rows are "
                    + "updated or deleted, and backfill it when nobody writes to it at the source."
            ).at(table: table, position: position))
    }

    private func turn(to row: Row, _ work: inout RowWork) throws(TargetFailure) {
        let relation = work.batch.relations[Int(row.relation)]
        do throws(TargetFailure) {
            work.planIndex = try book.index(for: relation, at: commitLSN(row, work.batch))
        } catch {
            guard case .refused(let refusal) = error else { throw error }
            throw .refused(refusal.at(position: commitLSN(row, work.batch)))
        }
        work.plan = book.plans[work.planIndex]
        work.relation = row.relation
    }

    private func commitLSN(_ row: Row, _ batch: ChangeBatch) -> LSN {
        batch.transactions[Int(row.transaction)].commitLSN
    }

    // MARK: - Definitions

    /// Takes a change of a table's definition into the target: what was sent before is applied then. Without a command
    /// it is a change that a table's next row tells as well; only names that another table needs do not wait for it.
    func change(
        _ change: WeirCore.SchemaChange, _ batch: ChangeBatch, keeper: SchemaKeeper
    ) throws(TargetFailure) {
        let position = batch.transactions[Int(change.transaction)].commitLSN
        keeper.statement = change.command?.statement
        defer { keeper.statement = nil }
        do throws(TargetFailure) {
            guard let relation = batch.relation(of: change) else {
                try channel.leave()
                return try keeper.miss(at: position)
            }
            switch change.kind {
            // Without a command the next row tells.
            case .described where change.command == nil, .missed: return
            case .dropped:
                try channel.leave()
                try keeper.drop(relation)
                book.forgetPlans()
            case .described, .created, .altered:
                guard !relation.columns.isEmpty, relation.details != nil else { return }
                try channel.leave()
                let isKnown = try keeper.knows(relation.oid)
                guard isKnown || change.kind == .created && change.command != nil else { return }
                _ = try book.index(for: relation, at: position)
            }
        } catch {
            guard case .refused(let refusal) = error else { throw error }
            throw .refused(refusal.at(position: position))
        }
    }

    // MARK: - Inserts

    /// End of the run of inserts into one table that COPY can take.
    private func endOfRun(_ start: Int, _ work: inout RowWork) -> Int {
        let relation = work.batch.rows[start].relation
        let count = work.plan?.layout.columns.count ?? 0
        var index = start
        while index < work.end {
            let row = work.batch.rows[index]
            guard row.operation == .insert || row.operation == .read, row.relation == relation else { break }
            let first = Int(row.cells)
            let isPlain = (first..<first + count).allSatisfy {
                let kind = work.batch.cells[$0].kind
                return kind == .text || kind == .null
            }
            guard isPlain else { break }
            index += 1
        }
        return index
    }

    private func copy(_ rows: Range<Int>, _ plan: TablePlan, _ work: inout RowWork) throws(TargetFailure) {
        try channel.leave()
        do throws(TargetFailure) {
            let stored = try copyRows(rows, plan, into: plan.layout.table, &work)
            guard stored == rows.count else {
                throw .rowCount(0, rowContext(work.batch.rows[rows.lowerBound], plan, work.batch))
            }
        } catch {
            guard case .server(let cause, nil) = error, cause.kind == .server else { throw error }
            throw .server(cause, rowContext(work.batch.rows[rows.lowerBound], plan, work.batch))
        }
    }

    private func copyRows(
        _ rows: Range<Int>, _ plan: TablePlan, into table: String, _ work: inout RowWork
    ) throws(TargetFailure) -> Int {
        let columns = plan.writtenColumns
        for index in rows where !plan.limits.isEmpty { try checkLimits(work.batch.rows[index], plan, work) }
        try session.beginCopy(plan.copySQL(into: table))
        encoder.removeAll()
        for index in rows {
            unsafe encoder.append(
                columns, cells: Int(work.batch.rows[index].cells), of: work.batch, bytes: work.bytes)
            if encoder.isFull { try encoder.send(to: session) }
        }
        try encoder.send(to: session)
        return try session.endCopy()
    }

    // MARK: - Truncate

    /// Sends the truncates of one source statement as one: tables that refer to each other go together.
    private func truncate(_ start: Int, _ work: inout RowWork) throws(TargetFailure) -> Int {
        let first = work.batch.rows[start]
        var tables: [String] = []
        var index = start
        repeat {
            let row = work.batch.rows[index]
            if row.relation != work.relation { try turn(to: row, &work) }
            if let name = work.plan?.layout.ownRows, !tables.contains(name) { tables.append(name) }
            index += 1
        } while index < work.end && work.batch.rows[index].operation == .truncate
            && work.batch.rows[index].flags.contains(.continuesStatement)
        var sql = "TRUNCATE TABLE \(tables.joined(separator: ", "))"
        if first.flags.contains(.restartIdentity) { sql += " RESTART IDENTITY" }
        if first.flags.contains(.cascade) { sql += " CASCADE" }
        try channel.send(sql, expectation(.any, first, work))
        return index
    }

    // MARK: - Sending

    private func checkLimits(_ row: Row, _ plan: TablePlan, _ work: borrowing RowWork) throws(TargetFailure) {
        do throws(WeirError) {
            try unsafe plan.checkLimits(Int(row.cells), work.batch, work.bytes)
        } catch {
            throw .refused(error.at(position: commitLSN(row, work.batch)))
        }
    }

    private func rowContext(_ row: Row, _ plan: TablePlan, _ batch: ChangeBatch) -> RowContext {
        RowContext(
            table: plan.relation.table, keyColumns: plan.keyColumnNames, operation: row.operation,
            commitLSN: commitLSN(row, batch))
    }

    private func expectation(_ rows: Expectation.Rows, _ row: Row, _ work: borrowing RowWork) -> Expectation {
        Expectation(
            rows: rows, operation: row.operation, plan: Int32(truncatingIfNeeded: work.planIndex),
            commitLSN: commitLSN(row, work.batch))
    }

    private func send(
        _ change: ShapedChange, _ row: Row, _ plan: TablePlan, _ work: borrowing RowWork
    ) throws(TargetFailure) {
        let expectation = expectation(change.rows, row, work)
        let statement = try book.statement(change.shape, plan, expectation)
        if row.operation != .delete, !plan.limits.isEmpty { try checkLimits(row, plan, work) }
        values.removeAll()
        let (new, old) = (Int(row.cells), Int(row.oldTuple == .none ? row.cells : row.oldCells))
        do throws(WeirError) {
            for column in statement.text.newCells {
                try unsafe bind(work.batch.cells[new + column], column, plan, work.bytes)
            }
            for column in statement.text.keyCells {
                try unsafe bind(work.batch.cells[old + column], column, plan, work.bytes)
            }
        } catch {
            throw .refused(error.at(table: plan.relation.table, position: expectation.commitLSN))
        }
        try channel.send(statement, &values, expectation)
        // A value of many megabytes does not stay for ever.
        if values.byteCount > Self.scratchBytesMax { values = ParameterBuffer() }
    }

    private func bind(
        _ cell: Cell, _ column: Int, _ plan: TablePlan, _ bytes: UnsafeRawBufferPointer
    ) throws(WeirError) {
        switch cell.kind {
        case .null: values.appendNull()
        case .text:
            let value = unsafe UnsafeRawBufferPointer(rebasing: bytes[cell.range])
            // libpq reads a text value up to its first NUL, which PostgreSQL's text types cannot hold anyway.
            if let start = value.baseAddress, unsafe memchr(start, 0, value.count) != nil {
                throw valueRejected(column, plan, "it contains a NUL character")
            }
            unsafe values.append(text: value)
        case .binary:
            guard plan.relation.columns[column].type.baseOID == plan.layout.columns[column].typeOID else {
                throw valueRejected(column, plan, "it is in the binary form of another type")
            }
            unsafe values.append(binary: UnsafeRawBufferPointer(rebasing: bytes[cell.range]))
        case .unchanged: throw valueRejected(column, plan, "the source did not send it")
        }
    }

    private func valueRejected(_ column: Int, _ plan: TablePlan, _ why: String) -> WeirError {
        WeirError(
            .valueRejected, stage: .sink,
            "A value of column \(plan.relation.columns[column].name) cannot be written", cause: why,
            advice: "Correct the row on the source, or leave the column out with a transform.")
    }
}
