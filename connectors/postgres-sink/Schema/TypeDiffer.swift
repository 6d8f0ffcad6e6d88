import WeirCore

/// Steps that make users' types of a target like the source's. Pure.
struct TypeDiffer {
    let situation: SchemaSituation
    private(set) var steps: [SchemaStep] = []
    private(set) var doubts: [TargetChange.Doubt] = []
    private(set) var hasOpenFacts = false

    private var isNeeded: Bool { situation.wantsTypes }

    /// Missing types of columns that are added or get another type are created.
    /// - Parameters:
    ///   - used: the types of such columns.
    ///   - elements: OIDs of others, of arrays those of their elements.
    init(_ situation: SchemaSituation, used: [ColumnType], elements: Set<UInt32> = []) {
        self.situation = situation
        let types = situation.relation.details?.types ?? []
        let oids = elements.union(used.map(Self.elementOID))
        let last = types.lastIndex { oids.contains($0.oid) } ?? -1
        for (index, type) in types.enumerated() {
            if let there = situation.types[type.name] {
                compare(type, there)
            } else if index <= last {
                create(type)
            }
        }
    }

    private static func elementOID(_ type: ColumnType) -> UInt32 {
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
        case (.enumeration(let wanted), .enumeration(let there)): compareLabels(source.name, wanted, there)
        case (.domain(let wanted), .domain(let there)): compareDomains(source.name, wanted, there)
        case (.composite(let wanted), .composite(let there)): compareFields(source.name, wanted, there)
        default: break
        }
    }

    /// PostgreSQL never drops a label: one that only the target has was renamed at the source, or is the target's own.
    private mutating func compareLabels(_ name: TableName, _ wanted: [String], _ there: [String]) {
        let gone = there.filter { !wanted.contains($0) }
        var labels = there
        var unclear: Set<String> = []
        for label in gone {
            let from = there.firstIndex(of: label) ?? 0
            let before = there[..<from].last { wanted.contains($0) }
            let after = there[from...].first { wanted.contains($0) }
            let lower = before.flatMap { wanted.firstIndex(of: $0) } ?? -1
            let upper = after.flatMap { wanted.firstIndex(of: $0) } ?? wanted.count
            guard lower < upper else { continue }
            let fresh = wanted[(lower + 1)..<upper].filter { !there.contains($0) }
            let rivals = gone.filter { other in
                guard let place = there.firstIndex(of: other) else { return false }
                let low = before.flatMap { there.firstIndex(of: $0) } ?? -1
                return place > low && place < after.flatMap { there.firstIndex(of: $0) } ?? there.count
            }
            guard let place = rivals.firstIndex(of: label), fresh.count == rivals.count else {
                unclear.formUnion(fresh)
                if !fresh.isEmpty { doubt(name, label, fresh) }
                continue
            }
            labels = labels.map { $0 == label ? fresh[place] : $0 }
            // Rows with the old label may still come, until one with the new one was refused.
            guard situation.factsHold || isNeeded else {
                hasOpenFacts = true
                continue
            }
            let sql = TargetDefinition.renameLabel(name, label, to: fresh[place])
            steps.append(SchemaStep(.full, needed: isNeeded, sql, reason: "A label of \(name) has another name"))
        }
        addLabels(name, wanted.filter { !unclear.contains($0) }, &labels)
    }

    /// A label is gone where others are new: one of them is its new name. None is added before that is told, because
    /// the name could not be given any more.
    private mutating func doubt(_ name: TableName, _ label: String, _ fresh: [String]) {
        guard situation.factsHold || isNeeded else {
            hasOpenFacts = true
            return
        }
        guard isNeeded || situation.mode == .full else { return }
        doubts.append(
            TargetChange.Doubt(
                what: "label \(label) of type \(name) has another name",
                readings: fresh.map { TargetDefinition.renameLabel(name, label, to: $0) }))
    }

    private mutating func addLabels(_ name: TableName, _ wanted: [String], _ labels: inout [String]) {
        for (index, label) in wanted.enumerated() where !labels.contains(label) {
            let place: TargetDefinition.LabelPlace
            if let next = wanted[(index + 1)...].first(where: labels.contains) {
                place = .before(next)
                labels.insert(label, at: labels.firstIndex(of: next) ?? labels.count)
            } else {
                place = .last
                labels.append(label)
            }
            steps.append(
                SchemaStep(
                    .additive, needed: isNeeded, TargetDefinition.addLabel(name, label, place),
                    reason: "A label of type \(name) is missing on the target", outside: true))
        }
    }

    private mutating func compareDomains(
        _ name: TableName, _ wanted: UserType.Domain, _ there: UserType.Domain
    ) {
        for check in there.checks where !wanted.checks.contains(check) {
            let sql = "ALTER DOMAIN \(name.sql) DROP CONSTRAINT \(TableName.quote(check.name));"
            steps.append(SchemaStep(.full, needed: isNeeded, sql, reason: "Domain \(name) has another constraint"))
        }
        if there.isNotNull, !wanted.isNotNull {
            steps.append(SchemaStep(.additive, needed: isNeeded, "ALTER DOMAIN \(name.sql) DROP NOT NULL;"))
        }
        let stricter = wanted.checks.filter { !there.checks.contains($0) }
        guard !stricter.isEmpty || wanted.isNotNull && !there.isNotNull else { return }
        guard situation.factsHold else {
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

    private mutating func compareFields(_ name: TableName, _ wanted: [UserType.Field], _ there: [UserType.Field]) {
        guard wanted != there else { return }
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
        for field in there where !wanted.contains(field) {
            steps.append(
                SchemaStep(
                    .full, needed: isNeeded, "ALTER TYPE \(name.sql) DROP ATTRIBUTE \(TableName.quote(field.name));",
                    reason: "Type \(name) has a field that the source's has not"))
        }
        for field in wanted where !there.contains(field) {
            steps.append(
                SchemaStep(
                    .additive, needed: isNeeded,
                    "ALTER TYPE \(name.sql) ADD ATTRIBUTE "
                        + TargetDefinition.field(field, collations: situation.collations) + ";",
                    reason: "A field of type \(name) is missing on the target"))
        }
    }
}
