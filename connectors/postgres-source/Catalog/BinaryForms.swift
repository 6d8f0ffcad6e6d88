import LibPQ
import PgOutput
import WeirCore

extension BinaryForm {
    /// The form in which pgoutput sends values of a type when it is asked for binary, nil where there is no verified
    /// way back to the type's text.
    ///
    /// Left to text: types whose send form is not their text's twin (xml carries a declaration, reg* types carry
    /// numbers), composites and multiranges, and types of extensions, of which only the name is known.
    init?(_ type: ColumnType) {
        switch type.kind {
        case .array(let element):
            guard let form = BinaryForm(element), form.shape == .scalar else { return nil }
            self.init(form.scalar, .array)
        case .int4range: self.init(.int4, .range)
        case .int8range: self.init(.int8, .range)
        case .numrange: self.init(.numeric, .range)
        case .tsrange: self.init(.timestamp, .range)
        case .tstzrange: self.init(.timestamptz, .range)
        case .daterange: self.init(.date, .range)
        case .other:
            guard let scalar = Self.others[type.baseOID] else { return nil }
            self.init(scalar)
        default:
            guard let scalar = Self.scalar(type.kind) else { return nil }
            self.init(scalar)
        }
    }

    /// tid, xid, cid, refcursor, jsonpath and xid8, by PostgreSQL's fixed OIDs.
    private static let others: [UInt32: Scalar] = [
        27: .tid, 28: .oid, 29: .oid, 1790: .text, 4072: .versionedText, 5069: .xid8,
    ]

    private static func scalar(_ kind: ColumnType.Kind) -> Scalar? {
        switch kind {
        case .boolean: .bool
        case .int2: .int2
        case .int4: .int4
        case .int8: .int8
        case .oid: .oid
        case .float4: .float4
        case .float8: .float8
        case .numeric: .numeric
        case .money: .money
        case .text, .varchar, .bpchar, .name, .json, .enumeration: .text
        case .jsonb: .versionedText
        case .char: .char
        case .bytea: .bytea
        case .uuid: .uuid
        case .date: .date
        case .time: .time
        case .timetz: .timetz
        case .timestamp: .timestamp
        case .timestamptz: .timestamptz
        case .interval: .interval
        case .bit, .varbit: .bit
        case .inet: .inet
        case .cidr: .cidr
        case .macaddr: .macaddr
        case .macaddr8: .macaddr8
        case .point: .point
        case .line: .line
        case .lseg: .lseg
        case .box: .box
        case .path: .path
        case .polygon: .polygon
        case .circle: .circle
        default: nil
        }
    }
}

/// Whether a stream's values can come in binary form: the option holds for the whole stream.
enum BinaryDecision {
    /// A column that keeps a stream in text form.
    struct Obstacle: Equatable {
        let table: TableName
        let column: String
        let type: String
    }

    /// pgoutput has the option since PostgreSQL 14.
    static let serverVersionMin = 140000

    /// The first column of the tables that has no decoder; nil when every one has.
    static func obstacle(
        _ tables: [PublicationFacts.Table], on connection: borrowing PGConnection
    ) throws(PGError) -> Obstacle? {
        let types = TypeCatalog()
        let oids = "{\(tables.map { "\($0.oid)" }.joined(separator: ","))}"
        let found = try connection.query(
            """
            SELECT DISTINCT ON (a.atttypid) a.atttypid, n.nspname, c.relname, a.attname \
            FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
            WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped \
            AND a.attgenerated = '' ORDER BY a.atttypid, n.nspname, c.relname, a.attnum
            """, [oids], operation: "read pg_attribute")
        for row in 0..<found.rowCount {
            let oid: UInt32 = found.integer(row: row, column: 0) ?? 0
            let type = try types.type(oid: oid, modifier: -1, on: connection)
            guard BinaryForm(type) == nil else { continue }
            return Obstacle(
                table: TableName(
                    schema: found.string(row: row, column: 1) ?? "", name: found.string(row: row, column: 2) ?? ""),
                column: found.string(row: row, column: 3) ?? "", type: type.name)
        }
        return nil
    }
}
