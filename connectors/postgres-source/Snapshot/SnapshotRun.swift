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
    }

    private let connection: PGConnection
    private let order: Order
    /// Where streaming goes on after it, or where the WAL ended when it was taken.
    let consistentPoint: LSN
    private let xid: UInt32

    /// Connects and puts the connection into the snapshot. `givesUp` is looked at while statements run.
    init(_ settings: ConnectionSettings, _ order: Order, givesUp: @escaping () -> Bool) throws(WeirError) {
        let connection = try Self.connect(settings, order, givesUp: givesUp)
        var point = order.consistentPoint
        let xid: UInt32
        do throws(PGError) {
            let facts = try connection.query(
                """
                SELECT pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()) & 4294967295, \
                CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() \
                ELSE pg_catalog.pg_current_wal_insert_lsn() END
                """, operation: "read snapshot")
            xid = facts.integer(row: 0, column: 0) ?? 0
            if point == nil { point = facts.string(row: 0, column: 1).flatMap { LSN($0) } }
        } catch {
            throw SourceErrors.from(error)
        }
        self.connection = connection
        self.order = order
        consistentPoint = point ?? .zero
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

    /// Describes the tables as of this snapshot: those of the publication that the selection takes, by name.
    func tables(_ published: [PublicationFacts.Table], selection: TableSelection?) throws(WeirError) -> [SnapshotTable]
    {
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

    /// Copies the tables in order. `sent` learns of each batch that was accepted, with its ticket.
    consuming func copy(
        _ tables: [SnapshotTable], into feed: Feed, sent: (ChangeBatch, UInt64) throws(WeirError) -> Void
    ) throws(WeirError) -> Ending {
        var reader = SnapshotReader(
            purpose: order.purpose, consistentPoint: consistentPoint, xid: xid, startTime: wallClockMicroseconds(),
            limits: order.batchLimits)
        var progress = SnapshotProgress(
            tables: tables.count, tablesDone: 0, rows: 0,
            rowsEstimated: tables.reduce(0) { $0 + $1.table.estimatedRows }, table: nil)
        let send = { (batch: ChangeBatch) throws(WeirError) -> Bool in
            if feed.shouldStop { return false }
            guard case .accepted(let ticket) = try feed.send(batch, heartbeat: {}) else { return false }
            progress.rows += UInt64(batch.rows.count)
            feed.report(progress)
            try sent(batch, ticket)
            return true
        }
        for table in tables {
            progress.table = table.table.name
            feed.report(progress)
            guard try reader.copy(table, on: connection, send: send) else { return .stopped }
            progress.tablesDone += 1
        }
        guard try reader.finish(send: send) else { return .stopped }
        feed.report(nil)
        return .complete
    }
}
