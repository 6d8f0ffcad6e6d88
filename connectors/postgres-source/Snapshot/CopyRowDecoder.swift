import Glibc
import WeirCore

/// Why a row of COPY's text format could not be read.
enum CopyRowError: Error, Equatable {
    /// It has another number of columns.
    case columnCount(expected: Int, found: Int)
    /// It ends inside an escape.
    case truncatedEscape
}

/// Reads rows in the text format of COPY TO into a batch: tab-separated, `\N` for NULL, backslash escapes.
/// Source: PostgreSQL documentation, COPY, "Text Format".
struct CopyRowDecoder {
    private var scratch: [UInt8] = []

    /// Appends the cells of one row; the caller adds the row. A row without a backslash is one copy.
    mutating func appendCells(
        _ row: UnsafeRawBufferPointer, columns: Int, to builder: inout BatchBuilder
    ) throws(CopyRowError) {
        let hasEnd = unsafe row.count > 0 && row[row.count - 1] == UInt8(ascii: "\n")
        let length = hasEnd ? row.count - 1 : row.count
        let line = unsafe UnsafeRawBufferPointer(rebasing: row[..<length])
        guard columns > 0 else {
            guard line.count == 0 else { throw .columnCount(expected: 0, found: 1) }
            return
        }
        if let start = line.baseAddress, unsafe memchr(start, Int32(UInt8(ascii: "\\")), line.count) != nil {
            try unsafe appendEscaped(line, columns: columns, to: &builder)
        } else {
            try unsafe appendPlain(line, columns: columns, to: &builder)
        }
    }

    private func appendPlain(
        _ line: UnsafeRawBufferPointer, columns: Int, to builder: inout BatchBuilder
    ) throws(CopyRowError) {
        let base = unsafe builder.appendBytes(line)
        var start = 0
        var found = 1
        for index in 0..<line.count where unsafe line[index] == UInt8(ascii: "\t") {
            builder.appendCell(Cell(kind: .text, offset: base + start, length: index - start))
            start = index + 1
            found += 1
        }
        builder.appendCell(Cell(kind: .text, offset: base + start, length: line.count - start))
        guard found == columns else { throw .columnCount(expected: columns, found: found) }
    }

    private mutating func appendEscaped(
        _ line: UnsafeRawBufferPointer, columns: Int, to builder: inout BatchBuilder
    ) throws(CopyRowError) {
        var start = 0
        var found = 0
        while start <= line.count {
            var end = start
            while end < line.count, unsafe line[end] != UInt8(ascii: "\t") { end += 1 }
            try unsafe appendField(UnsafeRawBufferPointer(rebasing: line[start..<end]), to: &builder)
            found += 1
            start = end + 1
        }
        guard found == columns else { throw .columnCount(expected: columns, found: found) }
    }

    private mutating func appendField(
        _ field: UnsafeRawBufferPointer, to builder: inout BatchBuilder
    ) throws(CopyRowError) {
        if unsafe field.count == 2 && field[0] == UInt8(ascii: "\\") && field[1] == UInt8(ascii: "N") {
            builder.appendCell(.null)
            return
        }
        scratch.removeAll(keepingCapacity: true)
        var index = 0
        while index < field.count {
            let byte = unsafe field[index]
            index += 1
            guard byte == UInt8(ascii: "\\") else {
                scratch.append(byte)
                continue
            }
            guard index < field.count else { throw .truncatedEscape }
            scratch.append(Self.unescaped(unsafe field[index]))
            index += 1
        }
        let base = unsafe scratch.withUnsafeBytes { unsafe builder.appendBytes($0) }
        builder.appendCell(Cell(kind: .text, offset: base, length: scratch.count))
    }

    /// COPY TO writes these six names and the backslash itself; any other byte stands for itself.
    private static func unescaped(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        case UInt8(ascii: "v"): 0x0B
        default: byte
        }
    }
}
