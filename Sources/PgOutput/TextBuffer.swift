/// Bytes that are written one after another and used again: grows, never shrinks but when it was huge, and costs no
/// allocation once it is as large as the largest row.
///
/// Owned and used by one thread.
@safe
public struct TextBuffer: ~Copyable {
    private var start: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    /// Bytes written.
    public private(set) var count = 0

    private static let capacityKept = 4 << 20

    /// An empty buffer.
    public init() {
        capacity = 4096
        unsafe start = .allocate(capacity: capacity)
    }

    deinit { unsafe start.deallocate() }

    /// The written bytes, lent for the call.
    public borrowing func withBytes<Value>(_ body: (UnsafeRawBufferPointer) -> Value) -> Value {
        unsafe body(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// Forgets what was written.
    public mutating func removeAll() {
        count = 0
        guard capacity > Self.capacityKept else { return }
        unsafe start.deallocate()
        capacity = 4096
        unsafe start = .allocate(capacity: capacity)
    }

    /// Makes room: so many bytes may be put without another look.
    @inline(__always)
    mutating func reserve(_ more: Int) {
        if capacity - count < more { grow(more) }
    }

    @inline(never)
    private mutating func grow(_ more: Int) {
        let larger = max(capacity * 2, count + more)
        let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        unsafe moved.update(from: start, count: count)
        unsafe start.deallocate()
        unsafe start = moved
        capacity = larger
    }

    /// Writes a byte; traps beyond the room that was made.
    @inline(__always)
    mutating func put(_ byte: UInt8) {
        precondition(count < capacity, "no room was made")
        unsafe start[count] = byte
        count &+= 1
    }

    mutating func put(_ text: StaticString) {
        reserve(text.utf8CodeUnitCount)
        for index in 0..<text.utf8CodeUnitCount { unsafe put(text.utf8Start[index]) }
    }

    /// Writes bytes of a value.
    mutating func put(_ bytes: RawSpan, from offset: Int, to end: Int) {
        reserve(end - offset)
        let room = UnsafeMutableRawPointer(unsafe start + count)
        unsafe bytes.withUnsafeBytes { buffer in
            let part = unsafe UnsafeRawBufferPointer(rebasing: buffer[offset..<end])
            if let from = part.baseAddress { unsafe room.copyMemory(from: from, byteCount: part.count) }
        }
        count += end - offset
    }

    /// Writes a number in decimal.
    mutating func put(decimal value: UInt64) {
        reserve(20)
        var power: UInt64 = 1
        while value / power >= 10 { power *= 10 }
        var rest = value
        while power > 0 {
            put(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest / power))
            rest %= power
            power /= 10
        }
    }

    /// Writes a number in decimal, with its sign when it is negative.
    mutating func put(decimal value: Int64) {
        reserve(21)
        if value < 0 { put(UInt8(ascii: "-")) }
        put(decimal: value.magnitude)
    }

    /// Writes a number of so many digits at least, with zeros in front.
    mutating func put(padded value: UInt64, width: Int) {
        reserve(20 + width)
        var power: UInt64 = 1
        for _ in 1..<width {
            power *= 10
            if value < power { put(UInt8(ascii: "0")) }
        }
        put(decimal: value)
    }

    /// Writes a byte as two lower-case hexadecimal digits.
    @inline(__always)
    mutating func put(hex byte: UInt8) {
        put(hexDigit: byte >> 4)
        put(hexDigit: byte & 15)
    }

    /// Writes a number below 16 as a lower-case hexadecimal digit.
    @inline(__always)
    mutating func put(hexDigit digit: UInt8) {
        put(digit < 10 ? UInt8(ascii: "0") &+ digit : UInt8(ascii: "a") &+ digit &- 10)
    }

    /// Forgets what was written after the first `length` bytes.
    mutating func truncate(to length: Int) {
        precondition(length >= 0 && length <= count, "not written")
        count = length
    }

    /// A byte that was written.
    @inline(__always)
    subscript(index: Int) -> UInt8 {
        get {
            precondition(index >= 0 && index < count, "not written")
            return unsafe start[index]
        }
        set {
            precondition(index >= 0 && index < count, "not written")
            unsafe start[index] = newValue
        }
    }
}
