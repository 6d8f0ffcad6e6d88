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

    /// The relation that a message describes.
    mutating func relation(
        from message: RelationMessage, on connection: borrowing PGConnection
    ) throws(PGError) -> Relation {
        let fresh = try relationBuilder.relation(from: message, on: connection)
        if let old = known[message.oid], old.describesTheSame(as: fresh) { return old }
        known[message.oid] = fresh
        return fresh
    }
}

extension Relation {
    /// Whether another object says the same about the same table.
    func describesTheSame(as other: Relation) -> Bool {
        oid == other.oid && table == other.table && origin == other.origin && identity == other.identity
            && primaryKey == other.primaryKey && keyColumns == other.keyColumns && route == other.route
            && columns == other.columns
    }
}
