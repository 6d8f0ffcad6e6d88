internal import CSQLite

/// A value for a parameter.
package enum SQLiteValue: Equatable, Sendable {
    case null
    case integer(Int64)
    case text(String)

    /// Text, or NULL for nil.
    package init(_ text: String?) {
        self = text.map(Self.text) ?? .null
    }
}

/// Owner of one prepared statement; must not outlive its database.
@safe
package struct SQLiteStatement: ~Copyable {
    private let handle: OpaquePointer

    init(owning handle: OpaquePointer) {
        unsafe self.handle = handle
    }

    deinit {
        unsafe sqlite3_finalize(handle)
    }

    /// Binds the parameters in order, from the first.
    package mutating func bind(_ values: [SQLiteValue]) throws(SQLiteError) {
        for (index, value) in values.enumerated() {
            let place = Int32(index + 1)
            let result =
                switch value {
                case .null: unsafe sqlite3_bind_null(handle, place)
                case .integer(let number): unsafe sqlite3_bind_int64(handle, place, number)
                case .text(let text):
                    unsafe sqlite3_bind_text(handle, place, text, Int32(text.utf8.count), Self.transient)
                }
            guard result == SQLITE_OK else { throw error(result) }
        }
    }

    /// Goes to the next result row; false at the end.
    package mutating func step() throws(SQLiteError) -> Bool {
        let result = unsafe sqlite3_step(handle)
        guard result == SQLITE_ROW || result == SQLITE_DONE else { throw error(result) }
        return result == SQLITE_ROW
    }

    /// The text of a column of the current row, from 0; nil for NULL.
    package borrowing func text(_ column: Int32) -> String? {
        guard let bytes = unsafe sqlite3_column_text(handle, column) else { return nil }
        let count = unsafe sqlite3_column_bytes(handle, column)
        return unsafe String(decoding: UnsafeBufferPointer(start: bytes, count: Int(count)), as: UTF8.self)
    }

    /// The number in a column of the current row, from 0; 0 for NULL.
    package borrowing func integer(_ column: Int32) -> Int64 {
        unsafe sqlite3_column_int64(handle, column)
    }

    /// SQLite copies the text before the call returns (`SQLITE_TRANSIENT`, a macro Swift does not see).
    private static var transient: sqlite3_destructor_type {
        unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    }

    private borrowing func error(_ result: Int32) -> SQLiteError {
        let message = unsafe sqlite3_db_handle(handle).map { unsafe String(cString: sqlite3_errmsg($0)) }
        return SQLiteError(code: result, message: message ?? "")
    }
}
