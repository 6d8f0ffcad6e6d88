/// A transaction of which another agent delivered a beginning before Weir took over: what a position's token tells the
/// PostgreSQL source.
///
/// It is the first one that the slot sends behind the position. Transaction ids come again after 2^32 transactions, but
/// positions in the log do not: the mark can mean no other transaction, however long it is kept.
public struct PartialTransaction: Hashable, Sendable {
    /// The transaction's id.
    public let xid: UInt32
    /// Position of the last change that was delivered; changes up to and with it are left out.
    public let lsn: LSN

    /// Makes a mark.
    public init(xid: UInt32, lsn: LSN) {
        self.xid = xid
        self.lsn = lsn
    }

    /// Reads a token; nil for one that is no mark.
    public init?(token: String) {
        let parts = token.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "partial", let xid = UInt32(parts[1]), let lsn = LSN(String(parts[2]))
        else { return nil }
        self.init(xid: xid, lsn: lsn)
    }

    /// The token of a stored position.
    public var token: String { "partial \(xid) \(lsn)" }
}
