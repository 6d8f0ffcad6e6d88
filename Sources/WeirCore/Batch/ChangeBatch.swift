/// An immutable run of changes: the only thing that crosses a thread between stages.
///
/// Bytes of all values lie in one arena; rows, cells and transactions are flat arrays over it. Sendable; copying it
/// copies four references.
public struct ChangeBatch: Sendable {
    /// The values' bytes.
    public let arena: [UInt8]
    /// The changes in stream order.
    public let rows: [Row]
    /// The rows' cells.
    public let cells: [Cell]
    /// The relations that rows refer to by index.
    public let relations: [Relation]
    /// The transactions, in stream order, that rows refer to by index.
    public let transactions: [TransactionInfo]
    /// Changes of tables' definitions, in stream order; see ``SchemaChange`` for their places among the rows. Sinks
    /// that follow no definitions pass over them.
    public let schemaChanges: [SchemaChange]
    /// Set when the batch is part of a snapshot.
    public let snapshot: SnapshotPart?
    /// End of the last whole commit in it: what is safe to confirm once this batch and all before it are durable.
    /// Nil when no transaction ends here.
    public let endLSN: LSN?
    /// A source's own resume point in place of an LSN (Kafka offsets), valid once this batch is durable.
    public let resumeToken: String?
    /// When the source sealed it: microseconds since 1970-01-01 UTC.
    public let sealedAt: Int64
    /// Set when a heartbeat follows the rows: its time, milliseconds since 1970-01-01 UTC. Sinks that write no events
    /// pass over it.
    public let heartbeat: Int64?

    /// Makes a batch of parts that fit together: every index in range, every cell inside the arena.
    public init(
        arena: [UInt8], rows: [Row], cells: [Cell], relations: [Relation], transactions: [TransactionInfo],
        schemaChanges: [SchemaChange] = [], snapshot: SnapshotPart? = nil, endLSN: LSN?, resumeToken: String? = nil,
        sealedAt: Int64, heartbeat: Int64? = nil
    ) {
        self.arena = arena
        self.rows = rows
        self.cells = cells
        self.relations = relations
        self.transactions = transactions
        self.schemaChanges = schemaChanges
        self.snapshot = snapshot
        self.endLSN = endLSN
        self.resumeToken = resumeToken
        self.sealedAt = sealedAt
        self.heartbeat = heartbeat
    }

    /// Memory the batch holds, in bytes, for budgets.
    public var byteCount: Int {
        arena.count + rows.count * MemoryLayout<Row>.stride + cells.count * MemoryLayout<Cell>.stride
    }

    /// The relation of a row; nil for a logical message.
    @inlinable
    public func relation(of row: Row) -> Relation? {
        row.relation < 0 ? nil : relations[Int(row.relation)]
    }

    /// The identity of a row's event.
    @inlinable
    public func identity(of row: Row) -> EventIdentity {
        EventIdentity(commit: transactions[Int(row.transaction)].commitLSN, ordinal: row.ordinal)
    }

    /// A new cell of a row.
    @inlinable
    public func cell(_ column: Int, of row: Row) -> Cell { cells[Int(row.cells) + column] }

    /// An old cell of a row.
    @inlinable
    public func oldCell(_ column: Int, of row: Row) -> Cell { cells[Int(row.oldCells) + column] }

    /// A value as a string, nil for NULL and unchanged. Allocates: for tests, errors and rare paths.
    public func text(_ cell: Cell) -> String? {
        switch cell.kind {
        case .text, .binary: String(decoding: arena[cell.range], as: UTF8.self)
        case .null, .unchanged: nil
        }
    }

    /// The batch with another place in its snapshot and another end.
    public func marking(_ snapshot: SnapshotPart?, endLSN: LSN?) -> ChangeBatch {
        ChangeBatch(
            arena: arena, rows: rows, cells: cells, relations: relations, transactions: transactions,
            schemaChanges: schemaChanges, snapshot: snapshot, endLSN: endLSN, resumeToken: resumeToken,
            sealedAt: sealedAt, heartbeat: heartbeat)
    }

    /// The batch with a heartbeat behind its rows; `time` is in milliseconds since 1970-01-01 UTC.
    public func beating(at time: Int64) -> ChangeBatch {
        ChangeBatch(
            arena: arena, rows: rows, cells: cells, relations: relations, transactions: transactions,
            schemaChanges: schemaChanges, snapshot: snapshot, endLSN: endLSN, resumeToken: resumeToken,
            sealedAt: sealedAt, heartbeat: time)
    }

    /// The first `count` transactions with their rows; nil where they are not whole, or are part of a snapshot. The
    /// source's own resume point and the heartbeat, which belong to the whole batch, are left out.
    public func prefix(transactions count: Int) -> ChangeBatch? {
        let part = Array(transactions.prefix(count))
        guard snapshot == nil, let last = part.last, part.allSatisfy(\.ends) else { return nil }
        let rows = Array(rows.prefix(last.rows.upperBound))
        let changes = schemaChanges.filter { $0.transaction < Int32(count) }
        // Relations are in the order of their first rows and changes.
        let used = max(rows.map(\.relation).max() ?? -1, changes.map { max($0.relation, $0.previous) }.max() ?? -1)
        return ChangeBatch(
            arena: arena, rows: rows, cells: cells, relations: Array(relations.prefix(Int(used) + 1)),
            transactions: part, schemaChanges: changes, endLSN: last.endLSN, sealedAt: sealedAt)
    }

    /// The batch without the transactions whose commit LSN is below `position`, and without their rows. Transactions of
    /// a stream come in commit order, so these are the first ones.
    public func dropping(transactionsBelow position: LSN) -> ChangeBatch {
        let count = transactions.prefix { $0.commitLSN < position }.count
        guard count > 0 else { return self }
        let dropped = transactions[count - 1].rows.upperBound
        let kept = rows[dropped...].map { $0.moving(toTransaction: $0.transaction - Int32(count)) }
        let left = transactions[count...].map { transaction in
            var moved = transaction
            moved.rows = transaction.rows.lowerBound - dropped..<transaction.rows.upperBound - dropped
            return moved
        }
        let changes = schemaChanges.filter { $0.transaction >= Int32(count) }
            .map { $0.moving(toTransaction: $0.transaction - Int32(count)) }
        return replacing(rows: kept, transactions: left, schemaChanges: changes)
    }

    /// The batch with other rows, relations or transactions over the same arena and, unless given, the same cells.
    public func replacing(
        rows: [Row], cells: [Cell]? = nil, relations: [Relation]? = nil, transactions: [TransactionInfo]? = nil,
        arena: [UInt8]? = nil, schemaChanges: [SchemaChange]? = nil
    ) -> ChangeBatch {
        ChangeBatch(
            arena: arena ?? self.arena, rows: rows, cells: cells ?? self.cells,
            relations: relations ?? self.relations, transactions: transactions ?? self.transactions,
            schemaChanges: schemaChanges ?? self.schemaChanges,
            snapshot: snapshot, endLSN: endLSN, resumeToken: resumeToken, sealedAt: sealedAt, heartbeat: heartbeat)
    }
}
