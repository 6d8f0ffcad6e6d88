import KafkaSource
import LibRdKafka
import WeirCore
import WeirTestKit

/// The tables' types as a target would tell them.
final class Schema: SchemaProvider, @unchecked Sendable {
    // Unchecked: it never changes.
    private let relations: [TableName: Relation]
    init(_ relations: [Relation]) {
        self.relations = Dictionary(uniqueKeysWithValues: relations.map { ($0.table, $0) })
    }
    func relation(for table: TableName) throws(WeirError) -> Relation? { relations[table] }
}

/// A replay from topics into memory.
struct Replay {
    var target = MemoryTarget(keeping: .elsewhere)
    var store = MemoryStore()
    var options = DebeziumOptions()
    var schema: Schema?
    var range = ReplayRange()
    let bootstrap: String
    let topics: [String]

    init(_ bootstrap: String, _ topics: [String]) {
        self.bootstrap = bootstrap
        self.topics = topics
    }

    static func settings(_ bootstrap: String, _ topics: [String], _ properties: [String: String] = [:])
        throws -> KafkaSourceSettings
    {
        let decoding = SettingsDecoding()
        func scalar(_ text: String) -> SettingsNode { SettingsNode(.scalar(text), mark: .absent) }
        func entry(_ key: String, _ value: SettingsNode) -> SettingsNode.Entry {
            SettingsNode.Entry(key: key, mark: .absent, value: value)
        }
        let properties = properties.sorted { $0.key < $1.key }.map { entry($0.key, scalar($0.value)) }
        let map = SettingsNode.Content.mapping([
            entry("brokers", scalar(bootstrap)),
            entry("topics", SettingsNode(.sequence(topics.map(scalar)), mark: .absent)),
            entry("properties", SettingsNode(.mapping(properties), mark: .absent)),
        ])
        let section = SettingsSection(
            SettingsNode(map, mark: .absent), at: SettingsPath(), fields: KafkaSourceSettings.fields,
            decoding: decoding)
        let settings = KafkaSourceSettings(reading: section, common: CommonSettings(pipeline: "replay"))
        guard decoding.problems.isEmpty else { throw TestKitError("\(decoding.problems)") }
        return settings
    }

    /// Runs to its end; the error that ended it, if one did.
    func run(_ sink: SinkFactory? = nil) throws -> WeirError? {
        var request = ReplayRequest(
            settings: try Self.settings(bootstrap, topics, ["fetch.wait.max.ms": "20"]), range: range,
            options: options)
        let schema = self.schema
        request.provider = { () throws(WeirError) -> (any SchemaProvider)? in schema }
        var settings = PipelineSettings()
        settings.retry = RetryPolicy(delayMin: .milliseconds(10), startupLimit: .seconds(1))
        let pipeline = Pipeline(
            source: KafkaSource.factory(request), sinks: [sink ?? target.factory], store: store, settings: settings)
        let result = Background { () throws -> WeirError? in
            do throws(WeirError) {
                try pipeline.run()
                return nil
            } catch {
                return error
            }
        }
        return try result.value(timeout: .seconds(40))
    }

    /// The resume point that is stored.
    var token: String? { (try? store.position(sink: target.name))??.token }
}

/// Puts records into topics of a mock cluster.
final class TopicFiller {
    private let producer: KafkaProducer
    private var count = 0

    init(_ cluster: MockCluster) throws {
        var configuration = KafkaConfiguration()
        try configuration.set("bootstrap.servers", cluster.bootstrapServers)
        try configuration.set("linger.ms", "0")
        producer = try KafkaProducer(configuration)
    }

    func put(
        _ topic: String, partition: Int32 = 0, key: String?, value: String?, id: String? = nil,
        headers more: [(StaticString, String)] = []
    ) throws {
        var headers = KafkaHeaders()
        if let id { headers.add("weir-id") { $0.append(contentsOf: id.utf8) } }
        for (name, text) in more { headers.add(name) { $0.append(contentsOf: text.utf8) } }
        let destination = KafkaDestination(try producer.topic(topic), partition: partition)
        let code = Self.lend(key) { key in
            Self.lend(value) { value in
                producer.produce(to: destination, key: key, value: value, headers: headers, ticket: 1)
            }
        }
        guard code == .none else { throw KafkaError(code) }
        count += 1
    }

    private static func lend<Result>(_ text: String?, _ body: (UnsafeRawBufferPointer?) -> Result) -> Result {
        guard let text else { return body(nil) }
        return Array(text.utf8).withUnsafeBytes { body($0) }
    }

    /// Waits until everything is in its topic.
    func flush() throws {
        let deadline = ContinuousClock.now + .seconds(10)
        while count > 0, ContinuousClock.now < deadline {
            guard let event = producer.nextEvent(.milliseconds(100)), event.kind == .deliveries else { continue }
            event.forEachRun { run in count -= run.result == .none ? run.count : 0 }
        }
        guard count == 0 else { throw TestKitError("\(count) records were not delivered") }
    }
}

/// An envelope of table `public.t`.
func envelope(
    _ operation: String, before: String = "null", after: String = "null", table: String = "t", txID: Int = 7,
    sequence: (String, Int) = ("null", 100)
) -> String {
    let last = sequence.0 == "null" ? "null" : "\\\"\(sequence.0)\\\""
    let source = """
        {"version":"3.6.3.Final","connector":"postgresql","name":"p","ts_ms":1700000000000,"snapshot":"false",\
        "db":"shop",\
        "sequence":"[\(last),\\"\(sequence.1)\\"]","ts_us":1700000000000001,"ts_ns":1700000000000001000,\
        "schema":"public","table":"\(table)","txId":\(txID),"lsn":\(sequence.1),"xmin":null}
        """
    return """
        {"before":\(before),"after":\(after),"source":\(source),"transaction":null,"op":"\(operation)",\
        "ts_ms":1700000000001,"ts_us":1700000000001000,"ts_ns":1700000000001000000}
        """
}
