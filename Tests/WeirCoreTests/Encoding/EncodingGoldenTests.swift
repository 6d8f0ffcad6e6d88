import Testing

@testable import WeirCore

/// Recorded changes of a real server, encoded, are what a real Debezium 3.6.3 wrote for the same workload.
@Suite struct EncodingGoldenTests {
    private func settings() -> EncoderSettings {
        var settings = EncoderSettings(prefix: "weir", version: "3.6.3.Final")
        settings.debezium.strict = true
        settings.debezium.skippedOperations = []
        return settings
    }

    @Test(arguments: [Int.max, 1, 2])
    func streamInDefaultModes(rowsMax: Int) throws {
        let lines = try encode(RecordedChanges.stream(rowsMax: rowsMax), settings())
        try compare(lines, "stream-default.jsonl")
    }

    @Test(arguments: [Int.max, 1, 2])
    func streamInAlternativeModes(rowsMax: Int) throws {
        var settings = settings()
        settings.debezium.transactionMetadata = true
        settings.debezium.decimal = .string
        settings.debezium.timePrecision = .isostring
        settings.debezium.interval = .string
        settings.debezium.binary = .hex
        settings.debezium.hstore = .map
        let lines = try encode(RecordedChanges.stream(rowsMax: rowsMax), settings)
        // Debezium prints the identity of a Java object as the name of the messages' collection.
        try compare(lines, "stream-alternative-modes.jsonl") { line in
            line.replacing(/io\.debezium[A-Za-z.$]*@[0-9a-f]+/, with: "message")
        }
    }

    @Test func snapshotInDefaultModes() throws {
        try compare(encode(RecordedChanges.snapshot(), settings()), "snapshot-default.jsonl")
    }

    /// Without `strict`, what Debezium drops is there as PostgreSQL's text, and nothing else differs.
    @Test func whatDebeziumLosesTravelsAsText() throws {
        var lenient = settings()
        lenient.debezium.strict = false
        let strictLines = try encode(RecordedChanges.stream(), settings())
        let lines = try encode(RecordedChanges.stream(), lenient)
        let scalars = lines[0]
        #expect(scalars.contains(#""ci":"CiText","nm":"nm","bt1":true"#))
        #expect(scalars.contains(#""tsv":"'a' 'cat' 'fat'","tsq":"'fat' & 'cat'","pt":"#))
        #expect(scalars.contains(#""lsn":"16/B374D848","comp":"(1,x)"}"#))
        #expect(lines[6].contains(#""i4md":"{{1,2},{3,4}}","t":"#))
        let differing = zip(lines, strictLines).enumerated().filter { $0.element.0 != $0.element.1 }.map(\.offset)
        #expect(differing == [0, 1, 2, 3, 4, 5, 6])
    }

    private func encode(_ batches: [ChangeBatch], _ settings: EncoderSettings) throws -> [String] {
        try GoldenTokens.lines(batches, settings, database: "golden")
    }

    private func compare(_ lines: [String], _ file: String, _ adjust: (String) -> String = { $0 }) throws {
        try GoldenTokens.compare(lines, file, adjust)
    }
}
