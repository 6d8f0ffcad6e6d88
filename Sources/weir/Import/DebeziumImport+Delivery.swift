import KafkaSink
import LibRdKafka
import WeirCore

/// How events are written and where they go: converters, transforms, producer.
extension DebeziumImport {
    // MARK: - Converters

    mutating func formats() {
        let general = take("converter.schemas.enable")
        var parts: [(part: String, isOn: Bool)] = []
        for part in ["key", "value", "header"] {
            let name = "\(part).converter"
            let isOn = take("\(name).schemas.enable") ?? general
            let converter = take(name)?.split(separator: ".").last.map(String.init)
            let others = names("\(name).")
            mark(others)
            for other in others where !other.hasSuffix(".schemas.enable") { converterOption(other) }
            parts.append((part, converterSchemas(part, converter, isOn)))
        }
        for (part, isOn) in parts { debezium.append(Setting(key: "\(part).schemas.enable", yaml: "\(isOn)")) }
    }

    private mutating func converterSchemas(_ part: String, _ converter: String?, _ written: String?) -> Bool {
        let name = "\(part).converter"
        var isOn = written.map { $0 != "false" }
        switch kind {
        case .server:
            let own =
                serverFormat.last { $0.name == "\(part).schemas.enable" }
                ?? serverFormat.last { $0.name == "schemas.enable" }
            if let own { isOn = own.value != "false" }
            if let format = serverFormat.last(where: { $0.name == part }), format.value.lowercased() != "json" {
                note(written: format.written, .error, "\(format.value) is not written by Weir; it writes JSON")
            }
        case .engine: break
        case .connect where part == "header":
            guard converter == "JsonConverter" else {
                note(
                    .warning, name,
                    "keys in the headers of a key change are JSON in Weir; Connect's own header converter "
                        + "writes them in another form")
                return false
            }
        case .connect where converter == nil:
            note(
                .warning, name,
                "is set in Connect's worker, which this file does not show: JSON with schemas is assumed",
                remedy: "Correct debezium.\(part).schemas.enable if the worker says otherwise.")
            return isOn ?? true
        case .connect: break
        }
        if let converter, converter != "JsonConverter" {
            note(.error, name, "\(converter) is not written by Weir; it writes JSON")
        } else {
            ok(name, "debezium.\(part).schemas.enable")
        }
        return isOn ?? true
    }

    private mutating func converterOption(_ name: String) {
        let value = peek(name) ?? ""
        if name.hasSuffix(".decimal.format"), value.uppercased() != "BASE64" {
            note(.error, name, "decimals are base64 or, with debezium.decimal, numbers and texts")
        } else if name.hasSuffix(".replace.null.with.default"), value == "false" {
            note(
                .warning, name, "with debezium.strict NULL in a column with a default is the default",
                remedy: "debezium.strict: false writes null.")
        } else {
            ok(name, "is not needed")
        }
    }

    // MARK: - Transforms

    mutating func transformations() {
        mark(names("predicates"))
        let list = RegexPattern.list(take("transforms") ?? "")
        for name in list {
            let prefix = "transforms.\(name)."
            let type = take("\(prefix)type")?.split(separator: ".").last.map { String($0.prefix { $0 != "$" }) } ?? ""
            mark(names(prefix))
            if peek("\(prefix)predicate") != nil {
                note(.error, "\(prefix)predicate", "a transform with a predicate cannot be told in Weir")
                continue
            }
            switch type {
            case "ByLogicalTableRouter": route(prefix, regex: "topic.regex", replacement: "topic.replacement")
            case "RegexRouter": route(prefix, regex: "regex", replacement: "replacement")
            case "ExtractNewRecordState":
                note(
                    .error, "\(prefix)type",
                    "Weir's flat format has other forms of times, numbers and bytes than ExtractNewRecordState",
                    remedy: "Set sinks[0].format: flat if consumers can read it (EventFormat.md), else keep the "
                        + "envelope.")
            default:
                note(
                    .error, "\(prefix)type", "\(type) is a Java class",
                    remedy: "See Transforms.md for what Weir does in its place.")
            }
        }
        mark(names("transforms."))
    }

    private mutating func route(_ prefix: String, regex: String, replacement: String) {
        let expression = peek(prefix + regex) ?? ""
        let target = peek(prefix + replacement) ?? ""
        let isRouter = regex == "topic.regex"
        if isRouter, peek("\(prefix)key.enforce.uniqueness") != "false" {
            note(
                .error, "\(prefix)key.enforce.uniqueness", "Weir adds no field with the table's name to the key",
                remedy: "Keys of the routed tables must differ by themselves.")
        }
        if !isRouter, expression == #"([^.]+)\.([^.]+)\.([^.]+)"# {
            let names = ["$1": "{pipeline}", "$2": "{schema}", "$3": "{table}"]
            let template = names.reduce(target) { $0.replacing($1.key, with: $1.value) }
            guard !template.contains("$") else { return refuse(prefix + replacement, target) }
            sink.append(Setting(key: "topic", yaml: YAMLText.quoted(template)))
            return ok(prefix + regex, "sinks[0].topic")
        }
        let prefixes = ["\(pipeline)\\.", "\(pipeline)."]
        guard let known = prefixes.first(where: { expression.hasPrefix($0) }), !target.contains("$"),
            let patterns = try? RegexPattern.patterns(String(expression.dropFirst(known.count)), parts: 2)
        else { return refuse(prefix + regex, expression) }
        for pattern in patterns {
            transforms.append("route: {table: \(YAMLText.quoted(pattern)), topic: \(YAMLText.quoted(target))}")
        }
        ok(prefix + regex, "transforms: route")
    }

    private mutating func refuse(_ property: String, _ text: String) {
        note(
            .error, property, "\(text) cannot be told by a pattern of tables and one topic",
            remedy: "Write `route` steps: {table: PATTERN, topic: NAME}.")
    }

    // MARK: - Sink

    mutating func delivery() {
        var producer: [DebeziumProperties.Entry] = []
        switch kind {
        case .server:
            let type = serverSink.last { $0.name == "type" }
            if let type, type.value != "kafka" {
                note(written: type.written, .error, "\(type.value) is no sink of Weir; kafka is assumed")
            }
            for entry in serverSink where entry.name != "type" {
                guard entry.name.hasPrefix("kafka.producer.") else {
                    note(written: entry.written, .warning, "was left out")
                    continue
                }
                producer.append(
                    DebeziumProperties.Entry(
                        written: entry.written, name: String(entry.name.dropFirst(15)), value: entry.value))
            }
        case .connect, .engine:
            for name in names("producer.override.") {
                mark([name])
                producer.append(
                    DebeziumProperties.Entry(
                        written: name, name: String(name.dropFirst("producer.override.".count)),
                        value: peek(name) ?? ""))
            }
        }
        brokers(&producer)
        for entry in producer { property(entry) }
        createdTopics()
    }

    private mutating func brokers(_ producer: inout [DebeziumProperties.Entry]) {
        if let place = producer.firstIndex(where: { $0.name == "bootstrap.servers" }) {
            let entry = producer.remove(at: place)
            let reference = ConnectReference.translate(entry.value, default: "KAFKA_BROKERS")?.text
            let yaml = reference.map(YAMLText.reference) ?? YAMLText.quoted(entry.value)
            sink.insert(Setting(key: "brokers", yaml: yaml), at: 0)
            note(written: entry.written, .ok, "sinks[0].brokers")
        } else {
            sink.insert(Setting(key: "brokers", yaml: YAMLText.reference("${KAFKA_BROKERS}")), at: 0)
            note(
                written: "bootstrap.servers", .warning, "is not in this file: ${KAFKA_BROKERS} stands for it",
                remedy: "Set the environment variable KAFKA_BROKERS, or write sinks[0].brokers.")
        }
    }

    /// Names that librdkafka has for what Java's producer calls otherwise.
    private static let renamed = [
        "max.request.size": "message.max.bytes", "ssl.keystore.certificate.chain": "ssl.certificate.pem",
        "ssl.keystore.key": "ssl.key.pem", "ssl.truststore.certificates": "ssl.ca.pem",
        "send.buffer.bytes": "socket.send.buffer.bytes", "receive.buffer.bytes": "socket.receive.buffer.bytes",
    ]

    /// What belongs to Java's producer alone.
    private static let javaOnly: Set<String> = [
        "key.serializer", "value.serializer", "buffer.memory", "max.block.ms", "metrics.recording.level",
        "partitioner.class", "interceptor.classes", "send.buffer.bytes", "linger.ms", "batch.size",
        "enable.idempotence", "acks", "max.in.flight.requests.per.connection", "retries",
    ]

    private mutating func property(_ entry: DebeziumProperties.Entry) {
        if Self.javaOnly.contains(entry.name) {
            let isPartitioner = entry.name == "partitioner.class" || entry.name == "interceptor.classes"
            note(
                written: entry.written, isPartitioner ? .error : .ok,
                isPartitioner ? "is a Java class" : "is not needed: Weir decides it itself (acks=all, idempotent)")
            return
        }
        if entry.name == "sasl.jaas.config" { return credentials(entry) }
        let name = Self.renamed[entry.name] ?? entry.name
        let variable = ConnectReference.variable(name, "KAFKA_SECRET")
        var value = YAMLText.quoted(entry.value)
        var probe = entry.value
        if let reference = ConnectReference.translate(entry.value, default: variable) {
            (value, probe) = (YAMLText.reference(reference.text), "x")
            if let advice = reference.advice { note(written: entry.written, .warning, "a reference", remedy: advice) }
        } else if SettingsProperty.isSecret(name) {
            (value, probe) = (YAMLText.reference("${\(variable)}"), "x")
            note(
                written: entry.written, .warning, "a secret is not copied, ${\(variable)} stands for it",
                remedy: "Set the environment variable \(variable), or write file:PATH.")
        }
        if probe != "x" || !name.hasSuffix(".pem"),
            let problem = KafkaSink.problems(of: [SettingsProperty(name: name, value: probe)]).first
        {
            note(
                written: entry.written, .warning, "was left out: librdkafka says \(problem.reason)",
                remedy: problem.nearest.map { "Is it \($0)?" } ?? "Look for it in librdkafka's CONFIGURATION.md.")
            return
        }
        sinkProperties.append(Setting(key: name, yaml: value))
        note(written: entry.written, .ok, "sinks[0].properties.\(name)")
    }

    /// The user name and password in a JAAS text.
    private mutating func credentials(_ entry: DebeziumProperties.Entry) {
        let user = Self.quotedPart("username", of: entry.value)
        let isReference = user?.hasPrefix("${") ?? true
        let name = isReference ? YAMLText.reference("${KAFKA_SASL_USERNAME}") : YAMLText.quoted(user ?? "")
        sinkProperties.append(Setting(key: "sasl.username", yaml: name))
        sinkProperties.append(Setting(key: "sasl.password", yaml: YAMLText.reference("${KAFKA_SASL_PASSWORD}")))
        note(
            written: entry.written, .warning, "sasl.username and sasl.password; the password is not copied",
            remedy: "Set the environment variable KAFKA_SASL_PASSWORD\(isReference ? " and KAFKA_SASL_USERNAME" : "").")
    }

    private static func quotedPart(_ name: String, of text: String) -> String? {
        guard let place = text.firstRange(of: "\(name)=\""), !place.isEmpty else { return nil }
        return String(text[place.upperBound...].prefix { $0 != "\"" })
    }

    /// `topic.creation.default.*` of Kafka Connect.
    private mutating func createdTopics() {
        let prefix = "topic.creation.default."
        var others: [String] = []
        for name in names("topic.creation.") {
            mark([name])
            let value = peek(name) ?? ""
            switch name {
            case prefix + "partitions": sink.append(Setting(key: "topics.partitions", yaml: YAMLText.quoted(value)))
            case prefix + "replication.factor" where value == "-1": break
            case prefix + "replication.factor":
                sink.append(Setting(key: "topics.replication.factor", yaml: YAMLText.quoted(value)))
            case prefix + "include", prefix + "exclude": break
            case _ where name.hasPrefix(prefix):
                others.append("\(YAMLText.quoted(String(name.dropFirst(prefix.count)))): \(YAMLText.quoted(value))")
            default:
                note(
                    .warning, name, "Weir creates all topics alike",
                    remedy: "Create topics with other settings yourself.")
                continue
            }
            ok(name, "sinks[0].topics")
        }
        if !others.isEmpty {
            sink.append(Setting(key: "topics.properties", yaml: "{\(others.joined(separator: ", "))}"))
        }
    }
}
