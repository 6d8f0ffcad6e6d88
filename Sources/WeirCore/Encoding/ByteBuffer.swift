#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// One growing buffer of bytes: where encoders write. Growth moves the bytes, so positions are offsets, never pointers.
///
/// Unique owner of its memory. Used by one thread at a time; writing is unchecked only inside this file, behind `room`.
@safe
public struct ByteBuffer: ~Copyable {
    private var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    /// Bytes written: the offset of the next one.
    public private(set) var count = 0

    /// Makes an empty buffer with room for `capacity` bytes.
    public init(capacity: Int = 64 << 10) {
        let size = max(capacity, 64)
        unsafe base = UnsafeMutablePointer<UInt8>.allocate(capacity: size)
        self.capacity = size
    }

    deinit { unsafe base.deallocate() }

    /// Forgets bytes from `offset` on (0 to `count`), keeping the memory.
    public mutating func truncate(to offset: Int) {
        precondition(offset >= 0 && offset <= count, "truncate beyond the end")
        count = offset
    }

    /// Forgets all bytes, keeping the memory.
    public mutating func removeAll() { count = 0 }

    /// Lends the written bytes; the pointer is valid only inside `body`.
    public borrowing func withUnsafeBytes<R: ~Copyable, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try unsafe body(UnsafeRawBufferPointer(start: base, count: count))
    }

    /// A copy of a range of written bytes as a string, for tests and messages. Ill-formed UTF-8 is repaired.
    public borrowing func text(_ range: Range<Int>) -> String {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "range beyond the end")
        return unsafe String(
            decoding: UnsafeBufferPointer(start: base + range.lowerBound, count: range.count), as: UTF8.self)
    }

    /// Makes room for `extra` more bytes and returns where the next one goes. Follow with `advance`.
    @inline(__always)
    @unsafe
    mutating func room(_ extra: Int) -> UnsafeMutablePointer<UInt8> {
        if capacity &- count < extra { grow(extra) }
        return unsafe base + count
    }

    /// Counts bytes written at the place `room` returned; `added` must not exceed what was asked for.
    @inline(__always)
    @unsafe
    mutating func advance(_ added: Int) { count &+= added }

    @inline(never)
    private mutating func grow(_ extra: Int) {
        let size = max(capacity &+ capacity / 2, count + extra)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: size)
        unsafe larger.update(from: base, count: count)
        unsafe base.deallocate()
        unsafe base = larger
        capacity = size
    }

    /// Appends one byte.
    @inline(__always)
    public mutating func append(_ byte: UInt8) {
        unsafe room(1).pointee = byte
        unsafe advance(1)
    }

    /// Appends bytes.
    @inline(__always)
    public mutating func append(_ bytes: ByteView) {
        unsafe memcpy(room(bytes.count), bytes.start, bytes.count)
        unsafe advance(bytes.count)
    }

    /// Appends a literal.
    @inline(__always)
    public mutating func append(_ literal: StaticString) {
        unsafe append(ByteView(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }

    /// Appends a string's UTF-8. For names and settings; values come as bytes.
    public mutating func append(utf8 text: String) {
        var copy = text
        copy.withUTF8 { bytes in
            if let start = bytes.baseAddress { unsafe append(ByteView(start: start, count: bytes.count)) }
        }
    }

    /// Appends a copy of bytes this buffer already holds.
    mutating func appendCopy(of range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "range beyond the end")
        let to = unsafe room(range.count)
        unsafe memcpy(to, base + range.lowerBound, range.count)
        unsafe advance(range.count)
    }

    /// Appends a range of another buffer's written bytes.
    public mutating func append(_ other: borrowing ByteBuffer, _ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= other.count, "range beyond the end")
        unsafe append(ByteView(start: other.base + range.lowerBound, count: range.count))
    }

    /// A view of written bytes, valid until the next write to this buffer.
    @inline(__always)
    @unsafe
    borrowing func view(_ range: Range<Int>) -> ByteView {
        unsafe ByteView(start: base + range.lowerBound, count: range.count)
    }
}

/// Bytes that live elsewhere, read with bounds checks. Trivial to pass; valid only while their owner lends them.
@safe
public struct ByteView {
    @usableFromInline let start: UnsafePointer<UInt8>
    /// Number of bytes.
    public let count: Int

    /// Wraps `count` bytes at `start`. The caller keeps them alive while the view is used.
    @inlinable
    @unsafe
    public init(start: UnsafePointer<UInt8>, count: Int) {
        unsafe self.start = start
        self.count = count
    }

    /// No bytes.
    static var empty: ByteView {
        let nothing: StaticString = ""
        return unsafe ByteView(start: nothing.utf8Start, count: 0)
    }

    /// Whether there are no bytes.
    @inlinable
    public var isEmpty: Bool { count == 0 }

    /// A byte; `index` must be inside.
    @inlinable
    public subscript(index: Int) -> UInt8 {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "index out of bytes")
        return unsafe start[index]
    }

    /// A part; the range must be inside.
    @inlinable
    public subscript(range: Range<Int>) -> ByteView {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "range out of bytes")
        return unsafe ByteView(start: start + range.lowerBound, count: range.count)
    }

    /// The byte at `index`, 0 when it is outside: for scanners.
    @inlinable
    func at(_ index: Int) -> UInt8 {
        UInt(bitPattern: index) < UInt(bitPattern: count) ? unsafe start[index] : 0
    }

    /// Whether the bytes are those of a literal.
    @inline(__always)
    func equals(_ literal: StaticString) -> Bool {
        guard count == literal.utf8CodeUnitCount else { return false }
        return unsafe memcmp(start, literal.utf8Start, count) == 0
    }

    /// Whether both hold the same bytes.
    @inline(__always)
    func equals(_ other: ByteView) -> Bool {
        guard count == other.count else { return false }
        return unsafe memcmp(start, other.start, count) == 0
    }
}
