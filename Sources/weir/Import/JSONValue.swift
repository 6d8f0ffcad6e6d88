import WeirCore

/// A JSON value that was read. Numbers keep their digits.
indirect enum JSONValue: Equatable {
    case string(String)
    case number(String)
    case bool(Bool)
    case null
    case array([JSONValue])
    case object([Member])

    /// A member of an object, in its order.
    struct Member: Equatable {
        let name: String
        let value: JSONValue
    }

    /// The member of an object; nil when there is none.
    subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.name == name }?.value
    }

    /// The text of a string.
    var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// A number's value when it is a 64-bit integer.
    var integer: Int64? {
        if case .number(let digits) = self { Int64(digits) } else { nil }
    }

    /// A scalar as the text that a property has; nil for null, arrays and objects.
    var text: String? {
        switch self {
        case .string(let text), .number(let text): text
        case .bool(let flag): flag ? "true" : "false"
        case .null, .array, .object: nil
        }
    }

    /// The one value of a text.
    static func parse(_ bytes: [UInt8]) throws(JSONFailure) -> JSONValue {
        var reader = JSONReader(bytes)
        let value = try read(&reader, try reader.next())
        guard case .end = try reader.next() else {
            throw JSONFailure(offset: reader.offset, reason: "something follows the value")
        }
        return value
    }

    private static func read(
        _ reader: inout JSONReader, _ token: JSONReader.Token
    ) throws(JSONFailure) -> JSONValue {
        switch token {
        case .string(let range, let isEscaped):
            return .string(WeirCore.JSONText.string(range, of: reader.bytes, isEscaped: isEscaped))
        case .number(let range): return .number(String(decoding: reader.bytes[range], as: UTF8.self))
        case .bool(let flag): return .bool(flag)
        case .null: return .null
        case .beginArray:
            var items: [JSONValue] = []
            while true {
                let next = try reader.next()
                if case .endArray = next { return .array(items) }
                items.append(try read(&reader, next))
            }
        case .beginObject:
            var members: [Member] = []
            while case .key(let range, let isEscaped) = try reader.next() {
                let name = WeirCore.JSONText.string(range, of: reader.bytes, isEscaped: isEscaped)
                members.append(Member(name: name, value: try read(&reader, try reader.next())))
            }
            return .object(members)
        case .key, .endObject, .endArray, .end:
            throw JSONFailure(offset: reader.offset, reason: "a value is missing")
        }
    }
}
