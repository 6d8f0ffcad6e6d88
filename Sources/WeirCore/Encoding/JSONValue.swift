/// A JSON value in memory: for configurations and other small texts. Texts that come with rows are read by
/// ``JSONReader`` itself, token by token.
///
/// Numbers keep their digits, objects the order of their members. At most ``JSONReader/depthMax`` levels deep, so that
/// hostile input costs no stack; memory grows with the text, whose length is the caller's to limit.
public indirect enum JSONValue: Sendable, Equatable {
    /// A string, escapes resolved.
    case string(String)
    /// A number as written.
    case number(String)
    /// `true` or `false`.
    case bool(Bool)
    /// `null`.
    case null
    /// Items in their order.
    case array([JSONValue])
    /// Members in their order; a name may come more than once.
    case object([Member])

    /// A member of an object.
    public struct Member: Sendable, Equatable {
        /// The name, escapes resolved.
        public let name: String
        /// The value.
        public let value: JSONValue

        /// Makes a member.
        public init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// Reads the one value of a text. Throws where it is no JSON (RFC 8259), is nested deeper than
    /// ``JSONReader/depthMax``, or goes on behind the value.
    public init(_ bytes: [UInt8]) throws(JSONFailure) {
        var reader = JSONReader(bytes)
        self = try Self.read(&reader, try reader.next())
        // The reader itself refuses what follows the value.
        _ = try reader.next()
    }

    /// The member of an object, the last one of that name; nil where there is none, and for every other value.
    public subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.name == name }?.value
    }

    /// The items of an array; none for every other value.
    public var items: [JSONValue] {
        if case .array(let items) = self { items } else { [] }
    }

    /// The text of a string; nil for every other value.
    public var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// A number's value when it is a 64-bit integer without fraction or exponent; nil for every other value.
    public var integer: Int64? {
        if case .number(let digits) = self { Int64(digits) } else { nil }
    }

    /// `true` or `false`; nil for every other value.
    public var flag: Bool? {
        if case .bool(let flag) = self { flag } else { nil }
    }

    /// A scalar as text: a string's, a number's digits, `true`, `false`; nil for null, arrays and objects.
    public var text: String? {
        switch self {
        case .string(let text), .number(let text): text
        case .bool(let flag): flag ? "true" : "false"
        case .null, .array, .object: nil
        }
    }

    /// Reads the value that begins with `token`. The reader bounds the depth of the recursion.
    private static func read(
        _ reader: inout JSONReader, _ token: JSONReader.Token
    ) throws(JSONFailure) -> JSONValue {
        switch token {
        case .string(let range, let isEscaped):
            return .string(JSONText.string(range, of: reader.bytes, isEscaped: isEscaped))
        case .number(let range): return .number(String(decoding: reader.bytes[range], as: UTF8.self))
        case .bool(let flag): return .bool(flag)
        case .null: return .null
        case .beginArray:
            var items: [JSONValue] = []
            while true {
                let next = try reader.next()
                if next == .endArray { return .array(items) }
                items.append(try read(&reader, next))
            }
        case .beginObject:
            var members: [Member] = []
            while case .key(let range, let isEscaped) = try reader.next() {
                let name = JSONText.string(range, of: reader.bytes, isEscaped: isEscaped)
                members.append(Member(name: name, value: try read(&reader, try reader.next())))
            }
            return .object(members)
        case .key, .endObject, .endArray, .end:
            throw JSONFailure(offset: reader.offset, reason: "a value is missing")
        }
    }
}
