/// Keeps some columns of some tables: `select` and `drop`.
///
/// Arena and rows' order stay; cells are copied once a batch. A key is lost only where the settings allow it: then the
/// columns that are left are the event's key, the primary key is forgotten, and a replica identity that lost a column
/// is `nothing`, so that no sink looks for rows by half a key.
final class ProjectTransform: Transform {
    private struct Projection {
        let relation: Relation
        /// Indexes of the columns that stay, rising.
        let kept: [Int]
    }

    private let tables: TableSelection
    private let keeps: (String) -> Bool
    private let allowsKeyLoss: Bool
    private var known = RelationPlans<Projection?>()

    init(_ settings: SelectSettings) throws(WeirError) {
        let names = Set(settings.columns)
        guard !names.isEmpty else {
            throw TransformChain.invalid("A select transform names no column", "List the columns to keep.")
        }
        tables = try TransformChain.selection(settings.table)
        keeps = { names.contains($0) }
        allowsKeyLoss = settings.allowsKeyLoss
    }

    init(_ settings: DropSettings) throws(WeirError) {
        let names = Set(settings.columns)
        tables = try TransformChain.selection(settings.table)
        keeps = { !names.contains($0) }
        allowsKeyLoss = settings.allowsKeyLoss
    }

    func apply(_ batch: ChangeBatch) throws(WeirError) -> ChangeBatch {
        let projections = try known.plans(for: batch, make: projection)
        guard projections.contains(where: { $0 != nil }) else { return batch }
        var cells: [Cell] = []
        cells.reserveCapacity(batch.cells.count)
        var rows: [Row] = []
        rows.reserveCapacity(batch.rows.count)
        for row in batch.rows {
            let projection = row.relation < 0 ? nil : projections[Int(row.relation)]
            let count = Self.cellCount(of: row, in: batch)
            let new = Self.copy(row.cells, count, projection?.kept, from: batch.cells, to: &cells)
            let old = Self.copy(row.oldCells, count, projection?.kept, from: batch.cells, to: &cells)
            rows.append(row.moved(cells: new, oldCells: old))
        }
        let relations = batch.relations.indices.map { projections[$0]?.relation ?? batch.relations[$0] }
        return batch.replacing(rows: rows, cells: cells, relations: relations)
    }

    /// A logical message has two cells, prefix and content.
    private static func cellCount(of row: Row, in batch: ChangeBatch) -> Int {
        row.relation < 0 ? 2 : batch.relations[Int(row.relation)].columns.count
    }

    private static func copy(
        _ start: Int32, _ count: Int, _ kept: [Int]?, from source: [Cell], to cells: inout [Cell]
    ) -> Int32 {
        guard start >= 0 else { return -1 }
        let first = Int(start)
        let moved = Int32(truncatingIfNeeded: cells.count)
        if let kept {
            for column in kept { cells.append(source[first + column]) }
        } else {
            cells.append(contentsOf: source[first..<(first + count)])
        }
        return moved
    }

    private func projection(for relation: Relation) throws(WeirError) -> Projection? {
        guard tables.contains(relation.table) else { return nil }
        let kept = relation.columns.indices.filter { keeps(relation.columns[$0].name) }
        guard kept.count < relation.columns.count else { return nil }
        let lost = relation.rowKeyColumns.filter { !kept.contains($0) }
        if !lost.isEmpty, !allowsKeyLoss { throw Self.keyLoss(lost, of: relation) }
        return Projection(relation: Self.projected(relation, kept: kept, losesKey: !lost.isEmpty), kept: kept)
    }

    private static func projected(_ relation: Relation, kept: [Int], losesKey: Bool) -> Relation {
        func moved(_ indexes: [Int]) -> [Int] { indexes.compactMap { kept.firstIndex(of: $0) } }
        let losesIdentity =
            relation.identity != .full
            && relation.columns.indices.contains { relation.columns[$0].isIdentity && !kept.contains($0) }
        let columns = kept.map { index in
            let column = relation.columns[index]
            return Column(
                name: column.name, type: column.type, isIdentity: column.isIdentity && !losesIdentity,
                isNotNull: column.isNotNull, defaultText: column.defaultText, details: column.details)
        }
        let primaryKey = moved(relation.primaryKey)
        return Relation(
            oid: relation.oid, table: relation.table, origin: relation.origin, columns: columns,
            identity: losesIdentity ? .nothing : relation.identity,
            primaryKey: primaryKey.count == relation.primaryKey.count ? primaryKey : [],
            keyColumns: moved(relation.keyColumns), uniqueKey: moved(relation.uniqueKey), route: relation.route,
            details: relation.details)
    }

    private static func keyLoss(_ lost: [Int], of relation: Relation) -> WeirError {
        let names = lost.map { relation.columns[$0].name }.joined(separator: ", ")
        return WeirError(
            .tableUnusable, stage: .transform,
            "A select or drop transform would lose columns of the key or replica identity: \(names)",
            advice: "Keep them, or write `keys: true` in the transform if rows without their key are wanted."
        ).at(table: relation.table)
    }
}

extension Row {
    /// The row with its cells in another place.
    func moved(cells: Int32, oldCells: Int32) -> Row {
        Row(
            operation: operation, oldTuple: oldTuple, flags: flags, relation: relation, transaction: transaction,
            cells: cells, oldCells: oldCells, ordinal: ordinal, lsn: lsn)
    }
}
