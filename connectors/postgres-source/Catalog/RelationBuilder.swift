import LibPQ
import PgOutput
import WeirCore

/// Builds ``Relation``s from what the stream says and what the catalog adds: types, keys, NOT NULL, defaults.
///
/// The stream is the truth about names and columns at a point of the log; the catalog is of now. Facts of a column that
/// the catalog no longer has under that name are left out.
struct RelationBuilder {
    private let types = TypeCatalog()

    /// The relation a Relation message describes.
    func relation(
        from message: RelationMessage, on connection: borrowing PGConnection
    ) throws(PGError) -> Relation {
        let table = try CatalogTable.load(oid: message.oid, on: connection)
        var columns: [Column] = []
        columns.reserveCapacity(message.columns.count)
        for column in message.columns {
            let known = table?.columns.first { $0.name == column.name && $0.typeOID == column.typeOID }
            let type = try types.type(oid: column.typeOID, modifier: column.typeModifier, on: connection)
            columns.append(
                Column(
                    name: column.name, type: type, isIdentity: column.isKey, isNotNull: known?.isNotNull ?? false,
                    defaultText: known?.literalDefault))
        }
        let identity: ReplicaIdentity =
            switch message.identity {
            case .primaryKey: .default
            case .nothing: .nothing
            case .full: .full
            case .index: .index
            }
        return Self.relation(
            oid: message.oid, name: TableName(schema: message.schema, name: message.name), columns: columns,
            identity: identity, table: table)
    }

    /// The relation a table is now, limited to the named columns (nil: all that are not generated).
    func relation(
        of table: CatalogTable, columns names: [String]?, on connection: borrowing PGConnection
    ) throws(PGError) -> Relation {
        let key = Set(table.replicaIdentity == .index ? table.identityIndex : table.primaryKey)
        var columns: [Column] = []
        for column in table.columns where !column.isGenerated && names?.contains(column.name) ?? true {
            let type = try types.type(oid: column.typeOID, modifier: column.modifier, on: connection)
            let isIdentity =
                table.replicaIdentity == .full || (table.replicaIdentity != .nothing && key.contains(column.name))
            columns.append(
                Column(
                    name: column.name, type: type, isIdentity: isIdentity, isNotNull: column.isNotNull,
                    defaultText: column.literalDefault))
        }
        return Self.relation(
            oid: table.oid, name: table.name, columns: columns, identity: table.replicaIdentity, table: table)
    }

    private static func relation(
        oid: UInt32, name: TableName, columns: [Column], identity: ReplicaIdentity, table: CatalogTable?
    ) -> Relation {
        func indexes(_ names: [String]) -> [Int] {
            let found = names.compactMap { name in columns.firstIndex { $0.name == name } }
            return found.count == names.count ? found : []
        }
        let primary = indexes(table?.primaryKey ?? [])
        let index = identity == .index ? indexes(table?.identityIndex ?? []) : []
        // The table may be gone or changed: the stream's key flags are the next best order.
        let flagged = identity == .full ? [] : columns.indices.filter { columns[$0].isIdentity }
        let key = !primary.isEmpty ? primary : !index.isEmpty ? index : flagged
        return Relation(
            oid: oid, table: name, columns: columns, identity: identity, primaryKey: primary, keyColumns: key)
    }
}
