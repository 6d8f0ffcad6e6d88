import WeirCore

/// How values of a column are compared to find a row.
enum Equality: Hashable, Sendable {
    /// By this operator, schema-qualified: `OPERATOR(pg_catalog.=)`. With `coarse` set, values that are equal may
    /// differ in their text (1.10 and 1.1000).
    case native(String, coarse: Bool)
    /// By their text form: the type has no equality.
    case text

    /// What the catalog says about a type, besides its kind.
    struct TypeFacts: Equatable {
        /// `pg_type.typtype`.
        var category: String
        /// The default equality operator: schema and name; nil when the type itself has none.
        var equals: (schema: String, name: String)?

        static func == (left: TypeFacts, right: TypeFacts) -> Bool {
            left.category == right.category && left.equals?.schema == right.equals?.schema
                && left.equals?.name == right.equals?.name
        }
    }

    private static let catalog = "OPERATOR(pg_catalog.=)"

    /// Built-in types whose equal values have equal text forms: bool, bytea, "char", name, integers, text, oid,
    /// money, date and time types, uuid, bit strings, network addresses, pg_lsn, xid8.
    private static let exact: Set<UInt32> = [
        16, 17, 18, 19, 20, 21, 23, 25, 26, 650, 774, 790, 829, 869, 1043, 1082, 1083, 1114, 1184, 1560, 1562, 2950,
        3220, 5069,
    ]

    /// How a column's values are compared; `facts` by OID of the types in `oids(of:)`.
    init(_ type: ColumnType, facts: [UInt32: TypeFacts]) {
        switch type.kind {
        case .array(let element):
            if case .native(_, let coarse) = Equality(element, facts: facts) {
                self = .native(Self.catalog, coarse: coarse)
            } else {
                self = .text
            }
        case .enumeration: self = .native(Self.catalog, coarse: false)
        case .composite: self = .text
        // varchar has no operators of its own: those of text serve.
        case .varchar: self = .native(Self.catalog, coarse: false)
        default: self = Self.byFacts(type.baseOID, facts[type.baseOID])
        }
    }

    private static func byFacts(_ oid: UInt32, _ facts: TypeFacts?) -> Equality {
        guard let facts else { return .text }
        if facts.category == "r" || facts.category == "m" { return .native(catalog, coarse: true) }
        guard let equals = facts.equals else { return .text }
        let isBuiltIn = equals.schema == "pg_catalog" && equals.name == "="
        // Operator names hold operator characters only and need no quotes.
        let sql = isBuiltIn ? catalog : "OPERATOR(\(TableName.quote(equals.schema)).\(equals.name))"
        return .native(sql, coarse: !exact.contains(oid))
    }

    /// The types whose facts decide.
    static func oids(of type: ColumnType) -> UInt32 {
        if case .array(let element) = type.kind { return oids(of: element) }
        return type.baseOID
    }
}
