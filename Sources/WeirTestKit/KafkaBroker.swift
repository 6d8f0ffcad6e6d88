import Glibc
import Synchronization

/// A Kafka broker for tests: the one that `Tests/run.sh` started for the whole run, or one of the test's own.
public final class KafkaBroker: Sendable {
    /// The bootstrap servers, for Weir and for librdkafka.
    public let bootstrap: String

    private let own: Own?
    private let names = Atomic<Int>(0)

    /// What a broker needs that was started here.
    private final class Own: Sendable {
        let directory: TemporaryDirectory
        let server = Mutex<ChildProcess?>(nil)

        init(directory: TemporaryDirectory) { self.directory = directory }
    }

    private static let common = Mutex<KafkaBroker?>(nil)

    /// Whether `shared()` can give a broker.
    public static var isAvailable: Bool {
        TestEnvironment.variable("WEIR_TEST_KAFKA") != nil || TestEnvironment.kafkaHome != nil
    }

    /// Whether `shared()` gives Apache Kafka itself, and not a smaller broker or one of unknown kind.
    public static var isApache: Bool {
        guard TestEnvironment.variable("WEIR_TEST_KAFKA") != nil else { return TestEnvironment.kafkaHome != nil }
        return TestEnvironment.variable("WEIR_TEST_KAFKA_KIND") == "apache"
    }

    /// The broker that tests share: that of `WEIR_TEST_KAFKA`, else one started from `KAFKA_HOME` by the first call.
    public static func shared() throws -> KafkaBroker {
        try common.withLock { common in
            if let common { return common }
            let made =
                if let given = TestEnvironment.variable("WEIR_TEST_KAFKA") {
                    KafkaBroker(running: given)
                } else {
                    try KafkaBroker()
                }
            common = made
            return made
        }
    }

    private init(running bootstrap: String) {
        self.bootstrap = bootstrap
        own = nil
    }

    /// Starts a broker of the test's own (about 4 s) from `KAFKA_HOME`, gone with its owner. Topics are not created by
    /// being used.
    ///
    /// - Parameters:
    ///   - properties: of server.properties; they win over the kit's own.
    ///   - port: of the client listener; `bootstrap` names it.
    public init(_ properties: [String: String] = [:], port: Int? = nil) throws {
        guard let home = TestEnvironment.kafkaHome else { throw TestKitError("no KAFKA_HOME to start a broker from") }
        let port = try port ?? LoopbackPort.next()
        bootstrap = "127.0.0.1:\(port)"
        let directory = try TemporaryDirectory(forServers: true)
        let own = Own(directory: directory)
        self.own = own
        var all = Self.properties(port: port, controller: try LoopbackPort.next(), directory: directory)
        all.merge(properties) { $1 }
        let lines = all.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\n" }
        try directory.write(lines.joined(), to: "server.properties")
        let format = try Self.java(
            ["kafka.tools.StorageTool", "format", "--standalone", "-t", "d2Vpci10ZXN0LWJyb2tlcg", "-c"], home, directory
        )
        guard format.waitForExit(timeout: .seconds(60)) == .status(0) else {
            throw TestKitError("Kafka's storage could not be formatted:\n\(try directory.read("log"))")
        }
        try start()
    }

    deinit { kill9() }

    private static func properties(port: Int, controller: Int, directory: TemporaryDirectory) -> [String: String] {
        [
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": "127.0.0.1:\(controller)",
            "listeners": "PLAINTEXT://127.0.0.1:\(port),CONTROLLER://127.0.0.1:\(controller)",
            "advertised.listeners": "PLAINTEXT://127.0.0.1:\(port)",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": directory.file("data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "group.initial.rebalance.delay.ms": "0",
            // A killed broker may register again only when its old session is over.
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "500",
        ]
    }

    /// Runs a class of Kafka's with the properties file as its last argument.
    private static func java(
        _ arguments: [String], _ home: String, _ directory: TemporaryDirectory
    ) throws -> ChildProcess {
        guard let java = TestEnvironment.java else { throw TestKitError("no java in PATH") }
        let log = open(directory.file("log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard log >= 0 else { throw TestKitError.system("open \(directory.file("log"))") }
        defer { close(log) }
        let options = ["-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", "\(home)/libs/*"]
        var request = ProcessRequest(
            executable: java, arguments: options + arguments + [directory.file("server.properties")])
        request.workingDirectory = directory.path
        request.user = ServerUser.current
        request.standardOutput = log
        request.standardError = log
        return try ChildProcess(request)
    }

    // MARK: Life of a broker of the test's own

    /// Starts a stopped broker on its port and waits until it answers clients. Only for a broker of the test's own.
    public func start() throws {
        guard let own, let home = TestEnvironment.kafkaHome else {
            throw TestKitError("not a broker of the test's own")
        }
        try own.server.withLock { server in
            guard server == nil || server?.ended != nil else { return }
            let started = try Self.java(["kafka.Kafka"], home, own.directory)
            server = started
            let client = try KafkaClient(.producer, bootstrap: bootstrap)
            let isUp = eventually(timeout: .seconds(60)) {
                try started.ended != nil || client.metadata(timeout: .seconds(1)).brokers > 0
            }
            guard isUp, started.ended == nil else {
                let log = try own.directory.read("log").split(separator: "\n").suffix(20).joined(separator: "\n")
                throw TestKitError("Kafka did not start:\n\(log)")
            }
        }
    }

    /// Stops the broker in good order and waits until it is gone.
    public func stop() throws { try end(with: SIGTERM) }

    /// Stops the broker in good order, then starts it on its port.
    public func restart() throws {
        try stop()
        try start()
    }

    /// Kills the broker as a crash would and waits until it is gone; its data stay.
    public func kill9() { try? end(with: SIGKILL) }

    private func end(with signal: CInt) throws {
        let running = own?.server.withLock { server in
            let running = server
            server = nil
            return running
        }
        guard let running else { return }
        running.signal(signal)
        if running.waitForExit(timeout: .seconds(60)) == nil {
            running.signal(SIGKILL)
            throw TestKitError("Kafka did not stop within 60 s")
        }
    }

    // MARK: Topics

    /// A topic name, or a prefix of names, that no other test and no earlier run uses on this broker.
    public func uniqueName(_ prefix: String = "test") -> String {
        "\(prefix)-\(getpid())-\(UInt32.random(in: 0 ... .max))-\(names.add(1, ordering: .relaxed).newValue)"
    }

    /// Creates a topic and waits until clients see it.
    ///
    /// - Parameters:
    ///   - name: the topic.
    ///   - partitions: how many.
    ///   - settings: of the topic, e.g. `["max.message.bytes": "1000"]`.
    public func createTopic(_ name: String, partitions: Int = 1, settings: [String: String] = [:]) throws {
        let client = try KafkaClient(.producer, bootstrap: bootstrap)
        try client.createTopic(name, partitions: partitions, settings: settings)
        let isSeen = eventually { try client.partitions(of: name, timeout: .seconds(2)) == partitions }
        guard isSeen else { throw TestKitError("topic \(name) was created and does not show") }
    }

    /// Deletes a topic and waits until clients no longer see it.
    public func deleteTopic(_ name: String) throws {
        let client = try KafkaClient(.producer, bootstrap: bootstrap)
        try client.deleteTopic(name)
        let isGone = eventually { try client.partitions(of: name, timeout: .seconds(2)) == 0 }
        guard isGone else { throw TestKitError("topic \(name) was deleted and still shows") }
    }

    /// The number of partitions of a topic; 0 when it does not exist.
    public func partitionCount(_ topic: String) throws -> Int {
        try KafkaClient(.producer, bootstrap: bootstrap).partitions(of: topic, timeout: .seconds(10))
    }

    /// The names of all topics on the broker.
    public func topics() throws -> [String] {
        try KafkaClient(.producer, bootstrap: bootstrap).metadata(timeout: .seconds(10)).topics
    }

    /// A reader of this broker's topics.
    public var reader: TopicReader { TopicReader(bootstrap: bootstrap) }
}
