import Glibc
import Synchronization
import WeirCore

/// A pipeline made of a configuration.
struct PipelineAssembly {
    /// The configuration.
    let settings: WeirSettings
    /// Where words go.
    let console: Console
    /// Where positions are kept.
    let store: any PositionStore
    /// The position after which the pipeline stops by itself.
    var stopAt: LSN?
    /// The number of rows after which the pipeline stops by itself.
    var rowsMax: Int?

    private var context: ConnectorContext {
        ConnectorContext(pipeline: settings.pipeline, logger: console.logger)
    }

    /// Makes the pipeline; nothing connects yet. `source` stands in for the configuration's own.
    func pipeline(
        _ registry: ConnectorRegistry, source: SourceFactory? = nil, sinks: [SinkFactory]? = nil
    ) throws(WeirError) -> Pipeline {
        var factories: [SinkFactory] = sinks ?? []
        if sinks == nil {
            for sink in settings.sinks {
                let context = ConnectorContext(
                    pipeline: settings.pipeline, logger: console.logger(naming: ("sink", sink.name)))
                factories.append(try registry.sink(sink, context))
            }
        }
        let given = source
        let source = if let given { given } else { try registry.source(settings.source, context) }
        let place = PipelinePlace()
        let (settings, stopAt, rowsMax) = (self.settings, self.stopAt, self.rowsMax)
        let pipeline = Pipeline(
            source: source,
            transforms: { () throws(WeirError) in
                let stop = { place.pipeline?.requestStop() }
                var chain: [any Transform] = []
                if let stopAt { chain.append(StopAtPosition(stopAt) { stop() }) }
                chain += try TransformChain.make(
                    settings.transforms, pipeline: settings.topicPrefix, digest: ConnectorRegistry.digest)
                if let rowsMax { chain.append(StopAfterRows(rowsMax) { stop() }) }
                return chain
            },
            sinks: factories, store: store, settings: settings.limits, logger: console.logger)
        place.pipeline = pipeline
        return pipeline
    }

    /// How progress is shown: nothing may disturb events that go to the same terminal.
    static func style(
        _ console: Console, json: Bool = false, sharesTerminal: Bool = false
    ) -> ProgressDisplay.Style {
        if json { return .json }
        let isDisturbed = sharesTerminal && isatty(STDOUT_FILENO) == 1
        return console.standardError.isTerminal && !isDisturbed ? .terminal : .log
    }
}

/// Where a transform finds the pipeline it is part of, which is made after it.
private final class PipelinePlace: Sendable {
    private let place = Mutex<Pipeline?>(nil)

    var pipeline: Pipeline? {
        get { place.withLock { $0 } }
        set { place.withLock { $0 = newValue } }
    }
}
