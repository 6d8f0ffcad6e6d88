import WeirCore

/// A type of the source's users that has another name or schema now, while the target has it under the one before.
struct MovedType: Equatable {
    /// OID at the source.
    var oid: UInt32
    var from: TableName
    var to: TableName
    /// The extension that it comes with.
    var extensionName: String?

    /// Statements that give the target's type its place.
    /// - Parameter schemas: those of the target.
    func steps(schemas: Set<String>) -> [SchemaStep] {
        let reason = "Type \(from) was renamed at the source"
        let schema = TableName.quote(to.schema)
        var steps: [SchemaStep] = []
        if from.schema != to.schema, !schemas.contains(to.schema) {
            steps.append(SchemaStep(.additive, needed: true, TargetDefinition.createSchema(to)))
        }
        if let extensionName {
            let sql = "ALTER EXTENSION \(TableName.quote(extensionName)) SET SCHEMA \(schema);"
            return steps + [SchemaStep(.full, needed: true, sql, reason: reason)]
        }
        var name = from
        func rename(to new: String) {
            let sql = "ALTER TYPE \(name.sql) RENAME TO \(TableName.quote(new));"
            steps.append(SchemaStep(.full, needed: true, sql, reason: reason))
            name = TableName(schema: name.schema, name: new)
        }
        if name.schema != to.schema {
            // Under a name that is free in both schemas.
            if name.name != to.name { rename(to: SchemaDiffer.shortened(to.name, suffix: "_weir_\(oid)")) }
            let sql = "ALTER TYPE \(name.sql) SET SCHEMA \(schema);"
            steps.append(SchemaStep(.full, needed: true, sql, reason: reason))
            name = TableName(schema: to.schema, name: name.name)
        }
        if name.name != to.name { rename(to: to.name) }
        return steps
    }
}

extension SchemaSituation {
    /// The relation's types that have moved. None where the name before is another type's by now, or the target has one
    /// under the name of now.
    var movedTypes: [MovedType] {
        guard !isContinued else { return [] }
        return (relation.details?.types ?? []).compactMap { type in
            guard let known = knownTypes[type.oid], known.name != type.name, types[type.name] == nil,
                let there = types[known.name],
                !knownTypes.values.contains(where: { $0.name == known.name && $0.oid != type.oid })
            else { return nil }
            var moved = MovedType(oid: type.oid, from: known.name, to: type.name)
            switch (type.definition, there.definition) {
            case (.enumeration, .enumeration), (.composite, .composite), (.domain, .domain), (.range, .range): break
            case (.ofExtension(let name, _), .ofExtension(let other, _)) where name == other:
                moved.extensionName = name
            default: return nil
            }
            return moved
        }
    }

    /// Another type has had the name of this one.
    func isReplaced(_ type: UserType) -> Bool {
        knownTypes.values.contains { $0.name == type.name && $0.oid != type.oid }
    }
}
