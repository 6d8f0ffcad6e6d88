/// What Debezium takes for a column's default: it reads the expression that `pg_get_expr` prints, evaluates nothing,
/// and has the type's zero for what a function makes.
///
/// Source: `PostgresDefaultValueConverter` of Debezium 3.6, and what its engine wrote for columns of each type.
public enum DebeziumDefault {
    /// The default in the text form of its type; nil where Debezium takes none: there is no mapping for the type
    /// (domains and arrays among them), or the expression is none that it can read.
    public static func text(of expression: String, type: ColumnType) -> String? {
        guard type.oid == type.baseOID, let shape = Shape(type) else { return nil }
        if case .enumeration = shape { return enumeration(expression) }
        let trimmed = shape.isTrimmed ? trimmed(expression) : expression[...]
        if isGenerated(trimmed) { return shape.zero }
        guard let literal = literal(trimmed) else { return nil }
        switch shape {
        case .text, .plain, .enumeration: return literal
        case .boolean: return literal.lowercased() == "true" ? "true" : "false"
        case .integer(let bits): return integer(literal, bits: bits)
        case .numeric(let scale): return numeric(literal, scale: scale)
        case .bits(let length):
            let digits = String(literal.map { $0 == "1" ? "1" : "0" })
            return length == 1 && digits.count != 1 ? nil : digits
        }
    }

    // MARK: Types

    /// How a type's default is read.
    private enum Shape {
        case text(zero: String)
        case plain(zero: String)
        case boolean
        case integer(bits: Int)
        case numeric(scale: Int?)
        case bits(length: Int)
        case enumeration

        /// Nil for types that Debezium maps no default of.
        init?(_ type: ColumnType) {
            switch type.kind {
            case .boolean: self = .boolean
            case .int2: self = .integer(bits: 16)
            case .int4: self = .integer(bits: 32)
            case .int8: self = .integer(bits: 64)
            case .float4, .float8: self = .plain(zero: "0.0")
            case .numeric: self = .numeric(scale: type.numericScale)
            case .bit: self = .bits(length: type.length ?? 1)
            case .varbit: self = .bits(length: type.length ?? 0)
            case .bpchar, .varchar, .text, .xml: self = .text(zero: "")
            case .json, .jsonb: self = .text(zero: "{}")
            case .uuid: self = .plain(zero: "00000000-0000-0000-0000-000000000000")
            case .date: self = .plain(zero: "1970-01-01")
            case .time: self = .plain(zero: "00:00:00")
            case .timestamp: self = .plain(zero: "1970-01-01 00:00:00")
            case .timestamptz: self = .plain(zero: "1970-01-01 00:00:00+00")
            case .interval: self = .plain(zero: "00:00:00")
            case .enumeration: self = .enumeration
            default: return nil
            }
        }

        /// What stands for a value that a function makes.
        var zero: String {
            switch self {
            case .text(let zero), .plain(let zero): zero
            case .boolean: "false"
            case .integer: "0"
            case .numeric(let scale): scale == 0 ? "0" : "0.0"
            case .bits(let length): length == 1 ? "0" : "00"
            case .enumeration: ""
            }
        }

        var isTrimmed: Bool {
            switch self {
            case .text, .enumeration: false
            default: true
            }
        }
    }

    // MARK: Expressions

    private static let currentTimes: Set<String> = [
        "current_timestamp", "current_time", "current_date", "localtime", "localtimestamp",
    ]

    /// Whether a function makes the value: a name with parentheses behind it comes first, maybe in another
    /// parenthesis, or the whole is a word like CURRENT_DATE.
    private static func isGenerated(_ expression: Substring) -> Bool {
        if currentTimes.contains(expression.lowercased()) { return true }
        var rest = expression.utf8
        if rest.first == UInt8(ascii: "(") { rest = rest.dropFirst() }
        let name = rest.prefix(while: isName)
        let arguments = rest.dropFirst(name.count)
        guard !name.isEmpty, arguments.first == UInt8(ascii: "(") else { return false }
        let line = arguments.dropFirst().prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        return line.contains(UInt8(ascii: ")"))
    }

    private static func isName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    /// The first literal between quotes, wherever it stands; the whole when there is none. Nil for NULL.
    private static func literal(_ expression: Substring) -> String? {
        guard let start = expression.firstIndex(of: "'") else {
            return expression.hasPrefix("NULL::") ? nil : String(expression)
        }
        var rest = expression[start...].dropFirst()
        var text = ""
        while let character = rest.popFirst() {
            if character == "'" {
                guard rest.first == "'" else { return text }
                rest.removeFirst()
            }
            text.append(character)
        }
        return nil
    }

    /// The label of `'label'::type`; quotes inside stay double.
    private static func enumeration(_ expression: String) -> String? {
        guard expression.first == "'" else { return nil }
        var label = Substring(expression)
        while let colon = label.lastIndex(of: ":") {
            label = label[..<colon]
            if label.last == ":" { break }
        }
        label = label.dropLast()
        guard label.count >= 2, label.last == "'" else { return nil }
        return String(label.dropFirst().dropLast())
    }

    private static func integer(_ text: String, bits: Int) -> String? {
        guard let value = Int64(text), value.magnitude >> UInt64(bits - 1) == 0 || value == Int64.min >> (64 - bits)
        else { return nil }
        return String(value)
    }

    /// A number with no more digits behind the point than the column has; nil when it has them.
    private static func numeric(_ text: String, scale: Int?) -> String? {
        var parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let whole = parts[0].first == "-" || parts[0].first == "+" ? parts[0].dropFirst() : parts[0]
        guard !whole.isEmpty, whole.utf8.allSatisfy(isDigit),
            parts.dropFirst().allSatisfy({ $0.utf8.allSatisfy(isDigit) })
        else { return nil }
        guard let scale, scale >= 0, parts.count == 2 else { return text }
        while parts[1].utf8.count > scale {
            guard parts[1].popLast() == "0" else { return nil }
        }
        return parts[1].isEmpty ? String(parts[0]) : "\(parts[0]).\(parts[1])"
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func trimmed(_ text: String) -> Substring {
        var rest = text[...]
        while let first = rest.first, first.isWhitespace { rest.removeFirst() }
        while let last = rest.last, last.isWhitespace { rest.removeLast() }
        return rest
    }
}
