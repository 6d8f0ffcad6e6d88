/// Decides what one row of a filtered table becomes; see `FilterTransform` for the rules.
struct RowJudge {
    /// What a row becomes.
    enum Outcome {
        case nothing, same, insert, delete
    }

    let plan: ConditionPlan
    let batch: ChangeBatch
    let row: Row

    private var relation: Relation { batch.relations[Int(row.relation)] }

    /// What the row becomes, before `operations` is looked at.
    func outcome() throws(WeirError) -> Outcome {
        if plan.isEmpty { return .same }
        switch row.operation {
        case .insert, .read:
            return try isInNow() ? .same : .nothing
        case .update:
            let before = try before()
            guard try isInNow() else { return before == .no ? .nothing : .delete }
            return before == .no ? .insert : .same
        case .delete:
            return try before() == .no ? .nothing : .same
        case .truncate, .message:
            return .same
        }
    }

    /// Whether the new row holds the conditions. An unchanged TOASTed value is taken from a full old tuple.
    private func isInNow() throws(WeirError) -> Bool {
        let truth = try located { () throws(WeirError) in try plan.evaluate(batch, cell: newCell) }
        switch truth {
        case .yes: return true
        case .no: return false
        case .unknown: throw missing("whether the row passes the filter on \(plan.columnNames)")
        }
    }

    /// Whether the old row held the conditions.
    private func before() throws(WeirError) -> ConditionPlan.Truth {
        try located { () throws(WeirError) in try plan.evaluate(batch, cell: oldCell) }
    }

    private func newCell(_ column: Int) -> Cell? {
        let cell = batch.cell(column, of: row)
        guard cell.isUnchanged, row.oldTuple == .full, row.oldCells >= 0 else { return cell }
        return batch.oldCell(column, of: row)
    }

    /// The value before the change, nil when it is not known. An UPDATE that sends no old tuple left the key as it was.
    private func oldCell(_ column: Int) -> Cell? {
        let isKey = relation.identity != .full && relation.columns[column].isIdentity
        switch row.oldTuple {
        case .full: return batch.oldCell(column, of: row)
        case .key: return isKey ? batch.oldCell(column, of: row) : nil
        case .none: return isKey && row.cells >= 0 ? batch.cell(column, of: row) : nil
        }
    }

    // MARK: - Changed rows

    /// The row as the insert of what came into the set: whole, unchanged TOASTed values taken from the old tuple.
    func insert(_ output: inout FilterOutput) throws(WeirError) -> Row {
        output.noteChange()
        let columns = relation.columns.indices
        guard columns.contains(where: { batch.cell($0, of: row).isUnchanged }) else {
            return row.changed(.insert, oldTuple: Row.OldTuple.none, oldCells: -1)
        }
        var first: Int32 = -1
        for column in columns {
            guard let cell = newCell(column), !cell.isUnchanged else {
                let name = relation.columns[column].name
                throw missing("the value of column \(name) of a row that comes into the filter")
            }
            let place = output.add(cell)
            if first < 0 { first = place }
        }
        return row.changed(.insert, oldTuple: Row.OldTuple.none, cells: first, oldCells: -1)
    }

    /// The row as the delete of what left the set: by the old tuple, else by the key, which did not change then.
    func delete(_ output: inout FilterOutput) throws(WeirError) -> Row {
        output.noteChange()
        if row.oldTuple != .none, row.oldCells >= 0 { return row.changed(.delete, cells: -1) }
        let key = relation.rowKeyColumns
        guard !key.isEmpty else { throw missing("which row left the filter: the table has no key") }
        var first: Int32 = -1
        for column in relation.columns.indices {
            let cell = key.contains(column) ? batch.cell(column, of: row) : .null
            guard !cell.isUnchanged else {
                throw missing("the key of a row that left the filter")
            }
            let place = output.add(cell)
            if first < 0 { first = place }
        }
        return row.changed(.delete, oldTuple: .key, cells: -1, oldCells: first)
    }

    // MARK: - Errors

    private func missing(_ what: String) -> WeirError {
        WeirError(
            .valueRejected, stage: .transform, "The change does not tell \(what)",
            cause: "PostgreSQL does not send large values that an UPDATE left unchanged",
            advice: "ALTER TABLE \(relation.origin.sql) REPLICA IDENTITY FULL sends them with later changes; "
                + "to get past this one, filter by another column."
        ).at(table: relation.table, position: batch.transactions[Int(row.transaction)].commitLSN)
    }

    private func located<Value>(_ body: () throws(WeirError) -> Value) throws(WeirError) -> Value {
        do throws(WeirError) {
            return try body()
        } catch {
            throw error.at(position: batch.transactions[Int(row.transaction)].commitLSN)
        }
    }
}
