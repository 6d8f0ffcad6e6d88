/// Turns values in PostgreSQL's binary send forms into the text that the types' output functions print under the
/// settings that Weir pins (ISO dates, UTC, hexadecimal bytea, shortest floats, `lc_monetary` C).
///
/// Pure: bytes in, bytes out. Every malformed value is a ``BinaryValueError``, never a trap; no length or count is
/// believed before the bytes are there. Costs no allocation once `text` is as large as the largest row.
///
/// Source: the send and output functions in PostgreSQL's `src/backend/utils/adt`.
public struct BinaryText: ~Copyable {
    /// What was written since the last `removeAll`. After an error the end of it is of no use.
    public private(set) var text = TextBuffer()
    /// Whether the server has infinite intervals: PostgreSQL 17 and newer.
    private let hasInfiniteIntervals: Bool

    /// Dimensions an array has at most (`MAXDIM`).
    private static let dimensionsMax = 6

    /// Makes a writer for values of a server, by its version number, for example 150018.
    public init(serverVersion: Int) {
        hasInfiniteIntervals = serverVersion >= 170000
    }

    /// Forgets what was written.
    public mutating func removeAll() { text.removeAll() }

    /// Appends bytes that are text already.
    public mutating func append(text bytes: RawSpan, _ range: ByteRange) {
        text.put(bytes, from: range.offset, to: range.offset + range.length)
    }

    /// Appends the text of the value in this range of `bytes`, which has to lie within them.
    public mutating func append(
        _ bytes: RawSpan, _ range: ByteRange, as form: BinaryForm
    ) throws(BinaryValueError) {
        precondition(
            range.offset >= 0 && range.length >= 0 && range.offset + range.length <= bytes.byteCount,
            "a range beyond the bytes")
        var cursor = ValueCursor(offset: range.offset, end: range.offset + range.length)
        do throws(BinaryValueError) {
            switch form.shape {
            case .scalar: try scalar(bytes, &cursor, form.scalar)
            case .array: try array(bytes, &cursor, form.scalar)
            case .range: try self.range(bytes, &cursor, form.scalar)
            }
            try cursor.finish()
        } catch {
            throw BinaryValueError(reason: error.reason, offset: error.offset - range.offset)
        }
    }

    // MARK: - Values

    private mutating func scalar(
        _ bytes: RawSpan, _ cursor: inout ValueCursor, _ form: BinaryForm.Scalar
    ) throws(BinaryValueError) {
        switch form {
        case .bool:
            let value: UInt8 = try cursor.integer(bytes)
            guard value <= 1 else { throw cursor.error(.invalidValue) }
            text.put(value == 1 ? "t" : "f")
        case .int2: text.put(decimal: Int64(try cursor.integer(bytes, as: Int16.self)))
        case .int4: text.put(decimal: Int64(try cursor.integer(bytes, as: Int32.self)))
        case .int8: text.put(decimal: try cursor.integer(bytes, as: Int64.self))
        case .oid: text.put(decimal: UInt64(try cursor.integer(bytes, as: UInt32.self)))
        case .xid8: text.put(decimal: try cursor.integer(bytes, as: UInt64.self))
        case .float4: text.put(Float(bitPattern: try cursor.integer(bytes)))
        case .float8: text.put(Double(bitPattern: try cursor.integer(bytes)))
        case .numeric: try text.putNumeric(bytes, &cursor)
        case .money: text.putMoney(try cursor.integer(bytes))
        case .text: rest(bytes, &cursor)
        case .versionedText:
            let version: UInt8 = try cursor.integer(bytes)
            guard version == 1 else { throw cursor.error(.invalidValue) }
            rest(bytes, &cursor)
        case .char: try char(bytes, &cursor)
        case .bytea:
            text.put("\\x")
            text.reserve(cursor.remaining * 2)
            while cursor.remaining > 0 { text.put(hex: try cursor.integer(bytes)) }
        case .uuid: try text.putHex(bytes, &cursor, count: 16, UInt8(ascii: "-"), before: 0b0000_0101_0101_0000)
        case .macaddr: try text.putHex(bytes, &cursor, count: 6, UInt8(ascii: ":"), before: 0b0011_1110)
        case .macaddr8: try text.putHex(bytes, &cursor, count: 8, UInt8(ascii: ":"), before: 0b1111_1110)
        case .date, .time, .timetz, .timestamp, .timestamptz: try text.putTime(bytes, &cursor, form)
        case .interval: try text.putInterval(bytes, &cursor, hasInfinite: hasInfiniteIntervals)
        case .bit: try text.putBits(bytes, &cursor)
        case .inet, .cidr: try text.putAddress(bytes, &cursor, isNetwork: form == .cidr)
        case .tid:
            text.put("(")
            text.put(decimal: UInt64(try cursor.integer(bytes, as: UInt32.self)))
            text.put(",")
            text.put(decimal: UInt64(try cursor.integer(bytes, as: UInt16.self)))
            text.put(")")
        case .point, .line, .lseg, .box, .path, .polygon, .circle: try text.putGeometry(bytes, &cursor, form)
        }
    }

    private mutating func rest(_ bytes: RawSpan, _ cursor: inout ValueCursor) {
        text.put(bytes, from: cursor.offset, to: cursor.end)
        cursor.offset = cursor.end
    }

    /// `"char"`: nothing for the byte 0, and an octal escape for bytes beyond ASCII, as since PostgreSQL 15 in text.
    private mutating func char(_ bytes: RawSpan, _ cursor: inout ValueCursor) throws(BinaryValueError) {
        let value: UInt8 = try cursor.integer(bytes)
        text.reserve(4)
        if value >= 0x80 {
            text.put(UInt8(ascii: "\\"))
            text.put(UInt8(ascii: "0") &+ (value >> 6))
            text.put(UInt8(ascii: "0") &+ (value >> 3 & 7))
            text.put(UInt8(ascii: "0") &+ (value & 7))
        } else if value > 0 {
            text.put(value)
        }
    }

    // MARK: - Arrays and ranges

    /// Source: `array_send` and `array_out`.
    private mutating func array(
        _ bytes: RawSpan, _ cursor: inout ValueCursor, _ form: BinaryForm.Scalar
    ) throws(BinaryValueError) {
        let dimensions = Int(try cursor.integer(bytes, as: Int32.self))
        guard dimensions >= 0 && dimensions <= Self.dimensionsMax else {
            throw cursor.error(.invalidCount(dimensions))
        }
        _ = try cursor.integer(bytes, as: Int32.self)
        _ = try cursor.integer(bytes, as: UInt32.self)
        var sizes = InlineArray<6, Int>(repeating: 1)
        var lowers = InlineArray<6, Int>(repeating: 1)
        var count = dimensions == 0 ? 0 : 1
        for index in 0..<dimensions {
            sizes[index] = Int(try cursor.integer(bytes, as: Int32.self))
            lowers[index] = Int(try cursor.integer(bytes, as: Int32.self))
            // Each element takes its length's four bytes at least.
            guard sizes[index] >= 0, count * sizes[index] <= cursor.remaining else {
                throw cursor.error(.invalidCount(sizes[index]))
            }
            count *= sizes[index]
        }
        guard count > 0 else { return text.put("{}") }
        putBounds(sizes, lowers, dimensions)
        let delimiter = form == .box ? UInt8(ascii: ";") : UInt8(ascii: ",")
        for index in 0..<count {
            text.reserve(2 * Self.dimensionsMax + 1)
            if index > 0 { text.put(delimiter) }
            Self.eachEdge(sizes, dimensions, index) { text.put(UInt8(ascii: "{")) }
            if var element = try cursor.part(bytes) {
                let start = text.count
                try scalar(bytes, &element, form)
                try element.finish()
                text.quoteElement(from: start, delimiter: delimiter)
            } else {
                text.put("NULL")
            }
            text.reserve(Self.dimensionsMax)
            Self.eachEdge(sizes, dimensions, index + 1) { text.put(UInt8(ascii: "}")) }
        }
    }

    private mutating func putBounds(
        _ sizes: borrowing InlineArray<6, Int>, _ lowers: borrowing InlineArray<6, Int>, _ dimensions: Int
    ) {
        var isUsual = true
        for index in 0..<dimensions where lowers[index] != 1 { isUsual = false }
        if isUsual { return }
        for index in 0..<dimensions {
            text.put("[")
            text.put(decimal: Int64(lowers[index]))
            text.put(":")
            text.put(decimal: Int64(lowers[index] + sizes[index] - 1))
            text.put("]")
        }
        text.put("=")
    }

    /// Calls `body` for each dimension that begins, or has ended, at the element `index`.
    private static func eachEdge(
        _ sizes: borrowing InlineArray<6, Int>, _ dimensions: Int, _ index: Int, _ body: () -> Void
    ) {
        var span = 1
        for dimension in stride(from: dimensions - 1, through: 0, by: -1) {
            span *= sizes[dimension]
            guard index % span == 0 else { return }
            body()
        }
    }

    /// Source: `range_send`, `range_deparse`.
    private mutating func range(
        _ bytes: RawSpan, _ cursor: inout ValueCursor, _ form: BinaryForm.Scalar
    ) throws(BinaryValueError) {
        let flags: UInt8 = try cursor.integer(bytes)
        guard flags & 0xE0 == 0 else { throw cursor.error(.invalidValue) }
        if flags & 0x01 != 0 { return text.put("empty") }
        text.put(flags & 0x02 != 0 ? "[" : "(")
        if flags & 0x08 == 0 { try bound(bytes, &cursor, form) }
        text.put(",")
        if flags & 0x10 == 0 { try bound(bytes, &cursor, form) }
        text.put(flags & 0x04 != 0 ? "]" : ")")
    }

    private mutating func bound(
        _ bytes: RawSpan, _ cursor: inout ValueCursor, _ form: BinaryForm.Scalar
    ) throws(BinaryValueError) {
        guard var part = try cursor.part(bytes) else { throw cursor.error(.invalidValue) }
        let start = text.count
        try scalar(bytes, &part, form)
        try part.finish()
        text.quoteBound(from: start)
    }
}
