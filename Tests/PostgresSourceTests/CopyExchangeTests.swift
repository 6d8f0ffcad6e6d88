import Testing
import WeirCore

@testable import LibPQ
@testable import PostgresSource

/// How a copy is divided, and how workers and the sender go hand in hand: without a server.
@Suite struct CopyExchangeTests {
    private func table(
        _ name: String, pages: UInt64? = nil, filter: String? = nil, kind: Character = "r"
    ) -> SnapshotTable {
        let name = TableName(schema: "public", name: name)
        let type = ColumnType(oid: 23, name: "integer", kind: .int4)
        let relation = Relation(oid: 1, table: name, columns: [Column(name: "a\"b", type: type)], identity: .default)
        let catalog = CatalogTable(
            oid: 1, name: name, kind: kind, replicaIdentity: .default, columns: [], primaryKey: [], identityIndex: [],
            uniqueIndex: [], estimatedRows: 0, hasActiveRowSecurity: false, comment: nil, storage: 0, attributes: [])
        return SnapshotTable(table: catalog, relation: relation, rowFilter: filter, pages: pages)
    }

    private func batch(_ table: SnapshotTable, ordinals: [UInt64] = [1]) -> ChangeBatch {
        var builder = BatchBuilder()
        builder.begin(TransactionInfo(xid: 1, commitLSN: LSN(9), commitTime: 0, rows: 0..<0, begins: true, ends: false))
        for ordinal in ordinals {
            builder.skip(toOrdinal: ordinal)
            let cells = builder.cellCount
            builder.appendText("\(ordinal)".utf8)
            builder.addRow(.read, relation: table.relation, lsn: LSN(10), cells: cells)
        }
        return builder.seal(at: 0)
    }

    // MARK: - Parts

    @Test func aLargeTableIsDividedWithoutAGapAndWithoutAnEnd() {
        let tables = [table("small", pages: 100), table("large", pages: 100_000), table("unknown")]
        let parts = CopyPart.plan(tables, workers: 4)
        #expect(parts.map(\.table) == [0] + Array(repeating: 1, count: parts.count - 2) + [2])
        #expect(parts.first?.pages == nil && parts.last?.pages == nil)
        let ranges = parts.compactMap(\.pages)
        #expect(ranges.first?.first == 0 && ranges.last?.end == nil && ranges.count >= 4 * 4)
        for (range, next) in zip(ranges, ranges.dropFirst()) { #expect(range.end == next.first) }
        #expect(ranges.dropLast().allSatisfy { range in (range.end ?? 0) - range.first >= CopyPart.pagesMin })
    }

    @Test func oneWorkerAndSmallTablesGetWholeTables() {
        #expect(CopyPart.plan([table("t", pages: 1_000_000)], workers: 1).map(\.pages) == [nil])
        #expect(CopyPart.plan([table("t", pages: 2 * CopyPart.pagesMin - 1)], workers: 64).map(\.pages) == [nil])
        #expect(CopyPart.plan([table("t", pages: 2 * CopyPart.pagesMin)], workers: 64).count == 2)
        #expect(CopyPart.plan([], workers: 4).isEmpty)
    }

    @Test func statementsOfParts() {
        let range = PageRange(first: 8, end: 16)
        #expect(table("t").copyStatement() == #"COPY "public"."t" ("a""b") TO STDOUT"#)
        #expect(
            table("t").copyStatement(pages: range)
                == #"COPY (SELECT "a""b" FROM ONLY "public"."t" WHERE ctid >= '(8,0)'::pg_catalog.tid "#
                + "AND ctid < '(16,0)'::pg_catalog.tid) TO STDOUT")
        #expect(
            table("t", filter: "x OR y").copyStatement(pages: PageRange(first: 0, end: nil))
                == #"COPY (SELECT "a""b" FROM ONLY "public"."t" WHERE (x OR y)) TO STDOUT"#)
        #expect(
            table("t", kind: "p").copyStatement() == #"COPY (SELECT "a""b" FROM "public"."t") TO STDOUT"#)
    }

    // MARK: - Exchange

    private func taken(_ exchange: inout CopyExchange) -> CopyPart? {
        guard case .copy(let part)? = exchange.take() else { return nil }
        return part
    }

    private func ends(_ exchange: inout CopyExchange) -> Bool {
        guard case .end? = exchange.take() else { return false }
        return true
    }

    private func delivered(_ exchange: inout CopyExchange, _ table: Int) -> String? {
        switch exchange.next(of: table) {
        case .batch(let batch)?: batch.text(batch.cells[0])
        case .tableEnd?: "end"
        case .failed(let error)?: error.message
        case nil: nil
        }
    }

    @Test func tablesAreDeliveredOneAfterAnotherAndWorkersRunAhead() throws {
        let tables = [table("a", pages: 2 * CopyPart.pagesMin), table("b")]
        let parts = CopyPart.plan(tables, workers: 2)
        var exchange = CopyExchange(parts, tables: 2, workers: 2)
        let (first, second) = (try #require(taken(&exchange)), try #require(taken(&exchange)))
        exchange.finish(second)
        let third = try #require(taken(&exchange))
        #expect([first, second, third].map(\.table) == [0, 0, 1])
        // Two batches ahead, then the worker waits; the sender gets none of them before the first table's end.
        #expect(exchange.put(batch(tables[1], ordinals: [1]), of: third, from: 1) == true)
        #expect(exchange.put(batch(tables[1], ordinals: [2]), of: third, from: 1) == true)
        #expect(exchange.put(batch(tables[1], ordinals: [3]), of: third, from: 1) == nil)
        #expect(delivered(&exchange, 0) == nil)
        #expect(exchange.put(batch(tables[0], ordinals: [7]), of: first, from: 0) == true)
        #expect(delivered(&exchange, 0) == "7")
        #expect(delivered(&exchange, 0) == nil)
        exchange.finish(first)
        #expect(delivered(&exchange, 0) == "end")
        #expect(delivered(&exchange, 1) == "1")
        #expect(exchange.put(batch(tables[1], ordinals: [3]), of: third, from: 1) == true)
        // Nobody leaves, and so gives up its locks, before every part is read.
        #expect(exchange.take() == nil)
        exchange.finish(third)
        #expect(ends(&exchange))
        #expect(delivered(&exchange, 1) == "2" && delivered(&exchange, 1) == "3" && delivered(&exchange, 1) == "end")
    }

    @Test func theFirstFailureEndsTheCopyForAll() throws {
        let tables = [table("a"), table("b")]
        var exchange = CopyExchange(CopyPart.plan(tables, workers: 2), tables: 2, workers: 2)
        let part = try #require(taken(&exchange))
        #expect(exchange.put(batch(tables[0]), of: part, from: 0) == true)
        exchange.fail(WeirError(.connectionLost, stage: .source, "first"))
        exchange.fail(WeirError(.connectionLost, stage: .source, "second"))
        #expect(delivered(&exchange, 0) == "first")
        #expect(exchange.put(batch(tables[0]), of: part, from: 0) == false)
        #expect(ends(&exchange))
    }

    @Test func aFailureAfterTheEndIsNone() {
        var exchange = CopyExchange(CopyPart.plan([table("a")], workers: 2), tables: 1, workers: 1)
        exchange.end()
        exchange.fail(WeirError(.connectionLost, stage: .source, "late"))
        #expect(exchange.failure == nil)
    }

    // MARK: - Marks

    @Test func marksOfTablesWithAndWithoutRows() throws {
        let tables = [table("a"), table("b"), table("c")]
        var marker = SnapshotMarker(purpose: .initial, consistentPoint: LSN(10))
        var sent: [ChangeBatch] = []
        let send = { (batch: ChangeBatch) throws(WeirError) -> Bool in
            sent.append(batch)
            return true
        }
        marker.begin(tables[0].relation)
        marker.endTable()
        marker.begin(tables[1].relation)
        // Two readers' batches: each has counted for itself.
        _ = try marker.add(batch(tables[1], ordinals: [1, 2]), send: send)
        _ = try marker.add(batch(tables[1], ordinals: [1, 2, 3]), send: send)
        marker.endTable()
        marker.begin(tables[2].relation)
        marker.endTable()
        _ = try marker.finish(send: send)
        let parts = try sent.map { try #require($0.snapshot) }
        #expect(sent.map { $0.relations[0].table.name } == ["a", "b", "b", "c"])
        #expect(sent.flatMap(\.rows).map(\.ordinal) == [1, 2, 3, 4, 5])
        #expect(parts.map(\.isFirst) == [true, false, false, false])
        #expect(parts.map(\.isFirstOfTable) == [true, true, false, true])
        #expect(parts.map(\.isLastOfTable) == [true, false, true, true])
        #expect(parts.map(\.isLast) == [false, false, false, true])
        #expect(parts.map(\.holdsLastRow) == [false, false, true, false])
        #expect(sent.map(\.endLSN) == [nil, nil, nil, LSN(10)])
    }

    @Test func aSnapshotOfNothingStillEnds() throws {
        var marker = SnapshotMarker(purpose: .initial, consistentPoint: LSN(10))
        var sent: [ChangeBatch] = []
        _ = try marker.finish { batch throws(WeirError) in
            sent.append(batch)
            return true
        }
        let part = try #require(sent.first?.snapshot)
        #expect(sent.count == 1 && sent[0].endLSN == LSN(10) && sent[0].relations.isEmpty)
        #expect(part.isFirst && part.isLast && !part.isFirstOfTable && !part.isLastOfTable && !part.holdsLastRow)
    }
}
