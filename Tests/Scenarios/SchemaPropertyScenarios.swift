import Glibc
import Testing
import WeirTestKit

/// Random changes of definitions and rows, with Weir running, stopped or killed in between: source and target are equal
/// in the end, or Weir has stopped because a change could be read in two ways, and said so.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(15))) struct SchemaPropertyScenarios {
    /// Seeds; `Tests/run.sh --soak N` asks for more.
    static let seeds = 1...(TestEnvironment.variable("WEIR_TEST_SOAK").flatMap { UInt64($0) } ?? 4)

    @Test(arguments: seeds) func theTargetEqualsTheSource(seed: UInt64) throws {
        var changes = RandomChanges(seed: seed)
        let mirror = try Mirror(RandomChanges.setup)
        try mirror.stop(try mirror.stream())
        for _ in 0..<3 {
            // While it is down: what the catalog tells is ahead of the log.
            for _ in 0..<4 { try mirror.source.exec(changes.statement()) }
            let weir = try mirror.stream()
            guard try follows(mirror, weir, seed) else { return }
            // While it runs: one change at a time.
            for _ in 0..<5 {
                try mirror.source.exec(changes.statement())
                guard try follows(mirror, weir, seed) else { return }
            }
            try mirror.source.exec(changes.lastRow())
            guard try follows(mirror, weir, seed) else { return }
            #expect(try mirror.differences(weir) == [], "seed \(seed): \(changes.history)")
            if Bool.random(using: &changes.random) { weir.kill9() } else { try mirror.stop(weir) }
        }
    }

    private func follows(_ mirror: Mirror, _ weir: WeirProcess, _ seed: UInt64) throws -> Bool {
        do {
            try mirror.sync(weir)
            return true
        } catch {
            guard try weir.waitForExit(timeout: .seconds(5)) == .status(1),
                weir.errorLines.contains(where: { $0.contains("two ways") })
            else { throw error }
            return false
        }
    }
}

/// A table that changes, as SQL.
private struct RandomChanges {
    static let setup = """
        CREATE TABLE t (id int PRIMARY KEY, a text, b int NOT NULL DEFAULT 3);
        INSERT INTO t SELECT i, 'row ' || i, i FROM generate_series(1, 10) i
        """

    private struct Field {
        var name: String
        var isText: Bool
        var type: String
        /// A rewrite of the table and another default would hide what older rows were filled with.
        var isConvertible: Bool
    }

    var random: SeededGenerator
    private(set) var history: [String] = []
    private var table = "t"
    private var fields = [
        Field(name: "a", isText: true, type: "text", isConvertible: true),
        Field(name: "b", isText: false, type: "int", isConvertible: true),
    ]
    private var names = 0
    private var rows = 10

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    /// The next change: a statement, or several in one transaction.
    mutating func statement() -> String {
        let count = Int.random(in: 0..<4, using: &random) == 0 ? 4 : 1
        let statement = (0..<count).map { _ in "\(one()); \(row())" }.joined(separator: "; ")
        history.append(statement)
        return statement
    }

    /// A row that shows the last change.
    mutating func lastRow() -> String {
        rows += 1
        return "INSERT INTO \(table) (id) VALUES (\(rows))"
    }

    private mutating func row() -> String {
        let field = fields.randomElement(using: &random)
        let value = field.map { $0.isText ? "'v\(rows)'" : "\(rows % 100)" } ?? "0"
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return "DELETE FROM \(table) WHERE id = \(Int.random(in: 1...rows, using: &random))"
        case 1 where field != nil:
            let field = field ?? fields[0]
            return
                "UPDATE \(table) SET \(field.name) = \(value) WHERE id % 3 = \(Int.random(in: 0..<3, using: &random))"
        default:
            rows += 1
            guard let field else { return "INSERT INTO \(table) (id) VALUES (\(rows))" }
            return "INSERT INTO \(table) (id, \(field.name)) VALUES (\(rows), \(value))"
        }
    }

    private mutating func fresh() -> String {
        names += 1
        return ["c\(names)", "\"C \(names)\"", "d\(names)"][names % 3]
    }

    private mutating func one() -> String {
        let place = fields.indices.randomElement(using: &random)
        switch Int.random(in: 0..<9, using: &random) {
        case 0, 1:
            let isText = Bool.random(using: &random)
            let rule = Int.random(in: 0..<3, using: &random)
            let field = Field(
                name: fresh(), isText: isText, type: isText ? "text" : "smallint", isConvertible: rule == 0)
            fields.append(field)
            let rules = ["", " DEFAULT \(isText ? "'new'" : "9")", " NOT NULL DEFAULT \(isText ? "'must'" : "8")"]
            return "ALTER TABLE \(table) ADD COLUMN \(field.name) \(field.type)\(rules[rule])"
        case 2:
            guard let place, fields.count > 1 else { return "ANALYZE \(table)" }
            return "ALTER TABLE \(table) DROP COLUMN \(fields.remove(at: place).name)"
        case 3, 4:
            guard let place else { return "ANALYZE \(table)" }
            let old = fields[place].name
            fields[place].name = fresh()
            return "ALTER TABLE \(table) RENAME COLUMN \(old) TO \(fields[place].name)"
        case 5:
            guard let place, !fields[place].isText, fields[place].isConvertible else { return "ANALYZE \(table)" }
            let wider = fields[place].type == "smallint" ? "int" : "bigint"
            fields[place].type = wider
            return "ALTER TABLE \(table) ALTER COLUMN \(fields[place].name) TYPE \(wider)"
        case 6:
            guard let place, !fields[place].isText, fields[place].isConvertible else { return "ANALYZE \(table)" }
            fields[place].isText = true
            let alter = "ALTER COLUMN \(fields[place].name)"
            return "ALTER TABLE \(table) \(alter) DROP DEFAULT, \(alter) DROP NOT NULL, \(alter) TYPE text"
        case 7:
            let old = table
            names += 1
            table = "t\(names)"
            return "ALTER TABLE \(old) RENAME TO \(table)"
        default:
            guard let place else { return "ANALYZE \(table)" }
            return "ALTER TABLE \(table) ALTER COLUMN \(fields[place].name) DROP NOT NULL"
        }
    }
}
