/// A table's schema and name as the catalog spells them, without quotes.
public struct TableName: Hashable, Comparable, Sendable {
    /// The schema, for example `public`.
    public let schema: String
    /// The table's name.
    public let name: String

    /// Makes a name from its unquoted parts.
    public init(schema: String, name: String) {
        self.schema = schema
        self.name = name
    }

    /// Orders by schema, then by name, bytewise.
    public static func < (left: TableName, right: TableName) -> Bool {
        left.schema == right.schema
            ? left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
            : left.schema.utf8.lexicographicallyPrecedes(right.schema.utf8)
    }

    /// `"schema"."name"` for use in SQL: both parts quoted, quotes doubled.
    public var sql: String { "\(Self.quote(schema)).\(Self.quote(name))" }

    /// Quotes one identifier for SQL.
    public static func quote(_ identifier: String) -> String {
        var text = "\""
        for character in identifier.unicodeScalars {
            if character == "\"" { text += "\"" }
            text.unicodeScalars.append(character)
        }
        return text + "\""
    }
}

extension TableName: CustomStringConvertible {
    /// `schema.name` for people: parts are quoted only where they need it.
    public var description: String { "\(Self.display(schema)).\(Self.display(name))" }

    private static func display(_ part: String) -> String {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let plain = part.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || byte == UInt8(ascii: "_") || digits.contains(byte)
        }
        let startsPlain = part.utf8.first.map { !digits.contains($0) } ?? false
        return plain && startsPlain ? part : quote(part)
    }
}
