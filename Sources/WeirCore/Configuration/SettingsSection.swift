/// One map of a configuration, read key by key.
///
/// A section is opened with the fields it may hold; keys that are none of them are problems at once, each with the
/// nearest known key named. `time.precision: x` and `time: {precision: x}` are the same key when a field's name has
/// the dot.
public struct SettingsSection {
    /// The section's key path.
    public let path: SettingsPath
    /// Where the section begins.
    public let mark: SettingsMark
    /// Where findings go.
    public let decoding: SettingsDecoding
    private let values: [String: SettingsNode]

    /// Opens a section. `node` is `nil` or null when nothing was written, which counts as an empty map; anything but
    /// a map is a problem.
    public init(
        _ node: SettingsNode?, at path: SettingsPath, fields: [SettingsFieldInfo], decoding: SettingsDecoding
    ) {
        self.init(node, at: path, names: fields.map(\.name), decoding: decoding)
    }

    /// Opens a section by the names of its keys.
    public init(_ node: SettingsNode?, at path: SettingsPath, names: [String], decoding: SettingsDecoding) {
        self.path = path
        self.decoding = decoding
        mark = node?.mark ?? .absent
        var reader = EntryReader(path: path, names: names, decoding: decoding)
        switch node?.content {
        case .mapping(let entries):
            reader.take(entries, prefix: "")
        case nil, .null:
            break
        case .scalar, .sequence:
            decoding.problem(path, mark, "expected a map, found \(node?.kindName ?? "nothing")")
        }
        values = reader.values
    }

    /// The keys that were written.
    public var writtenKeys: Set<String> { Set(values.keys) }

    /// The node of a key, when it was written.
    public func node(_ name: String) -> SettingsNode? {
        values[name]
    }

    /// Whether a key was written with a value.
    public func has(_ name: String) -> Bool {
        values[name].map { $0.content != .null } ?? false
    }

    /// The value of a field: what was written, else its default. `nil` when there is neither, or a problem was noted:
    /// a field that is required and absent is one.
    public func value<Value>(_ field: SettingsField<Value>) -> Value? {
        let place = path.appending(key: field.info.name)
        guard let node = values[field.info.name], node.content != .null else {
            if field.info.fallback == .required {
                decoding.problem(
                    place, values[field.info.name]?.mark ?? mark, "this setting is required",
                    suggestion: field.info.doc)
            }
            return field.fallback
        }
        return field.read(node, place, decoding)
    }

    /// The value of a field, or `spare` when there is none or a problem was noted (the configuration is refused then
    /// anyway).
    public func value<Value>(_ field: SettingsField<Value>, or spare: @autoclosure () -> Value) -> Value {
        value(field) ?? spare()
    }

    /// Notes a problem at a key of this section.
    public func problem(_ name: String, _ message: String, suggestion: String? = nil) {
        decoding.problem(
            path.appending(key: name), values[name]?.mark ?? mark, message, suggestion: suggestion)
    }
}

/// Sorts the entries of a map into known keys, joining nested maps where a known key has dots.
private struct EntryReader {
    let path: SettingsPath
    let names: [String]
    let decoding: SettingsDecoding
    var values: [String: SettingsNode] = [:]

    mutating func take(_ entries: [SettingsNode.Entry], prefix: String) {
        for entry in entries {
            let name = prefix + entry.key
            if names.contains(name) {
                if values.updateValue(entry.value, forKey: name) != nil {
                    decoding.problem(path.appending(key: name), entry.mark, "the key is written twice")
                }
            } else if case .mapping(let inner) = entry.value.content,
                names.contains(where: { $0.hasPrefix(name + ".") })
            {
                take(inner, prefix: name + ".")
            } else {
                unknown(name, entry.mark)
            }
        }
    }

    private func unknown(_ name: String, _ mark: SettingsMark) {
        let nearest = NearestName.of(name, in: names)
        decoding.problem(
            path.appending(key: name), mark, name == "<<" ? "merge keys are not supported" : "unknown key",
            suggestion: nearest.map { "did you mean \"\($0)\"?" } ?? "known here: \(names.joined(separator: ", "))")
    }
}
