import Foundation
import PgOutput
import Testing
import WeirCore

@testable import PostgresSource

/// What a real server sent (Tests/Fixtures/pgoutput), put into batches.
@Suite struct ChangeAssemblerTests {
    private struct Message {
        let lsn: LSN
        let bytes: [UInt8]
    }

    private static let loaded = Result { try load() }
    private static func recording() throws -> [Message] { try loaded.get() }

    private static func load() throws -> [Message] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures/pgoutput/recorded.hex")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { line in
            let fields = line.split(separator: " ")
            let digits = fields[2].utf8.map { $0 < 0x3A ? $0 - 0x30 : $0 - 0x57 }
            let bytes = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
            return Message(lsn: try #require(LSN(fields[0])), bytes: bytes)
        }
    }

    private static func relation(_ message: RelationMessage) -> Relation {
        Relation(
            oid: message.oid, table: TableName(schema: message.schema, name: message.name),
            columns: message.columns.map {
                Column(name: $0.name, type: ColumnType(oid: $0.typeOID, name: "t", kind: .text), isIdentity: $0.isKey)
            }, identity: message.identity == .full ? .full : .default)
    }

    private static func feed(
        _ assembler: inout ChangeAssembler, _ messages: [Message]
    ) throws(WeirError) {
        for message in messages {
            let request = try message.bytes.withUnsafeBytes { bytes in
                Result { () throws(WeirError) in try assembler.add(bytes, lsn: message.lsn) }
            }.get()
            if request == .describe { assembler.define(relation(assembler.description)) }
        }
    }

    private static func batch(
        resume: LSN = .zero, partial: PartialTransaction? = nil, selection: TableSelection? = nil
    ) throws -> ChangeBatch {
        var assembler = ChangeAssembler(
            resume: resume, partial: partial, selection: selection, limits: BatchLimits())
        assembler.now = 77
        try feed(&assembler, try recording())
        return assembler.seal(at: 1)
    }

    private static func rows(_ batch: ChangeBatch, _ table: String) -> [Row] {
        batch.rows.filter { batch.relation(of: $0)?.table == TableName(schema: "shop", name: table) }
    }

    private static func new(_ batch: ChangeBatch, _ row: Row) -> [String?] {
        (0..<(batch.relation(of: row)?.columns.count ?? 0)).map { batch.text(batch.cell($0, of: row)) }
    }

    private static func old(_ batch: ChangeBatch, _ row: Row) -> [String?] {
        (0..<(batch.relation(of: row)?.columns.count ?? 0)).map { batch.text(batch.oldCell($0, of: row)) }
    }

    @Test func insertUpdateDeleteAndKeyChange() throws {
        let batch = try Self.batch()
        let rows = Self.rows(batch, "orders")
        #expect(rows.map(\.operation) == [.insert, .insert, .update, .update, .delete, .truncate])
        #expect(Self.new(batch, rows[0]) == ["1", "Ann", "12.50", "happy", nil])
        #expect(Self.new(batch, rows[1]) == ["2", "Bob", "0.00", "sad", ""])
        #expect(rows[2].oldTuple == .none && rows[2].oldCells == -1)
        #expect(rows[3].oldTuple == .key)
        #expect(Self.old(batch, rows[3])[0] == "2" && Self.new(batch, rows[3])[0] == "3")
        #expect(rows[4].cells == -1 && Self.old(batch, rows[4])[0] == "3")
    }

    @Test func unchangedValuesStayMarkedWithoutAnOldValue() throws {
        let batch = try Self.batch()
        let rows = Self.rows(batch, "toasted")
        #expect(batch.cell(2, of: rows[1]).isUnchanged)
        #expect(batch.text(batch.cell(2, of: rows[2])) == "now small")
        // The key changed, so there is an old tuple, but it has the key only.
        #expect(rows[4].oldTuple == .key && batch.cell(2, of: rows[4]).isUnchanged)
    }

    @Test func unchangedValuesComeFromTheOldTupleUnderFull() throws {
        let batch = try Self.batch()
        let row = Self.rows(batch, "whole_toasted")[1]
        #expect(row.oldTuple == .full)
        #expect(batch.text(batch.cell(1, of: row)) == String(repeating: "z", count: 3000))
        #expect(batch.text(batch.cell(0, of: row)) == "2" && batch.text(batch.oldCell(0, of: row)) == "1")
    }

    @Test func anUnchangedToastedKeyComesFromTheKeyTuple() throws {
        let batch = try Self.batch()
        let row = Self.rows(batch, "toasted_key")[1]
        #expect(Self.new(batch, row) == [String(repeating: "k", count: 2600), "2"])
    }

    @Test func truncateNamesItsTablesAsOneStatement() throws {
        let batch = try Self.batch()
        let rows = batch.rows.filter { $0.operation == .truncate }
        #expect(rows.map { batch.relation(of: $0)?.table.name } == ["unkeyed", "orders", "lines"])
        #expect(rows.map(\.flags) == [[.restartIdentity], [.cascade], [.cascade, .continuesStatement]])
    }

    @Test func logicalMessagesInsideAndOutsideTransactions() throws {
        let batch = try Self.batch()
        let rows = batch.rows.filter { $0.operation == .message }
        try #require(rows.count == 2)
        #expect(rows[0].flags == .transactional && rows[1].flags == [])
        #expect(rows.map { batch.text(batch.cell(0, of: $0)) } == ["weir", "weir.out"])
        #expect(Array(batch.arena[batch.cell(1, of: rows[1]).range]) == [0, 0xFF])
        let alone = batch.transactions[Int(rows[1].transaction)]
        #expect(alone.xid == 0 && alone.commitTime == 77 && alone.ends)
        #expect(alone.commitLSN == LSN(rows[1].lsn.rawValue - 1) && alone.endLSN == rows[1].lsn)
    }

    @Test func whatWasDeliveredOfTheFirstTransactionIsLeftOut() throws {
        let whole = try Self.batch()
        var marks = 0
        for (index, transaction) in whole.transactions.enumerated() where transaction.xid != 0 {
            for last in transaction.rows {
                let mark = PartialTransaction(xid: transaction.xid, lsn: whole.rows[last].lsn)
                let rest = try Self.batch(resume: transaction.commitLSN, partial: mark)
                let expected = whole.rows.filter {
                    Int($0.transaction) > index || (Int($0.transaction) == index && $0.lsn > mark.lsn)
                }
                #expect(rest.rows.map { rest.identity(of: $0) } == expected.map { whole.identity(of: $0) })
                marks += 1
            }
        }
        #expect(marks > 20)
        let other = try Self.batch(partial: PartialTransaction(xid: 1, lsn: LSN(.max)))
        #expect(other.rows.count == whole.rows.count)
        let mark = PartialTransaction(xid: 4_000_000_000, lsn: LSN(0x16B_3748))
        #expect(PartialTransaction(token: mark.token) == mark && PartialTransaction(token: "a[0]=3") == nil)
    }

    @Test func originsNameTheirTransaction() throws {
        let origins = try Self.batch().transactions.compactMap(\.originName)
        #expect(origins == ["elsewhere"])
        let foreign = try Self.batch().transactions.filter { $0.originName != nil }
        #expect(foreign.map(\.originLSN) == [LSN("0/ABCD")])
    }

    /// Debezium's `sequence` counts a message outside transactions as a commit.
    @Test func aMessageOfItsOwnIsWhatCameBefore() throws {
        let transactions = try Self.batch().transactions
        let alone = try #require(transactions.firstIndex { $0.xid == 0 })
        try #require(alone > 0 && alone + 1 < transactions.count)
        #expect(transactions[alone].previousEndLSN == transactions[alone - 1].endLSN)
        #expect(transactions[alone + 1].previousEndLSN == transactions[alone].endLSN)
        #expect(transactions[alone].beginLSN == nil && transactions[alone + 1].beginLSN != nil)
    }

    @Test func rowsFollowTheColumnsOfTheirTime() throws {
        let batch = try Self.batch()
        let rows = Self.rows(batch, "whole").suffix(3)
        #expect(
            rows.map { batch.relation(of: $0)?.columns.map(\.name) } == [["a", "b"], ["a", "b", "c"], ["a", "c"]])
        #expect(rows.map { Self.new(batch, $0) } == [["10", "before"], ["11", "after", "4"], ["12", "4"]])
    }

    @Test func everyEventHasItsOwnIdentityInOrder() throws {
        let batch = try Self.batch()
        let identities = batch.rows.map { batch.identity(of: $0) }
        #expect(Set(identities).count == identities.count)
        #expect(identities == identities.sorted())
        // Rows of one COPY share a position.
        let copied = batch.rows.suffix(3)
        #expect(copied.map(\.ordinal) == [1, 2, 3])
    }

    @Test func transactionsKeepTheirPositions() throws {
        let batch = try Self.batch()
        let first = batch.transactions[0]
        #expect(first.commitLSN == LSN("0/15675F8") && first.endLSN == LSN("0/1567628") && first.xid == 746)
        #expect(first.commitTime == 848_568_422_261_184 + 946_684_800_000_000)
        #expect(first.previousEndLSN == nil && batch.transactions[1].previousEndLSN == first.endLSN)
        #expect(batch.endLSN == batch.transactions.last?.endLSN)
        #expect(batch.transactions.allSatisfy { $0.begins && $0.ends })
    }

    @Test func transactionsBelowTheResumePointAreLeftOut() throws {
        let whole = try Self.batch()
        for index in whole.transactions.indices {
            let resume = whole.transactions[index].endLSN
            let rest = try Self.batch(resume: resume)
            #expect(rest.transactions.map(\.commitLSN) == whole.transactions.suffix(from: index + 1).map(\.commitLSN))
        }
    }

    @Test func narrowingKeepsOrdinals() throws {
        let selection = TableSelection([try TablePattern("shop.lines")])
        let batch = try Self.batch(selection: selection)
        #expect(batch.rows.filter { $0.operation != .message }.map(\.operation) == [.insert, .truncate])
        let truncate = batch.rows.last { $0.operation == .truncate }
        // Second table of its statement, first one that is taken.
        #expect(truncate?.ordinal == 2 && truncate?.flags == [.cascade])
        let whole = try Self.batch()
        #expect(batch.endLSN == whole.endLSN)
    }

    @Test func aTransactionGoesOnInTheNextBatch() throws {
        let messages = try Self.recording()
        let whole = try Self.batch()
        var assembler = ChangeAssembler(resume: .zero, selection: nil, limits: BatchLimits())
        var parts: [ChangeBatch] = []
        for message in messages {
            try Self.feed(&assembler, [message])
            parts.append(assembler.seal(at: 0))
        }
        let identities = parts.flatMap { part in part.rows.map { part.identity(of: $0) } }
        #expect(identities == whole.rows.map { whole.identity(of: $0) })
        #expect(parts.compactMap(\.endLSN) == whole.transactions.map(\.endLSN))
    }

    @Test func corruptMessagesStopTheStreamWithTheirPosition() throws {
        var messages = try Self.recording()
        messages[1] = Message(lsn: LSN(42), bytes: [0x53, 1])
        var assembler = ChangeAssembler(resume: .zero, selection: nil, limits: BatchLimits())
        var failure: WeirError?
        do throws(WeirError) { try Self.feed(&assembler, messages) } catch { failure = error }
        #expect(failure?.code == .protocolViolation && failure?.position == LSN(42))
        #expect(failure?.disposition == .operator)
    }

    @Test func aChangeWithoutItsTableStopsTheStream() throws {
        let messages = try Self.recording().filter { $0.bytes[0] != 0x52 }
        var assembler = ChangeAssembler(resume: .zero, selection: nil, limits: BatchLimits())
        var failure: WeirError?
        do throws(WeirError) { try Self.feed(&assembler, messages) } catch { failure = error }
        #expect(failure?.cause == "change of relation 16396, which was not described")
    }
}
