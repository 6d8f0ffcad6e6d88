import WeirCore

/// Weir's own tables, which are never read as a user's: the event trigger's key is a secret, and what a target keeps of
/// one pipeline says nothing to the next.
enum OwnTables {
    private static let schema = "weir"
    private static let names = ["ddl_key", "progress", "snapshot_tables", "source_tables", "source_types"]

    static func contains(_ table: TableName) -> Bool { table.schema == schema && names.contains(table.name) }

    /// The same as an SQL condition.
    static func conditionSQL(schema column: String, name: String) -> String {
        "(\(column) = '\(schema)' AND \(name) IN (\(names.map { "'\($0)'" }.joined(separator: ", "))))"
    }
}
