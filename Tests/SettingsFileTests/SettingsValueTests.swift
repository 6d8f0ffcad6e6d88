import Testing
import WeirCore

@testable import SettingsFile

@Suite struct QuantityTests {
    @Test(
        arguments: [
            ("10s", .seconds(10)), ("500ms", .milliseconds(500)), ("2m", .seconds(120)), ("1h30m", .seconds(5400)),
            ("250us", .microseconds(250)), ("0", .zero), ("1d", .seconds(86_400)),
        ] as [(String, Duration)])
    func durations(text: String, value: Duration) {
        #expect(SettingsQuantities.duration(text) == value)
        #expect(SettingsQuantities.text(value) == text)
    }

    @Test(arguments: [
        "", "10", "s", "10 s", "-1s", "1.5s", "10S", "1m1h", "1s1s", "99999999999999999999s", "200000000000h", "٣s",
    ])
    func notDurations(text: String) {
        #expect(SettingsQuantities.duration(text) == nil)
    }

    @Test(
        arguments: [
            ("64MiB", 64 << 20), ("10GB", 10_000_000_000), ("1kB", 1_000), ("7B", 7), ("3TiB", 3 << 40),
        ] as [(String, Int)])
    func sizes(text: String, value: Int) {
        #expect(SettingsQuantities.bytes(text) == value)
        #expect(SettingsQuantities.text(bytes: value) == text)
    }

    @Test(arguments: ["", "MiB", "1.5GiB", "-1B", "1QB", "9999999999TiB", "1  MiB"])
    func notSizes(text: String) {
        #expect(SettingsQuantities.bytes(text) == nil)
    }

    @Test func sizesAreLenientInWriting() {
        #expect(SettingsQuantities.bytes("1048576") == 1 << 20)
        #expect(SettingsQuantities.bytes("64 mib") == 64 << 20)
    }
}

@Suite struct NearestNameTests {
    @Test(
        arguments: [
            ("broker", "brokers"), ("snapshoot", "snapshot"), ("tabels", "tables"), ("URL", "url"), ("zzz", nil),
            ("x", nil),
        ] as [(String, String?)])
    func nearest(name: String, expected: String?) {
        #expect(NearestName.of(name, in: ["brokers", "snapshot", "tables", "url"]) == expected)
    }
}

@Suite struct ConnectionStringSecretTests {
    @Test(
        arguments: [
            ("postgresql://u:pw@h/db", "postgresql://u:***@h/db", ["pw"]),
            (
                "postgres://u:p%40w@h:1,g:2/db?sslmode=require&password=q%21x&user=v",
                "postgres://u:***@h:1,g:2/db?sslmode=require&password=***&user=v", ["p%40w", "p@w", "q%21x", "q!x"]
            ),
            ("postgresql://u@h/db", "postgresql://u@h/db", []),
            ("postgresql://h:5432/db?sslpassword=k", "postgresql://h:5432/db?sslpassword=***", ["k"]),
            ("postgresql://u:a/b@c@h/db?x=@", "postgresql://u:***@h/db?x=@", ["a/b@c"]),
            ("host=h password=pw user=u", "host=h password=*** user=u", ["pw"]),
            ("host=h password = 'p \\'w' user=u", "host=h password = *** user=u", ["'p \\'w'", "p 'w"]),
            ("host=h PASSWORD=a\\ b dbname=d", "host=h PASSWORD=*** dbname=d", ["a\\ b", "a b"]),
            ("password='open", "password=***", ["'open", "open"]),
            ("password=", "password=***", []),
            ("mydb", "mydb", []),
        ] as [(String, String, [String])])
    func passwordsAreFoundAndHidden(text: String, shown: String, passwords: [String]) {
        #expect(ConnectionStringSecrets.redacted(text) == shown)
        #expect(ConnectionStringSecrets.passwords(in: text) == passwords)
    }

    @Test func redactorHidesLongestFirst() {
        let redactor = Redactor(secrets: ["hunter", "hunter22", "abc"])
        #expect(redactor.redact("x hunter22 hunter abc") == "x *** *** abc")
    }
}
