import LibPQ
public import WeirCore

/// A replication slot for people: where it stands and what it holds back.
public struct SlotStatus: Sendable, Equatable {
    /// The slot's name.
    public let name: String
    /// The output plugin; nil for a physical slot.
    public let plugin: String?
    /// The database it decodes; nil for a physical slot.
    public let database: String?
    /// Dropped when its session ends.
    public let isTemporary: Bool
    /// Process of the server that uses it now, nil when it is free.
    public let activePID: Int32?
    /// `reserved`, `extended`, `unreserved`, `lost`, or nil where the server does not say (before 13).
    public let walStatus: String?
    /// Why the server invalidated it, nil when it did not.
    public let invalidation: String?
    /// Oldest WAL it holds back.
    public let restartLSN: LSN?
    /// Everything before it was confirmed; nil for a physical slot.
    public let confirmedLSN: LSN?
    /// Bytes of WAL it holds back.
    public let retainedBytes: UInt64
    /// Bytes of WAL that are not confirmed.
    public let lagBytes: UInt64
    /// Bytes that can still be written before the server may invalidate it; nil without a limit.
    public let safeBytes: Int64?

    init(_ facts: SlotFacts, walEnd: LSN) {
        name = facts.name
        plugin = facts.plugin
        database = facts.database
        isTemporary = facts.isTemporary
        activePID = facts.activePID
        walStatus = facts.walStatus
        invalidation = facts.invalidation
        restartLSN = facts.restartLSN
        confirmedLSN = facts.confirmedLSN
        retainedBytes = Self.distance(facts.restartLSN, walEnd)
        lagBytes = Self.distance(facts.confirmedLSN, walEnd)
        safeBytes = facts.safeBytes
    }

    private static func distance(_ from: LSN?, _ to: LSN) -> UInt64 {
        guard let from, from < to else { return 0 }
        return to.rawValue - from.rawValue
    }
}

/// What a source's server says about itself and the configured slot.
public struct SourceStatus: Sendable, Equatable {
    /// `server_version_num`: 150018 for 15.18.
    public let serverVersion: Int
    /// `system_identifier` of the cluster.
    public let systemIdentifier: UInt64
    /// The database connected to.
    public let database: String
    /// End of the WAL.
    public let walEnd: LSN
    /// The configured slot, nil when there is none.
    public let slot: SlotStatus?
    /// How long the last commit took from the server's disk to being confirmed, in seconds; nil when nothing streams,
    /// the role may not see it, or the server has had nothing to measure lately.
    public let lagSeconds: Double?
}

/// Looks after slots and publications for `weir status` and `weir slot`. Each call connects, asks, and disconnects;
/// blocks its thread.
public enum SourceAdministration {
    /// The server and the configured slot.
    public static func status(_ settings: PostgresSourceSettings) throws(WeirError) -> SourceStatus {
        try SourceErrors.mapping { () throws(PGError) in
            let connection = try PGConnection(
                ConnectionSettings(
                    settings.url, applicationName: "weir status", answerTimeout: PostgresSource.answerTimeout))
            let server = try Prerequisites.load(on: connection).server
            let slot = try SlotFacts.load(settings.slot, on: connection)
            return SourceStatus(
                serverVersion: server.version, systemIdentifier: server.systemIdentifier, database: server.database,
                walEnd: server.walEnd, slot: slot.map { SlotStatus($0, walEnd: server.walEnd) },
                lagSeconds: try slot?.activePID.flatMap { (pid) throws(PGError) in
                    try lagSeconds(of: pid, on: connection)
                })
        }
    }

    private static func lagSeconds(of pid: Int32, on connection: borrowing PGConnection) throws(PGError) -> Double? {
        let result = try connection.query(
            """
            SELECT EXTRACT(epoch FROM COALESCE(replay_lag, flush_lag))::pg_catalog.float8 \
            FROM pg_catalog.pg_stat_replication WHERE pid = $1
            """, ["\(pid)"], operation: "read pg_stat_replication")
        guard result.rowCount == 1 else { return nil }
        return result.string(row: 0, column: 0).flatMap { Double($0) }
    }

    /// The tables that a run with these settings takes, as the catalog describes them now, by name.
    public static func relations(_ settings: PostgresSourceSettings) throws(WeirError) -> [Relation] {
        let selection = try settings.tableSelection()
        let connection = try SourceErrors.mapping { () throws(PGError) in
            try PGConnection(ConnectionSettings(settings.url, applicationName: "weir check"))
        }
        let published = try PublishedTables.find(settings.publication, selection: selection, on: connection)
        return try SourceErrors.mapping { () throws(PGError) in
            let builder = RelationBuilder()
            var relations: [Relation] = []
            for entry in published {
                guard let table = try CatalogTable.load(oid: entry.oid, on: connection) else { continue }
                relations.append(try builder.relation(of: table, columns: entry.columns, on: connection))
            }
            return relations
        }
    }

    /// The server's slots, by name: physical ones and those of other databases too.
    public static func slots(url: String) throws(WeirError) -> [SlotStatus] {
        try SourceErrors.mapping { () throws(PGError) in
            let connection = try PGConnection(
                ConnectionSettings(url, applicationName: "weir slot", answerTimeout: PostgresSource.answerTimeout))
            let end = try Prerequisites.load(on: connection).server.walEnd
            return try SlotFacts.all(on: connection).map { SlotStatus($0, walEnd: end) }
        }
    }

    /// Drops a logical slot of the database. Throws `slot-missing` when there is none, `slot-mismatch` when it is not
    /// this database's, and `slot-busy` while it is in use.
    public static func dropSlot(_ name: String, url: String) throws(WeirError) {
        let connection = try SourceErrors.mapping { () throws(PGError) in
            try PGConnection(
                ConnectionSettings(url, applicationName: "weir slot", answerTimeout: PostgresSource.answerTimeout))
        }
        let slot = try SourceErrors.mapping { () throws(PGError) in try SlotFacts.load(name, on: connection) }
        guard let slot else {
            throw WeirError(.slotMissing, stage: .source, "There is no replication slot \"\(name)\"")
        }
        guard slot.database == connection.database else {
            throw WeirError(
                .slotMismatch, stage: .source, "Replication slot \"\(name)\" is not this database's",
                cause: slot.database.map { "it belongs to database \"\($0)\"" } ?? "it is a physical slot")
        }
        if let pid = slot.activePID {
            throw WeirError(
                .slotBusy, stage: .source, "Replication slot \"\(name)\" is in use",
                cause: "server process \(pid) streams from it", advice: "Stop the agent that uses it first."
            ).disposed(.operator)
        }
        try SourceErrors.mapping { () throws(PGError) in
            _ = try connection.query(
                "SELECT pg_catalog.pg_drop_replication_slot($1)", [name], operation: "drop slot")
        }
    }

    /// Drops a publication if Weir made it; false when there is none or it is not Weir's.
    public static func dropPublication(_ name: String, url: String) throws(WeirError) -> Bool {
        try SourceErrors.mapping { () throws(PGError) in
            let connection = try PGConnection(
                ConnectionSettings(url, applicationName: "weir slot", answerTimeout: PostgresSource.answerTimeout))
            guard let facts = try PublicationFacts.load(name, on: connection), facts.isOurs else { return false }
            try connection.execute(
                "DROP PUBLICATION \(SQLText.identifier(name))", operation: "drop publication")
            return true
        }
    }
}
