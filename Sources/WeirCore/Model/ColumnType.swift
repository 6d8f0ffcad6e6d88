/// A column's PostgreSQL type, resolved far enough to render its values.
public struct ColumnType: Hashable, Sendable {
    /// What the text form of a value looks like and means.
    public indirect enum Kind: Hashable, Sendable {
        case boolean, int2, int4, int8, oid, float4, float8, numeric, money
        /// Character types; `char` is the one-byte `"char"`, `bpchar` is `character(n)`.
        case text, varchar, bpchar, name, char, citext
        case bytea, date, time, timetz, timestamp, timestamptz, interval
        case uuid, json, jsonb, xml, bit, varbit
        case inet, cidr, macaddr, macaddr8
        case tsvector, tsquery, ltree, hstore, pgLSN
        case point, box, lseg, path, polygon, circle, line
        case int4range, int8range, numrange, tsrange, tstzrange, daterange
        case multirange
        /// An enum and its labels in sort order.
        case enumeration([String])
        case composite
        /// An array and its element's type.
        case array(ColumnType)
        /// Anything else: carried as PostgreSQL's text form.
        case other
    }

    /// The type's OID as the stream names it (a domain's own OID for a domain).
    public let oid: UInt32
    /// The OID after domains are resolved; equal to `oid` when the type is no domain.
    public let baseOID: UInt32
    /// The effective type modifier (`atttypmod`, or the innermost domain's), -1 when there is none.
    public let modifier: Int32
    /// `format_type` of the column: for example `numeric(12,4)` or `zoo.mood`.
    public let name: String
    /// The resolved kind.
    public let kind: Kind
    /// What parts the elements in the text form of an array of this type: `typdelim`. A semicolon for box, a comma for
    /// the other built-in types, and what a type's maker chose: a colon for PostGIS's geometry.
    public var arrayDelimiter: UInt8

    /// Makes a type from catalog facts. `arrayDelimiter` is that of a built-in type of this kind.
    public init(oid: UInt32, baseOID: UInt32? = nil, modifier: Int32 = -1, name: String, kind: Kind) {
        self.oid = oid
        self.baseOID = baseOID ?? oid
        self.modifier = modifier
        self.name = name
        self.kind = kind
        arrayDelimiter = kind == .box ? UInt8(ascii: ";") : UInt8(ascii: ",")
    }

    /// What stands for the name of a type that was dropped before it was read, as `format_type` never writes it.
    public static func unnamed(_ oid: UInt32) -> String { "type \(oid)" }

    /// The first OID that PostgreSQL gives to what users and extensions make. Source: `FirstNormalObjectId` in
    /// PostgreSQL's access/transam.h.
    public static let firstUserOID: UInt32 = 16384

    /// Whether the type is not one that PostgreSQL itself brings.
    public var isOfUsers: Bool { oid >= Self.firstUserOID }

    /// Precision of numeric (1 to 1000), nil when undeclared. Source: `make_numeric_typmod` in PostgreSQL's numeric.c.
    public var numericPrecision: Int? {
        modifier >= 4 ? Int(((modifier - 4) >> 16) & 0xFFFF) : nil
    }

    /// Scale of numeric (-1000 to 1000), nil when undeclared.
    public var numericScale: Int? {
        modifier >= 4 ? Int(((modifier - 4) & 0x7FF) ^ 1024) - 1024 : nil
    }

    /// oidvector and int2vector: arrays to the catalog, but with a text form of their own.
    public var isVector: Bool { oid == 22 || oid == 30 }

    /// Fractional digits of time and timestamp types, 0 to 6; 6 when undeclared.
    public var fractionDigits: Int {
        (0...6).contains(modifier) ? Int(modifier) : 6
    }

    /// Declared length of bit and varbit in bits, of varchar and bpchar in characters; nil when undeclared.
    public var length: Int? {
        switch kind {
        case .bit, .varbit: modifier >= 0 ? Int(modifier) : nil
        case .varchar, .bpchar: modifier >= 4 ? Int(modifier - 4) : nil
        default: nil
        }
    }
}
