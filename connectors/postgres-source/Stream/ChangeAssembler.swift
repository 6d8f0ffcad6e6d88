import PgOutput
import WeirCore

/// Turns messages of the stream into rows of a batch: decodes, checks the protocol's order, copies each row once.
///
/// Pure: no connection, no clock. The stream's thread hands in messages in order and seals batches out. After an error
/// the stream cannot go on.
struct ChangeAssembler: ~Copyable {
    /// What a message asks of the caller.
    enum Request: Equatable {
        /// Nothing.
        case none
        /// A table was described: look up what the catalog adds and call `define`.
        case describe
        /// The event trigger told of tables in these bytes of the message: read them and call `learn` and `drop`.
        case definitions(Range<Int>)
    }

    private struct Table {
        let relation: Relation
        let isIncluded: Bool
        /// Of the columns, in a binary stream.
        let forms: [BinaryForm?]
        /// Its texts may not be UTF-8.
        let isChecked: Bool
    }

    /// Between 1970-01-01 and 2000-01-01 UTC, in microseconds: the protocol counts from the latter.
    private static let postgresEpoch: Int64 = 946_684_800_000_000

    private(set) var builder: BatchBuilder
    private var decoder = PgOutputDecoder()
    private var state = StreamState()
    private let resume: LSN
    /// The beginning of the first transaction that another agent delivered.
    private var partial: PartialTransaction?
    private let selection: TableSelection?
    private var tables: [UInt32: Table] = [:]
    /// The versions that the batches have told of.
    private var announced: [UInt32: Relation] = [:]
    private var recentOID: UInt32 = 0
    private var recent: Table?
    /// What is left out of which tables.
    private var gates: [UInt32: TableGate] = [:]
    /// Transactions whose changes were left out by closed gates, by table.
    private var leftOut: [UInt32: [UInt32]] = [:]
    /// The number of the transaction at hand, or of the last one; 0 before the first.
    private(set) var xid: UInt32 = 0
    /// Changes of the transaction at hand up to here were delivered before this start.
    private var delivered = LSN.zero
    /// Values come in binary form.
    private let isBinary: Bool
    /// Set where the server does not check that all text is UTF-8.
    private let textRule: TextRule?
    private var binary: BinaryRow
    /// The transaction at hand was delivered before this start.
    private var isSkipping = false
    /// End of the last transaction seen, delivered before or not, or position of a message outside transactions; nil
    /// before the first.
    private(set) var lastEnd: LSN?
    /// Position of the message at hand.
    private var messageLSN = LSN.zero
    /// Microseconds since 1970-01-01 UTC, kept current by the caller: the time of messages outside transactions, which
    /// carry none.
    var now: Int64 = 0

    /// Starts before the first message. Transactions whose commit record starts before `resume` are left out;
    /// `selection` narrows what the publication sends, nil takes all of it. Of the transaction that `partial` names
    /// only what comes behind its position is taken. `binaryOf` is the version of a server that sends values in binary
    /// form; nil for text. `textRule` is nil where the server checks all text.
    init(
        resume: LSN, partial: PartialTransaction? = nil, selection: TableSelection?, limits: BatchLimits,
        binaryOf serverVersion: Int? = nil, textRule: TextRule? = nil
    ) {
        self.resume = resume
        self.partial = partial
        self.selection = selection
        isBinary = serverVersion != nil
        self.textRule = textRule
        binary = BinaryRow(serverVersion: serverVersion ?? 0)
        builder = BatchBuilder(limits: limits)
    }

    /// Whether the stream is inside a transaction.
    var isInTransaction: Bool { state.phase != .idle }

    /// Whether the transaction of which a part was delivered is still to come: no position stands for that part.
    var awaitsPartial: Bool { partial != nil }

    /// What the last Relation message said; for `define`.
    var description: RelationMessage { decoder.relation }

    /// Ends the batch; an open transaction goes on in the next one.
    mutating func seal(at now: Int64) -> ChangeBatch { builder.seal(at: now) }

    /// Takes in the table that the last message described. Where it is another version than the one before, the batch
    /// says so.
    mutating func define(_ relation: Relation) { replace(relation) }

    /// Takes in what became of a table whose name another one has now: `relation` under another name, or dropped.
    mutating func displace(_ relation: Relation, isDropped: Bool) {
        guard isDropped else { return replace(relation) }
        forget(relation)
    }

    /// Takes in a table's definition as the event trigger has it; the batch says so. Where it has other columns than
    /// the stream last described, rows are still read by that: the stream describes the table anew before they change.
    mutating func learn(_ relation: Relation, isNew: Bool, _ command: SchemaChange.Command) {
        if let table = tables[relation.oid], table.relation.hasTheCells(of: relation) {
            recent = nil
            tables[relation.oid] = version(relation)
        }
        if announced[relation.oid] != nil {
            announce(relation, command)
        } else if includes(relation) {
            announced[relation.oid] = relation
            guard !isSkipping else { return }
            builder.addSchemaChange(
                isNew ? .created : .described, relation: relation, lsn: messageLSN, command: command)
        }
    }

    /// Takes in that a change could not be told.
    mutating func miss(_ command: SchemaChange.Command?) {
        guard !isSkipping else { return }
        builder.addSchemaChange(.missed, relation: nil, lsn: messageLSN, command: command)
    }

    /// Whether the batches have told of a table.
    func knows(_ oid: UInt32) -> Bool { announced[oid] != nil }

    /// Takes in that a table was dropped; `relation` is what was last known of it.
    mutating func drop(_ relation: Relation, _ command: SchemaChange.Command) {
        if announced[relation.oid] == nil { announced[relation.oid] = relation }
        forget(relation, command)
    }

    private mutating func forget(_ relation: Relation, _ command: SchemaChange.Command? = nil) {
        recent = nil
        tables[relation.oid] = nil
        guard let known = announced.removeValue(forKey: relation.oid), !isSkipping else { return }
        builder.addSchemaChange(.dropped, relation: known, lsn: messageLSN, command: command)
    }

    /// Makes `relation` the version that rows are read by, and tells of it when the one before was told of.
    private mutating func replace(_ relation: Relation) {
        recent = nil
        tables[relation.oid] = version(relation)
        if announced[relation.oid] != nil { announce(relation) }
    }

    private func version(_ relation: Relation) -> Table {
        Table(
            relation: relation, isIncluded: includes(relation),
            forms: isBinary ? relation.columns.map { BinaryForm($0.type) } : [],
            isChecked: textRule?.applies(to: relation) == true)
    }

    /// Tells of a version that follows another one.
    private mutating func announce(_ relation: Relation, _ command: SchemaChange.Command? = nil) {
        let old = announced[relation.oid]
        announced[relation.oid] = includes(relation) ? relation : nil
        guard !isSkipping, old !== relation else { return }
        builder.addSchemaChange(
            .altered, relation: relation, previous: old, lsn: messageLSN, command: command)
    }

    /// A column whose values a binary stream sends in a form that is not known: the stream cannot go on then.
    func columnWithoutForm(_ relation: Relation) -> Column? {
        guard isBinary, includes(relation) else { return nil }
        return relation.columns.first { BinaryForm($0.type) == nil }
    }

    /// Whether the selection takes the table under its name in this version. Never one of Weir's own.
    func includes(_ relation: Relation) -> Bool {
        selection?.contains(relation.table) ?? true && !OwnTables.contains(relation.table)
    }

    // MARK: - Gates

    /// Leaves changes of a table out from now on, or with nil no longer. Between transactions, or before the table's
    /// first row in the one at hand.
    mutating func setGate(_ gate: TableGate?, of oid: UInt32) {
        gates[oid] = gate
        if gate != .closed { leftOut[oid] = nil }
        recent = nil
    }

    /// Whether closed gates have left out transactions that are still remembered.
    var hasLeftOut: Bool { !leftOut.isEmpty }

    /// Whether a snapshot sees every transaction that these tables' closed gates have left out.
    func leftOutIsSeen(by snapshot: TransactionSnapshot, of oids: Set<UInt32>) -> Bool {
        leftOut.allSatisfy { oid, xids in !oids.contains(oid) || xids.allSatisfy { snapshot.sees($0) } }
    }

    /// Forgets left-out transactions.
    mutating func forgetLeftOut(where isSeen: (UInt32) -> Bool) {
        for (oid, xids) in leftOut {
            let kept = xids.filter { !isSeen($0) }
            leftOut[oid] = kept.isEmpty ? nil : kept
        }
    }

    /// Whether the table's gate lets the transaction at hand through; a closed one remembers it.
    private mutating func passes(_ oid: UInt32) -> Bool {
        switch gates[oid] {
        case nil: return true
        case .copied(let snapshot)?: return !snapshot.sees(xid)
        case .closed?:
            if !isSkipping, leftOut[oid]?.last != xid { leftOut[oid, default: []].append(xid) }
            return false
        }
    }

    /// Takes in one message of the stream; `lsn` is the position that came with it.
    mutating func add(_ message: UnsafeRawBufferPointer, lsn: LSN) throws(WeirError) -> Request {
        messageLSN = lsn
        let decoded: PgOutputMessage
        do throws(DecodeError) {
            decoded = try decoder.decode(unsafe message.bytes)
        } catch {
            throw Self.violation("A message of the stream cannot be decoded", "\(error)", lsn)
        }
        do throws(StreamError) {
            try state.accept(decoded, decoder)
        } catch {
            throw Self.violation("The stream broke the protocol", "\(error)", lsn)
        }
        switch decoded {
        case .insert(let oid, let new): try unsafe addRow(.insert, oid, old: .none, new: new, message, lsn)
        case .update(let oid, let old, let new):
            try unsafe addRow(.update, oid, old: old, new: new, message, lsn)
        case .delete(let oid, let old): try unsafe addRow(.delete, oid, old: old, new: nil, message, lsn)
        case .begin(let finalLSN, let time, let xid): begin(LSN(finalLSN), at: lsn, time: time, xid: xid)
        case .commit(_, let endLSN, _): commit(LSN(endLSN))
        case .truncate(let cascade, let restart): truncate(cascade: cascade, restartIdentity: restart, lsn)
        case .origin(let commitLSN, let name):
            if !isSkipping { builder.setOrigin(unsafe Self.text(name, message), lsn: LSN(commitLSN)) }
        case .message(let isTransactional, let position, let prefix, let content):
            if unsafe Self.isDefinition(prefix, message) {
                // Alone it is nobody's: the trigger writes within the command's transaction. An empty one is the pad.
                guard isTransactional, content.length > 0 else { return .none }
                return .definitions(content.offset..<content.offset + content.length)
            }
            unsafe addMessage(isTransactional, LSN(position), prefix, content, message)
        case .relation: return .describe
        case .type: break
        }
        return .none
    }

    // MARK: - Transactions

    private mutating func begin(_ finalLSN: LSN, at lsn: LSN, time: Int64, xid: UInt32) {
        isSkipping = finalLSN < resume
        self.xid = xid
        if !gates.isEmpty { recent = nil }
        guard !isSkipping else { return }
        delivered = partial.flatMap { $0.xid == xid ? $0.lsn : nil } ?? .zero
        var transaction = TransactionInfo(
            xid: xid, commitLSN: finalLSN, previousEndLSN: lastEnd, commitTime: time &+ Self.postgresEpoch,
            rows: 0..<0, begins: true, ends: false)
        transaction.beginLSN = lsn
        builder.begin(transaction)
    }

    private mutating func commit(_ endLSN: LSN) {
        lastEnd = endLSN
        if !isSkipping {
            builder.commit(endLSN: endLSN)
            partial = nil
            delivered = .zero
        }
        isSkipping = false
    }

    // MARK: - Rows

    @inline(__always)
    private mutating func included(_ oid: UInt32) -> Relation? {
        if recentOID != oid || recent == nil {
            find(oid)
        }
        guard let recent, recent.isIncluded else { return nil }
        return recent.relation
    }

    /// Looks a table up for the rows to come in the transaction at hand, and tells of it once.
    private mutating func find(_ oid: UInt32) {
        recentOID = oid
        // The protocol check has seen this table's description.
        guard let table = tables[oid] else { return recent = nil }
        guard table.isIncluded, gates.isEmpty || passes(oid) else {
            recent = Table(relation: table.relation, isIncluded: false, forms: [], isChecked: false)
            return
        }
        if announced[oid] == nil {
            announced[oid] = table.relation
            builder.addSchemaChange(.described, relation: table.relation, lsn: messageLSN)
        }
        recent = table
    }

    private mutating func addRow(
        _ operation: Operation, _ oid: UInt32, old: OldTuple, new: TupleRange?, _ message: UnsafeRawBufferPointer,
        _ lsn: LSN
    ) throws(WeirError) {
        guard !isSkipping else { return }
        guard lsn > delivered, let relation = included(oid) else {
            builder.skipChange()
            return
        }
        let base: Int
        if isBinary {
            try unsafe convert(relation, message, lsn)
            base = binary.append(to: &builder)
        } else {
            base = unsafe builder.appendBytes(message)
        }
        var oldCells = -1
        var kind = Row.OldTuple.none
        switch old {
        case .none: break
        case .key(let tuple):
            kind = .key
            oldCells = append(tuple, base)
        case .full(let tuple):
            kind = .full
            oldCells = append(tuple, base)
        }
        var cells = -1
        if let new { cells = oldCells < 0 ? append(new, base) : append(new, base, filledFrom: oldCells) }
        if let textRule, recent?.isChecked == true {
            for first in [oldCells, cells] where first >= 0 {
                try TextCheck.check(&builder, cells: first, of: relation, at: lsn, textRule)
            }
        }
        builder.addRow(operation, relation: relation, lsn: lsn, cells: cells, oldCells: oldCells, oldTuple: kind)
    }

    /// Makes text of a binary message's values.
    private mutating func convert(
        _ relation: Relation, _ message: UnsafeRawBufferPointer, _ lsn: LSN
    ) throws(WeirError) {
        binary.begin()
        let width = relation.columns.count
        for index in decoder.columns.indices {
            // The protocol check has seen that each tuple has the relation's columns.
            let place = index % width
            do throws(BinaryValueError) {
                try unsafe binary.add(decoder.columns[index], recent?.forms[place], message)
            } catch {
                throw WeirError(
                    .protocolViolation, stage: .decode,
                    "A value of column \(relation.columns[place].name) is not in the binary form of its type",
                    cause: "\(relation.columns[place].type.name), \(error)",
                    advice: "Nothing was skipped; set source.binary to never and report this with the server's version."
                ).at(table: relation.table, position: lsn)
            }
        }
    }

    /// A column of the message at hand, by its place in the decoder's list.
    @inline(__always)
    private func column(_ index: Int) -> TupleColumn {
        isBinary ? binary.columns[index] : decoder.columns[index]
    }

    @inline(__always)
    private mutating func append(_ tuple: TupleRange, _ base: Int) -> Int {
        let first = builder.cellCount
        for index in tuple.start..<tuple.start &+ tuple.count { builder.appendCell(cell(column(index), base)) }
        return first
    }

    /// Appends new values; one that was not sent because it did not change is taken from the old tuple where that has
    /// it: whole rows under REPLICA IDENTITY FULL, a TOASTed key otherwise.
    private mutating func append(_ tuple: TupleRange, _ base: Int, filledFrom oldCells: Int) -> Int {
        let first = builder.cellCount
        for index in 0..<tuple.count {
            var new = cell(column(tuple.start &+ index), base)
            if new.isUnchanged {
                let old = builder.cell(at: oldCells &+ index)
                if !old.isNull { new = old }
            }
            builder.appendCell(new)
        }
        return first
    }

    @inline(__always)
    private func cell(_ column: TupleColumn, _ base: Int) -> Cell {
        switch column.kind {
        case .text: Cell(kind: .text, offset: base &+ Int(column.offset), length: Int(column.length))
        case .binary: Cell(kind: .binary, offset: base &+ Int(column.offset), length: Int(column.length))
        case .null: .null
        case .unchanged: .unchanged
        }
    }

    private mutating func truncate(cascade: Bool, restartIdentity: Bool, _ lsn: LSN) {
        guard !isSkipping else { return }
        var flags: Row.Flags = []
        if cascade { flags.insert(.cascade) }
        if restartIdentity { flags.insert(.restartIdentity) }
        for oid in decoder.truncated {
            guard lsn > delivered, let relation = included(oid) else {
                builder.skipChange()
                continue
            }
            builder.addRow(.truncate, relation: relation, lsn: lsn, flags: flags)
            flags.insert(.continuesStatement)
        }
    }

    /// A message outside a transaction comes as a transaction of its own. Its position is the end of its record, where
    /// the next one begins, maybe the commit of the transaction around it: only the last byte is the message's own.
    private mutating func addMessage(
        _ isTransactional: Bool, _ position: LSN, _ prefix: ByteRange, _ content: ByteRange,
        _ message: UnsafeRawBufferPointer
    ) {
        let isAlone = !isInTransaction
        let previousEnd = lastEnd
        if isAlone { lastEnd = position }
        guard isAlone ? position > resume : !isSkipping else { return }
        guard isAlone || position > delivered else { return builder.skipChange() }
        if isAlone {
            builder.begin(
                TransactionInfo(
                    xid: 0, commitLSN: LSN(position.rawValue &- 1), previousEndLSN: previousEnd, commitTime: now,
                    rows: 0..<0, begins: true,
                    ends: false))
        }
        let base = unsafe builder.appendBytes(message)
        let cells = builder.cellCount
        builder.appendCell(Cell(kind: .text, offset: base + prefix.offset, length: prefix.length))
        builder.appendCell(Cell(kind: .binary, offset: base + content.offset, length: content.length))
        builder.addRow(
            .message, relation: nil, lsn: position, cells: cells, flags: isTransactional ? .transactional : [])
        if isAlone { builder.commit(endLSN: position) }
    }

    /// Whether a logical message is the event trigger's: it counts as no change.
    private static func isDefinition(_ prefix: ByteRange, _ message: UnsafeRawBufferPointer) -> Bool {
        unsafe message[prefix.offset..<prefix.offset + prefix.length].elementsEqual(DefinitionTrigger.prefix.utf8)
    }

    private static func text(_ range: ByteRange, _ message: UnsafeRawBufferPointer) -> String {
        unsafe String(
            decoding: UnsafeRawBufferPointer(rebasing: message[range.offset..<range.offset + range.length]),
            as: UTF8.self)
    }

    private static func violation(_ what: String, _ cause: String, _ lsn: LSN) -> WeirError {
        WeirError(
            .protocolViolation, stage: .decode, what, cause: cause,
            advice: "Nothing was skipped and the position is kept; report this with the server's version."
        ).at(position: lsn)
    }
}
