import Foundation
import Testing

@testable import WeirCore

/// With schemas on, what stands around a payload is what a real Debezium 3.6.3 wrote for the same changes: the schemas
/// of every type in every mode, of keys, messages and transactions. The payloads are the events without schemas, which
/// the other tests hold against Debezium's.
@Suite struct EncodingSchemaTests {
    /// A recorded run: where its changes are, and the options it ran with.
    struct Run: Sendable, CustomTestStringConvertible {
        let name: String
        let folder: String
        var isSnapshot = false
        var settings = EncoderSettings(prefix: "weir", version: "3.6.3.Final")
        var testDescription: String { name }

        init(_ name: String, in folder: String = "", _ change: (inout DebeziumOptions) -> Void = { _ in }) {
            self.name = name
            self.folder = folder
            settings.debezium.strict = true
            settings.debezium.skippedOperations = []
            change(&settings.debezium)
        }

        var snapshot: Run {
            var run = self
            run.isSnapshot = true
            return run
        }

        func batches() throws -> [ChangeBatch] {
            try isSnapshot ? RecordedChanges.snapshot(folder) : RecordedChanges.stream(folder)
        }
    }

    static let runs =
        [
            Run("default"),
            Run("alternative") {
                $0.transactionMetadata = true
                $0.decimal = .string
                $0.timePrecision = .isostring
                $0.interval = .string
                $0.binary = .hex
                $0.hstore = .map
            },
            Run("snapshot").snapshot, Run("types-snapshot", in: "types/").snapshot, Run("keys-default", in: "keys/"),
            keys(),
        ]
        + EncodingTypesTests.runs.map { types in
            Run("types-\(types.name)", in: "types/") { $0 = types.options }
        }

    private static func keys() -> Run {
        var run = Run("keys-metadata", in: "keys/") {
            $0.transactionMetadata = true
            $0.tombstones = false
            $0.binary = .base64
            $0.skippedOperations = [.truncate]
        }
        let choices = [("zoo.by_index", ["a"]), ("zoo.pair_key", ["n", "b"]), ("zoo.full_nopk", ["a"])]
        run.settings.debezium.keyColumns = choices.compactMap { choice in
            (try? TablePattern(choice.0)).map { EventKeyColumns(tables: $0, columns: choice.1) }
        }
        return run
    }

    /// The schemas that were recorded, and for each event of a run those of its key and value (nil for null).
    private struct Recorded {
        let schemas: [String]
        let events: [(key: Int?, value: Int?)]

        init(_ run: String) throws {
            let pieces = try Self.lines("pieces.txt")
            schemas = try Self.lines("schemas.tsv").map { line in
                line.split(separator: "\t").map { pieces[(Int($0) ?? 0) - 1] }.joined()
            }
            events = try Self.lines("\(run).tsv").map { line in
                let numbers = line.split(separator: "\t").map { Int($0) }
                return (numbers[0], numbers[1])
            }
        }

        private static func lines(_ file: String) throws -> [String] { try RecordedChanges.lines("schemas/\(file)") }

        /// What Debezium writes around a payload.
        func wrapped(_ payload: String?, _ number: Int?) -> String? {
            payload.map { "{\"schema\":\(number.map { schemas[$0 - 1] } ?? "none"),\"payload\":\($0)}" }
        }
    }

    private func events(_ run: Run, schemas: Bool) throws -> [EncodingBench.Event] {
        var settings = run.settings
        settings.debezium.keySchemas = schemas
        settings.debezium.valueSchemas = schemas
        let bench = EncodingBench(settings)
        let encoder = bench.makeEncoder()
        return try run.batches().flatMap { try bench.events($0, encoder) }
    }

    @Test(arguments: runs)
    func areThoseOfDebezium(_ run: Run) throws {
        let recorded = try Recorded(run.name)
        let plain = try events(run, schemas: false)
        let wrapped = try events(run, schemas: true)
        // In nanoseconds Debezium fails at the first NOT NULL timestamp of a deleted row.
        let isCut = run.name == "types-nanoseconds"
        #expect(plain.count == wrapped.count && (isCut || plain.count == recorded.events.count))
        var reported: Set<String> = []
        for (place, event) in recorded.events.enumerated() {
            let pairs = [
                (wrapped[place].key, recorded.wrapped(plain[place].key, event.key)),
                (wrapped[place].value, recorded.wrapped(plain[place].value, event.value)),
            ]
            for case (let ours?, let theirs?) in pairs where ours != theirs {
                let difference = around(ours, theirs)
                if reported.insert(difference).inserted { Issue.record("event \(place + 1): \(difference)") }
            }
            #expect((wrapped[place].key == nil) == (event.key == nil) || plain[place].key == nil)
            #expect((wrapped[place].value == nil) == (event.value == nil))
        }
    }

    private func around(_ ours: String, _ theirs: String) -> String {
        let common = zip(ours.utf8, theirs.utf8).prefix { $0 == $1 }.count
        func part(_ text: String) -> String {
            String(decoding: Array(text.utf8).dropFirst(max(common - 80, 0)).prefix(200), as: UTF8.self)
        }
        return "\(part(ours)) is not \(part(theirs))"
    }

    /// Keys, values and headers each have their switch; nothing else about an event changes.
    @Test func eachPartHasItsSwitch() throws {
        func event(_ change: (inout DebeziumOptions) -> Void) throws -> [EncodingBench.Event] {
            var run = Run("keys-default", in: "keys/")
            change(&run.settings.debezium)
            let bench = EncodingBench(run.settings)
            let encoder = bench.makeEncoder()
            return try run.batches().flatMap { try bench.events($0, encoder) }
        }
        let plain = try event { _ in }
        let keys = try event { $0.keySchemas = true }
        let values = try event { $0.valueSchemas = true }
        let headers = try event { $0.headerSchemas = true }
        let place = try #require(plain.firstIndex { $0.headers["__debezium.newkey"] != nil })
        let key = try Recorded("keys-default")
        #expect(keys[place].key == key.wrapped(plain[place].key, key.events[place].key))
        #expect(keys[place].value == plain[place].value && keys[place].headers == plain[place].headers)
        #expect(values[place].value == key.wrapped(plain[place].value, key.events[place].value))
        #expect(values[place].key == plain[place].key && values[place].headers == plain[place].headers)
        #expect(
            headers[place].headers["__debezium.newkey"]
                == key.wrapped(plain[place].headers["__debezium.newkey"], key.events[place].key))
        #expect(headers[place].key == plain[place].key && headers[place].value == plain[place].value)
    }

    @Test func heartbeats() {
        var settings = EncoderSettings(prefix: "weir")
        settings.debezium.keySchemas = true
        settings.debezium.valueSchemas = true
        let encoder = EventEncoder(settings: settings)
        var buffer = ByteBuffer()
        let event = encoder.encodeHeartbeat(at: 1_700_000_000_123, into: &buffer)
        let key = event.key.range.map { buffer.text($0) }
        let value = event.value.range.map { buffer.text($0) }
        #expect(
            key == #"{"schema":{"type":"struct","fields":[{"type":"string","optional":false,"field":"serverName"}],"#
                + #""optional":false,"name":"io.debezium.connector.common.ServerNameKey","version":1},"#
                + #""payload":{"serverName":"weir"}}"#)
        #expect(
            value == #"{"schema":{"type":"struct","fields":[{"type":"int64","optional":false,"field":"ts_ms"}],"#
                + #""optional":false,"name":"io.debezium.connector.common.Heartbeat","version":1},"#
                + #""payload":{"ts_ms":1700000000123}}"#)
    }

    /// Without `strict` the columns that Debezium leaves out have schemas too, and values fit them.
    @Test func columnsThatDebeziumLoses() throws {
        var run = Run("types-default", in: "types/")
        run.settings.debezium.strict = false
        let event = try #require(
            try events(run, schemas: true).first { $0.topic == "weir.zoo.lost" })
        let schema = try #require(event.value)
        #expect(schema.contains(#"{"type":"string","optional":true,"field":"lsn"}"#))
        #expect(
            schema.contains(
                #"{"type":"array","items":{"type":"bytes","optional":true,"#
                    + #""name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}},"#
                    + #""optional":true,"field":"m"}"#))
        #expect(
            schema.contains(
                #"{"type":"array","items":{"type":"int32","optional":true},"optional":true,"field":"dm"}"#))
        #expect(
            schema.contains(
                #"{"type":"array","items":{"type":"int64","optional":true,"name":"io.debezium.time.MicroDuration","#
                    + #""version":1},"optional":true,"field":"iv"}"#))
    }

    /// A value of another shape than its schema's would stop a consumer: it is what Debezium makes of it.
    @Test func valuesFitTheirSchemas() throws {
        var settings = EncoderSettings(prefix: "weir")
        settings.debezium.valueSchemas = true
        let bench = EncodingBench(settings)
        let int4 = ColumnType(oid: 23, name: "integer", kind: .int4)
        let array = ColumnType(oid: 1007, name: "integer[]", kind: .array(int4))
        #expect(try bench.json("{{1,2},{3,4}}", array) == "[null,null]")
        #expect(try bench.json("{1,NULL}", array) == "[1,null]")
        let numeric = ColumnType(oid: 1700, modifier: 4 + (12 << 16 | 2), name: "numeric(12,2)", kind: .numeric)
        #expect(try bench.json("NaN", numeric) == nil)
        let decimals = ColumnType(oid: 1231, name: "numeric[]", kind: .array(numeric))
        for text in ["{1,NaN}", "{{1,2},{3,NaN}}"] { #expect(try bench.json(text, decimals) == "null") }
        settings.debezium.decimal = .string
        let words = EncodingBench(settings)
        #expect(try words.json("{1,NaN}", decimals) == #"["1.00","NaN"]"#)
        #expect(try words.json("{{1,2},{3,4}}", decimals) == "[null,null]")
        // It reads the inner arrays, and stumbles over the word.
        #expect(try words.json("{{1,2},{3,NaN}}", decimals) == "null")
        let timestamp = ColumnType(oid: 1114, name: "timestamp", kind: .timestamp)
        #expect(try bench.json("294276-12-31 23:59:59", timestamp)?.count ?? 0 < 21)
    }
}
