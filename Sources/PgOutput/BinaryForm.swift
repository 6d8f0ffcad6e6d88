/// Which of PostgreSQL's binary send forms a value is in: those that ``BinaryText`` turns into text.
///
/// Source: the types' send functions in PostgreSQL's `src/backend/utils/adt`.
public struct BinaryForm: Sendable, Hashable {
    /// The form of a single value.
    public enum Scalar: UInt8, Sendable, CaseIterable {
        case bool, int2, int4, int8, oid, xid8, float4, float8, numeric, money
        /// The bytes are the text: text, varchar, bpchar, name, json, citext, enums.
        case text
        /// A version byte 1 before the text: jsonb, jsonpath, ltree.
        case versionedText
        /// `"char"`.
        case char
        case bytea, uuid
        case date, time, timetz, timestamp, timestamptz, interval
        case bit, inet, cidr, macaddr, macaddr8, tid
        case point, line, lseg, box, path, polygon, circle
    }

    /// What the value is made of.
    public enum Shape: UInt8, Sendable {
        /// One value.
        case scalar
        /// An array of them.
        case array
        /// A range of them.
        case range
    }

    /// The form of the value, or of its elements or bounds.
    public let scalar: Scalar
    /// Whether there is one or several.
    public let shape: Shape

    /// Makes a form.
    public init(_ scalar: Scalar, _ shape: Shape = .scalar) {
        self.scalar = scalar
        self.shape = shape
    }
}

/// Why the binary form of a value could not be read. Names lengths and offsets, never the value.
public struct BinaryValueError: Error, Sendable, Equatable {
    /// What was wrong.
    public enum Reason: Sendable, Equatable {
        /// The value ends before something that needs this many more bytes.
        case truncated(needed: Int)
        /// This many bytes are left after its end.
        case trailing(Int)
        /// A count or length that no value has.
        case invalidCount(Int)
        /// Bytes that the type's send function does not write.
        case invalidValue
        /// The texts of the row are longer than 4 GiB together.
        case rowTooLarge
    }

    /// What was wrong.
    public let reason: Reason
    /// Where in the value, in bytes.
    public let offset: Int

    /// Makes an error.
    public init(reason: Reason, offset: Int) {
        self.reason = reason
        self.offset = offset
    }
}

extension BinaryValueError: CustomStringConvertible {
    /// One line, for example `byte 7 of a binary value: 4 more bytes needed`.
    public var description: String {
        let what =
            switch reason {
            case .truncated(let needed): "\(needed) more bytes needed"
            case .trailing(let count): "\(count) bytes after the end"
            case .invalidCount(let count): "impossible count \(count)"
            case .invalidValue: "no such value"
            case .rowTooLarge: "the row's values are longer than 4 GiB as text"
            }
        return "byte \(offset) of a binary value: \(what)"
    }
}

/// Checked reads of one value's bytes, from an offset to an end. The bytes are handed to each call.
struct ValueCursor {
    var offset: Int
    let end: Int

    func error(_ reason: BinaryValueError.Reason) -> BinaryValueError {
        BinaryValueError(reason: reason, offset: offset)
    }

    var remaining: Int { end &- offset }

    @inline(__always)
    mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: RawSpan, as type: Value.Type = Value.self
    ) throws(BinaryValueError) -> Value {
        let size = MemoryLayout<Value>.size
        if remaining < size { throw error(.truncated(needed: size - remaining)) }
        // The load itself is bounds-checked: a broken invariant traps instead of reading astray.
        let value = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: Value.self)
        offset &+= size
        return Value(bigEndian: value)
    }

    /// The bytes of a length-prefixed part; nil for the length -1, which means NULL.
    mutating func part(_ bytes: RawSpan) throws(BinaryValueError) -> ValueCursor? {
        let length = Int(try integer(bytes, as: Int32.self))
        if length == -1 { return nil }
        guard length >= 0 else { throw error(.invalidCount(length)) }
        if remaining < length { throw error(.truncated(needed: length - remaining)) }
        let part = ValueCursor(offset: offset, end: offset + length)
        offset += length
        return part
    }

    /// Fails when bytes are left.
    func finish() throws(BinaryValueError) {
        if remaining != 0 { throw error(.trailing(remaining)) }
    }
}
