import Testing
import WeirTestKit

/// What source and target have in common, and what they have not.
extension Mirror {
    /// Expects that rows and definitions become the same; what Weir has logged goes with what is not.
    func expectSame(_ weir: WeirProcess, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let differences = try differences(weir)
        #expect(
            differences == [], "\(weir.errorLines.suffix(12).joined(separator: "\n"))", sourceLocation: sourceLocation)
    }

    /// Waits until rows and definitions are the same, and says what is not after a while.
    func differences(_ weir: WeirProcess) throws -> [String] {
        // What the catalog tells ahead of the rows is settled once they have got there.
        try sync(weir)
        try sync(weir)
        _ = eventually(timeout: .seconds(5)) { try differences().isEmpty }
        return try differences()
    }

    /// What differs: tables, definitions, rows.
    func differences() throws -> [String] {
        let (left, right) = (try Self.definitions(source), try Self.definitions(target))
        var differences = left.filter { !right.contains($0) }.map { "source: \($0)" }
        let tables = try source.query(Self.tablesSQL).compactMap { $0[0] }
        let extra = right.filter { line in
            !left.contains(line)
                && !(ignoresDrops && !Self.isType(line) && !tables.contains { line.hasPrefix($0 + " ") })
        }
        differences += extra.map { "target: \($0)" }
        guard differences.isEmpty else { return differences }
        for table in tables {
            let columns =
                try source.value(
                    """
                    SELECT string_agg(quote_ident(attname), ',' ORDER BY attname) FROM pg_attribute
                    WHERE attrelid = '\(table)'::regclass AND attnum > 0 AND NOT attisdropped
                    """) ?? ""
            let sql = "SELECT ROW(\(columns))::text FROM \(table) ORDER BY 1"
            if try source.query(sql) != target.query(sql) {
                differences.append("rows of \(table): \(try source.query(sql)) and \(try target.query(sql))")
            }
        }
        return differences
    }

    private static func isType(_ line: String) -> Bool { line.hasPrefix("enum ") || line.hasPrefix("composite ") }

    private static let tablesSQL = """
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('weir', 'information_schema')
            AND n.nspname !~ '^pg_' AND c.relname !~ '_weir_[0-9]+$' ORDER BY 1
        """

    /// Columns with type, NOT NULL, default and comment; keys; comments; enums; composite types with the names and
    /// types of their fields, in order, but those that tables are made of: the target's are ordinary tables.
    static func definitions(_ connection: TestConnection) throws -> [String] {
        try connection.query(
            """
            WITH tables AS (SELECT c.oid, c.oid::regclass::text AS name FROM pg_class c
                WHERE c.oid::regclass::text IN (\(tablesSQL)))
            SELECT concat_ws(' ', t.name, a.attname, format_type(a.atttypid, a.atttypmod),
                CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                CASE WHEN pg_get_expr(d.adbin, d.adrelid) !~ 'nextval'
                    THEN CASE a.attgenerated WHEN '' THEN 'DEFAULT ' ELSE 'GENERATED ' END
                        || pg_get_expr(d.adbin, d.adrelid) END,
                'comment ' || col_description(a.attrelid, a.attnum))
            FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
            LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            UNION ALL
            SELECT t.name || ' key ' || (SELECT string_agg(a.attname, ',' ORDER BY a.attname) FROM pg_attribute a
                WHERE a.attrelid = t.oid AND a.attnum = ANY (i.indkey)) || CASE WHEN k.condeferred THEN ' deferred'
                WHEN k.condeferrable THEN ' deferrable' ELSE '' END
            FROM tables t JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary
                JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype = 'p'
            UNION ALL
            SELECT t.name || ' comment ' || obj_description(t.oid, 'pg_class') FROM tables t
            UNION ALL
            SELECT 'enum ' || e.enumtypid::regtype || ' ' || string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
            FROM pg_enum e WHERE EXISTS (SELECT FROM pg_attribute a JOIN pg_type y ON y.oid = e.enumtypid
                WHERE a.atttypid IN (y.oid, y.typarray) AND a.attrelid IN (SELECT oid FROM tables))
            GROUP BY e.enumtypid
            UNION ALL
            SELECT concat_ws(' ', 'composite', c.reltype::regtype, (SELECT string_agg(
                quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
                FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped))
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'c' AND n.nspname NOT IN ('weir', 'information_schema') AND n.nspname !~ '^pg_'
                AND NOT EXISTS (SELECT FROM pg_class t WHERE t.reloftype = c.reltype)
            ORDER BY 1
            """
        ).compactMap { $0[0] }
    }
}
