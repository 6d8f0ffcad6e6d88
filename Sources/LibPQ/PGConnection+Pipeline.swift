import CLibPQ

/// Reusable storage for the values of one statement: filled for each statement, sent, cleared. Keeps its memory, so a
/// filled-once buffer binds values without allocating.
@safe
public struct ParameterBuffer: ~Copyable {
    /// Bytes of all values, each text value followed by a NUL as libpq wants it.
    private var storage: [UInt8] = []
    private var offsets: [Int] = []
    private var lengths: [Int32] = []
    private var formats: [Int32] = []
    private var pointers: [UnsafePointer<CChar>?] = unsafe []

    /// An empty buffer.
    public init() {}

    /// Number of values.
    public var count: Int { offsets.count }

    /// Bytes these values take in libpq's send buffer, within a few bytes for each statement.
    public var byteCount: Int { storage.count + 8 * offsets.count }

    /// Forgets the values, keeps the memory.
    public mutating func removeAll() {
        storage.removeAll(keepingCapacity: true)
        offsets.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
        formats.removeAll(keepingCapacity: true)
    }

    /// Adds NULL.
    public mutating func appendNull() {
        offsets.append(-1)
        lengths.append(0)
        formats.append(0)
    }

    /// Adds a value in text format. It must not contain a NUL byte: the value would end there.
    public mutating func append(text bytes: UnsafeRawBufferPointer) {
        offsets.append(storage.count)
        lengths.append(Int32(clamping: bytes.count))
        formats.append(0)
        unsafe storage.append(contentsOf: bytes)
        storage.append(0)
    }

    /// Adds a value in text format. It must not contain a NUL byte: the value would end there.
    public mutating func append(text: String) {
        var text = text
        text.withUTF8 { bytes in unsafe append(text: UnsafeRawBufferPointer(bytes)) }
    }

    /// Adds a value in binary format.
    public mutating func append(binary bytes: UnsafeRawBufferPointer) {
        offsets.append(storage.count)
        lengths.append(Int32(clamping: bytes.count))
        formats.append(1)
        unsafe storage.append(contentsOf: bytes)
        // An empty value needs an address as well.
        storage.append(0)
    }

    /// Lends the arrays libpq wants: count, values, lengths, formats.
    fileprivate mutating func withArrays(
        _ body: (
            Int32, UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?
        ) -> Int32
    ) -> Int32 {
        unsafe pointers.removeAll(keepingCapacity: true)
        return unsafe storage.withUnsafeBytes { bytes in
            let base = unsafe bytes.bindMemory(to: CChar.self).baseAddress
            for offset in offsets { unsafe pointers.append(offset < 0 ? nil : base?.advanced(by: offset)) }
            return unsafe pointers.withUnsafeBufferPointer { values in
                unsafe lengths.withUnsafeBufferPointer { lengths in
                    unsafe formats.withUnsafeBufferPointer { formats in
                        unsafe body(Int32(values.count), values.baseAddress, lengths.baseAddress, formats.baseAddress)
                    }
                }
            }
        }
    }
}

extension PGConnection {
    /// Whether the connection is in pipeline mode.
    public var isInPipeline: Bool { unsafe PQpipelineStatus(handle) != PQ_PIPELINE_OFF }

    /// Enters pipeline mode: statements are sent without waiting for results.
    ///
    /// libpq moves everything still queued at each partial send: keep the bytes between two synchronizations below
    /// some hundred kilobytes and read results as they come.
    public borrowing func enterPipeline() throws(PGError) {
        guard unsafe PQenterPipelineMode(handle) == 1 else {
            throw PGError(.usage, "pipeline", "pipeline mode needs an idle connection")
        }
    }

    /// Leaves pipeline mode; every result must have been read.
    public borrowing func exitPipeline() throws(PGError) {
        guard unsafe PQexitPipelineMode(handle) == 1 else {
            throw PGError(.usage, "pipeline", "pipeline mode ends only after its last result was read")
        }
    }

    /// Queues the preparation of a statement. In a pipeline it has a result of its own.
    public borrowing func sendPrepare(_ name: String, _ sql: String, types: [UInt32] = []) throws(PGError) {
        try checkText(sql, "prepare")
        guard unsafe PQsendPrepare(handle, name, sql, Int32(types.count), types) == 1 else {
            throw connectionError("prepare")
        }
    }

    /// Queues a prepared statement with its values; results in text format.
    public borrowing func sendPrepared(_ name: String, _ values: inout ParameterBuffer) throws(PGError) {
        let handle = unsafe handle
        let sent = unsafe values.withArrays { count, values, lengths, formats in
            unsafe PQsendQueryPrepared(handle, name, count, values, lengths, formats, 0)
        }
        guard sent == 1 else { throw connectionError("send") }
    }

    /// Queues a statement with its values; results in text format.
    public borrowing func send(_ sql: String, _ values: inout ParameterBuffer) throws(PGError) {
        try checkText(sql, "send")
        let handle = unsafe handle
        let sent = unsafe values.withArrays { count, values, lengths, formats in
            unsafe PQsendQueryParams(handle, sql, count, nil, values, lengths, formats, 0)
        }
        guard sent == 1 else { throw connectionError("send") }
    }

    /// Queues a synchronization point and starts sending. An error skips everything up to the next such point.
    public borrowing func pipelineSync() throws(PGError) {
        guard unsafe PQpipelineSync(handle) == 1 else { throw connectionError("pipeline") }
    }

    /// Asks the server to send the results it has so far, without a synchronization point.
    public borrowing func requestFlush() throws(PGError) {
        guard unsafe PQsendFlushRequest(handle) == 1 else { throw connectionError("pipeline") }
    }

    /// Sends what the socket takes now, without waiting; true when nothing is left in libpq's buffer.
    public borrowing func flushAvailable() throws(PGError) -> Bool {
        let left = unsafe PQflush(handle)
        guard left >= 0 else { throw connectionError("send") }
        return left == 0
    }

    /// Whether `nextResult` would return without waiting.
    public borrowing func hasResult() throws(PGError) -> Bool {
        try consumeInput()
        return unsafe PQisBusy(handle) == 0
    }
}
