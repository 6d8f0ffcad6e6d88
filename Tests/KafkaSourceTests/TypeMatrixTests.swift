import Foundation
import Testing
import WeirCore
import WeirTestKit

@testable import KafkaSource

/// What Weir writes in any mode of Debezium's options, a replay reads back as the value PostgreSQL had. What a mode
/// loses is written down in `Tests/Fixtures/replay-losses.txt`: nothing else may be lost, and nothing unnoticed.
@Suite("Round trips of every type in every mode", .tags(.integration), .needsPostgres, .timeLimit(.minutes(5)))
struct TypeMatrixTests {
    @Test func nothingIsLostButWhatIsWrittenDown() throws {
        let matrix = try TypeMatrix()
        #expect(matrix.values.count > 450)
        var losses: [String] = []
        for mode in Mode.all {
            let lenient = try self.losses(matrix, mode, isStrict: false)
            let strict = try self.losses(matrix, mode, isStrict: true)
            for loss in lenient {
                losses.append(mode.name + (strict.contains(loss) ? "" : ", not strict") + "\t" + loss)
            }
            for loss in strict where !lenient.contains(loss) { losses.append(mode.name + ", strict\t" + loss) }
        }
        let known = try Self.known()
        let new = losses.filter { !known.contains($0) }
        #expect(new == [], "lost and not written down")
        let mended = known.filter { !losses.contains($0) }
        #expect(mended == [], "written down and not lost")
    }

    /// Column, type, value and what a replay makes of it, between tabs.
    private func losses(_ matrix: TypeMatrix, _ mode: Mode, isStrict: Bool) throws -> [String] {
        var options = mode.options
        options.strict = isStrict
        let trip = RoundTrip(options)
        let values = matrix.values.filter { mode.concerns($0.type) }
        let pairs = values.map { (type: $0.type, left: $0.text, right: trip.back($0.text, $0.type)) }
        return try matrix.differing(pairs).map { index in
            [values[index].column, pairs[index].type.name, pairs[index].left, pairs[index].right]
                .joined(separator: "\t")
        }
    }

    private static func known() throws -> [String] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures/replay-losses.txt")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map(String.init)
            .filter { !$0.hasPrefix("#") }
    }
}

/// A setting of Debezium's options, and the types that it is about.
private struct Mode {
    let name: String
    let options: DebeziumOptions
    /// Nil for all of them.
    let kinds: [ColumnType.Kind]?

    func concerns(_ type: ColumnType) -> Bool {
        guard let kinds else { return true }
        if case .array(let element) = type.kind { return kinds.contains(element.kind) }
        return kinds.contains(type.kind)
    }

    static var all: [Mode] {
        var modes = [Mode(name: "defaults", options: DebeziumOptions(), kinds: nil)]
        func add(_ name: String, _ kinds: [ColumnType.Kind], _ set: (inout DebeziumOptions) -> Void) {
            var options = DebeziumOptions()
            set(&options)
            modes.append(Mode(name: name, options: options, kinds: kinds))
        }
        for mode in DebeziumOptions.DecimalMode.allCases where mode != .precise {
            add("decimal.handling.mode \(mode.rawValue)", [.numeric, .money]) { $0.decimal = mode }
        }
        for mode in DebeziumOptions.TimePrecision.allCases where mode != .adaptive {
            add("time.precision.mode \(mode.rawValue)", [.date, .time, .timestamp]) { $0.timePrecision = mode }
        }
        for mode in DebeziumOptions.BinaryMode.allCases where mode != .bytes {
            add("binary.handling.mode \(mode.rawValue)", [.bytea]) { $0.binary = mode }
        }
        add("interval.handling.mode string", [.interval]) { $0.interval = .string }
        add("hstore.handling.mode map", [.hstore]) { $0.hstore = .map }
        return modes
    }
}

/// One value through the encoder and back.
private struct RoundTrip {
    private let options: DebeziumOptions
    private let encoder: EventEncoder

    init(_ options: DebeziumOptions) {
        self.options = options
        encoder = EventEncoder(settings: EncoderSettings(prefix: "p", debezium: options))
        encoder.begin(SourceDescription(systemIdentifier: 1, database: "d", start: .zero))
    }

    /// The text that a replay makes of a value; what went wrong, in angle brackets, where there is none.
    func back(_ value: String, _ type: ColumnType) -> String {
        let relation = Relation(
            oid: 1, table: TableName(schema: "s", name: "t"),
            columns: [
                Column(name: "id", type: ColumnType(oid: 23, name: "integer", kind: .int4), isIdentity: true),
                Column(name: "v", type: type),
            ], identity: .default, primaryKey: [0])
        var batch = TestBatch()
        batch.begin(16)
        batch.insert(relation, ["1", .text(value)])
        batch.commit()
        var json: [UInt8] = []
        var buffer = ByteBuffer()
        do {
            try encoder.encode(batch.seal(), into: &buffer) { (event, bytes) throws(WeirError) in
                json = Array(bytes.text(event.value.range ?? 0..<0).utf8)
            }
            var tree = JSONTree()
            try tree.read(json)
            guard let after = tree.member("after", of: JSONTree.root), let member = tree.member("v", of: after) else {
                return "<left out>"
            }
            var output: [UInt8] = []
            return switch try TextForm(options).append(member, of: tree, as: type, to: &output) {
            case .text: String(decoding: output, as: UTF8.self)
            case .null: "<null>"
            case .unchanged: "<unchanged>"
            }
        } catch let error as WeirError {
            return "<not written: \(error.message)>"
        } catch {
            return "<not read: \(error)>"
        }
    }
}
