import WeirCore

/// What to do, as it stands in several remedies.
enum SchemaAdvice {
    /// Copies a table's rows once more; a backfill into a target is refused while the pipeline runs.
    static func fill(_ relation: Relation) -> String {
        "stop Weir, run weir backfill --table \(relation.origin), and start it again"
    }
}
