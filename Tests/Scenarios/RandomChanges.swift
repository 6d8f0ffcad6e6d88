import WeirTestKit

/// A table that changes, as SQL: what a seed decides.
struct RandomChanges {
    static let setup = """
        CREATE TYPE mood AS ENUM ('sad', 'happy');
        CREATE DOMAIN price AS int CHECK (VALUE >= 0);
        CREATE TABLE t (id int CONSTRAINT pk PRIMARY KEY, k int NOT NULL DEFAULT 0, a text, b int NOT NULL DEFAULT 3);
        INSERT INTO t SELECT i, 0, 'row ' || i, i FROM generate_series(1, 10) i
        """

    private enum Kind { case text, number, mood, price, identity, generated }

    private struct Field {
        var name: String
        var kind: Kind
        var type: String
        var isNotNull = false
        /// What a generated column is computed from.
        var origin = ""
    }

    var random: SeededGenerator
    private(set) var history: [String] = []
    private var table = "t"
    private var fields = [
        Field(name: "a", kind: .text, type: "text"), Field(name: "b", kind: .number, type: "int", isNotNull: true),
    ]
    private var labels = ["sad", "happy"]
    private var keyIsWide = false
    private var names = 0
    private var rows = 10

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    /// The next change: a statement, or several in one transaction, each with a row behind it.
    mutating func statement() -> String {
        let count = Int.random(in: 0..<4, using: &random) == 0 ? 4 : 1
        let statement = (0..<count).map { _ in "\(change()); \(row())" }.joined(separator: "; ")
        history.append(statement)
        return statement
    }

    /// A row that shows the last change.
    mutating func lastRow() -> String { insert(nil) }

    // MARK: - Rows

    private mutating func row() -> String {
        let field = fields.filter { $0.kind != .generated }.randomElement(using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return "DELETE FROM \(table) WHERE id = \(Int.random(in: 1...rows, using: &random))"
        case 1:
            guard let field else { return insert(nil) }
            let value = value(field)
            return
                "UPDATE \(table) SET \(field.name) = \(value) WHERE id % 3 = \(Int.random(in: 0..<3, using: &random))"
        default: return insert(field)
        }
    }

    /// A row with a value of every column that needs one, and of this one.
    private mutating func insert(_ field: Field?) -> String {
        rows += 1
        let written = fields.filter { $0.isNotNull || $0.name == field?.name }
        let columns = ["id"] + written.map(\.name)
        let values = ["\(rows)"] + written.map { value($0) }
        return "INSERT INTO \(table) (\(columns.joined(separator: ", "))) VALUES (\(values.joined(separator: ", ")))"
    }

    private mutating func value(_ field: Field) -> String {
        switch field.kind {
        case .text: "'v\(rows)'"
        case .number, .price, .identity: "\(rows % 100)"
        case .generated: "DEFAULT"
        case .mood: "'\(labels[Int.random(in: 0..<labels.count, using: &random)])'"
        }
    }

    // MARK: - Changes

    private mutating func fresh() -> String {
        names += 1
        return ["c\(names)", "\"C \(names)\"", "d\(names)"][names % 3]
    }

    private mutating func change() -> String {
        let place = fields.indices.randomElement(using: &random)
        switch Int.random(in: 0..<19, using: &random) {
        case 16, 17: return place.flatMap { generate(from: $0) } ?? nothing
        case 18: return place.flatMap { keepGenerated($0) } ?? nothing
        case 0, 1, 2: return add(fresh())
        case 3: return place.flatMap { drop($0) } ?? nothing
        case 4, 5: return place.map { rename($0) } ?? nothing
        case 6: return place.flatMap { widen($0) } ?? nothing
        case 7: return place.flatMap { convert($0) } ?? nothing
        case 8: return renameTable()
        case 9:
            guard let place, fields[place].kind != .identity else { return nothing }
            fields[place].isNotNull = false
            return alter(place, "DROP NOT NULL")
        case 10: return place.flatMap { setDefault($0) } ?? nothing
        case 11: return place.flatMap { addAgain($0) } ?? nothing
        case 12: return addLabel()
        case 13: return changeKey()
        case 14: return Int.random(in: 0..<3, using: &random) == 0 ? replaceTable() : nothing
        default: return Int.random(in: 0..<3, using: &random) == 0 ? "TRUNCATE \(table)" : nothing
        }
    }

    private var nothing: String { "ANALYZE \(table)" }

    private func alter(_ place: Int, _ what: String) -> String {
        "ALTER TABLE \(table) ALTER COLUMN \(fields[place].name) \(what)"
    }

    /// A column with no default, one that is the same for all rows, or one that is not.
    private mutating func add(_ name: String) -> String {
        let start = "ALTER TABLE \(table) ADD COLUMN \(name)"
        let rule = Int.random(in: 0..<41, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0:
            fields.append(Field(name: name, kind: .text, type: "text", isNotNull: rule % 4 == 3))
            let rules = ["", " DEFAULT 'new'", " DEFAULT 'a' || 'b'", " NOT NULL DEFAULT 'must'"]
            return "\(start) text" + (rule == 40 ? " DEFAULT md5(random()::text)" : rules[rule % 4])
        case 1:
            fields.append(Field(name: name, kind: .mood, type: "mood"))
            return "\(start) mood" + (rule % 2 == 0 ? "" : " DEFAULT '\(labels[0])'")
        case 2:
            fields.append(Field(name: name, kind: .price, type: "price"))
            return "\(start) price" + (rule % 2 == 0 ? "" : " DEFAULT 4")
        default:
            guard rule < 40 else {
                fields.append(Field(name: name, kind: .identity, type: "smallint"))
                return "\(start) smallint GENERATED BY DEFAULT AS IDENTITY"
            }
            fields.append(Field(name: name, kind: .number, type: "smallint", isNotNull: rule % 4 == 3))
            return "\(start) smallint" + ["", " DEFAULT 9", " DEFAULT 4 + 4", " NOT NULL DEFAULT 8"][rule % 4]
        }
    }

    private mutating func drop(_ place: Int) -> String? {
        guard fields.count > 1 else { return nil }
        let name = fields.remove(at: place).name
        fields.removeAll { $0.origin == name }
        return "ALTER TABLE \(table) DROP COLUMN \(name) CASCADE"
    }

    private mutating func rename(_ place: Int) -> String {
        let old = fields[place].name
        fields[place].name = fresh()
        for other in fields.indices where fields[other].origin == old { fields[other].origin = fields[place].name }
        return "ALTER TABLE \(table) RENAME COLUMN \(old) TO \(fields[place].name)"
    }

    private mutating func widen(_ place: Int) -> String? {
        guard fields[place].kind == .number else { return nil }
        fields[place].type = fields[place].type == "smallint" ? "int" : "bigint"
        return recompute(fields[place].name, alter(place, "TYPE \(fields[place].type)"))
    }

    // MARK: - Generated columns

    private mutating func generate(from place: Int) -> String? {
        guard [.text, .number].contains(fields[place].kind) else { return nil }
        var field = Field(name: fresh(), kind: .generated, type: fields[place].kind == .text ? "text" : "bigint")
        field.origin = fields[place].name
        fields.append(field)
        return generate(field)
    }

    private func generate(_ field: Field) -> String {
        let value = field.type == "text" ? "\(field.origin) || '!'" : "\(field.origin)::bigint * 2"
        return "ALTER TABLE \(table) ADD COLUMN \(field.name) \(field.type) GENERATED ALWAYS AS (\(value)) STORED"
    }

    /// A generated column becomes an ordinary one.
    private mutating func keepGenerated(_ place: Int) -> String? {
        guard fields[place].kind == .generated else { return nil }
        fields[place].kind = fields[place].type == "text" ? .text : .number
        fields[place].origin = ""
        return alter(place, "DROP EXPRESSION")
    }

    /// PostgreSQL does not convert a column that others are computed from.
    private func recompute(_ origin: String, _ change: String) -> String {
        let others = fields.filter { $0.origin == origin }
        let gone = others.map { "ALTER TABLE \(table) DROP COLUMN \($0.name)" }
        return (gone + [change] + others.map { generate($0) }).joined(separator: "; ")
    }

    /// By PostgreSQL's own rules, or by an expression that nobody could guess.
    private mutating func convert(_ place: Int) -> String? {
        let name = fields[place].name
        let plain = "ALTER COLUMN \(name) DROP DEFAULT, ALTER COLUMN \(name)"
        switch fields[place].kind {
        case _ where fields.contains(where: { $0.origin == name }): return nil
        case .number:
            fields[place].kind = .text
            fields[place].type = "text"
            return "ALTER TABLE \(table) \(plain) TYPE text"
        case .text where Int.random(in: 0..<3, using: &random) == 0:
            fields[place].kind = .number
            fields[place].type = "int"
            return "ALTER TABLE \(table) \(plain) TYPE int USING length(\(name))"
        default: return nil
        }
    }

    private mutating func renameTable() -> String {
        let old = table
        names += 1
        table = "t\(names)"
        return "ALTER TABLE \(old) RENAME TO \(table)"
    }

    private mutating func setDefault(_ place: Int) -> String? {
        switch fields[place].kind {
        case .text: alter(place, "SET DEFAULT 'later'")
        case .mood: alter(place, "SET DEFAULT '\(labels[0])'")
        case .price: alter(place, "SET DEFAULT 6")
        case .number where !fields[place].isNotNull: alter(place, "SET DEFAULT 7")
        case .number, .identity, .generated: nil
        }
    }

    /// A column goes or gets another name, and another one has its name at once.
    private mutating func addAgain(_ place: Int) -> String? {
        let name = fields[place].name
        guard Bool.random(using: &random), let first = drop(place) else { return "\(rename(place)); \(add(name))" }
        return "\(first); \(add(name))"
    }

    private mutating func addLabel() -> String {
        names += 1
        let label = "m\(names)"
        guard Bool.random(using: &random) else {
            let next = labels[Int.random(in: 0..<labels.count, using: &random)]
            labels.insert(label, at: labels.firstIndex(of: next) ?? 0)
            // A label cannot be used by the transaction that made it.
            labels.removeAll { $0 == label }
            return "ALTER TYPE mood ADD VALUE '\(label)' BEFORE '\(next)'"
        }
        let place = Int.random(in: 0..<labels.count, using: &random)
        let old = labels[place]
        labels[place] = label
        return "ALTER TYPE mood RENAME VALUE '\(old)' TO '\(label)'"
    }

    private mutating func changeKey() -> String {
        keyIsWide.toggle()
        let columns = keyIsWide ? "id, k" : "id"
        return "ALTER TABLE \(table) DROP CONSTRAINT pk, ADD CONSTRAINT pk PRIMARY KEY (\(columns))"
    }

    private mutating func replaceTable() -> String {
        keyIsWide = false
        fields = [Field(name: "a", kind: .text, type: "text"), Field(name: "e", kind: .mood, type: "mood")]
        return """
            DROP TABLE \(table); CREATE TABLE \(table) (id int CONSTRAINT pk PRIMARY KEY, k int NOT NULL DEFAULT 0,
            a text, e mood)
            """
    }
}
