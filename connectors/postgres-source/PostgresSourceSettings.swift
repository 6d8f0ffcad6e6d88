public import WeirCore

/// When the rows that exist already are copied.
public enum SnapshotMode: String, Sendable, CaseIterable {
    /// Once, before the first stream.
    case initial
    /// Not at all: only changes from now on.
    case never
    /// At every start of the process, then stream.
    case always
    /// Copy, then end; no slot is made.
    case only
}

/// Settings of the PostgreSQL source. A value; the executable makes it from the configuration.
public struct PostgresSourceSettings: Sendable {
    /// Any libpq connection string. Holds secrets: never log it.
    public var url: String
    /// The tables, nil when the configuration names none: then an existing publication decides, and without one all
    /// tables that have an identity.
    public var tables: TableSelection?
    /// Name of the replication slot.
    public var slot: String
    /// Name of the publication.
    public var publication: String
    /// When the rows that exist already are copied.
    public var snapshot: SnapshotMode
    /// Longest time between two confirmations to the server; shortened to a third of its `wal_sender_timeout`.
    public var statusInterval: Duration
    /// When a batch is full.
    public var batchLimits: BatchLimits
    /// How long a batch may wait for its next row under load.
    public var batchDelay: Duration
    /// Logical messages (`pg_logical_emit_message`) become events.
    public var messages: Bool

    /// Settings with the product's defaults.
    public init(url: String, tables: TableSelection? = nil, slot: String, publication: String) {
        self.url = url
        self.tables = tables
        self.slot = slot
        self.publication = publication
        snapshot = .initial
        statusInterval = .seconds(10)
        batchLimits = BatchLimits()
        batchDelay = .milliseconds(5)
        messages = true
    }
}
