import WeirCore

/// How the rows of one relation go into one target table. Made once for each version of either; used on the sink's
/// thread.
final class TablePlan {
    /// What an update or delete needs of its row.
    enum Identity: Equatable {
        /// The values of a key.
        case key
        /// The whole old row.
        case row
        /// There is nothing to find a row by.
        case none
    }

    /// A column and the most characters that the target takes.
    struct Limit {
        var column: Int
        var length: Int
    }

    let relation: Relation
    let target: TargetTable
    let layout: TableLayout
    let identity: Identity
    /// Columns Weir writes.
    let written: ColumnSet
    /// The same in rising order.
    let writtenColumns: [Int]
    /// `layout.compare` as a set.
    let compare: ColumnSet
    /// `layout.conflict` as a set.
    let conflict: ColumnSet
    /// Columns where the server decides whether a value fits.
    let checkedColumns: [Int]
    /// Columns of `varchar(n)` whose source may send more: PostgreSQL refuses longer values, but cuts spaces at their
    /// end without a word.
    let limits: [Limit]
    /// COPY can be used.
    let canCopy: Bool
    /// The point up to which a backfill has copied the table ahead of the stream.
    var copiedAhead: LSN?
    /// Prepared statements by shape, and the last one of each kind, which is nearly always the next.
    var statements: [StatementShape: PreparedStatement] = [:]
    var recent: [PreparedStatement?] = []

    /// Throws `target-mismatch` when rows of the relation cannot go into the table.
    init(_ relation: Relation, _ target: TargetTable) throws(WeirError) {
        self.relation = relation
        self.target = target
        try Self.check(relation, target)
        let key = Self.key(relation, target)
        identity = key == nil ? (relation.identity == .full ? .row : .none) : .key
        let columns = relation.columns.map { column -> TableLayout.Column in
            // Checked above: every column of the relation is there.
            let found = target.columns[target.columnIndex(column.name) ?? 0]
            return TableLayout.Column(
                sql: TableName.quote(column.name), typeOID: found.type.oid, equality: found.equality,
                isWritten: !found.isGenerated, isAlwaysIdentity: found.isAlwaysIdentity)
        }
        let conflict = target.conflictKey(
            wanted: relation.keyColumns.map { relation.columns[$0].name },
            available: Set(relation.columns.map(\.name)))
        layout = TableLayout(
            table: relation.table.sql, columns: columns,
            compare: key ?? columns.indices.filter { columns[$0].isWritten }, isKeyed: key != nil,
            conflict: conflict.compactMap { relation.columnIndex($0) }, isPartitioned: target.isPartitioned,
            hasHeirs: target.hasHeirs,
            extra: target.columns.filter { !$0.isGenerated && relation.columnIndex($0.name) == nil }
                .map { TableName.quote($0.name) })
        written = layout.written
        writtenColumns = written.columns
        compare = ColumnSet(layout.compare)
        self.conflict = ColumnSet(layout.conflict)
        checkedColumns = relation.columns.indices.filter { index in
            let column = relation.columns[index]
            guard let place = target.columnIndex(column.name) else { return false }
            return TypeFit(source: column.type, target: target.columns[place].type) == .checked
        }
        limits = checkedColumns.compactMap { column in
            let (name, source) = (relation.columns[column].name, relation.columns[column].type)
            let found = target.columnIndex(name).map { target.columns[$0] }
            // Of a char(n), which is padded, spaces at the end say nothing.
            guard source.kind != .bpchar, let found, !found.isGenerated, found.type.kind == .varchar,
                let length = found.type.length
            else {
                return nil
            }
            return Limit(column: column, length: length)
        }
        canCopy = !target.rowSecurity && !written.isEmpty
        recent = Array(repeating: nil, count: StatementShape.Kind.count)
    }

    /// Throws `value-rejected` when the target would cut spaces from a value of the row whose cells begin at `cells`.
    func checkLimits(_ cells: Int, _ batch: ChangeBatch, _ bytes: UnsafeRawBufferPointer) throws(WeirError) {
        for limit in limits {
            let cell = batch.cells[cells + limit.column]
            guard cell.kind == .text, cell.length > limit.length else { continue }
            let value = unsafe UnsafeRawBufferPointer(rebasing: bytes[cell.range])
            guard unsafe value.last == UInt8(ascii: " ") else { continue }
            // Characters, not bytes: those of UTF-8 that begin one.
            guard unsafe value.count(where: { $0 & 0xC0 != 0x80 }) > limit.length else { continue }
            let column = relation.columns[limit.column]
            throw WeirError(
                .valueRejected, stage: .sink, "A value of column \(column.name) is too long for the target",
                cause: "its last spaces would be cut to fit into \(limit.length) characters",
                advice: "Run on the target: \(TargetDefinition.alterType(column, of: relation.table))"
            ).at(table: relation.table)
        }
    }

    /// COPY of the written columns into a table that has them.
    func copySQL(into table: String) -> String {
        "COPY \(table) (\(writtenColumns.map { layout.columns[$0].sql }.joined(separator: ", "))) FROM STDIN"
    }

    /// What keeps inserts from overwriting rows: ON CONFLICT takes no deferrable key, and a replica's session does not
    /// look at one, so that a row would be there twice. Nil when nothing does.
    var upsertRefusal: WeirError? {
        guard layout.conflict.isEmpty else { return nil }
        let names = Set(relation.columns.map(\.name))
        guard let key = target.uniqueKeys.first(where: { !$0.isImmediate && Set($0.columns).isSubset(of: names) })
        else {
            return nil
        }
        let columns = key.columns.map { TableName.quote($0) }.joined(separator: ", ")
        let name = TableName.quote(key.name)
        return WeirError(
            .targetMismatch, stage: .sink, "`apply: upsert` cannot tell rows of the target table apart",
            cause: "its only key (\(columns)) is deferrable",
            advice: "Run on the target: ALTER TABLE \(layout.table) DROP CONSTRAINT \(name), "
                + "ADD CONSTRAINT \(name) \(key.isPrimary ? "PRIMARY KEY" : "UNIQUE") (\(columns));"
        ).at(table: relation.table)
    }

    /// Names of the columns that find a row.
    var keyColumnNames: [String] {
        let columns = layout.isKeyed ? layout.compare : layout.conflict
        return columns.map { relation.columns[$0].name }
    }

    /// Whether a unique index of the target covers the columns that find a row.
    var hasIndexForKey: Bool {
        let names = Set(layout.compare.map { relation.columns[$0].name })
        return target.uniqueKeys.contains { Set($0.columns).isSubset(of: names) }
    }

    /// Columns that find a row by key, nil when the whole row has to.
    private static func key(_ relation: Relation, _ target: TargetTable) -> [Int]? {
        switch relation.identity {
        case .full:
            // With a deferrable key two rows may share it for a moment: then only the whole row tells them apart.
            guard target.hasImmediatePrimaryKey else { return nil }
            let primary = target.primaryKey.map { relation.columnIndex($0) }
            return primary.isEmpty || primary.contains(nil) ? nil : primary.compactMap { $0 }
        case .default, .index:
            let flagged = relation.columns.indices.filter { relation.columns[$0].isIdentity }
            if !flagged.isEmpty { return flagged }
            return relation.keyColumns.isEmpty ? nil : relation.keyColumns
        case .nothing:
            return nil
        }
    }

    /// Compares columns and types; the first misfit is thrown.
    static func check(_ relation: Relation, _ target: TargetTable) throws(WeirError) {
        if let kind = target.unusableKind {
            throw WeirError(
                .targetMismatch, stage: .sink, "The target of a table is \(kind)",
                advice: "Rename it on the target, or route the table elsewhere; Weir writes to tables only."
            ).at(table: relation.table)
        }
        if let misfit = misfits(relation, target).first { throw misfit }
    }

    /// Every column that is missing on the target or cannot take the source's values.
    static func misfits(_ relation: Relation, _ target: TargetTable) -> [WeirError] {
        relation.columns.compactMap { column in
            guard let index = target.columnIndex(column.name) else {
                return WeirError(
                    .targetMismatch, stage: .sink, "Column \(column.name) is missing in the target table",
                    cause: "the source has \(column.name) \(column.type.name)",
                    advice: "Run on the target: \(TargetDefinition.addColumn(column, to: relation.table))"
                ).at(table: relation.table)
            }
            let found = target.columns[index]
            if found.isGenerated { return nil }
            guard case .refused(let why) = TypeFit(source: column.type, target: found.type) else { return nil }
            return WeirError(
                .targetMismatch, stage: .sink, "Column \(column.name) has a type on the target that does not fit",
                cause: "\(column.type.name) on the source, \(found.type.name) on the target: \(why)",
                advice: "Run on the target: \(TargetDefinition.alterType(column, of: relation.table))"
            ).at(table: relation.table)
        }
    }

    /// The error for a table that is not there.
    static func missing(_ relation: Relation) -> WeirError {
        WeirError(
            .targetMismatch, stage: .sink, "The table is missing on the target",
            advice: "Run on the target: \(TargetDefinition.createSchema(relation.table)) "
                + "\(TargetDefinition.createTable(relation))"
        ).at(table: relation.table)
    }

    /// Whether another version of the relation has the same plan.
    func fits(_ other: Relation) -> Bool {
        relation === other
            || relation.table == other.table && relation.columns == other.columns
                && relation.identity == other.identity && relation.keyColumns == other.keyColumns
                && relation.primaryKey == other.primaryKey && relation.oid == other.oid
                && relation.details == other.details
    }
}
