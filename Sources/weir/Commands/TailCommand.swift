import Glibc
import PostgresSource
import StdoutSink
import WeirCore

/// `weir tail`: print changes as they are committed, and leave nothing behind.
enum TailCommand {
    static func run(_ command: ParsedCommand, _ console: Console) throws(WeirError) -> ExitCode? {
        guard let place = try SourcePlace.find(command, console) else { return nil }
        var source = place.source
        if let patterns = command.options["table"] {
            _ = try TableOptions.selection(patterns)
            source.tables = patterns
        }
        let limit = try limit(command)
        let settings = place.settings ?? tailing(source)
        let format = command.value("format") == "debezium" ? EncoderSettings.Format.debezium : .flat
        let encoder = EncoderSettings(prefix: settings.pipeline, format: format, debezium: settings.debezium)
        let sink = SinkFactory(name: "stdout") { () throws(WeirError) in
            StdoutSink(StdoutSink.Options(encoder: encoder))
        }
        let (tailed, limits, logger) = (source, settings.batchLimits, console.logger)
        let factory = SourceFactory(name: "tail") { () throws(WeirError) in
            PostgresTail(tailed, batchLimits: limits, logger: logger)
        }
        var assembly = PipelineAssembly(settings: settings, console: console, store: EphemeralStore())
        assembly.rowsMax = limit
        let life = PipelineLife(
            pipeline: try assembly.pipeline(.standard(), source: factory, sinks: [sink]), console: console,
            style: nil)
        do throws(WeirError) {
            _ = try life.run()
        } catch  where error.code == .inputOutput && error.cause == String(cString: strerror(EPIPE)) {
            // `weir tail … | head`: whoever read has seen enough.
            return .done
        }
        return .done
    }

    private static func limit(_ command: ParsedCommand) throws(WeirError) -> Int? {
        guard let text = command.value("limit") else { return nil }
        guard let limit = Int(text), limit > 0 else {
            throw WeirError(.usage, stage: .command, "--limit needs a number of changes, 1 or more")
        }
        return limit
    }

    private static func tailing(_ source: PostgresSourceSettings) -> WeirSettings {
        WeirSettings(pipeline: "tail", source: source)
    }
}
