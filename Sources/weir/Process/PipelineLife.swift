import Glibc
import Synchronization
import WeirCore

/// Runs a pipeline as a process does: stop signals drain it, a second one ends the process, progress is shown.
struct PipelineLife {
    let pipeline: Pipeline
    let console: Console
    /// How progress is shown; nil shows none.
    let style: ProgressDisplay.Style?
    private let stop = StopFlag()

    init(pipeline: Pipeline, console: Console, style: ProgressDisplay.Style?) {
        self.pipeline = pipeline
        self.console = console
        self.style = style
    }

    /// Whether a signal asked for the end.
    var wasStopped: Bool { stop.isSet }

    /// Runs to the source's end or a stop that was asked for; gives the counts. Throws what a person has to look at.
    func run() throws(WeirError) -> PipelineStatistics {
        let (pipeline, console, stop) = (self.pipeline, self.console, self.stop)
        let display = style.map { style in
            ProgressDisplay(style, console: console, statistics: { pipeline.statistics })
        }
        defer { display?.finish() }
        Signals.watch(
            first: { number in
                stop.set()
                console.logger.info(
                    "stopping: finishing the transaction at hand; a second signal stops at once",
                    [("signal", Signals.name(number))])
                pipeline.requestStop()
            },
            second: { number in
                console.logger.warning(
                    "stopped before everything was durable; it comes again after the next start",
                    [("signal", Signals.name(number))])
                console.standardError.status(nil)
                console.standardError.flush(within: .milliseconds(200))
                // Nothing to clean up: what is not durable was never confirmed.
                _exit(128 + number)
            })
        try pipeline.run()
        return pipeline.statistics
    }
}

/// Whether a stop was asked for; set by the signals' thread.
private final class StopFlag: Sendable {
    private let flag = Atomic<Bool>(false)

    var isSet: Bool { flag.load(ordering: .relaxed) }

    func set() { flag.store(true, ordering: .relaxed) }
}

/// Asks a pipeline to stop once a commit at or past a position went through. First in the chain of transforms, so
/// that it sees what the source sent.
final class StopAtPosition: Transform {
    private let position: LSN
    private let stop: () -> Void

    /// `stop` is called with every batch that ends at or past `position`.
    init(_ position: LSN, stop: @escaping () -> Void) {
        self.position = position
        self.stop = stop
    }

    func apply(_ batch: ChangeBatch) throws(WeirError) -> ChangeBatch {
        if let end = batch.endLSN, end >= position { stop() }
        return batch
    }
}

/// Lets so many rows through, then asks for a stop. Last in the chain of transforms, so that it counts what is printed.
final class StopAfterRows: Transform {
    private var left: Int
    private let stop: () -> Void

    /// `stop` is called when the last row went through.
    init(_ rowsMax: Int, stop: @escaping () -> Void) {
        left = rowsMax
        self.stop = stop
    }

    func apply(_ batch: ChangeBatch) throws(WeirError) -> ChangeBatch {
        guard !batch.rows.isEmpty else { return batch }
        let rows = batch.rows.prefix(left)
        left -= rows.count
        if left == 0 { stop() }
        return rows.count == batch.rows.count ? batch : batch.replacing(rows: Array(rows))
    }
}
