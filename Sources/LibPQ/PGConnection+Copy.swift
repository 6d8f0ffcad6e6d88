import CLibPQ

/// Owner of one message of a COPY stream, allocated by libpq.
@safe
public struct CopyMessage: ~Copyable {
    private let start: UnsafeMutablePointer<CChar>
    /// Length in bytes.
    public let count: Int

    init(owning start: UnsafeMutablePointer<CChar>, count: Int) {
        unsafe self.start = start
        self.count = count
    }

    deinit { unsafe PQfreemem(start) }

    /// The message. Valid as long as this value lives.
    @unsafe public var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: start, count: count) }
}

/// What one read of a COPY stream found.
public enum CopyRead: ~Copyable {
    /// A whole message: one row in the text format of COPY TO.
    case message(CopyMessage)
    /// Nothing has arrived: wait for the socket and call `consumeInput`.
    case wouldBlock
    /// The stream ended; its result follows.
    case end
}

extension PGConnection {
    /// Takes the next message of a COPY TO or replication stream out of libpq's buffer, without reading the socket.
    public borrowing func nextCopyData(operation: String = "COPY TO") throws(PGError) -> CopyRead {
        var start: UnsafeMutablePointer<CChar>?
        let count = unsafe PQgetCopyData(handle, &start, 1)
        if count > 0, let start = unsafe start { return .message(unsafe CopyMessage(owning: start, count: Int(count))) }
        switch count {
        case 0: return .wouldBlock
        case -1: return .end
        default: throw connectionError(operation)
        }
    }

    /// Waits for the next message of a COPY TO stream; nil at its end, when the server confirmed it.
    public borrowing func copyOut(
        operation: String = "COPY TO", deadline: ContinuousClock.Instant? = nil
    ) throws(PGError) -> CopyMessage? {
        while true {
            switch try nextCopyData(operation: operation) {
            case .message(let message): return message
            case .end:
                _ = try lastResult(operation, deadline)
                return nil
            case .wouldBlock:
                try consumeInput(operation)
                switch try nextCopyData(operation: operation) {
                case .message(let message): return message
                case .end:
                    _ = try lastResult(operation, deadline)
                    return nil
                case .wouldBlock:
                    _ = try waitOrThrow(forOutput: false, until: deadline, operation)
                    try consumeInput(operation)
                }
            }
        }
    }

    /// Sends bytes of a COPY FROM stream; they need not end at a row. The bytes are copied or sent before it returns;
    /// waits while libpq's buffer is full.
    public borrowing func copyIn(
        _ bytes: UnsafeRawBufferPointer, operation: String = "COPY FROM", deadline: ContinuousClock.Instant? = nil
    ) throws(PGError) {
        // One call takes an Int32 length; smaller pieces also keep libpq's buffer small.
        var offset = 0
        while offset < bytes.count {
            let piece = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset..<min(offset + 65_536, bytes.count)])
            let text = unsafe piece.bindMemory(to: CChar.self)
            switch unsafe PQputCopyData(handle, text.baseAddress, Int32(text.count)) {
            case 1:
                offset += piece.count
                try flush(operation: operation, deadline: deadline)
            case 0: try flush(operation: operation, deadline: deadline)
            default: throw connectionError(operation)
            }
        }
    }

    /// Ends a COPY FROM stream and returns its result; with a reason the server discards the rows and this throws
    /// the server's error (SQLSTATE 57014).
    @discardableResult
    public borrowing func endCopyIn(
        failing reason: String? = nil, operation: String = "COPY FROM", deadline: ContinuousClock.Instant? = nil
    ) throws(PGError) -> PGResult {
        while true {
            let sent = unsafe PQputCopyEnd(handle, reason)
            if sent == 1 { break }
            if sent < 0 { throw connectionError(operation) }
            try flush(operation: operation, deadline: deadline)
        }
        return try lastResult(operation, deadline)
    }
}
