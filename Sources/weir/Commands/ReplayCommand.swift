import KafkaSource
import LibSQLite
import PostgresSink
import WeirCore

/// `weir replay`: recorded changes again, from Kafka topics into the configuration's sinks.
enum ReplayCommand {
    /// Its state file: a replay may run beside the pipeline that streams.
    static let stateFile = "replay.db"

    static func run(
        _ command: ParsedCommand, _ loaded: LoadedConfiguration, _ console: Console
    ) throws(WeirError) -> ExitCode {
        let settings = loaded.settings
        guard let source = settings.source as? KafkaSourceSettings else {
            throw WeirError(
                .usage, stage: .command, "A replay needs a source of type kafka",
                cause: "\(loaded.path) has one of type \(type(of: settings.source).type)",
                advice: "Write source: {type: kafka, brokers: ..., topics: [...]}.")
        }
        let range = ReplayRange(from: try position("from", command), to: try position("to", command))
        let isJSON = try JSONOption.isOn(command, settings)
        let isDry = command.has("dry-run")
        var request = ReplayRequest(
            settings: source, range: range, options: settings.debezium, logger: console.logger)
        if let target = types(settings) {
            request.provider = { () throws(WeirError) in PostgresTargetSchema(target) }
        }
        let store = isDry ? EphemeralStore() as any PositionStore : try openStore(settings, anew: range.from != nil)
        let pipeline = try PipelineAssembly(settings: settings, console: console, store: store).pipeline(
            .standard(batchLimits: settings.batchLimits, isReplay: true), source: KafkaSource.factory(request),
            sinks: isDry ? [SinkFactory(name: "dry run") { () throws(WeirError) in CountingSink() }] : nil)
        let life = PipelineLife(
            pipeline: pipeline, console: console,
            style: PipelineAssembly.style(
                console, json: isJSON, sharesTerminal: settings.writesToStandardOutput && !isDry))
        let began = ContinuousClock.now
        let statistics = try life.run()
        if life.wasStopped {
            console.logger.warning(
                "stopped before the end; the next replay without --from goes on from here",
                [("rows", "\(statistics.rowsOut)")])
        } else {
            try RunSummary.tell(isDry ? "read" : "replayed", statistics, since: began, isJSON: isJSON, console)
        }
        return .done
    }

    private static func position(_ option: String, _ command: ParsedCommand) throws(WeirError) -> ReplayPosition? {
        guard let text = command.value(option) else { return nil }
        guard let position = ReplayPosition(text) else {
            throw WeirError(
                .usage, stage: .command, "--\(option) \(text) is no position in recorded changes",
                advice: "Write earliest, a position such as 0/16B3748, an RFC 3339 time, or PARTITION=OFFSET[,...].")
        }
        return position
    }

    /// The positions of earlier replays; with `--from` they count no more.
    private static func openStore(_ settings: WeirSettings, anew: Bool) throws(WeirError) -> any PositionStore {
        let store = try StateStore.open(folder: settings.statePath, file: stateFile, pipeline: settings.pipeline)
        guard anew else { return store }
        for stored in try store.positions() { try store.removePosition(sink: stored.sink) }
        return store
    }

    /// The target that tells the tables' types, which JSON does not carry.
    private static func types(_ settings: WeirSettings) -> PostgresTargetSettings? {
        settings.sinks.lazy.compactMap { $0.settings as? PostgresSinkSettings }.first
            .map { ConnectorRegistry.target($0, pipeline: settings.pipeline, isReplay: true) }
    }
}

/// Takes everything and writes nothing.
private final class CountingSink: Sink {
    private var session: SinkSession?

    func open() throws(WeirError) -> SinkOpening { .positionKeptElsewhere }

    func begin(_ source: SourceDescription, session: SinkSession) throws(WeirError) {
        self.session = session
    }

    func write(_ batch: ChangeBatch, ticket: UInt64, moreFollows: Bool) throws(WeirError) {
        session?.accepted(ticket, outstanding: 0)
    }

    func flush(deadline: ContinuousClock.Instant) throws(WeirError) {}

    func close() {}
}
