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
    /// Definitions as of the point of the log that is read, from the event trigger.
    private var exact: [UInt32: CatalogTable] = [:]
    /// Tables that a message of the trigger was about. Nil where not every change is told.
    private var told: Set<UInt32>?

    /// - Parameter isTold: the event trigger tells of every change.
    init(isTold: Bool = false) {
        if isTold { told = [] }
    }

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
        if let told = exact[message.oid], !Self.holds(told, message) { exact[message.oid] = nil }
        // The trigger tells of no indexes besides the key's.
        let definition = try exact[message.oid]?.withUniqueIndex(on: connection)
        let isFirst = known[message.oid] == nil && told.map { !$0.contains(message.oid) } ?? false
        let fresh = try relationBuilder.relation(
            from: message, exact: definition, isFirst: isFirst, on: connection)
        return try keep(fresh, on: connection)
    }

    /// The relation of a definition as of the point of the log that is read, with the columns that are published (nil:
    /// all). Later messages of the stream are read by it, until the next definition.
    mutating func relation(
        learning table: CatalogTable, columns: [String]?, on connection: borrowing PGConnection
    ) throws(PGError) -> (relation: Relation, displaced: Displaced?) {
        exact[table.oid] = table
        note(table.oid)
        let table = try table.withUniqueIndex(on: connection)
        let relation = try relationBuilder.relation(of: table, columns: columns, isTold: true, on: connection)
        return try keep(relation, on: connection)
    }

    /// Whether a definition has the columns that the stream describes: a change of it was not told else.
    private static func holds(_ table: CatalogTable, _ message: RelationMessage) -> Bool {
        message.columns.allSatisfy { column in
            table.columns.contains { $0.name == column.name && $0.typeOID == column.typeOID }
        }
    }

    /// Takes in that a message was about a table.
    mutating func note(_ oid: UInt32) { _ = told?.insert(oid) }

    /// Takes in an enum's labels as of the point of the log that is read.
    func learn(_ labels: EnumLabels, of oid: UInt32) { relationBuilder.learn(labels, of: oid) }

    /// Forgets all definitions that were told: one was missed. Tables are as the catalog has them, until the next one.
    mutating func forgetTold() {
        exact = [:]
        told = nil
        relationBuilder.forgetLabels()
    }

    /// Forgets a dropped table and returns what was last known of it.
    mutating func forget(_ oid: UInt32) -> Relation? {
        exact[oid] = nil
        return known.removeValue(forKey: oid)
    }

    private mutating func keep(
        _ fresh: Relation, on connection: borrowing PGConnection
    ) throws(PGError) -> (relation: Relation, displaced: Displaced?) {
        let displaced = try displaced(by: fresh, on: connection)
        if let old = known[fresh.oid], old.describesTheSame(as: fresh) { return (old, displaced) }
        known[fresh.oid] = fresh
        return (fresh, displaced)
    }

    private mutating func displaced(
        by relation: Relation, on connection: borrowing PGConnection
    ) throws(PGError) -> Displaced? {
        let other = known.values.first { $0.table == relation.table && $0.oid != relation.oid }
        guard let other else { return nil }
        guard let now = try CatalogTable.load(oid: other.oid, on: connection)?.name else {
            _ = forget(other.oid)
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
            keyColumns: keyColumns, uniqueKey: uniqueKey, route: route, details: details)
    }

    /// Whether rows of another version have the same cells and key tuples.
    func hasTheCells(of other: Relation) -> Bool {
        identity == other.identity
            && columns.elementsEqual(other.columns) {
                $0.name == $1.name && $0.type.oid == $1.type.oid && $0.isIdentity == $1.isIdentity
            }
    }

    /// Whether another object says the same about the same table.
    func describesTheSame(as other: Relation) -> Bool {
        oid == other.oid && table == other.table && origin == other.origin && identity == other.identity
            && primaryKey == other.primaryKey && keyColumns == other.keyColumns && uniqueKey == other.uniqueKey
            && route == other.route && columns == other.columns && details == other.details
    }
}
