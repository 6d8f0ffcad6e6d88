public import WeirCore

/// Resolves PostgreSQL types to ``ColumnType`` through a connection's catalog, with a cache.
///
/// Owned and used by one thread. Types are looked up by OID, so renamed types and same names in two schemas stay
/// apart. A cached type of users does not see another name, or labels added later: `forgetUsers` after such a sign.
public final class TypeCatalog {
    private struct Key: Hashable {
        let oid: UInt32
        let modifier: Int32
    }

    private struct Entry {
        let name: String
        let schema: String
        let category: String
        let element: UInt32
        let base: UInt32
        let baseModifier: Int32
        let formatted: String
        let delimiter: UInt8
    }

    private var cache: [Key: ColumnType] = [:]
    /// Types as they were, for rows from before their type was dropped.
    private var former: [Key: ColumnType] = [:]
    /// Labels as of a point of the log, where they are known.
    public private(set) var told: [UInt32: EnumLabels] = [:]
    /// Domains over domains and arrays of arrays of domains end somewhere; a hostile catalog might not.
    private static let depthMax = 32

    /// An empty cache.
    public init() {}

    /// Drops cached types of users, so that new names and labels are seen.
    public func forgetUsers() {
        for (key, type) in cache where key.oid >= ColumnType.firstUserOID {
            former[key] = type
            cache[key] = nil
        }
    }

    /// Takes in an enum's labels as of a point of the log; they hold until the next call for that enum.
    public func learn(_ labels: EnumLabels, of oid: UInt32) {
        told[oid] = labels
        forgetUsers()
    }

    /// Forgets what was told: labels are the catalog's of now again.
    public func forgetTold() {
        told = [:]
        forgetUsers()
    }

    /// The type with this OID and modifier (`atttypmod`); kind `other` when the catalog does not know it (any more).
    public func type(
        oid: UInt32, modifier: Int32, on connection: borrowing PGConnection
    ) throws(PGError) -> ColumnType {
        try resolve(oid: oid, modifier: modifier, depth: 0, on: connection)
    }

    private func resolve(
        oid: UInt32, modifier: Int32, depth: Int, on connection: borrowing PGConnection
    ) throws(PGError) -> ColumnType {
        let key = Key(oid: oid, modifier: modifier)
        if let known = cache[key] { return known }
        guard depth < Self.depthMax, let entry = try load(key, on: connection) else {
            return former[key] ?? ColumnType(oid: oid, modifier: modifier, name: ColumnType.unnamed(oid), kind: .other)
        }
        var type = try build(key, entry, depth: depth, on: connection)
        type.arrayDelimiter = entry.delimiter
        cache[key] = type
        return type
    }

    private func load(_ key: Key, on connection: borrowing PGConnection) throws(PGError) -> Entry? {
        // No modifier is -1, not NULL: that makes "character", which is character(1), of the unbounded bpchar.
        let result = try connection.query(
            """
            SELECT t.typname, n.nspname, t.typtype::text, t.typbasetype, t.typtypmod, \
            pg_catalog.format_type(t.oid, $2::pg_catalog.int4), \
            CASE WHEN t.typcategory = 'A' AND t.typlen = -1 AND t.oid NOT IN (22, 30) THEN t.typelem ELSE 0 END, \
            t.typdelim::text \
            FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
            WHERE t.oid = $1::pg_catalog.oid
            """,
            ["\(key.oid)", "\(key.modifier)"], operation: "read pg_type")
        guard result.rowCount == 1 else { return nil }
        return Entry(
            name: result.string(row: 0, column: 0) ?? "", schema: result.string(row: 0, column: 1) ?? "",
            category: result.string(row: 0, column: 2) ?? "", element: result.integer(row: 0, column: 6) ?? 0,
            base: result.integer(row: 0, column: 3) ?? 0, baseModifier: result.integer(row: 0, column: 4) ?? -1,
            formatted: result.string(row: 0, column: 5) ?? "",
            delimiter: result.string(row: 0, column: 7)?.utf8.first ?? UInt8(ascii: ","))
    }

    private func build(
        _ key: Key, _ entry: Entry, depth: Int, on connection: borrowing PGConnection
    ) throws(PGError) -> ColumnType {
        if entry.category == "d" {
            // A domain's modifier is its own (typtypmod); the column's is always -1.
            let base = try resolve(oid: entry.base, modifier: entry.baseModifier, depth: depth + 1, on: connection)
            return ColumnType(
                oid: key.oid, baseOID: base.baseOID, modifier: base.modifier, name: entry.formatted, kind: base.kind)
        }
        let kind: ColumnType.Kind
        if entry.element != 0 {
            kind = .array(
                try resolve(oid: entry.element, modifier: key.modifier, depth: depth + 1, on: connection))
        } else if entry.category == "e" {
            kind = .enumeration(try labels(of: key.oid, on: connection))
        } else {
            kind = Self.kind(oid: key.oid, category: entry.category, name: entry.name)
        }
        return ColumnType(oid: key.oid, modifier: key.modifier, name: entry.formatted, kind: kind)
    }

    private func labels(of oid: UInt32, on connection: borrowing PGConnection) throws(PGError) -> [String] {
        if let known = told[oid] { return known.names }
        let result = try connection.query(
            "SELECT enumlabel FROM pg_catalog.pg_enum WHERE enumtypid = $1::pg_catalog.oid ORDER BY enumsortorder",
            ["\(oid)"], operation: "read pg_enum")
        return (0..<result.rowCount).map { result.string(row: $0, column: 0) ?? "" }
    }

    private static func kind(oid: UInt32, category: String, name: String) -> ColumnType.Kind {
        if let builtIn = builtIn[oid] { return builtIn }
        switch category {
        case "c": return .composite
        case "m": return .multirange
        default: break
        }
        // Types of extensions have no fixed OID; their names are the only sign.
        return oid < ColumnType.firstUserOID ? .other : extensions[name] ?? .other
    }

    private static let extensions: [String: ColumnType.Kind] = ["hstore": .hstore, "citext": .citext, "ltree": .ltree]

    /// OIDs fixed by PostgreSQL's pg_type.dat.
    private static let builtIn: [UInt32: ColumnType.Kind] = [
        16: .boolean, 17: .bytea, 18: .char, 19: .name, 20: .int8, 21: .int2, 23: .int4, 25: .text, 26: .oid,
        114: .json, 142: .xml, 600: .point, 601: .lseg, 602: .path, 603: .box, 604: .polygon, 628: .line,
        650: .cidr, 700: .float4, 701: .float8, 718: .circle, 774: .macaddr8, 790: .money, 829: .macaddr,
        869: .inet, 1042: .bpchar, 1043: .varchar, 1082: .date, 1083: .time, 1114: .timestamp,
        1184: .timestamptz, 1186: .interval, 1266: .timetz, 1560: .bit, 1562: .varbit, 1700: .numeric,
        2950: .uuid, 3220: .pgLSN, 3614: .tsvector, 3615: .tsquery, 3802: .jsonb, 3904: .int4range,
        3906: .numrange, 3908: .tsrange, 3910: .tstzrange, 3912: .daterange, 3926: .int8range,
    ]
}
