/// The shape of a number in PostgreSQL's text form, for comparing numbers of any size and precision exactly and
/// without an allocation: integers, numeric, and the shortest form of floats, with an exponent or without.
struct DecimalShape: Equatable {
    /// Order of the special values: PostgreSQL sorts NaN above everything and equal to itself.
    private enum Kind: Int {
        case negativeInfinity, finite, infinity, nan
    }

    private let kind: Kind
    private let isNegative: Bool
    /// Where the first digit that is not 0 lies; equal to `end` for zero.
    private let first: Int
    /// End of the digits.
    private let end: Int
    /// Power of ten of the first digit that is not 0.
    private let magnitude: Int

    /// Reads a number; nil when the text is none.
    init?(_ text: Span<UInt8>) {
        switch Self.special(text) {
        case let special?:
            self.init(kind: special)
        case nil:
            guard let finite = Self.finite(text) else { return nil }
            self = finite
        }
    }

    private init(kind: Kind, isNegative: Bool = false, digits: Range<Int> = 0..<0, magnitude: Int = 0) {
        self.kind = kind
        self.isNegative = isNegative
        first = digits.lowerBound
        end = digits.upperBound
        self.magnitude = magnitude
    }

    private static func special(_ text: Span<UInt8>) -> Kind? {
        if text.equals("NaN") { return .nan }
        if text.equals("Infinity") { return .infinity }
        return text.equals("-Infinity") ? .negativeInfinity : nil
    }

    private static func finite(_ text: Span<UInt8>) -> DecimalShape? {
        var index = 0
        var isNegative = false
        if text.count > 0, text[0] == UInt8(ascii: "-") || text[0] == UInt8(ascii: "+") {
            isNegative = text[0] == UInt8(ascii: "-")
            index = 1
        }
        var digitCount = 0, point: Int?, first: Int?
        scan: while index < text.count {
            switch text[index] {
            case UInt8(ascii: "0"): digitCount += 1
            case UInt8(ascii: "1")...UInt8(ascii: "9"):
                digitCount += 1
                if first == nil { first = index }
            case UInt8(ascii: ".") where point == nil: point = index
            default: break scan
            }
            index += 1
        }
        guard digitCount > 0, let exponent = exponent(text, from: index) else { return nil }
        guard let first else { return DecimalShape(kind: .finite) }
        let units = point ?? index
        let power = first < units ? units - first - 1 : units - first
        return DecimalShape(
            kind: .finite, isNegative: isNegative, digits: first..<index, magnitude: power + exponent)
    }

    /// The exponent that begins at `start`, 0 when the text ends there, nil when it is malformed.
    private static func exponent(_ text: Span<UInt8>, from start: Int) -> Int? {
        guard start < text.count else { return 0 }
        guard text[start] | 0x20 == UInt8(ascii: "e") else { return nil }
        var index = start + 1
        var isNegative = false
        if index < text.count, text[index] == UInt8(ascii: "-") || text[index] == UInt8(ascii: "+") {
            isNegative = text[index] == UInt8(ascii: "-")
            index += 1
        }
        guard index < text.count else { return nil }
        var value = 0
        while index < text.count {
            guard let digit = text.digit(at: index) else { return nil }
            value = min(value * 10 + digit, 1_000_000)
            index += 1
        }
        return isNegative ? -value : value
    }

    private var isZero: Bool { first == end }

    /// Negative, zero or positive as the first number is less than, equal to or greater than the second. The texts are
    /// those the shapes were read from.
    static func compare(
        _ left: DecimalShape, _ leftText: Span<UInt8>, _ right: DecimalShape, _ rightText: Span<UInt8>
    ) -> Int {
        guard left.kind == .finite, right.kind == .finite else { return left.kind.rawValue - right.kind.rawValue }
        if left.isZero || right.isZero || left.isNegative != right.isNegative {
            return left.sign - right.sign
        }
        let absolute =
            left.magnitude == right.magnitude
            ? digits(left, leftText, right, rightText) : (left.magnitude < right.magnitude ? -1 : 1)
        return left.isNegative ? -absolute : absolute
    }

    private var sign: Int { isZero ? 0 : (isNegative ? -1 : 1) }

    private static func digits(
        _ left: DecimalShape, _ leftText: Span<UInt8>, _ right: DecimalShape, _ rightText: Span<UInt8>
    ) -> Int {
        var leftIndex = left.first, rightIndex = right.first
        while leftIndex < left.end || rightIndex < right.end {
            let difference =
                next(&leftIndex, left.end, leftText) - next(&rightIndex, right.end, rightText)
            if difference != 0 { return difference }
        }
        return 0
    }

    /// The next digit, 0 behind the last one; passes over the point.
    private static func next(_ index: inout Int, _ end: Int, _ text: Span<UInt8>) -> Int {
        if index < end, text[index] == UInt8(ascii: ".") { index += 1 }
        guard index < end else { return 0 }
        defer { index += 1 }
        return Int(text[index] - UInt8(ascii: "0"))
    }
}

extension Span<UInt8> {
    /// Whether the bytes are those of the text.
    func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in 0..<count where unsafe self[index] != text.utf8Start[index] { return false }
        return true
    }

    /// The decimal digit at an index, nil when there is none.
    func digit(at index: Int) -> Int? {
        guard index < count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self[index]) else { return nil }
        return Int(self[index] - UInt8(ascii: "0"))
    }

    /// Negative, zero or positive as these bytes sort before, with or behind the others.
    func compareBytes(_ other: Span<UInt8>) -> Int {
        let shared = Swift.min(count, other.count)
        for index in 0..<shared where self[index] != other[index] {
            return Int(self[index]) - Int(other[index])
        }
        return count - other.count
    }

    /// Whether the bytes begin with the others.
    func begins(with other: Span<UInt8>) -> Bool {
        guard other.count <= count else { return false }
        for index in 0..<other.count where self[index] != other[index] { return false }
        return true
    }
}
