/// A source transaction, or the part of one that a batch holds.
public struct TransactionInfo: Sendable, Equatable {
    /// 32-bit transaction id; wraps around, so never an identity. 0 for a non-transactional message's carrier.
    public var xid: UInt32
    /// Begin's "final LSN": where the commit record starts. Identity of the transaction's events.
    public var commitLSN: LSN
    /// Commit's "end LSN": resume point once durable. `.zero` until the commit is part of a batch.
    public var endLSN: LSN
    /// End LSN of the transaction before it in the stream, nil for the first after a start.
    public var previousEndLSN: LSN?
    /// The position that came with Begin: where the first change was, `.zero` when an origin follows; nil where no
    /// server sent it.
    public var beginLSN: LSN?
    /// Commit time in microseconds since 1970-01-01 UTC, by the source's clock.
    public var commitTime: Int64
    /// Rows of this batch that belong to it.
    public var rows: Range<Int>
    /// The transaction's first change is in this batch.
    public var begins: Bool
    /// The transaction's commit is in this batch.
    public var ends: Bool
    /// Name of the replication origin, when the server sent one.
    public var originName: String?
    /// Where the transaction ended on its origin; nil without an origin.
    public var originLSN: LSN?

    /// Makes a transaction record.
    public init(
        xid: UInt32, commitLSN: LSN, endLSN: LSN = .zero, previousEndLSN: LSN? = nil, commitTime: Int64,
        rows: Range<Int>, begins: Bool, ends: Bool, originName: String? = nil
    ) {
        self.xid = xid
        self.commitLSN = commitLSN
        self.endLSN = endLSN
        self.previousEndLSN = previousEndLSN
        self.commitTime = commitTime
        self.rows = rows
        self.begins = begins
        self.ends = ends
        self.originName = originName
    }
}

/// What part of a snapshot a batch is. A snapshot batch holds rows of one relation (`relations[0]`) only.
public struct SnapshotPart: Sendable, Equatable {
    /// Why the snapshot is taken.
    public enum Purpose: Sendable {
        /// The beginning of a stream: sinks start afresh, and the snapshot's end is their first position.
        case initial
        /// Tables that came into a stream while it ran: their rows stand between two transactions of the stream, and
        /// replace what a sink holds of an earlier copy. Positions of sinks stay as they are.
        case addition
        /// A one-shot copy beside or without a stream: positions of sinks stay as they are.
        case backfill
    }

    /// Why the snapshot is taken.
    public var purpose: Purpose
    /// Where streaming starts after this snapshot; of an addition, the place in the stream where its rows stand.
    public var consistentPoint: LSN
    /// First batch of the snapshot.
    public var isFirst: Bool
    /// First batch of this table. An empty table still has one batch, with no rows.
    public var isFirstOfTable: Bool
    /// Last batch of this table.
    public var isLastOfTable: Bool
    /// Last batch of the snapshot; its `endLSN` is the consistent point (nil for a backfill).
    public var isLast: Bool
    /// The snapshot's very last row is the last row of this batch (decides Debezium's `last` marker).
    public var holdsLastRow: Bool

    /// Makes a part.
    public init(
        purpose: Purpose = .initial, consistentPoint: LSN, isFirst: Bool = false, isFirstOfTable: Bool = false,
        isLastOfTable: Bool = false,
        isLast: Bool = false, holdsLastRow: Bool = false
    ) {
        self.purpose = purpose
        self.consistentPoint = consistentPoint
        self.isFirst = isFirst
        self.isFirstOfTable = isFirstOfTable
        self.isLastOfTable = isLastOfTable
        self.isLast = isLast
        self.holdsLastRow = holdsLastRow
    }
}
