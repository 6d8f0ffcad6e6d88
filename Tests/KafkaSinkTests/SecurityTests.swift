import LibRdKafka
import Testing
import WeirCore
import WeirTestKit

@Suite("Kafka sink: credentials and certificates", .tags(.integration), .needsPrivateKafka, .timeLimit(.minutes(2)))
struct SecurityTests {
    private func login(_ password: String, _ mechanism: String = "PLAIN") -> [String: String] {
        [
            "properties.security.protocol": "sasl_plaintext", "properties.sasl.mechanism": mechanism,
            "properties.sasl.username": SecuredBroker.user, "properties.sasl.password": password,
        ]
    }

    private func tls(_ certificate: String) -> [String: String] {
        ["properties.security.protocol": "ssl", "properties.ssl.ca.location": certificate]
    }

    private func writes(_ run: SinkRun) throws -> WeirError? {
        run.script.append(inserts(0..<3))
        return try run.finish(timeout: .seconds(60))
    }

    @Test("the right ones work, wrong ones stop the start with the remedy, and no secret is told")
    func refusals() throws {
        let secured = try SecuredBroker()
        #expect(try writes(SinkRun(secured.passwordBootstrap, login(SecuredBroker.password))) == nil)
        #expect(try writes(SinkRun("127.0.0.1:\(secured.tlsPort)", tls(secured.certificate))) == nil)

        let wrongPassword = try SinkRun(secured.passwordBootstrap, login("wrong-canary-1234"))
        let refused = try #require(try writes(wrongPassword))
        #expect(refused.code == .authenticationFailed)
        #expect(refused.disposition == .operator)
        #expect(refused.advice?.contains("sasl.password") == true)
        #expect(!"\(refused) \(wrongPassword.logged)".contains("canary"))

        let wrongMechanism = try #require(
            try writes(SinkRun(secured.passwordBootstrap, login(SecuredBroker.password, "SCRAM-SHA-256"))))
        #expect(wrongMechanism.code == .authenticationFailed)

        let wrongAuthority = try #require(
            try writes(SinkRun("127.0.0.1:\(secured.tlsPort)", tls(secured.otherCertificate))))
        #expect(wrongAuthority.code == .tlsFailed)
        #expect(wrongAuthority.disposition == .operator)
        #expect(wrongAuthority.advice?.contains("ssl.ca.location") == true)

        let wrongHost = try #require(
            try writes(SinkRun("localhost:\(secured.tlsPort)", tls(secured.certificate))))
        #expect(wrongHost.code == .tlsFailed)
    }
}
