internal import WeirCore

/// A JSON text with the places of its values: read once, looked at in any order, no string made before it is asked
/// for. The arrays are used again for the next text.
struct JSONTree {
    /// What a value is.
    enum Kind: UInt8 {
        case object, array, string, number, yes, no, null
    }

    struct Node {
        var kind: Kind
        var isEscaped = false
        /// Bytes of the text: of a string, without its quotes.
        var range: Range<Int>
        /// Index of the node that follows the value with everything in it.
        var next = 0
    }

    /// A value's place in the tree.
    typealias Index = Int

    private(set) var bytes: [UInt8] = []
    /// Members of an object are two nodes, the name and the value.
    private(set) var nodes: [Node] = []

    /// The whole text's value.
    static let root: Index = 0

    /// Reads a text. After a throw the tree is empty.
    mutating func read(_ text: [UInt8]) throws(JSONFailure) {
        bytes = text
        nodes.removeAll(keepingCapacity: true)
        var reader = JSONReader(text)
        var open: [Index] = []
        do throws(JSONFailure) {
            while try take(&reader, &open) {}
        } catch {
            nodes.removeAll(keepingCapacity: true)
            throw error
        }
    }

    private mutating func take(_ reader: inout JSONReader, _ open: inout [Index]) throws(JSONFailure) -> Bool {
        let token = try reader.next()
        let here = reader.offset
        switch token {
        case .beginObject, .beginArray:
            open.append(nodes.count)
            nodes.append(Node(kind: token == .beginObject ? .object : .array, range: (here - 1)..<here))
        case .endObject, .endArray:
            if let begin = open.popLast() {
                nodes[begin].range = nodes[begin].range.lowerBound..<here
                nodes[begin].next = nodes.count
            }
        case .key(let range, let isEscaped), .string(let range, let isEscaped):
            append(Node(kind: .string, isEscaped: isEscaped, range: range))
        case .number(let range): append(Node(kind: .number, range: range))
        case .bool(let value): append(Node(kind: value ? .yes : .no, range: (here - (value ? 4 : 5))..<here))
        case .null: append(Node(kind: .null, range: (here - 4)..<here))
        case .end: return false
        }
        return true
    }

    private mutating func append(_ node: Node) {
        nodes.append(node)
        nodes[nodes.count - 1].next = nodes.count
    }

    // MARK: - Looking

    func kind(_ index: Index) -> Kind { nodes[index].kind }

    /// The value of an object's member; nil when there is none or the value is no object.
    func member(_ name: StaticString, of index: Index) -> Index? {
        guard nodes[index].kind == .object else { return nil }
        var key = index + 1
        while key < nodes[index].next {
            if isText(key, name) { return key + 1 }
            key = nodes[key + 1].next
        }
        return nil
    }

    /// The value of an object's member whose name has these bytes; nil when there is none.
    func member(named name: [UInt8], of index: Index) -> Index? {
        guard nodes[index].kind == .object else { return nil }
        var key = index + 1
        while key < nodes[index].next {
            if isText(key, name) { return key + 1 }
            key = nodes[key + 1].next
        }
        return nil
    }

    /// The names and values of an object, in order.
    func members(of index: Index) -> [(name: Index, value: Index)] {
        guard nodes[index].kind == .object else { return [] }
        var members: [(name: Index, value: Index)] = []
        var key = index + 1
        while key < nodes[index].next {
            members.append((key, key + 1))
            key = nodes[key + 1].next
        }
        return members
    }

    /// The elements of an array, in order.
    func elements(of index: Index) -> [Index] {
        guard nodes[index].kind == .array else { return [] }
        var elements: [Index] = []
        var element = index + 1
        while element < nodes[index].next {
            elements.append(element)
            element = nodes[element].next
        }
        return elements
    }

    /// Whether a string has this text.
    func isText(_ index: Index, _ text: StaticString) -> Bool {
        let node = nodes[index]
        guard node.kind == .string else { return false }
        guard node.isEscaped else {
            return text.withUTF8Buffer { unsafe bytes[node.range].elementsEqual($0) }
        }
        return string(index) == text.description
    }

    /// Whether a string has these bytes.
    func isText(_ index: Index, _ text: [UInt8]) -> Bool {
        let node = nodes[index]
        guard node.kind == .string else { return false }
        guard node.isEscaped else { return bytes[node.range].elementsEqual(text) }
        var own: [UInt8] = []
        appendText(index, to: &own)
        return own == text
    }

    /// A string's text; nil when the value is no string.
    func string(_ index: Index) -> String? {
        let node = nodes[index]
        guard node.kind == .string else { return nil }
        return JSONText.string(node.range, of: bytes, isEscaped: node.isEscaped)
    }

    /// Appends a string's text.
    func appendText(_ index: Index, to output: inout [UInt8]) {
        let node = nodes[index]
        JSONText.append(node.range, of: bytes, isEscaped: node.isEscaped, to: &output)
    }

    /// Appends a value as it stands in the text, quotes of a string included.
    func appendRaw(_ index: Index, to output: inout [UInt8]) {
        let node = nodes[index]
        let quote = node.kind == .string ? 1 : 0
        output.append(contentsOf: bytes[(node.range.lowerBound - quote)..<(node.range.upperBound + quote)])
    }

    /// A number that is an integer of up to 128 bits; nil for anything else.
    func wideInteger(_ index: Index) -> Int128? {
        guard nodes[index].kind == .number else { return nil }
        return Int128(String(decoding: bytes[nodes[index].range], as: UTF8.self))
    }

    /// A number that is a 64-bit integer; nil for anything else.
    func integer(_ index: Index) -> Int64? {
        guard nodes[index].kind == .number else { return nil }
        return Int64(String(decoding: bytes[nodes[index].range], as: UTF8.self))
    }
}
