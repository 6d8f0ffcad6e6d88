/// A position in PostgreSQL's write-ahead log, in bytes since its beginning.
///
/// Source: PostgreSQL documentation, "pg_lsn Type"; text form `X/Y`, both halves upper-case hexadecimal.
public struct LSN: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The 64-bit position.
    public let rawValue: UInt64

    /// Wraps a 64-bit position.
    @inlinable
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Wraps a 64-bit position.
    @inlinable
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// The invalid position `0/0`, which sorts before every real one.
    public static let zero = LSN(0 as UInt64)

    /// Parses `X/Y` (one to eight hexadecimal digits on each side, either case); nil for anything else.
    public init?(_ text: some StringProtocol) {
        let halves = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard halves.count == 2,
            let high = LSN.hexadecimal(halves[0]), let low = LSN.hexadecimal(halves[1])
        else { return nil }
        rawValue = UInt64(high) << 32 | UInt64(low)
    }

    private static func hexadecimal(_ digits: some Collection<UInt8>) -> UInt32? {
        guard (1...8).contains(digits.count) else { return nil }
        var value: UInt32 = 0
        for digit in digits {
            let nibble: UInt8
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): nibble = digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): nibble = digit - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): nibble = digit - UInt8(ascii: "A") + 10
            default: return nil
            }
            value = value << 4 | UInt32(nibble)
        }
        return value
    }

    /// Orders by position.
    @inlinable
    public static func < (left: LSN, right: LSN) -> Bool { left.rawValue < right.rawValue }
}

extension LSN: CustomStringConvertible {
    /// The text form `X/Y`.
    public var description: String {
        let low = String(rawValue & 0xFFFF_FFFF, radix: 16, uppercase: true)
        return "\(String(rawValue >> 32, radix: 16, uppercase: true))/\(low)"
    }
}
