internal import CSQLite

/// What SQLite refused to do.
package struct SQLiteError: Error, Equatable {
    /// The primary result code, such as `SQLITE_FULL`.
    package let code: Int32
    /// SQLite's own words.
    package let message: String

    package init(code: Int32, message: String) {
        self.code = code & 0xFF
        self.message = message
    }

    /// The disk or the quota is full.
    package var isFull: Bool { code == SQLITE_FULL }
    /// Another process holds the file.
    package var isBusy: Bool { code == SQLITE_BUSY || code == SQLITE_LOCKED }
    /// The bytes are not those of a sound database.
    package var isCorrupt: Bool { code == SQLITE_CORRUPT || code == SQLITE_NOTADB }
    /// The file or its folder cannot be written.
    package var isReadOnly: Bool { code == SQLITE_READONLY || code == SQLITE_CANTOPEN || code == SQLITE_PERM }
}
