/// One column of a relation, as in force at some point of the log.
public struct Column: Hashable, Sendable {
    /// The column's name.
    public let name: String
    /// The column's type.
    public let type: ColumnType
    /// Part of the replica identity: a key tuple carries it.
    public let isIdentity: Bool
    /// Declared NOT NULL (directly or by a primary key).
    public let isNotNull: Bool
    /// What events have for the column's default, in the text form of its type: see ``DebeziumDefault``. Nil when there
    /// is none.
    public let defaultText: String?
    /// What a target needs to have the column as the source has it; nil where no catalog was asked.
    public let details: ColumnDetails?

    /// Makes a column.
    public init(
        name: String, type: ColumnType, isIdentity: Bool = false, isNotNull: Bool = false, defaultText: String? = nil,
        details: ColumnDetails? = nil
    ) {
        self.name = name
        self.type = type
        self.isIdentity = isIdentity
        self.isNotNull = isNotNull
        self.defaultText = defaultText
        self.details = details
    }
}

/// What old values an UPDATE or DELETE carries. Source: `ALTER TABLE ... REPLICA IDENTITY`.
public enum ReplicaIdentity: UInt8, Sendable {
    /// The primary key's columns.
    case `default`
    /// Nothing.
    case nothing
    /// Every column.
    case full
    /// The columns of a chosen unique index.
    case index
}

/// A version of a table: immutable, shared by every batch that refers to it.
///
/// Rows refer to a relation by index; a changed table is a new relation, so older batches keep theirs. Compare by
/// identity (`===`): caches key on `ObjectIdentifier` while they hold the relation.
public final class Relation: Sendable {
    /// The table's OID on the source; 0 for a relation that no PostgreSQL made.
    public let oid: UInt32
    /// The name under which sinks see the table; a rename transform changes it.
    public let table: TableName
    /// The name at the source, whatever transforms did.
    public let origin: TableName
    /// The columns, in the order of the cells.
    public let columns: [Column]
    /// The replica identity.
    public let identity: ReplicaIdentity
    /// Indexes of the primary key's columns, in key order; empty when there is none.
    public let primaryKey: [Int]
    /// Indexes of the columns an event's key is made of, in key order: the primary key, else the replica identity
    /// index; empty when there is neither.
    public let keyColumns: [Int]
    /// Indexes of the columns of the first unique index of a table without primary key, by the indexes' names; they may
    /// be NULL. What Debezium takes for the key there.
    public let uniqueKey: [Int]
    /// Topic chosen by a route transform; nil means the sink's own rule. Sinks without topics pass over it.
    public let route: String?
    /// What a target needs to create or change the table; nil where no catalog was asked.
    public let details: RelationDetails?

    /// Makes a relation; `primaryKey` and `keyColumns` are indexes into `columns`. Without `keyColumns` they follow
    /// from the primary key and the replica identity.
    public init(
        oid: UInt32, table: TableName, origin: TableName? = nil, columns: [Column], identity: ReplicaIdentity,
        primaryKey: [Int] = [], keyColumns: [Int]? = nil, uniqueKey: [Int] = [], route: String? = nil,
        details: RelationDetails? = nil
    ) {
        self.oid = oid
        self.table = table
        self.origin = origin ?? table
        self.columns = columns
        self.identity = identity
        self.primaryKey = primaryKey
        let indexKey = identity == .index ? columns.indices.filter { columns[$0].isIdentity } : []
        self.keyColumns = keyColumns ?? (primaryKey.isEmpty ? indexKey : primaryKey)
        self.uniqueKey = uniqueKey
        self.route = route
        self.details = details
    }

    /// Whether a column cannot be NULL: it is declared NOT NULL, or the domain that is its type is. Debezium does not
    /// tell the two apart.
    func isRequired(_ column: Column) -> Bool {
        guard !column.isNotNull, column.type.oid != column.type.baseOID else { return column.isNotNull }
        return details?.types.contains { type in
            guard type.oid == column.type.oid, case .domain(let domain) = type.definition else { return false }
            return domain.isNotNull
        } ?? false
    }

    /// The column, declared NOT NULL where it cannot be NULL.
    func required(_ column: Column) -> Column {
        guard isRequired(column) != column.isNotNull else { return column }
        return Column(
            name: column.name, type: column.type, isIdentity: column.isIdentity, isNotNull: true,
            defaultText: column.defaultText, details: column.details)
    }

    /// Index of the column with this name.
    public func columnIndex(_ name: String) -> Int? { columns.firstIndex { $0.name == name } }
}
