/// A column's default that is a literal: the same value for every row.
public enum LiteralDefault {
    /// The value in text form of an expression as `pg_get_expr` prints a literal: `5`, `1.5`, `true`, `'text'::type`,
    /// `E'text'::type`. Nil for NULL and for every other expression.
    public static func text(of expression: String) -> String? {
        if expression == "true" || expression == "false" { return expression }
        if let first = expression.utf8.first, first == UInt8(ascii: "-") || isDigit(first) {
            let isNumber = expression.utf8.dropFirst().allSatisfy { isDigit($0) || $0 == UInt8(ascii: ".") }
            return isNumber ? expression : nil
        }
        return quoted(expression)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func quoted(_ expression: String) -> String? {
        var rest = Substring(expression)
        let isEscaped = rest.first == "E"
        if isEscaped { rest.removeFirst() }
        guard rest.popFirst() == "'" else { return nil }
        var text = ""
        while let character = rest.popFirst() {
            if character == "'" {
                guard rest.first == "'" else { return isCast(rest) ? text : nil }
                rest.removeFirst()
                text.append("'")
            } else if character == "\\", isEscaped {
                guard let escaped = rest.popFirst() else { return nil }
                text.append(escaped)
            } else {
                text.append(character)
            }
        }
        return nil
    }

    /// Nothing, or a cast to one type name: no operator, no call.
    private static func isCast(_ rest: Substring) -> Bool {
        guard !rest.isEmpty else { return true }
        guard rest.hasPrefix("::") else { return false }
        return !rest.contains { "+*/|<>=~".contains($0) } && !rest.dropFirst(2).contains("::")
    }
}
