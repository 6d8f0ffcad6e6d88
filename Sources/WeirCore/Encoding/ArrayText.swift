/// Arrays. Source: `array_out` in PostgreSQL's arrayfuncs.c: `{a,"b c",NULL,{...}}`, bounds in front as `[0:1]=`.
struct ArrayReader {
    /// An element: its bytes with their escapes, whether they were quoted, or NULL.
    struct Element {
        let raw: ByteView
        let isQuoted: Bool
        var isNull: Bool { !isQuoted && raw.equals("NULL") }
        /// NaN or an infinity, where the others are numbers.
        var isWord: Bool { decimalDigit(raw.at(raw.at(0) == UInt8(ascii: "-") ? 1 : 0)) == nil }
    }

    /// What comes next in the text.
    enum Token {
        case open, close, element(Element), end, broken
    }

    private let text: ByteView
    private let delimiter: UInt8
    private var index = 0
    private var depth = 0
    private var expectsElement = true
    private var isComplete = false

    /// Starts behind the bounds, if there are any.
    init(_ text: ByteView, delimiter: UInt8 = UInt8(ascii: ",")) {
        self.text = text
        self.delimiter = delimiter
        guard text.at(0) == UInt8(ascii: "[") else { return }
        while index < text.count, text[index] != UInt8(ascii: "=") { index += 1 }
        index += 1
    }

    /// Whether the array has more than one dimension: its first element is an array.
    var isNested: Bool { text.at(index) == UInt8(ascii: "{") && text.at(index + 1) == UInt8(ascii: "{") }

    /// Reads on. Delimiters are checked and passed over.
    mutating func next() -> Token {
        if isComplete { return index == text.count ? .end : .broken }
        if depth > 0 && !expectsElement && text.at(index) == delimiter {
            index += 1
            expectsElement = true
            return text.at(index) == UInt8(ascii: "}") ? .broken : next()
        }
        switch text.at(index) {
        case UInt8(ascii: "{") where expectsElement:
            index += 1
            depth += 1
            return depth > 6 ? .broken : .open
        case UInt8(ascii: "}") where depth > 0:
            index += 1
            depth -= 1
            isComplete = depth == 0
            expectsElement = false
            return .close
        default:
            guard depth > 0, expectsElement, let element = element() else { return .broken }
            expectsElement = false
            return .element(element)
        }
    }

    private mutating func element() -> Element? {
        if text.at(index) == UInt8(ascii: "\"") {
            let start = index + 1
            index = start
            while index < text.count, text[index] != UInt8(ascii: "\"") {
                index += text[index] == UInt8(ascii: "\\") ? 2 : 1
            }
            guard index < text.count else { return nil }
            index += 1
            return Element(raw: text[start..<(index - 1)], isQuoted: true)
        }
        let start = index
        while index < text.count, text[index] != delimiter, text[index] != UInt8(ascii: "}") { index += 1 }
        return index > start && index < text.count ? Element(raw: text[start..<index], isQuoted: false) : nil
    }
}

extension ByteBuffer {
    /// How arrays of several dimensions are rendered.
    enum Dimensions {
        /// As PostgreSQL's text, between quotes.
        case text
        /// As arrays in arrays.
        case nested
        /// As Debezium does: a null for each inner array.
        case lost
    }

    /// Appends an array, its elements rendered as `column` says.
    mutating func appendArray(_ text: ByteView, _ column: ColumnProgram, _ dimensions: Dimensions) -> Bool {
        var reader = ArrayReader(text, delimiter: column.delimiter)
        if reader.isNested && dimensions == .text {
            appendString(text)
            return true
        }
        let start = count
        let losesWords =
            column.element.isNumeric
            && (column.isStrict || dimensions == .lost && (reader.isNested || !column.element.hasWords))
        var element = column
        element.code = column.element
        element.isThroughJava = column.isStrict
        var depth = 0
        var needsComma = false
        while true {
            let token = reader.next()
            let isWritten = depth <= 1 || dimensions == .nested
            switch token {
            case .open:
                if needsComma && isWritten { append(UInt8(ascii: ",")) }
                depth += 1
                needsComma = false
                if depth == 1 || dimensions == .nested {
                    append(UInt8(ascii: "["))
                } else if depth == 2 {
                    append("null" as StaticString)
                }
            case .close:
                if isWritten { append(UInt8(ascii: "]")) }
                depth -= 1
                needsComma = true
            case .element(let item):
                if item.isNull ? isWritten && column.isLostWithNull : losesWords && item.isWord {
                    truncate(to: start)
                    append("null" as StaticString)
                    return true
                }
                guard isWritten else { continue }
                if needsComma { append(UInt8(ascii: ",")) }
                needsComma = true
                guard appendElement(item, element) else { return false }
            case .end: return depth == 0
            case .broken: return false
            }
        }
    }

    private mutating func appendElement(_ item: ArrayReader.Element, _ column: ColumnProgram) -> Bool {
        if item.isNull {
            append("null" as StaticString)
            return true
        }
        let raw = item.raw
        var hasEscape = false
        if item.isQuoted {
            for index in 0..<raw.count where raw[index] == UInt8(ascii: "\\") {
                hasEscape = true
                break
            }
        }
        guard hasEscape else { return appendValue(raw, column) }
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: raw.count) { bytes in
            var length = 0
            var index = 0
            while index < raw.count {
                if raw[index] == UInt8(ascii: "\\") { index += 1 }
                unsafe bytes[length] = raw.at(index)
                length += 1
                index += 1
            }
            guard let start = bytes.baseAddress else { return false }
            return unsafe appendValue(ByteView(start: start, count: length), column)
        }
    }
}
