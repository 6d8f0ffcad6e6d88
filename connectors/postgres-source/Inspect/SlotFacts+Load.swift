import LibPQ
import WeirCore

extension SlotFacts {
    /// Reads a slot; nil when there is none of that name.
    static func load(_ name: String, on connection: borrowing PGConnection) throws(PGError) -> SlotFacts? {
        try list(where: "slot_name = $1", [name], on: connection).first
    }

    /// Reads the server's slots, by name: physical ones and those of other databases hold back WAL of the same disk.
    static func all(on connection: borrowing PGConnection) throws(PGError) -> [SlotFacts] {
        try list(where: "true", [], on: connection)
    }

    private static func list(
        where condition: String, _ values: [String?], on connection: borrowing PGConnection
    ) throws(PGError) -> [SlotFacts] {
        let version = connection.serverVersion
        let status = version >= 130000 ? "wal_status, safe_wal_size" : "NULL, NULL"
        let reason =
            switch version {
            case 170000...: "invalidation_reason"
            case 160000..<170000: "CASE WHEN conflicting THEN 'conflict with recovery' END"
            default: "NULL"
            }
        let result = try connection.query(
            """
            SELECT slot_name, plugin, database, temporary, active_pid, restart_lsn, confirmed_flush_lsn, \
            \(status), \(reason) FROM pg_catalog.pg_replication_slots WHERE \(condition) ORDER BY slot_name
            """,
            values, operation: "read pg_replication_slots")
        return (0..<result.rowCount).map { row in
            var slot = SlotFacts(
                name: result.string(row: row, column: 0) ?? "", plugin: result.string(row: row, column: 1),
                database: result.string(row: row, column: 2),
                confirmedLSN: result.string(row: row, column: 6).flatMap { LSN($0) })
            slot.isTemporary = result.boolean(row: row, column: 3) ?? false
            slot.activePID = result.integer(row: row, column: 4)
            slot.restartLSN = result.string(row: row, column: 5).flatMap { LSN($0) }
            slot.walStatus = result.string(row: row, column: 7)
            slot.safeBytes = result.integer(row: row, column: 8)
            slot.invalidation = result.string(row: row, column: 9)
            return slot
        }
    }
}
