/// When a batch is full.
public struct BatchLimits: Sendable, Equatable {
    /// Seal once the batch holds this many bytes.
    public var bytesMax: Int
    /// Seal once it holds this many rows.
    public var rowsMax: Int

    /// 512 KiB or 8192 rows unless told otherwise.
    public init(bytesMax: Int = 512 << 10, rowsMax: Int = 8192) {
        self.bytesMax = bytesMax
        self.rowsMax = rowsMax
    }
}

/// Builds a batch on the source's thread: one copy of a row's bytes into the arena, cells as ranges, no allocation
/// per row beyond the amortised growth of four arrays.
///
/// Protocol of use: `begin`, then rows, then `commit`; a batch may be sealed in between, and the open transaction
/// goes on in the next one. A row is added as `appendBytes` (or `appendCell…`) followed by `addRow`.
public struct BatchBuilder: ~Copyable {
    /// When `isFull` turns true.
    public let limits: BatchLimits
    @usableFromInline var arena: [UInt8] = []
    @usableFromInline var rows: [Row] = []
    @usableFromInline var cells: [Cell] = []
    private var relations: [Relation] = []
    @usableFromInline var transactions: [TransactionInfo] = []
    private var schemaChanges: [SchemaChange] = []
    private var endLSN: LSN?
    private var open: TransactionInfo?
    @usableFromInline var ordinal: UInt64 = 0
    @usableFromInline var lastRelation: Relation?
    @usableFromInline var lastRelationIndex: Int32 = -1

    /// Makes an empty builder.
    public init(limits: BatchLimits = BatchLimits()) {
        self.limits = limits
        reserve()
    }

    private mutating func reserve() {
        arena.reserveCapacity(min(limits.bytesMax, 4 << 20))
        rows.reserveCapacity(min(limits.rowsMax, 4096))
        cells.reserveCapacity(min(limits.rowsMax, 4096) * 8)
    }

    /// Whether nothing was added since the last seal: no row, no commit, no change of a table.
    public var isEmpty: Bool { rows.isEmpty && endLSN == nil && schemaChanges.isEmpty }
    /// Whether a transaction was begun and not committed.
    public var hasOpenTransaction: Bool { open != nil }
    /// Rows so far.
    public var rowCount: Int { rows.count }
    /// Index of the next cell to be appended.
    @inlinable
    public var cellCount: Int { cells.count }
    /// Bytes in the arena so far: the offset of the next byte to be appended.
    @inlinable
    public var arenaCount: Int { arena.count }
    /// Whether a limit is reached: seal before adding more.
    @inlinable
    public var isFull: Bool {
        arena.count + cells.count * 8 + rows.count * 48 >= limits.bytesMax || rows.count >= limits.rowsMax
    }

    /// Opens a transaction. The ordinal starts again at 1, or goes on after `ordinal`.
    public mutating func begin(_ transaction: TransactionInfo, ordinal: UInt64 = 0) {
        var started = transaction
        started.rows = rows.count..<rows.count
        started.begins = true
        started.ends = false
        started.endLSN = .zero
        transactions.append(started)
        open = started
        self.ordinal = ordinal
    }

    /// Closes the open transaction; `endLSN` becomes the batch's end.
    public mutating func commit(endLSN: LSN) {
        guard open != nil else { return }
        let index = transactions.count - 1
        transactions[index].rows = transactions[index].rows.lowerBound..<rows.count
        transactions[index].endLSN = endLSN
        transactions[index].ends = true
        self.endLSN = endLSN
        open = nil
    }

    /// Makes `next` the ordinal of the next row, unless a later one is due: for sources whose rows come with theirs.
    public mutating func skip(toOrdinal next: UInt64) {
        ordinal = max(ordinal, next > 0 ? next - 1 : 0)
    }

    /// Names the open transaction's replication origin, and where the transaction ended there.
    public mutating func setOrigin(_ name: String, lsn: LSN) {
        guard open != nil else { return }
        open?.originName = name
        open?.originLSN = lsn
        transactions[transactions.count - 1].originName = name
        transactions[transactions.count - 1].originLSN = lsn
    }

    /// Copies bytes to the end of the arena and returns the offset of the first.
    @inlinable
    public mutating func appendBytes(_ bytes: UnsafeRawBufferPointer) -> Int {
        let offset = arena.count
        unsafe arena.append(contentsOf: bytes)
        return offset
    }

    /// Appends a cell that refers to bytes already in the arena, NULL, or unchanged.
    @inlinable
    public mutating func appendCell(_ cell: Cell) { cells.append(cell) }

    /// Copies a value into the arena and appends its cell.
    public mutating func appendText(_ text: some Sequence<UInt8>) {
        let offset = arena.count
        arena.append(contentsOf: text)
        cells.append(Cell(kind: .text, offset: offset, length: arena.count - offset))
    }

    /// Lends the bytes of a cell that was appended before.
    public func withBytes<Value>(of cell: Cell, _ body: (UnsafeRawBufferPointer) -> Value) -> Value {
        unsafe arena[cell.range].withUnsafeBytes { unsafe body($0) }
    }

    /// A cell appended before, by index.
    @inlinable
    public func cell(at index: Int) -> Cell { cells[index] }
    /// Replaces a cell appended before.
    @inlinable
    public mutating func setCell(at index: Int, _ cell: Cell) { cells[index] = cell }

    /// Adds a change whose cells were appended before. `cells` and `oldCells` are indexes as `cellCount` gave them
    /// before appending, -1 when there are none. The open transaction's next ordinal is the row's.
    @inlinable
    public mutating func addRow(
        _ operation: Operation, relation: Relation?, lsn: LSN, cells: Int = -1, oldCells: Int = -1,
        oldTuple: Row.OldTuple = .none, flags: Row.Flags = []
    ) {
        ordinal &+= 1
        rows.append(
            Row(
                operation: operation, oldTuple: oldTuple, flags: flags, relation: index(of: relation),
                transaction: Int32(truncatingIfNeeded: transactions.count - 1),
                cells: Int32(truncatingIfNeeded: cells), oldCells: Int32(truncatingIfNeeded: oldCells),
                ordinal: ordinal, lsn: lsn))
    }

    /// Adds a change of a table's definition behind the rows so far; without a relation where it was missed. It takes
    /// no ordinal. Outside a transaction it has no place and is left out.
    public mutating func addSchemaChange(
        _ kind: SchemaChange.Kind, relation: Relation?, previous: Relation? = nil, lsn: LSN,
        command: SchemaChange.Command? = nil
    ) {
        guard open != nil else { return }
        let before = previous.map { register($0) } ?? -1
        schemaChanges.append(
            SchemaChange(
                kind, relation: relation.map { register($0) } ?? -1, previous: before,
                transaction: Int32(transactions.count - 1),
                nextOrdinal: ordinal + 1, lsn: lsn, command: command))
    }

    /// Counts a change that is left out: the ordinals after it stay what they would be with it.
    @inlinable
    public mutating func skipChange() { ordinal &+= 1 }

    @inlinable
    mutating func index(of relation: Relation?) -> Int32 {
        guard let relation else { return -1 }
        if relation === lastRelation { return lastRelationIndex }
        return register(relation)
    }

    /// Makes a relation part of the batch, also without rows (an empty table of a snapshot), and returns its index.
    @discardableResult
    public mutating func register(_ relation: Relation) -> Int32 {
        var index = relations.firstIndex { $0 === relation }
        if index == nil {
            relations.append(relation)
            index = relations.count - 1
        }
        lastRelation = relation
        lastRelationIndex = Int32(truncatingIfNeeded: index ?? 0)
        return lastRelationIndex
    }

    /// Ends the batch and starts the next one, in which an open transaction goes on.
    public mutating func seal(
        at now: Int64, snapshot: SnapshotPart? = nil, resumeToken: String? = nil
    ) -> ChangeBatch {
        if open != nil, let last = transactions.indices.last {
            transactions[last].rows = transactions[last].rows.lowerBound..<rows.count
        }
        let batch = ChangeBatch(
            arena: arena, rows: rows, cells: cells, relations: relations, transactions: transactions,
            schemaChanges: schemaChanges, snapshot: snapshot, endLSN: endLSN, resumeToken: resumeToken, sealedAt: now)
        arena = []
        rows = []
        cells = []
        relations = []
        transactions = []
        schemaChanges = []
        endLSN = nil
        lastRelation = nil
        reserve()
        if var continued = open {
            continued.begins = false
            continued.rows = 0..<0
            open = continued
            transactions.append(continued)
        }
        return batch
    }
}
