@testable import WeirCore

/// Builds batches and collects events as text.
struct EncodingBench {
    var settings: EncoderSettings
    var source = SourceDescription(systemIdentifier: 7_300_000_000_000_000_001, database: "shop", start: .zero)

    init(_ settings: EncoderSettings = EncoderSettings(prefix: "weir")) { self.settings = settings }

    /// An event with its parts as text.
    struct Event: Equatable {
        var role: EncodedEvent.Role
        var topic: String
        var key: String?
        var value: String?
        var headers: [String: String]
    }

    /// The events of a batch. The outer clock stands at 2024-01-02 03:04:05.678901234.
    func events(_ batch: ChangeBatch) throws -> [Event] {
        let encoder = makeEncoder()
        return try events(batch, encoder)
    }

    func makeEncoder() -> EventEncoder {
        let encoder = EventEncoder(settings: settings, clock: { 1_704_164_645_678_901_234 })
        encoder.begin(source)
        return encoder
    }

    func events(_ batch: ChangeBatch, _ encoder: EventEncoder) throws -> [Event] {
        var buffer = ByteBuffer()
        var events: [Event] = []
        try encoder.encode(batch, into: &buffer) { (event, bytes) throws(WeirError) in
            var headers: [String: String] = [:]
            for index in 0..<event.headerCount {
                let header = event.header(index)
                headers["\(header.name.text)"] = header.value.range.map { bytes.text($0) }
            }
            events.append(
                Event(
                    role: event.role, topic: encoder.topics[event.topic], key: event.key.range.map { bytes.text($0) },
                    value: event.value.range.map { bytes.text($0) }, headers: headers))
        }
        return events
    }

    /// The JSON of one value in the place of column `v`; nil when it is refused.
    func json(_ text: String?, _ type: ColumnType) throws -> String? {
        let relation = Relation(
            oid: 1, table: TableName(schema: "s", name: "t"), columns: [Column(name: "v", type: type)],
            identity: .default)
        let batch = EncodingBench.batch { builder in
            let cells = builder.cellCount
            if let text { builder.appendText(text.utf8) } else { builder.appendCell(.null) }
            builder.addRow(.insert, relation: relation, lsn: LSN(100), cells: cells)
        }
        do {
            let value = try events(batch)[0].value ?? ""
            if settings.format == .flat { return String(value.dropFirst(5).dropLast()) }
            let start = value.firstRange(of: "\"after\":{\"v\":")
            let end = value.firstRange(of: "},\"source\":")
            guard let start, let end else { return nil }
            return String(value[start.upperBound..<end.lowerBound])
        } catch let error as WeirError where error.code == .valueRejected {
            return nil
        }
    }

    /// A batch of one transaction.
    static func batch(
        xid: UInt32 = 555, commit: UInt64 = 0x16B_3748, previous: LSN? = LSN(0x16B_3700),
        _ fill: (inout BatchBuilder) -> Void
    ) -> ChangeBatch {
        var builder = BatchBuilder()
        builder.begin(
            TransactionInfo(
                xid: xid, commitLSN: LSN(commit), previousEndLSN: previous, commitTime: 1_559_033_904_863_123,
                rows: 0..<0, begins: true, ends: false))
        fill(&builder)
        builder.commit(endLSN: LSN(commit + 48))
        return builder.seal(at: 0)
    }
}

extension ColumnType {
    static func type(_ kind: Kind, modifier: Int32 = -1) -> ColumnType {
        ColumnType(oid: 0, modifier: modifier, name: "t", kind: kind)
    }
    static let int4 = type(.int4)
    static let text = type(.text)
}
