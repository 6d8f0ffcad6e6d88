import CLibPQ

/// Owner of one `PGresult`. Not Sendable: stays on the thread of its connection.
@safe
public struct PGResult: ~Copyable {
    /// What the server answered.
    public enum Status: Sendable {
        /// The statement was empty.
        case empty
        /// Done, no rows.
        case command
        /// Rows; possibly none.
        case rows
        /// The server waits for COPY data.
        case copyIn
        /// The server sends COPY data.
        case copyOut
        /// Both: a replication stream.
        case copyBoth
        /// A synchronization point of a pipeline.
        case pipelineSync
        /// Skipped because an earlier statement of the pipeline failed.
        case pipelineAborted
        /// An error; see `error`.
        case failed
    }

    private let handle: OpaquePointer

    /// Takes over the result.
    init(owning handle: OpaquePointer) { unsafe self.handle = handle }

    deinit { unsafe PQclear(handle) }

    /// What the server answered.
    public var status: Status {
        switch unsafe PQresultStatus(handle) {
        case PGRES_EMPTY_QUERY: .empty
        case PGRES_COMMAND_OK: .command
        case PGRES_TUPLES_OK, PGRES_SINGLE_TUPLE: .rows
        case PGRES_COPY_IN: .copyIn
        case PGRES_COPY_OUT: .copyOut
        case PGRES_COPY_BOTH: .copyBoth
        case PGRES_PIPELINE_SYNC: .pipelineSync
        case PGRES_PIPELINE_ABORTED: .pipelineAborted
        default: .failed
        }
    }

    /// Number of rows.
    public var rowCount: Int { Int(unsafe PQntuples(handle)) }

    /// Number of columns.
    public var columnCount: Int { Int(unsafe PQnfields(handle)) }

    /// Name of a column; empty when there is no such column.
    public func columnName(_ column: Int) -> String {
        guard let name = unsafe PQfname(handle, Int32(clamping: column)) else { return "" }
        return unsafe String(cString: name)
    }

    /// Whether a value is NULL; also true for a row or column that does not exist.
    public func isNull(row: Int, column: Int) -> Bool {
        unsafe PQgetisnull(handle, Int32(clamping: row), Int32(clamping: column)) != 0
    }

    /// A value as text; nil for NULL and for a row or column that does not exist.
    public func string(row: Int, column: Int) -> String? {
        unsafe withBytes(row: row, column: column) { bytes in unsafe String(decoding: bytes, as: UTF8.self) }
    }

    /// A value parsed as a decimal integer; nil when it is NULL or not one.
    public func integer<Value: FixedWidthInteger>(row: Int, column: Int, as type: Value.Type = Value.self) -> Value? {
        string(row: row, column: column).flatMap { Value($0) }
    }

    /// A boolean column (`t` or `f`); nil for NULL.
    public func boolean(row: Int, column: Int) -> Bool? {
        string(row: row, column: column).map { $0 == "t" }
    }

    /// Lends the bytes of a value to `body`; nil without a call for NULL or a value that does not exist. The bytes
    /// are gone when `body` returns.
    public func withBytes<Value>(row: Int, column: Int, _ body: (UnsafeRawBufferPointer) -> Value) -> Value? {
        let row = Int32(clamping: row)
        let column = Int32(clamping: column)
        guard unsafe PQgetisnull(handle, row, column) == 0, let start = unsafe PQgetvalue(handle, row, column) else {
            return nil
        }
        return unsafe body(UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(handle, row, column))))
    }

    /// Rows a statement inserted, updated, deleted, selected or copied; nil when its tag has no count.
    public var affectedRows: Int? { unsafe Int(String(cString: PQcmdTuples(handle))) }

    /// Whether COPY data of this result is in binary format.
    public var isBinaryCopy: Bool { unsafe PQbinaryTuples(handle) != 0 }

    /// The error fields when `status` is `failed`.
    func fields() -> DiagnosticFields {
        var fields = DiagnosticFields(message: "")
        fields.severity = field("V") ?? field("S")
        fields.sqlState = field("C")
        fields.message = unsafe field("M") ?? String(cString: PQresultErrorMessage(handle)).trimmedLine
        fields.detail = field("D")
        fields.hint = field("H")
        fields.schema = field("s")
        fields.table = field("t")
        fields.column = field("c")
        fields.constraint = field("n")
        return fields
    }

    /// The error when `status` is `failed`, else nil. An error without SQLSTATE came from libpq: a lost connection.
    public func error(operation: String) -> PGError? {
        guard status == .failed else { return nil }
        let fields = fields()
        guard fields.sqlState != nil else { return PGError(.connection, operation, fields.message) }
        return PGError(server: fields, operation: operation)
    }

    private func field(_ code: Unicode.Scalar) -> String? {
        guard let text = unsafe PQresultErrorField(handle, Int32(code.value)) else { return nil }
        return unsafe String(cString: text)
    }
}

extension String {
    /// The text without line ends and outer white space.
    var trimmedLine: String {
        split(whereSeparator: \.isNewline).map { String($0.trimmingPrefix(while: \.isWhitespace)) }
            .joined(separator: "; ")
    }
}
