import WeirCore

/// Steps that give a target the generated columns of a source. Pure.
///
/// They hold no data of their own: those that Weir has made are dropped before a change that they would be in the way
/// of, and made again behind it. One that somebody else made on the target is left alone. Expressions are the
/// catalog's, so they wait until the rows have reached it.
struct GeneratedDiffer {
    /// Before columns are changed.
    private(set) var first: [SchemaStep] = []
    /// After it.
    private(set) var last: [SchemaStep] = []
    private(set) var notes: [String] = []
    private(set) var doubts: [TargetChange.Doubt] = []
    private(set) var hasOpenFacts = false
    /// Those of Weir's making that the target has afterwards.
    private(set) var made: [AppliedTable.Generated]
    /// The table as it is once `first` has run; nil when the table is made.
    private(set) var base: TargetTable?
    /// For each of `made` that a step makes, by number, the step, and what was there before.
    private(set) var making: [Int16: SchemaStep.Making] = [:]
    /// Those that get another expression, by name.
    private var exchanged: [String: AppliedTable.Generated] = [:]
    /// Columns that are generated no more, and keep their values.
    private(set) var taken: Set<String> = []
    /// OIDs of types of columns that are made.
    private(set) var usedTypes: Set<UInt32> = []
    /// The columns of a table that is made.
    private(set) var fresh: [GeneratedColumn] = []

    private let situation: SchemaSituation
    private let relation: Relation
    private let applied: AppliedTable?
    private let wanted: [GeneratedColumn]
    private let isKnown: Bool
    private var table: TableName { relation.table }

    /// - Parameters:
    ///   - base: nil when the table is made.
    ///   - applied: what the map says of the columns afterwards.
    init(_ situation: SchemaSituation, base: TargetTable?, _ applied: AppliedTable?) {
        self.situation = situation
        self.base = base
        self.applied = applied
        relation = situation.relation
        made = situation.known?.generated ?? []
        wanted = applied == nil || situation.isShared ? [] : Self.wanted(situation)
        isKnown = situation.factsHold && applied?.isOfCatalog(relation) ?? false
        guard applied != nil, !situation.isShared else { return }
        guard base != nil else {
            create()
            return
        }
        for entry in made { compare(entry) }
    }

    /// The second half, once it is told which columns are dropped or converted.
    mutating func finish(displaced: [String]) {
        guard applied != nil, !situation.isShared, base != nil else { return }
        for entry in made {
            guard let column = find(entry.name) else { continue }
            let expression = column.generatedFrom ?? ""
            let isInTheWay = displaced.contains { expression.isEmpty || SourceExpression.mentions(expression, $0) }
            guard isInTheWay else { continue }
            drop(entry, .additive, needed: true)
            notes.append(
                "generated column \(entry.name) is made again because a column that it is computed from changes; the "
                    + "target's own indexes on it are not")
        }
        for column in wanted { add(column) }
        noteOthers()
    }

    // MARK: - A table that is made

    private mutating func create() {
        made = []
        noteOthers()
        guard !wanted.isEmpty else { return }
        guard isKnown else {
            if !situation.factsHold { hasOpenFacts = true }
            return
        }
        guard situation.mode != .none else { return }
        fresh = wanted
        usedTypes = Set(wanted.map(\.typeOID))
        made = wanted.map { AppliedTable.Generated(name: $0.name, number: $0.number, expression: $0.expression) }
        for column in wanted {
            if let comment = column.comment { describe(column, comment) }
        }
    }

    // MARK: - A table that is there

    private func find(_ name: String) -> TargetTable.Column? { base?.columns.first { $0.name == name } }

    private mutating func edit(_ name: String, _ change: (inout TargetTable.Column) -> Void) {
        guard var table = base, let index = table.columns.firstIndex(where: { $0.name == name }) else { return }
        change(&table.columns[index])
        base = table
    }

    private mutating func forget(_ entry: AppliedTable.Generated) { made.removeAll { $0 == entry } }

    private mutating func drop(_ entry: AppliedTable.Generated, _ level: SchemaStep.Level, needed: Bool) {
        first.append(
            SchemaStep(
                level, needed: needed, TargetDefinition.dropColumn(entry.name, of: table), optional: !needed))
        base?.columns.removeAll { $0.name == entry.name }
        forget(entry)
    }

    /// What becomes of one that Weir has made.
    private mutating func compare(_ entry: AppliedTable.Generated) {
        guard let column = find(entry.name), column.isGenerated else {
            // Somebody has changed the target.
            forget(entry)
            return
        }
        if relation.columns.contains(where: { $0.name == entry.name }) {
            take(entry)
            return
        }
        let told = relation.details?.generated.first { $0.number == entry.number }
        if column.isNotNull, !(told?.isNotNull ?? false) || situation.relaxed.contains(entry.name) {
            first.append(
                SchemaStep(.additive, needed: true, TargetDefinition.dropNotNull(entry.name, of: table)))
            edit(entry.name) { $0.isNotNull = false }
            if told?.isNotNull ?? false { hasOpenFacts = true }
        }
        guard isKnown else {
            if !situation.factsHold, !isSame(entry, column) { hasOpenFacts = true }
            return
        }
        guard situation.mode == .full else { return }
        guard let new = wanted.first(where: { $0.number == entry.number }),
            new.expression == entry.expression || new.expression == column.generatedFrom, new.type == column.type.name
        else {
            if wanted.contains(where: { $0.name == entry.name }) {
                // In one statement: when it is refused, the column stays.
                exchanged[entry.name] = entry
                base?.columns.removeAll { $0.name == entry.name }
                forget(entry)
            } else {
                drop(entry, .full, needed: false)
            }
            return
        }
        if new.name != entry.name { rename(entry, to: new) }
        if let index = made.firstIndex(where: { $0.number == new.number && $0.name == new.name }) {
            made[index].expression = new.expression
        }
    }

    private func isSame(_ entry: AppliedTable.Generated, _ column: TargetTable.Column) -> Bool {
        wanted.contains {
            $0.number == entry.number && $0.name == entry.name && $0.expression == entry.expression
                && $0.type == column.type.name && $0.isNotNull == column.isNotNull
        }
    }

    private mutating func rename(_ entry: AppliedTable.Generated, to new: GeneratedColumn) {
        guard find(new.name) == nil, !relation.columns.contains(where: { $0.name == new.name }),
            let index = made.firstIndex(of: entry)
        else {
            drop(entry, .full, needed: false)
            return
        }
        first.append(
            SchemaStep(.full, TargetDefinition.renameColumn(entry.name, to: new.name, of: table), optional: true))
        edit(entry.name) { $0.name = new.name }
        made[index].name = new.name
    }

    /// The source sends a column of that name now: it dropped the expression, or the column.
    private mutating func take(_ entry: AppliedTable.Generated) {
        guard let place = applied?.columns.first(where: { $0.target == entry.name }) else { return }
        let again = TargetDefinition.dropColumn(entry.name, of: table)
        let keep = TargetDefinition.dropExpression(entry.name, of: table)
        switch place.number {
        case entry.number:
            first.append(
                SchemaStep(
                    .additive, needed: true, keep, reason: "Column \(entry.name) is not generated any more"))
            edit(entry.name) {
                $0.isGenerated = false
                $0.generatedFrom = nil
            }
            taken.insert(entry.name)
            forget(entry)
        case nil:
            doubts.append(
                TargetChange.Doubt(
                    what: "column \(entry.name) is not generated any more, or another one after it was dropped",
                    readings: [keep, again]))
        default:
            first.append(
                SchemaStep(
                    .additive, needed: true, again,
                    reason: "Column \(entry.name) was generated, and is another one now"))
            base?.columns.removeAll { $0.name == entry.name }
            forget(entry)
        }
    }

    private mutating func add(_ column: GeneratedColumn) {
        if let there = find(column.name) {
            guard isKnown, made.contains(where: { $0.name == column.name && $0.number == column.number }) else {
                return
            }
            if column.isNotNull, !there.isNotNull {
                last.append(SchemaStep(.full, TargetDefinition.setNotNull(column.name, of: table), optional: true))
            }
            if let comment = column.comment, comment != there.comment {
                describe(column, comment)
            } else if column.comment == nil, there.comment != nil {
                last.append(
                    SchemaStep(.full, TargetDefinition.comment(nil, on: column.name, of: table), optional: true))
            }
            return
        }
        guard isKnown else {
            if !situation.factsHold { hasOpenFacts = true }
            return
        }
        guard situation.mode != .none else { return }
        let again = exchanged[column.name]
        let sql =
            again == nil
            ? TargetDefinition.addColumn(column, to: table, collations: situation.collations)
            : TargetDefinition.exchangeColumn(column, in: table, collations: situation.collations)
        last.append(SchemaStep(.additive, sql, optional: true))
        making[column.number] = SchemaStep.Making(sql: sql, before: again)
        usedTypes.insert(column.typeOID)
        made.append(
            AppliedTable.Generated(name: column.name, number: column.number, expression: column.expression))
        made.sort { $0.number < $1.number }
        if let comment = column.comment { describe(column, comment) }
    }

    private mutating func describe(_ column: GeneratedColumn, _ comment: String) {
        last.append(
            SchemaStep(.additive, TargetDefinition.comment(comment, on: column.name, of: table), optional: true))
    }

    // MARK: - Which

    /// Those whose expression means the same on the target: it calls no function of the user's, and the columns that it
    /// names are there, under their names and with their values.
    private static func wanted(_ situation: SchemaSituation) -> [GeneratedColumn] {
        let relation = situation.relation
        guard let details = relation.details else { return [] }
        let changed = details.columns.map(\.name).filter { name in
            !relation.columns.contains { $0.name == name && $0.details?.name == name && $0.details?.isAltered == false }
        }
        return details.generated.filter { column in
            isPortable(column, situation) && !relation.columns.contains { $0.name == column.name }
                && !changed.contains { SourceExpression.mentions(column.expression, $0) }
        }
    }

    private static func isPortable(_ column: GeneratedColumn, _ situation: SchemaSituation) -> Bool {
        guard SourceExpression.isPortable(column.expression) else { return false }
        guard let type = situation.relation.details?.types.first(where: { $0.oid == column.typeOID }),
            case .other = type.definition
        else { return true }
        return situation.types[type.name] != nil
    }

    private mutating func noteOthers() {
        for column in relation.details?.generated ?? []
        where find(column.name) == nil && !Self.isPortable(column, situation) {
            notes.append(
                "generated column \(column.name) is not made on the target, because its expression or type is of the "
                    + "source's own making; make it by hand where it is needed")
        }
    }
}
