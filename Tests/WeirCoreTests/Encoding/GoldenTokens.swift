import Testing

@testable import WeirCore

/// Replaces what differs from run to run by tokens in order of first appearance, as in the golden files.
struct GoldenTokens {
    /// The events of batches in the form of the golden files.
    static func lines(_ batches: [ChangeBatch], _ settings: EncoderSettings, database: String) throws -> [String] {
        var bench = EncodingBench(settings)
        bench.source.database = database
        let encoder = bench.makeEncoder()
        var tokens = GoldenTokens()
        return try batches.flatMap { try bench.events($0, encoder) }.map { event in
            tokens.normalise(
                #"{"topic":"\#(event.topic)","key":\#(event.key ?? "null"),"headers":{},"#
                    + #""value":\#(event.value ?? "null")}"#)
        }
    }

    /// Expects lines to be those of a golden file, each of which `adjust` may rewrite.
    static func compare(_ lines: [String], _ file: String, _ adjust: (String) -> String) throws {
        let expected = try RecordedChanges.lines(file).map(adjust)
        for (number, (line, expectedLine)) in zip(lines, expected).enumerated() where line != expectedLine {
            let common = zip(line.utf8, expectedLine.utf8).prefix { $0 == $1 }.count
            func around(_ text: String) -> String {
                String(decoding: Array(text.utf8).dropFirst(max(common - 60, 0)).prefix(160), as: UTF8.self)
            }
            Issue.record("line \(number + 1): \(around(line)) is not \(around(expectedLine))")
        }
        #expect(lines.count == expected.count && expected.count >= 12)
    }

    private var positions: [Substring: Int] = [:]
    private var transactions: [Substring: Int] = [:]

    mutating func normalise(_ line: String) -> String {
        var result = ""
        var rest = line[...]
        let pattern =
            /"(ts_ms|ts_us|ts_ns|lsn|txId)":(\d+)|"sequence":"\[(null|\\"(\d+)\\"),\\"(\d+)\\"\]"|"id":"(\d+):(\d+)"/
        while let match = rest.firstMatch(of: pattern) {
            result += rest[..<match.range.lowerBound]
            let (_, name, number, first, before, own, xid, position) = match.output
            if let name, let number {
                result += "\"\(name)\":\"\(name == "lsn" ? token(position: number) : token(name, number))\""
            } else if let first, let own {
                let previous = before.map { "\\\"\(token(position: $0))\\\"" } ?? String(first)
                result += "\"sequence\":\"[\(previous),\\\"\(token(position: own))\\\"]\""
            } else if let xid, let position {
                let transaction = token("txId", xid)
                result += "\"id\":\"\(transaction):\(token(position: position))\""
            }
            rest = rest[match.range.upperBound...]
        }
        return Self.withWholeCharacters(result + rest)
    }

    /// The recorder of the golden files decoded the two escapes of a character beyond U+FFFF, which Debezium writes.
    private static func withWholeCharacters(_ line: String) -> String {
        line.replacing(/\\u(D[89AB][0-9A-F]{2})\\u(D[C-F][0-9A-F]{2})/) { match in
            let units = [match.output.1, match.output.2].compactMap { UInt16($0, radix: 16) }
            return String(decoding: units, as: UTF16.self)
        }
    }

    private mutating func token(_ name: Substring, _ number: Substring) -> String {
        guard name == "txId" else { return "TS" }
        let place = transactions[number] ?? transactions.count + 1
        transactions[number] = place
        return "TX\(place)"
    }

    private mutating func token(position: Substring) -> String {
        let place = positions[position] ?? positions.count + 1
        positions[position] = place
        return "LSN\(place)"
    }
}
