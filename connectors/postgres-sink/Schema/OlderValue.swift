import WeirCore

/// What rows that are older than an added column have in it at the source. Pure.
///
/// PostgreSQL keeps the value of a default that is the same for all rows beside the column (`attmissingval`), until the
/// table is rewritten. Any other default is evaluated for each row, which rewrites the table: no stream tells of that.
struct OlderValue: Equatable {
    enum Value: Equatable {
        case null
        case text(String)
        /// Nobody can tell: why.
        case unknown(String)
    }

    private(set) var value = Value.null
    /// What an operator should know.
    private(set) var note: String?

    /// The value as text, where there is one.
    var text: String? {
        if case .text(let text) = value { text } else { nil }
    }

    /// Why the value is not known; nil where it is.
    var unknown: String? {
        if case .unknown(let cause) = value { cause } else { nil }
    }

    /// - Parameter isNew: the version before did not have the column.
    init(of column: Column, isNew: Bool, _ situation: SchemaSituation, _ match: ColumnMatch?) {
        guard let details = situation.relation.details, let facts = column.details, let match,
            let known = situation.known, let place = details.columns.firstIndex(where: { $0.name == facts.name })
        else { return }
        defer { forget(situation) }
        let compare = "compare the column with the source's, and \(SchemaAdvice.fill(situation.relation))"
        let type = details.columns[place].typeOID
        let number = match.numbers[place] ?? facts.number
        let attribute =
            number.map { number in details.attributes.first { $0.number == number } }
            ?? details.attributes.first { $0.name == facts.name && $0.typeOID == type }
        guard let attribute else {
            if isNew, Self.hasRival(of: type, details, known, match) {
                value = .unknown("the source's catalog is ahead, and has the column under another name")
            }
            return
        }
        if isNew, attribute.number <= known.highestNumber {
            value = .unknown("the column was there before, generated or left out by the publication")
            return
        }
        // A conversion that keeps it left the bytes as they are.
        if let fill = attribute.fill {
            value = facts.isAltered ? .unknown("a transform changes the column's values") : .text(fill)
            return
        }
        guard isNew else {
            note = "older rows are NULL in column \(column.name), which is not new at the source: \(compare)"
            return
        }
        let domain = Self.domainDefault(column, details)
        let expression = facts.defaultExpression ?? domain
        guard details.storage == 0 || details.storage != known.storage else {
            if domain != nil { value = .unknown("they may come from its domain's default at the source") }
            return
        }
        // The table was rewritten since: by the column's own default, or by something later.
        if let literal = expression.flatMap({ LiteralDefault.text(of: $0) }) ?? attribute.defaultText {
            value = facts.isAltered ? .unknown("a transform changes the column's values") : .text(literal)
            note =
                "older rows get the default of the added column \(column.name); if the default was changed meanwhile, "
                + compare
        } else if expression != nil || attribute.hasDefault {
            let origin = expression.flatMap { $0.count > 80 ? nil : $0 } ?? "the column's default"
            value = .unknown("they come from \(origin) at the source, and the stream does not carry them")
        } else if details.asOf != nil {
            note = "older rows may have a value in the added column \(column.name), whose default is gone: \(compare)"
        }
    }

    /// All rows are about to come, with their values.
    private mutating func forget(_ situation: SchemaSituation) {
        if situation.isSnapshot, unknown != nil { value = .null }
    }

    /// Whether the column may be one that the catalog has under another name, and that has filled older rows.
    private static func hasRival(
        of type: UInt32, _ details: RelationDetails, _ known: AppliedTable, _ match: ColumnMatch
    ) -> Bool {
        let given = Set(match.numbers.compactMap(\.self)).union(known.columns.compactMap(\.number))
        return details.attributes.contains {
            $0.name != nil && !$0.isGenerated && $0.number > known.lastNumber && !given.contains($0.number)
                && ($0.fill != nil && $0.typeOID == type || $0.hasDefault && details.storage != known.storage)
        }
    }

    private static func domainDefault(_ column: Column, _ details: RelationDetails) -> String? {
        guard let type = details.types.first(where: { $0.oid == column.type.oid }),
            case .domain(let domain) = type.definition
        else { return nil }
        return domain.defaultExpression
    }
}
