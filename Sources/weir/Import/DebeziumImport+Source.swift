import WeirCore

/// Connector, names, connection, start, tables.
extension DebeziumImport {
    mutating func connector() {
        let name = take("connector.class") ?? ""
        let simple = name.split(separator: ".").last.map(String.init) ?? ""
        if !name.isEmpty, simple != "PostgresConnector", simple != "PostgreSqlConnector" {
            note(
                .error, "connector.class", "\(simple) is no connector for PostgreSQL",
                remedy: "Weir reads PostgreSQL only.")
        } else if !name.isEmpty {
            ok("connector.class", "source.type: postgres")
        }
        let plugin = take("plugin.name")
        if plugin == "pgoutput" {
            ok("plugin.name", "is what Weir uses")
        } else {
            note(
                .error, "plugin.name",
                plugin == nil
                    ? "is not set: Debezium's own default is decoderbufs, and such a slot cannot be read"
                    : "the slot's plugin is \(plugin ?? ""); Weir reads slots of pgoutput only",
                remedy:
                    "With plugin.name=pgoutput let Debezium make a new slot first, or let Weir begin with a snapshot "
                    + "and a slot of its own.")
        }
    }

    mutating func naming() {
        if let prefix = take("topic.prefix") ?? take("database.server.name"), !prefix.isEmpty {
            let name = peek("topic.prefix") == nil ? "database.server.name" : "topic.prefix"
            topicPrefix = prefix
            pipeline = Self.pipelineName(prefix)
            if pipeline == prefix {
                ok(name, "pipeline")
            } else {
                debezium.append(Setting(key: "topic.prefix", yaml: YAMLText.quoted(prefix)))
                ok(name, "debezium.topic.prefix; pipeline, as \(pipeline)")
            }
        } else {
            note(.error, "topic.prefix", "is missing: topics and events are named after it", remedy: "Add it.")
            (pipeline, topicPrefix) = ("main", "main")
        }
        let slot = take("slot.name") ?? "debezium"
        ok("slot.name", "source.slot")
        let publication = take("publication.name") ?? "dbz_publication"
        ok("publication.name", "source.publication; one that Weir did not make is never altered")
        source.append(Setting(key: "slot", yaml: YAMLText.quoted(slot)))
        source.append(Setting(key: "publication", yaml: YAMLText.quoted(publication)))
        if let mode = take("publication.autocreate.mode") {
            ok(
                "publication.autocreate.mode",
                "is not needed: Weir makes a missing publication for its tables (was \(mode))")
        }
        if take("slot.drop.on.stop") == "true" {
            note(.warning, "slot.drop.on.stop", "Weir keeps its slot", remedy: "`weir slot drop` removes it for good.")
        }
        for name in ["slot.failover", "slot.stream.params", "publish.via.partition.root"] where peek(name) != nil {
            if take(name) == "false" { continue }
            note(
                .warning, name, "is not set by Weir; what slot and publication have already stays",
                remedy: "Set it on the server if it is needed.")
        }
        if take("replica.identity.autoset.values") != nil {
            note(
                .warning, "replica.identity.autoset.values", "Weir changes no replica identity",
                remedy: "ALTER TABLE ... REPLICA IDENTITY once, if that has not happened.")
        }
    }

    /// A prefix of topics as the name of a pipeline may be written.
    private static func pipelineName(_ prefix: String) -> String {
        var name = ""
        for character in prefix.lowercased() {
            let isPlain = character.isASCII && (character.isLetter || character.isNumber)
            name.append(isPlain ? character : "_")
        }
        while PostgresNames.pipelineFault(name) != nil, name.utf8.count > 1 { name.removeLast() }
        return name
    }

    // MARK: - Connection

    mutating func connection() {
        let names: [(property: String, keyword: String)] = [
            ("database.hostname", "host"), ("database.port", "port"), ("database.user", "user"),
            ("database.password", "password"), ("database.dbname", "dbname"), ("database.sslmode", "sslmode"),
            ("database.sslcert", "sslcert"), ("database.sslkey", "sslkey"), ("database.sslpassword", "sslpassword"),
            ("database.sslrootcert", "sslrootcert"),
        ]
        var words: [String] = []
        for (property, keyword) in names {
            guard let value = take(property) else {
                if keyword == "dbname" || keyword == "host" {
                    note(.error, property, "is missing: the source is not known", remedy: "Add it.")
                }
                continue
            }
            let isSecret = keyword == "password" || keyword == "sslpassword"
            words.append("\(keyword)=\(word(value, property, isSecret: isSecret))")
        }
        source.insert(Setting(key: "url", yaml: YAMLText.reference(words.joined(separator: " "))), at: 0)
        if take("database.sslfactory") != nil {
            note(
                .warning, "database.sslfactory", "is a Java class; Weir uses libpq's own TLS", remedy: "Check sslmode.")
        }
        if take("database.initial.statements") != nil {
            note(
                .warning, "database.initial.statements", "Weir runs no statements of its own at a connection",
                remedy: "ALTER ROLE ... SET does the same for settings.")
        }
    }

    /// A value in a connection string; what is secret stays where it is or becomes a reference.
    private mutating func word(_ value: String, _ property: String, isSecret: Bool) -> String {
        let variable = ConnectReference.variable(property, "DATABASE_PASSWORD")
        if let reference = ConnectReference.translate(value, default: variable), !reference.text.hasPrefix("file:") {
            if let advice = reference.advice {
                note(
                    .warning, property, "source.url: a reference of Kafka Connect's became \(reference.text)",
                    remedy: advice)
            } else {
                ok(property, "source.url, as \(reference.text)")
            }
            return "'\(reference.text)'"
        }
        if isSecret {
            note(
                .warning, property, "source.url: a password is not copied, ${\(variable)} stands for it",
                remedy: "Set the environment variable \(variable); a quote or backslash in it needs a backslash before "
                    + "it. Without `password=` libpq takes PGPASSWORD or ~/.pgpass.")
            return "'${\(variable)}'"
        }
        ok(property, "source.url")
        var quoted = ""
        for character in value {
            if character == "'" || character == "\\" { quoted.append("\\") }
            quoted += character == "$" ? "$$" : String(character)
        }
        let isPlain = !value.isEmpty && value.allSatisfy { $0.isLetter || $0.isNumber || "._-/,:[]".contains($0) }
        return isPlain ? quoted : "'\(quoted)'"
    }

    // MARK: - Start

    mutating func start() {
        let mode = take("snapshot.mode") ?? "initial"
        let modes = [
            "initial": "initial", "always": "always", "never": "never", "no_data": "never", "schema_only": "never",
            "initial_only": "only", "when_needed": "initial",
        ]
        source.append(Setting(key: "snapshot", yaml: modes[mode] ?? "initial"))
        if mode == "when_needed" {
            note(
                .warning, "snapshot.mode",
                "source.snapshot: initial; where a position is lost Weir stops, it takes no snapshot by itself"
            )
        } else if modes[mode] == nil {
            note(.error, "snapshot.mode", "\(mode) is not known to Weir", remedy: "Choose source.snapshot yourself.")
        } else {
            ok("snapshot.mode", "source.snapshot")
        }
        for name in names("snapshot.select.statement.overrides") + names("snapshot.include.collection.list")
            + names("snapshot.query.mode")
        {
            mark([name])
            note(
                .warning, name, "a snapshot of Weir copies all rows and columns of the tables that it streams",
                remedy: "It matters only where a snapshot is taken: not when a stored offset is taken over.")
        }
        for name in names("signal.") + names("incremental.snapshot.") + names("read.only") {
            mark([name])
            note(
                .warning, name, "Weir takes no signals and no incremental snapshots",
                remedy: "`weir backfill --table ...` copies tables beside the stream.")
        }
        for name in names("notification.") {
            mark([name])
            note(.warning, name, "Weir sends no notifications", remedy: "Logs and /status tell the same.")
        }
        if let mode = take("lsn.flush.mode"), mode != "connector" {
            note(.warning, "lsn.flush.mode", "Weir always confirms what its sinks hold durably, and nothing else")
        }
        if take("flush.lsn.source") == "false" {
            note(.warning, "flush.lsn.source", "Weir always confirms what its sinks hold durably")
        }
        heartbeat()
    }

    private mutating func heartbeat() {
        if let prefix = take("topic.heartbeat.prefix") {
            debezium.append(Setting(key: "topic.heartbeat.prefix", yaml: YAMLText.quoted(prefix)))
            ok("topic.heartbeat.prefix", "debezium.topic.heartbeat.prefix")
        }
        if take("topic.heartbeat.name") != nil {
            note(
                .error, "topic.heartbeat.name", "the topic of heartbeats is PREFIX.PIPELINE in Weir",
                remedy: "Let its readers take that one; debezium.topic.heartbeat.prefix sets PREFIX.")
        }
        let written = take("heartbeat.interval.ms")
        let millis = Int64(written ?? "0")
        if let millis, millis > 0 {
            source.append(Setting(key: "heartbeat.interval", yaml: "\(millis)ms"))
            ok("heartbeat.interval.ms", "source.heartbeat.interval")
        } else if millis == nil {
            note(
                .error, "heartbeat.interval.ms", "\(written ?? "") is no number of milliseconds",
                remedy: "Write a whole number.")
        } else if written != nil {
            ok("heartbeat.interval.ms", "no heartbeats; Weir moves an idle slot without them")
        }
        if let query = take("heartbeat.action.query") {
            guard millis ?? 0 > 0 else {
                return note(
                    .warning, "heartbeat.action.query", "was left out: Debezium never runs it without heartbeats")
            }
            source.append(Setting(key: "heartbeat.query", yaml: YAMLText.quoted(query)))
            ok("heartbeat.action.query", "source.heartbeat.query")
        }
    }

    // MARK: - Tables

    mutating func tables() {
        let included = patterns("table.include.list", "table.whitelist")
        let excluded = patterns("table.exclude.list", "table.blacklist")
        let schemas = schemaPatterns("schema.include.list", "schema.whitelist")
        let others = schemaPatterns("schema.exclude.list", "schema.blacklist")
        var list: [String] = []
        includedTables = included
        if let included {
            list = included
            requireSchemas(included, schemas)
        } else if let schemas {
            list = schemas.map { "\($0).*" }
        }
        list += (others ?? []).map { "!\($0).*" } + (excluded ?? []).map { "!\($0)" }
        if !list.isEmpty { source.append(Setting(key: "tables", yaml: YAMLText.list(list))) }
    }

    /// Where both schemas and tables are listed, both must hold.
    private mutating func requireSchemas(_ tables: [String], _ schemas: [String]?) {
        guard let schemas else { return }
        for table in tables {
            let schema = table.split(separator: ".").first.map(String.init) ?? ""
            guard !schemas.contains("*"), !schemas.contains(schema) else { continue }
            note(
                .error, "schema.include.list", "the pattern \(table) of the tables is not of one of its schemas",
                remedy: "Write in source.tables what both lists let through.")
        }
    }

    /// The patterns of a list of expressions, under its name or the one it had once.
    private mutating func patterns(_ name: String, _ older: String) -> [String]? {
        let written = peek(name) == nil && peek(older) != nil ? older : name
        mark([name, older])
        guard let text = peek(written), !text.isEmpty else { return nil }
        return tablePatterns(RegexPattern.list(text), written)
    }

    /// Patterns of tables; an expression that is none is a finding.
    mutating func tablePatterns(_ expressions: [String], _ property: String) -> [String] {
        var patterns: [String] = []
        for expression in expressions {
            do throws(RegexPattern.Failure) {
                patterns += try RegexPattern.patterns(expression, parts: 2)
                if RegexPattern.hasCapitals(expression) {
                    note(
                        .warning, property, "\(expression): Debezium compares names without case, Weir with it",
                        remedy: "Write the names as the catalog has them.")
                }
            } catch {
                note(
                    .error, property, "\(expression) is no pattern of * and ?: \(error.reason)",
                    remedy: "Name the tables in source.tables.")
            }
        }
        ok(property, "source.tables: \(patterns.joined(separator: ", "))")
        return patterns
    }

    private mutating func schemaPatterns(_ name: String, _ older: String) -> [String]? {
        let written = peek(name) == nil && peek(older) != nil ? older : name
        mark([name, older])
        guard let text = peek(written), !text.isEmpty else { return nil }
        var patterns: [String] = []
        for expression in RegexPattern.list(text) {
            do throws(RegexPattern.Failure) {
                patterns += try RegexPattern.patterns(expression + "\\.x", parts: 2).map { String($0.dropLast(2)) }
            } catch {
                note(
                    .error, written, "\(expression) is no pattern of * and ?: \(error.reason)",
                    remedy: "Name the schemas in source.tables.")
            }
        }
        ok(written, "source.tables")
        return patterns
    }
}
