public import WeirCore

/// One `--set key.path=value` of the command line.
public struct SettingsOverride: Sendable {
    /// The setting.
    public let path: SettingsPath
    /// Its new value: a list or map when the text stands in brackets or braces, else the text itself, `[::1]:8070` too.
    public let value: SettingsNode

    /// Reads the argument of `--set`; throws the problem when it has no `=`, or its path or value cannot be read.
    public init(parsing argument: String) throws(SettingsOverrideError) {
        guard let equals = Self.firstEquals(argument) else {
            throw SettingsOverrideError(reason: "--set needs key.path=value, such as sinks[0].topic=orders")
        }
        let key = String(argument[..<equals])
        do throws(SettingsPath.Malformed) {
            path = try SettingsPath(parsing: key)
        } catch {
            throw SettingsOverrideError(reason: "--set \(key): \(error.reason)")
        }
        let text = String(argument[argument.index(after: equals)...])
        let shape = text.filter { !$0.isWhitespace }
        let isBracketed = text.hasPrefix("[") && (shape.hasSuffix("]") || !shape.contains("]"))
        let isBraced = text.hasPrefix("{") && (shape.hasSuffix("}") || !shape.contains("}"))
        guard isBracketed || isBraced else {
            value = SettingsNode(text.isEmpty ? .null : .scalar(text), mark: .commandLine)
            return
        }
        let (tree, problems) = YAMLReader.read(Array(text.utf8))
        guard let tree, problems.isEmpty else {
            let fault = problems.first?.message ?? "not valid YAML"
            throw SettingsOverrideError(reason: "--set \(key): the value's brackets are not a list or map: \(fault)")
        }
        value = Self.marked(tree)
    }

    /// The first equals sign that is not inside a quoted key.
    private static func firstEquals(_ text: String) -> String.Index? {
        var isQuoted = false
        return text.indices.first { index in
            if text[index] == "\"" { isQuoted.toggle() }
            return text[index] == "=" && !isQuoted
        }
    }

    private static func marked(_ node: SettingsNode) -> SettingsNode {
        switch node.content {
        case .null, .scalar: SettingsNode(node.content, mark: .commandLine)
        case .sequence(let items): SettingsNode(.sequence(items.map(marked)), mark: .commandLine)
        case .mapping(let entries):
            SettingsNode(
                .mapping(entries.map { .init(key: $0.key, mark: .commandLine, value: marked($0.value)) }),
                mark: .commandLine)
        }
    }
}

/// An argument of `--set` that cannot be read.
public struct SettingsOverrideError: Error, Sendable, Hashable {
    /// What is wrong, as a sentence without a full stop. Never holds the value.
    public let reason: String
}

extension SettingsOverride {
    /// Puts the value into `tree`, making maps and, at the end of a list, entries on the way. Gives what is wrong
    /// when the path leads through a scalar or past the end of a list.
    func apply(to tree: inout SettingsNode) -> SettingsProblem? {
        let fault = Self.put(value, at: path.steps[...], in: &tree)
        return fault.map { SettingsProblem(keyPath: path.description, mark: .commandLine, message: $0) }
    }

    private static func put(_ value: SettingsNode, at steps: ArraySlice<SettingsPath.Step>, in node: inout SettingsNode)
        -> String?
    {
        guard let step = steps.first else {
            node = value
            return nil
        }
        let empty = SettingsNode(.null, mark: .commandLine)
        switch (step, node.content) {
        case (.key(let key), .null):
            var inner = empty
            let fault = put(value, at: steps.dropFirst(), in: &inner)
            node = SettingsNode(.mapping([.init(key: key, mark: .commandLine, value: inner)]), mark: .commandLine)
            return fault
        case (.key(let key), .mapping(var entries)):
            // `a.b.c` finds a key written as "a.b" in the file, which people do with dotted keys.
            let (index, used) = longestMatch(steps, in: entries) ?? (entries.count, 1)
            if index == entries.count { entries.append(.init(key: key, mark: .commandLine, value: empty)) }
            let fault = put(value, at: steps.dropFirst(used), in: &entries[index].value)
            node.content = .mapping(entries)
            return fault
        case (.index(0), .null):
            var inner = empty
            let fault = put(value, at: steps.dropFirst(), in: &inner)
            node = SettingsNode(.sequence([inner]), mark: .commandLine)
            return fault
        case (.index(let index), .sequence(var items)):
            guard index <= items.count else { return "there is no [\(index)]: the list has \(items.count) entries" }
            if index == items.count { items.append(empty) }
            let fault = put(value, at: steps.dropFirst(), in: &items[index])
            node.content = .sequence(items)
            return fault
        case (.key(let key), _):
            return "cannot set \"\(key)\" in \(node.kindName)"
        case (.index(let index), _):
            return "cannot set [\(index)] in \(node.kindName)"
        }
    }

    private static func longestMatch(
        _ steps: ArraySlice<SettingsPath.Step>, in entries: [SettingsNode.Entry]
    ) -> (index: Int, used: Int)? {
        var name = ""
        var best: (Int, Int)?
        for (used, step) in steps.enumerated() {
            guard case .key(let key) = step else { break }
            name += name.isEmpty ? key : ".\(key)"
            if let index = entries.firstIndex(where: { $0.key == name }) { best = (index, used + 1) }
        }
        return best
    }
}
