import Foundation
import StreamFuzz
import Testing

/// The corpus of values of `Tests/Fuzz`, which coverage-guided fuzzing has grown, read once more by every run of the
/// tests.
@Suite struct ValueCorpusTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fuzz/ValueCorpus")

    private static func files() throws -> [(name: String, bytes: [UInt8])] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path(percentEncoded: false))
        return try names.sorted().map { ($0, Array(try Data(contentsOf: folder.appending(path: $0)))) }
    }

    @Test func everyValueIsRenderedOrRefused() throws {
        var rendered: Set<String> = []
        var refused: Set<String> = []
        for file in try Self.files() {
            var check = ValueCheck()
            #expect(throws: Never.self, "\(file.name)") { try check.read(file.bytes) }
            rendered.formUnion(check.rendered.keys)
            refused.formUnion(check.refused.keys)
        }
        // The corpus says something about each of them.
        for name in [
            "numeric", "interval", "hstore", "timestamp with time zone", "numeric[]", "hstore[]", "numeric scalar",
            "interval scalar", "numeric array", "timestamptz range",
        ] {
            #expect(rendered.contains(name) && refused.contains(name), "\(name)")
        }
    }

    @Test func everyBeginningOfAValueIsRenderedOrRefused() throws {
        // What fuzzing has found is cut short already.
        for file in try Self.files() where file.name.contains("-") {
            for count in file.bytes.indices.dropFirst(3).prefix(12) {
                var check = ValueCheck()
                #expect(throws: Never.self, "\(count) bytes of \(file.name)") {
                    try check.read(Array(file.bytes.prefix(count)))
                }
            }
        }
    }
}
