import Glibc
import WeirCore

/// A change as a statement: its shape and how many rows it has to find.
struct ShapedChange {
    var shape: StatementShape
    var rows: Expectation.Rows
}

/// Decides which statement a change becomes. Pure.
struct RowShaper {
    let applyMode: PostgresTargetSettings.ApplyMode
    let onMissingRow: PostgresTargetSettings.MissingRowPolicy
    /// A copy of the table is ahead of the changes: a row that is not there is gone by then.
    var isOverlap = false

    /// Whether changes say what the row is in the end, rather than what becomes of the row that is there.
    private func overwrites(_ plan: TablePlan) -> Bool {
        (applyMode == .upsert || onMissingRow == .insert) && !plan.layout.conflict.isEmpty
    }

    /// An insert of the columns that were sent.
    func insert(_ row: Row, _ plan: TablePlan, _ batch: ChangeBatch) -> ShapedChange {
        let overwrites = applyMode == .upsert && !plan.layout.conflict.isEmpty
        var shape = StatementShape(kind: overwrites ? .upsert : .insert, set: plan.written)
        let first = Int(row.cells)
        for column in plan.writtenColumns where batch.cells[first + column].isUnchanged {
            shape.set.remove(column)
        }
        return ShapedChange(shape: shape, rows: overwrites ? .any : .one)
    }

    /// A delete by key or by the whole row.
    func delete(_ row: Row, _ plan: TablePlan, _ batch: ChangeBatch) throws(WeirError) -> ShapedChange {
        var shape = StatementShape(kind: .delete)
        try find(row, plan, batch, &shape)
        return ShapedChange(shape: shape, rows: missingRule(plan))
    }

    /// An update of the columns that changed, as far as the old values tell.
    func update(
        _ row: Row, _ plan: TablePlan, _ batch: ChangeBatch, _ bytes: UnsafeRawBufferPointer
    ) throws(WeirError) -> ShapedChange {
        var change = try unsafe difference(row, plan, batch, bytes)
        if overwrites(plan) {
            change.shape.set = change.present
            if isOverlap, !change.shape.carried.isEmpty {
                if change.keyChanged {
                    change.shape.kind = .moveKnown
                    return ShapedChange(shape: change.shape, rows: .one)
                }
                change.shape.carried = ColumnSet()
                if change.shape.set.isEmpty { change.shape.kind = .probe }
                return ShapedChange(shape: change.shape, rows: .any)
            }
            if change.keyChanged, plan.target.rowSecurity {
                // The old row may be there and hidden: only its deletion shows that it is not.
                change.shape.kind = .replace
                return ShapedChange(shape: change.shape, rows: .one)
            } else if change.keyChanged {
                change.shape.kind = .move
            } else if change.shape.carried.isEmpty {
                change.shape = StatementShape(kind: .upsert, set: change.present)
            } else {
                change.shape.kind = .amend
                change.shape.carried = ColumnSet()
            }
            return ShapedChange(shape: change.shape, rows: .any)
        }
        if change.needsReplace {
            change.shape.kind = .replace
            change.shape.set = change.present
        } else {
            change.shape.carried = ColumnSet()
            if change.shape.set.isEmpty { change.shape.kind = .probe }
        }
        return ShapedChange(shape: change.shape, rows: missingRule(plan))
    }

    /// How many rows an update or delete may find. Where row-level security may hide rows, none is never enough.
    private func missingRule(_ plan: TablePlan) -> Expectation.Rows {
        if plan.target.rowSecurity { return .one }
        return applyMode == .exact && onMissingRow == .error ? .one : .atMostOne
    }

    /// What an update changes.
    private struct Difference {
        /// `set` holds the columns that changed or may have, `carried` those that were not sent.
        var shape = StatementShape(kind: .update)
        /// Every written column whose new value was sent.
        var present = ColumnSet()
        var keyChanged = false
        /// A column that UPDATE may not set has changed, or may have.
        var needsReplace = false
    }

    private func difference(
        _ row: Row, _ plan: TablePlan, _ batch: ChangeBatch, _ bytes: UnsafeRawBufferPointer
    ) throws(WeirError) -> Difference {
        var difference = Difference()
        try find(row, plan, batch, &difference.shape)
        let isKeyed = plan.identity == .key || difference.shape.compare == plan.conflict
        let (new, old) = (Int(row.cells), Int(row.oldCells))
        for column in plan.writtenColumns {
            let cell = batch.cells[new + column]
            if cell.isUnchanged {
                difference.shape.carried.insert(column)
                continue
            }
            difference.present.insert(column)
            let isKey = isKeyed && difference.shape.compare.contains(column)
            let hasOld: Bool
            switch row.oldTuple {
            case .none: hasOld = false
            case .key: hasOld = isKey
            case .full: hasOld = !batch.cells[old + column].isUnchanged
            }
            if hasOld {
                if unsafe Self.areEqual(cell, batch.cells[old + column], bytes) { continue }
                if isKey { difference.keyChanged = true }
            } else if isKey {
                // Without an old tuple the key is the same.
                continue
            }
            difference.shape.set.insert(column)
            if plan.layout.columns[column].isAlwaysIdentity { difference.needsReplace = true }
        }
        return difference
    }

    private static func areEqual(_ left: Cell, _ right: Cell, _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard left.kind == right.kind, left.length == right.length else { return false }
        guard left.length > 0, let base = bytes.baseAddress else { return true }
        return unsafe memcmp(base + left.range.lowerBound, base + right.range.lowerBound, left.length) == 0
    }

    /// Fills in which columns find the row and which of them are NULL.
    private func find(
        _ row: Row, _ plan: TablePlan, _ batch: ChangeBatch, _ shape: inout StatementShape
    ) throws(WeirError) {
        let first = Int(row.oldTuple == .none ? row.cells : row.oldCells)
        let isUsable: Bool
        switch plan.identity {
        case .none: isUsable = false
        case .key: isUsable = first >= 0
        case .row: isUsable = row.oldTuple == .full
        }
        guard isUsable else { throw Self.identityMissing(row) }
        if plan.identity == .row, overwrites(plan),
            plan.layout.conflict.allSatisfy({ !batch.cells[first + $0].isNull && !batch.cells[first + $0].isUnchanged })
        {
            // What an insert would overwrite is the row that is meant.
            shape.compare = plan.conflict
            return
        }
        shape.compare = plan.compare
        for column in plan.layout.compare {
            let cell = batch.cells[first + column]
            if cell.isNull {
                shape.nulls.insert(column)
            } else if cell.isUnchanged {
                guard plan.identity == .row else { throw Self.identityMissing(row) }
                shape.compare.remove(column)
            }
        }
    }

    private static func identityMissing(_ row: Row) -> WeirError {
        WeirError(
            .tableUnusable, stage: .sink, "An update or delete does not say which row it is for",
            cause: "the table has no replica identity, or its key was not sent with the \(row.operation.name)",
            advice: "Give the source table a primary key or REPLICA IDENTITY FULL; this change cannot be applied.")
    }
}
