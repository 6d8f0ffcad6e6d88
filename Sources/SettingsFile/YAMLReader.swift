package import WeirCore

/// Turns YAML text into a settings tree within bounds that no input can exceed.
///
/// The YAML that is allowed is the plain part: maps with text keys, lists, scalars, anchors and aliases. Tags,
/// several documents, merge keys and keys that are not text are problems. Aliases are copied, so the number of copies
/// is bounded.
package struct YAMLReader {
    /// Bounds of one file.
    package struct Limits {
        /// Bytes of text.
        package var bytes = 1 << 20
        /// Maps and lists inside each other.
        package var depth = 32
        /// Brackets and braces open at once, counted without regard to quotes.
        package var openBrackets = 1_000
        /// Nodes after aliases were copied.
        package var nodes = 50_000

        /// The bounds for configuration files.
        package init() {}
    }

    private let limits: Limits
    private var nodesLeft: Int
    private var problems: [SettingsProblem] = []

    private init(limits: Limits) {
        self.limits = limits
        nodesLeft = limits.nodes
    }

    /// Reads `text`. The tree is `nil` when nothing of the text is usable, else the part that is; an empty text gives
    /// an empty map.
    package static func read(
        _ text: [UInt8], limits: Limits = Limits()
    ) -> (tree: SettingsNode?, problems: [SettingsProblem]) {
        var reader = YAMLReader(limits: limits)
        let tree = reader.read(text)
        return (tree, reader.problems)
    }

    private mutating func read(_ text: [UInt8]) -> SettingsNode? {
        guard text.count <= limits.bytes else {
            note(.absent, "the file has \(text.count) bytes, more than the \(limits.bytes) a configuration may have")
            return nil
        }
        let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let body = text.starts(with: byteOrderMark) ? text.dropFirst(3) : text[...]
        guard !opensTooMany(body) else {
            note(.absent, "more than \(limits.depth) maps and lists inside each other")
            return nil
        }
        return unsafe body.withUnsafeBufferPointer { bytes in unsafe parse(bytes) }
    }

    /// Whether more brackets are open at once than any text in quotes or comments explains: the time libyaml takes
    /// grows with the square of their number.
    private func opensTooMany(_ text: ArraySlice<UInt8>) -> Bool {
        var open = 0
        for byte in text {
            switch byte {
            case UInt8(ascii: "["), UInt8(ascii: "{"): open += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"): open = max(0, open - 1)
            default: continue
            }
            if open > limits.openBrackets { return true }
        }
        return false
    }

    private mutating func parse(_ bytes: UnsafeBufferPointer<UInt8>) -> SettingsNode? {
        guard var parser = unsafe YAMLParser(reading: bytes) else {
            note(.absent, "out of memory")
            return nil
        }
        do throws(YAMLSyntaxError) {
            let document = try parser.nextDocument()
            guard !document.isEmpty else { return SettingsNode(.mapping([]), mark: .absent) }
            let tree = convert(YAMLDocument.root, of: document, at: SettingsPath(), depth: 0)
            let rest = try parser.nextDocument()
            if let second = rest.node(YAMLDocument.root) {
                note(
                    .file(line: second.line, column: second.column), "a second document begins here",
                    suggestion: "a configuration is one document: remove the \"---\" line")
            }
            return tree
        } catch {
            note(.file(line: error.line, column: error.column), "not valid YAML: \(error.message)")
            return nil
        }
    }

    private mutating func convert(
        _ number: Int32, of document: borrowing YAMLDocument, at path: SettingsPath, depth: Int
    ) -> SettingsNode? {
        guard let node = document.node(number), nodesLeft >= 0 else { return nil }
        let mark = SettingsMark.file(line: node.line, column: node.column)
        nodesLeft -= 1
        guard nodesLeft >= 0 else {
            note(mark, "more than \(limits.nodes) values once its aliases are expanded", at: path)
            return nil
        }
        guard depth < limits.depth else {
            note(mark, "more than \(limits.depth) maps and lists inside each other", at: path)
            return nil
        }
        if !Self.isDefaultTag(node) {
            note(mark, "tags such as \(node.tag) are not supported", suggestion: "remove the tag", at: path)
        }
        switch node.content {
        case .scalar(let text, let isPlain):
            let isNull = isPlain && ["", "~", "null", "Null", "NULL"].contains(text)
            return SettingsNode(isNull ? .null : .scalar(text), mark: mark)
        case .sequence(let items):
            var values: [SettingsNode] = []
            for (index, item) in items.enumerated() {
                let place = path.appending(index: index)
                if let value = convert(item, of: document, at: place, depth: depth + 1) { values.append(value) }
            }
            return SettingsNode(.sequence(values), mark: mark)
        case .mapping(let pairs):
            return SettingsNode(
                .mapping(entries(pairs, of: document, at: path, depth: depth)), mark: mark)
        }
    }

    private mutating func entries(
        _ pairs: [(key: Int32, value: Int32)], of document: borrowing YAMLDocument, at path: SettingsPath, depth: Int
    ) -> [SettingsNode.Entry] {
        var entries: [SettingsNode.Entry] = []
        var lines: [String: Int] = [:]
        for pair in pairs {
            guard let keyNode = document.node(pair.key) else { continue }
            let mark = SettingsMark.file(line: keyNode.line, column: keyNode.column)
            guard case .scalar(let key, _) = keyNode.content, !key.isEmpty else {
                note(mark, "a key must be a text that is not empty", at: path)
                continue
            }
            let place = path.appending(key: key)
            if let first = lines.updateValue(lines[key] ?? keyNode.line, forKey: key) {
                note(mark, "the key is written twice, first in line \(first)", at: place)
                continue
            }
            if let value = convert(pair.value, of: document, at: place, depth: depth + 1) {
                entries.append(SettingsNode.Entry(key: key, mark: mark, value: value))
            }
        }
        return entries
    }

    private static func isDefaultTag(_ node: YAMLDocument.Node) -> Bool {
        switch node.content {
        case .scalar: node.tag == YAMLTags.scalar
        case .sequence: node.tag == YAMLTags.sequence
        case .mapping: node.tag == YAMLTags.mapping
        }
    }

    private mutating func note(
        _ mark: SettingsMark, _ message: String, suggestion: String? = nil, at path: SettingsPath = SettingsPath()
    ) {
        problems.append(
            SettingsProblem(keyPath: path.description, mark: mark, message: message, suggestion: suggestion))
    }
}

/// The tags libyaml gives to nodes without one.
private enum YAMLTags {
    static let scalar = "tag:yaml.org,2002:str"
    static let sequence = "tag:yaml.org,2002:seq"
    static let mapping = "tag:yaml.org,2002:map"
}
