/// A filter's conditions compiled for one relation.
struct ConditionPlan {
    /// What a test says, with PostgreSQL's third answer for a value that is not known.
    enum Truth {
        case yes, no, unknown
    }

    private enum Test {
        case null(Bool)
        case any([[UInt8]])
        case none([[UInt8]])
        case prefix([UInt8])
        /// The sign of the comparison, and whether equal will do.
        case order(sign: Int, orEqual: Bool, [UInt8])
    }

    private struct Condition {
        let column: Int
        let test: Test
        let comparison: ValueComparison
    }

    private let conditions: [Condition]
    private let relation: Relation

    /// Whether there is nothing to test.
    var isEmpty: Bool { conditions.isEmpty }

    /// Compiles conditions; throws `table-unusable` when the table lacks a column or its type does not fit.
    init(_ settings: [ColumnCondition], for relation: Relation) throws(WeirError) {
        self.relation = relation
        var compiled: [Condition] = []
        for condition in settings { compiled.append(try Self.compile(condition, for: relation)) }
        conditions = compiled
    }

    private static func compile(
        _ condition: ColumnCondition, for relation: Relation
    ) throws(WeirError) -> Condition {
        guard let index = relation.columnIndex(condition.column) else {
            throw unusable(
                "A filter's condition is on column \(condition.column), which the table does not have",
                "Correct the column's name, or filter before the step that drops or renames it.", relation)
        }
        let type = relation.columns[index].type
        let comparison = ValueComparison(type)
        func value(_ written: String) throws(WeirError) -> [UInt8] {
            guard let canonical = comparison.canonical(written) else {
                throw unusable(
                    "A filter's condition on column \(condition.column) has a value that is no \(type.name)",
                    "Write the value as PostgreSQL prints it (times in UTC).", relation)
            }
            return canonical
        }
        func require(_ can: Bool, _ what: String) throws(WeirError) {
            guard !can else { return }
            throw unusable(
                "A filter's condition \(what) column \(condition.column), and values of type \(type.name) have none",
                "Use another test (`null` works for every type), or filter by another column.", relation)
        }
        let test: Test
        switch condition.test {
        case .null(let isNull): test = .null(isNull)
        case .any(let values), .none(let values):
            try require(comparison.hasEquality, "needs equality of")
            var list: [[UInt8]] = []
            for written in values { list.append(try value(written)) }
            if case .any = condition.test { test = .any(list) } else { test = .none(list) }
        case .prefix(let text):
            try require(comparison.hasPrefix, "needs a prefix of")
            test = .prefix(Array(text.utf8))
        case .below(let text), .atMost(let text), .above(let text), .atLeast(let text):
            try require(comparison.hasOrder, "needs an order of")
            test = .order(
                sign: condition.test.sign, orEqual: condition.test.includesEqual, try value(text))
        }
        return Condition(column: index, test: test, comparison: comparison)
    }

    private static func unusable(_ message: String, _ advice: String, _ relation: Relation) -> WeirError {
        WeirError(.tableUnusable, stage: .transform, message, advice: advice).at(table: relation.table)
    }

    // MARK: - Evaluation

    /// What the conditions say about a row whose cells `cell` finds by column; nil there means not known.
    func evaluate(_ batch: ChangeBatch, cell: (Int) -> Cell?) throws(WeirError) -> Truth {
        var isKnown = true
        for condition in conditions {
            switch try test(condition, cell(condition.column), batch.arena) {
            case .yes: break
            case .no: return .no
            case .unknown: isKnown = false
            }
        }
        return isKnown ? .yes : .unknown
    }

    /// Names of the columns tested, for errors.
    var columnNames: String {
        var names: [String] = []
        for condition in conditions where !names.contains(relation.columns[condition.column].name) {
            names.append(relation.columns[condition.column].name)
        }
        return names.joined(separator: ", ")
    }

    private func test(_ condition: Condition, _ cell: Cell?, _ arena: [UInt8]) throws(WeirError) -> Truth {
        guard let cell else { return .unknown }
        if case .null(let isNull) = condition.test { return cell.isNull == isNull ? .yes : .no }
        switch cell.kind {
        case .null: return .no
        case .unchanged: return .unknown
        case .binary where !condition.comparison.readsBinary: throw binary(condition)
        case .binary, .text: break
        }
        let holds = test(condition, arena.span.extracting(cell.range))
        guard let holds else { throw unreadable(condition) }
        return holds ? .yes : .no
    }

    /// Nil when the value's text is not what its type prints.
    private func test(_ condition: Condition, _ value: Span<UInt8>) -> Bool? {
        switch condition.test {
        case .null: return false
        case .any(let list): return isAny(of: list, value, condition.comparison)
        case .none(let list): return isAny(of: list, value, condition.comparison).map { !$0 }
        case .prefix(let prefix): return value.begins(with: prefix.span)
        case .order(let sign, let orEqual, let operand):
            guard let result = condition.comparison.compare(value, operand.span) else { return nil }
            return result == 0 ? orEqual : result.signum() == sign
        }
    }

    private func isAny(of list: [[UInt8]], _ value: Span<UInt8>, _ comparison: ValueComparison) -> Bool? {
        for operand in list {
            guard let result = comparison.compare(value, operand.span) else { return nil }
            if result == 0 { return true }
        }
        return false
    }

    private func binary(_ condition: Condition) -> WeirError {
        let column = relation.columns[condition.column]
        return WeirError(
            .valueRejected, stage: .transform,
            "A filter's condition on column \(column.name) met a value of type \(column.type.name) in binary form",
            advice: "Let the source send values as text, or filter by another column."
        ).at(table: relation.table)
    }

    private func unreadable(_ condition: Condition) -> WeirError {
        let column = relation.columns[condition.column]
        return WeirError(
            .valueRejected, stage: .transform,
            "A filter's condition on column \(column.name) met a value that is not how PostgreSQL prints "
                + "\(column.type.name) in a session of ISO dates and UTC",
            advice: "Filter by another column, or test only for `null`."
        ).at(table: relation.table)
    }
}

extension ColumnCondition.Test {
    /// What the comparison's sign must be for the test to hold, 0 for tests without an order.
    fileprivate var sign: Int {
        switch self {
        case .below, .atMost: -1
        case .above, .atLeast: 1
        default: 0
        }
    }

    fileprivate var includesEqual: Bool {
        switch self {
        case .atMost, .atLeast: true
        default: false
        }
    }
}
