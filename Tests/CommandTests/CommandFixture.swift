import WeirTestKit

/// A source and a target database with one table `t`, and a configuration that joins them.
struct DatabasePair {
    let server: PrivatePostgres
    let source: TestConnection
    let target: TestConnection
    let sourceURL: String
    let folder: TemporaryDirectory
    let pipeline: String

    /// `more` is added to the configuration at the top level.
    init(_ more: String = "") throws {
        server = try PrivatePostgres.shared()
        let (from, to) = (try server.createDatabase("cmd"), try server.createDatabase("cmd"))
        source = try server.connect(from)
        target = try server.connect(to)
        for side in [source, target] { try side.exec("CREATE TABLE t (id int PRIMARY KEY, v text)") }
        pipeline = from
        sourceURL = server.url(database: from)
        folder = try TemporaryDirectory()
        try folder.write(
            """
            pipeline: \(from)
            source: {url: "\(sourceURL)", status.interval: 1s}
            sinks: [{type: postgres, url: "\(server.url(database: to))"}]
            \(more)
            """, to: "weir.yaml")
    }

    /// Starts `weir run`.
    func run(_ arguments: [String] = []) throws -> WeirProcess {
        try WeirProcess(["run"] + arguments, workingDirectory: folder.path)
    }

    /// Runs a command to its end beside `weir.yaml`.
    func weir(_ arguments: [String]) throws -> CommandResult {
        try WeirProcess.run(arguments, workingDirectory: folder.path)
    }

    /// Where the source's WAL ends.
    func end() throws -> String {
        try source.value("SELECT pg_current_wal_insert_lsn()") ?? ""
    }

    /// Rows 1 to `count` in the source.
    func fill(_ count: Int) throws {
        try source.exec("INSERT INTO t SELECT g, 'v' FROM generate_series(1, \(count)) g")
    }

    /// Slots and publications of the source database: what a command left behind.
    func leftovers() throws -> Int? {
        try source.number(
            """
            SELECT (SELECT count(*) FROM pg_publication)
                + (SELECT count(*) FROM pg_replication_slots WHERE database = current_database())
            """)
    }
}
