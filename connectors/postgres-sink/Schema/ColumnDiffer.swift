import WeirCore

/// Steps that make the columns of a target table those of a relation. Pure.
struct ColumnDiffer {
    let situation: SchemaSituation
    /// The table as the target has it, under the relation's name.
    let base: TargetTable
    private(set) var steps: [SchemaStep] = []
    private(set) var notes: [String] = []
    private(set) var doubts: [TargetChange.Doubt] = []
    private(set) var hasOpenFacts = false
    /// Types of columns that are added or converted.
    private(set) var usedTypes: [ColumnType] = []
    /// Names, as they are before, of columns that are dropped or converted.
    private(set) var displaced: [String] = []

    private let relation: Relation
    private let table: TableName
    private let old: [AppliedTable.Column]
    private let match: ColumnMatch?
    /// For each column of the relation: the version before, nil when it is new or not known.
    private var before: [AppliedTable.Column?]
    /// Target columns by the name they will have.
    private var columns: [String: TargetTable.Column]
    /// Columns that the target has computed until now.
    private let taken: Set<String>
    private var mayDestroy: Bool { !situation.isShared }

    init(_ situation: SchemaSituation, base: TargetTable, match: ColumnMatch?, taken: Set<String> = []) {
        self.situation = situation
        self.taken = taken
        self.base = base
        self.match = match
        relation = situation.relation
        table = relation.table
        old = situation.known?.columns ?? []
        columns = Dictionary(base.columns.map { ($0.name, $0) }) { first, _ in first }
        before = relation.columns.map { _ in nil }
    }

    mutating func run() {
        resolve()
        guard doubts.isEmpty else { return }
        let key = KeyDiffer(situation, base: base, renamed: renames())
        steps += key.first
        hasOpenFacts = key.hasOpenFacts
        drop()
        rename()
        add()
        for index in relation.columns.indices { convert(index) }
        for index in relation.columns.indices { relax(index) }
        steps += key.last
        for index in relation.columns.indices { decorate(index) }
        if let comment = relation.details?.comment, comment != base.comment {
            steps.append(SchemaStep(.additive, TargetDefinition.comment(comment, on: table), optional: true))
        } else if relation.details != nil, relation.details?.comment == nil, base.comment != nil,
            situation.known != nil, mayDestroy
        {
            steps.append(SchemaStep(.full, TargetDefinition.comment(nil, on: table), optional: true))
        }
        for index in relation.columns.indices { restrict(index) }
    }

    // MARK: - Which is which

    private mutating func resolve() {
        guard let match, let details = relation.details else { return }
        for (index, column) in relation.columns.enumerated() {
            guard let place = details.columns.firstIndex(where: { $0.name == column.details?.name }) else { continue }
            before[index] = match.continued[place].map { old[$0] }
        }
        for doubt in match.doubts { settle(doubt) }
    }

    /// An operator who has changed the target has answered already.
    private mutating func settle(_ doubt: ColumnMatch.Doubt) {
        guard let known = old.first(where: { $0.source == doubt.old }), let oldName = known.target,
            let index = relation.columns.firstIndex(where: { $0.details?.name == doubt.new })
        else { return }
        let column = relation.columns[index]
        let name = column.name
        if doubt.old != doubt.new {
            if columns[name] != nil, columns[oldName] == nil || situation.mode == .none {
                if before[index] == nil, columns[oldName] == nil { before[index] = known }
                return
            }
        }
        let again = [
            TargetDefinition.dropColumn(oldName, of: table),
            TargetDefinition.addColumn(column, to: table, fill: nil, collations: situation.collations),
        ]
        guard doubt.old == doubt.new else {
            doubts.append(
                TargetChange.Doubt(
                    what: "column \(doubt.new) is column \(doubt.old) under another name, or a new one after "
                        + "\(doubt.old) was dropped",
                    readings: [
                        TargetDefinition.renameColumn(oldName, to: name, of: table), again.joined(separator: " "),
                    ]))
            return
        }
        let number = relation.details?.attributes.last { $0.name == doubt.new }?.number
        let tell =
            "UPDATE weir.source_tables SET column_numbers[array_position(column_names, "
            + "\(TargetDefinition.literal(doubt.old)))] = \(number.map { "\($0)" } ?? "NULL") "
            + "WHERE source_oid = \(relation.oid);"
        doubts.append(
            TargetChange.Doubt(
                what: "column \(doubt.old) was dropped and added again, before these rows or after them",
                readings: [
                    (again + [tell]).joined(separator: " "),
                    "\(tell) and, once these rows are applied, \(SchemaAdvice.fill(relation))",
                ]))
    }

    /// Old and new target names of columns that have another name now.
    private func renames() -> [(from: String, to: String)] {
        relation.columns.indices.compactMap { index in
            guard let from = before[index]?.target, from != relation.columns[index].name, columns[from] != nil,
                !relation.columns.contains(where: { $0.name == from }) || isRenamed(from)
            else { return nil }
            return (from, relation.columns[index].name)
        }
    }

    /// Whether the column that will have this name is another one than has it now.
    private func isRenamed(_ name: String) -> Bool {
        guard let index = relation.columns.firstIndex(where: { $0.name == name }) else { return false }
        return before[index]?.target != name
    }

    // MARK: - What goes

    private mutating func drop() {
        guard let match else { return }
        let details = relation.details
        for index in match.dropped {
            guard let name = old[index].target, let found = columns[name] else { continue }
            let isTaken = relation.columns.contains { $0.name == name }
            let isAlive = details?.attributes.contains { $0.number == old[index].number && $0.name != nil } ?? false
            if isAlive && !isTaken || !mayDestroy {
                loosen(found, "the source does not send it any more")
                continue
            }
            if situation.mode != .full, !isTaken {
                loosen(found, "the source has dropped it")
                continue
            }
            steps.append(
                SchemaStep(
                    .full, needed: isTaken, TargetDefinition.dropColumn(name, of: table),
                    reason: "Column \(name) was dropped and added again at the source"))
            columns[name] = nil
            displaced.append(name)
        }
    }

    /// A column that stays on the target but gets no values any more.
    private mutating func loosen(_ column: TargetTable.Column, _ why: String) {
        guard column.isNotNull, !column.hasDefault, !column.isGenerated else { return }
        steps.append(
            SchemaStep(
                .additive, needed: true, TargetDefinition.dropNotNull(column.name, of: table),
                reason: "Column \(column.name) is NOT NULL, and \(why)"))
    }

    // MARK: - Names

    private mutating func rename() {
        var waiting = mayDestroy ? renames() : []
        // An operator, or another source of the table, may have given the name already.
        let moving = Set(waiting.map(\.from))
        waiting.removeAll { columns[$0.to] != nil && !moving.contains($0.to) }
        for step in Renaming.steps(waiting, among: Set(columns.keys)) {
            steps.append(
                SchemaStep(
                    .full, needed: true, TargetDefinition.renameColumn(step.from, to: step.to, of: table),
                    reason: "Column \(step.from) was renamed at the source"))
            columns[step.to] = columns.removeValue(forKey: step.from)
            columns[step.to]?.name = step.to
        }
    }

    // MARK: - What comes

    private mutating func add() {
        for (index, column) in relation.columns.enumerated() where columns[column.name] == nil {
            usedTypes.append(column.type)
            let older = OlderValue(of: column, isNew: before[index] == nil, situation, match)
            var step = SchemaStep(
                .additive, needed: true,
                TargetDefinition.addColumn(column, to: table, fill: older.text, collations: situation.collations),
                reason: "Column \(column.name) is missing in the target table")
            step.gap = older.unknown.map { gap(adding: column, $0) }
            step.caution = older.note.map { SchemaStep.Caution(query: hasRowsSQL, text: $0) }
            steps.append(step)
            let expression = column.details?.defaultExpression
            let portable = expression.flatMap { SourceExpression.isPortable($0) ? $0 : nil }
            if let portable {
                steps.append(
                    SchemaStep(.additive, TargetDefinition.setDefault(column.name, portable, of: table), optional: true)
                )
            } else if older.text != nil {
                steps.append(SchemaStep(.additive, needed: true, TargetDefinition.dropDefault(column.name, of: table)))
            }
            if let comment = column.details?.comment {
                steps.append(
                    SchemaStep(
                        .additive, TargetDefinition.comment(comment, on: column.name, of: table), optional: true))
            }
            if column.isNotNull, situation.mode == .full { added(column) }
        }
    }

    /// Rows are there whose values in the added column are not known.
    private func gap(adding column: Column, _ cause: String) -> SchemaStep.Gap {
        var statements = [TargetDefinition.addColumn(column, to: table)]
        if let expression = column.details?.defaultExpression, SourceExpression.isPortable(expression) {
            statements.append(TargetDefinition.setDefault(column.name, expression, of: table))
        }
        return SchemaStep.Gap(
            query: hasRowsSQL,
            what: "The values of older rows in the added column \(column.name) are not known", cause: cause,
            advice: "Run on the target: \(statements.joined(separator: " ")) Then start again, and "
                + "once these rows are applied, \(SchemaAdvice.fill(relation))")
    }

    private var hasRowsSQL: String { "SELECT EXISTS (SELECT FROM \(ownRows))" }
    private var ownRows: String { base.hasHeirs ? "ONLY \(table.sql)" : table.sql }

    private mutating func added(_ column: Column) {
        guard situation.factsHold else {
            hasOpenFacts = true
            return
        }
        steps.append(SchemaStep(.full, TargetDefinition.setNotNull(column.name, of: table), optional: true))
    }

    // MARK: - Types

    private mutating func convert(_ index: Int) {
        let column = relation.columns[index]
        guard let found = columns[column.name], !found.isGenerated else { return }
        guard found.type.name != column.type.name else {
            replaced(index)
            return
        }
        if isSameType(index, found) { return }
        let isChanged =
            before[index].map { $0.type != column.type.name && !$0.type.isEmpty } ?? taken.contains(column.name)
        let fit = TypeFit(source: column.type, target: found.type)
        var isRefused = false
        if case .refused = fit { isRefused = true }
        let reason =
            "Column \(column.name) has a type on the target that does not fit: \(column.type.name) on the "
            + "source, \(found.type.name) on the target"
        if TypeChange.widens(found.type, to: column.type) {
            guard isChanged || fit != .exact else { return }
            let gap = isChanged && situation.hasExpression ? gap(converting: column, found) : nil
            alter(index, found, .additive, needed: isRefused || isChanged, reason)
            steps[steps.count - 1].gap = gap
            if isChanged, found.type.kind != column.type.kind { noteConversion(column) }
        } else if isChanged {
            let holdsAll =
                TypeChange.widens(column.type, to: found.type) && TypeChange.narrows(found.type, to: column.type)
            guard mayDestroy || isRefused, !holdsAll || situation.mode == .full else { return }
            alter(index, found, .full, needed: !holdsAll, reason)
            steps[steps.count - 1].gap = gap(converting: column, found)
            if !holdsAll { noteConversion(column) }
        } else if isRefused {
            alter(index, found, .full, needed: true, reason)
        }
    }

    /// The source's type is the one of before under another name: its values are what they were.
    private mutating func isSameType(_ index: Int, _ found: TargetTable.Column) -> Bool {
        let column = relation.columns[index]
        guard let before = before[index], before.typeOID == column.type.oid, column.type.isOfUsers,
            before.type == found.type.name
        else { return false }
        let element = TypeDiffer.elementOID(column.type)
        // It moves on the target as well; or was dropped since, so that its name is not known any more.
        guard !situation.isContinued, column.type.name != ColumnType.unnamed(column.type.oid),
            !situation.movedTypes.contains(where: { $0.oid == element })
        else { return true }
        alter(index, found, .full, needed: true, "Type \(found.type.name) was renamed at the source")
        return true
    }

    /// Another enum under the same name: the source has converted the values with an expression. Those with a label
    /// that the new one has not were certainly changed.
    private mutating func replaced(_ index: Int) {
        let column = relation.columns[index]
        let element = TypeDiffer.elementOID(column.type)
        guard let before = before[index], before.typeOID != column.type.oid, before.typeOID >= ColumnType.firstUserOID,
            column.type.isOfUsers, before.type == column.type.name,
            let type = relation.details?.types.first(where: { $0.oid == element }),
            case .enumeration(let labels) = type.definition
        else { return }
        let name = TableName.quote(column.name)
        let list = labels.map(TargetDefinition.literal).joined(separator: ", ")
        let isArray = element != column.type.oid
        let rows = isArray ? "\(ownRows), unnest(\(name)::text[]) AS v (label)" : ownRows
        let label = isArray ? "v.label" : "\(name)::text"
        var step = SchemaStep(.additive, "")
        step.gap = SchemaStep.Gap(
            query: labels.isEmpty ? hasRowsSQL : "SELECT EXISTS (SELECT FROM \(rows) WHERE \(label) NOT IN (\(list)))",
            what: "How the values of column \(column.name) were converted is not known: another enum has the name "
                + "\(type.name) now, without labels that rows of the target have",
            cause: "PostgreSQL has no conversion by default, so the source has used an expression (USING)",
            advice:
                "Convert these rows on the target as the source did: UPDATE \(table.sql) SET \(name) = ... WHERE ...; "
                + "Then start again.")
        steps.append(step)
        notes.append(
            "another enum has the name \(type.name) now: existing rows of column \(column.name) keep their labels; if "
                + "the source changed any with an expression, compare them with the source's")
    }

    private mutating func noteConversion(_ column: Column) {
        notes.append(
            "existing rows of column \(column.name) are converted as PostgreSQL does by default; if the source used an "
                + "expression, compare them with the source's")
    }

    /// Values are there whose conversion at the source is not the one that PostgreSQL does by itself, everywhere alike.
    private func gap(converting column: Column, _ found: TargetTable.Column) -> SchemaStep.Gap? {
        let cause: String
        if situation.hasExpression {
            cause = "the source's statement has an expression (USING)"
        } else if !TypeChange.convertsByItself(found.type, to: column.type) {
            cause = "PostgreSQL has no conversion by default, so the source has used an expression (USING)"
        } else if TypeChange.dependsOnSession(found.type, to: column.type) {
            cause = "it depends on settings of the session that did it, such as TimeZone"
        } else {
            return nil
        }
        let name = TableName.quote(column.name)
        return SchemaStep.Gap(
            query: "SELECT EXISTS (SELECT FROM \(ownRows) WHERE \(name) IS NOT NULL)",
            what: "How the values of column \(column.name) were converted is not known: \(found.type.name) to "
                + "\(column.type.name)", cause: cause,
            advice: "Convert them on the target as the source did: ALTER TABLE \(table.sql) ALTER COLUMN \(name) TYPE "
                + "\(column.type.name) USING ...; Then start again.")
    }

    private mutating func alter(
        _ index: Int, _ found: TargetTable.Column, _ level: SchemaStep.Level, needed: Bool, _ reason: String
    ) {
        let column = relation.columns[index]
        usedTypes.append(column.type)
        if needed || situation.mode == .full || situation.mode == .additive && level == .additive {
            let name = before[index]?.target ?? column.name
            displaced.append(base.columns.contains { $0.name == name } ? name : column.name)
        }
        let plain = TargetDefinition.alterType(column, of: table, throughText: false)
        let text = TargetDefinition.alterType(column, of: table, throughText: true)
        let isPlain = TypeChange.convertsByItself(found.type, to: column.type)
        // A default that cannot be converted would be in the way.
        if found.defaultExpression != nil, !isPlain {
            steps.append(SchemaStep(level, needed: needed, TargetDefinition.dropDefault(column.name, of: table)))
        }
        var step = SchemaStep(level, needed: needed, isPlain ? plain : text, reason: reason)
        step.conversion = isPlain ? text : nil
        steps.append(step)
    }

    // MARK: - NULL

    private mutating func relax(_ index: Int) {
        let column = relation.columns[index]
        guard let found = columns[column.name], found.isNotNull, relation.details != nil else { return }
        let isKey = base.primaryKey.contains(found.name) || relation.primaryKey.contains(index)
        let isRelaxed = situation.relaxed.contains(column.name)
        guard !isKey, isRelaxed || !column.isNotNull, !(situation.known == nil && !isRelaxed && found.hasDefault)
        else { return }
        steps.append(
            SchemaStep(
                .additive, needed: true, TargetDefinition.dropNotNull(column.name, of: table),
                reason: "Column \(column.name) is NOT NULL on the target, and may be NULL at the source"))
        if isRelaxed, column.isNotNull { hasOpenFacts = true }
    }

    private mutating func restrict(_ index: Int) {
        let column = relation.columns[index]
        guard let found = columns[column.name], !found.isNotNull, column.isNotNull, mayDestroy,
            !relation.primaryKey.contains(index)
        else { return }
        guard situation.factsHold else {
            hasOpenFacts = true
            return
        }
        steps.append(SchemaStep(.full, TargetDefinition.setNotNull(column.name, of: table), optional: true))
    }

    // MARK: - Defaults and comments

    private mutating func decorate(_ index: Int) {
        let column = relation.columns[index]
        guard let facts = column.details, facts.number != nil, let found = columns[column.name] else { return }
        // A generated column has none.
        let isCompared = before[index] != nil || taken.contains(column.name)
        if isCompared, before[index]?.defaultExpression != facts.defaultExpression, !facts.isAltered {
            if let expression = facts.defaultExpression, SourceExpression.isPortable(expression) {
                steps.append(
                    SchemaStep(
                        .additive, TargetDefinition.setDefault(column.name, expression, of: table), optional: true))
            } else if found.defaultExpression != nil {
                steps.append(
                    SchemaStep(.additive, TargetDefinition.dropDefault(column.name, of: table), optional: true))
            }
        }
        guard facts.comment != found.comment else { return }
        if let comment = facts.comment {
            steps.append(
                SchemaStep(
                    .additive, TargetDefinition.comment(comment, on: column.name, of: table), optional: true))
        } else if before[index] != nil, mayDestroy {
            steps.append(
                SchemaStep(.full, TargetDefinition.comment(nil, on: column.name, of: table), optional: true))
        }
    }
}
