import Glibc
import KafkaSink
import LibSQLite
import PostgresSink
import PostgresSource
import WeirCore

/// `weir check`: everything that can be found out before a run, with remedies; changes nothing.
enum CheckCommand {
    static func run(
        _ command: ParsedCommand, _ loaded: LoadedConfiguration, _ console: Console
    ) throws(WeirError) -> ExitCode {
        let settings = loaded.settings
        var findings = [Finding(.ok, "configuration", "\(loaded.path) has no problem")]
        findings.append(state(settings))
        var privileges: [String] = []
        if let source = settings.source as? PostgresSourceSettings {
            findings += SourceInspector.inspect(source)
            privileges = (try? LeastPrivileges.statements(source)) ?? []
            findings += transforms(settings, source)
            findings += start(settings, source)
        }
        let relations: [Relation]
        do throws(WeirError) {
            relations = try self.relations(settings)
        } catch {
            findings.append(Finding(error, subject: "transforms"))
            relations = []
        }
        for sink in settings.sinks { findings += sinkFindings(sink, settings, relations) }
        try tell(findings, privileges, isJSON: command.has("json"), console)
        if findings.contains(where: \.isUsage) { return .usage }
        return findings.contains { $0.severity == .error } ? .failed : .done
    }

    private static func tell(
        _ findings: [Finding], _ privileges: [String], isJSON: Bool, _ console: Console
    ) throws(WeirError) {
        guard isJSON else {
            for finding in findings { try console.print(finding.description + "\n") }
            guard !privileges.isEmpty else { return }
            try console.print(
                "\nleast privileges for this configuration, run once by an administrator of the "
                    + "source:\n")
            for statement in privileges { try console.print("    \(statement)\n") }
            return
        }
        let list = findings.map { finding -> JSONText in
            .object([
                ("severity", .string(finding.severity.rawValue)), ("subject", .string(finding.subject)),
                ("message", .string(finding.message)), ("remedy", .optional(finding.remedy)),
            ])
        }
        let object = JSONText.object([
            ("findings", .array(list)), ("privileges", .array(privileges.map(JSONText.string))),
        ])
        try console.print(object.text + "\n")
    }

    /// What a run would refuse although each part is fine by itself. A server, a state file or a target that does not
    /// answer has its own findings.
    private static func start(_ settings: WeirSettings, _ source: PostgresSourceSettings) -> [Finding] {
        guard let refusal = try? SinkPositions.load(settings).refusal(source) else { return [] }
        return [Finding(refusal, subject: "start")]
    }

    /// What the steps would do to the tables. A source that does not answer has its own findings.
    private static func transforms(_ settings: WeirSettings, _ source: PostgresSourceSettings) -> [Finding] {
        guard !settings.transforms.isEmpty, let relations = try? SourceInspector.relations(source) else { return [] }
        return TransformChain.check(
            settings.transforms, relations: relations, pipeline: settings.topicPrefix, digest: ConnectorRegistry.digest)
    }

    private static func state(_ settings: WeirSettings) -> Finding {
        let subject = "state \(settings.statePath)"
        do throws(WeirError) {
            guard let store = try StateStore.look(folder: settings.statePath, pipeline: settings.pipeline) else {
                return missingState(settings.statePath, subject)
            }
            let positions = try store.positions().map { "\($0.sink) at \($0.position.lsn)" }
            let text = positions.isEmpty ? "it holds no sink's position" : positions.joined(separator: ", ")
            return Finding(.ok, subject, text)
        } catch {
            return Finding(error, subject: subject)
        }
    }

    private static func missingState(_ path: String, _ subject: String) -> Finding {
        let parent = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let place = path.contains("/") ? (parent.isEmpty ? "/" : parent) : "."
        let isThere = access(path, F_OK) == 0
        guard access(isThere ? path : place, W_OK) == 0 else {
            return Finding(
                .error, subject, "It cannot be made: \(String(cString: strerror(errno)))",
                remedy: "Make \(isThere ? path : place) writable for this account, or set state.path.")
        }
        return Finding(.ok, subject, "It does not exist yet and is made at the first start")
    }

    /// The tables as they come out of the transforms; none when the source does not tell. Throws what a transform has
    /// against a table.
    private static func relations(_ settings: WeirSettings) throws(WeirError) -> [Relation] {
        // What stands in the way at the source is among its findings already.
        guard let source = settings.source as? PostgresSourceSettings,
            let relations = try? SourceAdministration.relations(source)
        else { return [] }
        var batch = ChangeBatch(
            arena: [], rows: [], cells: [], relations: relations, transactions: [], endLSN: nil, sealedAt: 0)
        let chain = try TransformChain.make(
            settings.transforms, pipeline: settings.topicPrefix, digest: ConnectorRegistry.digest)
        for transform in chain { batch = try transform.apply(batch) }
        return batch.relations
    }

    private static func sinkFindings(
        _ sink: WeirSettings.Sink, _ settings: WeirSettings, _ relations: [Relation]
    ) -> [Finding] {
        let subject = "sink \(sink.name)"
        switch sink.settings {
        case let kafka as KafkaSinkSettings:
            return [self.kafka(kafka, settings.pipeline, subject)]
        case let target as PostgresSinkSettings:
            let target = ConnectorRegistry.target(target, pipeline: settings.pipeline)
            return TargetInspector.inspect(target, relations: relations).map { finding in
                // Two targets have the same things to tell of.
                var finding = finding
                finding.subject = "\(subject): \(finding.subject)"
                return finding
            }
        default:
            return []
        }
    }

    private static func kafka(_ settings: KafkaSinkSettings, _ pipeline: String, _ subject: String) -> Finding {
        do throws(WeirError) {
            // Opening a Kafka sink connects and asks; topics are made when events come.
            let opened = try KafkaSink(settings: settings, pipeline: pipeline)
            defer { opened.close() }
            _ = try opened.open()
            return Finding(.ok, subject, "Kafka answers at \(settings.brokers)")
        } catch {
            return Finding(error, subject: subject)
        }
    }
}
