/// A pattern for columns: `schema.table.column`, or `table.column` in schema `public`; each part as in `TablePattern`.
/// A leading `!` excludes.
struct ColumnPattern {
    private let table: TablePattern
    private let column: TablePattern.Part
    let isExclusion: Bool

    /// Parses a pattern; throws `configuration-invalid` with what is wrong.
    init(_ text: String) throws(WeirError) {
        do throws(TablePattern.Problem) {
            let head = try Self.split(text)
            table = try TablePattern(String(head.table))
            isExclusion = table.isExclusion
            var rest = head.column
            column = try TablePattern.part(&rest)
        } catch {
            throw TransformChain.invalid(
                "The column pattern \(text) of a transform is malformed", "Write schema.table.column, with * and ?.",
                cause: error.description)
        }
    }

    /// Splits at the last dot that is not quoted.
    private static func split(
        _ text: String
    ) throws(TablePattern.Problem) -> (table: Substring, column: Substring) {
        var isQuoted = false
        var last: String.Index?
        for index in text.indices {
            if text[index] == "\"" { isQuoted.toggle() }
            if text[index] == ".", !isQuoted { last = index }
        }
        guard let last else { throw .emptyPart }
        return (text[..<last], text[text.index(after: last)...])
    }

    /// Whether the column fits, whether the pattern excludes or not.
    func matches(_ relation: Relation, column index: Int) -> Bool {
        table.matches(relation.table) && TablePattern.matches(column, relation.columns[index].name)
    }
}
