/// Part of a message: bytes `offset..<offset + length`.
public struct ByteRange: Sendable, Equatable, BitwiseCopyable {
    /// Offset of the first byte.
    public let offset: Int
    /// Number of bytes.
    public let length: Int

    /// Makes a range.
    @inlinable
    public init(offset: Int, length: Int) {
        self.offset = offset
        self.length = length
    }
}

/// One column of a tuple: where its value lies in the message.
public struct TupleColumn: Sendable, Equatable, BitwiseCopyable {
    /// What the column holds.
    public enum Kind: UInt8, Sendable, BitwiseCopyable {
        /// A value in text form.
        case text = 0
        /// A value in binary send form.
        case binary = 1
        /// SQL NULL; in a key tuple also every column that is not part of the key.
        case null = 2
        /// A TOASTed value that did not change and was not sent.
        case unchanged = 3
    }

    /// What the column holds.
    public let kind: Kind
    /// Offset of the value in the message; 0 without a value.
    public let offset: UInt32
    /// Length of the value in bytes; 0 without a value.
    public let length: UInt32

    /// Makes a column.
    @inlinable
    public init(kind: Kind, offset: UInt32 = 0, length: UInt32 = 0) {
        self.kind = kind
        self.offset = offset
        self.length = length
    }
}

/// A tuple: a run of the decoder's `columns`.
public struct TupleRange: Sendable, Equatable, BitwiseCopyable {
    /// Index of the first column in `PgOutputDecoder.columns`.
    public let start: Int
    /// Number of columns.
    public let count: Int

    /// Makes a range.
    @inlinable
    public init(start: Int, count: Int) {
        self.start = start
        self.count = count
    }
}

/// The old values that came with an update or delete.
public enum OldTuple: Sendable, Equatable, BitwiseCopyable {
    /// None: an update that left the key alone.
    case none
    /// The replica identity's columns (`K`); the others read NULL.
    case key(TupleRange)
    /// The whole row (`O`): REPLICA IDENTITY FULL.
    case full(TupleRange)
}

/// A decoded message of pgoutput, protocol version 1. Trivially copyable; what has no fixed size stays in the decoder
/// until its next message.
///
/// Positions are plain 64-bit WAL positions, times microseconds since 2000-01-01 00:00 UTC. Source: PostgreSQL
/// documentation, "Logical Replication Message Formats".
public enum PgOutputMessage: Sendable, Equatable, BitwiseCopyable {
    /// Start of a transaction; `finalLSN` is where its commit record starts.
    case begin(finalLSN: UInt64, commitTime: Int64, xid: UInt32)
    /// End of a transaction; `endLSN` is the first byte after its commit record.
    case commit(commitLSN: UInt64, endLSN: UInt64, commitTime: Int64)
    /// The transaction came from another server; `name` is the replication origin's.
    case origin(lsn: UInt64, name: ByteRange)
    /// A table's description; see `PgOutputDecoder.relation`.
    case relation
    /// The name of a type that is not built in; see `PgOutputDecoder.type`.
    case type
    /// A row was inserted.
    case insert(relation: UInt32, new: TupleRange)
    /// A row was updated.
    case update(relation: UInt32, old: OldTuple, new: TupleRange)
    /// A row was deleted; `old` is never `none`.
    case delete(relation: UInt32, old: OldTuple)
    /// Tables were truncated by one statement; see `PgOutputDecoder.truncated`.
    case truncate(cascade: Bool, restartIdentity: Bool)
    /// A logical message (`pg_logical_emit_message`).
    case message(transactional: Bool, lsn: UInt64, prefix: ByteRange, content: ByteRange)
}

/// What old values the server sends for a table.
public enum ReplicaIdentityKind: UInt8, Sendable {
    /// The primary key (`d`).
    case primaryKey = 0x64
    /// Nothing (`n`).
    case nothing = 0x6E
    /// The whole row (`f`).
    case full = 0x66
    /// A unique index (`i`).
    case index = 0x69
}

/// Content of a Relation message.
public struct RelationMessage: Sendable, Equatable {
    /// One column.
    public struct Column: Sendable, Equatable {
        /// The column is part of the replica identity.
        public let isKey: Bool
        /// The column's name.
        public let name: String
        /// OID of its type.
        public let typeOID: UInt32
        /// Its type modifier, -1 for none.
        public let typeModifier: Int32

        /// Makes a column.
        public init(isKey: Bool, name: String, typeOID: UInt32, typeModifier: Int32) {
            self.isKey = isKey
            self.name = name
            self.typeOID = typeOID
            self.typeModifier = typeModifier
        }
    }

    /// OID of the table.
    public var oid: UInt32
    /// Its schema; the empty string on the wire, which means `pg_catalog`, is written out here.
    public var schema: String
    /// Its name.
    public var name: String
    /// What old values are sent.
    public var identity: ReplicaIdentityKind
    /// The columns, in the order of tuples.
    public var columns: [Column]

    /// Makes a description.
    public init(oid: UInt32, schema: String, name: String, identity: ReplicaIdentityKind, columns: [Column]) {
        self.oid = oid
        self.schema = schema
        self.name = name
        self.identity = identity
        self.columns = columns
    }
}

/// Content of a Type message.
public struct TypeMessage: Sendable, Equatable {
    /// OID of the type.
    public var oid: UInt32
    /// Its schema; the empty string on the wire, which means `pg_catalog`, is written out here.
    public var schema: String
    /// Its name.
    public var name: String

    /// Makes a description.
    public init(oid: UInt32, schema: String, name: String) {
        self.oid = oid
        self.schema = schema
        self.name = name
    }
}
