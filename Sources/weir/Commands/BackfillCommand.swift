import LibSQLite
import PostgresSource
import WeirCore

/// `weir backfill`: copy the current rows of tables to the sinks, then exit.
enum BackfillCommand {
    /// Its state file: a backfill may run beside the pipeline that streams.
    static let stateFile = "backfill.db"
    private static let workersMax = 64

    static func run(
        _ command: ParsedCommand, _ loaded: LoadedConfiguration, _ console: Console
    ) throws(WeirError) -> ExitCode {
        let settings = loaded.settings
        guard let source = settings.source as? PostgresSourceSettings else {
            throw WeirError(
                .usage, stage: .command, "A backfill needs a source of type postgres",
                cause: "\(loaded.path) has one of type \(type(of: settings.source).type)",
                advice: "For recorded events there is \"weir replay\".")
        }
        let patterns = command.options["table"] ?? []
        let chosen = try TableOptions.selection(patterns)
        let isJSON = try JSONOption.isOn(command, settings)
        let store = try StateStore.open(
            folder: settings.statePath, file: stateFile, pipeline: settings.pipeline)
        let name = patterns.isEmpty ? "all tables" : patterns.joined(separator: " ")
        let limits = PostgresBackfill.Limits(batch: settings.batchLimits, workers: try workers(command))
        let logger = console.logger
        let factory = SourceFactory(name: "backfill") { () throws(WeirError) in
            PostgresBackfill(source, chosen: chosen, name: name, limits: limits, logger: logger)
        }
        let assembly = PipelineAssembly(settings: settings, console: console, store: LedgerStore(store))
        let life = PipelineLife(
            pipeline: try assembly.pipeline(.standard(batchLimits: limits.batch), source: factory), console: console,
            style: PipelineAssembly.style(console, json: isJSON, sharesTerminal: settings.writesToStandardOutput))
        let began = ContinuousClock.now
        let statistics = try life.run()
        guard try store.finishedTables(backfill: name).isEmpty, !life.wasStopped else {
            console.logger.warning(
                "stopped before every table was copied; the next backfill goes on from here",
                [("rows", "\(statistics.rowsOut)")])
            return .done
        }
        try RunSummary.tell("copied", statistics, since: began, isJSON: isJSON, console)
        return .done
    }

    /// `--workers`: more than a server has connections to spare is a slip of the hand.
    private static func workers(_ command: ParsedCommand) throws(WeirError) -> Int {
        guard let text = command.value("workers") else { return PostgresBackfill.Limits().workers }
        guard let count = Int(text), (1...workersMax).contains(count) else {
            throw WeirError(.usage, stage: .command, "--workers needs a number from 1 to \(workersMax)")
        }
        return count
    }
}

/// `--table` of several commands.
enum TableOptions {
    /// The tables that the patterns mean; nil without any.
    static func selection(_ patterns: [String]) throws(WeirError) -> TableSelection? {
        guard !patterns.isEmpty else { return nil }
        var list: [TablePattern] = []
        for text in patterns {
            do throws(TablePattern.Problem) {
                list.append(try TablePattern(text))
            } catch {
                throw WeirError(
                    .usage, stage: .command, "--table \(text) is no table pattern", cause: error.description,
                    advice: "Write schema.table with * and ?, such as 'public.*'.")
            }
        }
        return TableSelection(list)
    }
}

/// `--json` of commands that also may print events.
enum JSONOption {
    /// Whether programs read the progress; refused when events go to the same place.
    static func isOn(_ command: ParsedCommand, _ settings: WeirSettings) throws(WeirError) -> Bool {
        guard command.has("json") else { return false }
        guard !settings.writesToStandardOutput else {
            throw WeirError(
                .usage, stage: .command, "--json and a sink of type stdout both write to the standard output",
                advice: "Leave one of them out.")
        }
        return true
    }
}

/// What a finite run did, told at its end.
enum RunSummary {
    static func tell(
        _ verb: String, _ statistics: PipelineStatistics, since began: ContinuousClock.Instant, isJSON: Bool,
        _ console: Console
    ) throws(WeirError) {
        let time = ContinuousClock.now - began
        let seconds = max(time / .seconds(1), 0.001)
        let rate = Double(statistics.rowsIn) / seconds
        if isJSON {
            try console.print(ProgressDisplay.json(statistics, rate: rate, event: "done").text + "\n")
        }
        console.logger.info(
            verb,
            [
                ("rows", "\(statistics.rowsIn)"), ("bytes", "\(statistics.bytesIn)"),
                ("time", ProgressText.elapsed(time)), ("rows_per_second", "\(Int(rate))"),
            ])
    }
}

extension WeirSettings {
    /// Whether a sink prints events.
    var writesToStandardOutput: Bool { sinks.contains { $0.settings is StdoutSinkSettings } }
}
