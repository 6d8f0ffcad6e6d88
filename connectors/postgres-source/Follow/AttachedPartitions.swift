import LibPQ
import WeirCore

/// Notices partitions that were attached with rows to a table that is published under its root: these rows are in no
/// log, or went to a table of the partition's own name. Lives on the stream's thread.
struct AttachedPartitions {
    private let slot: String
    private let logger: Logger
    /// The partitions seen so far; nil before the first look.
    private var seen: Set<UInt32>?

    /// A partition, and what attached it or one of the tables above it last.
    private struct Partition {
        var oid: UInt32
        var name: TableName
        var root: TableName
        var rootOID: UInt32
        var xid: String
        var command: String
        /// No later than the slot's position can be.
        var isOld: Bool
    }

    /// - Parameter slot: tells at the first look which partitions may have come since the pipeline was last here.
    init(slot: String, logger: Logger) {
        self.slot = slot
        self.logger = logger
    }

    /// Looks at partitions that have come since the last look, and names those whose rows the sinks do not have.
    ///
    /// - Parameter isCopied: whether the copy of a table, given by its OID, has what a transaction attached to it.
    mutating func look(
        _ publication: PublicationFacts, on connection: borrowing PGConnection,
        _ isCopied: (_ root: UInt32, _ xid: UInt32) -> Bool
    ) throws(PGError) {
        guard publication.viaRoot else { return }
        let there = try partitions(publication.tables.map(\.oid), on: connection)
        var unknown: Set<UInt32> = []
        for partition in there where seen.map({ !$0.contains(partition.oid) }) ?? !partition.isOld {
            guard !isCopied(partition.rootOID, UInt32(partition.xid) ?? 0) else { continue }
            guard let hasRows = try holdsEarlierRows(partition, on: connection) else {
                unknown.insert(partition.oid)
                continue
            }
            guard hasRows else { continue }
            logger.warning(
                "a partition had rows when it was attached: the stream does not have them, and the sinks may lack them",
                [
                    ("table", partition.root.description), ("partition", partition.name.description),
                    (
                        "remedy",
                        "once the sinks have caught up (weir status), stop Weir, run weir backfill --table "
                            + "'\(partition.root)', and start it again"
                    ),
                ])
        }
        seen = Set(there.map(\.oid)).subtracting(unknown)
    }

    private func partitions(
        _ roots: [UInt32], on connection: borrowing PGConnection
    ) throws(PGError) -> [Partition] {
        let result = try connection.query(
            """
            WITH RECURSIVE tree(root, relid, xid, command) AS (
                SELECT c.oid, c.oid, NULL::pg_catalog.xid, NULL::pg_catalog.cid FROM pg_catalog.pg_class c
                WHERE c.oid = ANY ($1::pg_catalog.oid[]) AND c.relkind = 'p'
                UNION ALL
                SELECT t.root, i.inhrelid, CASE WHEN b.isLater THEN i.xmin ELSE t.xid END,
                    CASE WHEN b.isLater THEN i.cmin ELSE t.command END
                FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.relid
                CROSS JOIN LATERAL (SELECT t.xid IS NULL OR pg_catalog.age(i.xmin) < pg_catalog.age(t.xid)
                    OR i.xmin = t.xid AND i.cmin::pg_catalog.text::pg_catalog.int8
                        > t.command::pg_catalog.text::pg_catalog.int8) AS b (isLater))
            SELECT c.oid, t.root, n.nspname, c.relname, m.nspname, r.relname, t.xid, t.command,
                COALESCE(pg_catalog.age(t.xid) > (SELECT pg_catalog.age(s.catalog_xmin)
                    FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $2), false)
            FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.relid AND c.relkind = 'r'
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_catalog.pg_class r ON r.oid = t.root JOIN pg_catalog.pg_namespace m ON m.oid = r.relnamespace
            WHERE t.xid IS NOT NULL
            """, ["{\(roots.map { "\($0)" }.joined(separator: ","))}", slot], operation: "look for partitions")
        return (0..<result.rowCount).compactMap { row in
            func text(_ column: Int) -> String { result.string(row: row, column: column) ?? "" }
            guard let oid: UInt32 = result.integer(row: row, column: 0),
                let root: UInt32 = result.integer(row: row, column: 1)
            else { return nil }
            return Partition(
                oid: oid, name: TableName(schema: text(2), name: text(3)),
                root: TableName(schema: text(4), name: text(5)), rootOID: root, xid: text(6), command: text(7),
                isOld: result.boolean(row: row, column: 8) ?? false)
        }
    }

    /// Whether a row is older than the partition's place in the tree. Such rows stand at a table's beginning: only that
    /// is read. Nil when it cannot be told now.
    private func holdsEarlierRows(
        _ partition: Partition, on connection: borrowing PGConnection
    ) throws(PGError) -> Bool? {
        let result: PGResult
        do throws(PGError) {
            // The stream waits meanwhile. Before PostgreSQL 14 the whole partition is read.
            try connection.execute(
                "SET lock_timeout = '1s'; SET statement_timeout = '5s'", operation: "set time limits")
            result = try connection.query(
                """
                SELECT EXISTS (SELECT FROM ONLY \(partition.name.sql) WHERE ctid < '(1024,0)'::pg_catalog.tid
                    AND (pg_catalog.age(xmin) > pg_catalog.age($1::pg_catalog.xid)
                        OR xmin = $1::pg_catalog.xid AND cmin::pg_catalog.text::pg_catalog.int8 < $2::pg_catalog.int8))
                """, [partition.xid, partition.command], operation: "look at a partition")
        } catch {
            // Dropped, locked or not readable: nothing can be said.
            guard error.kind == .server else { throw error }
            try connection.execute("RESET lock_timeout; RESET statement_timeout", operation: "set time limits")
            return nil
        }
        try connection.execute("RESET lock_timeout; RESET statement_timeout", operation: "set time limits")
        return result.boolean(row: 0, column: 0) ?? false
    }
}
