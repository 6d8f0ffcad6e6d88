import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSink

/// Random transactions, written down as SQL for the source and as batches for the target.
private struct RandomWorkload {
    enum Table: CaseIterable {
        case keyed, whole, keyless
        var name: String { "\(self)" }
    }

    /// A table's rows as the source holds them.
    private var rows: [Table: [[String?]]] = [:]
    private var nextID = 1
    private var random: SeededGenerator
    let relations: [Table: Relation]

    static let definitions = Table.allCases.map { table in
        "CREATE TABLE \(table.name) (id int\(table == .keyless ? "" : " PRIMARY KEY"), "
            + "a text, n numeric, j json)"
    }.joined(separator: ";")

    init(seed: UInt64, relations: [Table: Relation]) {
        random = SeededGenerator(seed: seed)
        self.relations = relations
    }

    private mutating func value(_ column: Int) -> String? {
        if Int.random(in: 0..<4, using: &random) == 0 { return nil }
        switch column {
        case 1: return ["", "x", "\\N", "a\tb", "it's", "\\."][Int.random(in: 0..<6, using: &random)]
        case 2: return ["1", "1.0", "1.00", "NaN", "-5"][Int.random(in: 0..<5, using: &random)]
        default: return ["{}", "{ }", "[1]"][Int.random(in: 0..<3, using: &random)]
        }
    }

    private mutating func row(id: Int) -> [String?] { ["\(id)", value(1), value(2), value(3)] }

    private static func literal(_ value: String?) -> String { value.map { quotedLiteral($0) } ?? "NULL" }

    /// A transaction's changes: into the batch, and the same as SQL.
    mutating func transaction(_ batch: inout TestBatch) -> String {
        var sql: [String] = []
        for _ in 0..<Int.random(in: 0...12, using: &random) {
            let table = Table.allCases[Int.random(in: 0..<3, using: &random)]
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<3: run(of: table, &batch, &sql)
            case 3..<10: insert(into: table, &batch, &sql)
            case 10..<16: update(table, &batch, &sql)
            case 16..<19: delete(from: table, &batch, &sql)
            default: truncate(table, &batch, &sql)
            }
        }
        return sql.joined(separator: ";")
    }

    private mutating func run(of table: Table, _ batch: inout TestBatch, _ sql: inout [String]) {
        for _ in 0..<Int.random(in: 3...9, using: &random) { insert(into: table, &batch, &sql) }
    }

    private mutating func insert(into table: Table, _ batch: inout TestBatch, _ sql: inout [String]) {
        // Rows without a key repeat now and then.
        var id = nextID
        if table == .keyless { id = Int.random(in: 1...4, using: &random) } else { nextID += 1 }
        let new = row(id: id)
        rows[table, default: []].append(new)
        sql.append("INSERT INTO \(table.name) VALUES (\(new.map(Self.literal).joined(separator: ", ")))")
        if let relation = relations[table] { batch.insert(relation, new.map(Self.cell)) }
    }

    private static func cell(_ value: String?) -> TestValue { value.map { .text($0) } ?? .null }

    /// Finds the row on the source: by its text, and one of several by its place.
    private static func place(_ table: Table, _ old: [String?]) -> String {
        let columns = ["id", "a", "n", "j"]
        let terms = zip(columns, old).map { "\($0)::text IS NOT DISTINCT FROM \(literal($1))" }
        return "ctid = (SELECT ctid FROM \(table.name) WHERE \(terms.joined(separator: " AND ")) LIMIT 1)"
    }

    private mutating func update(_ table: Table, _ batch: inout TestBatch, _ sql: inout [String]) {
        guard let count = rows[table]?.count, count > 0, let relation = relations[table] else { return }
        let index = Int.random(in: 0..<count, using: &random)
        guard let old = rows[table]?[index] else { return }
        var new = old
        for column in 1..<4 where Bool.random(using: &random) { new[column] = value(column) }
        let changesKey = table != .keyless && Int.random(in: 0..<5, using: &random) == 0
        if changesKey {
            new[0] = "\(nextID)"
            nextID += 1
        }
        rows[table]?[index] = new
        let assignments = zip(["id", "a", "n", "j"], new).map { "\($0) = \(Self.literal($1))" }
        sql.append("UPDATE \(table.name) SET \(assignments.joined(separator: ", ")) WHERE \(Self.place(table, old))")
        // What did not change may come as unchanged, as TOASTed values do.
        var cells = new.map(Self.cell)
        if new[1] == old[1], old[1] != nil, Bool.random(using: &random) { cells[1] = .unchanged }
        if table == .keyed {
            batch.update(relation, cells, key: changesKey ? [Self.cell(old[0]), nil, nil, nil] : nil)
        } else {
            batch.update(relation, cells, full: old.map(Self.cell))
        }
    }

    private mutating func delete(from table: Table, _ batch: inout TestBatch, _ sql: inout [String]) {
        guard let count = rows[table]?.count, count > 0, let relation = relations[table] else { return }
        let index = Int.random(in: 0..<count, using: &random)
        guard let old = rows[table]?.remove(at: index) else { return }
        sql.append("DELETE FROM \(table.name) WHERE \(Self.place(table, old))")
        if table == .keyed {
            batch.delete(relation, key: [Self.cell(old[0]), nil, nil, nil])
        } else {
            batch.delete(relation, full: old.map(Self.cell))
        }
    }

    private mutating func truncate(_ table: Table, _ batch: inout TestBatch, _ sql: inout [String]) {
        rows[table] = []
        sql.append("TRUNCATE \(table.name)")
        if let relation = relations[table] { batch.truncate([relation]) }
    }
}

@Suite("Property: batched = row by row = source", .tags(.integration), .needsPostgres)
struct PropertyTests {
    private func contents(_ connection: TestConnection) throws -> [String] {
        try RandomWorkload.Table.allCases.flatMap { table in
            try connection.query(
                "SELECT id, a, n::text, j::text FROM \(table.name) ORDER BY id, a, n::text, j::text"
            ).map { row in "\(table.name) " + row.map { $0 ?? "~" }.joined(separator: "|") }
        }
    }

    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func randomTransactionsArrive(seed: UInt64) throws {
        let source = try Target(RandomWorkload.definitions)
        let targets = try (0..<3).map { _ in try Target(RandomWorkload.definitions) }
        let relations: [RandomWorkload.Table: Relation] = [
            .keyed: try source.relation("keyed"), .whole: try source.relation("whole", identity: .full),
            .keyless: try source.relation("keyless"),
        ]
        var random = SeededGenerator(seed: seed &+ 1000)
        // Row by row; grouped with COPY; grouped under tight limits in another mode.
        let drivers = [
            try SinkDriver(targets[0].settings { $0.copyRowsMin = .max }),
            try SinkDriver(
                targets[1].settings {
                    $0.copyRowsMin = 3
                    $0.group.ageMax = .seconds(60)
                }),
            try SinkDriver(
                targets[2].settings {
                    $0.copyRowsMin = 2
                    $0.onMissingRow = .insert
                    $0.group = GroupLimits(rowsMax: 10)
                }),
        ]
        var workload = RandomWorkload(seed: seed, relations: relations)
        var batch = TestBatch()
        var commit: UInt64 = 100
        for _ in 0..<40 {
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                batch.begin(commit)
                try source.exec(workload.transaction(&batch))
                // Now and then a batch ends inside a transaction.
                if Int.random(in: 0..<4, using: &random) == 0 { try write(batch.seal(), drivers, &random) }
                batch.commit()
                commit += 100
            }
            try write(batch.seal(), drivers, &random)
        }
        let expected = try contents(source.connection)
        for (target, driver) in zip(targets, drivers) {
            try driver.flush()
            #expect(driver.durable == driver.written)
            #expect(try contents(target.connection) == expected)
        }
    }

    private func write(_ batch: ChangeBatch, _ drivers: [SinkDriver], _ random: inout SeededGenerator) throws {
        for (index, driver) in drivers.enumerated() {
            try driver.write(batch, moreFollows: index > 0 && Bool.random(using: &random))
        }
    }
}
