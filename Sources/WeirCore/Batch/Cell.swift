/// One value of a row: where its bytes lie in the batch's arena, or that there are none.
///
/// Eight bytes, trivially copyable. Source of the kinds: TupleData in PostgreSQL's "Logical Replication Message
/// Formats".
public struct Cell: Sendable, Equatable, BitwiseCopyable {
    /// What a cell holds.
    public enum Kind: UInt8, Sendable, BitwiseCopyable {
        /// The value in PostgreSQL's text form, UTF-8.
        case text = 0
        /// The value in the type's binary send form.
        case binary = 1
        /// SQL NULL.
        case null = 2
        /// A TOASTed value that did not change and was not sent.
        case unchanged = 3
    }

    /// Largest length of a value in bytes: PostgreSQL's own limit of 1 GiB less one.
    public static let lengthMax = 0x3FFF_FFFF

    /// Where the bytes begin in the arena.
    public let offset: UInt32
    @usableFromInline let tagged: UInt32

    /// A value of `length` bytes (0 to `lengthMax`) at `offset`.
    @inlinable
    public init(kind: Kind, offset: Int, length: Int) {
        self.offset = UInt32(truncatingIfNeeded: offset)
        tagged = UInt32(kind.rawValue) << 30 | UInt32(truncatingIfNeeded: length) & 0x3FFF_FFFF
    }

    /// SQL NULL.
    public static let null = Cell(kind: .null, offset: 0, length: 0)
    /// An unchanged TOASTed value.
    public static let unchanged = Cell(kind: .unchanged, offset: 0, length: 0)

    /// What the cell holds.
    @inlinable
    public var kind: Kind {
        switch tagged >> 30 {
        case 0: .text
        case 1: .binary
        case 2: .null
        default: .unchanged
        }
    }

    /// Length in bytes; 0 for NULL and unchanged.
    @inlinable
    public var length: Int { Int(tagged & 0x3FFF_FFFF) }

    /// The bytes' place in the arena; empty for NULL and unchanged.
    @inlinable
    public var range: Range<Int> { Int(offset)..<(Int(offset) + length) }

    /// Whether the cell is SQL NULL.
    @inlinable
    public var isNull: Bool { tagged >> 30 == 2 }

    /// Whether the value was not sent because it did not change.
    @inlinable
    public var isUnchanged: Bool { tagged >> 30 == 3 }
}
