import CLibPQ
import Glibc
import Synchronization

/// A PostgreSQL cluster of the tests' own: on loopback, never as root, gone with its owner.
///
/// `shared()` is one cluster for the whole test process, where each test makes its own database: the fast and usual
/// way. Tests that restart, crash or configure a server make an instance of their own (about 0.4 s).
///
/// Logical replication is on, with room for 200 slots and walsenders. `fsync` is off: a killed *server process* loses
/// nothing by that, only a crash of the machine would.
public final class PrivatePostgres: Sendable {
    /// How clients prove who they are over TCP. The Unix socket always trusts, for the tests' own statements.
    public enum Authentication: Sendable {
        /// Nobody is asked.
        case trust
        /// SCRAM-SHA-256; this is the password of the user `postgres`.
        case scram(password: String)
    }

    /// The ways to stop a server: see `pg_ctl`'s manual page.
    public enum StopMode: Sendable {
        /// Waits until clients have gone.
        case smart
        /// Sends clients away, then a checkpoint.
        case fast
        /// Like a crash: the next start recovers.
        case immediate
    }

    /// The TCP port on 127.0.0.1; the same after a restart.
    public let port: Int

    /// Where the Unix socket is.
    public var socketDirectory: String { directory.path }

    /// The data folder, for tests that look into it.
    public var dataDirectory: String { directory.file("data") }

    private let directory: TemporaryDirectory
    private let authentication: Authentication
    private let server = Mutex<ChildProcess?>(nil)
    private let names = Atomic<Int>(0)

    private static let common = Mutex<PrivatePostgres?>(nil)

    /// The cluster that tests share. The first call starts it; later ones wait for that.
    public static func shared() throws -> PrivatePostgres {
        try common.withLock { common in
            if let common { return common }
            let made = try PrivatePostgres()
            common = made
            return made
        }
    }

    /// Makes a cluster and starts it.
    ///
    /// - Parameters:
    ///   - settings: of postgresql.conf, e.g. `["wal_sender_timeout": "2s"]`; they win over the kit's own.
    ///   - authentication: of TCP connections.
    public init(_ settings: [String: String] = [:], authentication: Authentication = .trust) throws {
        let template = try PostgresTemplate.shared.get()
        directory = try TemporaryDirectory(forServers: true)
        port = try LoopbackPort.next()
        self.authentication = authentication
        try template.copy(to: directory.file("data"), in: directory)
        try configure(settings)
        try writeAccessRules()
        try start()
        if case .scram(let password) = authentication {
            try administrator().exec("ALTER ROLE postgres PASSWORD \(quotedLiteral(password))")
        }
    }

    deinit { try? stop(.immediate) }

    // MARK: Life of the server

    /// Whether the server process is there.
    public var isRunning: Bool { server.withLock { $0?.ended == nil && $0 != nil } }

    /// Starts a stopped server and waits until it takes connections.
    public func start() throws {
        guard let bin = TestEnvironment.postgresBin else { throw TestKitError("no PostgreSQL: set WEIR_TEST_PG_BIN") }
        try server.withLock { server in
            guard server == nil || server?.ended != nil else { return }
            let output = open(directory.file("log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
            guard output >= 0 else { throw TestKitError.system("open \(directory.file("log"))") }
            defer { close(output) }
            var request = ProcessRequest(executable: "\(bin)/postgres", arguments: ["-D", dataDirectory])
            request.workingDirectory = directory.path
            request.user = ServerUser.current
            request.standardOutput = output
            request.standardError = output
            // An immediate shutdown: it takes the children and the shared memory along.
            request.deathSignal = SIGQUIT
            let started = try ChildProcess(request)
            server = started
            let isUp = eventually(timeout: .seconds(60)) { started.ended != nil || answers() }
            guard isUp, started.ended == nil else {
                throw TestKitError("PostgreSQL did not start:\n\(log(lastLines: 20))")
            }
        }
    }

    /// Stops the server and waits until it is gone; nothing when it is not running.
    public func stop(_ mode: StopMode = .fast) throws {
        let signal: CInt =
            switch mode {
            case .smart: SIGTERM
            case .fast: SIGINT
            case .immediate: SIGQUIT
            }
        try end(with: signal)
    }

    /// Stops the server, then starts it on the same port.
    public func restart(_ mode: StopMode = .fast) throws {
        try stop(mode)
        try start()
    }

    /// Kills the server as the kernel's memory killer would, and waits until its last child is gone as well.
    public func kill9() throws {
        try end(with: SIGKILL)
        // The children see that their postmaster died; until then the next start would find the data folder in use.
        let isFree = eventually(timeout: .seconds(30)) { !answers() && !hasBackends() }
        guard isFree else { throw TestKitError("backends outlive their killed postmaster") }
    }

    private func end(with signal: CInt) throws {
        let running = server.withLock { server in
            let running = server
            server = nil
            return running
        }
        guard let running else { return }
        running.signal(signal)
        if running.waitForExit(timeout: .seconds(60)) == nil {
            running.signal(SIGKILL)
            throw TestKitError("PostgreSQL did not stop:\n\(log(lastLines: 20))")
        }
    }

    private func answers() -> Bool {
        PQping("host=\(socketDirectory) port=\(port) user=postgres dbname=postgres connect_timeout=2") == PQPING_OK
    }

    /// Whether a process still has the data folder as its working directory, as each of a cluster's processes does.
    private func hasBackends() -> Bool {
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        return TestEnvironment.folderEntries("/proc").contains { entry in
            guard Int32(entry) != nil else { return false }
            let length = readlink("/proc/\(entry)/cwd", &path, path.count)
            guard length > 0 else { return false }
            return String(decoding: path[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self) == dataDirectory
        }
    }

    // MARK: Settings

    /// Adds settings to postgresql.conf. They hold from the next start, or from `reload()` where the server allows it.
    public func configure(_ settings: [String: String]) throws {
        let lines = settings.sorted { $0.key < $1.key }.map { "\($0.key) = \(quotedLiteral($0.value))\n" }
        try writeFile(dataDirectory + "/postgresql.conf", lines.joined(), append: true)
    }

    /// Refuses TCP connections without TLS from now on.
    public func requireTLS() throws {
        let path = dataDirectory + "/pg_hba.conf"
        try writeFile(path, readFile(path).replacing("host ", with: "hostssl "))
        try reload()
    }

    /// Makes the server read its files again.
    public func reload() throws { try administrator().exec("SELECT pg_reload_conf()") }

    private func writeAccessRules() throws {
        try configure([
            "port": "\(port)", "listen_addresses": "127.0.0.1", "unix_socket_directories": directory.path,
        ])
        let method =
            switch authentication {
            case .trust: "trust"
            case .scram: "scram-sha-256"
            }
        try writeFile(
            dataDirectory + "/pg_hba.conf",
            """
            local all all trust
            local replication all trust
            host all all 127.0.0.1/32 \(method)
            host replication all 127.0.0.1/32 \(method)

            """)
    }

    // MARK: Databases and connections

    /// Makes an empty database with a name that no other test has.
    ///
    /// - Parameters:
    ///   - prefix: the beginning of its name.
    ///   - options: of CREATE DATABASE, e.g. `ENCODING 'LATIN1' TEMPLATE template0`.
    /// - Returns: its name.
    public func createDatabase(_ prefix: String = "test", options: String = "") throws -> String {
        let name = "\(prefix)_\(names.add(1, ordering: .relaxed).newValue)"
        try administrator().exec("CREATE DATABASE \(quotedIdentifier(name)) \(options)")
        return name
    }

    /// Drops a database with the replication slots in it, sending away whoever is connected.
    public func dropDatabase(_ name: String) throws {
        let administrator = try administrator()
        let slots = "FROM pg_replication_slots WHERE database = $1"
        _ = try administrator.query("SELECT pg_terminate_backend(active_pid) \(slots) AND active", [name])
        let areFree = eventually {
            try administrator.number("SELECT count(*) \(slots) AND active", [name]) == 0
        }
        guard areFree else { throw TestKitError("slots of \(name) stay in use") }
        _ = try administrator.query("SELECT pg_drop_replication_slot(slot_name) \(slots)", [name])
        try administrator.exec("DROP DATABASE \(quotedIdentifier(name)) WITH (FORCE)")
    }

    /// The URL of a database over TCP, for Weir and for libpq.
    ///
    /// - Parameters:
    ///   - database: its name, plain letters, digits and underscores.
    ///   - user: the role.
    ///   - password: of that role; that of `postgres` is filled in where the cluster asks for one.
    ///   - port: another port, such as that of a `TCPProxy` in front.
    public func url(
        database: String = "postgres", user: String = "postgres", password: String? = nil, port: Int? = nil
    ) -> String {
        var secret = password
        if secret == nil, user == "postgres", case .scram(let known) = authentication { secret = known }
        let login = secret.map { "\(user):\($0)" } ?? user
        return "postgresql://\(login)@127.0.0.1:\(port ?? self.port)/\(database)"
    }

    /// Connects over the Unix socket, which asks for no password.
    public func connect(_ database: String = "postgres", user: String = "postgres") throws -> TestConnection {
        try TestConnection("host=\(socketDirectory) port=\(port) dbname='\(database)' user='\(user)'")
    }

    /// The server's log so far.
    public var log: String { (try? readFile(directory.file("log"))) ?? "" }

    private func log(lastLines count: Int) -> String {
        log.split(separator: "\n").suffix(count).joined(separator: "\n")
    }

    private func administrator() throws -> TestConnection { try connect() }
}

/// A cluster that `initdb` made once for the test process; instances are copies of its files.
final class PostgresTemplate: Sendable {
    static let shared = Result { try PostgresTemplate() }

    private let directory: TemporaryDirectory

    private static let settings = """

        # Weir's tests
        wal_level = logical
        max_replication_slots = 1000
        max_wal_senders = 200
        max_connections = 250
        fsync = off
        shared_buffers = 64MB
        max_wal_size = 4GB
        autovacuum_naptime = 10min
        log_min_messages = warning

        """

    private init() throws {
        guard let bin = TestEnvironment.postgresBin else { throw TestKitError("no PostgreSQL: set WEIR_TEST_PG_BIN") }
        directory = try TemporaryDirectory(forServers: true)
        let data = directory.file("data")
        try Self.run(
            "\(bin)/initdb",
            ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"], in: directory)
        try writeFile(data + "/postgresql.conf", Self.settings, append: true)
    }

    func copy(to path: String, in folder: TemporaryDirectory) throws {
        try Self.run("cp", ["-a", "--reflink=auto", directory.file("data"), path], in: folder)
    }

    private static func run(_ program: String, _ arguments: [String], in directory: TemporaryDirectory) throws {
        let result = try runCommand(program, arguments, in: directory.path, as: ServerUser.current)
        guard result.exit == .status(0) else {
            throw TestKitError("\(program): \(result.exit)\n\(result.errors.joined(separator: "\n"))")
        }
    }
}

/// TCP ports for servers.
enum LoopbackPort {
    private static let given = Mutex<Set<Int>>([])

    /// A port on 127.0.0.1 that nothing listens on and that was not given out before.
    ///
    /// Below the range that outgoing connections take theirs from, so that it is still free when a test stops its
    /// server and starts it again on the same port.
    static func next() throws -> Int {
        for _ in 0..<1000 {
            let port = Int.random(in: 12_000..<32_000)
            if isFree(port) && given.withLock({ $0.insert(port).inserted }) { return port }
        }
        throw TestKitError("no free TCP port between 12000 and 32000")
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return SocketAddress.loopback(port).bind(descriptor)
    }
}
