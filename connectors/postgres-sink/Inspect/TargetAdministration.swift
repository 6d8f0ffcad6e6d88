import LibPQ
public import WeirCore

/// What a target says about itself and the pipeline's position in it.
public struct TargetStatus: Sendable, Equatable {
    /// `server_version_num`: 150018 for 15.18.
    public let serverVersion: Int
    /// The database connected to.
    public let database: String
    /// The durable position, nil when there is none.
    public let position: StoredPosition?
    /// Who applied last, such as `host db1, process 123`; nil when nobody has.
    public let agent: String?
}

/// Looks after a pipeline's position in a target, for `weir status` and `weir slot drop`. Each call connects, asks, and
/// disconnects; blocks its thread.
public enum TargetAdministration {
    /// The target and the pipeline's position in it. Takes no fence: an agent may be at work.
    public static func status(_ settings: PostgresTargetSettings) throws(WeirError) -> TargetStatus {
        try TargetProbe.run(settings) { (probe) throws(TargetFailure) in
            let row = try probe.hasTables() ? probe.progress() : nil
            return TargetStatus(
                serverVersion: probe.session.connection.serverVersion, database: probe.session.connection.database,
                position: row?.position, agent: row?.agent)
        }
    }

    /// Forgets the pipeline's position, so that its next run begins anew; nil when there was none. What earlier
    /// snapshots copied stays known: a snapshot taken anew may empty it. Throws `fenced` while an agent is at work.
    public static func forgetPosition(_ settings: PostgresTargetSettings) throws(WeirError) -> StoredPosition? {
        do throws(WeirError) {
            return try TargetProbe.run(settings) { (probe) throws(TargetFailure) in
                guard try probe.hasTables(), try probe.progress()?.position != nil else { return nil }
                let progress = ProgressTable(probe.session, settings: settings)
                let position = try progress.open(lockTimeout: .seconds(1))
                try progress.forget()
                return position
            }
        } catch {
            throw error.code == .fenced ? error.disposed(.operator) : error
        }
    }
}

/// A session on the target that only looks.
struct TargetProbe {
    let session: TargetSession
    let pipeline: String

    /// Connects, runs `body`, and puts a failure into words.
    static func run<Value>(
        _ settings: PostgresTargetSettings, _ body: (TargetProbe) throws(TargetFailure) -> Value
    ) throws(WeirError) -> Value {
        let session = try TargetSession(settings)
        session.deadline = .now + .seconds(30)
        do throws(TargetFailure) {
            return try body(TargetProbe(session: session, pipeline: settings.pipeline))
        } catch {
            throw Rejection.error(error, plan: nil, role: session.connection.user)
        }
    }

    /// Whether Weir's tables are there.
    func hasTables() throws(TargetFailure) -> Bool {
        let found = try session.run(
            """
            SELECT count(*) = 2 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'weir' AND c.relname IN ('progress', 'snapshot_tables') AND c.relkind IN ('r', 'p')
            """)
        return found.boolean(row: 0, column: 0) ?? false
    }

    /// The pipeline's row, nil when there is none.
    func progress() throws(TargetFailure) -> (position: StoredPosition?, agent: String?)? {
        let found = try session.run(
            "SELECT lsn, system_identifier, token, agent FROM weir.progress WHERE pipeline = $1", [pipeline])
        guard found.rowCount == 1 else { return nil }
        let lsn = found.string(row: 0, column: 0).flatMap { LSN($0) }
        let token = found.string(row: 0, column: 2)
        let isKnown = lsn != nil || token != nil
        let position = StoredPosition(
            lsn: lsn ?? .zero, systemIdentifier: found.integer(row: 0, column: 1) ?? 0, token: token)
        return (isKnown ? position : nil, found.string(row: 0, column: 3))
    }
}
