/// Reads the list `transforms`: each entry is a map with one key that names the step.
struct TransformReader {
    let decoding: SettingsDecoding
    let pipeline: String

    private static let steps: [(name: String, fields: [SettingsFieldInfo])] = [
        ("filter", FilterKeys.all), ("select", SelectKeys.all), ("drop", SelectKeys.all), ("rename", RenameKeys.all),
        ("mask", MaskKeys.all), ("route", RouteKeys.all),
    ]

    /// The keys of each step, for the reference.
    static var reference: [(name: String, fields: [SettingsFieldInfo])] { steps }

    func read(_ node: SettingsNode?, at path: SettingsPath) -> [TransformSettings] {
        guard let node, node.content != .null else { return [] }
        guard case .sequence(let items) = node.content else {
            decoding.problem(path, node.mark, "expected a list of steps, found \(node.kindName)")
            return []
        }
        return items.enumerated().compactMap { index, item in
            let problems = decoding.problems.count
            guard let step = step(item, at: path.appending(index: index)) else { return nil }
            if decoding.problems.count == problems { check(step, at: path.appending(index: index), item.mark) }
            return step
        }
    }

    /// What can be checked without a table: patterns, templates, values.
    private func check(_ step: TransformSettings, at path: SettingsPath, _ mark: SettingsMark) {
        do throws(WeirError) {
            _ = try TransformChain.make([step], pipeline: pipeline) { _ in UncheckedDigest() }
        } catch {
            let message = error.message.replacing("transforms[0]: ", with: "")
            let cause = error.cause.map { ": \($0)" } ?? ""
            decoding.problem(path, mark, message + cause, suggestion: error.advice)
        }
    }

    private func step(_ node: SettingsNode, at path: SettingsPath) -> TransformSettings? {
        let names = Self.steps.map(\.name)
        guard case .mapping(let entries) = node.content, let entry = entries.first, entries.count == 1 else {
            decoding.problem(
                path, node.mark, "a step is a map with one key",
                suggestion: "such as - filter: {table: public.orders}; steps are \(names.joined(separator: ", "))")
            return nil
        }
        guard let fields = Self.steps.first(where: { $0.name == entry.key })?.fields else {
            let nearest = NearestName.of(entry.key, in: names)
            decoding.problem(
                path.appending(key: entry.key), entry.mark, "unknown step",
                suggestion: nearest.map { "did you mean \"\($0)\"?" } ?? "steps are \(names.joined(separator: ", "))")
            return nil
        }
        let section = SettingsSection(
            entry.value, at: path.appending(key: entry.key), fields: fields, decoding: decoding)
        switch entry.key {
        case "filter": return .filter(filter(section))
        case "select":
            return .select(
                SelectSettings(
                    table: section.value(SelectKeys.table, or: ""), columns: section.value(SelectKeys.columns, or: []),
                    allowsKeyLoss: section.value(SelectKeys.keys, or: false)))
        case "drop":
            return .drop(
                DropSettings(
                    table: section.value(SelectKeys.table, or: ""), columns: section.value(SelectKeys.columns, or: []),
                    allowsKeyLoss: section.value(SelectKeys.keys, or: false)))
        case "rename": return .rename(rename(section))
        case "mask": return mask(section).map(TransformSettings.mask)
        default: return .route(route(section))
        }
    }

    // MARK: - filter

    private enum FilterKeys {
        static let table = SettingsField<String>.text(
            "table", .derived("every table"), doc: "Pattern of the tables; others pass untouched.")
        static let operations = SettingsField<[String]>.texts(
            "operations", .derived("all"),
            doc:
                "Operations that go on: `insert` (snapshot rows included), `update`, `delete`, `truncate`, "
                + "`message`, `read`."
        )
        static let conditions = SettingsFieldInfo(
            name: "where", type: "condition or list", fallback: .none,
            doc: "`{column: status, equals: paid}`; tests are `equals`, `not`, `in`, `null`, `prefix`, `below`, `max`, "
                + "`above`, `min`. All conditions must hold.")
        static let all = [table.info, operations.info, conditions]
    }

    private func filter(_ section: SettingsSection) -> FilterSettings {
        var operations: Set<Operation>?
        if let names = section.value(FilterKeys.operations) {
            let name = FilterKeys.operations.info.name
            operations = OperationNames.read(
                names, at: section.path.appending(key: name), section.node(name)?.mark ?? section.mark, decoding)
        }
        return FilterSettings(
            table: section.value(FilterKeys.table), operations: operations, conditions: conditions(section))
    }

    private func conditions(_ section: SettingsSection) -> [ColumnCondition] {
        let name = FilterKeys.conditions.name
        let path = section.path.appending(key: name)
        guard let node = section.node(name), node.content != .null else { return [] }
        guard case .sequence(let items) = node.content else {
            return ConditionReader(decoding: decoding).read(node, at: path).map { [$0] } ?? []
        }
        return items.enumerated().compactMap {
            ConditionReader(decoding: decoding).read($0.element, at: path.appending(index: $0.offset))
        }
    }

    // MARK: - select, drop

    private enum SelectKeys {
        static let table = SettingsField<String>.text("table", .required, doc: "Pattern of the tables.")
        static let columns = SettingsField<[String]>.texts("columns", .required, doc: "Exact names of the columns.")
        static let keys = SettingsField<Bool>.flag(
            "keys", .value(false), doc: "Allow columns of the key to be lost.")
        static let all = [table.info, columns.info, keys.info]
    }

    // MARK: - rename

    private enum RenameKeys {
        static let table = SelectKeys.table
        static let to = SettingsField<String>.text(
            "to", .derived("the same name"), doc: "The new name: `table` or `schema.table`.")
        static let columns = SettingsField<[SettingsProperty]>(
            SettingsFieldInfo(
                name: "columns", type: "map", fallback: .value("{}"), doc: "New names of columns: `{amt: amount}`."),
            fallback: []
        ) { node, path, decoding in
            guard case .mapping(let entries) = node.content else {
                decoding.problem(path, node.mark, "expected a map of old to new names, found \(node.kindName)")
                return nil
            }
            return entries.compactMap { entry in
                SettingsScalars.text(entry.value, path.appending(key: entry.key), decoding)
                    .map { SettingsProperty(name: entry.key, value: $0) }
            }
        }
        static let all = [table.info, to.info, columns.info]
    }

    private func rename(_ section: SettingsSection) -> RenameSettings {
        let columns = section.value(RenameKeys.columns, or: [])
        if !section.has("to"), !section.has("columns") {
            decoding.problem(section.path, section.mark, "rename needs \"to\" or \"columns\"")
        }
        return RenameSettings(
            table: section.value(RenameKeys.table, or: ""), to: section.value(RenameKeys.to),
            columns: Dictionary(columns.map { ($0.name, $0.value) }) { first, _ in first })
    }

    // MARK: - mask

    private enum MaskMethod: String, Sendable, CaseIterable {
        case fixed, null, sha256
    }

    private enum MaskKeys {
        static let columns = SettingsField<[String]>.texts(
            "columns", .required, doc: "Patterns `schema.table.column`.")
        static let with = SettingsField<MaskMethod>.choice(
            "with", .required, doc: "A fixed text, NULL, or the salted SHA-256 of the value.")
        static let value = SettingsField<String>.text("value", .none, doc: "The text of `fixed`.")
        static let salt = SettingsField<String>.secret("salt", .none, doc: "The salt of `sha256`; a secret.")
        static let all = [columns.info, with.info, value.info, salt.info]
    }

    private func mask(_ section: SettingsSection) -> MaskSettings? {
        let columns = section.value(MaskKeys.columns, or: [])
        // YAML reads a bare `null` as nothing, which is what is meant here.
        let isNull = section.node("with").map { $0.content == .null } ?? false
        guard let with = isNull ? .null : section.value(MaskKeys.with) else { return nil }
        for (name, owner) in [("value", MaskMethod.fixed), ("salt", .sha256)] where section.has(name) && with != owner {
            section.problem(name, "this key goes with \"with: \(owner.rawValue)\" only")
        }
        switch with {
        case .null: return MaskSettings(columns: columns, method: .null)
        case .fixed:
            // An empty text is a fine replacement.
            guard let text = section.node("value")?.text else {
                section.problem("value", "\"with: fixed\" needs the text that replaces the values")
                return nil
            }
            return MaskSettings(columns: columns, method: .fixed(text))
        case .sha256:
            guard section.has("salt") else {
                section.problem("salt", "\"with: sha256\" needs a salt", suggestion: "such as salt: ${SALT}")
                return nil
            }
            return section.value(MaskKeys.salt).map { MaskSettings(columns: columns, method: .sha256(salt: $0)) }
        }
    }

    // MARK: - route

    private enum RouteKeys {
        static let table = SelectKeys.table
        static let topic = SettingsField<String>.text(
            "topic", .none, doc: "Template of the topic's name."
        ).checked { KafkaNames.templateFault($0, placeholders: ["{pipeline}", "{schema}", "{table}"]) }
        static let target = SettingsField<String>.text(
            "target", .none, doc: "Template of the table's name from here on: `table` or `schema.table`.")
        static let all = [table.info, topic.info, target.info]
    }

    private func route(_ section: SettingsSection) -> RouteSettings {
        if !section.has("topic"), !section.has("target") {
            decoding.problem(section.path, section.mark, "route needs \"topic\" or \"target\"")
        }
        return RouteSettings(
            table: section.value(RouteKeys.table, or: ""), topic: section.value(RouteKeys.topic),
            target: section.value(RouteKeys.target))
    }
}

/// Stands in for the hash while a chain is only checked.
private final class UncheckedDigest: SaltedDigest {
    func digest(_ value: Span<UInt8>, into output: inout MutableSpan<UInt8>) throws(WeirError) {}
}

/// Reads one condition of a filter.
private struct ConditionReader {
    let decoding: SettingsDecoding

    private static let tests = ["equals", "not", "in", "null", "prefix", "below", "max", "above", "min"]

    func read(_ node: SettingsNode, at path: SettingsPath) -> ColumnCondition? {
        let section = SettingsSection(node, at: path, names: ["column"] + Self.tests, decoding: decoding)
        let written = Self.tests.filter { section.writtenKeys.contains($0) }
        guard let column = section.node("column")?.text, !column.isEmpty else {
            decoding.problem(path, section.mark, "a condition needs \"column\"")
            return nil
        }
        guard written.count == 1, let name = written.first, let value = section.node(name) else {
            decoding.problem(
                path, section.mark, "a condition needs exactly one test",
                suggestion: "tests are \(Self.tests.joined(separator: ", "))")
            return nil
        }
        return test(name, value, at: path.appending(key: name)).map { ColumnCondition(column: column, test: $0) }
    }

    private func test(_ name: String, _ node: SettingsNode, at path: SettingsPath) -> ColumnCondition.Test? {
        switch name {
        case "null": return SettingsScalars.flag(node, path, decoding).map(ColumnCondition.Test.null)
        case "in": return values(node, at: path).map(ColumnCondition.Test.any)
        case "not": return values(node, at: path).map(ColumnCondition.Test.none)
        default: break
        }
        guard let text = value(node, at: path) else { return nil }
        switch name {
        case "equals": return .any([text])
        case "prefix": return .prefix(text)
        case "below": return .below(text)
        case "max": return .atMost(text)
        case "above": return .above(text)
        default: return .atLeast(text)
        }
    }

    /// Values may be empty texts; NULL has a test of its own.
    private func value(_ node: SettingsNode, at path: SettingsPath) -> String? {
        if let text = node.text { return text }
        decoding.problem(
            path, node.mark, "expected a value, found \(node.kindName)",
            suggestion: node.content == .null ? "to test for NULL write null: true" : nil)
        return nil
    }

    private func values(_ node: SettingsNode, at path: SettingsPath) -> [String]? {
        guard case .sequence(let items) = node.content else { return value(node, at: path).map { [$0] } }
        let texts = items.enumerated().map { value($0.element, at: path.appending(index: $0.offset)) }
        return texts.contains(nil) ? nil : texts.compactMap(\.self)
    }
}
