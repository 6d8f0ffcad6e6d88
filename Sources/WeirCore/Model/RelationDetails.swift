/// What a target needs of a column, besides name and type, to have it as the source has it. Not for each row: a part of
/// a table's version.
///
/// The stream tells names and types as of a point of the log; these facts are the catalog's, which may be ahead of that
/// point; `RelationDetails.asOf` says how far.
public struct ColumnDetails: Hashable, Sendable {
    /// GENERATED ... AS IDENTITY.
    public enum Identity: UInt8, Sendable {
        case always, byDefault
    }

    /// The column's name at the source, whatever transforms did.
    public let name: String
    /// `pg_attribute.attnum`; nil where the catalog has no column of that name and type (any more).
    public let number: Int16?
    /// The default's expression as SQL, all names qualified; nil when there is none or it is not known.
    public let defaultExpression: String?
    /// The identity; nil when it is none.
    public let identity: Identity?
    /// The collation as SQL, when it is not the type's own.
    public let collation: String?
    /// The comment.
    public let comment: String?
    /// A transform changed the column's values: values of the source (`RelationDetails.fill`) are not its values.
    public let isAltered: Bool

    /// Makes details; without facts for a column that the catalog does not know.
    public init(
        name: String, number: Int16? = nil, defaultExpression: String? = nil, identity: Identity? = nil,
        collation: String? = nil, comment: String? = nil
    ) {
        self.name = name
        self.number = number
        self.defaultExpression = defaultExpression
        self.identity = identity
        self.collation = collation
        self.comment = comment
        isAltered = false
    }

    private init(altering other: ColumnDetails) {
        name = other.name
        number = other.number
        defaultExpression = nil
        identity = nil
        collation = nil
        comment = other.comment
        isAltered = true
    }

    /// The details of a column whose values a transform changes: what says something about values is left out.
    public var altered: ColumnDetails { ColumnDetails(altering: self) }
}

/// An entry of `pg_attribute`, dropped columns included.
public struct SourceAttribute: Hashable, Sendable {
    /// `attnum`: rises with each column added, never used again.
    public let number: Int16
    /// The column's name; nil for a dropped column.
    public let name: String?
    /// The type's OID; 0 for a dropped column.
    public let typeOID: UInt32
    /// The value, in text form, of rows that are older than the column: what PostgreSQL filled in when the column was
    /// added with a default that is no volatile expression. Nil when there is none, or when the table was rewritten
    /// since.
    public let fill: String?
    /// The default's value in text form when it is a literal.
    public let defaultText: String?
    /// It has a default or an identity, whatever it is.
    public let hasDefault: Bool
    /// GENERATED ALWAYS AS (...): the stream does not carry it.
    public let isGenerated: Bool

    /// Makes an entry.
    public init(
        number: Int16, name: String?, typeOID: UInt32, fill: String? = nil, defaultText: String? = nil,
        hasDefault: Bool = false, isGenerated: Bool = false
    ) {
        self.number = number
        self.name = name
        self.typeOID = typeOID
        self.fill = fill
        self.defaultText = defaultText
        self.hasDefault = hasDefault
        self.isGenerated = isGenerated
    }
}

/// A column as the stream describes it, whatever transforms did.
public struct StreamColumn: Hashable, Sendable {
    /// The name.
    public let name: String
    /// The type's OID.
    public let typeOID: UInt32
    /// `attnum` where the catalog has a column of that name and type.
    public let number: Int16?

    /// Makes a column.
    public init(name: String, typeOID: UInt32, number: Int16? = nil) {
        self.name = name
        self.typeOID = typeOID
        self.number = number
    }
}

/// When a key is checked. Source: PostgreSQL's CREATE TABLE, `DEFERRABLE`.
public enum KeyTiming: String, Sendable {
    /// With each row.
    case immediate
    /// At the end of a statement: rows may swap their keys in one.
    case deferrable
    /// At the end of the transaction.
    case deferred
}

/// What a target needs of a table, besides its columns, to create or change it.
public struct RelationDetails: Sendable {
    /// The table's comment.
    public let comment: String?
    /// The users' types that the columns use, those that others are made of first. Extensions' types included.
    public let types: [UserType]
    /// The columns of the stream in their order, those that transforms left out included.
    public let columns: [StreamColumn]
    /// Columns that the table computes, in the table's order.
    public let generated: [GeneratedColumn]
    /// When the primary key is checked; `immediate` without one.
    public let keyTiming: KeyTiming
    /// All entries of `pg_attribute`, rising by number: with them a column's number can be told even where the
    /// catalog is ahead of the log.
    public let attributes: [SourceAttribute]
    /// `pg_class.relfilenode`; another one means that the table was rewritten or truncated. 0 when there is none.
    public let storage: UInt32
    /// Where the log ended when the catalog was read: at a transaction that commits there or later these facts hold,
    /// until the table is described anew; before it they may be ahead of the rows. Nil when they are of the very point
    /// of the log that the relation describes.
    public let asOf: LSN?
    /// The same of `types`: they may be of the catalog where the rest is of the point of the log.
    public let typesAsOf: LSN?

    /// The first version of the table in a stream that tells of every change, and it told of none: whatever the
    /// catalog says by now, this is the version that was the last one before the stream began.
    public let isFirstOfStream: Bool

    /// Makes details. `typesAsOf` is `asOf` where it is not given.
    public init(
        comment: String? = nil, types: [UserType] = [], columns: [StreamColumn] = [],
        generated: [GeneratedColumn] = [], keyTiming: KeyTiming = .immediate, attributes: [SourceAttribute] = [],
        storage: UInt32 = 0, asOf: LSN? = nil, typesAsOf: LSN? = nil, isFirstOfStream: Bool = false
    ) {
        self.comment = comment
        self.types = types
        self.columns = columns
        self.generated = generated
        self.keyTiming = keyTiming
        self.attributes = attributes
        self.storage = storage
        self.asOf = asOf
        self.typesAsOf = typesAsOf ?? asOf
        self.isFirstOfStream = isFirstOfStream
    }

    /// The value of rows that are older than the column with this number; see `SourceAttribute.fill`.
    public func fill(_ number: Int16) -> String? { attributes.first { $0.number == number }?.fill }
}

extension RelationDetails: Equatable {
    /// Compares what a definition is made of: not the storage of a table that was only rewritten, nor when it was read.
    public static func == (left: RelationDetails, right: RelationDetails) -> Bool {
        left.comment == right.comment && left.types == right.types && left.columns == right.columns
            && left.attributes == right.attributes && left.generated == right.generated
            && left.keyTiming == right.keyTiming
            && (left.asOf == nil) == (right.asOf == nil) && (left.typesAsOf == nil) == (right.typesAsOf == nil)
    }
}
