import Testing
import WeirTestKit

@Suite("TCPProxy", .needsPostgres, .tags(.integration), .timeLimit(.minutes(2)))
struct TCPProxyTests {
    let postgres: PrivatePostgres
    let proxy: TCPProxy

    init() throws {
        postgres = try PrivatePostgres.shared()
        proxy = try TCPProxy(to: postgres.port)
    }

    private func connect() throws -> TestConnection {
        try TestConnection(postgres.url(port: proxy.port) + "?connect_timeout=5")
    }

    @Test func itPassesOnBothWays() throws {
        let long = String(repeating: "x", count: 3_000_000)
        #expect(try connect().value("SELECT reverse($1)", [long]) == long)
        #expect(proxy.waitFor { $0.bytesToServer > 3_000_000 && $0.bytesToClient > 3_000_000 })
        #expect(proxy.waitFor { $0.open == 0 })
    }

    @Test func aResetEndsOpenConnectionsAndTakesNewOnes() throws {
        let connection = try connect()
        proxy.reset()
        #expect(throws: TestKitError.self) { try connection.exec("SELECT 1") }
        #expect(proxy.progress.reset == 1)
        #expect(try connect().value("SELECT 1") == "1")
    }

    @Test func aCutComesAfterExactlySoManyBytes() throws {
        let connection = try connect()
        proxy.cut(after: 10_000, .toClient)
        let before = proxy.progress.bytesToClient
        #expect(throws: TestKitError.self) { try connection.query("SELECT repeat('x', 1000000)") }
        #expect(proxy.progress.bytesToClient - before == 10_000)
        #expect(try connect().value("SELECT 1") == "1")
    }

    @Test func stalledBytesComeAfterResuming() throws {
        let connection = try connect()
        let before = proxy.progress.bytesToServer
        proxy.stall([.toClient])
        let answer = Background { try connection.value("SELECT 42") }
        #expect(proxy.waitFor { $0.bytesToServer > before })
        let stalled = proxy.progress.bytesToClient
        #expect(!proxy.waitFor(timeout: .milliseconds(200)) { $0.bytesToClient > stalled })
        proxy.resume()
        #expect(try answer.value() == "42")
    }

    @Test func itRefusesUntilItResumes() throws {
        proxy.refuse()
        #expect(throws: TestKitError.self) { try connect() }
        #expect(proxy.progress.refused > 0)
        proxy.resume()
        #expect(try connect().value("SELECT 1") == "1")
    }
}
