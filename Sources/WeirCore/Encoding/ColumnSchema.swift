/// The schemas of columns: what fits the values that `ValuePlan` writes.
///
/// Source: Debezium's `PostgresValueConverter.schemaBuilder`, and what its engine wrote for each type and mode.
extension ConnectSchema {
    /// The schema of a type's values in these modes.
    static func value(_ type: ColumnType, _ options: DebeziumOptions) -> ConnectSchema {
        switch type.kind {
        case .boolean: ConnectSchema(.boolean)
        case .int2: ConnectSchema(.int16)
        case .int4: ConnectSchema(.int32)
        case .int8, .oid: ConnectSchema(.int64)
        case .float4: ConnectSchema(.float)
        case .float8: ConnectSchema(.double)
        case .numeric: numeric(type, options)
        case .money: money(options)
        case .bytea: ConnectSchema(options.binary == .bytes ? .bytes : .string)
        case .date, .time, .timestamp: temporal(type, options.timePrecision)
        case .timetz: .logical(.string, "io.debezium.time.ZonedTime")
        case .timestamptz: .logical(.string, "io.debezium.time.ZonedTimestamp")
        case .interval:
            options.interval == .numeric
                ? .logical(.int64, "io.debezium.time.MicroDuration") : .logical(.string, "io.debezium.time.Interval")
        case .bit, .varbit: bits(type)
        case .uuid: .logical(.string, "io.debezium.data.Uuid")
        case .json, .jsonb: .logical(.string, "io.debezium.data.Json")
        case .xml: .logical(.string, "io.debezium.data.Xml")
        case .ltree: .logical(.string, "io.debezium.data.Ltree")
        case .tsvector: .logical(.string, "io.debezium.data.Tsvector")
        case .hstore: options.hstore == .json ? .logical(.string, "io.debezium.data.Json") : ConnectSchema(.map)
        case .enumeration(let labels):
            .logical(
                .string, "io.debezium.data.Enum", [Parameter(name: "allowed", value: labels.joined(separator: ","))])
        case .point: point
        case .array(let element): array(element, type, options)
        // Debezium says array, and writes none of its elements.
        case .other where type.isVector && options.strict:
            ConnectSchema(.array(ConnectSchema(type.oid == 30 ? .int64 : .int16)))
        default: ConnectSchema(.string)
        }
    }

    private static func numeric(_ type: ColumnType, _ options: DebeziumOptions) -> ConnectSchema {
        switch (options.decimal, type.numericScale) {
        case (.double, _): return ConnectSchema(.double)
        case (.string, _): return ConnectSchema(.string)
        case (.precise, nil):
            let fields = [
                Field("scale", ConnectSchema(.int32)), Field("value", ConnectSchema(.bytes)),
            ]
            var schema = logical(.structure(fields), "io.debezium.data.VariableScaleDecimal")
            schema.doc = "Variable scaled decimal"
            return schema
        case (.precise, let scale?):
            return decimal(
                scale: options.strict && scale < 0 ? scale + 2048 : scale,
                [Parameter(name: "connect.decimal.precision", value: "\(type.numericPrecision ?? 0)")])
        }
    }

    private static func decimal(scale: Int, _ others: [Parameter] = []) -> ConnectSchema {
        logical(
            .bytes, "org.apache.kafka.connect.data.Decimal", [Parameter(name: "scale", value: "\(scale)")] + others)
    }

    private static func money(_ options: DebeziumOptions) -> ConnectSchema {
        switch options.decimal {
        case .precise: decimal(scale: options.moneyFractionDigits)
        case .double: ConnectSchema(.double)
        case .string: ConnectSchema(.string)
        }
    }

    private static func bits(_ type: ColumnType) -> ConnectSchema {
        if type.length == 1 { return ConnectSchema(.boolean) }
        // Without a declared length Debezium has the largest there is.
        let length = type.length ?? Int(Int32.max)
        return logical(.bytes, "io.debezium.data.Bits", [Parameter(name: "length", value: "\(length)")])
    }

    private static func temporal(_ type: ColumnType, _ mode: DebeziumOptions.TimePrecision) -> ConnectSchema {
        let isShort = type.fractionDigits <= 3
        switch (type.kind, mode) {
        case (.date, .isostring): return logical(.string, "io.debezium.time.IsoDate")
        case (.date, .connect): return logical(.int32, "org.apache.kafka.connect.data.Date")
        case (.date, _): return logical(.int32, "io.debezium.time.Date")
        case (.time, .isostring): return logical(.string, "io.debezium.time.IsoTime")
        case (.time, .connect): return logical(.int32, "org.apache.kafka.connect.data.Time")
        case (.time, .nanoseconds): return logical(.int64, "io.debezium.time.NanoTime")
        case (.time, .adaptive) where isShort: return logical(.int32, "io.debezium.time.Time")
        case (.time, _): return logical(.int64, "io.debezium.time.MicroTime")
        case (_, .isostring): return logical(.string, "io.debezium.time.IsoTimestamp")
        case (_, .connect): return logical(.int64, "org.apache.kafka.connect.data.Timestamp")
        case (_, .nanoseconds): return logical(.int64, "io.debezium.time.NanoTimestamp")
        case (_, .adaptive) where isShort, (_, .adaptiveTimeMicroseconds) where isShort:
            return logical(.int64, "io.debezium.time.Timestamp")
        case (_, _): return logical(.int64, "io.debezium.time.MicroTimestamp")
        }
    }

    private static var point: ConnectSchema {
        let fields = [
            Field("x", ConnectSchema(.double)), Field("y", ConnectSchema(.double)),
            Field("wkb", ConnectSchema(.bytes).optional), Field("srid", ConnectSchema(.int32).optional),
        ]
        var schema = logical(.structure(fields), "io.debezium.data.geometry.Point")
        schema.doc = "Geometry (POINT)"
        return schema
    }

    private static func array(
        _ element: ColumnType, _ type: ColumnType, _ options: DebeziumOptions
    ) -> ConnectSchema {
        let element = element.asElement
        var inherited = element
        if element.modifier < 0 && type.modifier >= 0 {
            inherited = ColumnType(
                oid: element.oid, baseOID: element.baseOID, modifier: type.modifier, name: element.name,
                kind: element.kind)
        }
        let items = value(inherited, options)
        switch element.kind {
        // Debezium takes an array of bits for bits.
        case .bit where options.strict: return items
        // It forgets that elements may be null.
        case .enumeration where options.strict, .tsvector where options.strict: return ConnectSchema(.array(items))
        default: return ConnectSchema(.array(items.optional))
        }
    }
}

extension ValuePlan {
    /// Changes what is written without `strict` where it would not fit the column's schema: arrays of several
    /// dimensions, and what stands for an unchanged value.
    mutating func fitSchema(_ type: ColumnType, _ settings: EncoderSettings) {
        guard !settings.debezium.strict else { return }
        if code == .array { code = .arrayStrict }
        var strict = settings
        strict.debezium.strict = true
        if let plan = ValuePlan.make(type, strict) {
            placeholder = plan.placeholder
        } else if case .array = type.kind {
            placeholder = .null
        }
    }
}
