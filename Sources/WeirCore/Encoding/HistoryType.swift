/// How Debezium's PostgreSQL connector describes a column's type in its model of a table, which is what a record of
/// schema history holds.
///
/// Source: Debezium 3.6.3's `ColumnMetaData` and `PostgresType`, and below them `TypeInfoCache` of the JDBC driver
/// 42.7. The lengths are the driver's: a number of digits, of characters, or of what a value takes when it is shown.
struct HistoryType: Equatable {
    /// A number of `java.sql.Types`; a domain has that of the type below it.
    let jdbcType: Int
    /// The type's name alone: `int4`, `_int4` for int4[], a domain's or enum's own.
    let name: String
    /// The name with length and scale, where they say something: `numeric(12,4)`, `varchar(20,0)`.
    let expression: String
    /// Nil where there is none.
    let length: Int?
    /// Digits behind the point.
    let scale: Int

    /// What the driver says of types that have no length.
    static let unlimited = Int(Int32.max)

    /// Describes a type. `isStrict` keeps what Debezium reads wrongly: a negative scale, the digits of an interval
    /// without seconds.
    init(_ type: ColumnType, isStrict: Bool) {
        jdbcType = Self.jdbcType(type)
        name = Self.name(of: type)
        let measured = Self.measured(type)
        let length = measured.map { Self.precision($0.kind, $0.modifier) } ?? Self.unlimited
        scale = measured.map { Self.scale($0, isStrict: isStrict) } ?? 0
        let usual = type.oid != type.baseOID ? length : measured.map { Self.precision($0.kind, -1) } ?? Self.unlimited
        expression = length == usual && scale == 0 ? name : "\(name)(\(length),\(scale))"
        self.length = length == -1 ? nil : length
    }

    // MARK: - Names

    private static func name(of type: ColumnType) -> String {
        guard type.oid == type.baseOID else { return lastName(type.name) }
        switch type.kind {
        case .boolean: return "bool"
        case .int2: return "int2"
        case .int4: return "int4"
        case .int8: return "int8"
        case .float4: return "float4"
        case .float8: return "float8"
        case .numeric: return "numeric"
        case .varchar: return "varchar"
        case .bpchar: return "bpchar"
        case .char: return "char"
        case .bit: return "bit"
        case .varbit: return "varbit"
        case .time: return "time"
        case .timetz: return "timetz"
        case .timestamp: return "timestamp"
        case .timestamptz: return "timestamptz"
        case .interval: return "interval"
        case .array(let element): return arrayName(name(of: element))
        default: return lastName(type.name)
        }
    }

    /// PostgreSQL puts an underscore before the element's name, and cuts it at 63 bytes, between characters. Source:
    /// `makeArrayTypeName`.
    private static func arrayName(_ element: String) -> String {
        var name = "_" + element
        while name.utf8.count > 63 { name.unicodeScalars.removeLast() }
        return name
    }

    /// The last identifier of what `format_type` printed, without quotes: `b` of `a.b`, `"a".b` and `b(3)`.
    static func lastName(_ formatted: String) -> String {
        var name = ""
        var isQuoted = false
        var rest = formatted.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            if scalar == "\"" {
                if isQuoted, rest.first == "\"" {
                    rest.removeFirst()
                    name.unicodeScalars.append(scalar)
                } else {
                    isQuoted.toggle()
                }
            } else if isQuoted {
                name.unicodeScalars.append(scalar)
            } else if scalar == "." {
                name = ""
            } else if scalar == "(" {
                return name
            } else {
                name.unicodeScalars.append(scalar)
            }
        }
        return name
    }

    // MARK: - Numbers

    private static func jdbcType(_ type: ColumnType) -> Int {
        switch type.kind {
        case .boolean, .bit: -7
        case .int2: 5
        case .int4: 4
        case .int8, .oid: -5
        case .float4: 7
        case .float8, .money: 8
        case .numeric: 2
        case .text, .varchar, .name, .enumeration: 12
        case .bpchar, .char: 1
        case .bytea: -2
        case .date: 91
        case .time, .timetz: 92
        case .timestamp, .timestamptz: 93
        case .xml: 2009
        case .composite: 2002
        case .array: 2003
        case .other where type.baseOID == 1790: 2012  // refcursor
        default: 1111
        }
    }

    /// The kind and modifier that lengths are of: an array's element. Nil where the driver sees no length: arrays of
    /// domains and of intervals.
    private static func measured(_ type: ColumnType) -> ColumnType? {
        guard case .array(let element) = type.kind else { return type }
        guard element.oid == element.baseOID, element.kind != .interval else { return nil }
        return element
    }

    private static func precision(_ kind: ColumnType.Kind, _ modifier: Int32) -> Int {
        switch kind {
        case .int2: 5
        case .int4, .oid: 10
        case .int8: 19
        case .float4: 8
        case .float8: 17
        case .numeric: modifier < 0 ? 131_089 : Int(((modifier &- 4) >> 16) & 0xFFFF)
        case .boolean, .char: 1
        case .varchar, .bpchar: modifier < 0 ? unlimited : Int(modifier &- 4)
        case .date: 13
        case .time: 8 + shownDigits(modifier)
        case .timetz: 14 + shownDigits(modifier)
        case .timestamp: 22 + shownDigits(modifier)
        case .timestamptz: 28 + shownDigits(modifier)
        case .interval: 49
        case .bit: Int(modifier)
        case .varbit: modifier < 0 ? unlimited : Int(modifier)
        default: unlimited
        }
    }

    /// What a fraction of seconds takes with its point: the driver has one place more for a single digit.
    private static func shownDigits(_ modifier: Int32) -> Int {
        switch modifier {
        case 0: 0
        case 1: 3
        case ..<0: 7
        default: Int(modifier) + 1
        }
    }

    private static func scale(_ type: ColumnType, isStrict: Bool) -> Int {
        switch type.kind {
        case .float4: 8
        case .float8: 17
        case .numeric where isStrict: type.modifier < 0 ? 0 : Int((type.modifier &- 4) & 0xFFFF)
        case .numeric: type.numericScale ?? 0
        case .time, .timetz, .timestamp, .timestamptz: type.modifier < 0 ? 6 : Int(type.modifier)
        case .interval where isStrict: type.modifier < 0 ? 6 : Int(type.modifier & 0xFFFF)
        case .interval: (0...6).contains(type.modifier & 0xFFFF) ? Int(type.modifier & 0xFFFF) : 6
        default: 0
        }
    }
}
