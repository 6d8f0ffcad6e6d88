internal import WeirCore

/// The state file's format: version 2. Version 1 had no `known_table`.
enum StateSchema {
    /// "WEIR", in the header of every state file (`PRAGMA application_id`).
    static let applicationIdentifier: Int64 = 0x5745_4952
    /// `PRAGMA user_version`. A file of a higher version is refused; a lower one is migrated.
    static let version: Int64 = 2

    /// LSNs and system identifiers are text, so that an operator can read them with any SQLite shell. The last column
    /// of each table is the ``RowChecksum`` of the others.
    static let tables: [(name: String, columns: [String], sql: String)] = [
        table(
            "backfill_table", ["pipeline", "backfill", "table_schema", "table_name"],
            key: ["pipeline", "backfill", "table_schema", "table_name"]),
        table(
            "known_table", ["pipeline", "oid", "table_schema", "table_name", "stage", "snapshot", "bound"],
            optional: ["snapshot", "bound"], key: ["pipeline", "oid"]),
        table(
            "position", ["pipeline", "sink", "lsn", "system_identifier", "token"], optional: ["token"],
            key: ["pipeline", "sink"]),
        table(
            "snapshot_intent", ["pipeline", "slot", "system_identifier", "consistent_point"],
            optional: ["consistent_point"], key: ["pipeline"]),
    ]

    private static func table(
        _ name: String, _ columns: [String], optional: [String] = [], key: [String]
    ) -> (name: String, columns: [String], sql: String) {
        let definitions = columns.map { optional.contains($0) ? "\($0) TEXT" : "\($0) TEXT NOT NULL" }
        let sql =
            "CREATE TABLE \(name) (\(definitions.joined(separator: ", ")), checksum INTEGER NOT NULL, "
            + "PRIMARY KEY (\(key.joined(separator: ", ")))) STRICT"
        return (name, columns, sql)
    }

    /// Every connection's settings: each commit is on the disk, with its journal's end, when it returns.
    static let session = """
        PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = EXTRA; PRAGMA trusted_schema = OFF;
        PRAGMA cell_size_check = ON;
        """

    /// Writes an empty state into a new file.
    static func create(in database: borrowing SQLiteDatabase) throws(SQLiteError) {
        try database.execute(session)
        try database.execute("BEGIN IMMEDIATE")
        for table in tables { try database.execute(table.sql) }
        try database.execute("PRAGMA application_id = \(applicationIdentifier)")
        try database.execute("PRAGMA user_version = \(version)")
        try database.execute("COMMIT")
    }

    private static func tables(ofVersion version: Int64) -> [(name: String, columns: [String], sql: String)] {
        version >= 2 ? tables : tables.filter { $0.name != "known_table" }
    }

    /// Brings a sound file of an earlier version to this one.
    static func migrate(_ database: borrowing SQLiteDatabase) throws(SQLiteError) {
        guard try number("PRAGMA user_version", in: database) == 1 else { return }
        try database.transaction { () throws(SQLiteError) in
            for table in tables where table.name == "known_table" { try database.execute(table.sql) }
            try database.execute("PRAGMA user_version = \(version)")
        }
    }

    /// Refuses a file that is not a sound state file of this version or an earlier one.
    static func check(_ database: borrowing SQLiteDatabase, path: String) throws(WeirError) {
        let refusal: WeirError?
        do throws(SQLiteError) {
            refusal = try Self.refusal(of: database, path: path)
        } catch {
            refusal = StateErrors.sqlite(error, path: path)
        }
        if let refusal { throw refusal }
    }

    private static func refusal(of database: borrowing SQLiteDatabase, path: String) throws(SQLiteError) -> WeirError? {
        try database.execute(session)
        guard try number("PRAGMA application_id", in: database) == applicationIdentifier else {
            return StateErrors.unusable(
                "\(path) is not a state file of Weir", cause: "it is another program's SQLite database",
                advice: "Set state.path to another folder.")
        }
        let found = try number("PRAGMA user_version", in: database)
        guard found <= version else {
            return StateErrors.unusable(
                "The state file \(path) was written by a newer version of Weir",
                cause: "its format is \(found), this version reads up to \(version)",
                advice: "Install that version again; going back needs a state file from before the upgrade.")
        }
        let verdict = try database.query("PRAGMA integrity_check(1)") { $0.text(0) ?? "" }
        guard verdict == ["ok"] else {
            return StateErrors.unusable(
                "The state file \(path) is damaged", cause: verdict.first, advice: StateErrors.restore(path))
        }
        let schema = try database.query(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name"
        ) { row in [row.text(0) ?? "", row.text(1) ?? ""] }
        let expected = tables(ofVersion: found)
        guard found > 0, schema == expected.map({ [$0.name, $0.sql] }) else {
            return StateErrors.unusable(
                "The state file \(path) is damaged", cause: "its tables are not those of format \(max(found, 1))",
                advice: StateErrors.restore(path))
        }
        for table in expected {
            guard try checksumsHold(table.name, table.columns, in: database) else {
                return StateErrors.unusable(
                    "The state file \(path) is damaged", cause: "a row of table \(table.name) fails its checksum",
                    advice: StateErrors.restore(path))
            }
        }
        return nil
    }

    private static func checksumsHold(
        _ table: String, _ columns: [String], in database: borrowing SQLiteDatabase
    ) throws(SQLiteError) -> Bool {
        let count = Int32(columns.count)
        let rows = try database.query("SELECT \(columns.joined(separator: ", ")), checksum FROM \(table)") { row in
            RowChecksum.of((0..<count).map { SQLiteValue(row.text($0)) }) == .integer(row.integer(count))
        }
        return rows.allSatisfy(\.self)
    }

    private static func number(_ sql: String, in database: borrowing SQLiteDatabase) throws(SQLiteError) -> Int64 {
        try database.query(sql) { $0.integer(0) }.first ?? 0
    }
}
