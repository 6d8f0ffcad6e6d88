import LibPQ
import WeirCore

/// Settings of the session that depend on rights.
enum SessionRole {
    /// Makes the session a replica as far as the policy asks and the role may; true when it is one.
    static func apply(
        _ policy: PostgresTargetSettings.ReplicationRole, to session: TargetSession
    ) throws(TargetFailure) -> Bool {
        guard policy != .origin else { return false }
        do throws(TargetFailure) {
            _ = try session.run("SET session_replication_role = replica")
            return true
        } catch {
            guard case .server(let cause, _) = error, cause.sqlState == "42501" else { throw error }
            guard policy == .replica else { return false }
            throw .refused(
                WeirError(
                    .permissionDenied, stage: .sink, "The role may not make its session a replica on the target",
                    cause: cause.description, advice: remedy(role: session.connection.user)))
        }
    }

    /// What an administrator runs so that the role may.
    static func remedy(role: String) -> String {
        "GRANT SET ON PARAMETER session_replication_role TO \(TableName.quote(role)); (PostgreSQL 15 or newer)"
    }

    /// A commit that the server confirms has to survive its crash: else rows are lost that the source has forgotten.
    static func makeCommitsDurable(_ session: TargetSession) throws(TargetFailure) {
        let setting = try session.run("SELECT current_setting('synchronous_commit')")
        if setting.string(row: 0, column: 0) == "off" { _ = try session.run("SET synchronous_commit = on") }
    }
}
