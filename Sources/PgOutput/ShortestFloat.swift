/// The shortest decimal digits that read back as a float or double, as PostgreSQL prints them.
///
/// Ulf Adams' Ryu with the bounds of the interval left out, as in PostgreSQL's `d2s.c` and `f2s.c`
/// (`STRICTLY_SHORTEST` is 0 there). The powers of five are computed
/// once.
struct ShortestFloat {
    /// The digits as an integer.
    let digits: UInt64
    /// Power of ten of the last digit.
    let exponent: Int

    /// Digits of a finite number that is not zero: `mantissa` and `exponent` as IEEE 754 stores them.
    init(mantissa: UInt64, exponent: Int, mantissaBits: Int, bias: Int) {
        let e2 = (exponent == 0 ? 1 : exponent) - bias - mantissaBits - 2
        let m2 = exponent == 0 ? mantissa : (1 << UInt64(mantissaBits)) | mantissa
        let mv = 4 * m2
        let mm = mv - 1 - (mantissa != 0 || exponent <= 1 ? 1 : 0)
        var window: Window
        if e2 >= 0 {
            let q = Self.log10Pow2(e2) - (e2 > 3 ? 1 : 0)
            let shift = -e2 + q + PowersOfFive.inverseBits + PowersOfFive.bits(q) - 1
            window = Window(mv, mm, PowersOfFive.table.inverse[q], shift)
            if q <= 21 {
                // Only one of mv, mv + 2 and mm can be a multiple of 5.
                if mv % 5 == 0 {
                    window.isExact = Self.isMultiple(mv, ofFivePower: q)
                } else if Self.isMultiple(mv + 2, ofFivePower: q) {
                    window.high -= 1
                }
            }
            self = window.digits(at: q)
        } else {
            let q = Self.log10Pow5(-e2) - (-e2 > 1 ? 1 : 0)
            let i = -e2 - q
            window = Window(
                mv, mm, PowersOfFive.table.direct[i], q - (PowersOfFive.bits(i) - PowersOfFive.directBits))
            if q <= 1 {
                // mv = 4 * m2 ends in two zero bits at least.
                window.isExact = true
                window.high -= 1
            } else if q < 63 {
                window.isExact = mv.trailingZeroBitCount >= q - 1
            }
            self = window.digits(at: q + e2)
        }
    }

    fileprivate init(digits: UInt64, exponent: Int) {
        self.digits = digits
        self.exponent = exponent
    }

    private static func log10Pow2(_ e: Int) -> Int { (e * 78913) >> 18 }
    private static func log10Pow5(_ e: Int) -> Int { (e * 732923) >> 20 }

    private static func isMultiple(_ value: UInt64, ofFivePower power: Int) -> Bool {
        var rest = value
        for _ in 0..<power {
            guard rest % 5 == 0 else { return false }
            rest /= 5
        }
        return true
    }
}

/// The value and the ends of the interval that reads back as it, in the same power of ten.
private struct Window {
    var value: UInt64
    var high: UInt64
    var low: UInt64
    /// Every digit that was cut off the value so far is zero.
    var isExact = false

    init(_ mv: UInt64, _ mm: UInt64, _ factor: UInt128, _ shift: Int) {
        value = Self.product(mv, factor, shift)
        high = Self.product(mv + 2, factor, shift)
        low = Self.product(mm, factor, shift)
    }

    /// `left` times `factor`, shifted right.
    private static func product(_ left: UInt64, _ factor: UInt128, _ shift: Int) -> UInt64 {
        let low = UInt128(left) * UInt128(UInt64(truncatingIfNeeded: factor))
        let high = UInt128(left) * (factor >> 64)
        return UInt64(truncatingIfNeeded: ((low >> 64) &+ high) >> UInt128(shift - 64))
    }

    /// Cuts digits off as long as the interval holds another number.
    func digits(at exponent: Int) -> ShortestFloat {
        var (value, high, low, isExact) = (value, high, low, isExact)
        var removed = 0
        var last: UInt64 = 0
        while high / 10 > low / 10 {
            isExact = isExact && last == 0
            last = value % 10
            value /= 10
            high /= 10
            low /= 10
            removed += 1
        }
        // Exactly in the middle: to even.
        if isExact, last == 5, value % 2 == 0 { last = 4 }
        return ShortestFloat(
            digits: value + (value == low || last >= 5 ? 1 : 0), exponent: exponent + removed)
    }
}

/// Powers of five and their inverses, cut to the bits that Ryu's products need. Computed exactly at first use.
private struct PowersOfFive: Sendable {
    static let inverseBits = 122
    static let directBits = 121
    static let table = PowersOfFive()

    /// 5^i, its highest bits.
    private(set) var direct: [UInt128] = []
    /// 2^k / 5^i + 1.
    private(set) var inverse: [UInt128] = []

    /// Bits of 5^e.
    static func bits(_ e: Int) -> Int { ((e * 1_217_359) >> 19) + 1 }

    private init() {
        var power = WideInteger(1)
        for i in 0..<342 {
            let length = Self.bits(i)
            direct.append(power.shifted(by: Self.directBits - length))
            inverse.append(power.quotient(bits: length, more: Self.inverseBits) + 1)
            power.multiply(by: 5)
        }
    }
}

/// A number of any size, for the tables only: words from the lowest on.
private struct WideInteger {
    private var words: [UInt32]

    init(_ value: UInt32) { words = [value] }

    mutating func multiply(by factor: UInt32) {
        var carry: UInt64 = 0
        for index in words.indices {
            let product = UInt64(words[index]) * UInt64(factor) + carry
            words[index] = UInt32(truncatingIfNeeded: product)
            carry = product >> 32
        }
        if carry > 0 { words.append(UInt32(truncatingIfNeeded: carry)) }
    }

    private func bit(_ index: Int) -> Bool {
        index >= 0 && index / 32 < words.count && words[index / 32] >> UInt32(index % 32) & 1 == 1
    }

    /// The number, shifted left by `count` bits, or right when that is negative; it has to fit.
    func shifted(by count: Int) -> UInt128 {
        var value: UInt128 = 0
        for index in 0..<128 where bit(index - count) { value |= 1 << UInt128(index) }
        return value
    }

    /// 2^(`bits` - 1 + `more`) divided by the number, which has so many bits, by long division.
    func quotient(bits: Int, more: Int) -> UInt128 {
        var rest = WideInteger(0)
        rest.words = Array(repeating: 0, count: words.count)
        rest.words[(bits - 1) / 32] = 1 << UInt32((bits - 1) % 32)
        var quotient: UInt128 = rest.subtract(self) ? 1 : 0
        for _ in 0..<more {
            rest.double()
            quotient <<= 1
            if rest.subtract(self) { quotient |= 1 }
        }
        return quotient
    }

    private mutating func double() {
        var carry: UInt32 = 0
        for index in words.indices {
            let next = words[index] >> 31
            words[index] = words[index] << 1 | carry
            carry = next
        }
        if carry > 0 { words.append(carry) }
    }

    /// Subtracts when the result is not negative.
    private mutating func subtract(_ other: WideInteger) -> Bool {
        guard !isLess(than: other) else { return false }
        var borrow: UInt64 = 0
        for index in words.indices {
            let taken = (index < other.words.count ? UInt64(other.words[index]) : 0) + borrow
            borrow = UInt64(words[index]) < taken ? 1 : 0
            words[index] = UInt32(truncatingIfNeeded: UInt64(words[index]) &- taken)
        }
        return true
    }

    private func isLess(than other: WideInteger) -> Bool {
        for index in stride(from: max(words.count, other.words.count) - 1, through: 0, by: -1) {
            let left = index < words.count ? words[index] : 0
            let right = index < other.words.count ? other.words[index] : 0
            if left != right { return left < right }
        }
        return false
    }
}

extension TextBuffer {
    /// Writes a double as `float8out` does with `extra_float_digits` above 0.
    mutating func put(_ value: Double) {
        guard value.isFinite, value != 0 else { return putSpecial(value) }
        let bits = value.bitPattern
        putFloat(
            ShortestFloat(
                mantissa: bits & ((1 << 52) - 1), exponent: Int(bits >> 52 & 0x7FF), mantissaBits: 52, bias: 1023),
            isNegative: value.sign == .minus, fixedBelow: 15)
    }

    /// Writes a float as `float4out` does with `extra_float_digits` above 0.
    mutating func put(_ value: Float) {
        guard value.isFinite, value != 0 else { return putSpecial(Double(value)) }
        let bits = value.bitPattern
        putFloat(
            ShortestFloat(
                mantissa: UInt64(bits & ((1 << 23) - 1)), exponent: Int(bits >> 23 & 0xFF), mantissaBits: 23,
                bias: 127),
            isNegative: value.sign == .minus, fixedBelow: 6)
    }

    private mutating func putSpecial(_ value: Double) {
        if value.isNaN { return put("NaN") }
        if value.sign == .minus { put("-") }
        put(value == 0 ? "0" : "Infinity")
    }

    /// Fixed notation for exponents from -4 on and below the bound, as `%g` has it, else scientific.
    private mutating func putFloat(_ float: ShortestFloat, isNegative: Bool, fixedBelow: Int) {
        reserve(40)
        if isNegative { put(UInt8(ascii: "-")) }
        var length = 1
        var power: UInt64 = 1
        while float.digits / power >= 10 {
            power *= 10
            length += 1
        }
        let exponent = float.exponent + length - 1
        let isFixed = exponent >= -4 && exponent < fixedBelow
        if isFixed, exponent < 0 {
            put("0.")
            for _ in 0..<(-exponent - 1) { put(UInt8(ascii: "0")) }
        }
        // Digits before the point.
        let whole = isFixed ? exponent + 1 : 1
        var rest = float.digits
        for place in 0..<max(length, isFixed ? whole : length) {
            if place == whole, place > 0 { put(UInt8(ascii: ".")) }
            guard power > 0 else {
                put(UInt8(ascii: "0"))
                continue
            }
            put(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest / power))
            rest %= power
            power /= 10
        }
        guard !isFixed else { return }
        put(exponent < 0 ? "e-" : "e+")
        put(padded: UInt64(exponent.magnitude), width: 2)
    }
}
