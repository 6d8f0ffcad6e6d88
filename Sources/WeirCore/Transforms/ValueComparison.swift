/// How values of a column compare, from their text form, the way PostgreSQL would where that can be told from the text.
struct ValueComparison {
    private enum Rule {
        /// Byte by byte, which is collation "C" for text: text, uuid, bytea.
        case bytes
        /// As `bytes`, blanks at the end aside: character(n).
        case padded
        /// By value: all numbers.
        case number
        /// `t` and `f`.
        case boolean
        /// An enum: labels in sort order.
        case labels([String])
        /// By value: dates and timestamps.
        case temporal(hasTime: Bool, hasZone: Bool)
        /// A time of day without a zone.
        case clock
        /// Equal when PostgreSQL prints them alike; no order.
        case printed
        /// Not at all: equal values may print differently.
        case none
    }

    private let rule: Rule
    /// Whether a value's binary form is its text.
    let readsBinary: Bool

    init(_ type: ColumnType) {
        rule =
            switch type.kind {
            case .text, .varchar, .name, .char, .uuid, .bytea: .bytes
            case .bpchar: .padded
            case .int2, .int4, .int8, .oid, .float4, .float8, .numeric: .number
            case .boolean: .boolean
            case .enumeration(let labels): .labels(labels)
            case .date: .temporal(hasTime: false, hasZone: false)
            case .timestamp: .temporal(hasTime: true, hasZone: false)
            case .timestamptz: .temporal(hasTime: true, hasZone: true)
            case .time: .clock
            case .citext, .json, .xml, .hstore: .none
            default: .printed
            }
        readsBinary =
            switch type.kind {
            case .text, .varchar, .bpchar, .name, .citext, .json, .xml, .enumeration: true
            default: false
            }
    }

    /// Whether values can be tested for being equal.
    var hasEquality: Bool {
        if case .none = rule { false } else { true }
    }

    /// Whether values have an order.
    var hasOrder: Bool {
        switch rule {
        case .printed, .none, .boolean: false
        default: true
        }
    }

    /// Whether the beginning of a value means something.
    var hasPrefix: Bool {
        switch rule {
        case .bytes, .padded, .labels: true
        default: false
        }
    }

    /// A value from the configuration in the form `compare` takes; nil when it is no value of the type.
    func canonical(_ written: String) -> [UInt8]? {
        let bytes = Array(written.utf8)
        switch rule {
        case .bytes, .printed: return bytes
        case .padded: return Array(bytes[..<Self.unpaddedCount(bytes.span)])
        case .number: return DecimalShape(bytes.span) == nil ? nil : bytes
        case .boolean:
            switch written {
            case "t", "true": return [UInt8(ascii: "t")]
            case "f", "false": return [UInt8(ascii: "f")]
            default: return nil
            }
        case .labels(let labels): return labels.contains(written) ? bytes : nil
        case .temporal(let hasTime, let hasZone):
            return TemporalShape.canonical(written, hasTime: hasTime, hasZone: hasZone)
        case .clock: return TemporalShape.canonicalClock(written).map { Array($0.utf8) }
        case .none: return nil
        }
    }

    /// Whether a text may be a value of the type, as far as can be told: numbers, booleans, labels, dates and times are
    /// looked at.
    func admits(_ written: String) -> Bool {
        switch rule {
        case .number, .boolean, .labels, .temporal, .clock: canonical(written) != nil
        default: true
        }
    }

    /// Negative, zero or positive as the value is less than, equal to or greater than the canonical one; of rules
    /// without an order only zero means something. Nil when the value's text is not what its type prints.
    func compare(_ value: Span<UInt8>, _ canonical: Span<UInt8>) -> Int? {
        switch rule {
        case .bytes, .boolean, .clock, .printed, .none: return value.compareBytes(canonical)
        case .padded: return value.extracting(0..<Self.unpaddedCount(value)).compareBytes(canonical)
        case .number:
            guard let left = DecimalShape(value), let right = DecimalShape(canonical) else { return nil }
            return DecimalShape.compare(left, value, right, canonical)
        case .labels(let labels):
            if value.compareBytes(canonical) == 0 { return 0 }
            guard let left = Self.index(of: value, in: labels), let right = Self.index(of: canonical, in: labels)
            else { return nil }
            return left - right
        case .temporal:
            guard let left = TemporalShape(value), let right = TemporalShape(canonical) else { return nil }
            return TemporalShape.compare(left, value, right, canonical)
        }
    }

    private static func unpaddedCount(_ text: Span<UInt8>) -> Int {
        var count = text.count
        while count > 0, text[count - 1] == UInt8(ascii: " ") { count -= 1 }
        return count
    }

    private static func index(of label: Span<UInt8>, in labels: [String]) -> Int? {
        labels.firstIndex { candidate in
            candidate.utf8.count == label.count && candidate.utf8.span.compareBytes(label) == 0
        }
    }
}
