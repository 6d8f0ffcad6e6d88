/// One run over a configuration tree: collects what is wrong and which values are secret.
///
/// Not Sendable: one thread makes it, reads with it and takes its findings.
public final class SettingsDecoding {
    /// What a read of a secret's file gave.
    public enum FileContent: Sendable {
        /// The text, and whether accounts other than the owner's may read the file.
        case text(String, readableByOthers: Bool)
        /// The file could not be read: the reason in the words of the system.
        case failure(String)
    }

    /// Reads a file that a `file:PATH` value names.
    public typealias FileReading = (_ path: String) -> FileContent

    /// Problems so far, in the order of discovery. Any one makes the configuration unusable.
    public private(set) var problems: [SettingsProblem] = []
    /// Things a person should know although the configuration can be used.
    public private(set) var warnings: [SettingsProblem] = []
    /// The values of secrets met so far, for ``Redactor``.
    public private(set) var secrets: Set<String> = []

    private let readFile: FileReading

    /// Makes a run. `readFile` is called for `file:PATH` in secrets; without one such values are problems.
    public init(readFile: @escaping FileReading = { _ in .failure("files cannot be read here") }) {
        self.readFile = readFile
    }

    /// Notes a problem.
    public func problem(_ path: SettingsPath, _ mark: SettingsMark, _ message: String, suggestion: String? = nil) {
        problems.append(
            SettingsProblem(keyPath: path.description, mark: mark, message: message, suggestion: suggestion))
    }

    /// Notes a problem found before the run.
    public func add(_ problem: SettingsProblem) {
        problems.append(problem)
    }

    /// Notes a warning.
    public func warning(_ path: SettingsPath, _ mark: SettingsMark, _ message: String, suggestion: String? = nil) {
        warnings.append(
            SettingsProblem(keyPath: path.description, mark: mark, message: message, suggestion: suggestion))
    }

    /// Remembers that `value` must never be shown.
    public func noteSecret(_ value: String) {
        if !value.isEmpty { secrets.insert(value) }
    }

    /// The text of a secret: what `node` holds, or what the file holds that it names with `file:PATH`, its last line
    /// end removed. A file that cannot be read is a problem and gives `nil`.
    public func secretText(_ text: String, at path: SettingsPath, _ mark: SettingsMark) -> String? {
        guard text.hasPrefix("file:") else { return text }
        let file = String(text.dropFirst("file:".count))
        guard !file.isEmpty else {
            problem(path, mark, "\"file:\" names no file", suggestion: "write file:/path/to/secret")
            return nil
        }
        switch readFile(file) {
        case .text(let content, let readableByOthers):
            if readableByOthers {
                warning(
                    path, mark, "the secret's file \(file) can be read by every account",
                    suggestion: "chmod o-r \(file)")
            }
            return Self.withoutLineEnd(content)
        case .failure(let reason):
            problem(path, mark, "the secret's file \(file) cannot be read: \(reason)")
            return nil
        }
    }

    /// How a message may quote a scalar: in quotes, or a neutral word when it may be a secret, as a connection string
    /// in the wrong place is.
    public static func quoted(_ node: SettingsNode) -> String {
        guard let text = node.text, !node.isSubstituted else { return node.isSubstituted ? "the value" : node.kindName }
        guard ConnectionStringSecrets.suspected(in: text).isEmpty else { return "a connection string" }
        return text.count <= 60 ? "\"\(text)\"" : "\"\(text.prefix(60))…\""
    }

    private static func withoutLineEnd(_ text: String) -> String {
        // A Character holds CR LF as one.
        text.last?.isNewline == true ? String(text.dropLast()) : text
    }
}
