import WeirCore

/// What events hold: columns, keys, modes.
extension DebeziumImport {
    mutating func columns() {
        for (name, older, step) in [
            ("column.exclude.list", "column.blacklist", "drop"), ("column.include.list", "column.whitelist", "select"),
        ] {
            let written = peek(name) == nil && peek(older) != nil ? older : name
            mark([name, older])
            guard let text = peek(written), !text.isEmpty else { continue }
            chooseColumns(RegexPattern.list(text), written, step)
        }
        for name in names("column.mask.") {
            mark([name])
            maskColumns(name)
        }
        for name in names("column.truncate.") {
            mark([name])
            note(.error, name, "values are not shortened by Weir", remedy: "Mask or drop the columns instead.")
        }
        for name in names("column.propagate.") + names("datatype.propagate.") {
            mark([name])
            note(
                .error, name, "schemas have no parameters for the source's types",
                remedy: "Leave it out if no consumer needs them.")
        }
        keyColumns()
    }

    /// One step for each table; the columns must be named exactly.
    private mutating func chooseColumns(_ expressions: [String], _ property: String, _ step: String) {
        var tables: [(table: String, columns: [String])] = []
        for pattern in columnPatterns(expressions, property) {
            guard let (table, column) = Self.split(pattern), !column.contains("*"), !column.contains("?") else {
                note(
                    .error, property, "\(pattern) names no single column",
                    remedy: "Write the columns' names in a transform `\(step)`.")
                continue
            }
            if let place = tables.firstIndex(where: { $0.table == table }) {
                tables[place].columns.append(column)
            } else {
                tables.append((table, [column]))
            }
        }
        for (table, columns) in tables {
            transforms.append("\(step): {table: \(YAMLText.quoted(table)), columns: \(YAMLText.list(columns))}")
        }
        ok(property, "transforms: \(step)")
        if step == "select" { requireColumns(of: tables.map(\.table), property) }
    }

    /// Debezium leaves out every column of a table that such a list does not name; Weir would carry them.
    private mutating func requireColumns(of named: [String], _ property: String) {
        guard let tables = includedTables else {
            return note(
                .error, property, "which tables there are is not said: those it does not name would keep all columns",
                remedy: "Name the tables in table.include.list, or write transforms `select` for them.")
        }
        for table in tables where !named.contains(table) {
            note(
                .error, property, "it names no column of \(table): Debezium leaves out all of them, Weir none",
                remedy: "Leave the table out of source.tables, or write a transform `select` for it.")
        }
    }

    /// `schema.table.column` in its two parts.
    private static func split(_ pattern: String) -> (table: String, column: String)? {
        guard let dot = pattern.lastIndex(of: ".") else { return nil }
        return (String(pattern[..<dot]), String(pattern[pattern.index(after: dot)...]))
    }

    private mutating func columnPatterns(_ expressions: [String], _ property: String) -> [String] {
        var patterns: [String] = []
        for expression in expressions {
            do throws(RegexPattern.Failure) {
                patterns += try RegexPattern.patterns(expression, parts: 3)
            } catch {
                note(
                    .error, property, "\(expression) is no pattern of * and ?: \(error.reason)",
                    remedy: "Name the columns in a transform.")
            }
        }
        return patterns
    }

    /// `column.mask.with.N.chars` becomes a fixed mask; Debezium's hashes are others than Weir's.
    private mutating func maskColumns(_ name: String) {
        let parts = name.split(separator: ".")
        guard parts.count == 5, parts[2] == "with", parts[4] == "chars", let count = Int(parts[3]), count <= 1000 else {
            note(
                .error, name, "Weir's hashes of values are others than Debezium's",
                remedy:
                    "Use `mask: {columns: [...], with: sha256, salt: ...}` if consumers do not compare with old values."
            )
            return
        }
        let patterns = columnPatterns(RegexPattern.list(peek(name) ?? ""), name)
        guard !patterns.isEmpty else { return }
        let stars = YAMLText.quoted(String(repeating: "*", count: count))
        transforms.append("mask: {columns: \(YAMLText.list(patterns)), with: fixed, value: \(stars)}")
        ok(name, "transforms: mask")
    }

    private mutating func keyColumns() {
        guard let text = take("message.key.columns"), !text.isEmpty else { return }
        var entries: [String] = []
        for item in RegexPattern.list(text, separator: ";") {
            guard let colon = item.lastIndex(of: ":") else {
                note(.error, "message.key.columns", "\(item) has no colon before its columns")
                continue
            }
            let columns = item[item.index(after: colon)...].split(separator: ",").map {
                String($0.filter { $0 != " " })
            }
            let expressions = [String(item[..<colon])]
            do throws(RegexPattern.Failure) {
                if RegexPattern.hasCapitals(item) {
                    note(
                        .warning, "message.key.columns", "\(item): Debezium compares names without case, Weir with it",
                        remedy: "Write the names as the catalog has them.")
                }
                for pattern in try RegexPattern.patterns(expressions[0], parts: 2) {
                    entries.append("\(YAMLText.quoted(pattern)): \(YAMLText.list(columns))")
                }
            } catch {
                note(
                    .error, "message.key.columns", "\(expressions[0]) is no pattern of * and ?: \(error.reason)",
                    remedy: "Name the tables in debezium.message.key.columns.")
            }
        }
        debezium.append(Setting(key: "message.key.columns", yaml: "{\(entries.joined(separator: ", "))}"))
        ok("message.key.columns", "debezium.message.key.columns")
    }

    // MARK: - Modes

    mutating func events() {
        // A consumer of Debezium is to see no difference.
        debezium.insert(Setting(key: "strict", yaml: "true"), at: 0)
        mode("decimal.handling.mode", "decimal", DebeziumOptions.DecimalMode.allCases.map(\.rawValue))
        mode("time.precision.mode", "time.precision", DebeziumOptions.TimePrecision.allCases.map(\.rawValue))
        mode("interval.handling.mode", "interval", DebeziumOptions.IntervalMode.allCases.map(\.rawValue))
        mode("binary.handling.mode", "binary", DebeziumOptions.BinaryMode.allCases.map(\.rawValue))
        mode("hstore.handling.mode", "hstore", DebeziumOptions.HstoreMode.allCases.map(\.rawValue))
        mode("tombstones.on.delete", "tombstones", ["true", "false"])
        mode("provide.transaction.metadata", "transaction.metadata", ["true", "false"])
        schemaChanges()
        if let digits = take("money.fraction.digits") {
            debezium.append(Setting(key: "money.fraction.digits", yaml: YAMLText.quoted(digits)))
            ok("money.fraction.digits", "debezium.money.fraction.digits")
        }
        if let text = take("unavailable.value.placeholder") {
            if text.hasPrefix("hex:") {
                note(.error, "unavailable.value.placeholder", "Weir's placeholder is a text, not bytes in hex")
            } else {
                debezium.append(Setting(key: "unavailable.value.placeholder", yaml: YAMLText.quoted(text)))
                ok("unavailable.value.placeholder", "debezium.unavailable.value.placeholder")
            }
        }
        if let text = take("skipped.operations") {
            debezium.append(Setting(key: "skipped.operations", yaml: YAMLText.list(RegexPattern.list(text))))
            ok("skipped.operations", "debezium.skipped.operations")
        }
        topics()
        refused()
    }

    private mutating func mode(_ name: String, _ key: String, _ values: [String]) {
        guard let value = take(name)?.lowercased() else { return }
        guard values.contains(value) else {
            note(
                .error, name, "\(value) is not known to Weir", remedy: "Weir knows \(values.joined(separator: ", ")).")
            return
        }
        debezium.append(Setting(key: key, yaml: value))
        ok(name, "debezium.\(key)")
    }

    /// Debezium's connector for PostgreSQL takes these properties and writes no such events.
    private mutating func schemaChanges() {
        let isOn = peek("include.schema.changes")?.lowercased() == "true"
        mode("include.schema.comments", "include.schema.comments", ["true", "false"])
        guard isOn else { return mode("include.schema.changes", "include.schema.changes", ["true", "false"]) }
        mark(["include.schema.changes"])
        debezium.append(Setting(key: "include.schema.changes", yaml: "true"))
        note(
            .warning, "include.schema.changes",
            "debezium.include.schema.changes: the topic PIPELINE, which Debezium never writes for PostgreSQL",
            remedy: "Set it to false if no consumer is to see it.")
    }

    private mutating func topics() {
        if let delimiter = take("topic.delimiter"), delimiter != "." {
            let parts = ["{pipeline}", "{schema}", "{table}"].joined(separator: delimiter)
            sink.append(Setting(key: "topic", yaml: YAMLText.quoted(parts)))
            note(
                .warning, "topic.delimiter",
                "sinks[0].topic; the topics of messages, transactions and heartbeats keep the dot")
        }
        if let name = take("topic.transaction"), name != "transaction" {
            let isOn = peek("provide.transaction.metadata") == "true"
            note(isOn ? .error : .ok, "topic.transaction", "the topic of transactions is PIPELINE.transaction in Weir")
        }
        if let strategy = take("topic.naming.strategy") {
            let simple = strategy.split(separator: ".").last.map(String.init) ?? ""
            if simple == "SchemaTopicNamingStrategy" {
                ok("topic.naming.strategy", "is how Weir names topics")
            } else {
                note(
                    .error, "topic.naming.strategy", "\(simple) is not known to Weir",
                    remedy: "Say it with sinks[0].topic and transforms.")
            }
        }
        if let mode = take("schema.name.adjustment.mode"), mode != "none" {
            note(
                .warning, "schema.name.adjustment.mode",
                "names of schemas are not adjusted; it matters with schemas only")
        }
        for (name, harmless) in [("field.name.adjustment.mode", "none"), ("sanitize.field.names", "false")] {
            guard let value = take(name) else { continue }
            if value.lowercased() == harmless {
                ok(name, "is how Weir names columns")
            } else {
                note(
                    .error, name, "names of columns are not adjusted", remedy: "Rename them in a transform.")
            }
        }
    }

    /// Properties that change events in ways that Weir does not know.
    private mutating func refused() {
        let reasons: [(name: String, harmless: String?, reason: String)] = [
            ("converters", nil, "custom converters are Java classes"),
            ("post.processors", nil, "post processors are Java classes"),
            ("include.unknown.datatypes", "false", "values of unknown types are not written as bytes"),
            ("xmin.fetch.interval.ms", "0", "source.xmin is always null"),
            ("message.prefix.include.list", nil, "logical messages are not chosen by their prefix"),
            ("message.prefix.exclude.list", nil, "logical messages are not chosen by their prefix"),
            ("source.struct.version", "v2", "the source block is that of Debezium 3"),
            ("sourceinfo.struct.maker", nil, "the source block is Debezium's own"),
            ("exactly.once.support", "requested", "Weir delivers at least once, with the event's id in a header"),
        ]
        for (name, harmless, reason) in reasons {
            guard let value = take(name), !value.isEmpty, value != harmless else { continue }
            note(.error, name, reason, remedy: "Leave it out if no consumer depends on it.")
        }
        if let mode = take("event.processing.failure.handling.mode"), mode != "fail" {
            note(
                .warning, "event.processing.failure.handling.mode",
                "Weir stops at a value it cannot write, it skips none")
        }
        if let mode = take("errors.tolerance"), mode != "none" {
            note(.warning, "errors.tolerance", "Weir stops at an event it cannot deliver, it skips none")
        }
    }
}
