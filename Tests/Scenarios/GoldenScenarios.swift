import Foundation
import Glibc
import Testing
import WeirTestKit

/// The workload that a real Debezium recorded, run through a real PostgreSQL and the built binary.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(3)))
struct GoldenScenarios {
    /// Where the recording is: beside the tests of the encoder.
    private static func fixture(_ name: String) throws -> String {
        let here = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let file = here.appending(path: "Fixtures/debezium-3.6.3/\(name)")
        return try String(contentsOf: file, encoding: .utf8)
    }

    /// Runs a script statement by statement, as psql would; none of its literals has a semicolon.
    private static func run(_ script: String, _ connection: TestConnection) throws {
        for statement in script.split(separator: ";") {
            let text = statement.trimmingCharacters(in: .whitespacesAndNewlines)
            if !text.isEmpty { try connection.exec(text) }
        }
    }

    @Test(arguments: [
        ("stream-default.jsonl", ""),
        (
            "stream-alternative-modes.jsonl",
            "decimal: string, time.precision: isostring, interval: string, binary: hex, hstore: map, "
                + "transaction.metadata: true, "
        ),
    ])
    func theStreamOfARealDebezium(_ golden: String, _ modes: String) throws {
        let expected = try Self.lines(Self.fixture(golden))
        let shop = try Shop(
            [.stdout], schema: "SELECT 1", sourceExtra: "  snapshot: never",
            extra: "debezium: {\(modes)strict: true, skipped.operations: []}", tables: "[\"zoo.*\"]")
        try Self.run(Self.fixture("setup.sql"), shop.source)
        let weir = try shop.run(["--set", "pipeline=weir", "--set", "source.slot=\(shop.name)"])
        // The slot is active while it is made, too: only the stream is known to see what comes.
        try weir.waitForErrorLine(containing: "streaming")
        try Self.run(Self.fixture("workload.sql"), shop.source)
        try weir.waitForOutputLines(expected.count)
        weir.signal(SIGTERM)
        #expect(try weir.waitForExit() == .status(0))
        let found = Self.lines(weir.outputLines.joined(separator: "\n"))
        #expect(found.count == expected.count)
        for (line, wanted) in zip(found, expected) { #expect(line == wanted) }
    }

    @Test func theSnapshotOfARealDebezium() throws {
        let expected = try Self.lines(Self.fixture("snapshot-default.jsonl"))
        let shop = try Shop(
            [.stdout], schema: "SELECT 1", extra: "debezium: {strict: true, skipped.operations: []}",
            tables: "[\"zoo.*\"]")
        try Self.run(Self.fixture("setup.sql"), shop.source)
        try Self.run(Self.fixture("workload.sql"), shop.source)
        let weir = try shop.run(["--set", "pipeline=weir", "--set", "source.slot=\(shop.name)"])
        try weir.waitForOutputLines(expected.count)
        weir.signal(SIGTERM)
        #expect(try weir.waitForExit() == .status(0))
        let found = Self.lines(weir.outputLines.joined(separator: "\n"))
        #expect(found.count == expected.count)
        for (line, wanted) in zip(found, expected) { #expect(line == wanted) }
    }

    /// Lines without what changes from run to run. How log positions lie between transactions depends on what else the
    /// server logs, so here they only have to be there; the encoder's own golden tests compare them exactly.
    private static func lines(_ text: String) -> [String] {
        var transactions: [String: String] = [:]
        return text.split(separator: "\n").map { line in
            var line = String(line)
            replace(&line, #""ts_(ms|us|ns)":("TS"|\d+)"#) { "\"ts_\($0[1])\":\"TS\"" }
            replace(&line, #"\\"(LSN)?\d+\\""#) { _ in "\\\"LSN\\\"" }
            replace(&line, #""lsn":("LSN\d+"|\d+)"#) { _ in "\"lsn\":\"LSN\"" }
            replace(&line, #""id":"(TX)?(\d+):(LSN)?\d+""#) { match in
                "\"id\":\"\(token(match[2], match[1], &transactions)):LSN\""
            }
            replace(&line, #""txId":("TX(\d+)"|\d+)"#) { match in
                let number = match[1].filter(\.isNumber)
                return "\"txId\":\"\(token(number, match[1].contains("TX") ? "TX" : "", &transactions))\""
            }
            replace(&line, #""headers":\{[^{}]*(\{[^{}]*\}[^{}]*)*\},"value""#) { _ in "\"headers\":{},\"value\"" }
            // Debezium names the collection of a logical message by a Java object's address.
            replace(&line, #""data_collection":"io\.debezium[^"]*""#) { _ in "\"data_collection\":\"message\"" }
            // The recorder decoded the two escapes of a character beyond U+FFFF.
            replace(&line, #"\\u(D[89AB][0-9A-F]{2})\\u(D[C-F][0-9A-F]{2})"#) { match in
                String(decoding: match.dropFirst().compactMap { UInt16($0, radix: 16) }, as: UTF16.self)
            }
            replace(&line, #""version":"[^"]*""#) { _ in "\"version\":\"V\"" }
            replace(&line, #""db":"[^"]*""#) { _ in "\"db\":\"golden\"" }
            return line
        }
    }

    /// `TX1` for the first transaction seen, and so on; a recorded token stands for itself.
    private static func token(_ number: String, _ prefix: String, _ known: inout [String: String]) -> String {
        if prefix == "TX" { return "TX\(number)" }
        if let token = known[number] { return token }
        let token = "TX\(known.count + 1)"
        known[number] = token
        return token
    }

    private static func replace(_ line: inout String, _ pattern: String, _ body: ([String]) -> String) {
        guard let expression = try? NSRegularExpression(pattern: pattern) else { return }
        let matches = expression.matches(in: line, range: NSRange(line.startIndex..., in: line))
        var replaced = line
        for match in matches.reversed() {
            let groups = (0..<match.numberOfRanges).map { index in
                Range(match.range(at: index), in: line).map { String(line[$0]) } ?? ""
            }
            if let range = Range(match.range, in: replaced) { replaced.replaceSubrange(range, with: body(groups)) }
        }
        line = replaced
    }
}
