/// Gives tables and columns other names and rows another topic: `rename` and `route`. Only relations change; rows,
/// cells and bytes are shared with the batch before.
final class RelabelTransform: Transform {
    private let tables: TableSelection
    private let target: TableTemplate?
    private let topic: NameTemplate?
    private let columns: [String: String]
    private var known = RelationPlans<Relation>()

    init(_ settings: RenameSettings, pipeline: String) throws(WeirError) {
        tables = try TransformChain.selection(settings.table)
        target = try settings.to.map { text throws(WeirError) in try TableTemplate(text, pipeline: pipeline) }
        topic = nil
        columns = settings.columns
        guard target != nil || !columns.isEmpty else {
            throw TransformChain.invalid("A rename transform renames nothing", "Write `to`, `columns`, or both.")
        }
        guard !columns.values.contains("") else {
            throw TransformChain.invalid("A rename transform gives a column an empty name", "Write a name.")
        }
    }

    init(_ settings: RouteSettings, pipeline: String) throws(WeirError) {
        tables = try TransformChain.selection(settings.table)
        target = try settings.target.map { text throws(WeirError) in try TableTemplate(text, pipeline: pipeline) }
        topic = try settings.topic.map { text throws(WeirError) in try NameTemplate(text, pipeline: pipeline) }
        columns = [:]
        guard target != nil || topic != nil else {
            throw TransformChain.invalid("A route transform routes nowhere", "Write `topic`, `target`, or both.")
        }
    }

    func apply(_ batch: ChangeBatch) throws(WeirError) -> ChangeBatch {
        let relations = try known.plans(for: batch, make: relabeled)
        let changes = relations.indices.contains { relations[$0] !== batch.relations[$0] }
        return changes ? batch.replacing(rows: batch.rows, relations: relations) : batch
    }

    private func relabeled(_ relation: Relation) throws(WeirError) -> Relation {
        guard tables.contains(relation.table) else { return relation }
        let renamed = relation.columns.map { column in columns[column.name].map(column.renamed) ?? column }
        var seen: Set<String> = []
        for column in renamed where !seen.insert(column.name).inserted {
            throw WeirError(
                .tableUnusable, stage: .transform,
                "A rename transform gives two columns the name \(column.name)",
                advice: "Choose another name, or drop the column that has it."
            ).at(table: relation.table)
        }
        return relation.relabeled(
            table: target?.filled(for: relation.table), columns: renamed, route: topic?.filled(for: relation.table))
    }
}
