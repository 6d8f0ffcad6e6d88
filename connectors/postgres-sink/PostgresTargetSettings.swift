/// When the transactions of a busy source are committed on the target: the first limit that is reached counts.
///
/// A single transaction larger than the limits stays whole; its memory is bounded by the batches, not by these.
public struct GroupLimits: Sendable, Equatable {
    /// Bytes of batches in one target transaction; they are kept until it is committed.
    public var bytesMax: Int
    /// Rows in one target transaction.
    public var rowsMax: Int
    /// Age of a target transaction.
    public var ageMax: Duration

    /// 8 MiB, 50,000 rows or 500 ms.
    public init(bytesMax: Int = 8 << 20, rowsMax: Int = 50_000, ageMax: Duration = .milliseconds(500)) {
        self.bytesMax = bytesMax
        self.rowsMax = rowsMax
        self.ageMax = ageMax
    }
}

/// Settings of a PostgreSQL target. A value; holds a secret (the URL).
public struct PostgresTargetSettings: Sendable, Equatable {
    /// How changes are applied.
    public enum ApplyMode: String, Sendable, CaseIterable {
        /// As they happened: a row that is there already, or is missing, is an error. For streams.
        case exact
        /// So that the row ends up as the change says: inserts overwrite, updates of missing rows insert, deletes of
        /// missing rows do nothing. For replaying changes that may have been applied before.
        case upsert
    }

    /// What an update or delete gets that finds no row. Only in mode `exact`.
    public enum MissingRowPolicy: String, Sendable, CaseIterable {
        /// Stop at that transaction.
        case error
        /// Count it, log it, go on. Not where row-level security may have hidden the row: that is always an error.
        case ignore
        /// Insert the new row; a delete goes on. Needs a unique index on the target.
        case insert
    }

    /// What the snapshot of a table gets whose target already holds rows that no snapshot of this pipeline
    /// put there.
    public enum SnapshotPolicy: String, Sendable, CaseIterable {
        /// Stop before touching the table.
        case refuse
        /// Empty the table first.
        case truncate
        /// Keep the rows and add to them.
        case append
    }

    /// Whether the session is a replica: then triggers and foreign keys of the target do not fire.
    public enum ReplicationRole: String, Sendable, CaseIterable {
        /// A replica when the role may set that, else an ordinary session.
        case auto
        /// A replica, or no start.
        case replica
        /// An ordinary session: triggers and foreign keys fire.
        case origin
    }

    /// Which table definitions Weir may create or change on the target.
    public enum SchemaMode: String, Sendable, CaseIterable {
        /// None: tables and columns have to be there.
        case none
        /// What loses nothing: tables, types, columns and labels are made, types widened, NOT NULL dropped.
        case additive
        /// Everything the source does, drops and renames included.
        case full
    }

    /// Any libpq connection string.
    public var url: String
    /// The pipeline's name: key of the position in `weir.progress` and of the lock against a second agent.
    public var pipeline: String
    /// How changes are applied.
    public var applyMode: ApplyMode
    /// What an update or delete gets that finds no row.
    public var onMissingRow: MissingRowPolicy
    /// What a snapshot does with a table that is not empty.
    public var onSnapshotNotEmpty: SnapshotPolicy
    /// Whether triggers and foreign keys of the target stay silent.
    public var replicationRole: ReplicationRole
    /// Which table definitions Weir may create or change.
    public var schema: SchemaMode
    /// When a busy stream is committed.
    public var group: GroupLimits
    /// Time to connect, for each host and address, in seconds.
    public var connectTimeoutSeconds: Int
    /// How long opening may wait for locks and for another session that is ending.
    public var openTimeout: Duration
    /// A run of so many inserts into one table becomes a COPY; nil: as many as pay for its round trips.
    var copyRowsMin: Int?
    /// Bytes between two synchronisation points of the pipeline; libpq moves what is unsent at each partial send.
    var syncBytes = 32 << 10
    /// Bytes sent whose results have not been read.
    var inFlightBytesMax = 192 << 10

    /// Settings with the defaults of a stream.
    public init(
        url: String, pipeline: String, applyMode: ApplyMode = .exact, schema: SchemaMode = .none,
        group: GroupLimits = GroupLimits()
    ) {
        self.url = url
        self.pipeline = pipeline
        self.applyMode = applyMode
        self.schema = schema
        self.group = group
        onMissingRow = .error
        onSnapshotNotEmpty = .refuse
        replicationRole = .auto
        connectTimeoutSeconds = 10
        openTimeout = .seconds(10)
    }
}
