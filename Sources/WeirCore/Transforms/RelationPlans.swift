/// What a transform decided about each relation it met: made at first sight, found by the relation's identity.
///
/// Relations are held, so an identity is never used again for another one, and a derived relation stays the same object
/// for as long as its source does: caches further down key on it. Bounded: beyond `limit` versions of tables all
/// are forgotten and made anew when they come again.
struct RelationPlans<Plan> {
    private var plans: [ObjectIdentifier: (relation: Relation, plan: Plan)] = [:]
    private let limit: Int

    init(limit: Int = 4096) { self.limit = limit }

    /// The plan for a relation; `make` is called at first sight, and again when it threw.
    mutating func plan(
        for relation: Relation, make: (Relation) throws(WeirError) -> Plan
    ) throws(WeirError) -> Plan {
        let identity = ObjectIdentifier(relation)
        if let known = plans[identity] { return known.plan }
        let plan = try make(relation)
        if plans.count >= limit { plans.removeAll(keepingCapacity: true) }
        plans[identity] = (relation, plan)
        return plan
    }

    /// The plans of a batch's relations, in their order.
    mutating func plans(
        for batch: ChangeBatch, make: (Relation) throws(WeirError) -> Plan
    ) throws(WeirError) -> [Plan] {
        var result: [Plan] = []
        result.reserveCapacity(batch.relations.count)
        for relation in batch.relations { result.append(try plan(for: relation, make: make)) }
        return result
    }
}

extension Relation {
    /// Indexes of the columns that tell rows apart: the key, and the replica identity where it is not the whole row.
    var rowKeyColumns: [Int] {
        columns.indices.filter { index in
            keyColumns.contains(index) || primaryKey.contains(index)
                || (identity != .full && columns[index].isIdentity)
        }
    }

    /// A relation of the same origin under another name, topic or with other columns in the same places.
    func relabeled(table: TableName? = nil, columns: [Column]? = nil, route: String? = nil) -> Relation {
        Relation(
            oid: oid, table: table ?? self.table, origin: origin, columns: columns ?? self.columns, identity: identity,
            primaryKey: primaryKey, keyColumns: keyColumns, uniqueKey: uniqueKey, route: route ?? self.route,
            details: details)
    }
}

extension Column {
    /// The column under another name.
    func renamed(_ name: String) -> Column {
        Column(
            name: name, type: type, isIdentity: isIdentity, isNotNull: isNotNull, defaultText: defaultText,
            details: details)
    }
}
