import LibPQ
import PgOutput
import WeirCore

/// The relations of a stream: looks up what the catalog adds to each Relation message, and hands out the same object
/// as before when nothing changed, because encoders keep what they compiled for an object.
///
/// A Relation message comes again after every change of the table's catalog entries, TRUNCATE and ANALYZE included.
struct RelationCache {
    private let relationBuilder = RelationBuilder()
    private var known: [UInt32: Relation] = [:]

    /// A table whose name another one has now.
    struct Displaced {
        /// The table, under its new name unless it was dropped.
        let relation: Relation
        let isDropped: Bool
    }

    /// The relation that a message describes, and the known table that had its name, if another one had.
    mutating func relation(
        from message: RelationMessage, on connection: borrowing PGConnection
    ) throws(PGError) -> (relation: Relation, displaced: Displaced?) {
        let fresh = try relationBuilder.relation(from: message, on: connection)
        let displaced = try displaced(by: fresh, on: connection)
        if let old = known[message.oid], old.describesTheSame(as: fresh) { return (old, displaced) }
        known[message.oid] = fresh
        return (fresh, displaced)
    }

    private mutating func displaced(
        by relation: Relation, on connection: borrowing PGConnection
    ) throws(PGError) -> Displaced? {
        let other = known.values.first { $0.table == relation.table && $0.oid != relation.oid }
        guard let other else { return nil }
        guard let now = try CatalogTable.load(oid: other.oid, on: connection)?.name else {
            known[other.oid] = nil
            return Displaced(relation: other, isDropped: true)
        }
        // It has its name back by now; what it was called meanwhile is not known.
        guard now != relation.table else { return nil }
        let renamed = other.named(now)
        known[other.oid] = renamed
        return Displaced(relation: renamed, isDropped: false)
    }
}

extension Relation {
    /// The same table under another name.
    func named(_ name: TableName) -> Relation {
        Relation(
            oid: oid, table: name, columns: columns, identity: identity, primaryKey: primaryKey,
            keyColumns: keyColumns, route: route, details: details)
    }

    /// Whether another object says the same about the same table.
    func describesTheSame(as other: Relation) -> Bool {
        oid == other.oid && table == other.table && origin == other.origin && identity == other.identity
            && primaryKey == other.primaryKey && keyColumns == other.keyColumns && route == other.route
            && columns == other.columns && details == other.details
    }
}
