import Glibc
import LibPQ
import WeirCore

/// `weir.progress` and `weir.snapshot_tables` on the target: the position, the fence against a second agent, and what
/// snapshots have copied.
///
/// Two fences: an advisory lock of the session, which nobody else gets while the session lives, and an epoch that
/// rises with each agent, which every move of the position has to name. Used on the sink's thread.
final class ProgressTable {
    private let session: TargetSession
    private let pipeline: String
    /// The pipeline's own progress moves to and fro (a replay): positions never go back then.
    private let isReplay: Bool
    /// Definitions are followed: what was applied of them is kept as well.
    private let keepsDefinitions: Bool
    private var epoch: Int64 = 0
    private var values = ParameterBuffer()

    /// Tables and what they need, as an administrator would create them.
    static let definitions = [
        """
        CREATE TABLE IF NOT EXISTS weir.progress (pipeline text PRIMARY KEY, lsn pg_lsn, \
        system_identifier numeric(20), token text, epoch bigint NOT NULL, agent text NOT NULL, \
        updated_at timestamptz NOT NULL DEFAULT now()) WITH (fillfactor = 50);
        """,
        """
        CREATE TABLE IF NOT EXISTS weir.snapshot_tables (pipeline text, schema_name text, table_name text, \
        consistent_point pg_lsn NOT NULL, copied_rows bigint NOT NULL, copied_at timestamptz NOT NULL DEFAULT now(), \
        PRIMARY KEY (pipeline, schema_name, table_name));
        """,
        SourceTables.definition, SourceTables.addition, SourceTypes.definition,
    ]

    /// Names of Weir's tables that have to be there.
    static func tables(_ mode: PostgresTargetSettings.SchemaMode) -> [String] {
        ["progress", "snapshot_tables"] + (mode == .none ? [] : ["source_tables", "source_types"])
    }

    init(_ session: TargetSession, settings: PostgresTargetSettings) {
        self.session = session
        pipeline = settings.pipeline
        isReplay = settings.applyMode == .upsert
        keepsDefinitions = settings.schema != .none
    }

    /// What an administrator runs once where the role may not create the schema.
    static func administratorStatements(role: String) -> [String] {
        let role = TableName.quote(role)
        return ["CREATE SCHEMA IF NOT EXISTS weir;"] + definitions + [
            "GRANT USAGE ON SCHEMA weir TO \(role);",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON weir.progress, weir.snapshot_tables, weir.source_tables, "
                + "weir.source_types TO \(role);",
        ]
    }

    // MARK: - Opening

    /// Makes the tables when they are missing, takes the lock, raises the epoch, and returns the position.
    func open(lockTimeout: Duration) throws(TargetFailure) -> StoredPosition? {
        try createWhenMissing()
        try lock(timeout: lockTimeout)
        let row = try permitted { () throws(TargetFailure) in
            try session.run(Self.takeOverSQL, [pipeline, Self.agent])
        }
        epoch = row.integer(row: 0, column: 0) ?? 0
        let lsn = row.string(row: 0, column: 1).flatMap { LSN($0) }
        let token = row.string(row: 0, column: 3)
        guard lsn != nil || token != nil else { return nil }
        return StoredPosition(
            lsn: lsn ?? .zero, systemIdentifier: row.integer(row: 0, column: 2) ?? 0, token: token)
    }

    private func createWhenMissing() throws(TargetFailure) {
        let found = try session.run(Self.lookSQL)
        let tables: Int = found.integer(row: 0, column: 1) ?? 0
        let hasDefinitions = found.boolean(row: 0, column: 2) ?? false
        if tables == Self.tables(.none).count, hasDefinitions || !keepsDefinitions { return }
        let hasSchema = found.boolean(row: 0, column: 0) ?? false
        try permitted { () throws(TargetFailure) in
            _ = try session.run("BEGIN")
            // Two agents that start at once would otherwise collide in the catalog.
            _ = try session.run("SELECT pg_advisory_xact_lock(hashtextextended('weir schema', 0))")
            if !hasSchema { _ = try session.run("CREATE SCHEMA IF NOT EXISTS weir") }
            for definition in Self.definitions { _ = try session.run(definition) }
            _ = try session.run("COMMIT")
        }
    }

    /// Adds the remedy to a missing right.
    private func permitted<Value: ~Copyable>(
        _ body: () throws(TargetFailure) -> Value
    ) throws(TargetFailure) -> Value {
        do throws(TargetFailure) {
            return try body()
        } catch {
            guard case .server(let cause, _) = error, cause.sqlState == "42501" else { throw error }
            let statements = Self.administratorStatements(role: session.connection.user)
            throw .refused(
                WeirError(
                    .permissionDenied, stage: .sink, "The role may not create or use Weir's tables on the target",
                    cause: cause.description,
                    advice: "An administrator of the target database runs once: \(statements.joined(separator: " "))"))
        }
    }

    private func lock(timeout: Duration) throws(TargetFailure) {
        let milliseconds = max(1, timeout.components.seconds * 1000)
        _ = try session.run("SELECT set_config('lock_timeout', $1, false)", ["\(milliseconds)"])
        do throws(TargetFailure) {
            _ = try session.run("SELECT pg_advisory_lock(\(Self.lockKey))", [pipeline])
        } catch {
            guard case .server(let cause, _) = error, cause.sqlState == "55P03" else { throw error }
            throw .refused(try busy())
        }
        _ = try session.run("SELECT set_config('lock_timeout', '0', false)")
    }

    /// Whether another session holds the pipeline's lock. Takes it for a moment when it is free.
    func isHeld() throws(TargetFailure) -> Bool {
        let taken = try session.run(
            "SELECT CASE WHEN pg_try_advisory_lock(\(Self.lockKey)) THEN NOT pg_advisory_unlock(\(Self.lockKey)) "
                + "ELSE true END", [pipeline])
        return taken.boolean(row: 0, column: 0) ?? false
    }

    /// Whether the pipeline streams, or has copied the table: its rows are known. Works without the tables, too.
    func isKnown(_ table: TableName) throws(TargetFailure) -> Bool {
        let there = try session.run(Self.lookSQL)
        guard there.integer(row: 0, column: 1) == Self.tables(.none).count else { return false }
        let position = try session.run("SELECT lsn FROM weir.progress WHERE pipeline = $1", [pipeline])
        if position.string(row: 0, column: 0) != nil { return true }
        return try hasCopied(table)
    }

    /// Names who holds the lock.
    private func busy() throws(TargetFailure) -> WeirError {
        let holder = try session.run(Self.holderSQL, [pipeline])
        var parts: [String] = []
        if let agent = holder.string(row: 0, column: 0) { parts.append(agent) }
        if let epoch = holder.string(row: 0, column: 1) { parts.append("epoch \(epoch)") }
        if let pid = holder.string(row: 0, column: 2) { parts.append("session \(pid) on the target") }
        if let address = holder.string(row: 0, column: 3) { parts.append("from \(address)") }
        return WeirError(
            .fenced, stage: .sink, "Another agent applies pipeline \(pipeline) to this target",
            cause: parts.isEmpty ? nil : parts.joined(separator: ", "),
            advice: "Stop the other agent, or give this one another pipeline name."
        ).disposed(.retry)
    }

    // MARK: - The position

    /// Queues the move of the position; the channel reports `fenced` when the row is not this agent's.
    func move(
        to lsn: LSN?, systemIdentifier: UInt64, token: String?, in channel: PipelineChannel, commitLSN: LSN
    ) throws(TargetFailure) {
        values.removeAll()
        for text in [lsn?.description, "\(systemIdentifier)", token, pipeline, "\(epoch)"] {
            if let text { values.append(text: text) } else { values.appendNull() }
        }
        try channel.send(
            isReplay ? Self.replaySQL : Self.moveSQL, &values,
            Expectation(rows: .one, isPosition: true, commitLSN: commitLSN))
    }

    /// Forgets the position, at the beginning of a snapshot.
    func forget() throws(TargetFailure) {
        let result = try session.run(Self.forgetSQL, [pipeline, "\(epoch)"])
        guard result.affectedRows == 1 else { throw .fenced }
        _ = try session.run("DELETE FROM weir.snapshot_tables WHERE pipeline = $1", [backfillName])
    }

    /// What the position row says after a fence struck.
    func explainFence() throws(TargetFailure) -> WeirError {
        let row = try session.run(Self.ownerSQL, [pipeline])
        let error = WeirError(
            .fenced, stage: .sink, "Another agent has taken over pipeline \(pipeline) on this target",
            advice: "Run one agent for each pipeline; give a second one another pipeline name.")
        guard row.rowCount == 1 else {
            var gone = error
            gone.message = "The position of pipeline \(pipeline) has vanished from weir.progress"
            gone.advice = "Restore the row, or start again for a new snapshot."
            return gone
        }
        var owned = error
        owned.cause =
            "weir.progress names \(row.string(row: 0, column: 0) ?? "nobody"), "
            + "epoch \(row.string(row: 0, column: 1) ?? "none"), position \(row.string(row: 0, column: 2) ?? "none"); "
            + "this agent is epoch \(epoch)"
        return owned
    }

    // MARK: - The snapshot's ledger

    /// Whether a snapshot of this pipeline has copied the table: its rows are the pipeline's own, so that a snapshot
    /// taken anew may empty it. Kept after the snapshot's end, because another sink may not have got that far.
    func hasCopied(_ table: TableName) throws(TargetFailure) -> Bool {
        let found = try session.run(
            "SELECT 1 FROM weir.snapshot_tables WHERE pipeline = $1 AND schema_name = $2 AND table_name = $3",
            [pipeline, table.schema, table.name])
        return found.rowCount > 0
    }

    /// Writes down that a table is copied.
    func addCopied(_ table: TableName, rows: Int, consistentPoint: LSN) throws(TargetFailure) {
        _ = try session.run(
            """
            INSERT INTO weir.snapshot_tables (pipeline, schema_name, table_name, consistent_point, copied_rows)
            VALUES ($1, $2, $3, $4::pg_lsn, $5::bigint)
            ON CONFLICT (pipeline, schema_name, table_name) DO UPDATE SET consistent_point = EXCLUDED.consistent_point,
                copied_rows = EXCLUDED.copied_rows, copied_at = now()
            """, [pipeline, table.schema, table.name, consistentPoint.description, "\(rows)"])
    }

    /// Under which name the ledger has tables that a backfill copied beside the stream. No pipeline has such a name.
    private var backfillName: String { "\(pipeline) (backfill)" }

    /// Writes down that a backfill has copied a table: what the stream has of it before that point is in its rows.
    func addBackfilled(_ table: TableName, rows: Int, consistentPoint: LSN) throws(TargetFailure) {
        _ = try session.run(
            """
            INSERT INTO weir.snapshot_tables AS s (pipeline, schema_name, table_name, consistent_point, copied_rows)
            VALUES ($1, $2, $3, $4::pg_lsn, $5::bigint)
            ON CONFLICT (pipeline, schema_name, table_name) DO UPDATE SET copied_rows = EXCLUDED.copied_rows,
                consistent_point = greatest(s.consistent_point, EXCLUDED.consistent_point), copied_at = now()
            """, [backfillName, table.schema, table.name, consistentPoint.description, "\(rows)"])
    }

    /// Tables that a backfill has copied ahead of a position, and the point up to which.
    func backfilled(beyond position: LSN) throws(TargetFailure) -> [TableName: LSN] {
        let found = try session.run(
            """
            SELECT schema_name, table_name, consistent_point FROM weir.snapshot_tables
            WHERE pipeline = $1 AND consistent_point > $2::pg_lsn
            """, [backfillName, position.description])
        var points: [TableName: LSN] = [:]
        for row in 0..<found.rowCount {
            let name = TableName(
                schema: found.string(row: row, column: 0) ?? "", name: found.string(row: row, column: 1) ?? "")
            points[name] = found.string(row: row, column: 2).flatMap { LSN($0) }
        }
        return points
    }

    // MARK: - Statements

    /// The advisory lock's key for the pipeline in `$1`.
    private static let lockKey = "hashtextextended('weir pipeline ' || $1, 0)"

    /// This process, for people: `host name, process 1234`.
    private static let agent: String = {
        var name = [CChar](repeating: 0, count: 256)
        let isKnown = unsafe gethostname(&name, name.count - 1) == 0
        let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return "\(isKnown ? "host \(host), " : "")process \(getpid())"
    }()

    private static let lookSQL = """
        SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'weir'),
               (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'weir' AND c.relname IN ('progress', 'snapshot_tables') AND c.relkind IN ('r', 'p')),
               \(SourceTables.isThereSQL) AND \(SourceTypes.isThereSQL)
        """

    private static let takeOverSQL = """
        INSERT INTO weir.progress AS p (pipeline, epoch, agent) VALUES ($1, 1, $2)
        ON CONFLICT (pipeline) DO UPDATE SET epoch = p.epoch + 1, agent = EXCLUDED.agent, updated_at = now()
        RETURNING p.epoch, p.lsn, p.system_identifier, p.token
        """

    private static let holderSQL = """
        SELECT p.agent, p.epoch, a.pid, a.client_addr
        FROM (SELECT \(lockKey) AS id) k
        LEFT JOIN weir.progress p ON p.pipeline = $1
        LEFT JOIN pg_locks l ON l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND l.classid::bigint = (k.id >> 32) & 4294967295 AND l.objid::bigint = k.id & 4294967295
        LEFT JOIN pg_stat_activity a ON a.pid = l.pid
        LIMIT 1
        """

    private static let moveSQL = """
        UPDATE weir.progress SET lsn = COALESCE($1::pg_lsn, lsn), system_identifier = $2::numeric, token = $3,
            updated_at = now()
        WHERE pipeline = $4 AND epoch = $5::bigint AND (lsn IS NULL OR $1::pg_lsn IS NULL OR lsn <= $1::pg_lsn)
        """

    /// A source with tokens is at its token: the LSN stays what another source of the pipeline, a stream, made it.
    private static let replaySQL = """
        UPDATE weir.progress SET lsn = CASE WHEN $3::text IS NULL THEN GREATEST($1::pg_lsn, lsn) ELSE lsn END,
            system_identifier = CASE WHEN $3::text IS NULL THEN $2::numeric ELSE system_identifier END,
            token = $3::text, updated_at = now()
        WHERE pipeline = $4 AND epoch = $5::bigint
        """

    private static let forgetSQL = """
        UPDATE weir.progress SET lsn = NULL, token = NULL, updated_at = now() WHERE pipeline = $1 AND epoch = $2::bigint
        """

    private static let ownerSQL = "SELECT agent, epoch, lsn FROM weir.progress WHERE pipeline = $1"
}
