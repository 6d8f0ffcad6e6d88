/// Checked reads of one message's bytes: a position and what to say when something is missing.
///
/// The bytes are handed to each call, so that the cursor needs no lifetime of its own.
struct MessageCursor {
    /// The message's first byte, for errors.
    let message: UInt8
    var offset: Int

    func error(_ reason: DecodeError.Reason) -> DecodeError {
        DecodeError(reason, message: message, offset: offset)
    }

    /// Fails unless `count` more bytes are there.
    @inline(__always)
    func require(_ count: Int, _ bytes: RawSpan) throws(DecodeError) {
        if bytes.byteCount &- offset < count {
            throw error(.truncated(needed: count &- (bytes.byteCount &- offset)))
        }
    }

    /// A byte that `require` has made sure of.
    @inline(__always)
    mutating func uncheckedByte(_ bytes: RawSpan) -> UInt8 {
        // The load itself is bounds-checked: a broken invariant traps instead of reading astray.
        let value = unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
        offset &+= 1
        return value
    }

    @inline(__always)
    mutating func byte(_ bytes: RawSpan) throws(DecodeError) -> UInt8 {
        try require(1, bytes)
        return uncheckedByte(bytes)
    }

    @inline(__always)
    mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: RawSpan, as type: Value.Type = Value.self
    ) throws(DecodeError) -> Value {
        try require(MemoryLayout<Value>.size, bytes)
        let value = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: Value.self)
        offset &+= MemoryLayout<Value>.size
        return Value(bigEndian: value)
    }

    /// A NUL-terminated string as a range, without its NUL.
    mutating func stringRange(_ bytes: RawSpan) throws(DecodeError) -> ByteRange {
        let start = offset
        var end = offset
        while end < bytes.byteCount {
            if unsafe bytes.unsafeLoad(fromByteOffset: end, as: UInt8.self) == 0 {
                offset = end + 1
                return ByteRange(offset: start, length: end - start)
            }
            end += 1
        }
        throw error(.unterminatedString)
    }

    /// A NUL-terminated name, which must be UTF-8.
    mutating func name(_ bytes: RawSpan) throws(DecodeError) -> String {
        let start = offset
        let range = try stringRange(bytes)
        let name = unsafe bytes.withUnsafeBytes { buffer in
            unsafe String(
                validating: UnsafeRawBufferPointer(rebasing: buffer[range.offset..<range.offset + range.length]),
                as: UTF8.self)
        }
        guard let name else { throw DecodeError(.invalidUTF8, message: message, offset: start) }
        return name
    }

    /// A NUL-terminated schema name; the empty one means `pg_catalog`.
    mutating func schemaName(_ bytes: RawSpan) throws(DecodeError) -> String {
        let name = try name(bytes)
        return name.isEmpty ? "pg_catalog" : name
    }

    /// Fails when bytes are left.
    @inline(__always)
    func end(_ bytes: RawSpan) throws(DecodeError) {
        if offset != bytes.byteCount { throw error(.trailing(bytes.byteCount - offset)) }
    }
}
