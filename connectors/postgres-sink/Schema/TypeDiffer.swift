import WeirCore

/// Steps that make users' types of a target like the source's. Pure.
struct TypeDiffer {
    let situation: SchemaSituation
    private(set) var steps: [SchemaStep] = []
    private(set) var doubts: [TargetChange.Doubt] = []
    private(set) var hasOpenFacts = false
    /// What the map says of the types afterwards.
    private(set) var known: [AppliedType] = []

    private var isNeeded: Bool { situation.wantsTypes }

    /// Missing types of columns that are added or get another type are created.
    /// - Parameters:
    ///   - used: the types of such columns.
    ///   - elements: OIDs of others, of arrays those of their elements.
    init(_ situation: SchemaSituation, used: [ColumnType], elements: Set<UInt32> = []) {
        let moved = situation.movedTypes
        var renamed = situation
        for move in moved { renamed.knownTypes[move.oid]?.name = move.to }
        self.situation = renamed
        // Nothing has changed, whatever the catalog has by now.
        let types = situation.relation.details?.types ?? []
        if situation.isContinued, !isNeeded {
            hasOpenFacts = !types.isEmpty && !situation.typesHold
            return
        }
        let oids = elements.union(used.map(Self.elementOID))
        let last = types.lastIndex { oids.contains($0.oid) } ?? -1
        for move in moved {
            for step in move.steps(schemas: situation.schemas) where !steps.contains(where: { $0.sql == step.sql }) {
                steps.append(step)
            }
        }
        for (index, type) in types.enumerated() {
            let earlier = moved.first { $0.oid == type.oid }?.from
            if let there = situation.types[type.name] ?? earlier.flatMap({ situation.types[$0] }) {
                compare(type, there)
                if type.parts.isEmpty { keep(type, [], []) }
            } else if index <= last {
                create(type)
                switch type.definition {
                case .enumeration(let labels): keep(type, labels, labels)
                case .composite(let fields): keep(type, fields.map(\.name), fields.map(\.name))
                default: keep(type, [], [])
                }
            }
        }
        for move in moved where !known.contains(where: { $0.oid == move.oid }) {
            if let type = renamed.knownTypes[move.oid] { known.append(type) }
        }
    }

    /// Takes down what the parts of a type are called on the target, in the order of the source's.
    private mutating func keep(_ type: UserType, _ names: [String], _ there: [String]) {
        guard type.parts.count == names.count else { return }
        var parts: [UInt32: String] = [:]
        for (part, name) in zip(type.parts, names) where there.contains(name) { parts[part] = name }
        known.append(AppliedType(oid: type.oid, name: type.name, parts: parts))
    }

    /// The type's OID, of an array that of its elements.
    static func elementOID(_ type: ColumnType) -> UInt32 {
        if case .array(let element) = type.kind { return elementOID(element) }
        return type.oid
    }

    // MARK: - Creation

    private mutating func create(_ type: UserType) {
        if !situation.schemas.contains(type.name.schema) {
            let sql = TargetDefinition.createSchema(type.name)
            if !steps.contains(where: { $0.sql == sql }) { steps.append(SchemaStep(.additive, needed: true, sql)) }
        }
        guard let sql = TargetDefinition.createType(type, collations: situation.collations) else {
            if case .other(let why) = type.definition {
                doubts.append(
                    TargetChange.Doubt(
                        what: "type \(type.name) is missing on the target and cannot be created: \(why)",
                        readings: ["create the type by hand, or give the column another type with a transform"]))
            }
            return
        }
        guard !steps.contains(where: { $0.sql == sql }) else { return }
        steps.append(
            SchemaStep(.additive, needed: true, sql, reason: "Type \(type.name) is missing on the target"))
    }

    // MARK: - Comparison

    private mutating func compare(_ source: UserType, _ target: UserType) {
        switch (source.definition, target.definition) {
        case (.enumeration(let wanted), .enumeration(let there)): compareLabels(source, wanted, there)
        case (.domain(let wanted), .domain(let there)): compareDomains(source, wanted, there)
        case (.composite(let wanted), .composite(let there)): compareFields(source, wanted, there)
        default: break
        }
    }

    private mutating func compareLabels(_ type: UserType, _ wanted: [String], _ there: [String]) {
        let labels = LabelDiffer(situation, type, wanted: wanted, there: there)
        steps += labels.steps
        doubts += labels.doubts
        hasOpenFacts = hasOpenFacts || labels.hasOpenFacts
        if let after = labels.known { known.append(after) }
    }

    private mutating func compareDomains(_ type: UserType, _ wanted: UserType.Domain, _ there: UserType.Domain) {
        let name = type.name
        for check in there.checks where !wanted.checks.contains(check) {
            let sql = "ALTER DOMAIN \(name.sql) DROP CONSTRAINT \(TableName.quote(check.name));"
            steps.append(SchemaStep(.full, needed: isNeeded, sql, reason: "Domain \(name) has another constraint"))
        }
        if there.isNotNull, !wanted.isNotNull {
            steps.append(SchemaStep(.additive, needed: isNeeded, "ALTER DOMAIN \(name.sql) DROP NOT NULL;"))
        }
        let stricter = wanted.checks.filter { !there.checks.contains($0) }
        guard !stricter.isEmpty || wanted.isNotNull && !there.isNotNull else { return }
        guard situation.typesHold else {
            hasOpenFacts = true
            return
        }
        for check in stricter {
            let sql = "ALTER DOMAIN \(name.sql) ADD CONSTRAINT \(TableName.quote(check.name)) \(check.sql);"
            steps.append(SchemaStep(.full, sql, optional: true))
        }
        if wanted.isNotNull, !there.isNotNull {
            steps.append(SchemaStep(.full, "ALTER DOMAIN \(name.sql) SET NOT NULL;", optional: true))
        }
    }

    private mutating func compareFields(_ type: UserType, _ wanted: [UserType.Field], _ there: [UserType.Field]) {
        let (names, old) = (wanted.map(\.name), there.map(\.name))
        guard let change = PartChange(type, wanted: names, there: old, known: situation.knownTypes[type.oid]) else {
            guessFields(type, wanted, there)
            return
        }
        let renamed = Set(change.renamed.map(\.to))
        let kept = Set(old).subtracting(change.dropped).subtracting(change.renamed.map(\.from)).union(renamed)
        let added = wanted.filter { !kept.contains($0.name) }
        // Not before rows of the earlier form, which the target could not take any more.
        if !change.dropped.isEmpty, !added.isEmpty, !situation.isExact(type), situation.isDue(type) {
            exchange(type, change, added)
            return
        }
        let level: SchemaStep.Level = change.renamed.isEmpty && change.dropped.isEmpty ? .additive : .full
        let isChanged = level == .full || !added.isEmpty
        // Rows of the earlier form may still come, until one of the later was refused.
        let isAmbiguous = !change.dropped.isEmpty && !added.isEmpty
        guard situation.isDue(type) && (situation.isRun(level) || isAmbiguous) || !isChanged else {
            if !situation.isDue(type) { hasOpenFacts = true }
            if let before = situation.knownTypes[type.oid] { known.append(before) }
            return
        }
        for var step in fieldSteps(type, change, added) {
            // No row would be refused.
            step.isNeeded = step.isNeeded || isAmbiguous
            steps.append(step)
        }
        // A field may have the name of the one before: only this shows that it was done.
        if isAmbiguous { steps.append(SchemaStep(.additive, needed: true, Self.forgetting(type))) }
        keep(type, names, names)
    }

    private func fieldSteps(_ type: UserType, _ change: PartChange, _ added: [UserType.Field]) -> [SchemaStep] {
        var steps: [SchemaStep] = []
        let alter = "ALTER TYPE \(type.name.sql)"
        for field in change.dropped {
            steps.append(
                SchemaStep(
                    .full, needed: isNeeded, "\(alter) DROP ATTRIBUTE \(TableName.quote(field));",
                    reason: "Type \(type.name) has a field that the source's has not"))
        }
        let there = Set(situation.knownTypes[type.oid]?.parts.values.map(\.self) ?? []).subtracting(change.dropped)
        for move in Renaming.steps(change.renamed.map { ($0.from, $0.to) }, among: there) {
            let (from, to) = (TableName.quote(move.from), TableName.quote(move.to))
            steps.append(
                SchemaStep(
                    .full, needed: isNeeded, "\(alter) RENAME ATTRIBUTE \(from) TO \(to);",
                    reason: "A field of type \(type.name) has another name"))
        }
        for field in added {
            steps.append(
                SchemaStep(
                    .additive, needed: isNeeded,
                    "\(alter) ADD ATTRIBUTE \(TargetDefinition.field(field, collations: situation.collations));",
                    reason: "A field of type \(type.name) is missing on the target"))
        }
        return steps
    }

    private static func forgetting(_ type: UserType) -> String {
        "DELETE FROM weir.source_types WHERE type_oid = \(type.oid);"
    }

    /// Values of before and behind cannot be told apart, and none of before is sent.
    private mutating func exchange(_ type: UserType, _ change: PartChange, _ added: [UserType.Field]) {
        let sql = fieldSteps(type, change, added).map(\.sql).joined(separator: " ")
        let names = added.map(\.name).joined(separator: ", ")
        doubts.append(
            TargetChange.Doubt(
                what: "composite type \(type.name) lost \(change.dropped.joined(separator: ", ")) and got \(names): "
                    + "which values are of before is not told",
                readings: [
                    "\(sql) \(Self.forgetting(type)) and, once these rows are applied, "
                        + SchemaAdvice.fill(situation.relation)
                ]))
    }

    /// By names alone: the type is met for the first time.
    private mutating func guessFields(_ type: UserType, _ wanted: [UserType.Field], _ there: [UserType.Field]) {
        let name = type.name
        guard wanted != there else {
            keep(type, wanted.map(\.name), there.map(\.name))
            return
        }
        let isLonger = wanted.count > there.count && Array(wanted.prefix(there.count)) == there
        let isNewerAtAll = isLonger || wanted.filter { !there.contains($0) }.isEmpty
        guard isNewerAtAll else {
            guard isNeeded else { return }
            doubts.append(
                TargetChange.Doubt(
                    what: "composite type \(name) has other fields at the source",
                    readings: [
                        "ALTER TYPE \(name.sql) RENAME ATTRIBUTE … TO …; or ADD and DROP ATTRIBUTE, until it has: "
                            + wanted.map { "\(TableName.quote($0.name)) \($0.type)" }.joined(separator: ", ")
                    ]))
            return
        }
        guard situation.isDue(type) else {
            hasOpenFacts = true
            return
        }
        let change = PartChange(dropped: there.filter { !wanted.contains($0) }.map(\.name))
        for step in fieldSteps(type, change, wanted.filter { !there.contains($0) }) { steps.append(step) }
        if situation.isRun(change.dropped.isEmpty ? .additive : .full) {
            keep(type, wanted.map(\.name), wanted.map(\.name))
        }
    }
}

extension SchemaSituation {
    /// The definition is the one of this point of the log.
    func isExact(_ type: UserType) -> Bool { type.isOfLog || relation.details?.typesAsOf == nil }

    /// Rows are not before the definition any more, or one has shown that it is needed.
    func isDue(_ type: UserType) -> Bool { type.isOfLog || typesHold || wantsTypes }

    /// Whether a step of this level, of a type, is run, or stops everything when it is not.
    func isRun(_ level: SchemaStep.Level) -> Bool {
        switch mode {
        case .none: wantsTypes
        case .additive: wantsTypes || level == .additive
        case .full: true
        }
    }
}
