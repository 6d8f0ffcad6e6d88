/// How far a sink has durably got.
public struct StoredPosition: Sendable, Equatable {
    /// Every transaction whose commit LSN is below this is durable in the sink: the resume point.
    public var lsn: LSN
    /// `system_identifier` of the PostgreSQL cluster the position belongs to; 0 when the source is no PostgreSQL, or
    /// when it is not known yet.
    public var systemIdentifier: UInt64
    /// A source's own resume point (Kafka offsets) that goes with it, or a ``PartialTransaction``.
    public var token: String?

    /// Makes a position.
    public init(lsn: LSN, systemIdentifier: UInt64, token: String? = nil) {
        self.lsn = lsn
        self.systemIdentifier = systemIdentifier
        self.token = token
    }
}

/// What was written down before a slot was created, so that a crash during the snapshot is recognised.
///
/// The snapshot is finished once every sink has a position at or past `consistentPoint`; the pipeline then removes the
/// intent. An intent whose point is nil, or above a sink's position, or with a sink without position, is a snapshot
/// to take anew.
public struct SnapshotIntent: Sendable, Equatable {
    /// The slot that the snapshot belongs to.
    public var slot: String
    /// The cluster's `system_identifier`.
    public var systemIdentifier: UInt64
    /// Where streaming will start; nil until the slot exists.
    public var consistentPoint: LSN?

    /// Makes an intent.
    public init(slot: String, systemIdentifier: UInt64, consistentPoint: LSN? = nil) {
        self.slot = slot
        self.systemIdentifier = systemIdentifier
        self.consistentPoint = consistentPoint
    }
}

/// A table of the source as a pipeline remembers it over restarts.
public struct KnownTable: Sendable, Equatable {
    /// What the pipeline does with the table.
    public enum Stage: Sendable, Equatable {
        /// It is there, and not among the tables to follow.
        case ignored
        /// Its rows were copied while the stream ran, and are durable in every sink. `snapshot` is what the copy saw
        /// (`txid_current_snapshot()`): changes of these transactions are not delivered. They commit below `bound`.
        case copied(snapshot: String, bound: LSN)
        /// All of its changes are delivered.
        case followed
    }

    /// The table's OID.
    public var oid: UInt32
    /// Its name when it was written down.
    public var name: TableName
    /// What the pipeline does with it.
    public var stage: Stage

    /// Makes a table.
    public init(oid: UInt32, name: TableName, stage: Stage) {
        self.oid = oid
        self.name = name
        self.stage = stage
    }
}

/// Where positions live for sinks that cannot keep their own, one store for one pipeline.
///
/// Every save is durable (fsync) when it returns. Called from several threads; implementations serialise.
/// Errors: `state-unusable`, `state-busy`.
public protocol PositionStore: AnyObject, Sendable {
    /// The stored position of a sink, nil when there is none.
    func position(sink: String) throws(WeirError) -> StoredPosition?
    /// Stores a sink's position. A lower LSN than the stored one of the same system is ignored.
    func save(_ position: StoredPosition, sink: String) throws(WeirError)
    /// Forgets a sink's position, before a snapshot is taken anew.
    func removePosition(sink: String) throws(WeirError)
    /// The snapshot that was begun and not finished, nil when there is none.
    func snapshotIntent() throws(WeirError) -> SnapshotIntent?
    /// Writes down, or with nil removes, the snapshot in progress.
    func setSnapshotIntent(_ intent: SnapshotIntent?) throws(WeirError)
    /// The tables of the source that the stream knows; none before it first began.
    func knownTables() throws(WeirError) -> [KnownTable]
    /// Writes down tables, and forgets others by OID, in one step.
    func update(tables: [KnownTable], removing: [UInt32]) throws(WeirError)
    /// Tables whose backfill is durable, for a backfill that resumes.
    func finishedTables(backfill: String) throws(WeirError) -> Set<TableName>
    /// Adds a table to those whose backfill is durable.
    func finish(table: TableName, backfill: String) throws(WeirError)
    /// Forgets a backfill once all of it is durable.
    func removeBackfill(_ backfill: String) throws(WeirError)
}
