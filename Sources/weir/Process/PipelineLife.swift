import Glibc
import Synchronization
import WeirCore

/// Runs a pipeline as a process does: stop signals drain it, a second one ends the process, progress is shown.
struct PipelineLife {
    let pipeline: Pipeline
    let console: Console
    let style: ProgressDisplay.Style

    /// Runs to the source's end or a stop that was asked for; gives the counts. Throws what a person has to look at.
    func run() throws(WeirError) -> PipelineStatistics {
        let display = ProgressDisplay(style, console: console, statistics: { [pipeline] in pipeline.statistics })
        defer { display.finish() }
        let (pipeline, console) = (self.pipeline, self.console)
        Signals.watch(
            first: { number in
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

/// Asks a pipeline to stop once a commit at or past a position went through. First in the chain of transforms, so
/// that it sees what the source sent.
final class StopAtPosition: Transform {
    /// The pipeline, which is made after its transforms.
    typealias Place = Mutex<Pipeline?>

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
