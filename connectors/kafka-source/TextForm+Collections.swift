internal import WeirCore

/// Arrays, hstore and points.
extension TextForm {
    /// An array in PostgreSQL's text form; nested arrays become dimensions.
    func appendArray(
        _ value: JSONTree.Index, of tree: JSONTree, element: ColumnType, to output: inout [UInt8]
    ) throws(ValueProblem) {
        switch tree.kind(value) {
        // More dimensions than one, or bounds of its own: the text form itself.
        case .string: tree.appendText(value, to: &output)
        case .array: try appendElements(value, of: tree, element, to: &output)
        case .object, .number, .yes, .no, .null: throw ValueProblem("no array")
        }
    }

    private func appendElements(
        _ value: JSONTree.Index, of tree: JSONTree, _ element: ColumnType, to output: inout [UInt8]
    ) throws(ValueProblem) {
        output.append(UInt8(ascii: "{"))
        var item: [UInt8] = []
        var isFirst = true
        for index in tree.elements(of: value) {
            if !isFirst { output.append(element.arrayDelimiter) }
            isFirst = false
            switch tree.kind(index) {
            case .null: output.append(contentsOf: "NULL".utf8)
            case .array: try appendElements(index, of: tree, element, to: &output)
            default:
                item.removeAll(keepingCapacity: true)
                try appendValue(index, of: tree, as: element, to: &item)
                appendElement(item, element.arrayDelimiter, to: &output)
            }
        }
        output.append(UInt8(ascii: "}"))
    }

    /// Quotes an element where it needs it. Source: `array_out` in PostgreSQL's arrayfuncs.c.
    private func appendElement(_ item: [UInt8], _ delimiter: UInt8, to output: inout [UInt8]) {
        let isNull = item.count == 4 && item.map({ $0 & 0xDF }) == Array("NULL".utf8)
        guard item.isEmpty || isNull || item.contains(where: { $0 == delimiter || Self.needsQuotes($0) }) else {
            output.append(contentsOf: item)
            return
        }
        output.append(UInt8(ascii: "\""))
        Self.appendEscaped(item, to: &output)
        output.append(UInt8(ascii: "\""))
    }

    private static func needsQuotes(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: ","),
            UInt8(ascii: " "), 0x09...0x0D:
            // The comma may part no elements of this array, but quoting never hurts.
            true
        default: false
        }
    }

    private static func appendEscaped(_ bytes: [UInt8], to output: inout [UInt8]) {
        for byte in bytes {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { output.append(UInt8(ascii: "\\")) }
            output.append(byte)
        }
    }

    /// hstore: an object, or a string that holds one. Source of the text form: `hstore_out` in contrib/hstore.
    func appendHstore(_ value: JSONTree.Index, of tree: JSONTree, to output: inout [UInt8]) throws(ValueProblem) {
        guard tree.kind(value) == .string else { return try appendPairs(value, of: tree, to: &output) }
        var text: [UInt8] = []
        tree.appendText(value, to: &text)
        var inner = JSONTree()
        do throws(JSONFailure) {
            try inner.read(text)
        } catch {
            throw ValueProblem("an hstore whose JSON is broken: \(error.reason)")
        }
        try appendPairs(JSONTree.root, of: inner, to: &output)
    }

    private func appendPairs(_ value: JSONTree.Index, of tree: JSONTree, to output: inout [UInt8]) throws(ValueProblem)
    {
        guard tree.kind(value) == .object else { throw ValueProblem("no hstore") }
        var isFirst = true
        for pair in tree.members(of: value) {
            if !isFirst { output.append(contentsOf: ", ".utf8) }
            isFirst = false
            appendQuoted(pair.name, of: tree, to: &output)
            output.append(contentsOf: "=>".utf8)
            switch tree.kind(pair.value) {
            case .null: output.append(contentsOf: "NULL".utf8)
            case .string: appendQuoted(pair.value, of: tree, to: &output)
            default: throw ValueProblem("an hstore with a value that is no text")
            }
        }
    }

    private func appendQuoted(_ value: JSONTree.Index, of tree: JSONTree, to output: inout [UInt8]) {
        var text: [UInt8] = []
        tree.appendText(value, to: &text)
        output.append(UInt8(ascii: "\""))
        Self.appendEscaped(text, to: &output)
        output.append(UInt8(ascii: "\""))
    }

    /// point: `(x,y)` of a struct with coordinates.
    func appendPoint(_ value: JSONTree.Index, of tree: JSONTree, to output: inout [UInt8]) throws(ValueProblem) {
        if tree.kind(value) == .string {
            tree.appendText(value, to: &output)
            return
        }
        guard let horizontal = tree.member("x", of: value), let vertical = tree.member("y", of: value) else {
            throw ValueProblem("no point")
        }
        output.append(UInt8(ascii: "("))
        try appendScalar(horizontal, of: tree, to: &output)
        output.append(UInt8(ascii: ","))
        try appendScalar(vertical, of: tree, to: &output)
        output.append(UInt8(ascii: ")"))
    }
}
