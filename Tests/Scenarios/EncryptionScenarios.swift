import Glibc
import Testing
import WeirTestKit

/// Connections to PostgreSQL over TLS: its own, and that of a pooler with larger records.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(3)))
struct EncryptionScenarios {
    private static let password = "canary-tls-4711"

    private let directory: TemporaryDirectory
    private let certificate: SelfSignedCertificate

    init() throws {
        directory = try TemporaryDirectory(forServers: true)
        certificate = try SelfSignedCertificate("server", in: directory, forServers: true)
    }

    private func server() throws -> PrivatePostgres {
        try PrivatePostgres(
            ["ssl": "on", "ssl_cert_file": certificate.file, "ssl_key_file": certificate.keyFile],
            authentication: .scram(password: Self.password))
    }

    /// Adds what a connection string says of TLS to both URLs of a shop's configuration.
    private func encrypt(_ shop: Shop, _ options: String) throws {
        let text = try shop.directory.read("weir.yaml")
        _ = try shop.directory.write(
            text.replacing("/\(shop.sourceDatabase)\"", with: "/\(shop.sourceDatabase)?\(options)\"")
                .replacing("/\(shop.targetDatabase)\"", with: "/\(shop.targetDatabase)?\(options)\""), to: "weir.yaml")
    }

    /// A snapshot, large and small rows in the stream, and a stop that confirms everything.
    private func follow(_ shop: Shop) throws {
        try shop.source.exec(
            """
            INSERT INTO customers SELECT i, 'name ' || i, NULL, repeat('n', i % 30000) FROM generate_series(1, 2000) i
            """)
        let weir = try shop.stream()
        for round in 0..<30 {
            try shop.source.exec(
                """
                INSERT INTO orders SELECT \(round) * 100 + i, i, i, repeat('s', i * 311), now()
                  FROM generate_series(1, 100) i;
                UPDATE customers SET note = repeat('u', \(round) * 1021) WHERE id % 30 = \(round);
                """)
        }
        #expect(eventually(timeout: .seconds(60)) { try shop.differences().isEmpty })
        weir.signal(SIGTERM)
        #expect(try weir.waitForExit() == .status(0))
        #expect(!weir.errorLines.joined().contains(Self.password))
    }

    @Test func everyRowArrivesOverTheServersOwnTLS() throws {
        let shop = try Shop([.postgres], server: server())
        try encrypt(shop, "sslmode=verify-full&channel_binding=require&sslrootcert=\(certificate.file)")
        // Nobody gets in over TCP otherwise: the server would not take a connection in the clear.
        try shop.server.requireTLS()
        try follow(shop)
    }

    @Test func everyRowArrivesThroughRecordsOfEverySize() throws {
        let server = try PrivatePostgres.shared()
        let relay = try TLSRelay(to: server.port, certificate: certificate)
        let shop = try Shop([.postgres], server: server, sourcePort: relay.port, targetPort: relay.port)
        try encrypt(shop, "sslmode=verify-full&sslrootcert=\(certificate.file)")
        try follow(shop)
    }

    @Test(
        "what is wrong with TLS is said, with what to do",
        arguments: [
            ("sslmode=verify-full&sslrootcert=OTHER", "certificate verify failed"),
            ("sslmode=verify-full&sslrootcert=/nowhere/ca.pem", "/nowhere/ca.pem"),
        ])
    func refusedCertificates(options: String, expected: String) throws {
        let shop = try Shop([.postgres], server: server())
        let other = try SelfSignedCertificate("other", in: directory)
        try encrypt(shop, options.replacing("OTHER", with: other.file))
        for command in ["run", "check"] {
            // Nothing that passes by itself: it is not tried again and again.
            let result = try shop.weir([command, shop.config], timeout: .seconds(15))
            let said = (result.errors + result.output).joined(separator: "\n")
            #expect(result.exit == .status(1), "\(said)")
            #expect(said.contains(expected) && said.contains("sslrootcert"), "\(said)")
            #expect(!said.contains(Self.password))
        }
    }

    @Test func aServerWithoutTLSIsNamed() throws {
        let shop = try Shop([.postgres])
        try encrypt(shop, "sslmode=require")
        let result = try shop.weir(["run", shop.config], timeout: .seconds(15))
        let said = result.errors.joined(separator: "\n")
        #expect(result.exit == .status(1), "\(said)")
        #expect(said.contains("server does not support SSL") && said.contains("sslmode"), "\(said)")
    }
}
