import Testing
import WeirTestKit

@testable import WeirCore

@Suite struct BatchTests {
    let table = Relation.test("t", ["id": .int4, "v": .text])

    private func transaction(_ commit: UInt64) -> TransactionInfo {
        TransactionInfo(xid: 9, commitLSN: LSN(commit), commitTime: 5, rows: 3..<4, begins: false, ends: true)
    }

    // MARK: - Cells

    @Test(arguments: [0, 1, Cell.lengthMax]) func aCellHoldsKindAndRange(length: Int) {
        for kind in [Cell.Kind.text, .binary] {
            let cell = Cell(kind: kind, offset: 0xFFFF_FFFF, length: length)
            #expect(cell.kind == kind && cell.length == length && Int(cell.offset) == 0xFFFF_FFFF)
            #expect(cell.range == 0xFFFF_FFFF..<(0xFFFF_FFFF + length))
            #expect(!cell.isNull && !cell.isUnchanged)
        }
        #expect(Cell.null.isNull && Cell.null.kind == .null && Cell.null.range.isEmpty)
        #expect(Cell.unchanged.isUnchanged && Cell.unchanged.kind == .unchanged && Cell.unchanged.range.isEmpty)
        #expect(MemoryLayout<Cell>.size == 8)
    }

    // MARK: - Changes of tables

    /// Three transactions: a row, a change, a row; a change alone; a row and a change.
    private func changing() -> ChangeBatch {
        let later = Relation.test("t", ["id": .int4, "v": .text, "w": .text])
        let last = Relation.test("u", ["id": .int4])
        var builder = BatchBuilder()
        builder.begin(transaction(100))
        add(&builder, "a")
        builder.addSchemaChange(.altered, relation: later, previous: table, lsn: LSN(90))
        builder.skipChange()
        add(&builder, "b")
        builder.commit(endLSN: LSN(108))
        builder.begin(transaction(200))
        builder.addSchemaChange(.created, relation: last, lsn: LSN(190), command: .init(tag: "CREATE TABLE"))
        builder.commit(endLSN: LSN(208))
        builder.begin(transaction(300))
        add(&builder, "c")
        builder.addSchemaChange(.dropped, relation: last, lsn: LSN(290))
        builder.commit(endLSN: LSN(308))
        return builder.seal(at: 1)
    }

    @Test func changesOfTablesHaveTheirPlaces() {
        let batch = changing()
        #expect(
            batch.pieces(of: 0..<3) == [
                .rows(0..<1), .change(0), .rows(1..<2), .change(1), .rows(2..<3), .change(2),
            ])
        #expect(batch.pieces(of: 1..<2) == [.change(1)])
        #expect(batch.pieces(of: 2..<3) == [.rows(2..<3), .change(2)])
        #expect(batch.pieces(of: 0..<0) == [])
        #expect(batch.rows.map(\.ordinal) == [1, 3, 1])
        let altered = batch.schemaChanges[0]
        #expect(altered.nextOrdinal == 2 && altered.transaction == 0)
        #expect(batch.previous(of: altered) === table && batch.relation(of: altered)?.columns.count == 3)
        #expect(batch.previous(of: batch.schemaChanges[1]) == nil)
    }

    @Test func changesOfTablesStayInTheirPlacesWhenTransactionsAndRowsGo() throws {
        let batch = changing()
        let rest = batch.dropping(transactionsBelow: LSN(200))
        #expect(rest.pieces(of: 0..<2) == [.change(0), .rows(0..<1), .change(1)])
        #expect(rest.schemaChanges.map(\.kind) == [.created, .dropped])
        let prefix = try #require(batch.prefix(transactions: 2))
        #expect(prefix.pieces(of: 0..<2) == [.rows(0..<1), .change(0), .rows(1..<2), .change(1)])
        #expect(prefix.relation(of: prefix.schemaChanges[1])?.table.name == "u")
        // Of the first transaction, only the second row is left.
        var transactions = batch.transactions
        transactions[0].rows = 0..<1
        transactions[1].rows = 1..<1
        transactions[2].rows = 1..<2
        let filtered = batch.replacing(rows: Array(batch.rows[1...]), transactions: transactions)
        #expect(filtered.pieces(of: 0..<3) == [.change(0), .rows(0..<1), .change(1), .rows(1..<2), .change(2)])
    }

    @Test func aRenameReachesTheTablesOfAChange() throws {
        let chain: [any Transform] = [
            try RelabelTransform(RenameSettings(table: "public.t", to: "public.x"), pipeline: "p")
        ]
        var batch = changing()
        for transform in chain { batch = try transform.apply(batch) }
        #expect(batch.schemaChanges.map { batch.relation(of: $0)?.table.name } == ["x", "u", "u"])
        #expect(batch.previous(of: batch.schemaChanges[0])?.table.name == "x")
    }

    @Test func aMissedChangeIsOfNoTable() throws {
        var builder = BatchBuilder()
        builder.begin(transaction(100))
        builder.addSchemaChange(.missed, relation: nil, lsn: LSN(90), command: .init(tag: "DROP TABLE"))
        builder.commit(endLSN: LSN(108))
        let batch = builder.seal(at: 1)
        #expect(batch.relations.isEmpty && batch.pieces(of: 0..<1) == [.change(0)])
        let missed = try #require(batch.schemaChanges.first)
        #expect(batch.relation(of: missed) == nil && batch.previous(of: missed) == nil)
        let renamed = try RelabelTransform(RenameSettings(table: "public.t", to: "public.x"), pipeline: "p")
        #expect(try renamed.apply(batch).schemaChanges == [missed])
    }

    @Test func aChangeAloneMakesABatch() {
        var builder = BatchBuilder()
        builder.addSchemaChange(.created, relation: table, lsn: LSN(1))
        let hasNoneOutside = builder.isEmpty
        builder.begin(transaction(100))
        builder.addSchemaChange(.created, relation: table, lsn: LSN(1))
        let hasOneInside = !builder.isEmpty
        let batch = builder.seal(at: 1)
        let isEmptyAgain = builder.isEmpty
        #expect(hasNoneOutside && hasOneInside && isEmptyAgain)
        #expect(batch.schemaChanges.count == 1)
    }

    // MARK: - Transactions and seals

    @Test func rowsGoToTheirTransactions() {
        var builder = BatchBuilder()
        builder.begin(transaction(100))
        add(&builder, "a")
        add(&builder, "b")
        builder.commit(endLSN: LSN(108))
        builder.begin(transaction(200))
        builder.commit(endLSN: LSN(208))
        builder.begin(transaction(300))
        add(&builder, "c")
        builder.commit(endLSN: LSN(308))
        let isOpen = builder.hasOpenTransaction
        #expect(!isOpen)
        let batch = builder.seal(at: 77)
        #expect(batch.transactions.map(\.rows) == [0..<2, 2..<2, 2..<3])
        #expect(batch.transactions.map(\.begins) == [true, true, true])
        #expect(batch.transactions.map(\.ends) == [true, true, true])
        #expect(batch.transactions.map(\.endLSN) == [LSN(108), LSN(208), LSN(308)])
        #expect(
            batch.rows.map { batch.identity(of: $0) } == [
                EventIdentity(commit: LSN(100), ordinal: 1), EventIdentity(commit: LSN(100), ordinal: 2),
                EventIdentity(commit: LSN(300), ordinal: 1),
            ])
        #expect(batch.endLSN == LSN(308) && batch.sealedAt == 77)
        #expect(batch.relations.count == 1 && batch.relations[0] === table)
    }

    @Test func anOpenTransactionGoesOnInTheNextBatch() {
        var builder = BatchBuilder()
        builder.begin(transaction(100))
        builder.setOrigin("east", lsn: LSN(77))
        add(&builder, "a")
        let first = builder.seal(at: 0)
        #expect(first.endLSN == nil)
        #expect(first.transactions.map(\.begins) == [true] && first.transactions.map(\.ends) == [false])
        let isEmpty = builder.isEmpty, isOpen = builder.hasOpenTransaction
        #expect(isEmpty && isOpen)
        add(&builder, "b")
        let second = builder.seal(at: 0)
        add(&builder, "c")
        builder.commit(endLSN: LSN(108))
        let third = builder.seal(at: 0)
        for batch in [second, third] {
            #expect(batch.transactions.count == 1)
            #expect(batch.transactions[0].rows == 0..<1 && !batch.transactions[0].begins)
            #expect(batch.transactions[0].originName == "east" && batch.transactions[0].originLSN == LSN(77))
            #expect(batch.transactions[0].commitLSN == LSN(100))
            #expect(batch.relations.count == 1 && batch.relations[0] === table)
        }
        #expect(!second.transactions[0].ends && third.transactions[0].ends)
        #expect(second.endLSN == nil && third.endLSN == LSN(108))
        #expect([first, second, third].map { $0.rows[0].ordinal } == [1, 2, 3])
        #expect(third.lines == ["insert public.t id=c v=NULL"])
        let last = builder.seal(at: 0)
        #expect(last.transactions.isEmpty && last.rows.isEmpty && last.arena.isEmpty)
    }

    @Test func aCommitInABatchOfItsOwnStillEndsIt() {
        var builder = BatchBuilder()
        builder.begin(transaction(100))
        add(&builder, "a")
        _ = builder.seal(at: 0)
        builder.commit(endLSN: LSN(108))
        let isEmpty = builder.isEmpty
        #expect(!isEmpty, "a commit without rows has to be sealed too")
        let batch = builder.seal(at: 0)
        #expect(batch.rows.isEmpty && batch.endLSN == LSN(108))
        #expect(batch.transactions.map(\.rows) == [0..<0])
        #expect(batch.transactions[0].ends)
    }

    @Test func aCommitWithoutABeginIsNothing() {
        var builder = BatchBuilder()
        builder.commit(endLSN: LSN(8))
        let isEmpty = builder.isEmpty
        #expect(isEmpty)
        #expect(builder.seal(at: 0).endLSN == nil)
    }

    @Test func ordinalsGoOnWhereTold() {
        var builder = BatchBuilder()
        builder.begin(transaction(100), ordinal: 41)
        add(&builder, "a")
        builder.commit(endLSN: LSN(108))
        builder.begin(transaction(200))
        add(&builder, "b")
        #expect(builder.seal(at: 0).rows.map(\.ordinal) == [42, 1])
    }

    @Test func relationsAreKeptApartByIdentity() {
        let same = Relation.test("t", ["id": .int4, "v": .text])
        var builder = BatchBuilder()
        builder.begin(transaction(100))
        for relation in [table, same, table, same, same] {
            let cells = builder.cellCount
            builder.appendCell(.null)
            builder.appendCell(.null)
            builder.addRow(.insert, relation: relation, lsn: LSN(1), cells: cells)
        }
        builder.addRow(.message, relation: nil, lsn: LSN(1), cells: 0)
        let batch = builder.seal(at: 0)
        #expect(batch.rows.map(\.relation) == [0, 1, 0, 1, 1, -1])
        #expect(batch.relations[0] === table && batch.relations[1] === same)
        #expect(batch.relation(of: batch.rows[5]) == nil)
    }

    @Test func anEmptyTableIsPartOfABatch() {
        var builder = BatchBuilder()
        let index = builder.register(table)
        let part = SnapshotPart(consistentPoint: LSN(5), isFirst: true)
        let batch = builder.seal(at: 0, snapshot: part, resumeToken: "x")
        #expect(index == 0 && batch.relations[0] === table && batch.rows.isEmpty)
        #expect(batch.snapshot == part && batch.resumeToken == "x")
        let next = builder.seal(at: 0)
        #expect(next.snapshot == nil && next.resumeToken == nil && next.relations.isEmpty)
    }

    // MARK: - Limits

    @Test func aBatchIsFullByRowsOrBytes() {
        var byRows = BatchBuilder(limits: BatchLimits(bytesMax: 1 << 20, rowsMax: 2))
        byRows.begin(transaction(100))
        add(&byRows, "a")
        let early = byRows.isFull
        add(&byRows, "b")
        let full = byRows.isFull
        #expect(!early && full)
        var byBytes = BatchBuilder(limits: BatchLimits(bytesMax: 1000, rowsMax: 1000))
        byBytes.begin(transaction(100))
        add(&byBytes, String(repeating: "x", count: 500))
        let half = byBytes.isFull
        add(&byBytes, String(repeating: "x", count: 500))
        let over = byBytes.isFull
        #expect(!half && over)
        _ = byBytes.seal(at: 0)
        let fresh = byBytes.isFull
        #expect(!fresh)
    }

    // MARK: - Values and replacing

    @Test func valuesComeBackByteForByte() {
        var batch = TestBatch()
        batch.begin(1)
        batch.update(table, ["ž€😀", ""], full: [.binary([0, 255]), .unchanged])
        let sealed = batch.seal()
        #expect(sealed.lines == ["update public.t id=ž€😀 v= was id=\\0.255 v=~"])
        let row = sealed.rows[0]
        #expect(sealed.text(sealed.cell(0, of: row)) == "ž€😀")
        #expect(sealed.text(sealed.cell(1, of: row)) == "")
        #expect(sealed.text(sealed.oldCell(1, of: row)) == nil)
    }

    @Test func replacingKeepsWhatIsNotReplaced() {
        var batch = TestBatch()
        batch.begin(100)
        batch.insert(table, ["1", "a"])
        batch.insert(table, ["2", "b"])
        batch.commit()
        let part = SnapshotPart(consistentPoint: LSN(5))
        let sealed = batch.seal(snapshot: part, resumeToken: "t")
        let fewer = sealed.replacing(rows: [sealed.rows[1]])
        #expect(fewer.lines == ["insert public.t id=2 v=b"])
        #expect(fewer.endLSN == LSN(108) && fewer.snapshot == part && fewer.resumeToken == "t")
        #expect(fewer.transactions == sealed.transactions)
        let other = Relation.test("u", ["a": .int4, "b": .text])
        let renamed = sealed.replacing(rows: sealed.rows, relations: [other])
        #expect(renamed.lines[0] == "insert public.u a=1 b=a")
        #expect(sealed.lines[0] == "insert public.t id=1 v=a")
    }

    @Test func aPrefixHoldsWholeTransactionsOnly() throws {
        let other = Relation.test("u", ["a": .int4])
        var batch = TestBatch()
        batch.begin(100)
        batch.insert(table, ["1", "a"])
        batch.commit()
        batch.begin(200)
        batch.insert(other, ["2"])
        batch.commit()
        batch.begin(300)
        batch.insert(table, ["3", "c"])
        let sealed = batch.seal(resumeToken: "t")
        let one = try #require(sealed.prefix(transactions: 1)), two = try #require(sealed.prefix(transactions: 2))
        #expect(one.lines == ["insert public.t id=1 v=a"] && one.endLSN == LSN(108) && one.relations.count == 1)
        #expect(two.lines.count == 2 && two.endLSN == LSN(208) && two.relations.count == 2)
        #expect(one.resumeToken == nil && one.transactions.count == 1)
        #expect(sealed.prefix(transactions: 3) == nil, "the third is open")
        #expect(sealed.prefix(transactions: 0) == nil)
    }

    @Test func sizesCountEverything() {
        let batch = TestBatch.inserts(Relation.test("t", ["v": .text]), ["abc", "de"], commit: 1)
        #expect(batch.byteCount == 5 + 2 * MemoryLayout<Row>.stride + 2 * 8)
    }

    private func add(_ builder: inout BatchBuilder, _ text: String) {
        let cells = builder.cellCount
        builder.appendText(text.utf8)
        builder.appendCell(.null)
        builder.addRow(.insert, relation: table, lsn: LSN(1), cells: cells)
    }
}
