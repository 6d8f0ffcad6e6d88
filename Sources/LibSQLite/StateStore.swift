internal import Synchronization
public import WeirCore

/// Positions, the snapshot in progress and the backfill ledger of one pipeline, in one SQLite file.
///
/// Every save is on the disk when it returns. The file is `FILE` in the folder `state.path` (mode 0600 in 0700);
/// while a store is open, `FILE.lock` keeps other processes out. Safe to call from any thread.
public final class StateStore: PositionStore {
    /// The state file's path.
    public let path: String
    let pipeline: String
    private let storage: Mutex<Storage>

    struct Storage: ~Copyable {
        let database: SQLiteDatabase
        /// nil when opened for looking only.
        let lock: StateLock?
    }

    private init(path: String, pipeline: String, storage: consuming sending Storage) {
        self.path = path
        self.pipeline = pipeline
        self.storage = Mutex(storage)
    }

    /// Opens the state for a run: makes folder and file when missing, takes the lock, checks the file.
    ///
    /// Throws `state-busy` with the other process's id when it is in use, and `state-unusable` with path, cause and
    /// remedy when the file is damaged, empty, another program's, of a newer version, a link, or cannot be written. A
    /// bad file is never replaced.
    public static func open(
        folder: String, file: String = "state.db", pipeline: String
    ) throws(WeirError) -> StateStore {
        let folder = try StateFolder(path: folder)
        let path = "\(folder.path)/\(file)"
        let lock = try StateLock(path: path + ".lock")
        if try StateFolder.look(at: path) == .nothing { try folder.create(file) }
        let database = try openDatabase(path)
        guard !database.isReadOnly else {
            throw StateErrors.unusable("The state file \(path) cannot be written", advice: StateErrors.writable(path))
        }
        try StateSchema.check(database, path: path)
        do throws(SQLiteError) {
            try StateSchema.migrate(database)
        } catch {
            throw StateErrors.sqlite(error, path: path)
        }
        return StateStore(path: path, pipeline: pipeline, storage: Storage(database: database, lock: lock))
    }

    /// Opens an existing state for looking at it while another process may be using it; nil when there is none.
    public static func look(
        folder: String, file: String = "state.db", pipeline: String
    ) throws(WeirError) -> StateStore? {
        let path = "\(folder)/\(file)"
        guard try StateFolder.look(at: path) == .file else { return nil }
        let database = try openDatabase(path)
        try StateSchema.check(database, path: path)
        return StateStore(path: path, pipeline: pipeline, storage: Storage(database: database, lock: nil))
    }

    private static func openDatabase(_ path: String) throws(WeirError) -> SQLiteDatabase {
        do throws(SQLiteError) {
            return try SQLiteDatabase(opening: path)
        } catch {
            throw StateErrors.sqlite(error, path: path)
        }
    }

    /// Runs `body` on the database, one call at a time.
    func withDatabase<Result: Sendable>(
        _ body: (borrowing SQLiteDatabase) throws(SQLiteError) -> Result
    ) throws(WeirError) -> Result {
        do throws(SQLiteError) {
            return try storage.withLock { (storage) throws(SQLiteError) in try body(storage.database) }
        } catch {
            throw StateErrors.sqlite(error, path: path)
        }
    }
}

extension StateStore {
    /// The stored position of a sink, nil when there is none.
    public func position(sink: String) throws(WeirError) -> StoredPosition? {
        let pipeline = self.pipeline
        let row = try withDatabase { (database) throws(SQLiteError) in
            try Self.positionRow(database, pipeline, sink)
        }
        return try row.map { row throws(WeirError) in try position(row, sink: sink) }
    }

    /// The positions of all sinks of the pipeline, by the sinks' names.
    public func positions() throws(WeirError) -> [(sink: String, position: StoredPosition)] {
        let pipeline = self.pipeline
        let rows = try withDatabase { (database) throws(SQLiteError) in
            try database.query(
                "SELECT lsn, system_identifier, token, sink FROM position WHERE pipeline = ?1 ORDER BY sink",
                [.text(pipeline)]
            ) { row in (Self.row(row), row.text(3) ?? "") }
        }
        var positions: [(sink: String, position: StoredPosition)] = []
        for (row, sink) in rows { positions.append((sink, try position(row, sink: sink))) }
        return positions
    }

    /// Stores a sink's position. A lower LSN than the stored one of the same system is ignored; a position of another
    /// system is refused with `position-mismatch`; one that was stored without a system, by an import, is of any.
    public func save(_ position: StoredPosition, sink: String) throws(WeirError) {
        let pipeline = self.pipeline
        let stored = try withDatabase { (database) throws(SQLiteError) -> PositionRow? in
            try database.transaction { () throws(SQLiteError) in
                let stored = try Self.positionRow(database, pipeline, sink)
                if let stored {
                    guard stored.system == "\(position.systemIdentifier)" || stored.system == "0" else { return stored }
                    if let lsn = LSN(stored.lsn), position.lsn < lsn { return nil }
                }
                try database.run(
                    """
                    INSERT OR REPLACE INTO position (pipeline, sink, lsn, system_identifier, token, checksum)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                    """,
                    RowChecksum.appended(to: [
                        .text(pipeline), .text(sink), .text("\(position.lsn)"),
                        .text("\(position.systemIdentifier)"), SQLiteValue(position.token),
                    ]))
                return nil
            }
        }
        guard let stored else { return }
        throw WeirError(
            .positionMismatch, stage: .state, "The state file \(path) holds a position of another PostgreSQL cluster",
            cause: "sink \(sink) of pipeline \(pipeline): system identifier \(stored.system) is stored, "
                + "\(position.systemIdentifier) is connected",
            advice: "Use another pipeline name or state.path for another cluster."
        ).at(position: position.lsn)
    }

    /// Forgets a sink's position, before a snapshot is taken anew.
    public func removePosition(sink: String) throws(WeirError) {
        let pipeline = self.pipeline
        try withDatabase { (database) throws(SQLiteError) in
            try database.run(
                "DELETE FROM position WHERE pipeline = ?1 AND sink = ?2", [.text(pipeline), .text(sink)])
        }
    }

    private struct PositionRow: Sendable {
        let lsn: String
        let system: String
        let token: String?
    }

    private static func positionRow(
        _ database: borrowing SQLiteDatabase, _ pipeline: String, _ sink: String
    ) throws(SQLiteError) -> PositionRow? {
        try database.query(
            "SELECT lsn, system_identifier, token FROM position WHERE pipeline = ?1 AND sink = ?2",
            [.text(pipeline), .text(sink)], row: row
        ).first
    }

    private static func row(_ row: borrowing SQLiteStatement) -> PositionRow {
        PositionRow(lsn: row.text(0) ?? "", system: row.text(1) ?? "", token: row.text(2))
    }

    private func position(_ row: PositionRow, sink: String) throws(WeirError) -> StoredPosition {
        guard let lsn = LSN(row.lsn), let system = UInt64(row.system) else {
            throw StateErrors.unusable(
                "The state file \(path) is damaged", cause: "the position of sink \(sink) cannot be read",
                advice: StateErrors.restore(path))
        }
        return StoredPosition(lsn: lsn, systemIdentifier: system, token: row.token)
    }
}

extension StateStore {
    /// The snapshot that was begun and not finished, nil when there is none.
    public func snapshotIntent() throws(WeirError) -> SnapshotIntent? {
        let pipeline = self.pipeline
        let row = try withDatabase { (database) throws(SQLiteError) in
            try database.query(
                "SELECT slot, system_identifier, consistent_point FROM snapshot_intent WHERE pipeline = ?1",
                [.text(pipeline)]
            ) { row in (row.text(0) ?? "", row.text(1) ?? "", row.text(2)) }.first
        }
        guard let row else { return nil }
        let point = row.2.map { LSN($0) }
        guard let system = UInt64(row.1), point != .some(nil) else {
            throw StateErrors.unusable(
                "The state file \(path) is damaged", cause: "the snapshot in progress cannot be read",
                advice: StateErrors.restore(path))
        }
        return SnapshotIntent(slot: row.0, systemIdentifier: system, consistentPoint: point ?? nil)
    }

    /// Writes down, or with nil removes, the snapshot in progress.
    public func setSnapshotIntent(_ intent: SnapshotIntent?) throws(WeirError) {
        let pipeline = self.pipeline
        try withDatabase { (database) throws(SQLiteError) in
            guard let intent else {
                try database.run("DELETE FROM snapshot_intent WHERE pipeline = ?1", [.text(pipeline)])
                return
            }
            try database.run(
                """
                INSERT OR REPLACE INTO snapshot_intent (pipeline, slot, system_identifier, consistent_point, checksum)
                VALUES (?1, ?2, ?3, ?4, ?5)
                """,
                RowChecksum.appended(to: [
                    .text(pipeline), .text(intent.slot), .text("\(intent.systemIdentifier)"),
                    SQLiteValue(intent.consistentPoint?.description),
                ]))
        }
    }

    /// Tables whose backfill is durable, for a backfill that resumes.
    public func finishedTables(backfill: String) throws(WeirError) -> Set<TableName> {
        let pipeline = self.pipeline
        return try withDatabase { (database) throws(SQLiteError) in
            Set(
                try database.query(
                    "SELECT table_schema, table_name FROM backfill_table WHERE pipeline = ?1 AND backfill = ?2",
                    [.text(pipeline), .text(backfill)]
                ) { row in TableName(schema: row.text(0) ?? "", name: row.text(1) ?? "") })
        }
    }

    /// Adds a table to those whose backfill is durable.
    public func finish(table: TableName, backfill: String) throws(WeirError) {
        let pipeline = self.pipeline
        try withDatabase { (database) throws(SQLiteError) in
            try database.run(
                """
                INSERT OR IGNORE INTO backfill_table (pipeline, backfill, table_schema, table_name, checksum)
                VALUES (?1, ?2, ?3, ?4, ?5)
                """,
                RowChecksum.appended(to: [
                    .text(pipeline), .text(backfill), .text(table.schema), .text(table.name),
                ]))
        }
    }

    /// Forgets a backfill once all of it is durable.
    public func removeBackfill(_ backfill: String) throws(WeirError) {
        let pipeline = self.pipeline
        try withDatabase { (database) throws(SQLiteError) in
            try database.run(
                "DELETE FROM backfill_table WHERE pipeline = ?1 AND backfill = ?2", [.text(pipeline), .text(backfill)])
        }
    }
}
