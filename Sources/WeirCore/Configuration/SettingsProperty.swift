/// One free property for a library, such as librdkafka's `compression.type`.
public struct SettingsProperty: Sendable, Hashable {
    /// The property's name, dots included.
    public let name: String
    /// Its value as text. May be a secret; see ``isSecret``.
    public let value: String
    /// Whether the name says that the value must not be shown.
    public let isSecret: Bool
    /// Where it was written.
    public let mark: SettingsMark

    /// Makes a property; secrecy follows from the name.
    public init(name: String, value: String, mark: SettingsMark = .absent) {
        self.name = name
        self.value = value
        self.mark = mark
        isSecret = Self.isSecret(name)
    }

    /// Equal when they say the same, wherever they were written.
    public static func == (left: SettingsProperty, right: SettingsProperty) -> Bool {
        left.name == right.name && left.value == right.value
    }

    /// Hashes what equality compares.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(value)
    }

    /// Whether a property of this name holds a secret: a password, secret, token or private key.
    public static func isSecret(_ name: String) -> Bool {
        let name = name.lowercased()
        return ["password", "secret", "token", "key.pem", "oauthbearer.config", "jaas"].contains { name.contains($0) }
    }

    static func read(
        _ node: SettingsNode, _ path: SettingsPath, _ decoding: SettingsDecoding
    ) -> [SettingsProperty]? {
        guard case .mapping = node.content else {
            decoding.problem(path, node.mark, "expected a map of properties, found \(node.kindName)")
            return nil
        }
        var properties: [SettingsProperty] = []
        var marks: [String: SettingsMark] = [:]
        collect(node, prefix: "") { name, value in
            let place = path.appending(key: name)
            guard marks.updateValue(value.mark, forKey: name) == nil else {
                decoding.problem(place, value.mark, "the property is set twice")
                return
            }
            guard let text = value.text else {
                decoding.problem(place, value.mark, "expected a text, found \(value.kindName)")
                return
            }
            guard isSecret(name) else {
                properties.append(SettingsProperty(name: name, value: text, mark: value.mark))
                return
            }
            guard let secret = decoding.secretText(text, at: place, value.mark) else { return }
            decoding.noteSecret(secret)
            properties.append(SettingsProperty(name: name, value: secret, mark: value.mark))
        }
        return properties
    }

    private static func collect(_ node: SettingsNode, prefix: String, _ take: (String, SettingsNode) -> Void) {
        guard case .mapping(let entries) = node.content else {
            take(prefix, node)
            return
        }
        for entry in entries {
            collect(entry.value, prefix: prefix.isEmpty ? entry.key : "\(prefix).\(entry.key)", take)
        }
    }
}
