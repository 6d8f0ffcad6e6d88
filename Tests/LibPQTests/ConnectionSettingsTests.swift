import Testing
import WeirCore

@testable import LibPQ

@Suite struct ConnectionSettingsTests {
    private func parameters(_ text: String) throws -> [String: String] {
        let list = try ConnectionSettings(text).parameters()
        return Dictionary(list) { $1 }
    }

    @Test func pinsTextFormsAndTimeouts() throws {
        let options = try #require(try parameters("host=h dbname=d")["options"])
        for expected in [
            "-c datestyle=ISO", "-c intervalstyle=postgres", "-c extra_float_digits=3", "-c bytea_output=hex",
            "-c timezone=UTC", "-c search_path=", "-c statement_timeout=0", "-c lock_timeout=0",
            "-c idle_in_transaction_session_timeout=0",
        ] {
            #expect(options.contains(expected))
        }
    }

    @Test func pinnedSettingsComeAfterTheUsersOptions() throws {
        let options = try #require(try parameters("host=h options='-c timezone=Asia/Tokyo'")["options"])
        #expect(options.hasPrefix("-c timezone=Asia/Tokyo "))
        #expect(options.contains("-c timezone=UTC"))
    }

    @Test func theUsersOwnTimeoutsAndNameStay() throws {
        let values = try parameters("postgresql://u@h/d?connect_timeout=3&keepalives_idle=60&application_name=mine")
        #expect(values["connect_timeout"] == nil)
        #expect(values["keepalives_idle"] == nil)
        #expect(values["application_name"] == nil)
        #expect(values["tcp_user_timeout"] == "30000")
    }

    @Test func whiteSpaceInASettingIsEscaped() throws {
        let settings = ConnectionSettings("host=h", sessionSettings: [(name: "search_path", value: "a, b\\c")])
        let options = try #require(Dictionary(try settings.parameters()) { $1 }["options"])
        #expect(options.hasSuffix("-c search_path=a,\\ b\\\\c"))
    }

    @Test(arguments: [
        "postgresql://weir:canary-secret%zz@h/d", "host=h password=canary secret",
        "postgresql://weir:canary-secret@h:x",
        "postgresql://weir@h/d?canary-secret", "postgresql://[canary-secret/d", "canary-secret",
        "postgresql://weir@h/d?canary-secret=1", "host=h password='canary-secret",
    ])
    func malformedStringsAreRefusedWithoutEcho(text: String) {
        var failure: PGError?
        do throws(PGError) {
            let connection = try PGConnection(ConnectionSettings(text, connectTimeoutSeconds: 2))
            _ = connection.serverVersion
        } catch { failure = error }
        #expect(failure?.kind == .settings || failure?.kind == .connection)
        #expect(failure?.description.contains("canary") == false)
        #expect(failure?.description.contains("secret") == false)
    }

    @Test func aNULByteIsRefused() {
        #expect(throws: PGError.self) { try ConnectionSettings("host=h\0 password=x").parameters() }
    }

    @Test func verboseErrorsBecomeOneLineWithTheirState() {
        let text = """
            connection to server at "10.0.0.1", port 5432 failed: FATAL:  57P03: the database system is starting up
            LOCATION:  ProcessStartupPacket, postmaster.c:2399
            connection to server at "10.0.0.2", port 5432 failed: FATAL:  28P01: password authentication failed
            LOCATION:  auth_failed, auth.c:326
            """
        #expect(ConnectionSettings.sqlStates(connectError: text) == ["57P03", "28P01"])
        #expect(
            ConnectionSettings.readable(connectError: text, secrets: [])
                == "connection to server at \"10.0.0.1\", port 5432 failed: FATAL:  the database system "
                + "is starting up; connection to server at \"10.0.0.2\", port 5432 failed: "
                + "FATAL:  password authentication failed"
        )
    }

    @Test func secretsAreMasked() {
        let text = "could not translate host name \"ss@db\" to address; canary-secret"
        let shown = ConnectionSettings.readable(connectError: text, secrets: ["canary-secret"])
        #expect(shown == "could not translate host name \"…\" to address; ***")
    }
}
