import LibPQ
import WeirCore

/// One pass over the tables inside one snapshot of the database: connects, imports or takes the snapshot, copies.
struct SnapshotRun: ~Copyable {
    /// How a run ended.
    enum Ending: Equatable {
        /// Every row was sent.
        case complete
        /// A stop was asked for, or the attempt is over.
        case stopped
    }

    /// What a run copies, and as what.
    struct Order {
        /// Why the snapshot is taken.
        var purpose: SnapshotPart.Purpose
        /// Name of an exported snapshot, nil to take one.
        var snapshotName: String?
        /// Where streaming goes on; nil for where the WAL ends when the snapshot is taken.
        var consistentPoint: LSN?
        /// When a batch is full.
        var batchLimits = BatchLimits()
        /// What becomes of text that is not UTF-8, where the server does not check it.
        var invalidText = PostgresSourceSettings.InvalidText.refuse
    }

    /// A run's snapshot for others to import, as long as the run lives.
    struct Shared {
        /// The order for a run inside the same snapshot.
        let order: Order
        /// When the snapshot was shared, in microseconds since 1970-01-01 UTC: the time of its rows' events.
        let startTime: Int64
    }

    private let connection: PGConnection
    private let order: Order
    /// Where streaming goes on after it, or where the WAL ended when it was taken.
    let consistentPoint: LSN
    /// What it sees.
    let snapshot: TransactionSnapshot?
    private let xid: UInt32

    /// Connects and puts the connection into the snapshot. `givesUp` is looked at while statements run.
    init(_ settings: ConnectionSettings, _ order: Order, givesUp: @escaping () -> Bool) throws(WeirError) {
        let connection = try Self.connect(settings, order, givesUp: givesUp)
        var point = order.consistentPoint
        let xid: UInt32
        let snapshot: TransactionSnapshot?
        do throws(PGError) {
            let facts = try connection.query(
                """
                SELECT pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()) & 4294967295, \
                CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() \
                ELSE pg_catalog.pg_current_wal_insert_lsn() END, pg_catalog.txid_current_snapshot()::text
                """, operation: "read snapshot")
            snapshot = facts.string(row: 0, column: 2).flatMap { TransactionSnapshot($0) }
            xid = facts.integer(row: 0, column: 0) ?? 0
            if point == nil { point = facts.string(row: 0, column: 1).flatMap { LSN($0) } }
        } catch {
            throw SourceErrors.from(error)
        }
        self.connection = connection
        self.order = order
        consistentPoint = point ?? .zero
        self.snapshot = snapshot
        self.xid = xid
    }

    private static func connect(
        _ settings: ConnectionSettings, _ order: Order, givesUp: @escaping () -> Bool
    ) throws(WeirError) -> PGConnection {
        var settings = settings
        // A policy that hides rows would make an incomplete copy: with this it is an error.
        settings.sessionSettings.append((name: "row_security", value: "off"))
        do throws(PGError) {
            let connection = try PGConnection(settings, givesUp: givesUp)
            if connection.hasUncheckedText { try connection.takeAnyText() }
            try connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", operation: "begin snapshot")
            if let name = order.snapshotName {
                try connection.execute(
                    "SET TRANSACTION SNAPSHOT \(SQLText.literal(name))", operation: "import snapshot")
            }
            return connection
        } catch  where error.operation == "import snapshot" {
            throw WeirError(
                .connectionLost, stage: .source, "The exported snapshot is gone", cause: error.description,
                advice: "The session that exported it was closed; the snapshot is taken anew."
            ).disposed(.retry)
        } catch {
            throw SourceErrors.from(error)
        }
    }

    /// Lets other connections into this run's snapshot.
    borrowing func share() throws(WeirError) -> Shared {
        do throws(PGError) {
            let name = try connection.query("SELECT pg_catalog.pg_export_snapshot()", operation: "export snapshot")
            var order = order
            order.snapshotName = name.string(row: 0, column: 0)
            order.consistentPoint = consistentPoint
            return Shared(order: order, startTime: wallClockMicroseconds())
        } catch {
            throw SourceErrors.from(error)
        }
    }

    /// Describes the tables as of this snapshot: those of the publication that the selection takes, by name.
    borrowing func tables(
        _ published: [PublicationFacts.Table], selection: TableSelection?
    ) throws(WeirError) -> [SnapshotTable] {
        let relations = RelationBuilder()
        var tables: [SnapshotTable] = []
        for entry in published where selection?.contains(entry.name) ?? true {
            do throws(PGError) {
                guard let table = try CatalogTable.load(oid: entry.oid, on: connection) else { continue }
                guard table.kind == "r" || table.kind == "p" else { continue }
                let relation = try relations.relation(of: table, columns: entry.columns, on: connection)
                tables.append(SnapshotTable(table: table, relation: relation, rowFilter: entry.rowFilter))
            } catch {
                throw SourceErrors.from(error).at(table: entry.name)
            }
        }
        return tables
    }

    /// The tables with the sizes of those that can be read by pages, which PostgreSQL does from version 14 on.
    borrowing func measured(_ tables: [SnapshotTable]) throws(WeirError) -> [SnapshotTable] {
        guard connection.serverVersion >= 140000 else { return tables }
        var tables = tables
        for index in tables.indices {
            do throws(PGError) {
                let answer = try connection.query(
                    """
                    SELECT pg_catalog.pg_relation_size(c.oid) \
                    / pg_catalog.current_setting('block_size')::pg_catalog.int8 \
                    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am a ON a.oid = c.relam \
                    WHERE c.oid = $1::pg_catalog.oid AND c.relkind = 'r' AND a.amname = 'heap'
                    """, ["\(tables[index].table.oid)"], operation: "read size")
                tables[index].pages = answer.rowCount == 1 ? answer.integer(row: 0, column: 0) : nil
            } catch {
                throw SourceErrors.from(error).at(table: tables[index].table.name)
            }
        }
        return tables
    }

    /// A reader for this run's connection.
    borrowing func reader(startTime: Int64) -> SnapshotReader {
        SnapshotReader(
            consistentPoint: consistentPoint, xid: xid, startTime: startTime, limits: order.batchLimits,
            textRule: TextRule(order.invalidText, on: connection))
    }

    /// Copies a part of a table; false when `send` ended it early.
    borrowing func copy(
        _ part: CopyPart, with reader: inout SnapshotReader, send: SnapshotMarker.Send
    ) throws(WeirError) -> Bool {
        try reader.copy(part.source, pages: part.pages, on: connection, send: send)
    }

    /// Copies the tables in order. `sent` learns of each batch that was accepted, with its ticket. With a team, its
    /// workers read what this run sends; it was made for parts of the same tables. `heartbeat` is called after each
    /// batch, and with a team at least once a second.
    borrowing func copy(
        _ tables: [SnapshotTable], into feed: Feed, team: CopyTeam? = nil,
        heartbeat: () throws(WeirError) -> Void = {},
        sent: (ChangeBatch, UInt64) throws(WeirError) -> Void
    ) throws(WeirError) -> Ending {
        var marker = SnapshotMarker(purpose: order.purpose, consistentPoint: consistentPoint)
        var reader = reader(startTime: wallClockMicroseconds())
        var progress = SnapshotProgress(
            tables: tables.count, tablesDone: 0, rows: 0,
            rowsEstimated: tables.reduce(0) { $0 + $1.table.estimatedRows }, table: nil)
        func send(_ batch: ChangeBatch) throws(WeirError) -> Bool {
            if feed.shouldStop { return false }
            guard case .accepted(let ticket) = try feed.send(batch, heartbeat: heartbeat) else { return false }
            try heartbeat()
            progress.rows += UInt64(batch.rows.count)
            feed.report(progress)
            try sent(batch, ticket)
            return true
        }
        for (index, table) in tables.enumerated() {
            progress.table = table.table.name
            feed.report(progress)
            marker.begin(table.relation)
            if let team {
                let isStopped = { () throws(WeirError) -> Bool in
                    try heartbeat()
                    return feed.shouldStop
                }
                while let batch = try team.next(of: index, isStopped: isStopped) {
                    guard try marker.add(batch, send: send) else { return .stopped }
                }
                if feed.shouldStop { return .stopped }
            } else {
                let isWhole = try reader.copy(table, pages: nil, on: connection) { batch throws(WeirError) in
                    try marker.add(batch, send: send)
                }
                guard isWhole else { return .stopped }
            }
            marker.endTable()
            progress.tablesDone += 1
        }
        guard try marker.finish(send: send) else { return .stopped }
        feed.report(nil)
        return .complete
    }
}
