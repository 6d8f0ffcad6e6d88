import LibCrypto
import Testing
import WeirCore

@Suite struct SHA256Tests {
    private static func hex(_ value: String, with digest: SHA256) throws -> String {
        var output = [UInt8](repeating: 0xAA, count: 32)
        var span = output.mutableSpan
        let bytes = Array(value.utf8)
        try digest.digest(bytes.span, into: &span)
        return output.map { byte in
            let text = String(byte, radix: 16)
            return byte < 16 ? "0" + text : text
        }.joined()
    }

    /// What `printf '%s%s' SALT VALUE | sha256sum` prints (GNU coreutils 9.1).
    @Test(arguments: [
        ("", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("salt", "a", "c48e22d109fbdc9ea9d09115591b16133717abf8f0faad86b3656f23f0a8de5b"),
        ("pepper", "ann@example.org", "b18264b09ad9f8f63b8cf409616260694bb363cc52019dd27b0da6e84aa4c545"),
        ("pepper", "ž€😀", "dc25436ea1385ebfc08c85b337d8b2a86437980b3931fa58397db041e10f4a93"),
    ])
    func equalsSha256sum(salt: String, value: String, expected: String) throws {
        let digest = try SHA256(salt: Array(salt.utf8))
        #expect(try Self.hex(value, with: digest) == expected)
    }

    @Test func oneContextHashesManyValuesIndependently() throws {
        let digest = try SHA256()
        let million = String(repeating: "a", count: 1_000_000)
        for _ in 0..<3 {
            #expect(
                try Self.hex(million, with: digest)
                    == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
            #expect(
                try Self.hex("abc", with: digest)
                    == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        }
    }

    @Test func theSaltMatters() throws {
        let one = try Self.hex("abc", with: try SHA256(salt: Array("one".utf8)))
        let two = try Self.hex("abc", with: try SHA256(salt: Array("two".utf8)))
        #expect(one != two)
    }

    @Test func onlyTheFirst32BytesOfALongerOutputAreWritten() throws {
        var output = [UInt8](repeating: 0xAA, count: 40)
        var span = output.mutableSpan
        try SHA256().digest([UInt8]("abc".utf8).span, into: &span)
        #expect(output[0] == 0xBA && output[31] == 0xAD)
        #expect(output[32...].allSatisfy { $0 == 0xAA })
    }
}
