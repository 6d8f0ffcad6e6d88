/// Keeps some rows of some tables: `filter`.
///
/// With conditions the table's rows that hold them are a set, and what comes out are the changes of that set, as a
/// publication's row filter has it:
///
/// | the row before | the row now | an UPDATE becomes |
/// |---|---|---|
/// | in the set | in the set | an update |
/// | not in it | in the set | an insert |
/// | in the set | not in it | a delete |
/// | not in it | not in it | nothing |
///
/// The row before is known from a full old tuple (REPLICA IDENTITY FULL), or where the conditions are on columns of the
/// key. Where it is not known, an update into or within the set stays an update, and one out of it, as well as every
/// DELETE, becomes a delete by key: it may name a row that was never in the set, which is harmless for whoever
/// applies events by key; nothing that left the set is ever kept by mistake. `operations` is judged afterwards.
/// TRUNCATE is subject to `operations` only. A condition on a TOASTed column that an UPDATE left unchanged, and that no
/// full old tuple holds, is an error: whether the row is in the set cannot be told.
///
/// Arena and cells are shared with the batch before; a few cells are added where an event's kind changes.
final class FilterTransform: Transform {
    private struct Plan {
        /// Operations that go on, by raw value.
        let operations: OperationMask
        let conditions: ConditionPlan
    }

    private let tables: TableSelection?
    private let operations: OperationMask
    private let conditions: [ColumnCondition]
    private var known = RelationPlans<Plan?>()

    init(_ settings: FilterSettings) throws(WeirError) {
        tables = try settings.table.map { text throws(WeirError) in try TransformChain.selection(text) }
        operations = OperationMask(settings.operations)
        conditions = settings.conditions
        guard settings.operations != nil || !conditions.isEmpty else {
            throw TransformChain.invalid(
                "A filter transform filters nothing", "Write `operations`, `where`, or both.")
        }
        for condition in conditions {
            switch condition.test {
            case .any(let values), .none(let values):
                guard values.isEmpty else { continue }
                throw TransformChain.invalid(
                    "A filter's condition on column \(condition.column) has an empty list", "List at least one value.")
            default: continue
            }
        }
    }

    func apply(_ batch: ChangeBatch) throws(WeirError) -> ChangeBatch {
        let plans = try known.plans(for: batch, make: plan)
        let dropsMessages = tables == nil && !operations.contains(.message)
        guard dropsMessages || plans.contains(where: { $0 != nil }) else { return batch }
        var output = FilterOutput(batch)
        for index in batch.rows.indices {
            let row = batch.rows[index]
            guard row.relation >= 0 else {
                if dropsMessages { output.drop(index) } else { output.keep(row) }
                continue
            }
            guard let plan = plans[Int(row.relation)] else {
                output.keep(row)
                continue
            }
            try Self.filter(row, index, plan, batch, &output)
        }
        return output.finish()
    }

    private func plan(for relation: Relation) throws(WeirError) -> Plan? {
        if let tables, !tables.contains(relation.table) { return nil }
        return Plan(operations: operations, conditions: try ConditionPlan(conditions, for: relation))
    }

    private static func filter(
        _ row: Row, _ index: Int, _ plan: Plan, _ batch: ChangeBatch, _ output: inout FilterOutput
    ) throws(WeirError) {
        if plan.operations.isEmpty {
            output.drop(index)
            return
        }
        let judge = RowJudge(plan: plan.conditions, batch: batch, row: row)
        switch try judge.outcome() {
        case .nothing:
            output.drop(index)
        case .same:
            if plan.operations.contains(row.operation) { output.keep(row) } else { output.drop(index) }
        case .insert:
            guard plan.operations.contains(.insert) else { return output.drop(index) }
            output.keep(try judge.insert(&output))
        case .delete:
            guard plan.operations.contains(.delete) else { return output.drop(index) }
            output.keep(try judge.delete(&output))
        }
    }
}

/// A set of operations in one byte.
struct OperationMask {
    private let bits: UInt8

    /// All when nil; `insert` brings `read` along.
    init(_ operations: Set<Operation>?) {
        var bits: UInt8 = 0
        for operation in operations ?? Set(Operation.allCases) {
            bits |= 1 << operation.rawValue
            if operation == .insert { bits |= 1 << Operation.read.rawValue }
        }
        self.bits = bits
    }

    var isEmpty: Bool { bits == 0 }

    func contains(_ operation: Operation) -> Bool { bits & (1 << operation.rawValue) != 0 }
}

/// The rows that a filter lets through, and what follows from the ones it does not.
struct FilterOutput {
    private let batch: ChangeBatch
    private var rows: [Row] = []
    private var added: [Cell] = []
    /// Indexes of the rows that were dropped, rising.
    private var dropped: [Int] = []
    /// A row came out other than it went in.
    private var isChanged = false
    /// The first row of the TRUNCATE at hand was dropped: the next one kept begins the statement.
    private var truncateLostItsHead = false

    init(_ batch: ChangeBatch) {
        self.batch = batch
        rows.reserveCapacity(batch.rows.count)
    }

    /// Lets a row through as it is.
    mutating func keep(_ row: Row) {
        guard row.operation == .truncate else { return rows.append(row) }
        guard row.flags.contains(.continuesStatement), truncateLostItsHead else {
            truncateLostItsHead = false
            return rows.append(row)
        }
        truncateLostItsHead = false
        isChanged = true
        rows.append(row.changed(row.operation, flags: row.flags.subtracting(.continuesStatement)))
    }

    /// Drops a row, by its index in the batch.
    mutating func drop(_ index: Int) {
        dropped.append(index)
        let row = batch.rows[index]
        if row.operation == .truncate, !row.flags.contains(.continuesStatement) { truncateLostItsHead = true }
    }

    /// Adds a cell behind the batch's own and returns its index.
    mutating func add(_ cell: Cell) -> Int32 {
        isChanged = true
        added.append(cell)
        return Int32(truncatingIfNeeded: batch.cells.count + added.count - 1)
    }

    /// Says that a row that is kept was changed.
    mutating func noteChange() { isChanged = true }

    /// The batch with what is left.
    func finish() -> ChangeBatch {
        guard isChanged || !dropped.isEmpty else { return batch }
        return batch.replacing(
            rows: rows, cells: added.isEmpty ? nil : batch.cells + added,
            transactions: dropped.isEmpty ? nil : batch.transactions.map(moved))
    }

    private func moved(_ transaction: TransactionInfo) -> TransactionInfo {
        var moved = transaction
        moved.rows = place(transaction.rows.lowerBound)..<place(transaction.rows.upperBound)
        return moved
    }

    /// Where the row that was at `index`, or the next one kept, is now.
    private func place(_ index: Int) -> Int {
        var low = 0, high = dropped.count
        while low < high {
            let middle = (low + high) / 2
            if dropped[middle] < index { low = middle + 1 } else { high = middle }
        }
        return index - low
    }
}

extension Row {
    /// The row with another operation and what goes with it.
    func changed(
        _ operation: Operation, oldTuple: OldTuple? = nil, flags: Flags? = nil, cells: Int32? = nil,
        oldCells: Int32? = nil
    ) -> Row {
        Row(
            operation: operation, oldTuple: oldTuple ?? self.oldTuple, flags: flags ?? self.flags, relation: relation,
            transaction: transaction, cells: cells ?? self.cells, oldCells: oldCells ?? self.oldCells,
            ordinal: ordinal, lsn: lsn)
    }
}
