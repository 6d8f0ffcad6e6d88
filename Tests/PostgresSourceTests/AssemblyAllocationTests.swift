import AllocationCount
import Testing
import WeirCore

@testable import PostgresSource

/// Taking in a row is one copy of its bytes: no memory for each row or column of it.
@Suite struct AssemblyAllocationTests {
    private static func integer(_ value: Int, bytes: Int) -> [UInt8] {
        (0..<bytes).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    /// Messages as the protocol page "Logical Replication Message Formats" has them.
    private static func begin() -> [UInt8] {
        [UInt8(ascii: "B")] + integer(9_000, bytes: 8) + integer(0, bytes: 8) + integer(7, bytes: 4)
    }

    private static func relation(columns: Int) -> [UInt8] {
        var message = [UInt8(ascii: "R")] + integer(16_400, bytes: 4) + Array("public\0wide\0d".utf8)
        message += integer(columns, bytes: 2)
        for column in 0..<columns {
            message += [0] + Array("c\(column)\0".utf8) + integer(25, bytes: 4) + integer(-1, bytes: 4)
        }
        return message
    }

    private static func insert(columns: Int) -> [UInt8] {
        var message = [UInt8(ascii: "I")] + integer(16_400, bytes: 4) + [UInt8(ascii: "N")]
        message += integer(columns, bytes: 2)
        for column in 0..<columns {
            let value = Array("value \(column)".utf8)
            message += [UInt8(ascii: "t")] + integer(value.count, bytes: 4) + value
        }
        return message
    }

    /// Blocks that taking in `rows` more inserts takes.
    private static func blocks(rows: Int, columns: Int) throws -> Int {
        var assembler = ChangeAssembler(
            resume: .zero, selection: nil, limits: BatchLimits(bytesMax: 64 << 20, rowsMax: 1_000_000))
        func add(_ message: [UInt8]) throws(WeirError) -> ChangeAssembler.Request {
            try message.withUnsafeBytes { bytes in
                Result { () throws(WeirError) in try assembler.add(bytes, lsn: LSN(8_000)) }
            }.get()
        }
        _ = try add(begin())
        #expect(try add(relation(columns: columns)) == .describe)
        assembler.define(
            Relation(
                oid: 16_400, table: TableName(schema: "public", name: "wide"),
                columns: (0..<columns).map {
                    Column(name: "c\($0)", type: ColumnType(oid: 25, name: "text", kind: .text))
                }, identity: .default))
        let message = insert(columns: columns)
        for _ in 0..<16 { _ = try add(message) }
        let before = allocation_count()
        for _ in 0..<rows { _ = try add(message) }
        return Int(allocation_count() - before)
    }

    /// Flat arrays double: a handful of blocks for any number of rows. Without the optimiser each call takes some for
    /// its closures, as many for one column as for a hundred.
    @Test func aRowOfAHundredColumnsTakesAsMuchAsOneOfOne() throws {
        let narrow = try Self.blocks(rows: 1_000, columns: 1)
        let wide = try Self.blocks(rows: 1_000, columns: 100)
        #expect(wide <= narrow + 64)
        #if !DEBUG
            #expect(wide < 100)
        #endif
    }
}
