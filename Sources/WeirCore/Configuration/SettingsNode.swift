/// Where a setting was written.
public enum SettingsMark: Sendable, Hashable {
    /// A place in the configuration file; line and column count from 1.
    case file(line: Int, column: Int)
    /// A `--set` argument.
    case commandLine
    /// Nowhere: the setting is missing, so only its key path is known.
    case absent

    /// The line in the configuration file, from 1, when there is one.
    public var line: Int? {
        if case .file(let line, _) = self { line } else { nil }
    }

    /// The column in the configuration file, from 1, when there is one.
    public var column: Int? {
        if case .file(_, let column) = self { column } else { nil }
    }
}

/// One value of a configuration, before it has a type.
///
/// A reader of some syntax (the module `SettingsFile` for YAML) makes the tree, ``SettingsSection`` reads it. Scalars
/// stay text as written, so that `on`, `0x10` or `1e3` mean what the key that holds them says, not what a syntax
/// guesses.
public struct SettingsNode: Sendable, Hashable {
    /// What a node holds.
    public enum Content: Sendable, Hashable {
        /// Nothing was written after the key, or `~` or `null`.
        case null
        /// Text as written, quotes removed.
        case scalar(String)
        /// A list.
        case sequence([SettingsNode])
        /// Keys and values in the order of the file; each key once.
        case mapping([Entry])
    }

    /// One key of a mapping and its value.
    public struct Entry: Sendable, Hashable {
        /// The key, as written.
        public var key: String
        /// Where the key stands.
        public var mark: SettingsMark
        /// The value.
        public var value: SettingsNode

        /// Makes an entry.
        public init(key: String, mark: SettingsMark, value: SettingsNode) {
            self.key = key
            self.mark = mark
            self.value = value
        }
    }

    /// The value.
    public var content: Content
    /// Where it stands.
    public var mark: SettingsMark
    /// Whether part of the text came from the environment. Such text may be a secret whatever key holds it, so
    /// messages do not quote it.
    public var isSubstituted: Bool

    /// Makes a node.
    public init(_ content: Content, mark: SettingsMark, isSubstituted: Bool = false) {
        self.content = content
        self.mark = mark
        self.isSubstituted = isSubstituted
    }

    /// The text of a scalar; `nil` for anything else.
    public var text: String? {
        if case .scalar(let text) = content { text } else { nil }
    }

    /// The value of `key` when this is a mapping that has it.
    public subscript(key: String) -> SettingsNode? {
        guard case .mapping(let entries) = content else { return nil }
        return entries.first { $0.key == key }?.value
    }

    /// What this is, in the words of an error message: "a list", "a map", "nothing" or "a value".
    public var kindName: String {
        switch content {
        case .null: "nothing"
        case .scalar: "a value"
        case .sequence: "a list"
        case .mapping: "a map"
        }
    }
}
