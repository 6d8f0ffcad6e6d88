public import WeirCore

/// A replication slot as `pg_replication_slots` shows it.
public struct SlotFacts: Sendable, Equatable {
    /// The slot's name.
    public var name: String
    /// The output plugin; nil for a physical slot.
    public var plugin: String?
    /// The database it decodes; nil for a physical slot.
    public var database: String?
    /// Dropped when its session ends.
    public var isTemporary: Bool
    /// Process that uses it now.
    public var activePID: Int32?
    /// `reserved`, `extended`, `unreserved` or `lost`; nil where the server does not say (before 13).
    public var walStatus: String?
    /// Why the server invalidated it (17 and later); nil when it did not.
    public var invalidation: String?
    /// Oldest WAL it holds back.
    public var restartLSN: LSN?
    /// Everything before it was confirmed by a consumer.
    public var confirmedLSN: LSN?
    /// Bytes that can still be written before the slot may be invalidated; nil without a limit.
    public var safeBytes: Int64?

    /// Whether it is a logical slot.
    public var isLogical: Bool { plugin != nil }
    /// Whether its WAL is gone: it can never stream again.
    public var isInvalidated: Bool { walStatus == "lost" || invalidation != nil }

    /// Makes facts.
    public init(
        name: String, plugin: String? = "pgoutput", database: String? = nil, confirmedLSN: LSN? = nil
    ) {
        self.name = name
        self.plugin = plugin
        self.database = database
        self.confirmedLSN = confirmedLSN
        isTemporary = false
    }
}

/// What a server says about itself.
public struct ServerFacts: Sendable, Equatable {
    /// `server_version_num`: 150018 for 15.18.
    public var version: Int
    /// `system_identifier` of the cluster.
    public var systemIdentifier: UInt64
    /// The database connected to.
    public var database: String
    /// The role connected as.
    public var role: String
    /// End of the WAL: flushed on a primary, replayed on a standby.
    public var walEnd: LSN

    /// Makes facts.
    public init(version: Int, systemIdentifier: UInt64, database: String, role: String, walEnd: LSN) {
        self.version = version
        self.systemIdentifier = systemIdentifier
        self.database = database
        self.role = role
        self.walEnd = walEnd
    }
}
