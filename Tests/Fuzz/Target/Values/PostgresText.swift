import WeirCore

/// Writes a rendered value as PostgreSQL would print it.
enum PostgresText {
    /// Nil for values that have no text of their own, such as NULL.
    static func of(_ value: JSONValue, delimiter: String) -> String? {
        switch value {
        case .string(let text): text
        case .number(let digits): digits
        case .bool(let flag): flag ? "t" : "f"
        case .null: nil
        case .array(let items): "{\(items.map { element($0, delimiter) }.joined(separator: delimiter))}"
        case .object(let members):
            members.map { "\(quoted($0.name))=>\(element($0.value, delimiter))" }.joined(separator: ", ")
        }
    }

    private static func element(_ value: JSONValue, _ delimiter: String) -> String {
        switch value {
        case .null: "NULL"
        case .array: of(value, delimiter: delimiter) ?? "NULL"
        default: quoted(of(value, delimiter: delimiter) ?? "")
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { result += "\\" }
            result.unicodeScalars.append(scalar)
        }
        return result + "\""
    }

    /// A value as JSON, always the same for the same value.
    static func json(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): string(text)
        case .number(let digits): digits
        case .bool(let flag): flag ? "true" : "false"
        case .null: "null"
        case .array(let items): "[\(items.map(json).joined(separator: ","))]"
        case .object(let members): "{\(members.map { "\(string($0.name)):\(json($0.value))" }.joined(separator: ","))}"
        }
    }

    private static func string(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\" + String(scalar)
            case "\0"..." ":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
