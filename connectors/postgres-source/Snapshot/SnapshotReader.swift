import LibPQ
import WeirCore

/// One table of a snapshot: what to copy and as which relation.
struct SnapshotTable {
    /// The table.
    let table: CatalogTable
    /// Its columns as events will have them.
    let relation: Relation
    /// The publication's row filter as SQL, nil when there is none.
    let rowFilter: String?

    /// COPY of exactly the rows that the publication would have carried. A partitioned table is read through its root,
    /// any other without the tables that inherit from it.
    var copyStatement: String {
        let list = relation.columns.map { TableName.quote($0.name) }.joined(separator: ", ")
        let isRoot = table.kind == "p"
        if rowFilter == nil, !isRoot, !relation.columns.isEmpty {
            return "COPY \(table.name.sql) (\(list)) TO STDOUT"
        }
        let filter = rowFilter.map { " WHERE \($0)" } ?? ""
        return "COPY (SELECT \(list) FROM \(isRoot ? "" : "ONLY ")\(table.name.sql)\(filter)) TO STDOUT"
    }
}

/// Copies tables inside one snapshot and turns their rows into marked batches, in the order of the tables.
///
/// The connection is in a REPEATABLE READ transaction that imported the snapshot. Batches carry the byte before the
/// consistent point as commit LSN and a running ordinal. One batch with rows is held back until it is known whether
/// rows follow, so that the snapshot's last row can be marked.
struct SnapshotReader: ~Copyable {
    private let purpose: SnapshotPart.Purpose
    private let consistentPoint: LSN
    private let xid: UInt32
    private let startTime: Int64
    private let limits: BatchLimits
    private var decoder = CopyRowDecoder()
    private var ordinal: UInt64 = 0
    private var held: [ChangeBatch] = []
    private var hasSentRows = false
    private var isFirst = true
    /// Rows read so far.
    private(set) var rows: UInt64 = 0

    /// `xid` and `startTime` (microseconds since 1970-01-01 UTC) stand in the events' source block.
    init(
        purpose: SnapshotPart.Purpose, consistentPoint: LSN, xid: UInt32, startTime: Int64, limits: BatchLimits
    ) {
        self.purpose = purpose
        self.consistentPoint = consistentPoint
        self.xid = xid
        self.startTime = startTime
        self.limits = limits
    }

    /// Copies one table, handing each batch to `send`; false from it ends the copy early.
    mutating func copy(
        _ table: SnapshotTable, on connection: borrowing PGConnection,
        send: (ChangeBatch) throws(WeirError) -> Bool
    ) throws(WeirError) -> Bool {
        do throws(PGError) {
            _ = try connection.query(table.copyStatement, operation: "snapshot of \(table.table.name)")
        } catch {
            throw SourceErrors.copying(error, table.table.name)
        }
        var builder = BatchBuilder(limits: limits)
        begin(&builder)
        builder.register(table.relation)
        var isFirstOfTable = true
        while let message = try next(table, on: connection) {
            try append(message, of: table, to: &builder)
            if builder.isFull {
                let batch = seal(&builder, isFirstOfTable: isFirstOfTable, isLastOfTable: false)
                isFirstOfTable = false
                guard try hold(batch, send) else { return false }
                builder.register(table.relation)
            }
        }
        let last = seal(&builder, isFirstOfTable: isFirstOfTable, isLastOfTable: true)
        return try hold(last, send)
    }

    /// Sends what is held back; the last batch ends the snapshot, which makes the consistent point its end.
    mutating func finish(send: (ChangeBatch) throws(WeirError) -> Bool) throws(WeirError) -> Bool {
        if held.isEmpty { held = [emptySnapshot()] }
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

    private func begin(_ builder: inout BatchBuilder) {
        builder.begin(
            TransactionInfo(
                xid: xid, commitLSN: LSN(consistentPoint.rawValue &- 1), commitTime: startTime, rows: 0..<0,
                begins: true, ends: false),
            ordinal: ordinal)
    }

    private func next(
        _ table: SnapshotTable, on connection: borrowing PGConnection
    ) throws(WeirError) -> CopyMessage? {
        do throws(PGError) {
            return try connection.copyOut(operation: "snapshot of \(table.table.name)")
        } catch {
            throw SourceErrors.copying(error, table.table.name)
        }
    }

    private mutating func append(
        _ message: borrowing CopyMessage, of table: SnapshotTable, to builder: inout BatchBuilder
    ) throws(WeirError) {
        let cells = builder.cellCount
        do throws(CopyRowError) {
            try unsafe decoder.appendCells(
                message.bytes, columns: table.relation.columns.count, to: &builder)
        } catch {
            throw WeirError(
                .protocolViolation, stage: .source, "A row of the snapshot is not in COPY's text format",
                cause: "\(error)", advice: "Report this with the server's version; the snapshot starts again."
            ).at(table: table.table.name, position: consistentPoint)
        }
        builder.addRow(.read, relation: table.relation, lsn: consistentPoint, cells: cells)
        ordinal += 1
        rows += 1
    }

    private mutating func seal(
        _ builder: inout BatchBuilder, isFirstOfTable: Bool, isLastOfTable: Bool
    ) -> ChangeBatch {
        let hasRows = builder.rowCount > 0
        let part = SnapshotPart(
            purpose: purpose, consistentPoint: consistentPoint, isFirst: isFirst, isFirstOfTable: isFirstOfTable,
            isLastOfTable: isLastOfTable, holdsFirstRow: hasRows && !hasSentRows)
        isFirst = false
        hasSentRows = hasSentRows || hasRows
        return builder.seal(at: wallClockMicroseconds(), snapshot: part)
    }

    /// Keeps the batch; sends what was kept before once this one has rows.
    private mutating func hold(
        _ batch: ChangeBatch, _ send: (ChangeBatch) throws(WeirError) -> Bool
    ) throws(WeirError) -> Bool {
        if !batch.rows.isEmpty {
            for earlier in held where try !send(earlier) { return false }
            held = []
        }
        held.append(batch)
        return true
    }

    /// A snapshot of no table still moves every sink to its consistent point.
    private func emptySnapshot() -> ChangeBatch {
        ChangeBatch(
            arena: [], rows: [], cells: [], relations: [], transactions: [],
            snapshot: SnapshotPart(purpose: purpose, consistentPoint: consistentPoint, isFirst: isFirst), endLSN: nil,
            sealedAt: wallClockMicroseconds())
    }
}
