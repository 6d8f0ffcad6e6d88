internal import WeirCore

/// Turns values of events back into PostgreSQL's text form: the inverse of Debezium's type mapping.
///
/// Types whose JSON does not tell how it is meant (a string may be digits or base64) are read as `options` say. A
/// string where the mapping has another JSON type is PostgreSQL's text form itself: that is how Weir carries what
/// Debezium loses. Source: Debezium's PostgreSQL connector documentation, "Data type mappings".
struct TextForm {
    /// How the events were written.
    let options: DebeziumOptions
    /// The placeholder's bytes.
    private let placeholder: [UInt8]

    init(_ options: DebeziumOptions) {
        self.options = options
        placeholder = Array(options.unavailablePlaceholder.utf8)
    }

    /// What a value becomes.
    enum Outcome {
        case text, null, unchanged
    }

    /// Appends a value's text form; nothing for NULL and for the placeholder of an unchanged value.
    func append(
        _ value: JSONTree.Index, of tree: JSONTree, as type: ColumnType, to output: inout [UInt8]
    ) throws(ValueProblem) -> Outcome {
        if tree.kind(value) == .null { return .null }
        if isPlaceholder(value, of: tree, type) { return .unchanged }
        let start = output.count
        try appendValue(value, of: tree, as: type, to: &output)
        // A text value of PostgreSQL never holds NUL; one would cut the value short further on.
        guard !output[start...].contains(0) else { throw ValueProblem("a NUL character") }
        return .text
    }

    /// Appends a value that is neither null nor a placeholder.
    func appendValue(
        _ value: JSONTree.Index, of tree: JSONTree, as type: ColumnType, to output: inout [UInt8]
    ) throws(ValueProblem) {
        switch type.kind {
        case .numeric: try appendNumeric(value, of: tree, scale: type.numericScale, to: &output)
        case .money: try appendNumeric(value, of: tree, scale: options.moneyFractionDigits, to: &output)
        case .bytea: try appendBytea(value, of: tree, to: &output)
        case .date: try appendDate(value, of: tree, to: &output)
        case .time: try appendTime(value, of: tree, digits: type.fractionDigits, to: &output)
        case .timetz: try appendZonedTime(value, of: tree, to: &output)
        case .timestamp: try appendTimestamp(value, of: tree, digits: type.fractionDigits, to: &output)
        case .timestamptz: try appendZonedTimestamp(value, of: tree, to: &output)
        case .interval: try appendInterval(value, of: tree, to: &output)
        case .bit, .varbit: try appendBits(value, of: tree, type, to: &output)
        case .hstore: try appendHstore(value, of: tree, to: &output)
        case .point: try appendPoint(value, of: tree, to: &output)
        case .array(let element): try appendArray(value, of: tree, element: inherited(element, from: type), to: &output)
        case .json, .jsonb: appendJSON(value, of: tree, to: &output)
        default: try appendScalar(value, of: tree, to: &output)
        }
    }

    /// An array column's modifier is its elements'.
    private func inherited(_ element: ColumnType, from array: ColumnType) -> ColumnType {
        guard element.modifier < 0, array.modifier >= 0 else { return element }
        var inherited = ColumnType(
            oid: element.oid, baseOID: element.baseOID, modifier: array.modifier, name: element.name,
            kind: element.kind)
        inherited.arrayDelimiter = element.arrayDelimiter
        return inherited
    }

    /// A string, number or boolean as PostgreSQL's input functions take it.
    func appendScalar(
        _ value: JSONTree.Index, of tree: JSONTree, to output: inout [UInt8]
    ) throws(ValueProblem) {
        switch tree.kind(value) {
        case .string: tree.appendText(value, to: &output)
        case .number: tree.appendRaw(value, to: &output)
        case .yes: output.append(UInt8(ascii: "t"))
        case .no: output.append(UInt8(ascii: "f"))
        case .object, .array, .null: throw ValueProblem("a struct where the column has a plain type")
        }
    }

    /// Debezium carries JSON in a string; a format that nests it is taken as well.
    private func appendJSON(_ value: JSONTree.Index, of tree: JSONTree, to output: inout [UInt8]) {
        if tree.kind(value) == .string {
            tree.appendText(value, to: &output)
        } else {
            tree.appendRaw(value, to: &output)
        }
    }

    // MARK: - Placeholders

    /// Whether the value stands for one that did not change and was not sent. Source: Debezium's
    /// `PostgresValueConverter`, `unavailable.value.placeholder`, and its shapes for arrays.
    private func isPlaceholder(_ value: JSONTree.Index, of tree: JSONTree, _ type: ColumnType) -> Bool {
        switch tree.kind(value) {
        case .string: isPlaceholderText(value, of: tree, bytes: type.kind == .bytea)
        case .array: isPlaceholderArray(tree.elements(of: value), of: tree, type)
        case .object:
            if type.kind == .hstore, tree.members(of: value).count == 1, let pair = tree.members(of: value).first {
                isPlaceholderText(pair.name, of: tree, bytes: false)
            } else {
                false
            }
        default: false
        }
    }

    private func isPlaceholderText(_ value: JSONTree.Index, of tree: JSONTree, bytes: Bool) -> Bool {
        guard tree.kind(value) == .string else { return false }
        var text: [UInt8] = []
        tree.appendText(value, to: &text)
        if text == placeholder { return true }
        if bytes, let decoded = Base64.decode(text) { return decoded == placeholder }
        // hstore as JSON in a string: an object with the placeholder as name and value.
        let quoted = [UInt8(ascii: "\"")] + placeholder + [UInt8(ascii: "\"")]
        return text.first == UInt8(ascii: "{")
            && text == [UInt8(ascii: "{")] + quoted + [UInt8(ascii: ":")] + quoted
                + [UInt8(ascii: "}")]
    }

    private func isPlaceholderArray(_ elements: [JSONTree.Index], of tree: JSONTree, _ type: ColumnType) -> Bool {
        guard case .array(let element) = type.kind else { return false }
        if elements.count == 1, tree.kind(elements[0]) == .string {
            if element.kind == .uuid { return tree.string(elements[0]) == NameUUID.text(of: placeholder) }
            return isPlaceholderText(elements[0], of: tree, bytes: element.kind == .bytea)
        }
        guard elements.count == placeholder.count, !placeholder.isEmpty else { return false }
        return zip(elements, placeholder).allSatisfy { tree.integer($0) == Int64($1) }
    }
}
