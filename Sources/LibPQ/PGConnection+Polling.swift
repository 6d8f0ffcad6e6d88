import CLibPQ

/// The parts of a conversation for a caller that does its own waiting: nothing here blocks.
extension PGConnection {
    /// Whether the next result has not arrived yet: wait for the socket and call `consumeInput`.
    public var isBusy: Bool { unsafe PQisBusy(handle) != 0 }

    /// Takes the next result that has arrived; nil ends the results of one statement. Only while `isBusy` is false.
    ///
    /// Failed results are values: look at `PGResult.error`.
    public borrowing func takeResult() -> PGResult? {
        guard let result = unsafe PQgetResult(handle) else { return nil }
        return unsafe PGResult(owning: result)
    }

    /// Puts bytes of a COPY FROM stream into libpq's buffer, which grows as needed: call `flushAvailable` until it
    /// is empty before adding more than some ten kilobytes.
    public borrowing func queueCopyData(
        _ bytes: UnsafeRawBufferPointer, operation: String = "COPY FROM"
    ) throws(PGError) {
        let text = unsafe bytes.bindMemory(to: CChar.self)
        guard unsafe PQputCopyData(handle, text.baseAddress, Int32(clamping: text.count)) == 1 else {
            throw connectionError(operation)
        }
    }

    /// Ends a COPY FROM stream: the result follows. With a reason the server discards the rows and answers with an
    /// error (SQLSTATE 57014).
    public borrowing func queueCopyEnd(failing reason: String? = nil, operation: String = "COPY FROM") throws(PGError) {
        guard unsafe PQputCopyEnd(handle, reason) == 1 else { throw connectionError(operation) }
    }
}
