import WeirCore

/// `weir replay`: recorded changes again, from a Kafka topic.
enum ReplayCommand {
    static func run(
        _ command: ParsedCommand, _ loaded: LoadedConfiguration, _ console: Console
    ) throws(WeirError) -> ExitCode {
        throw WeirError(.usage, stage: .command, "\"replay\" is not in this version")
    }
}
