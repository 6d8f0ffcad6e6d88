public import LibRdKafka
public import WeirCore

/// The properties a source's consumer gets: Weir's defaults, then the user's own.
enum SourceProperties {
    /// Weir's defaults. Each may be overridden except where `fault` says why not.
    private static let defaults: [(name: String, value: String)] = [
        ("client.id", "weir-replay"),
        // A replay ends at the ends of its partitions, and never jumps over records that are gone.
        ("enable.partition.eof", "true"),
        ("auto.offset.reset", "error"),
        ("isolation.level", "read_committed"),
        ("check.crcs", "true"),
        ("allow.auto.create.topics", "false"),
        ("fetch.wait.max.ms", "100"),
        ("socket.keepalive.enable", "true"),
        ("reconnect.backoff.ms", "100"),
        ("reconnect.backoff.max.ms", "5000"),
    ]

    /// What may wait in memory over all partitions, in KiB; each partition gets its share, and at least 512.
    private static let prefetchKilobytes = 48 << 10

    /// Why a property cannot have its value; nil when it can.
    static func fault(_ name: String, _ value: String) -> String? {
        switch name {
        case "bootstrap.servers", "metadata.broker.list": "set `brokers` instead"
        case "enable.partition.eof", "auto.offset.reset", "log.queue": "cannot be set: a replay depends on it"
        case "group.id": "cannot be set: a replay belongs to no group"
        default: nil
        }
    }

    /// The configuration of a consumer of so many partitions. Errors: `configuration-invalid` with the property.
    static func configuration(
        of settings: KafkaSourceSettings, partitions: Int
    ) throws(WeirError) -> KafkaConfiguration {
        var configuration = KafkaConfiguration()
        let share = max(prefetchKilobytes / max(partitions, 1), 512)
        do throws(KafkaPropertyError) {
            try configuration.set("bootstrap.servers", settings.brokers)
            for (name, value) in defaults { try configuration.set(name, value) }
            try configuration.set("queued.max.messages.kbytes", "\(share)")
        } catch {
            throw refused(error.property, error.reason)
        }
        for property in settings.properties {
            if let fault = fault(property.name, property.value) { throw refused(property.name, fault) }
            do throws(KafkaPropertyError) {
                try configuration.set(property.name, property.value)
            } catch {
                throw refused(property.name, error.reason)
            }
        }
        return configuration
    }

    private static func refused(_ name: String, _ reason: String) -> WeirError {
        WeirError(
            .configurationInvalid, stage: .configuration, "The property \(name) of the Kafka source is refused",
            cause: reason, advice: "Correct it under `properties`.")
    }
}

extension KafkaSource {
    /// What librdkafka or Weir refuses of a source's properties, for configuration errors with their key paths.
    public static func problems(of properties: [SettingsProperty]) -> [KafkaPropertyProblem] {
        KafkaConfiguration.problems(
            of: properties.map { ($0.name, $0.value) }, fault: SourceProperties.fault,
            nearest: { NearestName.of($0, in: $1) })
    }
}
