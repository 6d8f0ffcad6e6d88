import WeirCore

/// Marks the batches of a snapshot with their places in it, and numbers their rows in the order in which they go.
///
/// Batches come table by table; those of one table in any order. One batch with rows is held back until it is known
/// whether rows follow, so that the snapshot's last row can be marked.
struct SnapshotMarker {
    /// Takes a batch; false ends the copy early.
    typealias Send = (ChangeBatch) throws(WeirError) -> Bool

    private let purpose: SnapshotPart.Purpose
    private let consistentPoint: LSN
    private var held: [ChangeBatch] = []
    private var table: Relation?
    private var isFirst = true
    private var isFirstOfTable = true
    private var ordinal: UInt64 = 0

    init(purpose: SnapshotPart.Purpose, consistentPoint: LSN) {
        self.purpose = purpose
        self.consistentPoint = consistentPoint
    }

    /// Begins a table.
    mutating func begin(_ table: Relation) {
        self.table = table
        isFirstOfTable = true
        // Copies of different tables may stand at the same place of the log.
        if purpose == .addition { ordinal = UInt64(table.oid) << 31 }
    }

    /// Takes a batch with rows of the table that was begun.
    mutating func add(_ batch: ChangeBatch, send: Send) throws(WeirError) -> Bool {
        for earlier in held where try !send(earlier) { return false }
        held = [marked(numbered(batch), isLastOfTable: false)]
        return true
    }

    /// Ends the table that was begun. One without rows still has a batch.
    mutating func endTable() {
        if let last = held.indices.last, !isFirstOfTable, var part = held[last].snapshot {
            part.isLastOfTable = true
            held[last] = held[last].marking(part, endLSN: nil)
        } else {
            held.append(marked(empty(table.map { [$0] } ?? []), isLastOfTable: true))
        }
        table = nil
    }

    /// Sends what is held back; the last batch ends the snapshot, which makes the consistent point its end.
    mutating func finish(send: Send) throws(WeirError) -> Bool {
        // A snapshot of no table still moves every sink to its consistent point.
        if held.isEmpty { held = [marked(empty([]), isLastOfTable: false, isFirstOfTable: false)] }
        let lastWithRows = held.lastIndex { !$0.rows.isEmpty }
        for index in held.indices {
            var part = held[index].snapshot ?? SnapshotPart(consistentPoint: consistentPoint)
            part.holdsLastRow = index == lastWithRows
            part.isLast = index == held.count - 1
            let end = part.isLast && purpose == .initial ? consistentPoint : nil
            guard try send(held[index].marking(part, endLSN: end)) else { return false }
        }
        held = []
        return true
    }

    private mutating func marked(
        _ batch: ChangeBatch, isLastOfTable: Bool, isFirstOfTable: Bool = true
    ) -> ChangeBatch {
        let part = SnapshotPart(
            purpose: purpose, consistentPoint: consistentPoint, isFirst: isFirst,
            isFirstOfTable: isFirstOfTable && self.isFirstOfTable, isLastOfTable: isLastOfTable)
        isFirst = false
        self.isFirstOfTable = false
        return batch.marking(part, endLSN: nil)
    }

    private func empty(_ relations: [Relation]) -> ChangeBatch {
        ChangeBatch(
            arena: [], rows: [], cells: [], relations: relations, transactions: [], endLSN: nil,
            sealedAt: wallClockMicroseconds())
    }

    /// Readers that work side by side number their rows each for itself: in a stream, ordinals rise.
    private mutating func numbered(_ batch: ChangeBatch) -> ChangeBatch {
        let before = ordinal
        ordinal += UInt64(batch.rows.count)
        guard let first = batch.rows.first, first.ordinal != before + 1 else { return batch }
        let rows = batch.rows.enumerated().map { index, row in
            Row(
                operation: row.operation, oldTuple: row.oldTuple, flags: row.flags, relation: row.relation,
                transaction: row.transaction, cells: row.cells, oldCells: row.oldCells,
                ordinal: before + UInt64(index) + 1, lsn: row.lsn)
        }
        return batch.replacing(rows: rows)
    }
}
