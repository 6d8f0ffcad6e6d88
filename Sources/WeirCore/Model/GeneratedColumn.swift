/// A column that the table computes itself, GENERATED ALWAYS AS (...), stored or virtual: the stream does not carry it.
public struct GeneratedColumn: Hashable, Sendable {
    /// The column's name.
    public let name: String
    /// `pg_attribute.attnum`.
    public let number: Int16
    /// The type as SQL, modifier included.
    public let type: String
    /// The OID of the type; of an array, of its elements' type.
    public let typeOID: UInt32
    /// The expression as SQL, of other columns of the table, all names of functions and types qualified.
    public let expression: String
    /// The collation as SQL, when it is not the type's own.
    public let collation: String?
    /// Declared NOT NULL.
    public let isNotNull: Bool
    /// The comment.
    public let comment: String?

    /// Makes a column.
    public init(
        name: String, number: Int16, type: String, typeOID: UInt32, expression: String, collation: String? = nil,
        isNotNull: Bool = false, comment: String? = nil
    ) {
        self.name = name
        self.number = number
        self.type = type
        self.typeOID = typeOID
        self.expression = expression
        self.collation = collation
        self.isNotNull = isNotNull
        self.comment = comment
    }
}
