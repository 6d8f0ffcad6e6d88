/// A text with the placeholders `{pipeline}`, `{schema}` and `{table}`, parsed once, filled in once for each table.
struct NameTemplate: Equatable {
    private enum Piece: Equatable {
        case text(String)
        case schema, table
    }

    private var pieces: [Piece] = []

    /// Parses a template; `{{` and `}}` are braces. Throws `configuration-invalid` with what is wrong.
    init(_ template: String, pipeline: String) throws(WeirError) {
        var text = ""
        var rest = Substring(template)
        while let character = rest.popFirst() {
            if character == rest.first, character == "{" || character == "}" {
                text.append(rest.removeFirst())
            } else if character == "{" {
                guard let end = rest.firstIndex(of: "}") else { throw Self.malformed(template) }
                let name = rest[..<end]
                rest = rest[rest.index(after: end)...]
                if name == "pipeline" {
                    text += pipeline
                    continue
                }
                if !text.isEmpty { pieces.append(.text(text)) }
                text = ""
                switch name {
                case "schema": pieces.append(.schema)
                case "table": pieces.append(.table)
                default: throw Self.unknown(String(name), in: template)
                }
            } else if character == "}" {
                throw Self.malformed(template)
            } else {
                text.append(character)
            }
        }
        if !text.isEmpty { pieces.append(.text(text)) }
        guard !pieces.isEmpty else {
            throw TransformChain.invalid("A name template of a transform is empty", "Write a name.")
        }
    }

    /// The template filled in for a table.
    func filled(for table: TableName) -> String {
        var result = ""
        for piece in pieces {
            switch piece {
            case .text(let text): result += text
            case .schema: result += table.schema
            case .table: result += table.name
            }
        }
        return result
    }

    private static func malformed(_ template: String) -> WeirError {
        TransformChain.invalid(
            "The braces of the name template \(template) do not pair",
            "Write {pipeline}, {schema} or {table}; a brace itself is written twice.")
    }

    private static func unknown(_ name: String, in template: String) -> WeirError {
        TransformChain.invalid(
            "The name template \(template) has the unknown placeholder {\(name)}",
            "Write {pipeline}, {schema} or {table}; a brace itself is written twice.")
    }
}

/// A table's new name: `table` or `schema.table`, each part a template, quoted where a part holds a dot.
///
/// Parts are split before they are filled in, so a table's name never becomes two parts.
struct TableTemplate: Equatable {
    private let schema: NameTemplate?
    private let name: NameTemplate

    /// Parses a template; throws `configuration-invalid` with what is wrong.
    init(_ template: String, pipeline: String) throws(WeirError) {
        var rest = Substring(template)
        var parts: [String] = []
        do throws(TablePattern.Problem) {
            while true {
                switch try TablePattern.part(&rest) {
                case .literal(let text), .glob(let text): parts.append(text)
                }
                guard rest.first == "." else { break }
                rest.removeFirst()
            }
        } catch {
            throw TransformChain.invalid(
                "The table name \(template) of a transform is malformed", "Write table or schema.table.",
                cause: error.description)
        }
        guard parts.count <= 2 else {
            throw TransformChain.invalid(
                "The table name \(template) of a transform has more than two parts",
                "Quote a part that contains a dot.")
        }
        schema = parts.count == 2 ? try NameTemplate(parts[0], pipeline: pipeline) : nil
        name = try NameTemplate(parts[parts.count - 1], pipeline: pipeline)
    }

    /// The new name of a table; without a schema part it stays in its schema.
    func filled(for table: TableName) -> TableName {
        TableName(schema: schema?.filled(for: table) ?? table.schema, name: name.filled(for: table))
    }
}
