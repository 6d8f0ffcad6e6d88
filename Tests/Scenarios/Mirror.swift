import Glibc
import WeirTestKit

/// A source, a target that Weir fills and shapes by itself, and what differs between them.
struct Mirror {
    let server: PrivatePostgres
    let source: TestConnection
    let target: TestConnection
    let sourceDatabase: String
    let targetDatabase: String
    let directory: TemporaryDirectory
    let config: String
    let ticks: Ticks
    /// Tables that only the target has are no difference: without the event trigger no drop is seen.
    var ignoresDrops = false

    /// Counts the rows that tell how far the target is.
    final class Ticks {
        var count = 0
    }

    /// Where a source's definitions come from.
    enum Definitions: String, CaseIterable {
        /// The catalog of now, and what the stream says itself.
        case inferred
        /// Messages of the event trigger, at their place of the log.
        case trigger
    }

    init(
        _ setup: String, schema: String = "full", definitions: Definitions = .inferred, extra: String = "",
        server: PrivatePostgres? = nil
    ) throws {
        let server = try server ?? PrivatePostgres.shared()
        self.server = server
        sourceDatabase = try server.createDatabase("origin")
        targetDatabase = try server.createDatabase("mirror")
        source = try server.connect(sourceDatabase)
        target = try server.connect(targetDatabase)
        ticks = Ticks()
        // Of the tables that come later as well.
        try source.exec("CREATE PUBLICATION weir_\(sourceDatabase) FOR ALL TABLES")
        try source.exec("CREATE TABLE ticks (n int PRIMARY KEY)")
        try source.exec(setup)
        directory = try TemporaryDirectory()
        config = try directory.write(
            """
            pipeline: \(sourceDatabase)
            source:
              url: "\(server.url(database: sourceDatabase))"
              status.interval: 300ms
              ddl: \(definitions.rawValue)
            sinks:
              - {type: postgres, url: "\(server.url(database: targetDatabase))", schema: \(schema)}
            \(extra)

            """, to: "weir.yaml")
    }

    /// Starts `weir run` and waits until it streams.
    func stream() throws -> WeirProcess {
        let weir = try WeirProcess(["run", config], workingDirectory: directory.path)
        try weir.waitForErrorLine(containing: "streaming")
        return weir
    }

    /// Runs `weir run` until it stops by itself, and returns its last lines.
    func runUntilItStops() throws -> [String] {
        let weir = try WeirProcess(["run", config], workingDirectory: directory.path)
        let exit = try weir.waitForExit(timeout: .seconds(40))
        guard exit == .status(1) else { throw TestKitError("weir ended with \(exit): \(weir.errorLines.suffix(5))") }
        return weir.errorLines
    }

    func stop(_ weir: WeirProcess) throws {
        weir.signal(SIGTERM)
        let exit = try weir.waitForExit()
        guard exit == .status(0) else { throw TestKitError("weir ended with \(exit): \(weir.errorLines.suffix(5))") }
    }

    /// Waits until the target has everything that is committed at the source now.
    func sync(_ weir: WeirProcess) throws {
        ticks.count += 1
        try source.exec("INSERT INTO ticks VALUES (\(ticks.count))")
        let isThere = eventually(timeout: .seconds(30)) {
            try !weir.isRunning || Int(target.value("SELECT max(n) FROM ticks") ?? "0") == ticks.count
        }
        guard isThere, weir.isRunning else {
            throw TestKitError("the target did not follow:\n\(weir.errorLines.suffix(12).joined(separator: "\n"))")
        }
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
                && !(ignoresDrops && !line.hasPrefix("enum ") && !tables.contains { line.hasPrefix($0 + " ") })
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

    private static let tablesSQL = """
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('weir', 'information_schema')
            AND n.nspname !~ '^pg_' AND c.relname !~ '_weir_[0-9]+$' ORDER BY 1
        """

    /// Columns with type, NOT NULL, default and comment; keys; comments; enums.
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
                WHERE a.attrelid = t.oid AND a.attnum = ANY (i.indkey))
            FROM tables t JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary
            UNION ALL
            SELECT t.name || ' comment ' || obj_description(t.oid, 'pg_class') FROM tables t
            UNION ALL
            SELECT 'enum ' || e.enumtypid::regtype || ' ' || string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
            FROM pg_enum e WHERE EXISTS (SELECT FROM pg_attribute a JOIN pg_type y ON y.oid = e.enumtypid
                WHERE a.atttypid IN (y.oid, y.typarray) AND a.attrelid IN (SELECT oid FROM tables))
            GROUP BY e.enumtypid
            ORDER BY 1
            """
        ).compactMap { $0[0] }
    }
}
