import AdminServer
import LibSQLite
import WeirCore

/// `weir run`: stream until a stop.
enum RunCommand {
    static func run(
        _ command: ParsedCommand, _ loaded: LoadedConfiguration, _ console: Console
    ) throws(WeirError) -> ExitCode {
        let settings = loaded.settings
        guard !(settings.source is KafkaSourceSettings) else {
            throw WeirError(
                .usage, stage: .command, "Recorded events are read by \"weir replay\"",
                cause: "the source of \(loaded.path) has the type kafka")
        }
        let stopAt = try position(command)
        let store = try StateStore.open(folder: settings.statePath, pipeline: settings.pipeline)
        let assembly = PipelineAssembly(settings: settings, console: console, store: store, stopAt: stopAt)
        let pipeline = try assembly.pipeline(.standard(batchLimits: settings.batchLimits))
        let server = try settings.http.map { place throws(WeirError) in
            try serve(pipeline, of: settings.pipeline, at: place, console)
        }
        let life = PipelineLife(
            pipeline: pipeline, console: console,
            style: PipelineAssembly.style(console, sharesTerminal: settings.writesToStandardOutput))
        let statistics = try life.run()
        withExtendedLifetime(server) {}
        console.logger.info(
            "stopped",
            [
                ("rows", "\(statistics.rowsIn)"), ("transactions", "\(statistics.transactions)"),
                ("confirmed", statistics.confirmed.description),
            ])
        return .done
    }

    private static func position(_ command: ParsedCommand) throws(WeirError) -> LSN? {
        guard let text = command.value("until-lsn") else { return nil }
        guard let position = LSN(text) else {
            throw WeirError(
                .usage, stage: .command, "--until-lsn needs a position such as 0/16B3748",
                advice: "The server tells its own with SELECT pg_current_wal_lsn().")
        }
        return position
    }

    private static func serve(
        _ pipeline: Pipeline, of name: String, at place: SocketPlace, _ console: Console
    ) throws(WeirError) -> AdminServer {
        let pages = PipelinePages(pipeline: name, statistics: { pipeline.statistics })
        let server = try AdminServer(host: place.host, port: place.port, answer: pages.answer)
        console.logger.info(
            "serving health, status and metrics", [("listen", "\(SocketPlace(host: place.host, port: server.port))")])
        return server
    }
}
