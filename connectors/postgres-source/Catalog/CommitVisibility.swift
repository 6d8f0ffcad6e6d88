import LibPQ
import WeirCore

/// Waits until a transaction that the stream has delivered is visible to other sessions.
///
/// A commit is streamed once its record is in the log; other sessions see it a moment later, when its backend has left
/// the list of running ones, and much later where the backend waits for a synchronous standby. A catalog that is read
/// in between does not have what the transaction changed.
enum CommitVisibility {
    /// Longest wait; then the catalog is read as it is.
    private static let limit: Duration = .seconds(1)

    /// Returns when the transaction with this number (0: none) is not running any more, or after a second.
    static func wait(for xid: UInt32, on connection: borrowing PGConnection) throws(PGError) {
        guard xid != 0 else { return }
        let deadline = ContinuousClock.now + limit
        repeat {
            let result = try connection.query(statusSQL, ["\(xid)"], operation: "read transaction status")
            guard result.boolean(row: 0, column: 0) == true else { return }
        } while ContinuousClock.now < deadline
    }

    /// The stream has the lower half of the number only: the one nearest to the newest finished transaction is meant.
    /// What is newer than that one is running. The server rests between two looks.
    private static let statusSQL = """
        SELECT s.running, CASE WHEN s.running THEN pg_catalog.pg_sleep(0.002) END FROM (
        SELECT CASE WHEN x.candidate <= x.newest THEN pg_catalog.txid_status(x.candidate) = 'in progress' \
        WHEN x.candidate - x.newest < 2147483648 THEN true \
        WHEN x.candidate >= 4294967296 THEN pg_catalog.txid_status(x.candidate - 4294967296) = 'in progress' \
        ELSE false END AS running FROM (
        SELECT n.newest, ((n.newest >> 32) << 32) | $1::pg_catalog.int8 AS candidate FROM (
        SELECT pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) - 1 AS newest) n) x) s
        """
}
