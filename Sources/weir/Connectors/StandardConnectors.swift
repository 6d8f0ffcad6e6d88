import KafkaSink
import LibCrypto
import PostgresSink
import PostgresSource
import StdoutSink
import WeirCore

extension ConnectorRegistry {
    /// The connectors that come with Weir. `batchLimits` and `isReplay` are the run's, not the connector's.
    static func standard(batchLimits: BatchLimits = BatchLimits(), isReplay: Bool = false) -> ConnectorRegistry {
        ConnectorRegistry(
            sources: [
                source(PostgresSourceSettings.self) { settings, context in
                    let history = PostgresSourceHistory()
                    return { () throws(WeirError) in
                        PostgresSource(settings, history: history, batchLimits: batchLimits, logger: context.logger)
                    }
                }
            ],
            sinks: [
                sink(KafkaSinkSettings.self) { settings, context throws(WeirError) in
                    try KafkaSink(settings: settings, pipeline: context.pipeline, logger: context.logger)
                },
                sink(StdoutSinkSettings.self) { settings, context throws(WeirError) in
                    StdoutSink(StdoutSink.Options(encoder: encoder(settings, context), output: output(settings)))
                },
                sink(PostgresSinkSettings.self, keeping: { SchemaMemory() }) {
                    settings, context, memory throws(WeirError) in
                    PostgresSink(target(settings, pipeline: context.pipeline, isReplay: isReplay), memory: memory)
                },
            ])
    }

    /// The target's own settings; both sides name their choices alike.
    static func target(
        _ settings: PostgresSinkSettings, pipeline: String, isReplay: Bool = false
    ) -> PostgresTargetSettings {
        let isUpsert = settings.apply == .upsert || settings.apply == .auto && isReplay
        var target = PostgresTargetSettings(
            url: settings.url, pipeline: pipeline, applyMode: isUpsert ? .upsert : .exact,
            group: GroupLimits(
                bytesMax: settings.groupBytes, rowsMax: settings.groupRows, ageMax: settings.groupTime))
        target.schema = .init(rawValue: settings.schema.rawValue) ?? target.schema
        target.onMissingRow = .init(rawValue: settings.missingRows.rawValue) ?? target.onMissingRow
        target.onSnapshotNotEmpty = .init(rawValue: settings.notEmpty.rawValue) ?? target.onSnapshotNotEmpty
        target.replicationRole = .init(rawValue: settings.sessionRole.rawValue) ?? target.replicationRole
        return target
    }

    /// How lines look.
    static func encoder(_ settings: StdoutSinkSettings, _ context: ConnectorContext) -> EncoderSettings {
        EncoderSettings(
            prefix: context.pipeline, format: settings.format == .flat ? .flat : .debezium, debezium: settings.debezium)
    }

    /// What becomes of lines.
    static func output(_ settings: StdoutSinkSettings) -> StdoutSink.Output {
        switch settings.output {
        case .print: .print
        case .encode: .encode
        case .discard: .discard
        }
    }

    /// What `mask` hashes with.
    static let digest: SaltedDigestFactory = { salt throws(WeirError) in try SHA256(salt: salt) }
}
