import WeirCore

/// Steps that give an enum of the target the labels of the source's. Pure.
///
/// Labels are added first, by the names that their neighbours have until then, in a session of its own: one that the
/// transaction at hand made could not be used in it. Renames are part of that transaction.
struct LabelDiffer {
    private(set) var steps: [SchemaStep] = []
    private(set) var doubts: [TargetChange.Doubt] = []
    private(set) var hasOpenFacts = false
    /// What the map says of the labels afterwards; nil to leave it as it is.
    private(set) var known: AppliedType?

    private let situation: SchemaSituation
    private let type: UserType
    private let wanted: [String]
    private let there: [String]
    private var isDue: Bool { situation.isDue(type) }
    private var isNeeded: Bool { situation.wantsTypes }

    init(_ situation: SchemaSituation, _ type: UserType, wanted: [String], there: [String]) {
        self.situation = situation
        self.type = type
        self.wanted = wanted
        self.there = there
        let before = situation.knownTypes[type.oid]
        if let change = PartChange(type, wanted: wanted, there: there, known: before) {
            follow(change, change.isSettled ? [:] : before?.parts ?? [:])
        } else {
            guess()
        }
    }

    // MARK: - Labels that are known

    private mutating func follow(_ change: PartChange, _ before: [UInt32: String]) {
        let old = Dictionary(change.renamed.map { ($0.part, $0.from) }) { first, _ in first }
        // What each label is called on the target.
        let current: [String?] = zip(type.parts, wanted).map { part, name in
            if let from = old[part] { return from }
            let isOthers = old.values.contains(name) || before.contains { $0.key != part && $0.value == name }
            return there.contains(name) && !isOthers ? name : nil
        }
        let reused = zip(type.parts, wanted).filter { part, name in
            before.contains { $0.key != part && $0.value == name }
        }.map(\.1)
        // Not before rows with labels of before, which the target would not have any more.
        let isAmbiguous = !reused.isEmpty && !change.renamed.isEmpty
        if isAmbiguous, isDue, !situation.isExact(type) {
            doubts.append(ambiguity(current, reused))
            return
        }
        // Rows with the old label may still come, until one with the new one was refused.
        if isDue, change.renamed.isEmpty || situation.isRun(.full) || isAmbiguous {
            let (added, renamed) = steps(from: current)
            steps = added + renamed
            // No row would be refused.
            if isAmbiguous { for index in steps.indices { steps[index].isNeeded = true } }
            keep(zip(wanted, current).map { situation.isRun(.additive) ? $0 : $1 })
            return
        }
        if !isDue { hasOpenFacts = true }
        // A label whose name another one still has waits for that one.
        let waits = zip(wanted, current).map { name, now in now == nil && there.contains(name) }
        let (added, _) = steps(from: current, leavingOut: waits)
        steps = added
        keep(
            wanted.indices.map { index in
                if waits[index] { return nil }
                return current[index] ?? (situation.isRun(.additive) ? wanted[index] : nil)
            })
    }

    private mutating func keep(_ names: [String?]) {
        guard type.parts.count == names.count else { return }
        var parts: [UInt32: String] = [:]
        for (part, name) in zip(type.parts, names) { parts[part] = name }
        known = AppliedType(oid: type.oid, name: type.name, parts: parts)
    }

    /// Values with such a label are of either, and nothing tells of which.
    private func ambiguity(_ current: [String?], _ reused: [String]) -> TargetChange.Doubt {
        let (added, renamed) = steps(from: current)
        let statements = (added + renamed).map(\.sql).joined(separator: " ")
        return TargetChange.Doubt(
            what: "labels of type \(type.name) were renamed, and \(reused.joined(separator: ", ")) is another one now: "
                + "which values are of before is not told",
            readings: [
                "\(statements) and, once these rows are applied, \(SchemaAdvice.fill(situation.relation))"
            ])
    }

    /// - Parameters:
    ///   - current: for each wanted label what it is called on the target, nil where it is missing.
    ///   - leavingOut: missing ones that are not added.
    private func steps(
        from current: [String?], leavingOut: [Bool]? = nil
    ) -> (added: [SchemaStep], renamed: [SchemaStep]) {
        var added: [SchemaStep] = []
        var list = current
        var names = Set(there)
        for index in wanted.indices where list[index] == nil && leavingOut?[index] != true {
            var name = wanted[index]
            if names.contains(name) { name = "weir_moving_\(type.parts.count > index ? type.parts[index] : 0)" }
            let next = list[(index + 1)...].compactMap(\.self).first
            added.append(
                step(
                    .additive, TargetDefinition.addLabel(type.name, name, next.map { .before($0) } ?? .last),
                    "A label of type \(type.name) is missing on the target", outside: true))
            list[index] = name
            names.insert(name)
        }
        let moves = zip(list, wanted).compactMap { now, name in
            now.flatMap { $0 == name ? nil : (from: $0, to: name) }
        }
        let renamed = Renaming.steps(moves, among: names).map { move in
            step(
                .full, TargetDefinition.renameLabel(type.name, move.from, to: move.to),
                "A label of \(type.name) has another name")
        }
        return (added, renamed)
    }

    private func step(
        _ level: SchemaStep.Level, _ sql: String, _ reason: String, outside: Bool = false
    ) -> SchemaStep {
        var step = SchemaStep(level, needed: isNeeded, sql, reason: reason, outside: outside)
        step.enumeration = type.name
        return step
    }

    // MARK: - By names alone

    /// The enum is met for the first time. PostgreSQL never drops a label: one that only the target has was renamed at
    /// the source, or is the target's own, or one of another type that had the name.
    private mutating func guess() {
        let gone = situation.isReplaced(type) ? [] : there.filter { !wanted.contains($0) }
        var current: [String?] = wanted.map { there.contains($0) ? $0 : nil }
        var unclear: Set<String> = []
        for label in gone {
            let (fresh, rivals) = surroundings(label, gone)
            guard !fresh.isEmpty else { continue }
            guard let place = rivals.firstIndex(of: label), fresh.count == rivals.count else {
                unclear.formUnion(fresh)
                doubt(label, fresh)
                continue
            }
            if let index = wanted.firstIndex(of: fresh[place]) { current[index] = label }
        }
        let isRenamed = zip(current, wanted).contains { now, name in now.map { $0 != name } ?? false }
        let (added, renamed) = steps(from: current, leavingOut: wanted.map(unclear.contains))
        steps = added
        // Rows with the old label may still come, until one with the new one was refused.
        if isDue { steps += renamed } else if isRenamed { hasOpenFacts = true }
        // Nothing is known of what is not told yet.
        let isTold =
            isDue && unclear.isEmpty
            && there.filter(Set(current.compactMap(\.self)).contains) == current.compactMap(\.self)
        guard isTold, !isRenamed || situation.isRun(.full) else { return }
        keep(zip(wanted, current).map { situation.isRun(.additive) ? $0 : $1 })
    }

    /// The source's new labels and the target's gone ones between the nearest labels that both have.
    private func surroundings(_ label: String, _ gone: [String]) -> (fresh: [String], rivals: [String]) {
        let from = there.firstIndex(of: label) ?? 0
        let before = there[..<from].last { wanted.contains($0) }
        let after = there[from...].first { wanted.contains($0) }
        let lower = before.flatMap { wanted.firstIndex(of: $0) } ?? -1
        let upper = after.flatMap { wanted.firstIndex(of: $0) } ?? wanted.count
        guard lower < upper else { return ([], []) }
        let low = before.flatMap { there.firstIndex(of: $0) } ?? -1
        let high = after.flatMap { there.firstIndex(of: $0) } ?? there.count
        return (
            wanted[(lower + 1)..<upper].filter { !there.contains($0) },
            there[(low + 1)..<high].filter { gone.contains($0) }
        )
    }

    /// A label is gone where others are new: one of them is its new name. None is added before that is told, because
    /// the name could not be given any more.
    private mutating func doubt(_ label: String, _ fresh: [String]) {
        guard isDue else {
            hasOpenFacts = true
            return
        }
        guard isNeeded || situation.mode == .full else { return }
        doubts.append(
            TargetChange.Doubt(
                what: "label \(label) of type \(type.name) has another name",
                readings: fresh.map { TargetDefinition.renameLabel(type.name, label, to: $0) }))
    }
}
