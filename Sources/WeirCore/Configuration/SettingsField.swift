/// What the reference says about one key, and what an unknown key is compared with.
public struct SettingsFieldInfo: Sendable, Hashable {
    /// What holds when the key is not written.
    public enum Default: Sendable, Hashable {
        /// The key must be written.
        case required
        /// Nothing: the feature is off.
        case none
        /// A value, or how it is derived.
        case value(String)
    }

    /// The key below its section; dots in it may also be written as nested maps.
    public let name: String
    /// The kind of value in words: "text", "duration", "initial | never".
    public let type: String
    /// What holds when the key is not written.
    public let fallback: Default
    /// What the key does, as a sentence.
    public let doc: String
}

/// One key of a section: its name, how its value is read, and its line in the configuration reference.
///
/// Fields are declared once, as constants; decoder, "did you mean" and the reference all come from the declaration.
public struct SettingsField<Value: Sendable>: Sendable {
    /// Reads a value; notes a problem and gives `nil` when it is not one.
    public typealias Reading = @Sendable (SettingsNode, SettingsPath, SettingsDecoding) -> Value?

    /// The line of the reference.
    public let info: SettingsFieldInfo
    /// The value when the key is not written; `nil` when there is none.
    public let fallback: Value?
    let read: Reading

    /// Declares a key with its own way of reading.
    public init(_ info: SettingsFieldInfo, fallback: Value?, read: @escaping Reading) {
        self.info = info
        self.fallback = fallback
        self.read = read
    }

    /// The same key with a further demand: `check` gives what is wrong with a value, or `nil`. A value that may be
    /// secret is not handed to messages, so `check` must not quote it.
    public func checked(_ check: @escaping @Sendable (Value) -> String?) -> SettingsField {
        let read = read
        return SettingsField(info, fallback: fallback) { node, path, decoding in
            guard let value = read(node, path, decoding) else { return nil }
            guard let fault = check(value) else { return value }
            decoding.problem(path, node.mark, fault)
            return nil
        }
    }
}

/// What a key does when it is not written, for the field constructors.
public enum SettingsFallback<Value: Sendable>: Sendable {
    /// The key must be written.
    case required
    /// There is no value; the feature is off.
    case none
    /// This value.
    case value(Value)
    /// Worked out by whoever reads the section; the text tells the reference how.
    case derived(String)

    fileprivate var value: Value? {
        if case .value(let value) = self { value } else { nil }
    }

    fileprivate func info(_ text: (Value) -> String) -> SettingsFieldInfo.Default {
        switch self {
        case .required: .required
        case .none: .none
        case .value(let value): .value(text(value))
        case .derived(let text): .value(text)
        }
    }
}

extension SettingsField {
    init(
        _ name: String, type: String, _ fallback: SettingsFallback<Value>, doc: String, show: (Value) -> String,
        read: @escaping Reading
    ) {
        let info = SettingsFieldInfo(name: name, type: type, fallback: fallback.info(show), doc: doc)
        self.init(info, fallback: fallback.value, read: read)
    }
}

extension SettingsField where Value == String {
    /// Any text that is not empty.
    public static func text(_ name: String, _ fallback: SettingsFallback<String>, doc: String) -> Self {
        Self(
            name, type: "text", fallback, doc: doc, show: { $0 },
            read: { node, path, decoding in
                SettingsScalars.text(node, path, decoding)
            })
    }

    /// A secret: never shown; `file:PATH` reads it from a file.
    public static func secret(_ name: String, _ fallback: SettingsFallback<String>, doc: String) -> Self {
        Self(
            name, type: "secret", fallback, doc: doc, show: { _ in "" },
            read: { node, path, decoding in
                guard let text = SettingsScalars.text(node, path, decoding),
                    let secret = decoding.secretText(text, at: path, node.mark)
                else { return nil }
                decoding.noteSecret(secret)
                return secret
            })
    }

    /// A libpq connection string, URI or keywords; its password is a secret. `file:PATH` reads the whole string from
    /// a file.
    public static func connectionString(_ name: String, _ fallback: SettingsFallback<String>, doc: String) -> Self {
        Self(
            name, type: "connection string", fallback, doc: doc, show: { $0 },
            read: { node, path, decoding in
                guard let text = SettingsScalars.text(node, path, decoding),
                    let url = decoding.secretText(text, at: path, node.mark)
                else { return nil }
                ConnectionStringSecrets.passwords(in: url).forEach(decoding.noteSecret)
                return url
            })
    }
}

extension SettingsField where Value == Int {
    /// A whole number within `range`.
    public static func count(
        _ name: String, _ fallback: SettingsFallback<Int>, in range: ClosedRange<Int>, doc: String
    ) -> Self {
        Self(
            name, type: "number", fallback, doc: doc, show: { "\($0)" },
            read: { node, path, decoding in
                SettingsScalars.number(node, path, decoding, in: range)
            })
    }

    /// A size in bytes within `range`, written `64MiB`, `10GB` or a plain number.
    public static func bytes(
        _ name: String, _ fallback: SettingsFallback<Int>, in range: ClosedRange<Int>, doc: String
    ) -> Self {
        Self(
            name, type: "size", fallback, doc: doc, show: SettingsQuantities.text(bytes:),
            read: { node, path, decoding in
                SettingsScalars.bytes(node, path, decoding, in: range)
            })
    }
}

extension SettingsField where Value == Bool {
    /// `true` or `false` (also yes, no, on, off).
    public static func flag(_ name: String, _ fallback: SettingsFallback<Bool>, doc: String) -> Self {
        Self(
            name, type: "true \\| false", fallback, doc: doc, show: { "\($0)" },
            read: { node, path, decoding in
                SettingsScalars.flag(node, path, decoding)
            })
    }
}

extension SettingsField where Value == Duration {
    /// A duration within `range`, written `10s`, `500ms`, `1h30m`.
    public static func duration(
        _ name: String, _ fallback: SettingsFallback<Duration>, in range: ClosedRange<Duration>, doc: String
    ) -> Self {
        let show: (Duration) -> String = { SettingsQuantities.text($0) }
        return Self(
            name, type: "duration", fallback, doc: doc, show: show,
            read: { node, path, decoding in
                SettingsScalars.duration(node, path, decoding, in: range)
            })
    }
}

extension SettingsField where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of the cases of an enumeration, by its raw value.
    public static func choice(_ name: String, _ fallback: SettingsFallback<Value>, doc: String) -> Self {
        let names = Value.allCases.map(\.rawValue)
        return Self(
            name, type: names.joined(separator: " \\| "), fallback, doc: doc, show: { $0.rawValue },
            read: { node, path, decoding in
                SettingsScalars.choice(node, path, decoding, names).flatMap(Value.init(rawValue:))
            })
    }
}

extension SettingsField where Value == [String] {
    /// A list of texts; a single text counts as a list of one.
    public static func texts(_ name: String, _ fallback: SettingsFallback<[String]>, doc: String) -> Self {
        let show: ([String]) -> String = { $0.isEmpty ? "[]" : $0.joined(separator: ", ") }
        return Self(
            name, type: "list", fallback, doc: doc, show: show,
            read: { node, path, decoding in
                SettingsScalars.texts(node, path, decoding)
            })
    }

    /// A list of table patterns (``TablePattern``), as written; a single one counts as a list of one.
    public static func tables(_ name: String, _ fallback: SettingsFallback<[String]>, doc: String) -> Self {
        let show: ([String]) -> String = { $0.joined(separator: ", ") }
        return Self(
            name, type: "list of patterns", fallback, doc: doc, show: show,
            read: { node, path, decoding in
                SettingsScalars.tables(node, path, decoding)
            })
    }
}

extension SettingsField where Value == [SettingsProperty] {
    /// Free keys with text values, handed to a library as they are; nested maps are joined with dots. A value whose
    /// key names a password, secret or key is secret and may be `file:PATH`.
    public static func properties(_ name: String, doc: String) -> Self {
        Self(
            name, type: "map", .value([]), doc: doc, show: { _ in "{}" },
            read: { node, path, decoding in
                SettingsProperty.read(node, path, decoding)
            })
    }
}
