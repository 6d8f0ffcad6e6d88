internal import CSQLite

/// Owner of one `sqlite3` connection. Used by one thread at a time; whoever shares it puts it behind a lock.
@safe
package struct SQLiteDatabase: ~Copyable {
    private let handle: OpaquePointer

    /// Opens an existing database file for reading and writing, and never makes one. A file that the process may only
    /// read opens for reading; see ``isReadOnly``. Waits up to five seconds for another process's lock.
    package init(opening path: String) throws(SQLiteError) {
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE
        let result = unsafe sqlite3_open_v2(path, &opened, flags, nil)
        guard result == SQLITE_OK, let handle = unsafe opened else {
            let message = unsafe opened.map { unsafe String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            unsafe sqlite3_close_v2(opened)
            throw SQLiteError(code: result, message: message)
        }
        unsafe sqlite3_busy_timeout(handle, 5_000)
        unsafe self.handle = handle
    }

    deinit {
        unsafe sqlite3_close_v2(handle)
    }

    /// Whether the file could only be opened for reading.
    package var isReadOnly: Bool {
        unsafe sqlite3_db_readonly(handle, "main") == 1
    }

    /// Runs statements without parameters and results.
    package func execute(_ sql: String) throws(SQLiteError) {
        let result = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
        guard result == SQLITE_OK else { throw error(result) }
    }

    /// Prepares one statement, lends it to `body`, and finalizes it.
    package func withStatement<Result>(
        _ sql: String, _ body: (inout SQLiteStatement) throws(SQLiteError) -> Result
    ) throws(SQLiteError) -> Result {
        var prepared: OpaquePointer?
        let result = unsafe sqlite3_prepare_v2(handle, sql, -1, &prepared, nil)
        guard result == SQLITE_OK, let pointer = unsafe prepared else { throw error(result) }
        var statement = unsafe SQLiteStatement(owning: pointer)
        return try body(&statement)
    }

    /// Binds `parameters` to one statement and gives `row` of each result row.
    package func query<Row>(
        _ sql: String, _ parameters: [SQLiteValue] = [],
        row: (borrowing SQLiteStatement) -> Row
    ) throws(SQLiteError) -> [Row] {
        try withStatement(sql) { statement throws(SQLiteError) in
            try statement.bind(parameters)
            var rows: [Row] = []
            while try statement.step() { rows.append(row(statement)) }
            return rows
        }
    }

    /// Runs one statement with parameters; its result rows are dropped.
    package func run(_ sql: String, _ parameters: [SQLiteValue]) throws(SQLiteError) {
        _ = try query(sql, parameters) { _ in () }
    }

    /// Runs `body` in a write transaction: committed when it returns, rolled back when it throws.
    package func transaction<Result>(
        _ body: () throws(SQLiteError) -> Result
    ) throws(SQLiteError) -> Result {
        try execute("BEGIN IMMEDIATE")
        do throws(SQLiteError) {
            let result = try body()
            try execute("COMMIT")
            return result
        } catch {
            // A full disk may have rolled back already; the error at hand is the one to tell.
            if unsafe sqlite3_get_autocommit(handle) == 0 { try? execute("ROLLBACK") }
            throw error
        }
    }

    private func error(_ result: Int32) -> SQLiteError {
        unsafe SQLiteError(code: result, message: String(cString: sqlite3_errmsg(handle)))
    }
}
