import Foundation
import PgOutput
import StreamFuzz
import Testing

/// The corpus of `Tests/Fuzz`, which coverage-guided fuzzing has grown, read once more by every run of the tests.
@Suite struct CorpusTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fuzz/Corpus")

    private static func files(_ prefix: String) throws -> [(name: String, bytes: [UInt8])] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path(percentEncoded: false))
        return try names.filter { $0.hasPrefix(prefix) }.sorted().map { name in
            (name, Array(try Data(contentsOf: folder.appending(path: name))))
        }
    }

    @Test func everyInputIsDecodedOrRefused() throws {
        for file in try Self.files("") {
            var check = StreamCheck()
            #expect(throws: Never.self, "\(file.name)") { try check.read(file.bytes) }
        }
    }

    @Test func everyBeginningOfAnInputIsDecodedOrRefused() throws {
        for file in try Self.files("") {
            for count in file.bytes.indices.prefix(400) {
                var check = StreamCheck()
                #expect(throws: Never.self, "\(count) bytes of \(file.name)") {
                    try check.read(Array(file.bytes.prefix(count)))
                }
            }
        }
    }

    @Test func whatTheServerWroteIsAllDecoded() throws {
        let files = try Self.files("recorded-")
        var kinds: [UInt8: Int] = [:]
        for file in files {
            var check = StreamCheck()
            try check.read(file.bytes)
            let refused = check.decodeErrors.map { "\($0)" } + check.streamErrors.map { "\($0)" }
            #expect(refused == [] && check.frameErrors == 0, "\(file.name)")
            kinds.merge(check.decoded) { $0 + $1 }
        }
        #expect(Set(kinds.keys) == Set("BCDIMORTUY".utf8))
        // All rows of the recording, each once.
        let rows = "DITU".utf8.reduce(0) { $0 + (kinds[$1] ?? 0) }
        let recorded = try Recording.load().messages.count { "DITU".utf8.contains($0.bytes[0]) }
        #expect(rows == recorded)
    }

    @Test func theCorpusShowsEveryWayToBeRefused() throws {
        var found: Set<String> = []
        var frames = 0
        for file in try Self.files("made-") {
            var check = StreamCheck()
            try check.read(file.bytes)
            found.formUnion(check.decodeErrors.map { String("\($0)".prefix { $0 != "(" }) })
            found.formUnion(check.streamErrors.map { String("\($0)".prefix { $0 != " " }) })
            frames += check.frameErrors
        }
        let expected: Set<String> = [
            "truncated", "trailing", "unknownMessage", "unknownColumnKind", "unknownTupleKind", "unknownIdentity",
            "unknownFlags", "unterminatedString", "invalidUTF8", "invalidLength", "invalidCount", "Begin", "change",
        ]
        #expect(expected.isSubset(of: found), "missing: \(expected.subtracting(found))")
        #expect(frames == 1)
    }
}
