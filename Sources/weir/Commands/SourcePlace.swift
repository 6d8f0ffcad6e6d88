import Glibc
import WeirCore

/// The database that `URL|CONFIG` names.
struct SourcePlace {
    /// The source's settings; of a bare URL, those that concern nothing but the connection are empty.
    let source: PostgresSourceSettings
    /// The configuration, when one was named.
    let settings: WeirSettings?

    /// Finds it. Nil when the configuration has problems, which were reported.
    static func find(_ command: ParsedCommand, _ console: Console) throws(WeirError) -> SourcePlace? {
        if let argument = command.arguments.first, isURL(argument) {
            console.hide(Set(ConnectionStringSecrets.passwords(in: argument)))
            guard !command.has("set") else {
                throw WeirError(
                    .usage, stage: .command, "--set needs a configuration, and a URL was given",
                    advice: "Name a configuration file instead of the URL.")
            }
            return SourcePlace(
                source: PostgresSourceSettings(url: argument, slot: "", publication: ""), settings: nil)
        }
        guard let loaded = LoadedConfiguration.load(command, console: console) else { return nil }
        guard let source = loaded.settings.source as? PostgresSourceSettings else {
            throw WeirError(
                .usage, stage: .command, "\"\(command.name.rawValue)\" needs a source of type postgres",
                cause: "\(loaded.path) has one of type \(type(of: loaded.settings.source).type)")
        }
        return SourcePlace(source: source, settings: loaded.settings)
    }

    /// A connection string is a URI, or keywords and values in a text that is no file.
    static func isURL(_ argument: String) -> Bool {
        if argument.hasPrefix("postgresql://") || argument.hasPrefix("postgres://") { return true }
        return argument.contains("=") && access(argument, F_OK) != 0
    }
}
