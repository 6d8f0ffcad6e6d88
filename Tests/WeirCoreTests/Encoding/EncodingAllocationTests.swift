import AllocationCount
import Testing

@testable import WeirCore

/// Encoding takes memory for a batch, never for a column of a row.
@Suite struct EncodingAllocationTests {
    /// Blocks a row takes when the encoder has met its table and the buffer has its size: what is left when the cost
    /// of the batch is taken away. Without the optimiser closures' contexts are some, whatever the number of columns.
    #if DEBUG
        private static let blocksMax = 4.0
    #else
        private static let blocksMax = 0.0
    #endif

    private static func blocks(_ changes: ChangeBatch, _ settings: EncoderSettings) throws -> Int {
        let encoder = EventEncoder(settings: settings)
        encoder.begin(SourceDescription(systemIdentifier: 1, database: "zoo", start: .zero))
        var buffer = ByteBuffer()
        var bytes = 0
        func encode() throws {
            try encoder.encode(changes, into: &buffer) { event, _ in bytes += event.value.count }
        }
        for _ in 0..<2 { try encode() }
        let before = allocation_count()
        try encode()
        let after = allocation_count()
        #expect(bytes > 0)
        return Int(after - before)
    }

    private static func blocksPerRow(_ rows: [Row], of batch: ChangeBatch, _ settings: EncoderSettings) throws -> Double
    {
        func repeated(_ times: Int) -> ChangeBatch {
            batch.replacing(rows: Array(repeatElement(rows, count: times).joined()))
        }
        let more = try blocks(repeated(42), settings) - blocks(repeated(2), settings)
        return Double(more) / Double(rows.count * 40)
    }

    /// Every type, in the modes of the recordings.
    @Test(arguments: ["", "types/"], EncoderSettings.Format.allCases)
    func aColumnTakesNoMemory(folder: String, format: EncoderSettings.Format) throws {
        var columns = 0
        var settings = EncoderSettings(prefix: "zoo", format: format)
        for mode in DebeziumOptions.TimePrecision.allCases {
            settings.debezium.timePrecision = mode
            for batch in try RecordedChanges.stream(folder) {
                for relation in batch.relations {
                    let rows = batch.rows.filter { batch.relation(of: $0) === relation && $0.operation == .insert }
                    guard !rows.isEmpty else { continue }
                    columns = max(columns, relation.columns.count)
                    let blocks = try Self.blocksPerRow(rows, of: batch, settings)
                    #expect(blocks <= Self.blocksMax, "\(relation.table) with \(relation.columns.count) columns")
                }
            }
        }
        #expect(columns > 30)
    }
}
