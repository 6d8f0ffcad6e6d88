internal import WeirCore

/// numeric, money, bytea and bit strings: types whose JSON form carries bytes.
extension TextForm {
    /// More digits than PostgreSQL's numeric has room for are refused: 131072 before and 16383 after the point.
    private static let unscaledBytesMax = 64 << 10
    private static let scaleMax: Int64 = 16_383
    /// Debezium takes the eleven bits of a negative scale for a positive number, which adds as many zeros. A value at
    /// the scale that is meant has at most 1000 digits.
    private static let scaleShift = 2048
    /// What is no number, in Weir's spelling and in Debezium's, which is that of Java's names.
    private static let words: [(event: StaticString, text: String)] = [
        ("NaN", "NaN"), ("Infinity", "Infinity"), ("-Infinity", "-Infinity"), ("NAN", "NaN"),
        ("POSITIVE_INFINITY", "Infinity"), ("NEGATIVE_INFINITY", "-Infinity"),
    ]

    /// numeric and money. `scale` is the column's, nil when it has none.
    func appendNumeric(
        _ value: JSONTree.Index, of tree: JSONTree, scale: Int?, to output: inout [UInt8]
    ) throws(ValueProblem) {
        switch tree.kind(value) {
        case .number: tree.appendRaw(value, to: &output)
        case .object:
            guard let scaleNode = tree.member("scale", of: value), let digits = tree.member("value", of: value),
                let own = tree.integer(scaleNode), (-Self.scaleMax...Self.scaleMax).contains(own),
                tree.kind(digits) == .string
            else { throw ValueProblem("a struct that is no decimal") }
            try appendUnscaled(digits, of: tree, scale: Int(own), to: &output)
        case .string:
            if let word = Self.words.first(where: { tree.isText(value, $0.event) }) {
                output.append(contentsOf: word.text.utf8)
            } else if options.decimal != .precise {
                tree.appendText(value, to: &output)
            } else if let scale {
                try appendUnscaled(value, of: tree, scale: scale, to: &output)
            } else {
                throw ValueProblem("a decimal without its scale")
            }
        case .array, .yes, .no, .null: throw ValueProblem("no number")
        }
    }

    private func appendUnscaled(
        _ value: JSONTree.Index, of tree: JSONTree, scale: Int, to output: inout [UInt8]
    ) throws(ValueProblem) {
        var text: [UInt8] = []
        tree.appendText(value, to: &text)
        guard let bytes = Base64.decode(text), !bytes.isEmpty, bytes.count <= Self.unscaledBytesMax else {
            throw ValueProblem("a decimal that is no base64 of two's complement")
        }
        let isNegative = bytes[0] & 0x80 != 0
        var digits = Self.decimalDigits(magnitude: isNegative ? Self.negated(bytes) : bytes)
        if isNegative { output.append(UInt8(ascii: "-")) }
        if scale < 0 {
            if digits.count > Self.scaleShift, digits.suffix(Self.scaleShift).allSatisfy({ $0 == UInt8(ascii: "0") }) {
                digits.removeLast(Self.scaleShift)
            }
            output.append(contentsOf: digits)
            if digits != [UInt8(ascii: "0")] {
                output.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: -scale))
            }
            return
        }
        if digits.count <= scale {
            digits.insert(contentsOf: repeatElement(UInt8(ascii: "0"), count: scale + 1 - digits.count), at: 0)
        }
        output.append(contentsOf: digits[..<(digits.count - scale)])
        guard scale > 0 else { return }
        output.append(UInt8(ascii: "."))
        output.append(contentsOf: digits[(digits.count - scale)...])
    }

    /// Two's complement of a negative number, as a magnitude.
    private static func negated(_ bytes: [UInt8]) -> [UInt8] {
        var result = bytes.map { ~$0 }
        for index in result.indices.reversed() {
            result[index] &+= 1
            if result[index] != 0 { return result }
        }
        // All bits were zero: cannot be, a negative number has its sign bit.
        return [1] + result
    }

    /// Decimal digits of a big-endian magnitude, without leading zeros: repeated division by 10⁹.
    private static func decimalDigits(magnitude: [UInt8]) -> [UInt8] {
        var words: [UInt32] = []
        var index = magnitude.count
        while index > 0 {
            var word: UInt32 = 0
            for byte in magnitude[max(index - 4, 0)..<index] { word = word << 8 | UInt32(byte) }
            words.insert(word, at: 0)
            index -= 4
        }
        var reversed: [UInt8] = []
        var first = 0
        while first < words.count {
            var remainder: UInt64 = 0
            for place in first..<words.count {
                let current = remainder << 32 | UInt64(words[place])
                words[place] = UInt32(current / 1_000_000_000)
                remainder = current % 1_000_000_000
            }
            while first < words.count, words[first] == 0 { first += 1 }
            for _ in 0..<9 {
                reversed.append(UInt8(ascii: "0") + UInt8(remainder % 10))
                remainder /= 10
            }
        }
        while reversed.count > 1, reversed.last == UInt8(ascii: "0") { reversed.removeLast() }
        return reversed.isEmpty ? [UInt8(ascii: "0")] : reversed.reversed()
    }

    // MARK: - Bytes

    /// bytea, as PostgreSQL's hex format.
    func appendBytea(_ value: JSONTree.Index, of tree: JSONTree, to output: inout [UInt8]) throws(ValueProblem) {
        guard tree.kind(value) == .string else { throw ValueProblem("no bytes") }
        var text: [UInt8] = []
        tree.appendText(value, to: &text)
        output.append(contentsOf: "\\x".utf8)
        guard options.binary != .hex else {
            let isHexadecimal = text.count % 2 == 0 && text.allSatisfy { Self.isHexadecimal($0) }
            guard isHexadecimal else { throw ValueProblem("bytes that are not hexadecimal") }
            output.append(contentsOf: text)
            return
        }
        guard let bytes = Base64.decode(text) else { throw ValueProblem("bytes that are not base64") }
        for byte in bytes {
            output.append(Self.hexadecimalDigit(byte >> 4))
            output.append(Self.hexadecimalDigit(byte & 15))
        }
    }

    private static func isHexadecimal(_ character: UInt8) -> Bool {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }

    private static func hexadecimalDigit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
    }

    /// bit and varbit: a boolean for one bit, else base64 of little-endian bytes. The leading zeros of a `bit(n)` are
    /// known from n; those of a varbit are lost on the way.
    func appendBits(
        _ value: JSONTree.Index, of tree: JSONTree, _ type: ColumnType, to output: inout [UInt8]
    ) throws(ValueProblem) {
        switch tree.kind(value) {
        case .yes: output.append(UInt8(ascii: "1"))
        case .no: output.append(UInt8(ascii: "0"))
        case .string:
            var text: [UInt8] = []
            tree.appendText(value, to: &text)
            guard let bytes = Base64.decode(text) else { throw ValueProblem("bits that are not base64") }
            var bits = bytes.reversed().flatMap { byte in
                (0..<8).map { UInt8(ascii: "0") + byte >> (7 - $0) & 1 }
            }
            bits.removeFirst(bits.firstIndex(of: UInt8(ascii: "1")) ?? bits.count)
            if type.kind == .bit, let length = type.length {
                guard bits.count <= length else { throw ValueProblem("more bits than the column has") }
                output.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: length - bits.count))
            }
            output.append(contentsOf: bits)
        case .object, .array, .number, .null: throw ValueProblem("no bits")
        }
    }
}
