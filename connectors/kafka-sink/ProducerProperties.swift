public import LibRdKafka
public import WeirCore

/// The properties a sink's producer gets: Weir's defaults, then the user's own.
enum ProducerProperties {
    /// The longest that librdkafka knows, in milliseconds.
    private static let lingerMax = 900_000

    /// Bytes of messages under way, in units of 1024; with librdkafka's own share about 20 MiB of memory.
    private static let queueKilobytes = 8192

    /// Weir's defaults. Each may be overridden except where `fault` says why not.
    static let defaults: [(name: String, value: String)] = [
        ("client.id", "weir"),
        // Order and no duplicates over retries, for the life of the producer.
        ("enable.idempotence", "true"),
        // What a broker refuses ends the producer: without this the messages behind it would be sent with a new epoch
        // before the report of the refusal is seen, and overtake it.
        ("enable.gapless.guarantee", "true"),
        ("acks", "all"),
        // An outage is back-pressure: a message waits for ever, and the queue's bounds hold the source back.
        ("message.timeout.ms", "0"),
        ("queue.buffering.max.kbytes", "\(queueKilobytes)"),
        ("queue.buffering.max.messages", "50000"),
        // A batch that is not full is sent when `SendClock` says so.
        ("linger.ms", "\(lingerMax)"),
        // The same partition for a key as Kafka's Java producer chooses.
        ("partitioner", "murmur2_random"),
        // Topics are created with the configured partitions or not at all, never by asking for them.
        ("allow.auto.create.topics", "false"),
        ("socket.keepalive.enable", "true"),
        ("reconnect.backoff.ms", "100"),
        ("reconnect.backoff.max.ms", "5000"),
    ]

    /// Whether the user chose how long messages wait for company.
    static func lingers(_ settings: KafkaSinkSettings) -> Bool {
        settings.properties.contains { ["linger.ms", "queue.buffering.max.ms"].contains($0.name) }
    }

    /// Why a property cannot have its value, as a promise of Weir depends on it; nil when it can.
    static func fault(_ name: String, _ value: String) -> String? {
        switch name {
        case "bootstrap.servers", "metadata.broker.list": "set `brokers` instead"
        case "acks", "request.required.acks":
            ["all", "-1"].contains(value)
                ? nil : "must be \"all\": a position is confirmed only when its events are safe on every replica"
        case "enable.idempotence":
            value == "true" ? nil : "must be \"true\": without it a retry may repeat or reorder events"
        case "transactional.id", "enable.gapless.guarantee": "cannot be set: Weir decides on transactions"
        case "log.queue", "test.mock.num.brokers": "cannot be set"
        default: nil
        }
    }

    /// The configuration of a sink's producer. Errors: `configuration-invalid` with the property's name.
    static func configuration(of settings: KafkaSinkSettings) throws(WeirError) -> KafkaConfiguration {
        var configuration = KafkaConfiguration()
        do throws(KafkaPropertyError) {
            try configuration.set("bootstrap.servers", settings.brokers)
            for (name, value) in defaults { try configuration.set(name, value) }
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
        if !lingers(settings) { try holdBack(&configuration) }
        try makeRoom(&configuration, isOwn: settings.properties.contains { $0.name == "queue.buffering.max.kbytes" })
        return configuration
    }

    /// librdkafka wants a message to be given up later than it is held back.
    private static func holdBack(_ configuration: inout KafkaConfiguration) throws(WeirError) {
        guard let limit = number("message.timeout.ms", configuration), limit > 0 else { return }
        do throws(KafkaPropertyError) {
            try configuration.set("linger.ms", "\(min(limit / 2, lingerMax))")
        } catch {
            throw refused("message.timeout.ms", error.reason)
        }
    }

    /// A message that is larger than the whole queue would wait for room for ever.
    private static func makeRoom(_ configuration: inout KafkaConfiguration, isOwn: Bool) throws(WeirError) {
        guard let largest = number("message.max.bytes", configuration),
            let queue = number("queue.buffering.max.kbytes", configuration)
        else { return }
        let needed = largest / 1024 + 1
        guard queue < needed else { return }
        if isOwn {
            throw refused(
                "queue.buffering.max.kbytes",
                "it is smaller than message.max.bytes (\(largest) bytes), so the largest messages would never be sent")
        }
        do throws(KafkaPropertyError) {
            try configuration.set("queue.buffering.max.kbytes", "\(needed * 2)")
        } catch {
            throw refused("message.max.bytes", error.reason)
        }
    }

    private static func number(_ property: String, _ configuration: borrowing KafkaConfiguration) -> Int? {
        configuration.value(of: property).flatMap { Int($0) }
    }

    private static func refused(_ name: String, _ reason: String) -> WeirError {
        WeirError(
            .configurationInvalid, stage: .configuration, "The property \(name) of the Kafka sink is refused",
            cause: reason, advice: "Correct it under `properties`.")
    }
}

extension KafkaSink {
    /// What librdkafka or Weir refuses of a sink's properties, for configuration errors with their key paths.
    public static func problems(of properties: [SettingsProperty]) -> [KafkaPropertyProblem] {
        KafkaConfiguration.problems(
            of: properties.map { ($0.name, $0.value) }, fault: ProducerProperties.fault,
            nearest: { NearestName.of($0, in: $1) })
    }
}
