/// How the text form of one value becomes JSON. Decided once for each column of a relation; the row only switches.
enum ValueCode: UInt8, BitwiseCopyable {
    /// As it is: an integer.
    case integer
    /// As it is when it is a number, else between quotes (NaN, Infinity).
    case numberOrWord
    /// `t` and `f`.
    case boolean
    /// Between quotes, escaped.
    case string
    /// Null while streaming, escaped text in a snapshot: Debezium's rendering of `name`.
    case snapshotString
    /// As it is, control characters made spaces: text that is JSON.
    case json
    /// A number in the layout of Java's `Double.toString` or `Float.toString`; NaN and infinities between quotes.
    case double, float
    /// Base64 of the unscaled value, scale from the column.
    case decimal
    /// A struct of scale and base64 of the unscaled value.
    case variableDecimal
    /// Double nearest to a numeric.
    case decimalDouble
    /// Digits of a numeric between quotes.
    case decimalString
    /// The three of money, scale from the settings.
    case money, moneyDouble, moneyString
    /// bytea in its four renderings.
    case base64, base64URL, hex
    /// date in days since 1970, as ISO 8601 in UTC, and as ISO 8601 without a zone.
    case dateDays, dateISO, datePlain
    /// time of day.
    case timeMillis, timeMicros, timeNanos, timeISO, timePlain
    /// timestamp since 1970.
    case timestampMillis, timestampMicros, timestampNanos, timestampISO, timestampPlain
    /// timestamptz as ISO 8601 in UTC with a fixed number of digits.
    case zonedTimestamp
    /// timetz as ISO 8601 in UTC.
    case zonedTime
    /// interval in microseconds, exact or in Java's double arithmetic, and as ISO 8601.
    case intervalMicros, intervalMicrosInDouble, intervalISO
    /// bit(1) as a boolean; longer ones as base64 of little-endian bytes.
    case bit, bits
    /// hstore as a string that holds an object, and as an object.
    case hstoreString, hstoreObject
    /// A struct of coordinates and well-known binary.
    case point
    /// An array of one dimension; more are text, or what Debezium makes of them.
    case array, arrayStrict
    /// An array of any number of dimensions, nested.
    case arrayNested
    /// Null, whatever the value: Debezium's rendering of bit(n)[].
    case null
    /// An empty array, or null for an empty one: Debezium's rendering of oidvector and int2vector.
    case emptyArray

    /// Renderings of numeric that can say NaN and infinity.
    var hasWords: Bool { self == .decimalDouble || self == .decimalString }

    /// Renderings of numeric, whose arrays Debezium loses when one element is NaN or infinite.
    var isNumeric: Bool {
        switch self {
        case .decimal, .variableDecimal, .decimalDouble, .decimalString: true
        default: false
        }
    }
}

/// A part of a program's constants.
struct ConstantRange: BitwiseCopyable {
    var offset: Int32 = 0
    var count: Int32 = 0
    @inline(__always)
    var range: Range<Int> { Int(offset)..<(Int(offset) + Int(count)) }
}

/// What to write for one column. Trivial; the constants are its program's.
struct ColumnProgram: BitwiseCopyable {
    /// Rendering of a value.
    var code: ValueCode
    /// Rendering of an array's elements.
    var element: ValueCode = .string
    /// Digits after the point: of a decimal (may be negative) or of seconds.
    var scale: Int16 = 0
    /// The value reaches Debezium through Java's own dates and times, and must lose what it loses there: in strict
    /// mode, elements of arrays, and dates of a snapshot.
    var isThroughJava = false
    /// Index of the column in its relation, and so of its cell.
    var cell: Int32 = 0
    /// Part of the replica identity.
    var isIdentity = false
    /// The column may be NULL.
    var isOptional = true
    /// Debezium exactly, its losses included.
    var isStrict = false
    /// A schema tells what the value is: what fits none is written as Debezium does, or refused.
    var hasSchema = false
    /// What parts an array's elements.
    var delimiter = UInt8(ascii: ",")
    /// An array in which a NULL makes the whole of it null: Debezium's rendering of ltree[], tsvector[], enums[].
    var isLostWithNull = false
    /// `"name":`, escaped.
    var name = ConstantRange()
    /// What NULL looks like: `null`, or the type's fallback where the column is NOT NULL.
    var missing = ConstantRange()
    /// What an unchanged TOASTed value looks like.
    var unchanged = ConstantRange()

    /// Whether a value must be one of the type that Debezium has for it.
    var isTyped: Bool { isStrict || hasSchema }
}
