/// One change: what happened, to which relation, and where its cells are in the batch.
///
/// Trivially copyable; meaningless without its batch.
public struct Row: Sendable, Equatable, BitwiseCopyable {
    /// Which old values came with an update or delete.
    public enum OldTuple: UInt8, Sendable, BitwiseCopyable {
        /// None.
        case none
        /// The replica identity's columns; every other cell is NULL.
        case key
        /// The whole row.
        case full
    }

    /// Flags of a row; see each member.
    public struct Flags: OptionSet, Sendable, BitwiseCopyable {
        /// The bits.
        public let rawValue: UInt8
        /// Wraps bits.
        @inlinable
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// TRUNCATE ... CASCADE.
        public static let cascade = Flags(rawValue: 1)
        /// TRUNCATE ... RESTART IDENTITY.
        public static let restartIdentity = Flags(rawValue: 2)
        /// A truncate of the same statement as the row before it: apply them as one statement.
        public static let continuesStatement = Flags(rawValue: 4)
        /// A logical message that is part of a transaction.
        public static let transactional = Flags(rawValue: 8)
    }

    /// What happened.
    public let operation: Operation
    /// Which old values are there.
    public let oldTuple: OldTuple
    /// Flags.
    public let flags: Flags
    /// Index into the batch's relations; -1 for a logical message.
    public let relation: Int32
    /// Index into the batch's transactions.
    public let transaction: Int32
    /// Index of the first new cell, -1 when there are none (delete, truncate). A logical message has two cells:
    /// prefix and content.
    public let cells: Int32
    /// Index of the first old cell, -1 when there are none. As many as the relation has columns.
    public let oldCells: Int32
    /// 1 for the first change of its transaction, counted before transforms.
    public let ordinal: UInt64
    /// The row's own log position: not unique, not a resume point.
    public let lsn: LSN

    /// Makes a row; indexes are those of the batch it will be part of.
    @inlinable
    public init(
        operation: Operation, oldTuple: OldTuple = .none, flags: Flags = [], relation: Int32, transaction: Int32,
        cells: Int32, oldCells: Int32 = -1, ordinal: UInt64, lsn: LSN
    ) {
        self.operation = operation
        self.oldTuple = oldTuple
        self.flags = flags
        self.relation = relation
        self.transaction = transaction
        self.cells = cells
        self.oldCells = oldCells
        self.ordinal = ordinal
        self.lsn = lsn
    }

    /// The row as part of another transaction of its batch.
    func moving(toTransaction index: Int32) -> Row {
        Row(
            operation: operation, oldTuple: oldTuple, flags: flags, relation: relation, transaction: index,
            cells: cells, oldCells: oldCells, ordinal: ordinal, lsn: lsn)
    }
}
