/// How each kind of value is read, with the words of its problems.
enum SettingsScalars {
    static func text(_ node: SettingsNode, _ path: SettingsPath, _ decoding: SettingsDecoding) -> String? {
        guard let text = node.text else {
            decoding.problem(path, node.mark, "expected a text, found \(node.kindName)")
            return nil
        }
        guard !text.isEmpty else {
            decoding.problem(
                path, node.mark, node.isSubstituted ? "the variable's value is empty" : "the value is empty")
            return nil
        }
        return text
    }

    static func number(
        _ node: SettingsNode, _ path: SettingsPath, _ decoding: SettingsDecoding, in range: ClosedRange<Int>
    ) -> Int? {
        guard let number = node.text.flatMap({ Int($0) }) else {
            decoding.problem(path, node.mark, "expected a whole number, found \(SettingsDecoding.quoted(node))")
            return nil
        }
        guard range.contains(number) else {
            let limits =
                range.upperBound == .max ? "\(range.lowerBound) or more" : "\(range.lowerBound) to \(range.upperBound)"
            decoding.problem(path, node.mark, "\(SettingsDecoding.quoted(node)) is out of range, which is \(limits)")
            return nil
        }
        return number
    }

    static func bytes(
        _ node: SettingsNode, _ path: SettingsPath, _ decoding: SettingsDecoding, in range: ClosedRange<Int>
    ) -> Int? {
        guard let bytes = node.text.flatMap(SettingsQuantities.bytes) else {
            decoding.problem(
                path, node.mark, "expected a size, found \(SettingsDecoding.quoted(node))",
                suggestion: "write a whole number with a unit, such as 64MiB or 10GB")
            return nil
        }
        guard range.contains(bytes) else {
            let (least, most) = (range.lowerBound, range.upperBound)
            let limits = "\(SettingsQuantities.text(bytes: least)) to \(SettingsQuantities.text(bytes: most))"
            decoding.problem(path, node.mark, "\(SettingsDecoding.quoted(node)) is out of range, which is \(limits)")
            return nil
        }
        return bytes
    }

    static func duration(
        _ node: SettingsNode, _ path: SettingsPath, _ decoding: SettingsDecoding, in range: ClosedRange<Duration>
    ) -> Duration? {
        guard let duration = node.text.flatMap(SettingsQuantities.duration) else {
            decoding.problem(
                path, node.mark, "expected a duration, found \(SettingsDecoding.quoted(node))",
                suggestion: "write a whole number with a unit, such as 500ms, 10s or 2m")
            return nil
        }
        guard range.contains(duration) else {
            let limits = "\(SettingsQuantities.text(range.lowerBound)) to \(SettingsQuantities.text(range.upperBound))"
            decoding.problem(path, node.mark, "\(SettingsDecoding.quoted(node)) is out of range, which is \(limits)")
            return nil
        }
        return duration
    }

    static func flag(_ node: SettingsNode, _ path: SettingsPath, _ decoding: SettingsDecoding) -> Bool? {
        switch node.text?.lowercased() {
        case "true", "yes", "on": return true
        case "false", "no", "off": return false
        default:
            decoding.problem(path, node.mark, "expected true or false, found \(SettingsDecoding.quoted(node))")
            return nil
        }
    }

    static func choice(
        _ node: SettingsNode, _ path: SettingsPath, _ decoding: SettingsDecoding, _ names: [String]
    ) -> String? {
        if let text = node.text, names.contains(text) { return text }
        let nearest = node.isSubstituted ? nil : node.text.flatMap { NearestName.of($0, in: names) }
        decoding.problem(
            path, node.mark, "\(SettingsDecoding.quoted(node)) is not one of \(names.joined(separator: ", "))",
            suggestion: nearest.map { "did you mean \"\($0)\"?" })
        return nil
    }

    static func texts(_ node: SettingsNode, _ path: SettingsPath, _ decoding: SettingsDecoding) -> [String]? {
        switch node.content {
        case .scalar:
            return text(node, path, decoding).map { [$0] }
        case .sequence(let items):
            let texts = items.enumerated().map { text($0.element, path.appending(index: $0.offset), decoding) }
            return texts.contains(nil) ? nil : texts.compactMap(\.self)
        case .null, .mapping:
            decoding.problem(path, node.mark, "expected a list of texts, found \(node.kindName)")
            return nil
        }
    }

    /// Texts, one at least.
    static func names(_ node: SettingsNode, _ path: SettingsPath, _ decoding: SettingsDecoding) -> [String]? {
        guard let names = texts(node, path, decoding) else { return nil }
        if names.isEmpty { decoding.problem(path, node.mark, "the list is empty", suggestion: "remove the entry") }
        return names
    }

    static func tables(_ node: SettingsNode, _ path: SettingsPath, _ decoding: SettingsDecoding) -> [String]? {
        guard case .sequence(let items) = node.content else { return pattern(node, path, decoding).map { [$0] } }
        let patterns = items.enumerated().map { pattern($0.element, path.appending(index: $0.offset), decoding) }
        return patterns.contains(nil) ? nil : patterns.compactMap(\.self)
    }

    private static func pattern(_ node: SettingsNode, _ path: SettingsPath, _ decoding: SettingsDecoding) -> String? {
        guard let text = text(node, path, decoding) else { return nil }
        do throws(TablePattern.Problem) {
            _ = try TablePattern(text)
            return text
        } catch {
            decoding.problem(
                path, node.mark, "\(SettingsDecoding.quoted(node)) is no table pattern: \(error.description)")
            return nil
        }
    }
}
