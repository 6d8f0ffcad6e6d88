import LibPQ
import WeirCore

/// What the follower asks the catalog; each is short.
enum FollowQueries {
    /// Changes whenever tables come, go, or are renamed, or the publication's contents change.
    static func fingerprint(
        of publication: String, on connection: borrowing PGConnection
    ) throws(PGError) -> String? {
        let schemas =
            connection.serverVersion >= 150000
            ? """
             UNION ALL SELECT pg_catalog.concat_ws(' ', 's', n.oid, n.xmin) \
            FROM pg_catalog.pg_publication_namespace n
            """ : ""
        let result = try connection.query(
            """
            SELECT pg_catalog.concat_ws(' ', pg_catalog.count(*), \
            pg_catalog.sum(pg_catalog.hashtextextended(line, 0))) FROM (\
            SELECT pg_catalog.concat_ws(' ', c.oid, c.relpersistence, c.relkind, c.relispartition, c.relreplident, \
            n.nspname, c.relname) AS line FROM pg_catalog.pg_class c \
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
            WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND c.oid >= 16384 \
            UNION ALL SELECT pg_catalog.concat_ws(' ', 'p', p.oid, p.xmin) \
            FROM pg_catalog.pg_publication p WHERE p.pubname = $1 \
            UNION ALL SELECT pg_catalog.concat_ws(' ', 'r', r.oid, r.xmin) \
            FROM pg_catalog.pg_publication_rel r\(schemas)) AS t
            """, [publication], operation: "look for new tables")
        return result.string(row: 0, column: 0)
    }

    /// What a snapshot taken now sees.
    static func snapshot(on connection: borrowing PGConnection) throws(PGError) -> TransactionSnapshot? {
        let result = try connection.query(
            "SELECT pg_catalog.txid_current_snapshot()::text", operation: "read snapshot")
        return result.string(row: 0, column: 0).flatMap { TransactionSnapshot($0) }
    }

    /// Where the log ends: every transaction that is visible now committed below it.
    static func logEnd(on connection: borrowing PGConnection) throws(PGError) -> LSN {
        let result = try connection.query(
            """
            SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() \
            ELSE pg_catalog.pg_current_wal_insert_lsn() END
            """, operation: "read the log's end")
        return result.string(row: 0, column: 0).flatMap { LSN($0) } ?? .zero
    }

    /// The names in a table's column list; nil without one, as on servers before 15.
    static func columnList(
        of oid: UInt32, in publication: String, on connection: borrowing PGConnection
    ) throws(PGError) -> [String]? {
        guard connection.serverVersion >= 150000 else { return nil }
        let result = try connection.query(
            """
            SELECT a.attname FROM pg_catalog.pg_publication_rel r \
            JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid \
            JOIN pg_catalog.pg_attribute a ON a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs::pg_catalog.int2[]) \
            WHERE p.pubname = $1 AND r.prrelid = $2::pg_catalog.oid
            """, [publication, "\(oid)"], operation: "read pg_publication_rel")
        let names = (0..<result.rowCount).compactMap { result.string(row: $0, column: 0) }
        return names.isEmpty ? nil : names
    }

    /// Transactions that hold a writer's lock on a table or one of its partitions: a writer keeps it to its end.
    static func writers(of oid: UInt32, on connection: borrowing PGConnection) throws(PGError) -> Set<String> {
        let result = try connection.query(
            """
            SELECT DISTINCT l.virtualtransaction FROM pg_catalog.pg_locks l \
            WHERE l.locktype = 'relation' AND l.granted \
            AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
            AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') \
            AND l.relation IN (WITH RECURSIVE tree(relid) AS (SELECT $1::pg_catalog.oid UNION \
            SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree t ON i.inhparent = t.relid) \
            SELECT relid FROM tree)
            """, ["\(oid)"], operation: "look for writers")
        return Set((0..<result.rowCount).compactMap { result.string(row: $0, column: 0) })
    }
}
