import WeirCore

/// What can be told of SQL that the source has written. Pure.
enum SourceExpression {
    /// Whether the expression means the same on another server and changes nothing: no sequence, no function of the
    /// user's own. The text is PostgreSQL's own, all names qualified but those of `pg_catalog`.
    static func isPortable(_ expression: String) -> Bool {
        let words = words(expression)
        for (index, word) in words.enumerated() {
            guard index + 1 < words.count, words[index + 1] == "(" else { continue }
            if forbidden.contains(word) { return false }
            // `schema.function(`: anything but pg_catalog's is the user's.
            if index >= 2, words[index - 1] == ".", words[index - 2] != "pg_catalog" { return false }
        }
        return true
    }

    /// Whether the expression may name a column. Never false where it does.
    static func mentions(_ expression: String, _ column: String) -> Bool {
        // A quote within a name is written twice.
        column.contains("\"") ? expression.contains("\"") : words(expression).contains(column)
    }

    /// Whether an ALTER TABLE converts a column with an expression: `ALTER COLUMN a TYPE int USING f(a)`.
    static func isConversion(_ statement: String) -> Bool {
        let words = words(statement).map { $0.lowercased() }
        return words.contains("type") && words.contains("using")
    }

    private static let forbidden: Set<String> = [
        "nextval", "currval", "lastval", "setval", "pg_notify", "set_config", "txid_current", "pg_current_xact_id",
    ]

    /// Names, dots and parentheses outside of string literals.
    private static func words(_ expression: String) -> [String] {
        var words: [String] = []
        var word = ""
        var quote: Unicode.Scalar?
        var hasEscapes = false
        var isEscaped = false
        for scalar in expression.unicodeScalars {
            if let open = quote {
                if isEscaped {
                    isEscaped = false
                } else if scalar == "\\", open == "'", hasEscapes {
                    isEscaped = true
                } else if scalar == open {
                    quote = nil
                } else if open == "\"" {
                    word.unicodeScalars.append(scalar)
                }
                continue
            }
            if scalar == "'" || scalar == "\"" {
                quote = scalar
                hasEscapes = word == "E"
            } else if scalar == "_" || scalar == "$" || scalar.properties.isAlphabetic
                || scalar.properties.numericType != nil
            {
                word.unicodeScalars.append(scalar)
            } else {
                if !word.isEmpty { words.append(word) }
                word = ""
                if scalar == "(" || scalar == "." { words.append(String(scalar)) }
            }
        }
        if !word.isEmpty { words.append(word) }
        return words
    }
}
