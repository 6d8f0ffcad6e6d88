import WeirCore

/// Whether values of a source column can go into a target column. Pure.
enum TypeFit: Equatable {
    /// Every value arrives as it was.
    case exact
    /// The server refuses values that do not fit.
    case checked
    /// The server would take values and change them, or could never take them: why.
    case refused(String)

    init(source: ColumnType, target: ColumnType) {
        self = Self.fit(source, target)
    }

    private enum Family {
        case boolean, number, text, bytes, time, json, other
    }

    private static func fit(_ source: ColumnType, _ target: ColumnType) -> TypeFit {
        // Names are those of format_type, modifier and schema included.
        if source.name == target.name, source.kind == target.kind { return .exact }
        // What the source could not resolve is the server's to judge.
        if source.kind == .other || target.kind == .other { return .checked }
        if case .array(let from) = source.kind, case .array(let to) = target.kind { return fit(from, to) }
        if source.kind == target.kind { return sameKind(source, target) }
        switch (family(source.kind), family(target.kind)) {
        case (.text, .text): return texts(source, target)
        case (_, .text): return target.kind == .text || target.kind == .varchar ? bounded(target) : .checked
        case (.text, _): return .checked
        case (.number, .number): return numbers(source, target)
        case (.time, .time): return times(source.kind, target.kind)
        case (.json, .json): return .exact
        case (.other, .other): return .checked
        default: return .refused("values of one are no values of the other")
        }
    }

    private static func family(_ kind: ColumnType.Kind) -> Family {
        switch kind {
        case .boolean: .boolean
        case .int2, .int4, .int8, .oid, .float4, .float8, .numeric: .number
        case .text, .varchar, .bpchar, .name, .char, .citext: .text
        case .bytea: .bytes
        case .date, .time, .timetz, .timestamp, .timestamptz: .time
        case .json, .jsonb: .json
        default: .other
        }
    }

    private static func sameKind(_ source: ColumnType, _ target: ColumnType) -> TypeFit {
        switch source.kind {
        case .numeric:
            guard let scale = target.numericScale else { return .exact }
            guard let sourceScale = source.numericScale, sourceScale <= scale else {
                return .refused("it would round to \(scale) fractional digits")
            }
            let wholeDigits = (source.numericPrecision ?? .max) - sourceScale
            return wholeDigits <= (target.numericPrecision ?? 0) - scale ? .exact : .checked
        case .time, .timetz, .timestamp, .timestamptz:
            return source.fractionDigits <= target.fractionDigits
                ? .exact : .refused("it would round to \(target.fractionDigits) fractional digits")
        case .interval: return target.modifier == -1 || source.modifier == target.modifier ? .exact : .checked
        case .varchar, .bpchar, .bit, .varbit:
            guard let length = target.length else { return .exact }
            return source.length.map { $0 <= length } ?? false ? .exact : .checked
        case .enumeration: return .exact
        default: return .exact
        }
    }

    private static func bounded(_ target: ColumnType) -> TypeFit { target.length == nil ? .exact : .checked }

    private static func texts(_ source: ColumnType, _ target: ColumnType) -> TypeFit {
        switch target.kind {
        case .name: return source.kind == .char ? .exact : .refused("it would cut values to 63 bytes")
        case .char: return .refused("it would cut values to one byte")
        case .varchar:
            guard let length = target.length else { return .exact }
            return (source.length ?? .max) <= length ? .exact : .checked
        case .bpchar: return .checked
        default: return .exact
        }
    }

    private static func numbers(_ source: ColumnType, _ target: ColumnType) -> TypeFit {
        let sizes: [ColumnType.Kind: Int] = [.int2: 2, .int4: 4, .oid: 5, .int8: 8]
        if let from = sizes[source.kind], let to = sizes[target.kind] {
            return from <= to && target.kind != .oid ? .exact : .checked
        }
        switch (source.kind, target.kind) {
        case (.int2, .float4), (.int2, .float8), (.int4, .float8), (.oid, .float8), (.float4, .float8): return .exact
        case (_, .float4), (_, .float8): return .refused("it would lose digits")
        case (_, .numeric):
            guard let scale = target.numericScale else { return .exact }
            if source.kind == .float4 || source.kind == .float8 {
                return .refused("it would round to \(scale) fractional digits")
            }
            return scale >= 0 ? .checked : .refused("it would round whole digits")
        default: return .checked
        }
    }

    private static func times(_ source: ColumnType.Kind, _ target: ColumnType.Kind) -> TypeFit {
        if source == .date, target == .timestamp { return .exact }
        return .refused("one has a time, a date or a time zone that the other has not")
    }
}
