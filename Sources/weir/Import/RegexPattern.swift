/// Regular expressions of Debezium's filters as Weir's patterns, as far as they can be said with `*` and `?`.
///
/// Debezium compares a whole `schema.table` (or `schema.table.column`), without case.
struct RegexPattern {
    /// Why an expression is no pattern.
    struct Failure: Error, Equatable {
        let reason: String
    }

    /// What an expression is made of.
    private enum Token: Equatable {
        case literal(Character)
        /// A dot behind a backslash.
        case dot
        /// A dot alone: any character, mostly meant as a dot.
        case any
        /// `.*`
        case run
        /// `.+`
        case some
    }

    /// The patterns that match what the expression matches: several where it has alternatives. `parts` is 2 for tables,
    /// 3 for columns.
    static func patterns(_ expression: String, parts: Int) throws(Failure) -> [String] {
        var patterns: [String] = []
        for alternative in try alternatives(Substring(expression), depth: 0) {
            patterns.append(try pattern(alternative, parts: parts))
        }
        return patterns
    }

    /// Whether an expression names things by capitals, which Debezium does not tell from small letters.
    static func hasCapitals(_ expression: String) -> Bool { expression.contains(where: \.isUppercase) }

    /// Splits a list of expressions at its commas, those behind a backslash aside. Source: Debezium's
    /// `Strings.RegExSplitter`.
    static func list(_ text: String, separator: Character = ",") -> [String] {
        var items: [String] = []
        var item = ""
        var isEscaped = false
        for character in text {
            if isEscaped {
                item += character == separator ? String(character) : "\\" + String(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == separator {
                items.append(item)
                item = ""
            } else {
                item.append(character)
            }
        }
        if isEscaped { item.append("\\") }
        items.append(item)
        return items.map { $0.split(whereSeparator: \.isWhitespace).joined(separator: " ") }.filter { !$0.isEmpty }
    }

    // MARK: - Alternatives

    /// The expression with every group of alternatives written out.
    private static func alternatives(_ text: Substring, depth: Int) throws(Failure) -> [String] {
        guard depth < 16 else { throw Failure(reason: "it has too many groups in groups") }
        var results = [""]
        var branches: [String] = []
        var rest = text
        while let character = rest.popFirst() {
            switch character {
            case "\\":
                let escaped = rest.popFirst().map(String.init) ?? ""
                results = results.map { $0 + "\\" + escaped }
            case "|":
                branches += results
                results = [""]
            case "(":
                let inside = try group(&rest)
                if let next = rest.first, "*+?{".contains(next) { throw Failure(reason: "it repeats a group") }
                let choices = try alternatives(inside, depth: depth + 1)
                results = results.flatMap { result in choices.map { result + $0 } }
            case ")": throw Failure(reason: "a parenthesis is not opened")
            default: results = results.map { $0 + String(character) }
            }
            guard results.count + branches.count <= 1000 else { throw Failure(reason: "it has too many alternatives") }
        }
        return branches + results
    }

    /// The inside of the group whose parenthesis was just taken.
    private static func group(_ rest: inout Substring) throws(Failure) -> Substring {
        if rest.hasPrefix("?:") {
            rest.removeFirst(2)
        } else if rest.first == "?" {
            throw Failure(reason: "it has a group with a condition")
        }
        let start = rest.startIndex
        var depth = 1
        while let character = rest.popFirst() {
            if character == "\\" { _ = rest.popFirst() }
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
            if depth == 0 { return rest.base[start..<rest.base.index(before: rest.startIndex)] }
        }
        throw Failure(reason: "a parenthesis is not closed")
    }

    // MARK: - Patterns

    private static func pattern(_ expression: String, parts: Int) throws(Failure) -> String {
        let tokens = try tokens(expression)
        var pieces: [[Token]] = [[]]
        let hasDots = tokens.filter { $0 == .dot }.count >= parts - 1
        for token in tokens {
            let separates = token == .dot || token == .any && !hasDots
            if separates, pieces.count < parts {
                pieces.append([])
            } else if token == .dot {
                throw Failure(reason: "it has more dots than schema, table and column have between them")
            } else {
                pieces[pieces.count - 1].append(token)
            }
        }
        if pieces.count < parts { pieces = try opened(pieces, parts) }
        guard pieces.allSatisfy({ !$0.isEmpty }) else { throw Failure(reason: "a part of the name is empty") }
        return pieces.map(text).joined(separator: ".")
    }

    /// `public.*` has its dot inside of what matches anything.
    private static func opened(_ pieces: [[Token]], _ parts: Int) throws(Failure) -> [[Token]] {
        guard pieces.count == parts - 1, let last = pieces.last, let place = last.lastIndex(of: .run),
            place == last.count - 1
        else { throw Failure(reason: "it does not tell where the schema ends and the table begins") }
        return pieces.dropLast() + [last, [.run]]
    }

    private static func text(_ tokens: [Token]) -> String {
        var text = ""
        for token in tokens {
            switch token {
            case .literal(let character): text.append(character)
            case .dot: text.append(".")
            case .any: text.append("?")
            case .run: text.append("*")
            case .some: text += "?*"
            }
        }
        return text
    }

    private static func tokens(_ expression: String) throws(Failure) -> [Token] {
        var tokens: [Token] = []
        var rest = Substring(expression)
        if rest.first == "^" { rest.removeFirst() }
        if rest.last == "$", !rest.hasSuffix("\\$") { rest.removeLast() }
        while let character = rest.popFirst() {
            var token: Token
            switch character {
            case "\\":
                guard let escaped = rest.popFirst(), !escaped.isLetter, !escaped.isNumber else {
                    throw Failure(reason: "it has a class of characters such as \\w")
                }
                token = escaped == "." ? .dot : .literal(escaped)
            case ".": token = .any
            case "[", "]", "{", "}", "*", "+", "?", "^", "$":
                throw Failure(reason: "it has \(character), which patterns of * and ? cannot say")
            default: token = .literal(character)
            }
            if let quantifier = rest.first, "*+?{".contains(quantifier) {
                guard token == .any, quantifier == "*" || quantifier == "+" else {
                    throw Failure(reason: "it repeats something else than any character")
                }
                rest.removeFirst()
                if rest.first == "?" || rest.first == "+" { rest.removeFirst() }
                token = quantifier == "*" ? .run : .some
            }
            if case .literal(let literal) = token, literal == "*" || literal == "?" || literal == "\"" || literal == "!"
            {
                throw Failure(reason: "it has the character \(literal) itself")
            }
            tokens.append(token)
        }
        return tokens
    }
}
