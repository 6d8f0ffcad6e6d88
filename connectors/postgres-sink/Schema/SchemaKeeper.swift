import LibPQ
import WeirCore

/// Keeps the target's definitions in step with the source's, at the places of the log where they change: looks, tells
/// what is needed, and runs it, in the target transaction at hand, or refuses with the statements. Used on the sink's
/// thread, outside of the pipeline.
final class SchemaKeeper {
    private let session: TargetSession
    private let catalog: CatalogReader
    private let settings: PostgresTargetSettings
    private let memory: SchemaMemory
    private let tables: SourceTables
    private let types: SourceTypes
    private let facts: TargetFacts
    private var source = SourceDescription(systemIdentifier: 0, database: "", start: .zero)
    private var systemIdentifier: UInt64 { source.systemIdentifier }
    private var logger = Logger.silent
    /// The statement that made the next version, where it was recorded.
    var statement: String?
    /// The session is a replica.
    var isReplica = true
    /// Relations with facts that may be ahead of the rows, by OID.
    private var open: [UInt32: Relation] = [:]
    /// Tables whose types the transaction at hand has brought up to date.
    private var settled: Set<TableName> = []
    /// Enums that the transaction at hand has changed: no other session gets at them until it is over.
    private var changedEnums: Set<TableName> = []
    /// Statements that the target refused, of the change at hand.
    private var refusedSteps: Set<String> = []
    /// Definitions were changed in the transaction at hand.
    private(set) var hasChanged = false

    init(
        _ session: TargetSession, _ catalog: CatalogReader, _ settings: PostgresTargetSettings, _ memory: SchemaMemory
    ) {
        self.session = session
        self.catalog = catalog
        self.settings = settings
        self.memory = memory
        tables = SourceTables(session, pipeline: settings.pipeline)
        types = SourceTypes(session, pipeline: settings.pipeline)
        facts = TargetFacts(session)
    }

    func begin(_ source: SourceDescription, logger: Logger) throws(TargetFailure) {
        self.source = source
        self.logger = logger
        tables.forget()
        types.forget()
        if source.definitions == .inferred { try tables.stopFollowing() }
    }

    /// The transaction at hand is committed.
    func committed() {
        hasChanged = false
        for table in settled { memory.settled(table) }
        settled = []
        changedEnums = []
    }

    /// The transaction at hand was rolled back, with what was changed in it.
    func rolledBack() {
        hasChanged = false
        settled = []
        changedEnums = []
        tables.forget()
        types.forget()
    }

    // MARK: - Tables

    /// Brings the target up to a relation's version before its rows. `position`: commit LSN of the transaction it is
    /// for; nil when none is to be had.
    ///
    /// Errors: `target-mismatch` with the statements that are needed and not allowed, or with both readings of a change
    /// that can be read in two ways; `permission-denied`.
    func prepare(_ relation: Relation, position: LSN?) throws(TargetFailure) {
        let holds = relation.details?.asOf.map { asOf in position.map { $0 >= asOf } ?? false } ?? true
        var situation = try situation(relation, position, factsHold: holds)
        situation.typesHold = relation.details?.typesAsOf.map { asOf in position.map { $0 >= asOf } ?? false } ?? true
        situation.isSnapshot = position == nil
        follow(&situation, position ?? source.start)
        let change = TargetChange.between(situation)
        try decide(change, situation)
        try store(change, situation)
        open[relation.oid] = change.hasOpenFacts ? relation : nil
        if situation.wantsTypes { settled.insert(relation.table) }
    }

    /// Takes in that the source could not tell of a change. In the transaction at hand.
    func miss(at position: LSN) throws(TargetFailure) {
        try tables.stopFollowing()
        tables.forget()
        hasChanged = true
        if case .told = source.definitions { source.definitions = .told(since: LSN(position.rawValue + 1)) }
    }

    /// Tells whether this version can only be the one before.
    private func follow(_ situation: inout SchemaSituation, _ position: LSN) {
        // Changes without rows are not looked at there.
        guard settings.schema != .none, case .told(let since) = source.definitions else { return }
        let from = situation.known?.followedFrom.flatMap { $0 >= since ? $0 : nil }
        situation.followedFrom = from ?? (position >= since ? position : nil)
        guard from != nil, let known = situation.known, let details = situation.relation.details,
            details.isFirstOfStream, details.columns.count == known.columns.count
        else { return }
        situation.isContinued = zip(details.columns, known.columns).allSatisfy {
            $0.name == $1.source && $0.typeOID == $1.typeOID
        }
    }

    /// Whether a table has to be prepared again: from this position on its rows need other types.
    func wantsTypes(_ table: TableName, at position: LSN?) -> Bool {
        !settled.contains(table) && memory.wantsTypes(table, at: position)
    }

    /// Changes what had to wait until the rows had reached the catalog: all rows before `position` are committed.
    /// Outside of a transaction; each table in one of its own.
    /// - Returns: whether a table was changed.
    func settle(_ position: LSN) throws(TargetFailure) -> Bool {
        var hasSettled = false
        let due = open.filter { entry in
            let details = entry.value.details
            return max(details?.asOf ?? .zero, details?.typesAsOf ?? .zero) <= position
        }
        for (oid, relation) in due {
            open[oid] = nil
            memory.restricted(relation.table)
            _ = try session.run("BEGIN")
            var situation = try situation(relation, position, factsHold: true)
            situation.followedFrom = situation.known?.followedFrom
            // The table's next row brings what is new since; nothing is refused here.
            if situation.known?.table == relation.table {
                var change = TargetChange.between(situation)
                // Columns that are still to come may be what the table was rewritten for.
                if let known = situation.known, change.known?.isOfCatalog(relation) == false {
                    change.known?.storage = known.storage
                }
                if let doubt = change.doubts.first { throw .refused(Self.doubtful(change, doubt, relation)) }
                try execute(change.steps.filter { isAllowed($0) }, relation)
                try store(change, situation)
            }
            _ = try session.run("COMMIT")
            changedEnums = []
            hasSettled = true
        }
        return hasSettled
    }

    /// Whether `settle` has something to do.
    var hasOpenFacts: Bool { !open.isEmpty }

    /// Whether the map has the table.
    func knows(_ oid: UInt32) throws(TargetFailure) -> Bool {
        guard oid != 0 else { return false }
        return try tables.all(of: systemIdentifier)[oid] != nil
    }

    /// Whether the relation is looked at: one of no catalog only where tables may be made.
    func looks(at relation: Relation) -> Bool { relation.details != nil || settings.schema != .none }

    /// The source has dropped a table. Only `full` drops it here; else its rows stay, under a name that is free for
    /// another one.
    func drop(_ relation: Relation) throws(TargetFailure) {
        open[relation.oid] = nil
        let all = try tables.all(of: systemIdentifier)
        guard let known = all[relation.oid] else { return }
        let isShared = all.values.contains { $0.oid != known.oid && $0.table == known.table }
        if settings.schema == .full, !isShared, let target = try catalog.table(known.table),
            target.oid == known.targetOID
        {
            let step = SchemaStep(.full, "DROP TABLE \(known.table.sql);", reason: "The source has dropped the table")
            try run(step, relation)
            hasChanged = true
        }
        if settings.schema == .full || isShared { try tables.remove(relation.oid) }
    }

    private func situation(
        _ relation: Relation, _ position: LSN?, factsHold: Bool
    ) throws(TargetFailure) -> SchemaSituation {
        let all = relation.oid == 0 ? [:] : try tables.all(of: systemIdentifier)
        let known = all[relation.oid]
        var situation = SchemaSituation(relation: relation, mode: settings.schema, known: known)
        situation.systemIdentifier = systemIdentifier
        situation.hasExpression = statement.map { SourceExpression.isConversion($0) } ?? false
        situation.factsHold = factsHold
        situation.target = try catalog.table(relation.table)
        if let known, known.table != relation.table { situation.previous = try catalog.table(known.table) }
        let others = all.values.filter { $0.oid != relation.oid }
        situation.occupant = others.first { $0.table == relation.table }
        let rivals = others.filter { $0.table == known?.table ?? relation.table }
        situation.isShared =
            rivals.contains { $0.origin != relation.origin && $0.origin != known?.origin }
            && (relation.table != relation.origin || known.map { $0.table != $0.origin } ?? false)
        situation.wantsTypes = memory.wantsTypes(relation.table, at: position)
        if relation.details?.types.isEmpty == false { situation.knownTypes = try types.all(of: systemIdentifier) }
        situation.isReplica = isReplica
        situation.mayDeferKey = settings.applyMode == .exact && settings.onMissingRow == .error
        situation.relaxed = memory.relaxed(relation.table)
        try facts.fill(&situation)
        return situation
    }

    private func store(_ change: TargetChange, _ situation: SchemaSituation) throws(TargetFailure) {
        for (oid, table) in change.moved {
            guard var other = try tables.all(of: systemIdentifier)[oid] else { continue }
            other.table = table
            try tables.store(other)
        }
        for type in change.knownTypes where situation.knownTypes[type.oid] != type {
            hasChanged = true
            try types.store(type, of: systemIdentifier)
        }
        guard var known = change.known else { return }
        for (number, making) in change.making where refusedSteps.contains(making.sql) {
            known.generated.removeAll { $0.number == number }
            if let before = making.before { known.generated.append(before) }
        }
        known.targetOID = situation.target?.oid ?? 0
        if !change.steps.isEmpty || known.targetOID == 0 || situation.known?.table != known.table {
            known.targetOID = try catalog.table(known.table)?.oid ?? 0
        }
        guard known != situation.known else { return }
        // Were it rolled back, the plan made of it must go as well.
        hasChanged = true
        try tables.store(known)
    }

    // MARK: - Decisions

    private func decide(_ change: TargetChange, _ situation: SchemaSituation) throws(TargetFailure) {
        let relation = situation.relation
        if let doubt = change.doubts.first { throw .refused(Self.doubtful(change, doubt, relation)) }
        let allowed = change.steps.filter { isAllowed($0) }
        if let blocked = change.steps.first(where: { $0.isNeeded && !isAllowed($0) && !$0.reason.isEmpty }) {
            throw .refused(Self.refusal(change, blocked, relation, settings.schema))
        }
        try execute(allowed, relation)
        guard settings.schema != .none else { return }
        for note in change.notes { logger.warning(note, [("table", relation.table.description)]) }
    }

    private func execute(_ steps: [SchemaStep], _ relation: Relation) throws(TargetFailure) {
        refusedSteps = []
        // Before anything here locks what they need.
        var done: Set<String> = []
        for step in steps where step.isOutside {
            // A row with the label is of a later transaction, and gets one of its own here as well when it is refused.
            if let name = step.enumeration, changedEnums.contains(name) { continue }
            if try runOutside(step, relation) { done.insert(step.sql) }
        }
        for step in steps where !done.contains(step.sql) { try run(step, relation) }
    }

    private func isAllowed(_ step: SchemaStep) -> Bool {
        switch settings.schema {
        case .none: false
        case .additive: step.level == .additive
        case .full: true
        }
    }

    private static func refusal(
        _ change: TargetChange, _ blocked: SchemaStep, _ relation: Relation, _ mode: PostgresTargetSettings.SchemaMode
    ) -> WeirError {
        let needed = change.steps.filter { $0.isNeeded || mode == .additive && $0.level == .additive }
        var reasons: [String] = []
        for step in needed where !step.reason.isEmpty && !reasons.contains(step.reason) { reasons.append(step.reason) }
        let mode = mode == .none ? "none" : "additive"
        var error = WeirError(
            .targetMismatch, stage: .sink, blocked.reason,
            cause: (reasons.filter { $0 != blocked.reason } + ["schema: \(mode) does not change that"])
                .joined(separator: "; "),
            advice: "Run on the target: " + needed.map(\.sql).filter { !$0.isEmpty }.joined(separator: " "))
        error.table = relation.table
        return error
    }

    private static func doubtful(
        _ change: TargetChange, _ doubt: TargetChange.Doubt, _ relation: Relation
    ) -> WeirError {
        let readings = doubt.readings.enumerated().map { "(\($0 + 1)) \($1)" }.joined(separator: " or ")
        let others =
            change.doubts.count > 1
            ? " Unclear as well: " + change.doubts.dropFirst().map(\.what).joined(separator: "; ") + "." : ""
        return WeirError(
            .targetMismatch, stage: .sink, "A change of the table can be read in two ways: \(doubt.what)",
            cause: "the source's catalog is ahead of these rows, and does not tell",
            advice: "Run on the target what is true: \(readings)\(others) Then start again."
        ).at(table: relation.table)
    }

    // MARK: - Statements

    private func run(_ step: SchemaStep, _ relation: Relation) throws(TargetFailure) {
        if let gap = step.gap, try session.run(gap.query).boolean(row: 0, column: 0) == true {
            throw .refused(
                WeirError(.targetMismatch, stage: .sink, gap.what, cause: gap.cause, advice: gap.advice)
                    .at(table: relation.table))
        }
        if let caution = step.caution, try session.run(caution.query).boolean(row: 0, column: 0) == true {
            logger.warning(caution.text, [("table", relation.table.description)])
        }
        guard !step.sql.isEmpty else { return }
        logger.info("changing the target", [("table", relation.table.description), ("statement", step.sql)])
        hasChanged = true
        if let name = step.enumeration { changedEnums.insert(name) }
        guard step.isOptional || step.conversion != nil || step.fallback != nil else {
            _ = try explained(step.sql, relation) { () throws(TargetFailure) in _ = try session.run(step.sql) }
            return
        }
        _ = try session.run("SAVEPOINT weir_schema")
        do throws(TargetFailure) {
            _ = try session.run(step.sql)
        } catch {
            guard case .server(let cause, _) = error, cause.kind == .server, cause.retry == .operatorNeeded else {
                throw error
            }
            _ = try session.run("ROLLBACK TO SAVEPOINT weir_schema")
            if let conversion = step.conversion {
                guard cause.sqlState == "42804" else { throw .refused(Self.refused(step.sql, cause, relation)) }
                logger.info(
                    "changing the target", [("table", relation.table.description), ("statement", conversion)])
                try explained(conversion, relation) { () throws(TargetFailure) in _ = try session.run(conversion) }
            } else if let fallback = step.fallback {
                try explained(fallback, relation) { () throws(TargetFailure) in _ = try session.run(fallback) }
                warn(step, cause, relation)
            } else {
                warn(step, cause, relation)
            }
        }
        _ = try session.run("RELEASE SAVEPOINT weir_schema")
    }

    private func warn(_ step: SchemaStep, _ cause: PGError, _ relation: Relation) {
        refusedSteps.insert(step.sql)
        var fields = [("table", relation.table.description), ("statement", step.sql), ("cause", cause.description)]
        if !step.reason.isEmpty { fields.insert(("reason", step.reason), at: 1) }
        logger.warning("the target refused a part of the table's definition; the run goes on without it", fields)
    }

    /// True when it is done; false when only the transaction at hand can do it, because it made the type itself.
    private func runOutside(_ step: SchemaStep, _ relation: Relation) throws(TargetFailure) -> Bool {
        logger.info(
            "changing the target, ahead of its transaction",
            [("table", relation.table.description), ("statement", step.sql)])
        let other: TargetSession
        do throws(WeirError) {
            other = try TargetSession(settings)
        } catch {
            throw .refused(error)
        }
        other.isCancelled = session.isCancelled
        do throws(TargetFailure) {
            _ = try other.run("SET lock_timeout = '10s'")
            _ = try other.run(step.sql)
            return true
        } catch {
            guard case .server(let cause, _) = error, cause.kind == .server else { throw error }
            if cause.sqlState == "42704" || cause.sqlState == "22023" || cause.sqlState == "3F000" { return false }
            guard cause.retry == .operatorNeeded else { throw error }
            throw .refused(Self.refused(step.sql, cause, relation))
        }
    }

    private func explained(
        _ sql: String, _ relation: Relation, _ body: () throws(TargetFailure) -> Void
    ) throws(TargetFailure) {
        do throws(TargetFailure) {
            try body()
        } catch {
            guard case .server(let cause, _) = error, cause.kind == .server, cause.retry == .operatorNeeded else {
                throw error
            }
            throw .refused(Self.refused(sql, cause, relation))
        }
    }

    private static func refused(_ sql: String, _ cause: PGError, _ relation: Relation) -> WeirError {
        if cause.sqlState == "42501" {
            return WeirError(
                .permissionDenied, stage: .sink, "The role may not change the table's definition on the target",
                cause: cause.description,
                advice:
                    "Run on the target: \(sql) Or let the role do it: it has to own the tables and types, and needs "
                    + "CREATE on the schema; weir check prints the statements."
            ).at(table: relation.table)
        }
        return WeirError(
            .targetMismatch, stage: .sink, "The target refused a change of the table's definition",
            cause: cause.description, advice: "Remove what is in the way, or run by hand what leads to the same: \(sql)"
        ).at(table: relation.table)
    }
}

extension TargetChange {
    static func between(_ situation: SchemaSituation) -> TargetChange { SchemaDiffer.change(situation) }
}
