import Glibc
import WeirTestKit

/// A source database, a target database and a topic prefix of its own, with a configuration that joins them: the stage
/// of most scenarios.
struct Shop {
    /// Which sinks the configuration has.
    struct Sinks: OptionSet {
        let rawValue: Int
        static let kafka = Sinks(rawValue: 1)
        static let postgres = Sinks(rawValue: 2)
        static let stdout = Sinks(rawValue: 4)
    }

    let server: PrivatePostgres
    let name: String
    let source: TestConnection
    let target: TestConnection
    let sourceDatabase: String
    let targetDatabase: String
    let directory: TemporaryDirectory
    let config: String
    let broker: KafkaBroker?

    static let schema = """
        CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, email text, note text);
        CREATE TABLE orders
          (id bigint PRIMARY KEY, customer bigint, amount numeric(12,2), status text, placed timestamptz);
        CREATE TABLE log_lines (at int, line text);
        """

    /// Makes databases with `schema` on both sides and writes `weir.yaml`; `extra` is added to it at the top level,
    /// `sourceExtra` below `source:`.
    init(
        _ sinks: Sinks, schema: String = Shop.schema, sourceExtra: String = "", extra: String = "",
        tables: String = "[\"public.*\"]", server: PrivatePostgres? = nil, sourcePort: Int? = nil,
        targetPort: Int? = nil
    ) throws {
        let server = try server ?? PrivatePostgres.shared()
        self.server = server
        sourceDatabase = try server.createDatabase("shop")
        targetDatabase = try server.createDatabase("copy")
        source = try server.connect(sourceDatabase)
        target = try server.connect(targetDatabase)
        try source.exec(schema)
        try target.exec(schema)
        directory = try TemporaryDirectory()
        broker = sinks.contains(.kafka) ? try KafkaBroker.shared() : nil
        // Topics of one broker are shared by all tests, so the pipeline's name must be unique there.
        name = broker?.uniqueName(sourceDatabase).lowercased().replacing("-", with: "_") ?? sourceDatabase
        var list = ""
        if let broker { list += "  - {type: kafka, brokers: \"\(broker.bootstrap)\"}\n" }
        if sinks.contains(.postgres) {
            list += "  - {type: postgres, url: \"\(server.url(database: targetDatabase, port: targetPort))\"}\n"
        }
        if sinks.contains(.stdout) { list += "  - {type: stdout}\n" }
        config = try directory.write(
            """
            pipeline: \(name)
            source:
              url: "\(server.url(database: sourceDatabase, port: sourcePort))"
              tables: \(tables)
              status.interval: 1s
            \(sourceExtra)
            sinks:
            \(list)
            \(extra)

            """, to: "weir.yaml")
    }

    /// Starts `weir run`; relative paths (the state folder) are in the shop's directory.
    func run(_ arguments: [String] = [], environment: [String: String] = [:]) throws -> WeirProcess {
        try WeirProcess(
            ["run", config] + arguments, environment: environment, workingDirectory: directory.path)
    }

    /// Starts `weir run` and waits until it streams.
    func stream() throws -> WeirProcess {
        let weir = try run()
        try weir.waitForErrorLine(containing: "streaming")
        return weir
    }

    /// Runs another command to its end.
    func weir(_ arguments: [String], timeout: Duration = .seconds(60)) throws -> CommandResult {
        try WeirProcess.run(arguments, workingDirectory: directory.path, timeout: timeout)
    }

    /// Runs until everything committed so far is durable in every sink, then ends. Checks exit code 0.
    func catchUp(timeout: Duration = .seconds(90)) throws {
        let end = try source.value("SELECT pg_current_wal_insert_lsn()") ?? "0/0"
        let finished = try weir(["run", config, "--until-lsn", end], timeout: timeout)
        guard finished.exit == .status(0) else {
            throw TestKitError(
                "weir run --until-lsn ended with \(finished.exit):\n\(finished.errors.joined(separator: "\n"))")
        }
    }

    /// All rows of a table as text, sorted: equal multisets have equal lists.
    static func rows(_ table: String, _ connection: TestConnection) throws -> [String] {
        try connection.query("SELECT t::text FROM \(table) t").map { $0[0] ?? "" }.sorted()
    }

    /// Tables whose rows differ between source and target.
    func differences(_ tables: [String] = ["customers", "orders", "log_lines"]) throws -> [String] {
        try tables.filter { try Self.rows($0, source) != Self.rows($0, target) }
    }

    /// The events of a table's topic, all partitions.
    func events(_ table: String, atLeast count: Int = 0) throws -> [TopicRecord] {
        guard let broker else { return [] }
        return try broker.reader.read("\(name).public.\(table)", atLeast: count)
    }

    /// `confirmed_flush_lsn` of the pipeline's slot.
    func confirmed() throws -> String? {
        try source.value(
            "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = $1", ["weir_\(name)"])
    }
}
