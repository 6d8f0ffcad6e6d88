import SettingsFile
import WeirCore

/// The configuration file that an import writes.
struct ConfigurationText {
    /// The YAML.
    let text: String

    /// Writes the settings, with what became of each property above them.
    init(_ settings: DebeziumImport, file: String, statePath: String) {
        var lines = ["# Written by `weir import debezium` from \(Self.comment(file)).", "#"]
        let width = min(settings.notes.map { $0.property.count }.max() ?? 0, 48)
        for note in settings.notes {
            let name = note.property + String(repeating: " ", count: max(0, width - note.property.count))
            let grade = note.severity == .ok ? "" : "\(note.severity.rawValue.uppercased()): "
            lines += Self.wrapped("\(name)  \(grade)\(note.message)", indent: width + 2)
            if let remedy = note.remedy {
                lines += Self.wrapped(String(repeating: " ", count: width + 2) + remedy, indent: width + 2)
            }
        }
        lines += ["", "pipeline: \(YAMLText.quoted(settings.pipeline))", "source:", "  type: postgres"]
        lines += settings.source.map { "  \($0.key): \($0.yaml)" }
        if !settings.transforms.isEmpty { lines += ["transforms:"] + settings.transforms.map { "  - \($0)" } }
        lines += ["sinks:", "  - type: kafka"]
        lines += settings.sink.map { "    \($0.key): \($0.yaml)" }
        if !settings.sinkProperties.isEmpty {
            lines += ["    properties:"] + settings.sinkProperties.map { "      \($0.key): \($0.yaml)" }
        }
        lines += ["debezium:"] + settings.debezium.map { "  \($0.key): \($0.yaml)" }
        lines += ["state:", "  path: \(YAMLText.quoted(statePath))"]
        text = lines.joined(separator: "\n") + "\n"
    }

    /// What is wrong with the written file: each a finding of its own, as nobody wrote it.
    func problems() -> [Finding] {
        // Secrets are not there yet: anything stands for them.
        let (tree, problems) = SettingsLoader { _ in "x" }.load(text: Array(text.utf8), overrides: [])
        let decoding = SettingsDecoding { _ in .text("x", readableByOthers: false) }
        problems.forEach(decoding.add)
        _ = WeirSettings.read(tree, catalog: .standard, decoding: decoding)
        return (SettingsProblems(decoding.problems)?.list ?? []).map { problem in
            Finding(.error, problem.keyPath, problem.message, remedy: problem.suggestion)
        }
    }

    /// A comment's lines of at most 110 characters.
    private static func wrapped(_ text: String, indent: Int) -> [String] {
        var lines: [String] = []
        var line: String?
        for word in comment(text).split(separator: " ", omittingEmptySubsequences: false) {
            guard let current = line else {
                line = String(word)
                continue
            }
            if current.count + word.count > 108, current.contains(where: { $0 != " " }) {
                lines.append(current)
                line = String(repeating: " ", count: indent) + word
            } else {
                line = "\(current) \(word)"
            }
        }
        return (lines + [line ?? ""]).map { "# \($0)" }
    }

    /// Text that stays on its line.
    private static func comment(_ text: String) -> String {
        String(text.unicodeScalars.map { JSONText.isControl($0) ? " " : Character($0) })
    }
}
