import PgOutput
import WeirCore

/// A type whose text has a form that Weir reads.
struct SampleType {
    let name: String
    let type: ColumnType
    /// Whether events have it, or its elements, in PostgreSQL's own form, so that it can be read once more.
    var isLiteral: Bool {
        var kind = type.kind
        if case .array(let element) = kind { kind = element.kind }
        return switch kind {
        case .boolean, .int8, .text, .float4, .float8, .numeric, .uuid, .hstore, .varbit, .numrange, .tstzrange,
            .multirange, .composite:
            true
        default: false
        }
    }
    /// What parts an array's elements.
    var delimiter: String { if case .array(let element) = type.kind, element.kind == .box { ";" } else { "," } }

    private init(_ name: String, oid: UInt32, _ kind: ColumnType.Kind, modifier: Int32 = -1) {
        self.name = name
        type = ColumnType(oid: oid, modifier: modifier, name: name, kind: kind)
    }

    private static let scalars: [SampleType] = [
        SampleType("boolean", oid: 16, .boolean), SampleType("bytea", oid: 17, .bytea),
        SampleType("bigint", oid: 20, .int8), SampleType("text", oid: 25, .text),
        SampleType("json", oid: 114, .json), SampleType("point", oid: 600, .point), SampleType("box", oid: 603, .box),
        SampleType("real", oid: 700, .float4), SampleType("double precision", oid: 701, .float8),
        SampleType("money", oid: 790, .money), SampleType("date", oid: 1082, .date),
        SampleType("time without time zone", oid: 1083, .time),
        SampleType("timestamp without time zone", oid: 1114, .timestamp),
        SampleType("timestamp(2) without time zone", oid: 1114, .timestamp, modifier: 2),
        SampleType("timestamp with time zone", oid: 1184, .timestamptz), SampleType("interval", oid: 1186, .interval),
        SampleType("time with time zone", oid: 1266, .timetz), SampleType("bit(1)", oid: 1560, .bit, modifier: 1),
        SampleType("bit varying", oid: 1562, .varbit), SampleType("numeric", oid: 1700, .numeric),
        // Precision 30 and scale 4; modifiers as numeric.c packs them.
        SampleType("numeric(30,4)", oid: 1700, .numeric, modifier: 30 << 16 | 4 + 4),
        SampleType("uuid", oid: 2950, .uuid), SampleType("numrange", oid: 3906, .numrange),
        SampleType("tstzrange", oid: 3910, .tstzrange), SampleType("nummultirange", oid: 4532, .multirange),
        SampleType("s.pair", oid: 20_000, .composite), SampleType("hstore", oid: 20_001, .hstore),
    ]

    /// All of them, and arrays of each.
    static let all =
        scalars + scalars.map { SampleType("\($0.name)[]", oid: 30_000, .array($0.type), modifier: $0.type.modifier) }

    /// The type that has a binary form; nil where the text of its values is of no form that Weir reads.
    static func of(_ form: BinaryForm) -> SampleType? {
        let names: [BinaryForm.Scalar: String] = [
            .bool: "boolean", .bytea: "bytea", .int8: "bigint", .text: "text", .float4: "real",
            .float8: "double precision", .numeric: "numeric", .money: "money", .date: "date",
            .time: "time without time zone", .timestamp: "timestamp without time zone",
            .timestamptz: "timestamp with time zone", .timetz: "time with time zone", .interval: "interval",
            .bit: "bit varying", .uuid: "uuid", .point: "point", .box: "box",
        ]
        guard let name = names[form.scalar], form.shape != .range else { return nil }
        return all.first { $0.name == (form.shape == .array ? name + "[]" : name) }
    }
}
