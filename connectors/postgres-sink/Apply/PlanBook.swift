import WeirCore

/// The plans of a session: made when a relation is first met, kept while relation and target stay as they are.
final class PlanBook {
    private let catalog: CatalogReader
    private let channel: PipelineChannel
    private let keeper: SchemaKeeper
    private let applyMode: PostgresTargetSettings.ApplyMode
    private(set) var plans: [TablePlan] = []
    private var latest: [TableName: Int] = [:]
    /// Relations are held here, so that their identity stays theirs.
    private var known: [ObjectIdentifier: (relation: Relation, plan: Int)] = [:]
    /// Tables that a backfill has copied ahead of the stream, and the point up to which. Set before the first plan.
    var copiedAhead: [TableName: LSN] = [:]
    /// Told about a table when its plan is made.
    var onPlan: (TablePlan) -> Void = { _ in }

    private static let statementsMax = 512
    private static let knownMax = 4096

    init(
        _ catalog: CatalogReader, _ channel: PipelineChannel, _ keeper: SchemaKeeper,
        applyMode: PostgresTargetSettings.ApplyMode
    ) {
        self.applyMode = applyMode
        self.catalog = catalog
        self.channel = channel
        self.keeper = keeper
    }

    /// Index of the relation's plan. A relation met for the first time costs a look into the target's catalog, and may
    /// change the target's definitions: what was sent before is applied then. `position` is the commit LSN of the
    /// transaction at hand; nil when it has none.
    func index(for relation: Relation, at position: LSN?) throws(TargetFailure) -> Int {
        let isStale = keeper.wantsTypes(relation.table, at: position)
        if !isStale, let found = known[ObjectIdentifier(relation)] { return found.plan }
        if !isStale, let index = latest[relation.table], plans[index].fits(relation) {
            remember(relation, index)
            return index
        }
        try channel.leave()
        if keeper.looks(at: relation) { try keeper.prepare(relation, position: position) }
        guard let target = try catalog.table(relation.table) else { throw .refused(TablePlan.missing(relation)) }
        let plan: TablePlan
        do throws(WeirError) {
            plan = try TablePlan(relation, target)
        } catch {
            throw .refused(error)
        }
        plan.copiedAhead = copiedAhead[relation.table]
        if applyMode == .upsert, let refusal = plan.upsertRefusal { throw .refused(refusal) }
        plans.append(plan)
        latest[relation.table] = plans.count - 1
        remember(relation, plans.count - 1)
        onPlan(plan)
        return plans.count - 1
    }

    private func remember(_ relation: Relation, _ plan: Int) {
        if known.count >= Self.knownMax { known.removeAll() }
        known[ObjectIdentifier(relation)] = (relation, plan)
    }

    /// The prepared statement of a shape; prepared on first use.
    func statement(
        _ shape: StatementShape, _ plan: TablePlan, _ expectation: Expectation
    ) throws(TargetFailure) -> PreparedStatement {
        let kind = Int(shape.kind.rawValue)
        if let recent = plan.recent[kind], recent.shape == shape { return recent }
        if let found = plan.statements[shape] {
            plan.recent[kind] = found
            return found
        }
        if channel.preparedCount >= Self.statementsMax {
            try channel.leave()
            try forgetStatements()
        }
        let made = try channel.prepare(shape, StatementText(shape, plan.layout), for: expectation)
        plan.statements[shape] = made
        plan.recent[kind] = made
        return made
    }

    /// Drops every plan: tables of the target were changed, or changes were rolled back. Indexes stay valid.
    func forgetPlans() {
        latest.removeAll()
        known.removeAll()
    }

    /// Drops every prepared statement, here and on the server. Outside of the pipeline.
    func forgetStatements() throws(TargetFailure) {
        try channel.forgetStatements()
        for plan in plans {
            plan.statements.removeAll()
            plan.recent = plan.recent.map { _ in nil }
        }
    }

    /// Whether the target table is another one than when the plan was made. Outside of the pipeline.
    func hasChanged(_ plan: TablePlan) throws(TargetFailure) -> Bool {
        try catalog.table(plan.relation.table) != plan.target
    }

    /// The latest plan of a table.
    func plan(of table: TableName) -> TablePlan? { latest[table].map { plans[$0] } }
}
