/// A change of a table's definition, at its place in the log: part of a batch beside the rows.
///
/// It has no ordinal of its own, so that rows have the same identities with and without it: it takes effect before the
/// first row of its transaction whose ordinal is `nextOrdinal` or higher. Transforms keep it; they change the relations
/// it refers to as they do those of rows.
public struct SchemaChange: Sendable, Equatable {
    /// What happened.
    public enum Kind: UInt8, Sendable, CaseIterable {
        /// The table is described for the first time since nothing is known of it: it may be new, or have been as it
        /// is for years. There is no earlier version.
        case described
        /// The table was created.
        case created
        /// The table was renamed, or its columns, key or replica identity are others than before.
        case altered
        /// The table was dropped.
        case dropped
        /// A change of some table could not be told: which one is not known, so it has no relation.
        case missed

        /// The word used in logs.
        public var name: String {
            switch self {
            case .described: "described"
            case .created: "created"
            case .altered: "altered"
            case .dropped: "dropped"
            case .missed: "missed"
            }
        }
    }

    /// The command behind a change, as the event trigger recorded it.
    public struct Command: Sendable, Equatable {
        /// PostgreSQL's command tag: `CREATE TABLE`, `ALTER TABLE`, ...
        public var tag: String
        /// The statement's text; nil where it was not recorded. May hold several statements, of which this is one.
        public var statement: String?

        /// Makes a command.
        public init(tag: String, statement: String? = nil) {
            self.tag = tag
            self.statement = statement
        }
    }

    /// What happened.
    public let kind: Kind
    /// Index into the batch's relations: the table from here on; as it was last known when it was dropped (without
    /// columns when nothing was known); -1 when it is `missed`.
    public let relation: Int32
    /// Index into the batch's relations: the table before; -1 when it is not known, or was created.
    public let previous: Int32
    /// Index into the batch's transactions.
    public let transaction: Int32
    /// The ordinal that the transaction's next row would have; from 1.
    public let nextOrdinal: UInt64
    /// Log position of the record that told of it: not unique, not a resume point.
    public let lsn: LSN
    /// The command, known from the event trigger; nil when the change was inferred from the stream's descriptions.
    /// Then it took place at some point between the row of the table before and the next one.
    public let command: Command?

    /// Makes a change; indexes are those of the batch it will be part of.
    public init(
        _ kind: Kind, relation: Int32, previous: Int32 = -1, transaction: Int32, nextOrdinal: UInt64, lsn: LSN,
        command: Command? = nil
    ) {
        self.kind = kind
        self.relation = relation
        self.previous = previous
        self.transaction = transaction
        self.nextOrdinal = nextOrdinal
        self.lsn = lsn
        self.command = command
    }

    /// The change as part of another transaction of its batch.
    func moving(toTransaction index: Int32) -> SchemaChange {
        SchemaChange(
            kind, relation: relation, previous: previous, transaction: index, nextOrdinal: nextOrdinal, lsn: lsn,
            command: command)
    }
}

/// A run of rows between two changes of tables, or such a change: what a sink that follows definitions goes through.
public enum BatchPiece: Sendable, Equatable {
    /// Rows of the batch, not empty; may cross transactions.
    case rows(Range<Int>)
    /// A change, by its index in the batch's `schemaChanges`.
    case change(Int)
}

extension ChangeBatch {
    /// The table from the change on; as it was last known when it was dropped; nil when the change was missed.
    public func relation(of change: SchemaChange) -> Relation? {
        change.relation < 0 ? nil : relations[Int(change.relation)]
    }

    /// The table before the change; nil when it is not known, or was created.
    public func previous(of change: SchemaChange) -> Relation? {
        change.previous < 0 ? nil : relations[Int(change.previous)]
    }

    /// The rows of these transactions (indexes of `transactions`) and the changes of tables among them, in the order
    /// in which they take effect. One piece at most when there are no changes.
    public func pieces(of transactions: Range<Int>) -> [BatchPiece] {
        guard let first = transactions.first, let last = transactions.last else { return [] }
        var next = self.transactions[first].rows.lowerBound
        let end = self.transactions[last].rows.upperBound
        var pieces: [BatchPiece] = []
        for (index, change) in schemaChanges.enumerated() where transactions.contains(Int(change.transaction)) {
            let place = self.place(of: change)
            if place > next { pieces.append(.rows(next..<place)) }
            next = max(next, place)
            pieces.append(.change(index))
        }
        if end > next { pieces.append(.rows(next..<end)) }
        return pieces
    }

    /// Index of the first row behind the change.
    private func place(of change: SchemaChange) -> Int {
        let rows = transactions[Int(change.transaction)].rows
        var low = rows.lowerBound, high = rows.upperBound
        while low < high {
            let middle = (low + high) / 2
            if self.rows[middle].ordinal < change.nextOrdinal { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
