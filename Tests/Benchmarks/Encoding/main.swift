// CPU time of encoding a row and blocks of memory it takes: swift run -c release encoding-benchmark [seconds]
// The row has the 7 columns and about 200 bytes of the end-to-end benchmark. Counts this thread's CPU time only, so
// that other work on the machine matters little.
import AllocationCount
import Glibc
import WeirCore

func cpuTime() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
    return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
}

func type(_ kind: ColumnType.Kind, _ modifier: Int32 = -1) -> ColumnType {
    ColumnType(oid: 0, modifier: modifier, name: "\(kind)", kind: kind)
}

let relation = Relation(
    oid: 16_400, table: TableName(schema: "public", name: "orders"),
    columns: [
        Column(name: "id", type: type(.int8), isIdentity: true, isNotNull: true),
        Column(name: "customer_id", type: type(.int4), isNotNull: true),
        Column(name: "status", type: type(.text), isNotNull: true),
        Column(name: "amount", type: type(.numeric, (12 << 16 | 2) + 4)),
        Column(name: "note", type: type(.text)),
        Column(name: "created_at", type: type(.timestamptz)),
        Column(name: "updated_at", type: type(.timestamp)),
    ],
    identity: .default, primaryKey: [0])

/// A hundred columns of ten types, without NULLs.
let wideKinds: [(ColumnType, String)] = [
    (type(.int4), "123456"), (type(.int8), "-9007199254740993"), (type(.text), "some words"),
    (type(.numeric, (12 << 16 | 4) + 4), "12345.6789"), (type(.boolean), "t"), (type(.float8), "2.718281828459045"),
    (type(.timestamptz), "2024-06-10 12:34:56.789012+00"), (type(.uuid), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    (type(.date), "2024-06-10"), (type(.array(type(.int4))), "{1,2,3,NULL}"),
]
let wide = Relation(
    oid: 1, table: TableName(schema: "public", name: "wide"),
    columns: (0..<100).map { Column(name: "column_\($0)", type: wideKinds[$0 % 10].0) }, identity: .default,
    primaryKey: [0])
let document = Relation(
    oid: 2, table: TableName(schema: "public", name: "document"),
    columns: [Column(name: "id", type: type(.int4)), Column(name: "body", type: type(.jsonb))], identity: .default,
    primaryKey: [0])
/// 10 KB of jsonb, a quote every dozen bytes.
let body = "{" + (0..<550).map { "\"key_\($0)\": \"v\($0)\"" }.joined(separator: ", ") + "}"

let note = "A remark of the usual length, with a few words, a comma and nothing that JSON would need to escape."

func batch(rows: Int, perTransaction: Int) -> ChangeBatch {
    var builder = BatchBuilder(limits: BatchLimits(bytesMax: 64 << 20, rowsMax: rows))
    for index in 0..<rows {
        let lsn = LSN(UInt64(0x16B_3748 + index * 200))
        if index % perTransaction == 0 {
            builder.begin(
                TransactionInfo(
                    xid: UInt32(700 + index / perTransaction), commitLSN: lsn, previousEndLSN: lsn,
                    commitTime: 1_718_000_000_123_456, rows: 0..<0, begins: true, ends: false))
        }
        let cells = builder.cellCount
        for value in [
            "\(1_000_000 + index)", "\(index * 7919 % 100_000)", "shipped", "1234.56", note,
            "2024-06-10 12:34:56.789012+00", "2024-06-10 12:34:56.789012",
        ] { builder.appendText(value.utf8) }
        builder.addRow(.insert, relation: relation, lsn: lsn, cells: cells)
        if index % perTransaction == perTransaction - 1 { builder.commit(endLSN: LSN(lsn.rawValue + 100)) }
    }
    return builder.seal(at: 0)
}

func batch(of relation: Relation, rows: Int, values: [String]) -> ChangeBatch {
    var builder = BatchBuilder(limits: BatchLimits(bytesMax: 64 << 20, rowsMax: rows))
    builder.begin(
        TransactionInfo(
            xid: 700, commitLSN: LSN(1000), commitTime: 1_718_000_000_123_456, rows: 0..<0, begins: true, ends: false))
    for _ in 0..<rows {
        let cells = builder.cellCount
        for value in values { builder.appendText(value.utf8) }
        builder.addRow(.insert, relation: relation, lsn: LSN(900), cells: cells)
    }
    builder.commit(endLSN: LSN(2000))
    return builder.seal(at: 0)
}

func measure(_ name: String, _ settings: EncoderSettings, _ changes: ChangeBatch, seconds: Double) throws {
    let rows = changes.rows.count
    let encoder = EventEncoder(settings: settings)
    encoder.begin(SourceDescription(systemIdentifier: 7_300_000_000_000_000_001, database: "shop", start: .zero))
    var buffer = ByteBuffer()
    var bytes = 0
    var best = Int64.max
    var blocks = UInt.max
    let end = cpuTime() + Int64(seconds * 1e9)
    while cpuTime() < end {
        bytes = 0
        let (start, blocksBefore) = (cpuTime(), allocation_count())
        try encoder.encode(changes, into: &buffer) { event, _ in bytes += event.key.count + event.value.count }
        best = min(best, cpuTime() - start)
        blocks = min(blocks, allocation_count() - blocksBefore)
    }
    let share = Double(blocks * 1_000 / UInt(rows)) / 1_000
    print("\(name): \(best / Int64(rows)) ns, \(share) blocks a row, \(bytes / rows) bytes of key and value")
}

let seconds = CommandLine.arguments.count > 1 ? Double(CommandLine.arguments[1]) ?? 1 : 1
let debezium = EncoderSettings(prefix: "shop")
let flat = EncoderSettings(prefix: "shop", format: .flat)
var metadata = debezium
metadata.debezium.transactionMetadata = true
try measure("debezium, 1000 rows a transaction", debezium, batch(rows: 4096, perTransaction: 1024), seconds: seconds)
try measure("debezium, one row a transaction", debezium, batch(rows: 4096, perTransaction: 1), seconds: seconds)
try measure("debezium with transaction metadata", metadata, batch(rows: 4096, perTransaction: 16), seconds: seconds)
try measure("flat", flat, batch(rows: 4096, perTransaction: 1024), seconds: seconds)
let wideBatch = batch(of: wide, rows: 512, values: (0..<100).map { wideKinds[$0 % 10].1 })
try measure("debezium, 100 columns of 10 types", debezium, wideBatch, seconds: seconds)
try measure("flat, 100 columns of 10 types", flat, wideBatch, seconds: seconds)
let documents = batch(of: document, rows: 512, values: ["1", body])
try measure("debezium, \(body.utf8.count) bytes of jsonb", debezium, documents, seconds: seconds)
try measure("flat, \(body.utf8.count) bytes of jsonb", flat, documents, seconds: seconds)
