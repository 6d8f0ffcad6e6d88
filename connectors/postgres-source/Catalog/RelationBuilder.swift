import LibPQ
import PgOutput
import WeirCore

/// Builds ``Relation``s from what the stream says and what the catalog adds: types, keys, NOT NULL, defaults.
///
/// The stream is the truth about names and columns at a point of the log; the catalog is of now. Facts of a column that
/// the catalog no longer has under that name are left out.
struct RelationBuilder {
    private let types = TypeCatalog()

    /// Takes in an enum's labels as of the point of the log that is read.
    func learn(_ labels: EnumLabels, of oid: UInt32) { types.learn(labels, of: oid) }

    /// Forgets the labels that were taken in.
    func forgetLabels() { types.forgetTold() }

    /// The relation a Relation message describes. `exact` is the table as of its point of the log, nil to take the
    /// catalog of now; `isFirst`: see `RelationDetails.isFirstOfStream`.
    func relation(
        from message: RelationMessage, exact: CatalogTable? = nil, isFirst: Bool = false,
        on connection: borrowing PGConnection
    ) throws(PGError) -> Relation {
        let table = if let exact { exact } else { try CatalogTable.load(oid: message.oid, on: connection) }
        // A label that was added since is no change of the table; this is the moment to see it.
        types.forgetUsers()
        var columns: [Column] = []
        columns.reserveCapacity(message.columns.count)
        for column in message.columns {
            let known = table?.columns.first { $0.name == column.name }
            let type = try types.type(oid: column.typeOID, modifier: column.typeModifier, on: connection)
            let details = known.flatMap { $0.typeOID == column.typeOID ? $0.details : nil }
            // The columns of a key are NOT NULL, whatever they are called in the catalog of now.
            let isInKey = column.isKey && message.identity != .full
            columns.append(
                Column(
                    name: column.name, type: type, isIdentity: column.isKey,
                    isNotNull: isInKey || known?.isNotNull ?? false,
                    defaultText: known?.defaultExpression.flatMap { DebeziumDefault.text(of: $0, type: type) },
                    details: details ?? ColumnDetails(name: column.name)))
        }
        let details = try RelationDetails(
            table, columns: message.columns.map { ($0.name, $0.typeOID) },
            generated: try generated(of: table, on: connection),
            facts: exact == nil ? .now(isFirst: isFirst) : .told(labels: types.told), on: connection)
        let identity: ReplicaIdentity =
            switch message.identity {
            case .primaryKey: .default
            case .nothing: .nothing
            case .full: .full
            case .index: .index
            }
        return Self.relation(
            oid: message.oid, name: TableName(schema: message.schema, name: message.name), columns: columns,
            identity: identity, table: table, details: details)
    }

    /// The relation a table is in the connection's snapshot, or was told to be (`isTold`), limited to the named columns
    /// (nil: all that are not generated).
    func relation(
        of table: CatalogTable, columns names: [String]?, isTold: Bool = false, on connection: borrowing PGConnection
    ) throws(PGError) -> Relation {
        let isKeyed = table.hasIdentity && table.replicaIdentity != .full
        let key = Set(!isKeyed ? [] : table.replicaIdentity == .index ? table.identityIndex : table.primaryKey)
        var columns: [Column] = []
        for column in table.columns where !column.isGenerated && names?.contains(column.name) ?? true {
            let type = try types.type(oid: column.typeOID, modifier: column.modifier, on: connection)
            let isIdentity = table.replicaIdentity == .full || key.contains(column.name)
            columns.append(
                Column(
                    name: column.name, type: type, isIdentity: isIdentity, isNotNull: column.isNotNull,
                    defaultText: column.defaultExpression.flatMap { DebeziumDefault.text(of: $0, type: type) },
                    details: column.details))
        }
        let details = try RelationDetails(
            table, columns: columns.map { ($0.name, $0.type.oid) },
            generated: try generated(of: table, on: connection),
            facts: isTold ? .told(labels: types.told) : .snapshot, on: connection)
        return Self.relation(
            oid: table.oid, name: table.name, columns: columns, identity: table.replicaIdentity, table: table,
            details: details)
    }

    private func generated(
        of table: CatalogTable?, on connection: borrowing PGConnection
    ) throws(PGError) -> [GeneratedColumn] {
        var generated: [GeneratedColumn] = []
        for column in table?.columns ?? [] {
            guard let expression = column.generatedFrom else { continue }
            let type = try types.type(oid: column.typeOID, modifier: column.modifier, on: connection)
            var element = type
            while case .array(let next) = element.kind { element = next }
            generated.append(
                GeneratedColumn(
                    name: column.name, number: column.number, type: type.name, typeOID: element.oid,
                    expression: expression, collation: column.collation, isNotNull: column.isNotNull,
                    comment: column.comment))
        }
        return generated
    }

    private static func relation(
        oid: UInt32, name: TableName, columns: [Column], identity: ReplicaIdentity, table: CatalogTable?,
        details: RelationDetails
    ) -> Relation {
        let keys = RelationKeys(
            columns: columns, identity: identity, primaryKey: table?.primaryKey ?? [],
            isImmediate: table?.keyTiming ?? .immediate == .immediate,
            identityIndex: table?.identityIndex ?? [], uniqueIndex: table?.uniqueIndex ?? [])
        return Relation(
            oid: oid, table: name, columns: columns, identity: identity, primaryKey: keys.primary,
            keyColumns: keys.event, uniqueKey: keys.unique, details: details)
    }
}

/// Which columns are the primary key, and which an event's key is made of: pure.
///
/// The columns' identity flags are of the moment that the relation describes, the catalog's lists are of now: the lists
/// give the order where they name the same columns, else the flags decide.
struct RelationKeys: Equatable {
    /// Indexes of the primary key's columns, in key order.
    let primary: [Int]
    /// Indexes of the columns of an event's key, in key order: what every change carries, a delete included.
    let event: [Int]
    /// Indexes of the columns of the first unique index, in its order; empty where there is a primary key.
    let unique: [Int]

    init(
        columns: [Column], identity: ReplicaIdentity, primaryKey: [String], isImmediate: Bool = true,
        identityIndex: [String], uniqueIndex: [String] = []
    ) {
        func indexes(_ names: [String]) -> [Int] {
            let found = names.compactMap { name in columns.firstIndex { $0.name == name } }
            return found.count == names.count ? found : []
        }
        let catalogPrimary = indexes(primaryKey)
        let catalogIndex = indexes(identityIndex)
        let flagged = columns.indices.filter { columns[$0].isIdentity }
        switch identity {
        // A deferrable key is no replica identity: there are inserts only, and they have it.
        case .default where !isImmediate && flagged.isEmpty:
            primary = catalogPrimary
            event = primary
        case .default:
            primary = Set(catalogPrimary) == Set(flagged) ? catalogPrimary : flagged
            event = primary
        case .index:
            primary = catalogPrimary
            let index = Set(catalogIndex) == Set(flagged) ? catalogIndex : flagged
            // A delete has the index's columns only.
            event = !primary.isEmpty && Set(primary).isSubset(of: index) ? primary : index
        case .full, .nothing:
            primary = catalogPrimary
            event = primary
        }
        unique = primary.isEmpty ? uniqueIndex.compactMap { name in columns.firstIndex { $0.name == name } } : []
    }
}
