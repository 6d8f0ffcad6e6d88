import WeirCore

/// Statements that make a target fit a relation: run by Weir, or printed for people to run. Pure.
enum TargetDefinition {
    // MARK: - Tables

    /// CREATE TABLE with the relation's columns, NOT NULL and key. Types are named as on the source.
    static func createTable(_ relation: Relation) -> String {
        createTable(
            relation, notNull: Set(relation.columns.filter(\.isNotNull).map(\.name)), withKey: true, collations: [])
    }

    /// - Parameters:
    ///   - notNull: columns besides the key that get NOT NULL.
    ///   - withKey: the primary key is known to be the one of this point of the log.
    ///   - timing: when the primary key is looked at.
    ///   - collations: those that the target has.
    ///   - generated: columns that the target computes, to their places by number.
    static func createTable(
        _ relation: Relation, notNull: Set<String>, withKey: Bool, timing: KeyTiming = .immediate,
        collations: Set<String>, generated: [GeneratedColumn] = []
    ) -> String {
        var lines: [String] = []
        var computed = generated[...]
        for column in relation.columns {
            while let next = computed.first, let number = column.details?.number, next.number < number {
                lines.append(definition(next, collations))
                computed.removeFirst()
            }
            lines.append(definition(column, collations) + (notNull.contains(column.name) ? " NOT NULL" : ""))
        }
        lines += computed.map { definition($0, collations) }
        // An identity index is an index of its own where the catalog is known.
        let fallback = relation.details == nil || relation.identity != .index ? relation.keyColumns : []
        let key = relation.primaryKey.isEmpty ? fallback : relation.primaryKey
        if !key.isEmpty, withKey {
            let names = key.map { TableName.quote(relation.columns[$0].name) }
            lines.append("PRIMARY KEY (\(names.joined(separator: ", ")))\(suffix(timing))")
        }
        return "CREATE TABLE \(relation.table.sql) (\(lines.joined(separator: ", ")));"
    }

    /// What follows PRIMARY KEY, with a space in front.
    static func suffix(_ timing: KeyTiming) -> String {
        switch timing {
        case .immediate: ""
        case .deferrable: " DEFERRABLE"
        case .deferred: " DEFERRABLE INITIALLY DEFERRED"
        }
    }

    /// ALTER TABLE that has a publication of the target take whole rows: it takes no deferrable key.
    static func wholeRows(of table: TableName) -> String { "ALTER TABLE \(table.sql) REPLICA IDENTITY FULL;" }

    /// CREATE SCHEMA for a relation's table or a type.
    static func createSchema(_ table: TableName) -> String {
        "CREATE SCHEMA IF NOT EXISTS \(TableName.quote(table.schema));"
    }

    /// The name of the index that stands for a replica identity index.
    static func identityIndexName(_ table: TableName) -> String {
        SchemaDiffer.shortened(table.name, suffix: "_weir_identity")
    }

    /// CREATE UNIQUE INDEX of the replica identity's columns; nil when there are none.
    static func identityIndex(_ relation: Relation) -> String? {
        let columns = relation.columns.filter(\.isIdentity).map { TableName.quote($0.name) }
        guard !columns.isEmpty else { return nil }
        return "CREATE UNIQUE INDEX \(TableName.quote(identityIndexName(relation.table))) ON \(relation.table.sql) "
            + "(\(columns.joined(separator: ", ")));"
    }

    /// COMMENT ON TABLE; nil removes the comment.
    static func comment(_ text: String?, on table: TableName) -> String {
        "COMMENT ON TABLE \(table.sql) IS \(text.map(literal) ?? "NULL");"
    }

    // MARK: - Columns

    /// ALTER TABLE that adds a column.
    static func addColumn(_ column: Column, to table: TableName) -> String {
        addColumn(column, to: table, fill: nil, collations: [])
    }

    /// - Parameter fill: the value of the rows that are there, nil for NULL. It is the column's default afterwards.
    static func addColumn(
        _ column: Column, to table: TableName, fill: String?, collations: Set<String>
    ) -> String {
        let value = fill.map { " DEFAULT \(literal($0))::\(typeName(column))" } ?? ""
        return "ALTER TABLE \(table.sql) ADD COLUMN \(definition(column, collations))\(value);"
    }

    /// ALTER TABLE that adds a column which the target computes, for the rows that are there as well.
    static func addColumn(_ column: GeneratedColumn, to table: TableName, collations: Set<String>) -> String {
        "ALTER TABLE \(table.sql) ADD COLUMN \(definition(column, collations));"
    }

    /// ALTER TABLE that puts a generated column in the place of another one.
    static func exchangeColumn(_ column: GeneratedColumn, in table: TableName, collations: Set<String>) -> String {
        "ALTER TABLE \(table.sql) DROP COLUMN \(TableName.quote(column.name)), "
            + "ADD COLUMN \(definition(column, collations));"
    }

    /// ALTER TABLE that makes a generated column an ordinary one, with the values that it has.
    static func dropExpression(_ name: String, of table: TableName) -> String {
        alter(name, of: table, "DROP EXPRESSION")
    }

    /// ALTER TABLE that drops a column.
    static func dropColumn(_ name: String, of table: TableName) -> String {
        "ALTER TABLE \(table.sql) DROP COLUMN \(TableName.quote(name));"
    }

    /// ALTER TABLE that renames a column.
    static func renameColumn(_ name: String, to new: String, of table: TableName) -> String {
        "ALTER TABLE \(table.sql) RENAME COLUMN \(TableName.quote(name)) TO \(TableName.quote(new));"
    }

    /// ALTER TABLE that gives a column the source's type.
    static func alterType(_ column: Column, of table: TableName) -> String {
        alterType(column, of: table, throughText: true)
    }

    /// - Parameter throughText: values are converted by their text forms, else as PostgreSQL does by itself.
    static func alterType(_ column: Column, of table: TableName, throughText: Bool) -> String {
        let name = TableName.quote(column.name)
        let type = typeName(column)
        let using = throughText ? " USING \(name)::text::\(type)" : ""
        return "ALTER TABLE \(table.sql) ALTER COLUMN \(name) TYPE \(type)\(using);"
    }

    static func dropNotNull(_ name: String, of table: TableName) -> String {
        alter(name, of: table, "DROP NOT NULL")
    }

    static func setNotNull(_ name: String, of table: TableName) -> String {
        alter(name, of: table, "SET NOT NULL")
    }

    static func setDefault(_ name: String, _ expression: String, of table: TableName) -> String {
        alter(name, of: table, "SET DEFAULT \(expression)")
    }

    static func dropDefault(_ name: String, of table: TableName) -> String {
        alter(name, of: table, "DROP DEFAULT")
    }

    /// COMMENT ON COLUMN; nil removes the comment.
    static func comment(_ text: String?, on column: String, of table: TableName) -> String {
        "COMMENT ON COLUMN \(table.sql).\(TableName.quote(column)) IS \(text.map(literal) ?? "NULL");"
    }

    private static func alter(_ name: String, of table: TableName, _ what: String) -> String {
        "ALTER TABLE \(table.sql) ALTER COLUMN \(TableName.quote(name)) \(what);"
    }

    private static func definition(_ column: Column, _ collations: Set<String>) -> String {
        let collation = column.details?.collation.flatMap { collations.contains($0) ? " COLLATE \($0)" : nil } ?? ""
        return "\(TableName.quote(column.name)) \(typeName(column))\(collation)"
    }

    /// Stored, also where the source computes the values when they are read: every server since 12 has that.
    private static func definition(_ column: GeneratedColumn, _ collations: Set<String>) -> String {
        "\(TableName.quote(column.name)) \(column.type)" + collate(column.collation, collations)
            + " GENERATED ALWAYS AS (\(column.expression)) STORED" + (column.isNotNull ? " NOT NULL" : "")
    }

    /// Types a source could not name become text.
    private static func typeName(_ column: Column) -> String {
        let isUnknown =
            column.type.name.isEmpty
            || column.type.kind == .other && column.type.name == ColumnType.unnamed(column.type.oid)
        return isUnknown ? "text" : column.type.name
    }

    // MARK: - Types

    /// The statement that makes a user's type; nil for one that cannot be made.
    static func createType(_ type: UserType, collations: Set<String>) -> String? {
        let name = type.name.sql
        switch type.definition {
        case .enumeration(let labels):
            return "CREATE TYPE \(name) AS ENUM (\(labels.map(literal).joined(separator: ", ")));"
        case .composite(let fields):
            let list = fields.map { field($0, collations: collations) }.joined(separator: ", ")
            return "CREATE TYPE \(name) AS (\(list));"
        case .domain(let domain):
            var sql = "CREATE DOMAIN \(name) AS \(domain.base)" + collate(domain.collation, collations)
            if let expression = domain.defaultExpression, SourceExpression.isPortable(expression) {
                sql += " DEFAULT \(expression)"
            }
            if domain.isNotNull { sql += " NOT NULL" }
            for check in domain.checks { sql += " CONSTRAINT \(TableName.quote(check.name)) \(check.sql)" }
            return sql + ";"
        case .range(let range):
            var options = ["subtype = \(range.subtype)"]
            if let collation = range.collation, collations.contains(collation) {
                options.append("collation = \(collation)")
            }
            if let operators = range.operatorClass { options.append("subtype_opclass = \(operators)") }
            if let function = range.difference { options.append("subtype_diff = \(function)") }
            if let multirange = range.multirange { options.append("multirange_type_name = \(multirange.sql)") }
            return "CREATE TYPE \(name) AS RANGE (\(options.joined(separator: ", ")));"
        case .ofExtension(let name, let schema):
            return "CREATE EXTENSION IF NOT EXISTS \(TableName.quote(name)) SCHEMA \(TableName.quote(schema));"
        case .other: return nil
        }
    }

    /// A field as CREATE TYPE and ADD ATTRIBUTE write it.
    static func field(_ field: UserType.Field, collations: Set<String>) -> String {
        "\(TableName.quote(field.name)) \(field.type)" + collate(field.collation, collations)
    }

    private static func collate(_ collation: String?, _ known: Set<String>) -> String {
        collation.flatMap { known.contains($0) ? " COLLATE \($0)" : nil } ?? ""
    }

    /// Where a new label of an enum goes.
    enum LabelPlace {
        case before(String)
        case last
    }

    /// ALTER TYPE that adds a label.
    static func addLabel(_ type: TableName, _ label: String, _ place: LabelPlace) -> String {
        let sql = "ALTER TYPE \(type.sql) ADD VALUE IF NOT EXISTS \(literal(label))"
        switch place {
        case .before(let next): return "\(sql) BEFORE \(literal(next));"
        case .last: return "\(sql);"
        }
    }

    /// ALTER TYPE that renames a label.
    static func renameLabel(_ type: TableName, _ label: String, to new: String) -> String {
        "ALTER TYPE \(type.sql) RENAME VALUE \(literal(label)) TO \(literal(new));"
    }

    // MARK: - Rights and literals

    /// GRANT of what a stream needs.
    static func grant(_ privileges: [String], on table: TableName, to role: String) -> String {
        "GRANT \(privileges.joined(separator: ", ")) ON \(table.sql) TO \(TableName.quote(role));"
    }

    /// What lets a role see and write every row of a table with row-level security.
    static func openPolicy(on table: TableName, to role: String) -> String {
        "Run on the target: CREATE POLICY weir ON \(table.sql) TO \(TableName.quote(role)) USING (true) "
            + "WITH CHECK (true); (and drop restrictive policies for that role), or let it own the table."
    }

    /// A string literal for a session with `standard_conforming_strings` on.
    static func literal(_ text: String) -> String {
        var literal = String.UnicodeScalarView("'".unicodeScalars)
        for scalar in text.unicodeScalars {
            if scalar == "'" { literal.append(scalar) }
            literal.append(scalar)
        }
        return String(literal) + "'"
    }
}
