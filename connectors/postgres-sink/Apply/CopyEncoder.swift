import WeirCore

/// Rows in the text format of COPY. Source: PostgreSQL documentation, "COPY", "Text Format".
struct CopyEncoder {
    private(set) var buffer: [UInt8] = []

    /// Time to send.
    var isFull: Bool { buffer.count >= 64 << 10 }

    mutating func removeAll() { buffer.removeAll(keepingCapacity: true) }

    /// Sends what is there as part of the session's COPY and forgets it.
    mutating func send(to session: TargetSession) throws(TargetFailure) {
        guard !buffer.isEmpty else { return }
        try unsafe buffer.span.bytes.withUnsafeBytes { bytes throws(TargetFailure) in try unsafe session.copy(bytes) }
        // A value of many megabytes does not stay for ever.
        buffer.removeAll(keepingCapacity: buffer.count < 4 << 20)
    }

    /// Appends one row: the cells of `columns`, which begin at `cells` in the batch.
    mutating func append(
        _ columns: [Int], cells: Int, of batch: ChangeBatch, bytes: UnsafeRawBufferPointer
    ) {
        var isFirst = true
        for column in columns {
            if !isFirst { buffer.append(UInt8(ascii: "\t")) }
            isFirst = false
            let cell = batch.cells[cells + column]
            if cell.isNull {
                buffer.append(UInt8(ascii: "\\"))
                buffer.append(UInt8(ascii: "N"))
            } else {
                unsafe append(escaping: UnsafeRawBufferPointer(rebasing: bytes[cell.range]))
            }
        }
        buffer.append(UInt8(ascii: "\n"))
    }

    /// Appends a value: backslash, tab, newline and carriage return are escaped, so that no value looks like `\N`,
    /// `\.` or an end of line.
    private mutating func append(escaping value: UnsafeRawBufferPointer) {
        var start = 0
        for index in 0..<value.count {
            let byte = unsafe value[index]
            guard byte == 0x5C || byte < 0x0E else { continue }
            let code: UInt8
            switch byte {
            case 0x5C: code = 0x5C
            case 0x09: code = UInt8(ascii: "t")
            case 0x0A: code = UInt8(ascii: "n")
            case 0x0D: code = UInt8(ascii: "r")
            default: continue
            }
            unsafe buffer.append(contentsOf: UnsafeRawBufferPointer(rebasing: value[start..<index]))
            buffer.append(0x5C)
            buffer.append(code)
            start = index + 1
        }
        unsafe buffer.append(contentsOf: UnsafeRawBufferPointer(rebasing: value[start...]))
    }
}
