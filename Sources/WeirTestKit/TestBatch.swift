public import WeirCore

/// A value of a row in a test. `"text"` and `nil` (NULL) are literals.
public enum TestValue: Equatable, Sendable, ExpressibleByStringLiteral, ExpressibleByNilLiteral {
    /// A value in text form.
    case text(String)
    /// A value in binary form.
    case binary([UInt8])
    /// SQL NULL.
    case null
    /// An unchanged TOASTed value.
    case unchanged

    /// A value in text form.
    public init(stringLiteral value: String) { self = .text(value) }
    /// SQL NULL.
    public init(nilLiteral: ()) { self = .null }
}

/// Builds a batch row by row from literals, and reads one back as lines.
public struct TestBatch: ~Copyable {
    private var builder = BatchBuilder()
    private var lsn = LSN(0)

    /// An empty batch.
    public init() {}

    /// Opens a transaction whose commit record is at `commit`.
    public mutating func begin(_ commit: UInt64, xid: UInt32 = 7) {
        lsn = LSN(commit)
        builder.begin(TransactionInfo(xid: xid, commitLSN: lsn, commitTime: 0, rows: 0..<0, begins: true, ends: false))
    }

    /// Closes it; it ends at `end`, or 8 bytes behind its commit record's beginning.
    public mutating func commit(end: UInt64? = nil) { builder.commit(endLSN: LSN(end ?? lsn.rawValue + 8)) }

    /// Adds an insert, or with `operation: .read` a row of a snapshot.
    public mutating func insert(_ relation: Relation, _ values: [TestValue], operation: Operation = .insert) {
        let cells = append(values)
        builder.addRow(operation, relation: relation, lsn: lsn, cells: cells)
    }

    /// Adds an update; `old` are the old tuple's values, one for each column.
    public mutating func update(
        _ relation: Relation, _ values: [TestValue], key old: [TestValue]? = nil, full: [TestValue]? = nil
    ) {
        let cells = append(values)
        let oldCells = (full ?? old).map { append($0) } ?? -1
        builder.addRow(
            .update, relation: relation, lsn: lsn, cells: cells, oldCells: oldCells,
            oldTuple: full != nil ? .full : (old != nil ? .key : .none))
    }

    /// Adds a delete with the key's values (NULL for the other columns), or with all.
    public mutating func delete(_ relation: Relation, key: [TestValue]) {
        builder.addRow(.delete, relation: relation, lsn: lsn, oldCells: append(key), oldTuple: .key)
    }

    /// Adds a delete with the whole old row.
    public mutating func delete(_ relation: Relation, full: [TestValue]) {
        builder.addRow(.delete, relation: relation, lsn: lsn, oldCells: append(full), oldTuple: .full)
    }

    /// Adds one statement's truncates.
    public mutating func truncate(_ relations: [Relation]) {
        for (index, relation) in relations.enumerated() {
            builder.addRow(.truncate, relation: relation, lsn: lsn, flags: index > 0 ? .continuesStatement : [])
        }
    }

    /// Adds a logical message.
    public mutating func message(_ prefix: String, _ content: String) {
        let cells = append([.text(prefix), .text(content)])
        builder.addRow(.message, relation: nil, lsn: lsn, cells: cells, flags: .transactional)
    }

    private mutating func append(_ values: [TestValue]) -> Int {
        let first = builder.cellCount
        for value in values {
            switch value {
            case .text(let text): builder.appendText(text.utf8)
            case .binary(let bytes):
                builder.appendText(bytes)
                let cell = builder.cell(at: builder.cellCount - 1)
                let binary = Cell(kind: .binary, offset: Int(cell.offset), length: cell.length)
                builder.setCell(at: builder.cellCount - 1, binary)
            case .null: builder.appendCell(.null)
            case .unchanged: builder.appendCell(.unchanged)
            }
        }
        return first
    }

    /// The batch; the builder goes on empty, an open transaction stays open.
    public mutating func seal(snapshot: SnapshotPart? = nil, resumeToken: String? = nil) -> ChangeBatch {
        builder.seal(at: 0, snapshot: snapshot, resumeToken: resumeToken)
    }

    /// One committed transaction with one insert for each text: the smallest batch that moves a position.
    public static func inserts(_ relation: Relation, _ texts: [String], commit: UInt64) -> ChangeBatch {
        var batch = TestBatch()
        batch.begin(commit)
        for text in texts { batch.insert(relation, [.text(text)]) }
        batch.commit()
        return batch.seal()
    }
}

extension ChangeBatch {
    /// The rows as people write them: `update public.t a=1 b=~ was a=1 b=NULL`; `~` is an unchanged value, a binary one
    /// is `\` and its bytes in decimal. A full old tuple follows `was`, a key `key`. Columns go by the row's relation.
    public var lines: [String] { rows.map(line) }

    private func line(_ row: Row) -> String {
        guard let relation = relation(of: row) else {
            return "message \(text(cell(0, of: row)) ?? "") \(text(cell(1, of: row)) ?? "")"
        }
        var line = "\(row.operation.name) \(relation.table)"
        if row.flags.contains(.continuesStatement) { line += " too" }
        if row.cells >= 0 { line += tuple(relation) { cell($0, of: row) } }
        switch row.oldTuple {
        case .none: break
        case .key: line += " key"
        case .full: line += " was"
        }
        if row.oldCells >= 0 { line += tuple(relation) { oldCell($0, of: row) } }
        return line
    }

    private func tuple(_ relation: Relation, _ cell: (Int) -> Cell) -> String {
        relation.columns.indices.map { index in
            let value = cell(index)
            let text =
                switch value.kind {
                case .text: text(value) ?? ""
                case .binary: "\\" + arena[value.range].map(String.init).joined(separator: ".")
                case .null: "NULL"
                case .unchanged: "~"
                }
            return " \(relation.columns[index].name)=\(text)"
        }.joined()
    }
}

extension Relation {
    /// A table of schema `public` for tests: columns as `name kind`, the first `keys` of them the primary key.
    public static func test(
        _ name: String, schema: String = "public", _ columns: KeyValuePairs<String, ColumnType.Kind>, keys: Int = 1,
        identity: ReplicaIdentity = .default
    ) -> Relation {
        let columns = columns.enumerated().map { index, column in
            Column(
                name: column.key, type: ColumnType(oid: 0, name: "\(column.value)", kind: column.value),
                isIdentity: identity == .full || (identity != .nothing && index < keys), isNotNull: index < keys)
        }
        return Relation(
            oid: 16384, table: TableName(schema: schema, name: name), columns: columns, identity: identity,
            primaryKey: Array(0..<keys))
    }
}
