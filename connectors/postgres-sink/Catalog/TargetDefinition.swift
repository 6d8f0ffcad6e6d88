import WeirCore

/// Statements that make a target fit a relation, for people to run. Pure.
enum TargetDefinition {
    /// CREATE TABLE with the relation's columns, NOT NULL and key. Types are named as on the source.
    static func createTable(_ relation: Relation) -> String {
        var lines = relation.columns.map { column in
            "\(TableName.quote(column.name)) \(typeName(column))\(column.isNotNull ? " NOT NULL" : "")"
        }
        let key = relation.primaryKey.isEmpty ? relation.keyColumns : relation.primaryKey
        if !key.isEmpty {
            let names = key.map { TableName.quote(relation.columns[$0].name) }
            lines.append("PRIMARY KEY (\(names.joined(separator: ", ")))")
        }
        return "CREATE TABLE \(relation.table.sql) (\(lines.joined(separator: ", ")));"
    }

    /// CREATE SCHEMA for a relation's table.
    static func createSchema(_ table: TableName) -> String {
        "CREATE SCHEMA IF NOT EXISTS \(TableName.quote(table.schema));"
    }

    /// ALTER TABLE that adds a column.
    static func addColumn(_ column: Column, to table: TableName) -> String {
        "ALTER TABLE \(table.sql) ADD COLUMN \(TableName.quote(column.name)) \(typeName(column));"
    }

    /// ALTER TABLE that gives a column the source's type.
    static func alterType(_ column: Column, of table: TableName) -> String {
        let name = TableName.quote(column.name)
        let type = typeName(column)
        return "ALTER TABLE \(table.sql) ALTER COLUMN \(name) TYPE \(type) USING \(name)::text::\(type);"
    }

    /// GRANT of what a stream needs.
    static func grant(_ privileges: [String], on table: TableName, to role: String) -> String {
        "GRANT \(privileges.joined(separator: ", ")) ON \(table.sql) TO \(TableName.quote(role));"
    }

    /// What lets a role see and write every row of a table with row-level security.
    static func openPolicy(on table: TableName, to role: String) -> String {
        "Run on the target: CREATE POLICY weir ON \(table.sql) TO \(TableName.quote(role)) USING (true) "
            + "WITH CHECK (true); (and drop restrictive policies for that role), or let it own the table."
    }

    /// Types a source could not name become text.
    private static func typeName(_ column: Column) -> String { column.type.name.isEmpty ? "text" : column.type.name }
}
