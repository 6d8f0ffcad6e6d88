/// One thing wrong with a configuration: where, what, and what to do.
///
/// Never holds the value of a secret.
public struct SettingsProblem: Sendable, Hashable {
    /// The setting's key path, such as `sinks[0].brokers`; empty when the fault is the file's own.
    public var keyPath: String
    /// Where it was written.
    public var mark: SettingsMark
    /// What is wrong, without a full stop.
    public var message: String
    /// What to do about it, when there is something to say.
    public var suggestion: String?

    /// Makes a problem.
    public init(keyPath: String, mark: SettingsMark, message: String, suggestion: String? = nil) {
        self.keyPath = keyPath
        self.mark = mark
        self.message = message
        self.suggestion = suggestion
    }

    /// The line in the file, from 1, when the setting was written there.
    public var line: Int? { mark.line }
    /// The column in the file, from 1, when the setting was written there.
    public var column: Int? { mark.column }

    /// One line for a person: `weir.yaml:12:5: sinks[0].broker: unknown key; did you mean "brokers"?`
    public func description(file: String) -> String {
        var text =
            switch mark {
            case .file(let line, let column): "\(file):\(line):\(column): "
            case .commandLine: "--set: "
            case .absent: "\(file): "
            }
        if !keyPath.isEmpty { text += "\(keyPath): " }
        text += message
        if let suggestion { text += "; \(suggestion)" }
        return text
    }
}

/// Every problem of a configuration, in the order of the file.
public struct SettingsProblems: Error, Sendable, Hashable {
    /// At least one problem: those of the file by line and column, then the missing settings, then those of `--set`.
    public let list: [SettingsProblem]

    /// Sorts `problems`; `nil` when there are none.
    public init?(_ problems: [SettingsProblem]) {
        guard !problems.isEmpty else { return nil }
        list = problems.enumerated().sorted { Self.rank($0) < Self.rank($1) }.map(\.element)
    }

    private static func rank(_ entry: (offset: Int, element: SettingsProblem)) -> (Int, Int, Int, Int) {
        switch entry.element.mark {
        case .file(let line, let column): (0, line, column, entry.offset)
        case .absent: (1, 0, 0, entry.offset)
        case .commandLine: (2, 0, 0, entry.offset)
        }
    }
}
