/// One call of `EventEncoder.encode`: all its state in one value on the stack.
struct EncodingRun: ~Copyable {
    typealias Emit = (EncodedEvent, borrowing ByteBuffer) throws(WeirError) -> Void

    let batch: ChangeBatch
    /// The batch's bytes, lent for the time of the call.
    var arena = ByteView.empty
    let context: EncodingContext
    /// Where events are written; the caller's buffer for the time of the call.
    var out = ByteBuffer(capacity: 0)
    /// Constant parts of the envelope for the rows at hand; see `EnvelopeSegments`.
    var segments = EnvelopeSegments()
    var progress: TransactionProgress
    /// What earlier events have said of tables.
    var toldTables = ToldTables()
    /// Index of the first change of a table that is still to come.
    var nextChange = 0
    /// Transactions of the batch that are over.
    private var ended = 0
    var rewinds = true
    let isDebezium: Bool
    let options: DebeziumOptions
    /// Debezium exactly, its losses included.
    let isStrict: Bool
    /// The origin of the last transaction before this batch.
    var lastOrigin: TransactionOrigin?
    /// Bit set of the operations that make no event.
    private let skipped: UInt8

    init(batch: ChangeBatch, context: EncodingContext, progress: TransactionProgress) {
        self.batch = batch
        self.context = context
        self.progress = progress
        isDebezium = context.settings.format == .debezium
        options = context.settings.debezium
        isStrict = isDebezium && options.strict
        skipped = options.skippedOperations.reduce(0) { $0 | 1 << $1.rawValue }
        segments.startBatch(context)
    }

    /// Encodes the batch's rows, and the ends of its transactions.
    mutating func encode(_ emit: Emit) throws(WeirError) {
        let start = out.count
        if context.topics.schemaChange >= 0 { try emitSnapshotTable(emit) }
        for index in batch.rows.indices {
            let row = batch.rows[index]
            if hasSchemaChanges { try emitSchemaChanges(before: row, emit) }
            if context.topics.transaction >= 0 {
                try enter(Int(row.transaction), isPart: takesPart(row), firstLSN: row.lsn, emit)
            }
            if try !makesNoEvent(row, at: index) { try encode(row, at: index, emit) }
            if rewinds { out.truncate(to: start) }
        }
        if hasSchemaChanges { try emitSchemaChanges(before: nil, emit) }
        lastOrigin = origin(before: batch.transactions.count)
        try enter(batch.transactions.count, isPart: false, firstLSN: .zero, emit)
        if rewinds { out.truncate(to: start) }
    }

    /// Emits what metadata of transactions has before an event of a transaction: the ends of those before it and, for
    /// what takes part in its transaction, its begin.
    mutating func enter(
        _ transaction: Int, isPart: Bool, firstLSN: LSN, _ emit: Emit
    ) throws(WeirError) {
        guard context.topics.transaction >= 0 else { return }
        while ended < transaction {
            try endTransaction(ended, emit)
            ended += 1
        }
        if isPart { try beginTransaction(transaction, firstLSN: firstLSN, emit) }
    }

    private mutating func encode(_ row: Row, at index: Int, _ emit: Emit) throws(WeirError) {
        guard row.relation >= 0 else { return try encodeMessage(row, at: index, emit) }
        let program = context.programs[Int(row.relation)]
        var item = RowItem(row: row, index: index, program: program)
        switch row.operation {
        case .insert, .read:
            try emitChange(&item, .change, old: false, new: true, emit)
        case .update:
            if try keyChanged(item) {
                try emitKeyChange(&item, emit)
            } else {
                try emitChange(&item, .change, old: row.oldTuple != .none, new: true, emit)
            }
        case .delete:
            try emitChange(&item, .change, old: true, new: false, emit)
            try emitTombstone(&item, emit)
        case .truncate:
            try emitChange(&item, .truncate, old: false, new: false, emit)
        case .message:
            return
        }
    }

    private func isSkipped(_ operation: Operation) -> Bool { skipped >> operation.rawValue & 1 == 1 }

    private var skipsRows: Bool { isSkipped(.insert) || isSkipped(.update) || isSkipped(.delete) }

    /// Whether a row's operations are all skipped. Debezium takes a key change for a delete and an insert, not for an
    /// update.
    private mutating func makesNoEvent(_ row: Row, at index: Int) throws(WeirError) -> Bool {
        guard isDebezium, skipsRows, row.operation == .update, row.relation >= 0 else {
            return isSkipped(row.operation)
        }
        let item = RowItem(row: row, index: index, program: context.programs[Int(row.relation)])
        return try keyChanged(item) ? isSkipped(.delete) && isSkipped(.insert) : isSkipped(.update)
    }

    /// The events of a change that moved a row to a new key. Those that are skipped keep their places in the ids.
    private mutating func emitKeyChange(_ item: inout RowItem, _ emit: Emit) throws(WeirError) {
        if isDebezium && isSkipped(.delete) {
            item.part += options.tombstones ? 2 : 1
        } else {
            try emitChange(&item, .keyChangeDelete, old: true, new: false, emit)
            try emitTombstone(&item, ofKeyChange: true, emit)
        }
        if isDebezium && isSkipped(.insert) { return }
        try emitChange(&item, .keyChangeCreate, old: false, new: true, emit)
    }

    /// Whether the old key, written, differs from the new one. What the old tuple lacks is taken to be unchanged; by
    /// Debezium to be what stands for a missing value.
    private mutating func keyChanged(_ item: RowItem) throws(WeirError) -> Bool {
        guard item.row.oldTuple != .none else { return false }
        var isPossible = false
        for column in item.program.key where mayDiffer(item.row, column) {
            // Debezium compares what it has read; its JSON has a default in place of NULL only afterwards.
            let isLost = cell(item.row, column, .old).kind == .null
            if isStrict, column.isOptional, isLost != (cell(item.row, column, .new).kind == .null) { return true }
            isPossible = true
        }
        guard isPossible else { return false }
        let start = out.count
        let old = try appendKey(item, old: true, ConstantRange())
        let new = try appendKey(item, old: false, ConstantRange())
        let isChanged = unsafe !out.view(old.span).equals(out.view(new.span))
        out.truncate(to: start)
        return isChanged
    }

    @inline(__always)
    private func mayDiffer(_ row: Row, _ column: ColumnProgram) -> Bool {
        guard column.isIdentity || row.oldTuple == .full else { return isStrict }
        let new = batch.cells[Int(row.cells) + Int(column.cell)]
        if new.isUnchanged { return false }
        let old = batch.cells[Int(row.oldCells) + Int(column.cell)]
        return old.kind != new.kind || !view(old).equals(view(new))
    }

    // MARK: Events of rows

    /// Encodes and emits one event with a value.
    private mutating func emitChange(
        _ item: inout RowItem, _ role: EncodedEvent.Role, old: Bool, new: Bool, _ emit: Emit
    ) throws(WeirError) {
        var event = item.event(role)
        let hasKey = role != .truncate && item.program.hasKey
        if hasKey { event.key = try appendKey(item, old: !new, item.program.keyHead) }
        if isDebezium {
            let head = item.program.view(item.program.valueHead)
            let start = out.beginPart(head)
            try appendEnvelope(item, role, old: old, new: new)
            event.value = out.endPart(start, head)
        } else if new {
            let start = out.count
            try appendRow(item, .new)
            event.value = EncodedEvent.Part(offset: start, count: out.count - start)
        }
        appendHeaders(item, &event)
        if role == .keyChangeDelete { event.add(.newKey, try appendKey(item, old: false, item.program.headerHead)) }
        if role == .keyChangeCreate { event.add(.oldKey, try appendKey(item, old: true, item.program.headerHead)) }
        item.part += 1
        try emit(event, out)
    }

    private mutating func emitTombstone(
        _ item: inout RowItem, ofKeyChange: Bool = false, _ emit: Emit
    ) throws(WeirError) {
        // Without a key there is nothing for compaction to forget, but Debezium sends it all the same.
        guard isDebezium, options.tombstones, options.strict || item.program.hasKey else { return }
        var event = item.event(.tombstone)
        if item.program.hasKey { event.key = try appendKey(item, old: true, item.program.keyHead) }
        appendHeaders(item, &event)
        if ofKeyChange { event.add(.newKey, try appendKey(item, old: false, item.program.headerHead)) }
        item.part += 1
        try emit(event, out)
    }

    private mutating func encodeMessage(_ row: Row, at index: Int, _ emit: Emit) throws(WeirError) {
        var event = EncodedEvent(
            role: .message, topic: context.topics.message, row: index, transaction: Int(row.transaction))
        let prefix = view(batch.cells[Int(row.cells)])
        let content = view(batch.cells[Int(row.cells) + 1])
        let keyHead = context.heads.view(context.heads.messageKey)
        let key = out.beginPart(keyHead)
        out.append("{\"prefix\":" as StaticString)
        out.appendString(prefix)
        out.append(UInt8(ascii: "}"))
        event.key = out.endPart(key, keyHead)
        let valueHead = context.heads.view(context.heads.messageValue)
        let value = out.beginPart(valueHead)
        appendMessageValue(row, prefix: prefix, content: content)
        event.value = out.endPart(value, valueHead)
        appendHeaders(row, part: 0, &event)
        try emit(event, out)
    }

    // MARK: Keys and rows

    /// Which tuple values are taken from.
    enum Tuple { case old, new }

    /// Appends the key as an object of its columns. The old one for deletes, the new one otherwise; what one tuple
    /// lacks comes from the other (a TOASTed key that did not change is only in the old tuple), unless strict.
    private mutating func appendKey(
        _ item: RowItem, old: Bool, _ head: ConstantRange
    ) throws(WeirError) -> EncodedEvent.Part {
        let start = out.beginPart(item.program.view(head))
        if item.program.key.isEmpty { out.append(UInt8(ascii: "{")) }
        var separator = UInt8(ascii: "{")
        for column in item.program.key {
            out.append(separator)
            separator = UInt8(ascii: ",")
            var tuple = old ? Tuple.old : .new
            if old && !isStrict && item.row.cells >= 0 && item.row.oldTuple != .full && !column.isIdentity {
                tuple = .new
            }
            try appendField(item, column, cell(item.row, column, tuple))
        }
        out.append(UInt8(ascii: "}"))
        return out.endPart(start, item.program.view(head))
    }

    /// Appends a whole tuple as an object.
    mutating func appendRow(_ item: RowItem, _ tuple: Tuple) throws(WeirError) {
        if item.program.columns.isEmpty { return out.append("{}" as StaticString) }
        var separator = UInt8(ascii: "{")
        for index in item.program.columns.indices {
            out.append(separator)
            separator = UInt8(ascii: ",")
            try appendField(
                item, item.program.columns[index], cell(item.row, item.program.columns[index], tuple))
        }
        out.append(UInt8(ascii: "}"))
    }

    /// The cell of a column; an unchanged new one is looked up in the old tuple, if that has it.
    @inline(__always)
    private func cell(_ row: Row, _ column: ColumnProgram, _ tuple: Tuple) -> Cell {
        if tuple == .old {
            return row.oldCells < 0 ? .null : batch.cells[Int(row.oldCells) + Int(column.cell)]
        }
        let cell = batch.cells[Int(row.cells) + Int(column.cell)]
        guard cell.isUnchanged, row.oldTuple == .full || (row.oldTuple == .key && column.isIdentity) else {
            return cell
        }
        return batch.cells[Int(row.oldCells) + Int(column.cell)]
    }

    @inline(__always)
    private mutating func appendField(_ item: RowItem, _ column: ColumnProgram, _ cell: Cell) throws(WeirError) {
        out.append(item.program.view(column.name))
        switch cell.kind {
        case .text:
            if column.isStrict { return try appendStrictField(item, column, view(cell)) }
            guard out.appendValue(view(cell), column) else { throw rejected(item, column) }
        case .null: out.append(item.program.view(column.missing))
        case .unchanged: out.append(item.program.view(column.unchanged))
        case .binary: throw rejected(item, column)
        }
    }

    /// Appends a value as Debezium does, where streaming and snapshots differ.
    private mutating func appendStrictField(
        _ item: RowItem, _ column: ColumnProgram, _ text: ByteView
    ) throws(WeirError) {
        let isSnapshot = item.row.operation == .read
        if column.code == .snapshotString && !isSnapshot { return out.append(item.program.view(column.missing)) }
        var exact = column
        exact.isThroughJava = isSnapshot && (column.code == .dateDays || column.code == .dateISO)
        guard out.appendValue(text, exact) else { throw rejected(item, column) }
    }

    /// The bytes of a cell, valid while the batch lives.
    @inline(__always)
    func view(_ cell: Cell) -> ByteView { arena[cell.range] }

    @inline(never)
    private func rejected(_ item: RowItem, _ column: ColumnProgram) -> WeirError {
        let definition = item.program.relation.columns[Int(column.cell)]
        return WeirError(
            .valueRejected, stage: .sink,
            "The value of column \"\(definition.name)\" cannot be written as \(definition.type.name).",
            advice: "Mask or drop the column, or choose other handling modes for the sink."
        ).at(table: item.program.relation.origin, position: batch.transactions[Int(item.row.transaction)].commitLSN)
    }
}

/// A row, its program, and how many events it has had.
struct RowItem {
    let row: Row
    let index: Int
    let program: RelationProgram
    /// 0 for the first event of the row.
    var part = 0

    init(row: Row, index: Int, program: RelationProgram) {
        self.row = row
        self.index = index
        self.program = program
    }

    func event(_ role: EncodedEvent.Role) -> EncodedEvent {
        EncodedEvent(role: role, topic: program.topic, row: index, transaction: Int(row.transaction))
    }
}
