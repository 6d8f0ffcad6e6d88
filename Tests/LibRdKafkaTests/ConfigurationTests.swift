import LibRdKafka
import Testing
import WeirCore

@Suite("Kafka properties")
struct ConfigurationTests {
    private func refusal(_ property: String, _ value: String) -> KafkaPropertyError? {
        var configuration = KafkaConfiguration()
        do throws(KafkaPropertyError) {
            try configuration.set(property, value)
            return nil
        } catch {
            return error
        }
    }

    @Test("a property that does not exist is refused by name")
    func unknown() throws {
        let error = try #require(refusal("compresion.type", "lz4"))
        #expect(error.problem == .unknown)
        #expect(error.property == "compresion.type")
        #expect(error.reason.contains("librdkafka"))
    }

    @Test("a value out of range is refused with librdkafka's reason")
    func invalid() throws {
        let error = try #require(refusal("linger.ms", "-5"))
        #expect(error.problem == .invalid)
        #expect(error.reason.contains("range"))
    }

    @Test(
        "the value of a secret property never shows",
        arguments: [
            "sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem",
        ])
    func secrets(_ property: String) throws {
        var configuration = KafkaConfiguration()
        try configuration.set(property, "canary-7316")
        let shown = configuration.value(of: property)
        #expect(shown == nil)
        let error = try #require(refusal(property, "canary-7316\0"))
        #expect(!error.description.contains("canary"))
    }

    @Test("a readable value reads back as librdkafka takes it")
    func value() throws {
        var configuration = KafkaConfiguration()
        try configuration.set("linger.ms", "7")
        let linger = configuration.value(of: "queue.buffering.max.ms")
        let nothing = configuration.value(of: "no.such.property")
        #expect(linger == "7")
        #expect(nothing == nil)
    }

    @Test("properties that contradict each other are refused when the client is made")
    func contradiction() throws {
        var configuration = KafkaConfiguration()
        try configuration.set("enable.idempotence", "true")
        try configuration.set("acks", "1")
        do throws(KafkaError) {
            _ = try KafkaProducer(configuration)
            Issue.record("acks=1 with idempotence was accepted")
        } catch {
            #expect(error.detail.contains("acks"))
            #expect(error.weirError(stage: .sink, "The Kafka sink").disposition == .usage)
        }
    }
}

@Suite("What a Kafka error means")
struct TroubleTests {
    @Test(
        "codes map to what the operator or the pipeline does next",
        arguments: [
            (KafkaErrorCode.transport, WeirError.Disposition.retry, WeirError.Code.brokerUnavailable),
            (.allBrokersDown, .retry, .brokerUnavailable),
            (.messageTimedOut, .retry, .brokerUnavailable),
            (KafkaErrorCode(rawValue: 6), .retry, .brokerUnavailable),
            (.authentication, .operator, .authenticationFailed),
            (.tls, .operator, .tlsFailed),
            (.topicAuthorizationFailed, .operator, .permissionDenied),
            (.unknownTopicOrPartition, .operator, .topicMissing),
            (.messageTooLarge, .operator, .messageTooLarge),
            (.outOfOrderSequence, .retry, .producerFatal),
            (.fencedLocally, .operator, .fenced),
            (KafkaErrorCode(rawValue: 35), .operator, .brokerRefused),
        ])
    func mapping(_ code: KafkaErrorCode, _ disposition: WeirError.Disposition, _ expected: WeirError.Code) {
        let error = KafkaError(code).weirError(stage: .sink, "Topic a cannot be written")
        #expect(error.disposition == disposition)
        #expect(error.code == expected)
        #expect(error.cause?.contains(code.name) == true)
    }

    @Test("a fatal error asks for a new producer, whatever its code")
    func fatal() {
        let error = KafkaError(.invalidProducerEpoch, "test", isFatal: true).weirError(stage: .sink, "It")
        #expect(error.code == .producerFatal)
        #expect(error.disposition == .retry)
    }
}
