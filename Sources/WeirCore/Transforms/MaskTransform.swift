/// Hides values of columns: `mask`. New and old rows are masked alike, so that a value means the same in both.
///
/// Works on a copy of the arena, made once a batch: hashes are added at its end, and the bytes of the values that were
/// hidden are overwritten, so that nothing behind this transform holds them. NULL stays NULL, an unchanged TOASTed
/// value stays unchanged.
final class MaskTransform: Transform {
    private struct Plan {
        let relation: Relation
        /// The columns to mask, rising, and whether their binary form is their text.
        let columns: [(index: Int, readsBinary: Bool)]
    }

    private enum Replacement {
        case fixed([UInt8])
        case null
        case sha256(any SaltedDigest)
    }

    private let patterns: [ColumnPattern]
    private let replacement: Replacement
    private let method: MaskSettings.Method
    private var known = RelationPlans<Plan?>()

    init(_ settings: MaskSettings, digest: SaltedDigestFactory) throws(WeirError) {
        var patterns: [ColumnPattern] = []
        for text in settings.columns { patterns.append(try ColumnPattern(text)) }
        guard let first = patterns.first, !first.isExclusion else {
            throw TransformChain.invalid(
                "A mask transform names no column", "List column patterns; the first one must not be an exclusion.")
        }
        self.patterns = patterns
        method = settings.method
        switch settings.method {
        case .fixed(let text): replacement = .fixed(Array(text.utf8))
        case .null: replacement = .null
        case .sha256(let salt):
            guard !salt.isEmpty else {
                throw TransformChain.invalid(
                    "A mask with sha256 has no salt, so guessed values would be recognised by their hashes",
                    "Set `salt` to a secret, for example from the environment: ${SALT}.")
            }
            replacement = .sha256(try digest(Array(salt.utf8)))
        }
    }

    func apply(_ batch: ChangeBatch) throws(WeirError) -> ChangeBatch {
        let plans = try known.plans(for: batch, make: plan)
        guard plans.contains(where: { $0 != nil }) else { return batch }
        var masked = MaskedValues(batch)
        for row in batch.rows where row.relation >= 0 {
            guard let plan = plans[Int(row.relation)] else { continue }
            for column in plan.columns {
                do throws(WeirError) {
                    if row.cells >= 0 { try mask(Int(row.cells) + column.index, column.readsBinary, &masked) }
                    if row.oldCells >= 0 { try mask(Int(row.oldCells) + column.index, column.readsBinary, &masked) }
                } catch {
                    throw located(error, plan.relation, column.index, batch, row)
                }
            }
        }
        let relations = batch.relations.indices.map { plans[$0]?.relation ?? batch.relations[$0] }
        return masked.finish(relations: relations)
    }

    private func mask(_ index: Int, _ readsBinary: Bool, _ masked: inout MaskedValues) throws(WeirError) {
        let cell = masked.cells[index]
        switch cell.kind {
        case .null, .unchanged: return
        case .binary where !readsBinary:
            if case .sha256 = replacement { throw Self.binary() }
        case .binary, .text: break
        }
        switch replacement {
        case .null: masked.replace(index, with: .null)
        case .fixed(let text): masked.replace(index, with: masked.add(text))
        case .sha256(let digest): masked.replace(index, with: try masked.hash(cell, digest))
        }
    }

    // MARK: - Relations

    private func plan(for relation: Relation) throws(WeirError) -> Plan? {
        let columns = relation.columns.indices.filter { index in
            guard let last = patterns.last(where: { $0.matches(relation, column: index) }) else { return false }
            return !last.isExclusion
        }
        guard !columns.isEmpty else { return nil }
        if let key = columns.first(where: relation.rowKeyColumns.contains), method.losesUniqueness {
            throw WeirError(
                .tableUnusable, stage: .transform,
                "A mask transform would make all values of key column \(relation.columns[key].name) the same",
                advice: "Mask keys with sha256, which keeps them apart, or exclude the column with a pattern `!`."
            ).at(table: relation.table)
        }
        var masked = relation.columns
        for index in columns { masked[index] = try maskedColumn(relation.columns[index], of: relation) }
        let plan = columns.map { ($0, ValueComparison(relation.columns[$0].type).readsBinary) }
        return Plan(relation: relation.relabeled(columns: masked), columns: plan)
    }

    private func maskedColumn(_ column: Column, of relation: Relation) throws(WeirError) -> Column {
        let details = column.details?.altered
        switch method {
        case .null:
            return Column(name: column.name, type: column.type, isIdentity: column.isIdentity, details: details)
        case .fixed(let text):
            guard ValueComparison(column.type).admits(text) else {
                throw WeirError(
                    .tableUnusable, stage: .transform,
                    "The fixed value of a mask transform is no \(column.type.name), the type of column \(column.name)",
                    advice: "Write a value of that type, or mask the column with null or sha256."
                ).at(table: relation.table)
            }
            return Column(
                name: column.name, type: column.type, isIdentity: column.isIdentity, isNotNull: column.isNotNull,
                details: details)
        case .sha256:
            return Column(
                name: column.name, type: .text, isIdentity: column.isIdentity, isNotNull: column.isNotNull,
                details: details)
        }
    }

    // MARK: - Errors

    private static func binary() -> WeirError {
        WeirError(
            .valueRejected, stage: .transform, "A mask with sha256 met a value in binary form",
            advice: "Let the source send values as text, or mask the column with null.")
    }

    private func located(
        _ error: WeirError, _ relation: Relation, _ column: Int, _ batch: ChangeBatch, _ row: Row
    ) -> WeirError {
        var located = error.at(table: relation.table, position: batch.transactions[Int(row.transaction)].commitLSN)
        located.message += ", column \(relation.columns[column].name)"
        return located
    }
}

/// A batch's values while some of them are hidden.
private struct MaskedValues {
    private let batch: ChangeBatch
    private var arena: [UInt8]
    private(set) var cells: [Cell]
    /// The values that were hidden: wiped at the end, because a column's new and old cell may share one.
    private var hidden: [Range<Int>] = []

    init(_ batch: ChangeBatch) {
        self.batch = batch
        arena = batch.arena
        cells = batch.cells
    }

    mutating func replace(_ index: Int, with cell: Cell) {
        hidden.append(cells[index].range)
        cells[index] = cell
    }

    /// Adds a text. Each cell gets its own, so that no two columns ever share bytes that a later mask would wipe.
    mutating func add(_ text: [UInt8]) -> Cell {
        let offset = arena.count
        arena.append(contentsOf: text)
        return Cell(kind: .text, offset: offset, length: text.count)
    }

    /// Adds the hash of a value as 64 hexadecimal digits.
    mutating func hash(_ cell: Cell, _ digest: any SaltedDigest) throws(WeirError) -> Cell {
        var hash = InlineArray<32, UInt8>(repeating: 0)
        var output = hash.mutableSpan
        try digest.digest(batch.arena.span.extracting(cell.range), into: &output)
        let offset = arena.count
        for index in hash.indices {
            arena.append(Self.hexadecimal(hash[index] >> 4))
            arena.append(Self.hexadecimal(hash[index] & 15))
        }
        return Cell(kind: .text, offset: offset, length: 64)
    }

    private static func hexadecimal(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
    }

    consuming func finish(relations: [Relation]) -> ChangeBatch {
        for range in hidden {
            for index in range { arena[index] = 0 }
        }
        return batch.replacing(rows: batch.rows, cells: cells, relations: relations, arena: arena)
    }
}

extension MaskSettings.Method {
    /// Whether different values become the same.
    fileprivate var losesUniqueness: Bool {
        switch self {
        case .fixed, .null: true
        case .sha256: false
        }
    }
}

extension ColumnType {
    /// PostgreSQL's `text`.
    fileprivate static let text = ColumnType(oid: 25, name: "text", kind: .text)
}
