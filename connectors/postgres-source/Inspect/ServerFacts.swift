import WeirCore

/// A replication slot as `pg_replication_slots` shows it.
struct SlotFacts: Sendable, Equatable {
    /// The slot's name.
    var name: String
    /// The output plugin; nil for a physical slot.
    var plugin: String?
    /// The database it decodes; nil for a physical slot.
    var database: String?
    /// Dropped when its session ends.
    var isTemporary: Bool
    /// Process that uses it now.
    var activePID: Int32?
    /// `reserved`, `extended`, `unreserved` or `lost`; nil where the server does not say (before 13).
    var walStatus: String?
    /// Why the server invalidated it (17 and later); nil when it did not.
    var invalidation: String?
    /// Oldest WAL it holds back.
    var restartLSN: LSN?
    /// Everything before it was confirmed by a consumer.
    var confirmedLSN: LSN?
    /// Bytes that can still be written before the slot may be invalidated; nil without a limit.
    var safeBytes: Int64?

    /// Whether it is a logical slot.
    var isLogical: Bool { plugin != nil }
    /// Whether its WAL is gone: it can never stream again.
    var isInvalidated: Bool { walStatus == "lost" || invalidation != nil }

    /// Makes facts.
    init(
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
struct ServerFacts: Sendable, Equatable {
    /// `server_version_num`: 150018 for 15.18.
    var version: Int
    /// `system_identifier` of the cluster.
    var systemIdentifier: UInt64
    /// The database connected to.
    var database: String
    /// The role connected as.
    var role: String
    /// End of the WAL: flushed on a primary, replayed on a standby.
    var walEnd: LSN

    /// Makes facts.
    init(version: Int, systemIdentifier: UInt64, database: String, role: String, walEnd: LSN) {
        self.version = version
        self.systemIdentifier = systemIdentifier
        self.database = database
        self.role = role
        self.walEnd = walEnd
    }
}
