import Synchronization
import WeirCore

/// Shows a pipeline's progress while it runs: a line at the bottom of a terminal, log lines elsewhere, JSON for
/// programs.
final class ProgressDisplay: Sendable {
    /// Where progress goes.
    enum Style: Sendable {
        /// The bottom line of the terminal behind the standard error.
        case terminal
        /// Log lines, now and then.
        case log
        /// One JSON object a second on the standard output.
        case json
    }

    private struct Sample {
        var rows: UInt64 = 0
        var time = ContinuousClock.now
        var rate = 0.0
    }

    private let style: Style
    private let console: Console
    private let statistics: @Sendable () -> PipelineStatistics
    private let ending = Monitor(false)
    private let ended = Monitor(false)

    /// Starts to show what `statistics` gives, which is called from a thread of the display's own.
    init(_ style: Style, console: Console, statistics: @escaping @Sendable () -> PipelineStatistics) {
        self.style = style
        self.console = console
        self.statistics = statistics
        let shown = WorkerThread(name: "progress") { [self] in
            show()
            ended.update { $0 = true }
        }
        if shown == nil { ended.update { $0 = true } }
    }

    /// Ends the display and waits until nothing of it can appear any more.
    func finish() {
        ending.update { $0 = true }
        _ = ended.wait(until: .now + .seconds(2)) { $0 ? true : nil }
        console.standardError.status(nil)
    }

    private var interval: Duration {
        switch style {
        case .terminal: .milliseconds(250)
        case .json: .seconds(1)
        case .log: .seconds(10)
        }
    }

    private func show() {
        var sample = Sample()
        var lastShown = PipelineStatistics()
        while true {
            let isEnding = ending.wait(until: .now + interval) { $0 ? true : nil } ?? false
            if isEnding { return }
            let now = statistics()
            sample = next(sample, now)
            switch style {
            case .terminal: console.standardError.status(ProgressText.line(now, rate: sample.rate))
            case .json: try? console.print(Self.json(now, rate: sample.rate).text + "\n")
            case .log:
                if now.rowsIn != lastShown.rowsIn || now.confirmed != lastShown.confirmed { log(now, sample.rate) }
            }
            lastShown = now
        }
    }

    /// The rate over the last interval, smoothed.
    private func next(_ last: Sample, _ now: PipelineStatistics) -> Sample {
        let rows = now.snapshot?.rows ?? now.rowsIn
        let time = ContinuousClock.now
        let seconds = (time - last.time) / .seconds(1)
        guard seconds > 0 else { return last }
        let current = rows >= last.rows ? Double(rows - last.rows) / seconds : 0
        return Sample(rows: rows, time: time, rate: last.rate == 0 ? current : last.rate * 0.7 + current * 0.3)
    }

    private func log(_ now: PipelineStatistics, _ rate: Double) {
        if let snapshot = now.snapshot {
            console.logger.info(
                "copying",
                [
                    ("tables", "\(snapshot.tablesDone)/\(snapshot.tables)"), ("rows", "\(snapshot.rows)"),
                    ("rows_per_second", "\(Int(rate))"), ("table", snapshot.table?.description ?? ""),
                ])
        } else {
            console.logger.info(
                "progress",
                [
                    ("rows", "\(now.rowsIn)"), ("rows_per_second", "\(Int(rate))"),
                    ("transactions", "\(now.transactions)"), ("received", now.received.description),
                    ("confirmed", now.confirmed.description),
                ])
        }
    }

    /// One object of the progress that programs read.
    static func json(_ now: PipelineStatistics, rate: Double, event: String = "progress") -> JSONText {
        var entries: [(String, JSONText)] = [
            ("event", .string(event)), ("rows", .integer(Int64(clamping: now.rowsIn))),
            ("rows_out", .integer(Int64(clamping: now.rowsOut))), ("bytes", .integer(Int64(clamping: now.bytesIn))),
            ("rows_per_second", .integer(Int64(rate))), ("received", .string(now.received.description)),
            ("confirmed", .string(now.confirmed.description)),
        ]
        if let snapshot = now.snapshot {
            entries += [
                ("tables", .integer(Int64(snapshot.tables))), ("tables_done", .integer(Int64(snapshot.tablesDone))),
                ("rows_estimated", .integer(Int64(clamping: snapshot.rowsEstimated))),
                ("table", .optional(snapshot.table?.description)),
            ]
        }
        return .object(entries)
    }
}
