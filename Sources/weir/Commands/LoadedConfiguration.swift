import KafkaSink
import KafkaSource
import LibRdKafka
import SettingsFile
import WeirCore

/// A configuration that was read without a problem.
struct LoadedConfiguration: Sendable {
    /// The file.
    let path: String
    /// What it says.
    let settings: WeirSettings

    /// The file a command reads when none is named.
    static let defaultPath = "weir.yaml"

    /// Reads a command's configuration. Nil when there was a problem; all of them were reported then. The console
    /// hides the configuration's secrets from then on.
    static func load(_ command: ParsedCommand, path: String? = nil, console: Console) -> LoadedConfiguration? {
        let path = path ?? command.arguments.first ?? defaultPath
        var overrides: [SettingsOverride] = []
        do throws(SettingsOverrideError) {
            for argument in command.options["set"] ?? [] { overrides.append(try SettingsOverride(parsing: argument)) }
        } catch {
            console.report(UsageError(error.reason, command: command.name))
            return nil
        }
        let decoding = SettingsDecoding(readFile: SettingsLoader.secretFile)
        let tree: SettingsNode
        do throws(FileReadError) {
            let loaded = try SettingsLoader().load(path: path, overrides: overrides)
            loaded.problems.forEach(decoding.add)
            tree = loaded.tree
        } catch {
            var failure = WeirError(
                .configurationInvalid, stage: .configuration, "The configuration \(error.path) cannot be read",
                cause: error.reason)
            // An address in the file's place may hold a password.
            console.hide(Set(ConnectionStringSecrets.suspected(in: error.path)))
            if error.path.contains("://") {
                failure.advice = "weir \(command.name.rawValue) takes a configuration file here, not an address."
            } else if command.arguments.isEmpty {
                failure.advice = "Name the file: weir \(command.name.rawValue) path/to/weir.yaml"
            }
            console.report(failure)
            return nil
        }
        var settings = WeirSettings.read(tree, catalog: .standard, decoding: decoding)
        if let read = settings, refusesProperties(of: read, decoding) { settings = nil }
        console.hide(decoding.secrets)
        for warning in decoding.warnings { console.logger.warning(warning.description(file: path)) }
        guard let settings else {
            if let problems = SettingsProblems(decoding.problems) { console.report(problems, file: path) }
            return nil
        }
        return LoadedConfiguration(path: path, settings: settings)
    }

    /// Whether librdkafka refuses a property of a Kafka connector: found without connecting, told with its key path.
    private static func refusesProperties(of settings: WeirSettings, _ decoding: SettingsDecoding) -> Bool {
        func note(_ problems: [KafkaPropertyProblem], _ properties: [SettingsProperty], _ path: SettingsPath) {
            for problem in problems {
                let mark = properties.first { $0.name == problem.name }?.mark ?? .absent
                decoding.problem(
                    path.appending(key: "properties").appending(key: problem.name), mark, problem.reason,
                    suggestion: problem.nearest.map { "did you mean \"\($0)\"?" })
            }
        }
        if let kafka = settings.source as? KafkaSourceSettings {
            note(KafkaSource.problems(of: kafka.properties), kafka.properties, SettingsPath([.key("source")]))
        }
        for (index, sink) in settings.sinks.enumerated() {
            guard let kafka = sink.settings as? KafkaSinkSettings else { continue }
            let path = SettingsPath([.key("sinks"), .index(index)])
            note(KafkaSink.problems(of: kafka.properties), kafka.properties, path)
        }
        return !decoding.problems.isEmpty
    }
}
