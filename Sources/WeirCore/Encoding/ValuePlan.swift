/// How a type is rendered: the column's code, and the constants that stand for values that are not there.
struct ValuePlan {
    var code: ValueCode
    var element: ValueCode = .string
    var scale: Int16 = 0
    /// Debezium's value where a NOT NULL column has none, as JSON.
    var fallback = "\"\""
    /// What stands for an unchanged value.
    var placeholder = Placeholder.string
    /// What parts an array's elements.
    var delimiter = UInt8(ascii: ",")
    /// Whether a NULL in the array makes it null.
    var isLostWithNull = false

    /// Whether a column's literal default takes the fallback's place.
    var takesDefault: Bool {
        switch code {
        case .base64, .base64URL, .hex, .array, .arrayStrict, .variableDecimal, .money, .moneyDouble, .moneyString:
            false
        default: true
        }
    }

    /// Shapes of the placeholder for an unchanged value.
    enum Placeholder { case string, strings, bytes, byteStrings, integers, object, objectText, uuids, null }

    /// The plan for a type, nil when events in this format have no such column.
    static func make(_ type: ColumnType, _ settings: EncoderSettings) -> ValuePlan? {
        switch settings.format {
        case .debezium: debezium(type, settings.debezium)
        case .flat: flat(type)
        }
    }

    private init(_ code: ValueCode, _ fallback: String = "\"\"", scale: Int = 0, _ placeholder: Placeholder = .string) {
        self.code = code
        self.fallback = fallback
        self.scale = Int16(clamping: scale)
        self.placeholder = placeholder
    }

    // MARK: Debezium

    private static func debezium(_ type: ColumnType, _ options: DebeziumOptions) -> ValuePlan? {
        switch type.kind {
        case .boolean: ValuePlan(.boolean, "false")
        case .int2, .int4, .int8, .oid: ValuePlan(.integer, "0")
        case .float4: ValuePlan(.float, "0.0")
        case .float8: ValuePlan(.double, "0.0")
        case .numeric: numeric(type, options)
        case .money: money(options)
        case .bytea: bytea(options)
        case .date, .time, .timestamp: temporal(type, options)
        case .timetz: ValuePlan(.zonedTime, "\"00:00:00Z\"")
        case .timestamptz: ValuePlan(.zonedTimestamp, "\"1970-01-01T00:00:00Z\"", scale: type.fractionDigits)
        case .interval: interval(options)
        case .bit, .varbit: type.length == 1 ? ValuePlan(.bit, "false") : ValuePlan(.bits)
        case .hstore: hstore(options)
        case .point:
            ValuePlan(.point, #"{"x":0.0,"y":0.0,"wkb":"AQEAAAAAAAAAAAAAAAAAAAAAAAAA","srid":null}"#)
        case .array(let element): array(element, type, options)
        case .name: ValuePlan(options.strict ? .snapshotString : .string)
        case .other where type.isVector: options.strict ? ValuePlan(.emptyArray, "[]", .null) : ValuePlan(.string)
        case .tsquery, .pgLSN, .box, .lseg, .path, .polygon, .circle, .line, .multirange, .composite, .other:
            options.strict ? nil : ValuePlan(.string)
        case .text, .varchar, .bpchar, .char, .citext, .json, .jsonb, .xml, .tsvector, .ltree, .enumeration,
            .uuid, .inet, .cidr, .macaddr, .macaddr8, .int4range, .int8range, .numrange, .tsrange, .tstzrange,
            .daterange:
            ValuePlan(.string)
        }
    }

    private static func numeric(_ type: ColumnType, _ options: DebeziumOptions) -> ValuePlan {
        let zero = decimalText(zeroWithScale: max(type.numericScale ?? 0, 0))
        switch (options.decimal, type.numericScale) {
        case (.precise, let scale?):
            // Debezium takes a negative scale's eleven bits for a positive number.
            return ValuePlan(.decimal, "\"AA==\"", scale: options.strict && scale < 0 ? scale + 2048 : scale)
        case (.precise, nil): return ValuePlan(.variableDecimal, #"{"scale":0,"value":"AA=="}"#)
        case (.double, _): return ValuePlan(.decimalDouble, "0.0")
        case (.string, let scale): return ValuePlan(.decimalString, "\"\(zero)\"", scale: max(scale ?? 0, 0))
        }
    }

    private static func money(_ options: DebeziumOptions) -> ValuePlan {
        let scale = min(max(options.moneyFractionDigits, 0), 18)
        switch options.decimal {
        case .precise: return ValuePlan(.money, "\"AA==\"", scale: scale)
        case .double: return ValuePlan(.moneyDouble, "0.0", scale: scale)
        case .string: return ValuePlan(.moneyString, "\"\(decimalText(zeroWithScale: scale))\"", scale: scale)
        }
    }

    private static func decimalText(zeroWithScale scale: Int) -> String {
        scale == 0 ? "0" : "0." + String(repeating: "0", count: scale)
    }

    private static func bytea(_ options: DebeziumOptions) -> ValuePlan {
        switch options.binary {
        case .bytes: ValuePlan(.base64, "\"\"", .bytes)
        case .base64: ValuePlan(.base64, "\"\"", options.strict ? .null : .bytes)
        case .base64URLSafe: ValuePlan(.base64URL, "\"\"", options.strict ? .null : .bytes)
        case .hex: ValuePlan(.hex)
        }
    }

    private static func temporal(_ type: ColumnType, _ options: DebeziumOptions) -> ValuePlan {
        let isShort = type.fractionDigits <= 3
        switch (type.kind, options.timePrecision) {
        case (.date, .isostring): return ValuePlan(.dateISO, "\"1970-01-01Z\"")
        case (.date, _): return ValuePlan(.dateDays, "0")
        case (.time, .isostring): return ValuePlan(.timeISO, "\"00:00:00Z\"")
        case (.time, .nanoseconds): return ValuePlan(.timeNanos, "0")
        case (.time, .connect): return ValuePlan(.timeMillis, "0")
        case (.time, .adaptive): return ValuePlan(isShort ? .timeMillis : .timeMicros, "0")
        case (.time, _): return ValuePlan(.timeMicros, "0")
        case (_, .isostring): return ValuePlan(.timestampISO, "\"1970-01-01T00:00:00Z\"")
        case (_, .connect): return ValuePlan(.timestampMillis, "0")
        case (_, .microseconds): return ValuePlan(.timestampMicros, "0")
        case (_, .nanoseconds): return ValuePlan(.timestampNanos, "0")
        case (_, .adaptive), (_, .adaptiveTimeMicroseconds):
            return ValuePlan(isShort ? .timestampMillis : .timestampMicros, "0")
        }
    }

    private static func interval(_ options: DebeziumOptions) -> ValuePlan {
        switch options.interval {
        case .numeric: ValuePlan(options.strict ? .intervalMicrosInDouble : .intervalMicros, "0")
        case .string: ValuePlan(.intervalISO, "\"P0Y0M0DT0H0M0S\"")
        }
    }

    private static func hstore(_ options: DebeziumOptions) -> ValuePlan {
        switch options.hstore {
        case .json: ValuePlan(.hstoreString, "\"{}\"", .objectText)
        case .map: ValuePlan(.hstoreObject, "{}", .object)
        }
    }

    private static func array(_ element: ColumnType, _ type: ColumnType, _ options: DebeziumOptions) -> ValuePlan? {
        if options.strict {
            switch element.kind {
            case .money, .name, .interval, .varbit, .xml, .point, .array: return nil
            default: if element.oid != element.baseOID { return nil }
            }
        }
        let element = element.asElement
        var inherited = element
        if element.modifier < 0 && type.modifier >= 0 {
            inherited = ColumnType(
                oid: element.oid, baseOID: element.baseOID, modifier: type.modifier, name: element.name,
                kind: element.kind)
        }
        guard let plan = debezium(inherited, options) else { return nil }
        var array = ValuePlan(options.strict ? .arrayStrict : .array, "[]", scale: Int(plan.scale), .strings)
        array.element = plan.code
        array.delimiter = element.arrayDelimiter
        switch element.kind {
        case .bit where options.strict: array.code = .null
        case .ltree, .tsvector, .enumeration: array.isLostWithNull = options.strict
        default: break
        }
        switch element.kind {
        case .bytea:
            if options.binary == .bytes {
                array.placeholder = .byteStrings
            } else if options.strict {
                array.placeholder = .null
            }
        case .int4, .int8: array.placeholder = .integers
        case .date:
            switch options.timePrecision {
            case .isostring: array.placeholder = options.strict ? .null : .strings
            case .connect: array.placeholder = options.strict ? .null : .integers
            default: array.placeholder = .integers
            }
        case .uuid: array.placeholder = .uuids
        case .text, .varchar, .bpchar, .json, .jsonb: break
        // Debezium has a placeholder for no other element, and null is what becomes of its text.
        default: if options.strict { array.placeholder = .null }
        }
        // Debezium tells it by the type's name, and knows no domain's.
        if options.strict, type.oid != type.baseOID { array.placeholder = .null }
        return array
    }

    // MARK: Flat

    private static func flat(_ type: ColumnType) -> ValuePlan {
        switch type.kind {
        case .boolean: return ValuePlan(.boolean)
        case .int2, .int4, .int8, .oid: return ValuePlan(.integer)
        case .float4, .float8, .numeric: return ValuePlan(.numberOrWord)
        case .bytea: return ValuePlan(.base64)
        case .date: return ValuePlan(.datePlain)
        case .time: return ValuePlan(.timePlain)
        case .timestamp: return ValuePlan(.timestampPlain)
        case .timestamptz: return ValuePlan(.zonedTimestamp)
        case .timetz: return ValuePlan(.zonedTime)
        case .json, .jsonb: return ValuePlan(.json)
        case .hstore: return ValuePlan(.hstoreObject)
        case .array(let element):
            let plan = flat(element.asElement)
            var array = ValuePlan(.arrayNested, scale: Int(plan.scale))
            array.element = plan.code
            array.delimiter = element.arrayDelimiter
            return array
        default: return ValuePlan(.string)
        }
    }
}

extension ColumnType {
    /// What an array's elements are written as: an array again, as only a domain over arrays can be, is a text there,
    /// because arrays in arrays stand for dimensions.
    var asElement: ColumnType {
        guard case .array = kind else { return self }
        var text = ColumnType(oid: oid, baseOID: baseOID, name: name, kind: .text)
        text.arrayDelimiter = arrayDelimiter
        return text
    }
}
