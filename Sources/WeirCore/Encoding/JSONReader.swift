/// Why a text is no JSON. Holds no part of the text.
public struct JSONFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// Byte at which reading failed, from 0.
    public let offset: Int
    /// What is wrong there.
    public let reason: String

    /// Makes a failure.
    public init(offset: Int, reason: String) {
        self.offset = offset
        self.reason = reason
    }

    /// `reason at byte offset`.
    public var description: String { "\(reason) at byte \(offset)" }
}

/// Reads a JSON text token by token, exactly: what RFC 8259 does not allow is an error, numbers stay text as written.
///
/// Strings are valid UTF-8 and escapes well-formed when they are handed out, lone surrogates refused. Nesting is
/// limited, so hostile input costs neither stack nor memory. After a throw the reader must not be used again.
/// Value type; one thread at a time.
public struct JSONReader: Sendable {
    /// One token; ranges are bytes of the text.
    public enum Token: Sendable, Equatable {
        /// `{`
        case beginObject
        /// `}`
        case endObject
        /// `[`
        case beginArray
        /// `]`
        case endArray
        /// A member's name between its quotes.
        case key(Range<Int>, isEscaped: Bool)
        /// A string between its quotes.
        case string(Range<Int>, isEscaped: Bool)
        /// A number as written.
        case number(Range<Int>)
        /// `true` or `false`
        case bool(Bool)
        /// `null`
        case null
        /// The end of the text.
        case end
    }

    private enum Expectation {
        case value, valueOrEnd, keyOrEnd, key, separator, end
    }

    /// The deepest nesting there is.
    public static let depthMax = 64

    /// The text's bytes.
    public let bytes: [UInt8]
    /// Where the next token is looked for.
    public private(set) var offset = 0
    /// Containers open now.
    public private(set) var depth = 0
    /// Bit n is set when the container at depth n is an object.
    private var objects: UInt64 = 0
    private var expectation = Expectation.value

    /// Reads the text from its beginning.
    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The next token. After the one value of the text comes `.end`, again and again.
    public mutating func next() throws(JSONFailure) -> Token {
        skipSpace()
        if expectation == .separator { try passSeparator() }
        guard offset < bytes.count else {
            guard expectation == .end else { throw failure("the text ends early") }
            return .end
        }
        switch expectation {
        case .end: throw failure("something follows the value")
        case .key, .keyOrEnd: return try keyToken()
        case .value, .valueOrEnd, .separator: return try valueToken()
        }
    }

    /// Reads past the value that begins with the next token.
    public mutating func skipValue() throws(JSONFailure) {
        let outer = depth
        repeat { _ = try next() } while depth > outer
    }

    // MARK: - Structure

    private mutating func skipSpace() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x0A, 0x0D, 0x09: offset += 1
            default: return
            }
        }
    }

    private var isInObject: Bool { depth > 0 && objects >> UInt64(depth - 1) & 1 == 1 }

    /// After a value inside a container: passes the comma, or leaves the closing bracket to be read.
    private mutating func passSeparator() throws(JSONFailure) {
        guard offset < bytes.count else { throw failure("the text ends early") }
        switch bytes[offset] {
        case UInt8(ascii: ","):
            offset += 1
            skipSpace()
            expectation = isInObject ? .key : .value
        case UInt8(ascii: "}") where isInObject: expectation = .keyOrEnd
        case UInt8(ascii: "]") where !isInObject: expectation = .valueOrEnd
        default: throw failure("expected a comma or the end of the container")
        }
    }

    private mutating func close(_ token: Token) -> Token {
        offset += 1
        depth -= 1
        expectation = depth == 0 ? .end : .separator
        return token
    }

    private mutating func open(object: Bool) throws(JSONFailure) -> Token {
        guard depth < Self.depthMax else { throw failure("nested deeper than \(Self.depthMax)") }
        let bit = UInt64(1) << UInt64(depth)
        objects = object ? objects | bit : objects & ~bit
        depth += 1
        offset += 1
        expectation = object ? .keyOrEnd : .valueOrEnd
        return object ? .beginObject : .beginArray
    }

    private mutating func keyToken() throws(JSONFailure) -> Token {
        if expectation == .keyOrEnd, bytes[offset] == UInt8(ascii: "}") { return close(.endObject) }
        guard bytes[offset] == UInt8(ascii: "\"") else { throw failure("expected a member's name") }
        let (range, isEscaped) = try string()
        skipSpace()
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: ":") else { throw failure("expected a colon") }
        offset += 1
        expectation = .value
        return .key(range, isEscaped: isEscaped)
    }

    private mutating func valueToken() throws(JSONFailure) -> Token {
        let token: Token
        switch bytes[offset] {
        case UInt8(ascii: "]") where expectation == .valueOrEnd: return close(.endArray)
        case UInt8(ascii: "{"): return try open(object: true)
        case UInt8(ascii: "["): return try open(object: false)
        case UInt8(ascii: "\""):
            let (range, isEscaped) = try string()
            token = .string(range, isEscaped: isEscaped)
        case UInt8(ascii: "t"): token = try word("true", .bool(true))
        case UInt8(ascii: "f"): token = try word("false", .bool(false))
        case UInt8(ascii: "n"): token = try word("null", .null)
        default: token = .number(try number())
        }
        expectation = depth == 0 ? .end : .separator
        return token
    }

    private func failure(_ reason: String) -> JSONFailure { JSONFailure(offset: offset, reason: reason) }

    // MARK: - Scalars

    private mutating func word(_ text: StaticString, _ token: Token) throws(JSONFailure) -> Token {
        let length = text.utf8CodeUnitCount
        let matches = text.withUTF8Buffer { word in
            unsafe bytes.count - offset >= length && bytes[offset..<(offset + length)].elementsEqual(word)
        }
        guard matches else { throw failure("expected a value") }
        offset += length
        return token
    }

    private mutating func digits() -> Int {
        let start = offset
        while offset < bytes.count, bytes[offset] &- UInt8(ascii: "0") < 10 { offset += 1 }
        return offset - start
    }

    private mutating func pass(_ character: UInt8) -> Bool {
        guard offset < bytes.count, bytes[offset] == character else { return false }
        offset += 1
        return true
    }

    private mutating func number() throws(JSONFailure) -> Range<Int> {
        let start = offset
        let isNegative = pass(UInt8(ascii: "-"))
        let first = offset < bytes.count ? bytes[offset] : 0
        let whole = digits()
        guard whole > 0 else { throw failure(isNegative ? "expected a digit" : "expected a value") }
        guard whole == 1 || first != UInt8(ascii: "0") else { throw failure("a number begins with a needless zero") }
        if pass(UInt8(ascii: ".")), digits() == 0 { throw failure("expected a digit") }
        if pass(UInt8(ascii: "e")) || pass(UInt8(ascii: "E")) {
            _ = pass(UInt8(ascii: "+")) || pass(UInt8(ascii: "-"))
            if digits() == 0 { throw failure("expected a digit") }
        }
        return start..<offset
    }

    private mutating func string() throws(JSONFailure) -> (Range<Int>, Bool) {
        offset += 1
        let start = offset
        var isEscaped = false
        while offset < bytes.count {
            let byte = bytes[offset]
            switch byte {
            case UInt8(ascii: "\""):
                offset += 1
                return (start..<(offset - 1), isEscaped)
            case UInt8(ascii: "\\"):
                isEscaped = true
                try escape()
            case 0..<0x20: throw failure("a control character in a string")
            case 0x20..<0x80: offset += 1
            default: try multibyte()
            }
        }
        throw failure("a string does not end")
    }

    private mutating func escape() throws(JSONFailure) {
        offset += 1
        guard offset < bytes.count else { throw failure("a string does not end") }
        switch bytes[offset] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            offset += 1
        case UInt8(ascii: "u"):
            let unit = try hexadecimal()
            if unit & 0xFC00 == 0xDC00 { throw failure("a lone surrogate") }
            guard unit & 0xFC00 == 0xD800 else { return }
            guard pass(UInt8(ascii: "\\")), offset < bytes.count, bytes[offset] == UInt8(ascii: "u"),
                try hexadecimal() & 0xFC00 == 0xDC00
            else { throw failure("a lone surrogate") }
        default: throw failure("an unknown escape")
        }
    }

    /// Reads `uXXXX`, with `offset` at the u.
    private mutating func hexadecimal() throws(JSONFailure) -> UInt16 {
        guard bytes.count - offset > 4 else { throw failure("a string does not end") }
        var value: UInt16 = 0
        for index in (offset + 1)...(offset + 4) {
            guard let nibble = JSONText.nibble(bytes[index]) else { throw failure("expected four hexadecimal digits") }
            value = value << 4 | UInt16(nibble)
        }
        offset += 5
        return value
    }

    /// Passes one character of two to four bytes. Source of the ranges: Unicode 15, table 3-7.
    private mutating func multibyte() throws(JSONFailure) {
        let lead = bytes[offset]
        let second: ClosedRange<UInt8>
        let length: Int
        switch lead {
        case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: (length, second) = (3, 0x80...0xBF)
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: throw failure("not UTF-8")
        }
        guard bytes.count - offset >= length, second.contains(bytes[offset + 1]) else { throw failure("not UTF-8") }
        for index in 2..<4 where index < length && bytes[offset + index] & 0xC0 != 0x80 { throw failure("not UTF-8") }
        offset += length
    }
}

/// The text of JSON strings.
public enum JSONText {
    static func nibble(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// Appends the text of a string that a ``JSONReader`` handed out: the bytes between its quotes, escapes resolved.
    public static func append(_ range: Range<Int>, of bytes: [UInt8], isEscaped: Bool, to output: inout [UInt8]) {
        guard isEscaped else {
            output.append(contentsOf: bytes[range])
            return
        }
        var index = range.lowerBound
        while index < range.upperBound {
            let byte = bytes[index]
            guard byte == UInt8(ascii: "\\"), index + 1 < range.upperBound else {
                output.append(byte)
                index += 1
                continue
            }
            index += 2
            switch bytes[index - 1] {
            case UInt8(ascii: "b"): output.append(0x08)
            case UInt8(ascii: "f"): output.append(0x0C)
            case UInt8(ascii: "n"): output.append(0x0A)
            case UInt8(ascii: "r"): output.append(0x0D)
            case UInt8(ascii: "t"): output.append(0x09)
            case UInt8(ascii: "u"): appendScalar(bytes, &index, range.upperBound, &output)
            case let plain: output.append(plain)
            }
        }
    }

    /// A string's text as a Swift string.
    public static func string(_ range: Range<Int>, of bytes: [UInt8], isEscaped: Bool) -> String {
        guard isEscaped else { return String(decoding: bytes[range], as: UTF8.self) }
        var output: [UInt8] = []
        append(range, of: bytes, isEscaped: true, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// Appends the character whose `XXXX` (or surrogate pair) begins at `index`, and moves past it.
    private static func appendScalar(_ bytes: [UInt8], _ index: inout Int, _ end: Int, _ output: inout [UInt8]) {
        var value = unit(bytes, &index, end)
        if value & 0xFC00 == 0xD800 {
            index += 2
            value = 0x10000 + (value & 0x3FF) << 10 + unit(bytes, &index, end) & 0x3FF
        }
        output.append(contentsOf: String(Unicode.Scalar(value) ?? "\u{FFFD}").utf8)
    }

    private static func unit(_ bytes: [UInt8], _ index: inout Int, _ end: Int) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 where index < end {
            value = value << 4 | UInt32(nibble(bytes[index]) ?? 0)
            index += 1
        }
        return value
    }
}
