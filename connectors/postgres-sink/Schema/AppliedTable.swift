import WeirCore

/// What a pipeline has last applied of one source table's definition: a row of `weir.source_tables`. A value.
struct AppliedTable: Sendable, Equatable {
    struct Column: Sendable, Equatable {
        /// The name at the source.
        var source: String
        /// `attnum` at the source; nil when it could not be told.
        var number: Int16?
        /// The type's OID at the source.
        var typeOID: UInt32
        /// The name on the target; nil for a column that transforms leave out.
        var target: String?
        /// `format_type` of the column as transforms left it; empty without `target`.
        var type: String
        /// The default's expression at the source.
        var defaultExpression: String?
    }

    /// A generated column that Weir has made on the target.
    struct Generated: Sendable, Equatable {
        /// The name, the same on both sides.
        var name: String
        /// `attnum` at the source.
        var number: Int16
        /// The expression at the source.
        var expression: String
    }

    /// The table's OID at the source.
    var oid: UInt32
    /// The source cluster: an OID says nothing in another one.
    var systemIdentifier: UInt64
    /// The name at the source.
    var origin: TableName
    /// The name on the target.
    var table: TableName
    /// In the stream's order.
    var columns: [Column]
    /// Target names of the primary key's columns, in key order.
    var primaryKey: [String]
    /// `pg_relation_filenode` at the source, as of the rows: the one of the catalog once they have reached it.
    var storage: UInt32
    /// No column that comes after this version has this number or a lower one; 0 when nothing is known.
    var lastNumber: Int16 = 0
    /// The commit LSN of the transaction for which this was right, where every change behind it is told by the source
    /// itself; nil where one may have passed.
    var followedFrom: LSN?
    /// By number.
    var generated: [Generated] = []
    /// The target table's OID, 0 when it is not known: tells whether somebody replaced the table.
    var targetOID: UInt32 = 0

    /// No column that was added since has this number or a lower one, whatever `lastNumber` says.
    var highestNumber: Int16 { max(lastNumber, columns.compactMap(\.number).max() ?? 0) }

    func column(target name: String) -> Column? { columns.first { $0.target == name } }
}

extension AppliedTable {
    /// Whether the catalog, when it was read, had exactly these columns.
    func isOfCatalog(_ relation: Relation) -> Bool {
        // A publication may carry generated columns (PostgreSQL 18).
        let published = Set(columns.compactMap(\.number))
        let there =
            relation.details?.attributes.filter {
                $0.name != nil && (!$0.isGenerated || published.contains($0.number))
            } ?? []
        return there.count == columns.count
            && zip(there, columns).allSatisfy {
                $0.name == $1.source && $0.number == $1.number && $0.typeOID == $1.typeOID
            }
    }

    /// Keeps what was known of defaults and of names of types that the catalog does not tell for this version.
    mutating func keepDefaults(of known: AppliedTable, _ match: ColumnMatch, _ relation: Relation) {
        for (place, index) in match.continued.enumerated() {
            guard let index, place < columns.count else { continue }
            let (name, before) = (columns[place].source, known.columns[index])
            if columns[place].typeOID == before.typeOID, columns[place].type == ColumnType.unnamed(before.typeOID) {
                columns[place].type = before.type
            }
            let isTold = relation.columns.contains { $0.details?.name == name && $0.details?.number != nil }
            if !isTold { columns[place].defaultExpression = before.defaultExpression }
        }
    }

    /// What a relation says, with the columns' numbers as they were told; nil for a relation of no PostgreSQL.
    init?(_ relation: Relation, numbers: [Int16?], systemIdentifier: UInt64) {
        guard let details = relation.details, relation.oid != 0 else { return nil }
        oid = relation.oid
        self.systemIdentifier = systemIdentifier
        origin = relation.origin
        table = relation.table
        primaryKey = relation.primaryKey.map { relation.columns[$0].name }
        storage = details.storage
        if details.asOf == nil { lastNumber = details.attributes.map(\.number).max() ?? 0 }
        columns = details.columns.enumerated().map { place, column in
            let found = relation.columns.first { $0.details?.name == column.name }
            return Column(
                source: column.name, number: place < numbers.count ? numbers[place] : nil, typeOID: column.typeOID,
                target: found?.name, type: found?.type.name ?? "",
                defaultExpression: found?.details?.defaultExpression)
        }
    }
}
