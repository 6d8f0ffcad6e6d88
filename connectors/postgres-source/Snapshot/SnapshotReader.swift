import LibPQ
import WeirCore

/// Copies parts of tables inside one snapshot and turns their rows into batches of one relation each.
///
/// The connection is in a REPEATABLE READ transaction that took or imported the snapshot. Batches carry the byte
/// before the consistent point as commit LSN and a running ordinal.
struct SnapshotReader: ~Copyable {
    private let consistentPoint: LSN
    private let xid: UInt32
    private let startTime: Int64
    private let limits: BatchLimits
    /// Set where the server does not check that text is UTF-8.
    private let textRule: TextRule?
    private var checked: (relation: Relation, applies: Bool)?
    private var decoder = CopyRowDecoder()
    private var ordinal: UInt64 = 0

    /// `xid` and `startTime` (microseconds since 1970-01-01 UTC) stand in the events' source block.
    init(
        consistentPoint: LSN, xid: UInt32, startTime: Int64, limits: BatchLimits,
        textRule: TextRule? = nil
    ) {
        self.textRule = textRule
        self.consistentPoint = consistentPoint
        self.xid = xid
        self.startTime = startTime
        self.limits = limits
    }

    /// Copies one part, handing each batch, none without rows, to `send`; false from it ends the copy early.
    mutating func copy(
        _ table: SnapshotTable, pages: PageRange?, on connection: borrowing PGConnection, send: SnapshotMarker.Send
    ) throws(WeirError) -> Bool {
        do throws(PGError) {
            _ = try connection.query(
                table.copyStatement(pages: pages), operation: "snapshot of \(table.table.name)")
        } catch {
            throw SourceErrors.copying(error, table.table.name)
        }
        var builder = BatchBuilder(limits: limits)
        begin(&builder)
        let first = ordinal
        while let message = try next(table, on: connection) {
            try append(message, of: table, to: &builder)
            if builder.isFull {
                guard try send(builder.seal(at: wallClockMicroseconds())) else { return false }
            }
        }
        if ordinal == first || table.table.kind == "p" { try Self.requireSameFiles(table, on: connection) }
        if builder.rowCount == 0 { return true }
        return try send(builder.seal(at: wallClockMicroseconds()))
    }

    /// TRUNCATE, and ALTER TABLE where it writes a table anew, leave nothing in it for older snapshots: such a table
    /// looks empty to a COPY that comes after them. The COPY's own lock keeps them away from then on.
    private static func requireSameFiles(
        _ table: SnapshotTable, on connection: borrowing PGConnection
    ) throws(WeirError) {
        let changed: Bool?
        do throws(PGError) {
            // The row of pg_class is that of the snapshot, the function's answer is that of now.
            changed = try connection.query(
                """
                SELECT EXISTS (SELECT FROM pg_catalog.pg_class \
                WHERE (oid = $1::pg_catalog.oid OR oid IN \
                (SELECT relid FROM pg_catalog.pg_partition_tree($1::pg_catalog.oid::pg_catalog.regclass))) \
                AND relfilenode <> 0 AND relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(oid))
                """, ["\(table.table.oid)"], operation: "read pg_class"
            ).boolean(row: 0, column: 0)
        } catch {
            throw SourceErrors.from(error).at(table: table.table.name)
        }
        guard changed != false else { return }
        throw WeirError(
            .tableUnusable, stage: .source, "The table was emptied or written anew before its turn in the snapshot",
            cause: "TRUNCATE and some forms of ALTER TABLE hide its rows from snapshots that are older",
            advice: "The snapshot is taken anew."
        ).at(table: table.table.name).disposed(.retry)
    }

    private func begin(_ builder: inout BatchBuilder) {
        builder.begin(
            TransactionInfo(
                xid: xid, commitLSN: LSN(consistentPoint.rawValue &- 1), commitTime: startTime, rows: 0..<0,
                begins: true, ends: false),
            ordinal: ordinal)
    }

    private func next(
        _ table: SnapshotTable, on connection: borrowing PGConnection
    ) throws(WeirError) -> CopyMessage? {
        do throws(PGError) {
            return try connection.copyOut(operation: "snapshot of \(table.table.name)")
        } catch {
            throw SourceErrors.copying(error, table.table.name)
        }
    }

    /// Asked for each row, told once for a table.
    private mutating func isChecked(_ relation: Relation, _ rule: TextRule) -> Bool {
        if let checked, checked.relation === relation { return checked.applies }
        let applies = rule.applies(to: relation)
        checked = (relation, applies)
        return applies
    }

    private mutating func append(
        _ message: borrowing CopyMessage, of table: SnapshotTable, to builder: inout BatchBuilder
    ) throws(WeirError) {
        let cells = builder.cellCount
        do throws(CopyRowError) {
            try unsafe decoder.appendCells(
                message.bytes, columns: table.relation.columns.count, to: &builder)
        } catch {
            throw WeirError(
                .protocolViolation, stage: .source, "A row of the snapshot is not in COPY's text format",
                cause: "\(error)", advice: "Report this with the server's version; the snapshot starts again."
            ).at(table: table.table.name, position: consistentPoint)
        }
        if let textRule, isChecked(table.relation, textRule) {
            try TextCheck.check(&builder, cells: cells, of: table.relation, at: consistentPoint, textRule)
        }
        builder.addRow(.read, relation: table.relation, lsn: consistentPoint, cells: cells)
        ordinal += 1
    }
}
