import WeirCore

/// What becomes of values when a column's type changes. Pure.
enum TypeChange {
    /// Whether every value of the old type is a value of the new one, and means the same.
    static func widens(_ old: ColumnType, to new: ColumnType) -> Bool {
        if case .array(let from) = old.kind, case .array(let to) = new.kind { return widens(from, to: to) }
        guard !new.isOfUsers, !old.isOfUsers else { return old.name == new.name }
        if old.kind == new.kind { return sameKind(old, new) }
        switch (old.kind, new.kind) {
        case (.int2, .int4), (.int2, .int8), (.int4, .int8), (.int2, .float4), (.int2, .float8), (.int4, .float8),
            (.float4, .float8), (.date, .timestamp), (.cidr, .inet):
            return true
        case (.varchar, .text), (.text, .varchar), (.bit, .varbit):
            guard let length = new.length else { return true }
            return old.length.map { $0 <= length } ?? false
        case (.int2, .numeric), (.int4, .numeric), (.int8, .numeric):
            let digits: [ColumnType.Kind: Int] = [.int2: 5, .int4: 10, .int8: 19]
            guard let precision = new.numericPrecision, let scale = new.numericScale else { return true }
            return scale >= 0 && precision - scale >= digits[old.kind] ?? .max
        default: return false
        }
    }

    private static func sameKind(_ old: ColumnType, _ new: ColumnType) -> Bool {
        switch new.kind {
        case .numeric:
            guard let precision = new.numericPrecision, let scale = new.numericScale else { return true }
            guard let oldPrecision = old.numericPrecision, let oldScale = old.numericScale else { return false }
            return scale >= oldScale && precision - scale >= oldPrecision - oldScale
        case .varchar, .varbit:
            guard let length = new.length else { return true }
            return old.length.map { $0 <= length } ?? false
        // Longer ones are padded: another value.
        case .bpchar, .bit: return old.length == new.length
        case .time, .timetz, .timestamp, .timestamptz: return old.fractionDigits <= new.fractionDigits
        case .interval: return new.modifier == -1 || new.modifier == old.modifier
        case .other, .multirange: return old.name == new.name
        default: return true
        }
    }

    /// Whether PostgreSQL converts by itself, as ALTER COLUMN TYPE without USING has done at the source. Where it does
    /// not, the source wrote an expression that the stream does not tell.
    static func convertsByItself(_ old: ColumnType, to new: ColumnType) -> Bool {
        if case .array(let from) = old.kind, case .array(let to) = new.kind { return convertsByItself(from, to: to) }
        if old.kind == new.kind {
            switch new.kind {
            case .enumeration, .composite, .other, .multirange: return old.name == new.name
            default: return true
            }
        }
        switch new.kind {
        case .text, .varchar, .bpchar, .citext, .name: return true
        default: break
        }
        switch (group(old.kind), group(new.kind)) {
        case (.number, .number), (.bits, .bits), (.network, .network), (.json, .json): return true
        case (.time, .time): return convertsTime(old.kind, new.kind)
        default: return false
        }
    }

    /// Whether the new type takes each value as it is or refuses it.
    static func narrows(_ old: ColumnType, to new: ColumnType) -> Bool {
        if case .array(let from) = old.kind, case .array(let to) = new.kind { return narrows(from, to: to) }
        switch (old.kind, new.kind) {
        case (.int8, .int4), (.int8, .int2), (.int4, .int2), (.varchar, .varchar), (.text, .varchar),
            (.varbit, .varbit):
            return true
        case (.numeric, .numeric):
            guard let from = old.numericScale, let to = new.numericScale else { return false }
            return from <= to
        default: return false
        }
    }

    /// Whether PostgreSQL's own conversion depends on TimeZone, DateStyle or the like.
    static func dependsOnSession(_ old: ColumnType, to new: ColumnType) -> Bool {
        if case .array(let from) = old.kind {
            if case .array(let to) = new.kind { return dependsOnSession(from, to: to) }
            return dependsOnSession(from, to: new)
        }
        switch new.kind {
        case .text, .varchar, .bpchar, .citext, .name:
            switch old.kind {
            case .date, .timestamp, .timestamptz, .interval, .bytea, .money, .tsrange, .tstzrange, .daterange,
                .multirange, .composite:
                return true
            default: return false
            }
        default: break
        }
        let zoned: [ColumnType.Kind] = [.timestamptz, .timetz]
        guard group(old.kind) == .time, group(new.kind) == .time, old.kind != new.kind else { return false }
        // A timetz has its zone with it.
        return new.kind == .timetz || old.kind == .timestamptz || zoned.contains(new.kind)
    }

    private enum Group { case number, bits, network, json, time, other }

    private static func group(_ kind: ColumnType.Kind) -> Group {
        switch kind {
        case .int2, .int4, .int8, .float4, .float8, .numeric: .number
        case .bit, .varbit: .bits
        case .inet, .cidr: .network
        case .json, .jsonb: .json
        case .date, .time, .timetz, .timestamp, .timestamptz, .interval: .time
        default: .other
        }
    }

    /// Casts for assignment among date and time types. Source: pg_cast.
    private static func convertsTime(_ old: ColumnType.Kind, _ new: ColumnType.Kind) -> Bool {
        switch (old, new) {
        case (.date, .timestamp), (.date, .timestamptz), (.timestamp, .date), (.timestamptz, .date),
            (.timestamp, .timestamptz), (.timestamptz, .timestamp), (.timestamp, .time), (.timestamptz, .time),
            (.timestamptz, .timetz), (.time, .timetz), (.timetz, .time), (.time, .interval), (.interval, .time):
            true
        default: false
        }
    }
}
