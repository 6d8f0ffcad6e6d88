import KafkaSink
import Synchronization
import WeirCore
import WeirTestKit

/// A pipeline from a script to a Kafka sink, running on a thread of its own.
final class SinkRun: Sendable {
    let script = Script()
    let store = MemoryStore()
    private let pipeline: Pipeline
    private let result: Background<WeirError?>

    static let source = SourceDescription(systemIdentifier: 42, database: "shop", start: .zero)

    /// Settings with the configuration's own defaults and what a test changes.
    static func settings(_ brokers: String, _ changes: [String: String] = [:]) throws -> KafkaSinkSettings {
        let decoding = SettingsDecoding()
        var entries = [("brokers", brokers)] + changes.sorted { $0.key < $1.key }
        // The tests' brokers are near and come back soon.
        for (name, value) in [("reconnect.backoff.ms", "10"), ("reconnect.backoff.max.ms", "50")] {
            entries.append(("properties.\(name)", value))
        }
        var top: [SettingsNode.Entry] = []
        var properties: [SettingsNode.Entry] = []
        for (name, value) in entries {
            let node = SettingsNode(.scalar(value), mark: .absent)
            if name.hasPrefix("properties.") {
                let key = String(name.dropFirst("properties.".count))
                properties.append(SettingsNode.Entry(key: key, mark: .absent, value: node))
            } else if name.hasPrefix("key.columns ") {
                let inner = SettingsNode.Entry(
                    key: String(name.dropFirst("key.columns ".count)), mark: .absent,
                    value: SettingsNode(
                        .sequence(
                            value.split(separator: " ").map {
                                SettingsNode(.scalar(String($0)), mark: .absent)
                            }), mark: .absent))
                let map = SettingsNode(.mapping([inner]), mark: .absent)
                top.append(SettingsNode.Entry(key: "key.columns", mark: .absent, value: map))
            } else {
                top.append(SettingsNode.Entry(key: name, mark: .absent, value: node))
            }
        }
        let map = SettingsNode(.mapping(properties), mark: .absent)
        top.append(SettingsNode.Entry(key: "properties", mark: .absent, value: map))
        let section = SettingsSection(
            SettingsNode(.mapping(top), mark: .absent), at: SettingsPath(), fields: KafkaSinkSettings.fields,
            decoding: decoding)
        let settings = KafkaSinkSettings(reading: section, common: CommonSettings(pipeline: "shop"))
        guard decoding.problems.isEmpty else { throw TestKitError("\(decoding.problems)") }
        return settings
    }

    convenience init(_ brokers: String, _ changes: [String: String] = [:]) throws {
        try self.init(Self.settings(brokers, changes))
    }

    init(
        _ settings: KafkaSinkSettings, retry: RetryPolicy = RetryPolicy(delayMin: .milliseconds(10)),
        drainLimit: Duration = .seconds(10)
    ) {
        var pipelineSettings = PipelineSettings()
        pipelineSettings.retry = retry
        pipelineSettings.drainLimit = drainLimit
        let lines = Mutexed<[String]>([])
        let logger = Logger(level: .debug) { _, message, values in
            lines.update { $0.append("\(message) \(values)") }
        }
        let pipeline = Pipeline(
            source: script.factory(Self.source),
            sinks: [
                SinkFactory(name: "kafka") { () throws(WeirError) -> any Sink in
                    try KafkaSink(settings: settings, pipeline: "shop", logger: logger)
                }
            ], store: store, settings: pipelineSettings, logger: logger)
        self.pipeline = pipeline
        log = lines
        result = Background {
            do throws(WeirError) {
                try pipeline.run()
                return nil
            } catch {
                return error
            }
        }
    }

    private let log: Mutexed<[String]>

    /// What was logged so far.
    var logged: [String] { log.value }

    /// The position that is stored, as the end LSN's number; 0 when there is none.
    var position: UInt64 { (try? store.position(sink: "kafka"))??.lsn.rawValue ?? 0 }

    /// Ends the script and waits for the pipeline's end.
    func finish(timeout: Duration = .seconds(30)) throws -> WeirError? {
        script.end()
        return try result.value(timeout: timeout)
    }

    /// Waits for the pipeline to end by itself.
    func failure(timeout: Duration = .seconds(30)) throws -> WeirError? { try result.value(timeout: timeout) }

    func stop() { pipeline.requestStop() }

    deinit { pipeline.cancel() }
}

/// A value behind a lock, shared by reference.
final class Mutexed<Value: Sendable>: Sendable {
    private let storage: Mutex<Value>
    init(_ value: Value) { storage = Mutex(value) }
    var value: Value { storage.withLock { $0 } }
    func update(_ body: (inout Value) -> Void) {
        storage.withLock { value in
            var copy = value
            body(&copy)
            value = copy
        }
    }
}

/// The relation most tests use: `id int4` (key), `name text`.
let orders = Relation.test("orders", ["id": .int4, "name": .text])

/// Transactions with one insert each, commit LSNs `from`, `from + 16`, ...
func inserts(_ ids: Range<Int>, from commit: UInt64 = 16) -> ChangeBatch {
    var batch = TestBatch()
    for (index, id) in ids.enumerated() {
        batch.begin(commit + UInt64(index) * 16)
        batch.insert(orders, [.text("\(id)"), .text("name \(id)")])
        batch.commit()
    }
    return batch.seal()
}
