import Testing
import WeirCore

@testable import PostgresSource

@Suite struct CopyRowDecoderTests {
    private func decode(_ row: String, columns: Int) throws -> [String?] {
        var builder = BatchBuilder()
        var decoder = CopyRowDecoder()
        let relation = Relation(
            oid: 1, table: TableName(schema: "public", name: "t"),
            columns: (0..<columns).map {
                Column(name: "c\($0)", type: ColumnType(oid: 25, name: "text", kind: .text))
            }, identity: .default)
        builder.begin(
            TransactionInfo(xid: 1, commitLSN: LSN(1), commitTime: 0, rows: 0..<0, begins: true, ends: false))
        try Array(row.utf8).withUnsafeBytes { try decoder.appendCells($0, columns: columns, to: &builder) }
        builder.addRow(.read, relation: relation, lsn: LSN(1), cells: 0)
        let batch = builder.seal(at: 0)
        return (0..<columns).map { batch.text(batch.cell($0, of: batch.rows[0])) }
    }

    @Test func valuesAreSplitAtTabs() throws {
        #expect(try decode("1\tab\t\tx\n", columns: 4) == ["1", "ab", "", "x"])
        #expect(try decode("\n", columns: 1) == [""])
        #expect(try decode("\n", columns: 0) == [])
    }

    @Test func nullEmptyAndBackslashTextStayApart() throws {
        #expect(try decode("\\N\t\t\\\\N\t\\\\.\tNULL\n", columns: 5) == [nil, "", "\\N", "\\.", "NULL"])
    }

    @Test func escapesBecomeTheirBytes() throws {
        #expect(
            try decode("a\\tb\\nc\\rd\\be\\ff\\vg\\\\h\t\\N\n", columns: 2)
                == ["a\tb\nc\rd\u{8}e\u{C}f\u{B}g\\h", nil])
    }

    @Test func aWrongShapeIsAnError() {
        #expect(throws: CopyRowError.columnCount(expected: 2, found: 1)) { try decode("a\n", columns: 2) }
        #expect(throws: CopyRowError.columnCount(expected: 1, found: 2)) { try decode("a\tb\n", columns: 1) }
        #expect(throws: CopyRowError.columnCount(expected: 2, found: 3)) { try decode("a\\N\tb\tc\n", columns: 2) }
        #expect(throws: CopyRowError.truncatedEscape) { try decode("a\\", columns: 1) }
    }
}
