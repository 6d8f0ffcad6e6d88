internal import WeirCore

/// Replaces `${NAME}` in values by the environment's text; `$$` stands for one `$`.
///
/// What a variable holds is taken as it is: it is never read as YAML and never substituted again. Keys are left alone.
struct EnvironmentSubstitution {
    /// A variable's value, or `nil` when it is not set.
    let variable: (String) -> String?
    /// What could not be replaced.
    private(set) var problems: [SettingsProblem] = []

    init(variable: @escaping (String) -> String?) {
        self.variable = variable
    }

    /// The tree with every scalar's variables replaced.
    mutating func apply(to node: SettingsNode, at path: SettingsPath = SettingsPath()) -> SettingsNode {
        var node = node
        switch node.content {
        case .null:
            break
        case .scalar(let text):
            substitute(text, in: &node, at: path)
        case .sequence(let items):
            var values: [SettingsNode] = []
            for (index, item) in items.enumerated() { values.append(apply(to: item, at: path.appending(index: index))) }
            node.content = .sequence(values)
        case .mapping(var entries):
            for index in entries.indices {
                let place = path.appending(key: entries[index].key)
                entries[index].value = apply(to: entries[index].value, at: place)
            }
            node.content = .mapping(entries)
        }
        return node
    }

    private mutating func substitute(_ text: String, in node: inout SettingsNode, at path: SettingsPath) {
        guard text.contains("$") else { return }
        var result = ""
        var rest = Substring(text)
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("$$") {
                result += "$"
                rest = rest.dropFirst(2)
            } else if rest.hasPrefix("${") {
                guard let end = rest.firstIndex(of: "}") else {
                    note(path, node.mark, "\"${\" is not closed", "write $$ for a plain dollar sign")
                    return
                }
                let name = String(rest[rest.index(rest.startIndex, offsetBy: 2)..<end])
                guard let value = value(of: name, at: path, node.mark) else { return }
                result += value
                node.isSubstituted = true
                rest = rest[rest.index(after: end)...]
            } else {
                result += "$"
                rest = rest.dropFirst()
            }
        }
        node.content = .scalar(result + rest)
    }

    private mutating func value(of name: String, at path: SettingsPath, _ mark: SettingsMark) -> String? {
        let isName =
            name.first?.isNumber == false
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
        guard isName else {
            note(
                path, mark, "\"${\(name)}\" does not name a variable",
                "a name has letters, digits and \"_\"; write $$ for a plain dollar sign")
            return nil
        }
        guard let value = variable(name) else {
            note(
                path, mark, "the environment variable \(name) is not set",
                "export \(name), or write $$ for a plain dollar sign")
            return nil
        }
        return value
    }

    private mutating func note(_ path: SettingsPath, _ mark: SettingsMark, _ message: String, _ suggestion: String) {
        problems.append(
            SettingsProblem(keyPath: path.description, mark: mark, message: message, suggestion: suggestion))
    }
}
