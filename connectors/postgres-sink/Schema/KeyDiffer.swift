import WeirCore

/// Steps that give a target table the primary key and the identity index of a relation. Pure.
struct KeyDiffer {
    /// Before columns are changed.
    private(set) var first: [SchemaStep] = []
    /// After it.
    private(set) var last: [SchemaStep] = []
    private(set) var hasOpenFacts = false

    /// - Parameter renamed: columns of the table that get another name.
    init(_ situation: SchemaSituation, base: TargetTable, renamed: [(from: String, to: String)]) {
        let relation = situation.relation
        guard relation.details != nil, !situation.isShared else { return }
        func now(_ name: String) -> String { renamed.first { $0.from == name }?.to ?? name }
        primaryKey(situation, base, now)
        identityIndex(relation, base, now)
    }

    private mutating func primaryKey(_ situation: SchemaSituation, _ base: TargetTable, _ now: (String) -> String) {
        let relation = situation.relation
        let wanted = relation.primaryKey.map { relation.columns[$0].name }
        let there = base.primaryKey.map(now)
        guard Set(wanted) != Set(there) else { return retime(situation, base, there) }
        let known = situation.known?.primaryKey.map(now)
        let isChanged = known.map { Set($0) != Set(wanted) } ?? false
        // A table that somebody else made may have another key.
        guard isChanged || there.isEmpty || known.map({ Set($0) == Set(wanted) }) ?? false && isOurs(situation) else {
            return
        }
        // The stream tells the key itself; under another identity only the catalog does, which may be ahead.
        let isExact = relation.tellsItsKey || situation.factsHold
        guard isExact else {
            hasOpenFacts = true
            return
        }
        let reason = "The source table has another primary key"
        if let name = base.primaryKeyName, !there.isEmpty {
            first.append(
                SchemaStep(
                    .full, needed: isChanged && relation.identity == .default,
                    "ALTER TABLE \(relation.table.sql) DROP CONSTRAINT IF EXISTS \(TableName.quote(name));",
                    reason: reason))
        }
        guard !wanted.isEmpty else { return }
        if situation.keyTiming != .immediate {
            last.append(SchemaStep(.full, TargetDefinition.wholeRows(of: relation.table), optional: true))
        }
        let columns = wanted.map { TableName.quote($0) }.joined(separator: ", ")
        last.append(
            SchemaStep(
                there.isEmpty ? .additive : .full, needed: !there.isEmpty && isChanged,
                "ALTER TABLE \(relation.table.sql) ADD PRIMARY KEY (\(columns))"
                    + "\(TargetDefinition.suffix(situation.keyTiming));", reason: reason,
                optional: there.isEmpty))
    }

    /// The same columns, looked at when the source looks at them: rows that swap their keys have the same one for a
    /// moment.
    private mutating func retime(_ situation: SchemaSituation, _ base: TargetTable, _ key: [String]) {
        let relation = situation.relation
        let isImmediate = situation.keyTiming == .immediate
        guard isOurs(situation), !key.isEmpty, isImmediate != base.hasImmediatePrimaryKey,
            let constraint = base.primaryKeyName
        else { return }
        // Rows that are still to come may need the looser one.
        guard !isImmediate || situation.factsHold else {
            hasOpenFacts = true
            return
        }
        let columns = key.map { TableName.quote($0) }.joined(separator: ", ")
        let name = TableName.quote(constraint)
        let sql =
            "ALTER TABLE \(relation.table.sql) DROP CONSTRAINT \(name), ADD CONSTRAINT \(name) PRIMARY KEY "
            + "(\(columns))\(TargetDefinition.suffix(situation.keyTiming));"
        let reason = "The target's primary key is \(isImmediate ? "" : "not ")deferrable, unlike the source's"
        if !isImmediate {
            last.append(SchemaStep(.full, TargetDefinition.wholeRows(of: relation.table), optional: true))
        }
        last.append(SchemaStep(.full, sql, reason: reason, optional: true))
    }

    private func isOurs(_ situation: SchemaSituation) -> Bool { situation.mode == .full }

    private mutating func identityIndex(_ relation: Relation, _ base: TargetTable, _ now: (String) -> String) {
        let name = TargetDefinition.identityIndexName(relation.table)
        let flagged = relation.columns.filter(\.isIdentity).map(\.name)
        let isWanted = relation.identity == .index && !flagged.isEmpty
        for key in base.uniqueKeys where key.name == name {
            if isWanted, Set(key.columns.map(now)) == Set(flagged) { continue }
            let index = TableName(schema: relation.table.schema, name: name)
            first.append(SchemaStep(.full, needed: true, "DROP INDEX IF EXISTS \(index.sql);"))
        }
        guard isWanted, !base.uniqueKeys.contains(where: { Set($0.columns.map(now)) == Set(flagged) }),
            let sql = TargetDefinition.identityIndex(relation)
        else { return }
        last.append(SchemaStep(.additive, sql, optional: true))
    }
}

extension Relation {
    /// Whether the stream tells the primary key: a deferrable one it does not.
    var tellsItsKey: Bool {
        identity == .default && (primaryKey.isEmpty || columns.contains(where: \.isIdentity))
    }
}
