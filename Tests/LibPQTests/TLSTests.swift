import Testing
import WeirCore
import WeirTestKit

@testable import LibPQ

@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(2))) struct TLSTests {
    private let directory: TemporaryDirectory
    private let certificate: SelfSignedCertificate

    init() throws {
        directory = try TemporaryDirectory(forServers: true)
        certificate = try SelfSignedCertificate("server", in: directory)
    }

    private func settings(_ port: Int, _ more: String = "") -> ConnectionSettings {
        ConnectionSettings(
            "host=127.0.0.1 port=\(port) user=postgres dbname=postgres sslmode=verify-full "
                + "sslrootcert=\(certificate.file) \(more)")
    }

    /// What is decrypted and not taken is in no socket: `poll` would say nothing of it.
    @Test func answersArriveThroughRecordsOfEverySize() throws {
        let relay = try TLSRelay(to: try PrivatePostgres.shared().port, certificate: certificate)
        let session = try PGConnection(settings(relay.port))
        for rows in 1...100 {
            let select = "SELECT repeat('x', i * 7919 % 40000) FROM generate_series(1, \(rows % 20)) i"
            let result = try session.query(select, deadline: .now.advanced(by: .seconds(10)))
            #expect(result.rowCount == rows % 20)
            try session.execute(
                "COPY (SELECT repeat('x', i * 7919 % 40000) FROM generate_series(1, \(rows)) i) TO STDOUT")
            var count = 0
            while let row = try session.copyOut(deadline: .now.advanced(by: .seconds(10))) {
                #expect(row.count > 0)
                count += 1
            }
            #expect(count == rows)
        }
    }

    @Test(
        "what passes by itself is told from what somebody has to change",
        arguments: [
            ("connection to server at \"h\", port 1 failed: SSL error: certificate verify failed", true),
            ("connection to server at \"h\", port 1 failed: server does not support SSL, but SSL was required", true),
            (
                "connection to server at \"h\", port 1 failed: server certificate for \"a\" does not match \"h\"",
                true
            ),
            ("connection to server at \"h\", port 1 failed: SSL error: tlsv1 alert unknown ca", true),
            ("connection to server at \"h\", port 1 failed: channel binding required, but SSL not in use", true),
            ("connection to server at \"h\", port 1 failed: SSL SYSCALL error: EOF detected", false),
            ("connection to server at \"h\", port 1 failed: GSSAPI continuation error: Cannot contact any KDC", false),
            ("connection to server at \"certificates\", port 1 failed: Connection refused", false),
            ("connection to server at \"h\", port 1 failed: SSL error: unexpected eof while reading", false),
            ("connection to server at \"h\", port 1 failed: Connection refused\n\tIs the server running?", false),
            (
                """
                connection to server at "h", port 1 failed: SSL error: certificate verify failed
                connection to server at "g", port 1 failed: Connection refused
                """, false
            ),
            ("connection to server at \"h\", port 1 failed: FATAL:  28000: requires a valid client certificate", false),
            ("", false),
        ])
    func refusals(text: String, expected: Bool) {
        #expect(ConnectionSettings.isEncryptionRefusal(connectError: text) == expected)
    }
}
