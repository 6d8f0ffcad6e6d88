/// A type that PostgreSQL does not bring itself, described so that it can be created elsewhere.
public struct UserType: Hashable, Sendable {
    /// How a type is made.
    public enum Definition: Hashable, Sendable {
        /// The labels in sort order.
        case enumeration([String])
        /// A domain over a type.
        case domain(Domain)
        /// The fields in order.
        case composite([Field])
        /// A range over a subtype.
        case range(Range)
        /// It comes with the extension of that name, in that schema.
        case ofExtension(name: String, schema: String)
        /// Anything else, such as a table's row type or a base type written in C: why it cannot be created.
        case other(String)
    }

    /// What makes a domain. Types and expressions are SQL with all names qualified.
    public struct Domain: Hashable, Sendable {
        /// The underlying type, modifier included.
        public let base: String
        /// The collation, when it is not the base type's own.
        public let collation: String?
        /// Declared NOT NULL.
        public let isNotNull: Bool
        /// The default's expression.
        public let defaultExpression: String?
        /// Constraints: the name and `CHECK (...)`, by name.
        public let checks: [Check]

        /// Makes a domain.
        public init(
            base: String, collation: String? = nil, isNotNull: Bool = false, defaultExpression: String? = nil,
            checks: [Check] = []
        ) {
            self.base = base
            self.collation = collation
            self.isNotNull = isNotNull
            self.defaultExpression = defaultExpression
            self.checks = checks
        }
    }

    /// A constraint of a domain.
    public struct Check: Hashable, Sendable {
        /// Its name.
        public let name: String
        /// `CHECK (...)`.
        public let sql: String

        /// Makes a constraint.
        public init(name: String, sql: String) {
            self.name = name
            self.sql = sql
        }
    }

    /// A field of a composite type.
    public struct Field: Hashable, Sendable {
        /// Its name.
        public let name: String
        /// Its type as SQL, modifier included.
        public let type: String
        /// The collation, when it is not the type's own.
        public let collation: String?

        /// Makes a field.
        public init(name: String, type: String, collation: String? = nil) {
            self.name = name
            self.type = type
            self.collation = collation
        }
    }

    /// What makes a range type.
    public struct Range: Hashable, Sendable {
        /// The subtype as SQL.
        public let subtype: String
        /// The collation, when it is not the subtype's own.
        public let collation: String?
        /// The subtype's operator class as SQL, when it is not the default.
        public let operatorClass: String?
        /// The subtype's difference function as SQL.
        public let difference: String?
        /// The multirange type's name; nil before PostgreSQL 14.
        public let multirange: TableName?

        /// Makes a range.
        public init(
            subtype: String, collation: String? = nil, operatorClass: String? = nil, difference: String? = nil,
            multirange: TableName? = nil
        ) {
            self.subtype = subtype
            self.collation = collation
            self.operatorClass = operatorClass
            self.difference = difference
            self.multirange = multirange
        }
    }

    /// The type's OID at the source.
    public let oid: UInt32
    /// Schema and name as the catalog spells them.
    public let name: TableName
    /// How it is made.
    public let definition: Definition
    /// What tells an enum's labels and a composite type's fields from each other whatever they are called, in the
    /// definition's order: `pg_enum.oid`, `pg_attribute.attnum`. Empty for other types, and where it is not known.
    public let parts: [UInt32]
    /// The definition is of the point of the log that the relation describes, whatever `RelationDetails.typesAsOf`
    /// says.
    public let isOfLog: Bool

    /// Makes a type.
    public init(
        oid: UInt32, name: TableName, definition: Definition, parts: [UInt32] = [], isOfLog: Bool = false
    ) {
        self.oid = oid
        self.name = name
        self.definition = definition
        self.parts = parts
        self.isOfLog = isOfLog
    }
}
