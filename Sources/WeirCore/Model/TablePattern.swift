/// A pattern for table names: `schema.table` with `*` (any run of characters) and `?` (one character).
///
/// Parts are compared with the catalog's spelling, case included. A part in double quotes is literal (`""` is a quote),
/// so `"a.b"."x*"` names one table. Without a schema part the schema is `public`. A leading `!` excludes.
public struct TablePattern: Hashable, Sendable, CustomStringConvertible {
    /// One part of a pattern.
    enum Part: Hashable, Sendable {
        case literal(String)
        case glob(String)
    }

    /// Why a text is no pattern.
    public enum Problem: Error, Hashable, Sendable, CustomStringConvertible {
        /// The text is empty, or a part of it is.
        case emptyPart
        /// A quote is not closed.
        case unclosedQuote
        /// A quoted part is followed by something else than a dot.
        case textAfterQuote
        /// There are more than two parts.
        case tooManyParts

        /// One sentence for a configuration error.
        public var description: String {
            switch self {
            case .emptyPart: "a part of the table pattern is empty; write schema.table"
            case .unclosedQuote: "a double quote in the table pattern is not closed"
            case .textAfterQuote: "a quoted part of the table pattern must be followed by a dot or the end"
            case .tooManyParts: "the table pattern has more than two parts; quote a name that contains a dot"
            }
        }
    }

    /// Whether the pattern excludes what it matches.
    public let isExclusion: Bool
    /// The pattern as written.
    public let description: String
    let schema: Part
    let name: Part

    /// Parses a pattern; throws what is wrong with it.
    public init(_ text: String) throws(Problem) {
        var rest = Substring(text)
        isExclusion = rest.first == "!"
        if isExclusion { rest.removeFirst() }
        var parts: [Part] = []
        while true {
            parts.append(try Self.part(&rest))
            guard rest.first == "." else { break }
            rest.removeFirst()
        }
        guard parts.count <= 2 else { throw .tooManyParts }
        schema = parts.count == 2 ? parts[0] : .literal("public")
        name = parts[parts.count - 1]
        description = text
    }

    /// Takes one part off the front of a text, up to a dot or the end.
    static func part(_ rest: inout Substring) throws(Problem) -> Part {
        guard rest.first == "\"" else {
            let end = rest.firstIndex(of: ".") ?? rest.endIndex
            let text = String(rest[..<end])
            rest = rest[end...]
            guard !text.isEmpty else { throw .emptyPart }
            return text.contains("*") || text.contains("?") ? .glob(text) : .literal(text)
        }
        rest.removeFirst()
        var text = ""
        while let character = rest.popFirst() {
            guard character == "\"" else {
                text.append(character)
                continue
            }
            if rest.first == "\"" {
                text.append(rest.removeFirst())
                continue
            }
            guard rest.isEmpty || rest.first == "." else { throw .textAfterQuote }
            guard !text.isEmpty else { throw .emptyPart }
            return .literal(text)
        }
        throw .unclosedQuote
    }

    /// The one table that the pattern can match, nil when it has a wildcard.
    public var exactTable: TableName? {
        guard case .literal(let schema) = schema, case .literal(let name) = name else { return nil }
        return TableName(schema: schema, name: name)
    }

    /// Whether the table's name fits, whether the pattern excludes or not.
    public func matches(_ table: TableName) -> Bool {
        Self.matches(schema, table.schema) && Self.matches(name, table.name)
    }

    /// Whether a name fits a part.
    static func matches(_ part: Part, _ text: String) -> Bool {
        switch part {
        case .literal(let literal): literal == text
        case .glob(let glob): matches(glob: Array(glob), Array(text))
        }
    }

    /// Linear in the product of both lengths at worst: the last `*` is the only point of return.
    private static func matches(glob: [Character], _ text: [Character]) -> Bool {
        var inGlob = 0, inText = 0
        var star: (glob: Int, text: Int)?
        while inText < text.count {
            if inGlob < glob.count, glob[inGlob] == "*" {
                star = (inGlob, inText)
                inGlob += 1
            } else if inGlob < glob.count, glob[inGlob] == "?" || glob[inGlob] == text[inText] {
                inGlob += 1
                inText += 1
            } else if let last = star {
                inGlob = last.glob + 1
                inText = last.text + 1
                star = (last.glob, inText)
            } else {
                return false
            }
        }
        return glob[inGlob...].allSatisfy { $0 == "*" }
    }
}

/// A list of patterns: order matters, the last one that matches decides.
///
/// An empty list selects every table; a list that begins with an exclusion selects what no pattern excludes.
public struct TableSelection: Hashable, Sendable {
    /// The patterns in order.
    public let patterns: [TablePattern]

    /// Makes a selection.
    public init(_ patterns: [TablePattern] = []) { self.patterns = patterns }

    /// Whether the table is selected.
    public func contains(_ table: TableName) -> Bool {
        guard let last = patterns.last(where: { $0.matches(table) }) else {
            return patterns.first?.isExclusion ?? true
        }
        return !last.isExclusion
    }
}
