/// What a prepared statement does to which columns: rows of equal shape share one statement.
struct StatementShape: Hashable, Sendable {
    enum Kind: UInt8, Sendable {
        /// INSERT of the columns in `set`.
        case insert
        /// INSERT of `set` that overwrites the row with the same key.
        case upsert
        /// UPDATE of `set` where the columns in `compare` match.
        case update
        /// DELETE where the columns in `compare` match.
        case delete
        /// DELETE where `compare` matches and INSERT of `set` in one statement; columns in neither the row nor `set`
        /// are taken from the deleted row. For keys that UPDATE may not set.
        case replace
        /// Like `replace`, but the deleted row may be missing and a row with the new key is overwritten.
        case move
        /// Like `move`, but nothing where neither the row nor one with the new key is there: columns that were not sent
        /// could only be made up.
        case moveKnown
        /// UPDATE of `set` where `compare` matches, else INSERT of `set`: where columns that were not sent keep a plain
        /// upsert from working (NOT NULL is checked before the conflict).
        case amend
        /// Only looks whether the row is there.
        case probe

        /// How many there are.
        static let count = Int(Kind.probe.rawValue) + 1
    }

    var kind: Kind
    /// Columns written, as indexes into the relation.
    var set = ColumnSet()
    /// Columns whose value finds the row.
    var compare = ColumnSet()
    /// Columns of `compare` that are NULL in this row: no parameter, but IS NULL.
    var nulls = ColumnSet()
    /// Columns of the row that were not sent because they did not change: carried over by `replace` and `move`.
    var carried = ColumnSet()
}

/// A relation's columns as a target table has them: all that statements are made of.
struct TableLayout: Sendable {
    struct Column: Sendable {
        /// The quoted name.
        var sql: String
        /// The target column's type.
        var typeOID: UInt32
        var equality: Equality
        /// Weir writes it: not computed by the target.
        var isWritten = true
        /// GENERATED ALWAYS AS IDENTITY: UPDATE may not set it.
        var isAlwaysIdentity = false
    }

    /// The quoted, qualified name.
    var table: String
    var columns: [Column]
    /// Columns that find a row; all comparable ones when the row has no key.
    var compare: [Int]
    /// `compare` is a key: at most one row matches.
    var isKeyed: Bool
    /// Columns of the unique index that decides what an upsert overwrites; empty when there is none.
    var conflict: [Int]
    /// The target is partitioned: a row's place is its partition and its ctid.
    var isPartitioned = false
    /// Tables inherit from the target: their rows are not this table's.
    var hasHeirs = false
    /// Quoted names of columns that only the target has: `replace` keeps their values.
    var extra: [String] = []

    /// The table as FROM, UPDATE, DELETE and TRUNCATE have to name it: without the rows of tables that inherit.
    var ownRows: String { hasHeirs ? "ONLY \(table)" : table }

    /// All columns Weir writes.
    var written: ColumnSet { ColumnSet(columns.indices.filter { columns[$0].isWritten }) }
}

/// A statement's text, the types of its parameters, and the cells that go into them.
struct StatementText: Sendable, Equatable {
    var sql: String
    var types: [UInt32]
    /// Relation columns whose new cells are the first parameters.
    var newCells: [Int]
    /// Relation columns whose old (or, without an old tuple, new) cells are the rest.
    var keyCells: [Int]

    /// OID of `text`: for comparisons by text form.
    private static let textOID: UInt32 = 25

    init(_ shape: StatementShape, _ layout: TableLayout) {
        newCells = shape.set.columns
        keyCells = shape.compare.columns.filter { !shape.nulls.contains($0) }
        types = newCells.map { layout.columns[$0].typeOID }
        types += keyCells.map { column in
            if case .text = layout.columns[column].equality { return Self.textOID }
            return layout.columns[column].typeOID
        }
        let parts = Parts(shape: shape, layout: layout, newCells: newCells, keyCells: keyCells)
        switch shape.kind {
        case .insert: sql = parts.insert()
        case .upsert: sql = parts.insert() + parts.onConflict()
        case .update: sql = parts.update()
        case .delete: sql = parts.delete()
        case .replace: sql = parts.replace()
        case .move: sql = parts.replace() + parts.onConflict()
        case .moveKnown: sql = parts.replace() + parts.whereKnown() + parts.onConflict()
        case .amend: sql = parts.amend()
        case .probe:
            let limit = layout.isKeyed ? "" : " LIMIT 1"
            sql = "SELECT 1 FROM \(layout.ownRows) WHERE \(parts.condition())\(limit)"
        }
    }
}

extension StatementText {
    /// INSERT of all rows of another table with these columns, overwriting rows with the same key.
    static func merge(_ source: String, _ columns: [Int], _ layout: TableLayout) -> String {
        let shape = StatementShape(kind: .upsert, set: ColumnSet(columns))
        let parts = Parts(shape: shape, layout: layout, newCells: columns, keyCells: [])
        let names = columns.map { layout.columns[$0].sql }.joined(separator: ", ")
        // The condition keeps ON CONFLICT from being read as part of a join.
        return "INSERT INTO \(layout.table) (\(names)) OVERRIDING SYSTEM VALUE SELECT \(names) FROM \(source) "
            + "WHERE true" + parts.onConflict()
    }
}

/// The pieces a statement is put together from.
private struct Parts {
    let shape: StatementShape
    let layout: TableLayout
    let newCells: [Int]
    let keyCells: [Int]

    private func name(_ column: Int) -> String { layout.columns[column].sql }

    private func list(_ columns: [Int]) -> String { columns.map { name($0) }.joined(separator: ", ") }

    private func parameters(_ columns: [Int]) -> String {
        columns.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
    }

    func insert() -> String {
        guard !newCells.isEmpty else { return "INSERT INTO \(layout.table) DEFAULT VALUES" }
        return
            "INSERT INTO \(layout.table) (\(list(newCells))) OVERRIDING SYSTEM VALUE VALUES (\(parameters(newCells)))"
    }

    func onConflict() -> String {
        guard !layout.conflict.isEmpty else { return "" }
        let keys = Set(layout.conflict)
        let assignments = newCells.filter { !keys.contains($0) && !layout.columns[$0].isAlwaysIdentity }
            .map { "\(name($0)) = EXCLUDED.\(name($0))" }
        let target = " ON CONFLICT (\(list(layout.conflict))) DO "
        if assignments.isEmpty, shape.kind == .moveKnown, let key = layout.conflict.first {
            // A row that is there has to be counted.
            return target + "UPDATE SET \(name(key)) = EXCLUDED.\(name(key))"
        }
        guard !assignments.isEmpty else { return target + "NOTHING" }
        return target + "UPDATE SET " + assignments.joined(separator: ", ")
    }

    func update() -> String {
        let assignments = newCells.enumerated()
            .filter { shape.kind == .update || !layout.columns[$1].isAlwaysIdentity }
            .map { "\(name($1)) = $\($0 + 1)" }.joined(separator: ", ")
        return place("UPDATE \(layout.ownRows) SET \(assignments)", joining: "FROM")
    }

    func delete() -> String { place("DELETE FROM \(layout.ownRows)", joining: "USING") }

    /// The statement with its condition. Without a key several rows may match: one of them is chosen by its place.
    private func place(_ statement: String, joining word: String) -> String {
        guard !layout.isKeyed else { return "\(statement) WHERE \(condition())" }
        if layout.isPartitioned {
            return "WITH weir_row AS MATERIALIZED (\(choice("tableoid AS part, ctid AS place"))) \(statement) "
                + "\(word) weir_row WHERE \(layout.table).tableoid = weir_row.part "
                + "AND \(layout.table).ctid = weir_row.place"
        }
        return "\(statement) WHERE ctid = (\(choice("ctid")))"
    }

    /// One row that matches. Among equal rows, one whose text forms are the same comes first.
    private func choice(_ columns: String) -> String {
        var sql = "SELECT \(columns) FROM \(layout.ownRows)"
        let condition = condition()
        if !condition.isEmpty { sql += " WHERE \(condition)" }
        let exact = keyCells.enumerated().compactMap { index, column -> String? in
            guard case .native(_, coarse: true) = layout.columns[column].equality else { return nil }
            return "\(name(column))::text = $\(newCells.count + index + 1)::text"
        }
        if !exact.isEmpty { sql += " ORDER BY (\(exact.joined(separator: " AND "))) DESC" }
        return sql + " LIMIT 1"
    }

    func condition() -> String {
        var terms = keyCells.enumerated().map { index, column in
            let parameter = "$\(newCells.count + index + 1)"
            switch layout.columns[column].equality {
            case .native(let equals, _): return "\(name(column)) \(equals) \(parameter)"
            case .text: return "\(name(column))::text = \(parameter)"
            }
        }
        terms += shape.compare.columns.filter { shape.nulls.contains($0) }.map { "\(name($0)) IS NULL" }
        return terms.joined(separator: " AND ")
    }

    func replace() -> String {
        let fromDeleted = shape.kind == .replace
        let carried = shape.carried.columns.map { name($0) } + (fromDeleted ? layout.extra : [])
        let values =
            newCells.indices.map { "$\($0 + 1)" }
            + carried.map { column in
                fromDeleted ? "weir_row.\(column)" : "(SELECT weir_row.\(column) FROM weir_row)"
            }
        let columns = (newCells.map { name($0) } + carried).joined(separator: ", ")
        // Where no row was deleted, `replace` inserts none either: the statement's count tells.
        return "WITH weir_row AS (\(delete()) RETURNING *) INSERT INTO \(layout.table) (\(columns)) "
            + "OVERRIDING SYSTEM VALUE SELECT \(values.joined(separator: ", "))" + (fromDeleted ? " FROM weir_row" : "")
    }

    func whereKnown() -> String {
        let keys = layout.conflict.compactMap { column -> String? in
            guard let index = newCells.firstIndex(of: column) else { return nil }
            return match(column, "$\(index + 1)")
        }
        return " WHERE EXISTS (SELECT FROM weir_row) OR EXISTS (SELECT FROM \(layout.ownRows) WHERE "
            + keys.joined(separator: " AND ") + ")"
    }

    private func match(_ column: Int, _ parameter: String) -> String {
        switch layout.columns[column].equality {
        case .native(let equals, _): "\(name(column)) \(equals) \(parameter)"
        case .text: "\(name(column))::text = \(parameter)::text"
        }
    }

    func amend() -> String {
        "WITH weir_row AS (\(update()) RETURNING 1) INSERT INTO \(layout.table) (\(list(newCells))) "
            + "OVERRIDING SYSTEM VALUE SELECT \(parameters(newCells)) WHERE NOT EXISTS (SELECT FROM weir_row)"
    }
}
