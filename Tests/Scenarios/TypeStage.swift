import WeirTestKit

/// A source and a target with a table for each type of ``TypeZoo``, once with a primary key and once without (replica
/// identity FULL), joined by one pipeline.
struct TypeStage {
    /// How the two databases and the pipeline differ from the plain case.
    struct Options {
        /// Statements of `ALTER DATABASE ... SET`, without that: for the source and for the target.
        var sourceSettings: [String] = []
        var targetSettings: [String] = []
        /// Options of CREATE DATABASE.
        var source = ""
        var target = ""
        /// Keys of the source and of the sink, as YAML in one line each.
        var sourceKeys: [String] = []
        var sinkKeys: [String] = []
    }

    let server: PrivatePostgres
    let source: TestConnection
    let target: TestConnection
    let entries: [TypeZoo.Entry]
    let directory: TemporaryDirectory
    private let config: String
    private let sourceDatabase: String
    private let targetDatabase: String

    init(
        _ options: Options = Options(), entries chosen: [TypeZoo.Entry]? = nil,
        definitions: String = TypeZoo.definitions
    ) throws {
        server = try PrivatePostgres.shared()
        sourceDatabase = try server.createDatabase("zoo", options: options.source)
        targetDatabase = try server.createDatabase("zoo_copy", options: options.target)
        source = try server.connect(sourceDatabase)
        target = try server.connect(targetDatabase)
        let version = try source.number("SHOW server_version_num") ?? 0
        entries = chosen ?? TypeZoo.entries(serverVersion: version)
        // The same types have other OIDs on the target.
        try target.exec("CREATE TYPE dummy AS (a int); DROP TYPE dummy; CREATE TABLE apart (a int); DROP TABLE apart")
        for connection in [source, target] {
            try connection.exec("SET check_function_bodies = off")
            try connection.exec("SET client_encoding = 'UTF8'")
            try connection.exec(definitions)
            try connection.exec("CREATE SCHEMA zoo")
            for entry in entries {
                try connection.exec(
                    """
                    CREATE TABLE zoo.k_\(entry.name) (id int PRIMARY KEY, v \(entry.type));
                    CREATE TABLE zoo.w_\(entry.name) (id int, v \(entry.type));
                    ALTER TABLE zoo.w_\(entry.name) REPLICA IDENTITY FULL
                    """)
            }
        }
        directory = try TemporaryDirectory()
        config = try directory.write(
            Self.yaml(
                options, name: sourceDatabase, from: server.url(database: sourceDatabase),
                to: server.url(database: targetDatabase)), to: "weir.yaml")
        try Self.alter(sourceDatabase, options.sourceSettings, on: source)
        try Self.alter(targetDatabase, options.targetSettings, on: target)
    }

    private static func yaml(_ options: Options, name: String, from source: String, to target: String) -> String {
        """
        pipeline: \(name)
        source:
          url: "\(source)"
          tables: ["zoo.*"]
        \(options.sourceKeys.map { "  \($0)\n" }.joined())
        sinks:
          - type: postgres
            url: "\(target)"
        \(options.sinkKeys.map { "    \($0)\n" }.joined())
        limits: {drain: 170s}
        """
    }

    /// Half of the settings are the database's, half are the role's in it, which win.
    private static func alter(_ database: String, _ settings: [String], on connection: TestConnection) throws {
        for (index, setting) in settings.enumerated() {
            let subject = index.isMultiple(of: 2) ? "DATABASE" : "ROLE postgres IN DATABASE"
            try connection.exec("ALTER \(subject) \(quotedIdentifier(database)) SET \(setting)")
        }
    }

    /// Every table's name, without its schema.
    var tables: [String] { entries.flatMap { ["k_\($0.name)", "w_\($0.name)"] } }

    /// Inserts every value, and a NULL, into the tables of its type.
    func fill() throws {
        for entry in entries {
            for kind in ["k", "w"] {
                let rows = entry.values.enumerated().map { "(\($0 + 1), \($1))" }
                try source.exec(
                    "INSERT INTO zoo.\(kind)_\(entry.name) VALUES (0, NULL), \(rows.joined(separator: ", "))")
            }
        }
    }

    /// Inserts, updates and deletes each value: new rows, values that wander to the next row, values that stay while
    /// their row changes, and rows that go.
    func change() throws {
        for table in tables {
            try source.exec(
                """
                BEGIN;
                INSERT INTO zoo.\(table) SELECT id + 1000, v FROM zoo.\(table);
                UPDATE zoo.\(table) t SET v = n.v FROM zoo.\(table) n WHERE n.id = t.id + 1 AND t.id < 1000;
                UPDATE zoo.\(table) SET id = id + 5000 WHERE id > 1000 AND id % 3 = 1;
                DELETE FROM zoo.\(table) WHERE id % 3 = 0;
                COMMIT
                """)
        }
    }

    /// Runs until everything committed so far is durable in the target, then ends.
    func catchUp() throws {
        let end = try source.value("SELECT pg_current_wal_insert_lsn()") ?? "0/0"
        let finished = try WeirProcess.run(
            ["run", config, "--until-lsn", end], workingDirectory: directory.path, timeout: .seconds(180))
        guard finished.exit == .status(0) else {
            throw TestKitError(
                "weir run --until-lsn ended with \(finished.exit):\n\(finished.errors.joined(separator: "\n"))")
        }
    }

    /// Rows of the target that are not as on the source, and rows of either that the other has not, by table, in
    /// text and, where the type's OIDs are the same everywhere, in the form of the types' send functions.
    func differences() throws -> [String] {
        try tables.flatMap { table -> [String] in
            let isBuiltIn = try source.value(
                "SELECT atttypid < 16384 FROM pg_attribute WHERE attrelid = 'zoo.\(table)'::regclass "
                    + "AND attname = 'v'")
            let binary = isBuiltIn == "t" ? "encode(record_send(t), 'hex')" : "''"
            let sql =
                "SELECT id, md5(convert_to(t::text, 'UTF8')), md5(\(binary)), left(format('%s', v), 60) "
                + "FROM zoo.\(table) t ORDER BY 1, 2, 3"
            let (left, right) = (try source.query(sql), try target.query(sql))
            if left == right { return left.isEmpty ? ["\(table) is empty"] : [] }
            let missing = left.filter { !right.contains($0) }.map { "\(table) lacks \(Self.text($0))" }
            let surplus = right.filter { !left.contains($0) }.map { "\(table) has \(Self.text($0))" }
            return missing + surplus + (missing.isEmpty && surplus.isEmpty ? ["\(table): counts differ"] : [])
        }
    }

    private static func text(_ row: [String?]) -> String { row.map { $0 ?? "NULL" }.joined(separator: " | ") }
}
