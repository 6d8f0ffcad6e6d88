import WeirCore

/// Tells which statements make a target fit a new version of a source table: pure.
///
/// Order of the steps: types, schema, the table's name, what goes, what is renamed, what comes, what changes, keys,
/// and last what only makes definitions alike.
struct SchemaDiffer {
    let situation: SchemaSituation
    private var relation: Relation { situation.relation }
    private var change = TargetChange()

    /// The change that the situation asks for.
    static func change(_ situation: SchemaSituation) -> TargetChange {
        var differ = SchemaDiffer(situation)
        differ.run()
        return differ.change
    }

    private init(_ situation: SchemaSituation) {
        self.situation = situation
    }

    private mutating func run() {
        let match = situation.known.flatMap { known in
            relation.details.map {
                ColumnMatch(
                    old: known.columns, last: known.lastNumber, details: $0, isContinued: situation.isContinued)
            }
        }
        let numbers = match?.numbers ?? relation.details?.columns.map(\.number) ?? []
        var applied = AppliedTable(relation, numbers: numbers, systemIdentifier: situation.systemIdentifier)
        if let match, let known = situation.known {
            applied?.keepDefaults(of: known, match, relation)
            applied?.lastNumber = match.lastNumber
            if !situation.factsHold, applied?.storage != known.storage {
                // The rewrite that made the new one may be among the changes that are still to come.
                applied?.storage = known.storage
                change.hasOpenFacts = true
            }
        }
        applied?.followedFrom = situation.followedFrom
        change.known = applied
        var tableSteps: [SchemaStep] = []
        var used: [ColumnType] = []
        let located = locate(&tableSteps)
        var generated = GeneratedDiffer(situation, base: located, applied)
        change.doubts = generated.doubts
        guard generated.doubts.isEmpty else { return }
        if let base = generated.base {
            var columns = ColumnDiffer(situation, base: base, match: match, taken: generated.taken)
            columns.run()
            guard columns.doubts.isEmpty else {
                change.doubts = columns.doubts
                return
            }
            generated.finish(displaced: columns.displaced)
            tableSteps += generated.first + columns.steps + generated.last
            change.notes += columns.notes
            change.hasOpenFacts = change.hasOpenFacts || columns.hasOpenFacts
            used = columns.usedTypes
        } else if situation.known != nil, !situation.isSnapshot, situation.mode != .none {
            change.doubts.append(missing())
        } else {
            create(&tableSteps, generated)
            used = relation.columns.map(\.type)
        }
        change.known?.generated = generated.made
        change.making.merge(generated.making) { _, new in new }
        change.notes += generated.notes
        change.hasOpenFacts = change.hasOpenFacts || generated.hasOpenFacts
        let types = TypeDiffer(situation, used: used, elements: generated.usedTypes)
        change.knownTypes = types.known
        change.doubts += types.doubts
        change.hasOpenFacts = change.hasOpenFacts || types.hasOpenFacts
        let made = Set(types.steps.map(\.sql))
        change.steps = types.steps + tableSteps.filter { !made.contains($0.sql) }
    }

    // MARK: - The table's place

    /// The target table as it will be under the relation's name; nil when it has to be created.
    private mutating func locate(_ steps: inout [SchemaStep]) -> TargetTable? {
        let table = relation.table
        guard let known = situation.known, known.table != table, !situation.isShared else {
            guard situation.known == nil, let target = situation.target, isReplaced(target) else {
                return situation.target
            }
            moveAside(target, &steps, isRecreated: true)
            return nil
        }
        guard let previous = situation.previous else { return situation.target }
        if let target = situation.target {
            guard let occupant = situation.occupant, occupant.targetOID == target.oid else {
                change.notes.append(
                    "both \(known.table) and \(table) exist on the target: the source table was renamed, and its rows "
                        + "go to \(table) now")
                return target
            }
            moveAside(target, &steps, isRecreated: false)
        }
        rename(known.table, &steps)
        var renamed = previous
        renamed.name = table
        return renamed
    }

    /// A table of the same source name, but another OID, has fed the target: it was dropped or renamed.
    private func isReplaced(_ target: TargetTable) -> Bool {
        guard let occupant = situation.occupant, !situation.isShared else { return false }
        return occupant.origin == relation.origin && occupant.targetOID == target.oid
    }

    private mutating func moveAside(_ target: TargetTable, _ steps: inout [SchemaStep], isRecreated: Bool) {
        guard let occupant = situation.occupant else { return }
        let aside = TableName(
            schema: target.name.schema, name: Self.shortened(target.name.name, suffix: "_weir_\(occupant.oid)"))
        let sql = "ALTER TABLE \(target.name.sql) RENAME TO \(TableName.quote(aside.name));"
        let reason =
            isRecreated
            ? "The source table is another one under the same name: the old one was dropped or renamed"
            : "Another source table's rows are under this name on the target"
        steps.append(SchemaStep(.full, needed: true, sql, reason: reason))
        change.moved.append((occupant.oid, aside))
        change.notes.append(
            "the rows of the table that had the name \(target.name) are kept in \(aside); drop it if its source table "
                + "was dropped")
    }

    /// Room for a suffix in PostgreSQL's 63 bytes.
    static func shortened(_ name: String, suffix: String) -> String {
        var name = name
        while name.utf8.count + suffix.utf8.count > 63, !name.isEmpty { name.removeLast() }
        return name + suffix
    }

    private mutating func rename(_ old: TableName, _ steps: inout [SchemaStep]) {
        let new = relation.table
        let reason = "The source table was renamed"
        var name = old
        if old.schema != new.schema {
            createSchema(&steps)
            // Under a name that is free in both schemas.
            if old.name != new.name {
                let between = Self.shortened(new.name, suffix: "_weir_\(relation.oid)")
                steps.append(
                    SchemaStep(
                        .full, needed: true, "ALTER TABLE \(name.sql) RENAME TO \(TableName.quote(between));",
                        reason: reason))
                name = TableName(schema: name.schema, name: between)
            }
            steps.append(
                SchemaStep(
                    .full, needed: true, "ALTER TABLE \(name.sql) SET SCHEMA \(TableName.quote(new.schema));",
                    reason: reason))
            name = TableName(schema: new.schema, name: name.name)
        }
        guard name.name != new.name else { return }
        steps.append(
            SchemaStep(
                .full, needed: true, "ALTER TABLE \(name.sql) RENAME TO \(TableName.quote(new.name));", reason: reason))
    }

    private func createSchema(_ steps: inout [SchemaStep]) {
        guard !situation.schemas.contains(relation.table.schema) else { return }
        steps.append(
            SchemaStep(.additive, needed: true, TargetDefinition.createSchema(relation.table)))
    }

    /// The target has lost a table that had rows.
    private func missing() -> TargetChange.Doubt {
        let forget = "DELETE FROM weir.source_tables WHERE source_oid = \(relation.oid);"
        return TargetChange.Doubt(
            what: "the table is missing on the target, where its earlier rows were",
            readings: [
                "bring it back with its rows",
                "\(forget) start again, so that Weir makes it anew, then \(SchemaAdvice.fill(relation))",
            ])
    }

    // MARK: - Creation

    private mutating func create(_ steps: inout [SchemaStep], _ generated: GeneratedDiffer) {
        let table = relation.table
        createSchema(&steps)
        let holds = situation.factsHold
        let keyIsExact = relation.tellsItsKey || holds
        let notNull = Set(relation.columns.filter { holds && $0.isNotNull }.map(\.name))
        let plain = TargetDefinition.createTable(
            relation, notNull: notNull, withKey: keyIsExact, timing: situation.keyTiming,
            collations: situation.collations)
        let whole = TargetDefinition.createTable(
            relation, notNull: notNull, withKey: keyIsExact, timing: situation.keyTiming,
            collations: situation.collations, generated: generated.fresh)
        var step = SchemaStep(.additive, needed: true, whole, reason: "The table is missing on the target")
        if whole != plain {
            step.fallback = plain
            for column in generated.fresh { change.making[column.number] = SchemaStep.Making(sql: whole) }
        }
        steps.append(step)
        if !relation.primaryKey.isEmpty && !keyIsExact || !holds && relation.columns.contains(where: \.isNotNull) {
            change.hasOpenFacts = true
        }
        if situation.keyTiming != .immediate {
            steps.append(SchemaStep(.additive, TargetDefinition.wholeRows(of: table), optional: true))
        }
        if relation.identity == .index, let sql = TargetDefinition.identityIndex(relation) {
            steps.append(SchemaStep(.additive, sql))
        }
        for column in relation.columns {
            guard let expression = column.details?.defaultExpression, SourceExpression.isPortable(expression) else {
                continue
            }
            steps.append(
                SchemaStep(
                    .additive, TargetDefinition.setDefault(column.name, expression, of: table), optional: true))
        }
        if let comment = relation.details?.comment {
            steps.append(SchemaStep(.additive, TargetDefinition.comment(comment, on: table), optional: true))
        }
        for column in relation.columns {
            guard let comment = column.details?.comment else { continue }
            steps.append(
                SchemaStep(
                    .additive, TargetDefinition.comment(comment, on: column.name, of: table), optional: true))
        }
        steps += generated.last
    }
}
