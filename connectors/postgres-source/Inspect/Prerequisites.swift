import LibPQ
import WeirCore

/// What a server must be and allow before anything else is looked at.
struct Prerequisites {
    /// The server; its `walEnd` is as of the look.
    var server: ServerFacts
    /// `wal_level`.
    var walLevel: String
    /// The database's encoding.
    var encoding: String
    /// The server is a standby.
    var isStandby: Bool
    /// The role has the REPLICATION attribute or is a superuser. Managed servers have other ways: false is a hint.
    var hasReplicationAttribute: Bool
    /// `max_replication_slots`, and how many exist.
    var slotsMax: Int
    /// Slots that exist.
    var slots: Int

    /// The oldest server that is supported.
    static let oldestVersion = 120000

    /// Reads the facts.
    static func load(on connection: borrowing PGConnection) throws(PGError) -> Prerequisites {
        let result = try connection.query(
            """
            SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()), pg_catalog.current_database(), \
            CURRENT_USER, CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() \
            ELSE pg_catalog.pg_current_wal_flush_lsn() END, pg_catalog.current_setting('wal_level'), \
            pg_catalog.current_setting('server_encoding'), pg_catalog.pg_is_in_recovery(), \
            (SELECT rolreplication OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER), \
            pg_catalog.current_setting('max_replication_slots'), \
            (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots)
            """, operation: "read server facts")
        return Prerequisites(
            server: ServerFacts(
                version: connection.serverVersion,
                systemIdentifier: UInt64(bitPattern: result.integer(row: 0, column: 0) ?? 0),
                database: result.string(row: 0, column: 1) ?? "", role: result.string(row: 0, column: 2) ?? "",
                walEnd: result.string(row: 0, column: 3).flatMap { LSN($0) } ?? .zero),
            walLevel: result.string(row: 0, column: 4) ?? "", encoding: result.string(row: 0, column: 5) ?? "",
            isStandby: result.boolean(row: 0, column: 6) ?? false,
            hasReplicationAttribute: result.boolean(row: 0, column: 7) ?? false,
            slotsMax: result.integer(row: 0, column: 8) ?? 0, slots: result.integer(row: 0, column: 9) ?? 0)
    }

    /// What makes a start impossible; nil when nothing does. A copy without a stream needs no logical decoding.
    func firstObstacle(snapshotOnly: Bool) -> WeirError? {
        if server.version < Self.oldestVersion {
            return WeirError(
                .serverMisconfigured, stage: .source, "The source database is too old",
                cause: "server version \(server.version / 10000), at least \(Self.oldestVersion / 10000) is needed",
                advice: "Upgrade the server.")
        }
        if snapshotOnly { return nil }
        if walLevel != "logical" {
            return WeirError(
                .serverMisconfigured, stage: .source, "The source database does not write a logical log",
                cause: "wal_level is \(walLevel)",
                advice: "ALTER SYSTEM SET wal_level = 'logical', then restart the server.")
        }
        if isStandby && server.version < 160000 {
            return WeirError(
                .serverMisconfigured, stage: .source, "The source database is a standby",
                cause: "standbys before version 16 cannot decode their log",
                advice: "Connect to the primary (target_session_attrs=read-write in the URL finds it)."
            ).disposed(.retry)
        }
        return nil
    }
}
