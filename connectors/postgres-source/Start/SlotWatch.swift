import LibPQ
import WeirCore

/// Says what a slow slot creation waits for: the server lets every running and prepared transaction of the cluster end
/// first, which may take as long as those do.
final class SlotWatch {
    private let settings: PostgresSourceSettings
    private let logger: Logger
    private var since: ContinuousClock.Instant?
    private var lastLook = ContinuousClock.now

    init(_ settings: PostgresSourceSettings, _ logger: Logger) {
        self.settings = settings
        self.logger = logger
    }

    /// Called now and then while a statement waits; reports after five seconds, then every minute.
    func look() {
        let now = ContinuousClock.now
        // A pause between two calls means another statement.
        if since == nil || now - lastLook > .seconds(2) { since = now.advanced(by: .seconds(5)) }
        lastLook = now
        guard let due = since, now >= due else { return }
        since = now.advanced(by: .seconds(60))
        logger.warning("the server waits for other transactions to end", describe())
    }

    private func describe() -> [(String, String)] {
        do throws(PGError) {
            let connection = try PGConnection(ConnectionSettings(settings.url, connectTimeoutSeconds: 5))
            let result = try connection.query(
                """
                (SELECT 'process ' || pid || ' since ' || xact_start FROM pg_catalog.pg_stat_activity \
                WHERE backend_xid IS NOT NULL ORDER BY xact_start LIMIT 3) UNION ALL \
                (SELECT 'prepared transaction of ' || database || ' since ' || prepared \
                FROM pg_catalog.pg_prepared_xacts ORDER BY prepared LIMIT 3)
                """, operation: "read pg_stat_activity", deadline: .now + .seconds(5))
            let rows = (0..<result.rowCount).compactMap { result.string(row: $0, column: 0) }
            return [("slot", settings.slot), ("transactions", rows.joined(separator: "; "))]
        } catch {
            return [("slot", settings.slot)]
        }
    }
}
