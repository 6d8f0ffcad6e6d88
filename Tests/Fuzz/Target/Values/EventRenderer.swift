import WeirCore

/// Renders one value as a sink would: in an event.
struct EventRenderer {
    private let settings: EncoderSettings

    /// PostgreSQL's values with nothing lost.
    static let flat = EventRenderer(settings: EncoderSettings(prefix: "fuzz", format: .flat))

    /// One of the ways to render that the settings of a sink allow.
    init(choice: UInt8) {
        var options = DebeziumOptions()
        func pick<Mode: CaseIterable>(_ shift: UInt8) -> Mode where Mode.AllCases == [Mode] {
            Mode.allCases[Int(choice >> shift) % Mode.allCases.count]
        }
        options.strict = choice & 1 == 1
        options.decimal = pick(1)
        options.timePrecision = pick(1)
        options.interval = pick(1)
        options.binary = pick(1)
        options.hstore = pick(1)
        self.init(
            settings: EncoderSettings(prefix: "fuzz", format: choice & 2 == 0 ? .flat : .debezium, debezium: options))
    }

    private init(settings: EncoderSettings) { self.settings = settings }

    /// The JSON of a value; nil when it is refused. Throws anything else that goes wrong.
    func json(_ text: [UInt8], _ type: ColumnType) throws(WeirError) -> [UInt8]? {
        let relation = Relation(
            oid: 1, table: TableName(schema: "s", name: "t"), columns: [Column(name: "v", type: type)],
            identity: .default)
        var builder = BatchBuilder()
        builder.begin(
            TransactionInfo(
                xid: 1, commitLSN: LSN(100), previousEndLSN: nil, commitTime: 0, rows: 0..<0, begins: true, ends: false)
        )
        let cells = builder.cellCount
        builder.appendText(text)
        builder.addRow(.insert, relation: relation, lsn: LSN(90), cells: cells)
        builder.commit(endLSN: LSN(110))
        let encoder = EventEncoder(settings: settings, clock: { 0 })
        encoder.begin(SourceDescription(systemIdentifier: 1, database: "d", start: .zero))
        var buffer = ByteBuffer(capacity: 512)
        var value: [UInt8]?
        do throws(WeirError) {
            try encoder.encode(builder.seal(at: 0), into: &buffer) { (event, bytes) throws(WeirError) in
                if let range = event.value.range { value = Array(bytes.text(range).utf8) }
            }
        } catch {
            guard error.code == .valueRejected else { throw error }
            return nil
        }
        guard let value, let root = try? JSONValue(value) else {
            // Whoever reads this sees that it is no JSON.
            return value ?? []
        }
        return member(root).map { Array($0.utf8) }
    }

    private func member(_ root: JSONValue) -> String? {
        let row = settings.format == .flat ? root : root["after"] ?? .null
        return row["v"].map { PostgresText.json($0) } ?? "null"
    }
}
