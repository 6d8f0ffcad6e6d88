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
        self.situation = situation
        let types = situation.relation.details?.types ?? []
        let oids = elements.union(used.map(Self.elementOID))
        let last = types.lastIndex { oids.contains($0.oid) } ?? -1
        for (index, type) in types.enumerated() {
            if let there = situation.types[type.name] {
                compare(type, there)
            } else if index <= last {
                create(type)
                switch type.definition {
                case .enumeration(let labels): keep(type, labels, labels)
                case .composite(let fields): keep(type, fields.map(\.name), fields.map(\.name))
                default: break
                }
            }
        }
    }

    /// Takes down what the parts of a type are called on the target, in the order of the source's.
    private mutating func keep(_ type: UserType, _ names: [String], _ there: [String]) {
        guard type.parts.count == names.count else { return }
        var parts: [UInt32: String] = [:]
        for (part, name) in zip(type.parts, names) where there.contains(name) { parts[part] = name }
        known.append(AppliedType(oid: type.oid, name: type.name, parts: parts))
    }

    /// The definition is the one of this point of the log.
    private func isExact(_ type: UserType) -> Bool {
        type.isOfLog || situation.relation.details?.typesAsOf == nil
    }

    /// Whether a step of this level is run, or stops everything when it is not.
    private func isRun(_ level: SchemaStep.Level) -> Bool {
        switch situation.mode {
        case .none: isNeeded
        case .additive: isNeeded || level == .additive
        case .full: true
        }
    }

    /// Rows are not before the definition any more, or one has shown that it is needed.
    private func isDue(_ type: UserType) -> Bool { type.isOfLog || situation.typesHold || isNeeded }

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

    /// Labels that are not there, with their places.
    private static func missing(
        _ wanted: [String], _ labels: inout [String]
    ) -> [(label: String, place: TargetDefinition.LabelPlace)] {
        var missing: [(label: String, place: TargetDefinition.LabelPlace)] = []
        for (index, label) in wanted.enumerated() where !labels.contains(label) {
            if let next = wanted[(index + 1)...].first(where: labels.contains) {
                missing.append((label, .before(next)))
                labels.insert(label, at: labels.firstIndex(of: next) ?? labels.count)
            } else {
                missing.append((label, .last))
                labels.append(label)
            }
        }
        return missing
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
        guard
            let change = PartChange(type, wanted: wanted, there: there, known: situation.knownTypes[type.oid])
        else {
            guessLabels(type, wanted, there)
            return
        }
        var labels = there
        let reused = reusedLabels(type, wanted)
        if !reused.isEmpty, !isExact(type), !change.renamed.isEmpty {
            exchange(type, change, wanted, there, reused)
            return
        }
        // Rows with the old label may still come, until one with the new one was refused.
        if isDue(type), change.renamed.isEmpty || isRun(.full) {
            let moves = change.renamed.map { ($0.from, $0.to) }
            for move in Renaming.steps(moves, among: Set(there)) {
                rename(type.name, move.from, to: move.to)
                labels = labels.map { $0 == move.from ? move.to : $0 }
            }
            addLabels(type.name, wanted, &labels)
            keep(type, wanted, isRun(.additive) ? labels : there)
            return
        }
        if !isDue(type) { hasOpenFacts = true }
        let old = Dictionary(uniqueKeysWithValues: change.renamed.map { ($0.part, $0.from) })
        let names = zip(type.parts, wanted).map { old[$0] ?? $1 }
        // One whose name another label still has waits for that one.
        let fresh = names.enumerated().filter { index, name in
            !labels.contains(name) || names.firstIndex(of: name) == index
        }.map(\.element)
        addLabels(type.name, fresh, &labels)
        keepLabels(type, names, isRun(.additive) ? labels : there)
    }

    /// Names that another label had before.
    private func reusedLabels(_ type: UserType, _ wanted: [String]) -> [String] {
        let before = situation.knownTypes[type.oid]?.parts ?? [:]
        let parts = Dictionary(before.map { ($0.value, $0.key) }) { first, _ in first }
        return zip(type.parts, wanted).filter { part, name in parts[name].map { $0 != part } ?? false }.map(\.1)
    }

    /// Values with such a label are of either, and nothing tells of which.
    private mutating func exchange(
        _ type: UserType, _ change: PartChange, _ wanted: [String], _ there: [String], _ reused: [String]
    ) {
        var statements: [String] = []
        var labels = there
        for move in Renaming.steps(change.renamed.map { ($0.from, $0.to) }, among: Set(there)) {
            statements.append(TargetDefinition.renameLabel(type.name, move.from, to: move.to))
            labels = labels.map { $0 == move.from ? move.to : $0 }
        }
        for (label, place) in Self.missing(wanted, &labels) {
            statements.append(TargetDefinition.addLabel(type.name, label, place))
        }
        doubts.append(
            TargetChange.Doubt(
                what:
                    "labels of type \(type.name) were renamed, and \(reused.joined(separator: ", ")) is another one now: "
                    + "which values are of before is not told",
                readings: [
                    "\(statements.joined(separator: " ")) and, once these rows are applied, "
                        + "weir backfill --table \(situation.relation.origin)"
                ]))
    }

    /// The same with names that two may want: the first has it.
    private mutating func keepLabels(_ type: UserType, _ names: [String], _ there: [String]) {
        var parts: [UInt32: String] = [:]
        var given = Set<String>()
        let before = situation.knownTypes[type.oid]?.parts ?? [:]
        let order = type.parts.indices.sorted { before[type.parts[$0]] != nil && before[type.parts[$1]] == nil }
        for index in order where there.contains(names[index]) && given.insert(names[index]).inserted {
            parts[type.parts[index]] = names[index]
        }
        known.append(AppliedType(oid: type.oid, name: type.name, parts: parts))
    }

    private mutating func rename(_ name: TableName, _ label: String, to new: String) {
        steps.append(
            SchemaStep(
                .full, needed: isNeeded, TargetDefinition.renameLabel(name, label, to: new),
                reason: "A label of \(name) has another name"))
    }

    /// PostgreSQL never drops a label: one that only the target has was renamed at the source, or is the target's own.
    private mutating func guessLabels(_ type: UserType, _ wanted: [String], _ there: [String]) {
        let name = type.name
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
                if !fresh.isEmpty { doubt(type, label, fresh) }
                continue
            }
            labels = labels.map { $0 == label ? fresh[place] : $0 }
            // Rows with the old label may still come, until one with the new one was refused.
            guard isDue(type) else {
                hasOpenFacts = true
                continue
            }
            rename(name, label, to: fresh[place])
        }
        addLabels(name, wanted.filter { !unclear.contains($0) }, &labels)
        // Nothing is known of one that is not told yet.
        if isDue(type), unclear.isEmpty, labels.filter(Set(wanted).contains) == wanted {
            keep(type, wanted, isRun(.additive) && (gone.isEmpty || isRun(.full)) ? labels : there)
        }
    }

    /// A label is gone where others are new: one of them is its new name. None is added before that is told, because
    /// the name could not be given any more.
    private mutating func doubt(_ type: UserType, _ label: String, _ fresh: [String]) {
        guard isDue(type) else {
            hasOpenFacts = true
            return
        }
        guard isNeeded || situation.mode == .full else { return }
        doubts.append(
            TargetChange.Doubt(
                what: "label \(label) of type \(type.name) has another name",
                readings: fresh.map { TargetDefinition.renameLabel(type.name, label, to: $0) }))
    }

    private mutating func addLabels(_ name: TableName, _ wanted: [String], _ labels: inout [String]) {
        for (label, place) in Self.missing(wanted, &labels) {
            steps.append(
                SchemaStep(
                    .additive, needed: isNeeded, TargetDefinition.addLabel(name, label, place),
                    reason: "A label of type \(name) is missing on the target", outside: true))
        }
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
        if !change.dropped.isEmpty, !added.isEmpty, !isExact(type) {
            exchange(type, change, added)
            return
        }
        let level: SchemaStep.Level = change.renamed.isEmpty && change.dropped.isEmpty ? .additive : .full
        let isChanged = level == .full || !added.isEmpty
        // Rows of the earlier form may still come, until one of the later was refused.
        guard isDue(type) && isRun(level) || !isChanged else {
            if !isDue(type) { hasOpenFacts = true }
            if let before = situation.knownTypes[type.oid] { known.append(before) }
            return
        }
        for step in fieldSteps(type, change, added) { steps.append(step) }
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

    /// Values of before and behind cannot be told apart, and none of before is sent.
    private mutating func exchange(_ type: UserType, _ change: PartChange, _ added: [UserType.Field]) {
        let sql = fieldSteps(type, change, added).map(\.sql).joined(separator: " ")
        let names = added.map(\.name).joined(separator: ", ")
        doubts.append(
            TargetChange.Doubt(
                what: "composite type \(type.name) lost \(change.dropped.joined(separator: ", ")) and got \(names): "
                    + "which values are of before is not told",
                readings: [
                    "\(sql) and, once these rows are applied, weir backfill --table \(situation.relation.origin)"
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
        guard isDue(type) else {
            hasOpenFacts = true
            return
        }
        let change = PartChange(dropped: there.filter { !wanted.contains($0) }.map(\.name))
        for step in fieldSteps(type, change, wanted.filter { !there.contains($0) }) { steps.append(step) }
        if isRun(change.dropped.isEmpty ? .additive : .full) { keep(type, wanted.map(\.name), wanted.map(\.name)) }
    }
}
