internal import CYAML

/// Owner of one libyaml parser over bytes held in memory.
///
/// The parser reads from the buffer lent to ``init(reading:)``, so it must not outlive it.
@safe struct YAMLParser: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>

    /// Makes a parser over `bytes`; `nil` when there is no memory for it.
    init?(reading bytes: UnsafeBufferPointer<UInt8>) {
        // Not `self.parser` before it is good: a failing initializer whose members are all set runs `deinit`.
        let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        guard unsafe yaml_parser_initialize(parser) == 1 else {
            unsafe parser.deallocate()
            return nil
        }
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        unsafe yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
        unsafe self.parser = parser
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
    }

    /// The next document; one without a root when the input has ended.
    mutating func nextDocument() throws(YAMLSyntaxError) -> YAMLDocument {
        guard let document = unsafe YAMLDocument(loadedBy: parser) else { throw unsafe YAMLSyntaxError(parser.pointee) }
        return document
    }
}

/// Owner of one loaded libyaml document. Nodes are known by their number, from 1.
@safe struct YAMLDocument: ~Copyable {
    /// What libyaml says of a node, with the marks counted from 1.
    struct Node {
        enum Content {
            case scalar(text: String, isPlain: Bool)
            case sequence([Int32])
            case mapping([(key: Int32, value: Int32)])
        }

        let content: Content
        let tag: String
        let line: Int
        let column: Int
    }

    private let document: UnsafeMutablePointer<yaml_document_t>

    fileprivate init?(loadedBy parser: UnsafeMutablePointer<yaml_parser_t>) {
        let document = UnsafeMutablePointer<yaml_document_t>.allocate(capacity: 1)
        guard unsafe yaml_parser_load(parser, document) == 1 else {
            unsafe document.deallocate()
            return nil
        }
        unsafe self.document = document
    }

    deinit {
        unsafe yaml_document_delete(document)
        unsafe document.deallocate()
    }

    /// Whether there is a document at all: the end of the input gives one without nodes.
    var isEmpty: Bool {
        unsafe yaml_document_get_root_node(document) == nil
    }

    /// The number of the root node.
    static let root: Int32 = 1

    /// The node with this number; `nil` when there is none.
    func node(_ number: Int32) -> Node? {
        guard let node = unsafe yaml_document_get_node(document, number) else { return nil }
        let mark = unsafe node.pointee.start_mark
        let tag = unsafe node.pointee.tag.map { unsafe String(cString: $0) } ?? ""
        guard let content = unsafe Self.content(node.pointee) else { return nil }
        return Node(content: content, tag: tag, line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }

    private static func content(_ node: yaml_node_t) -> Node.Content? {
        switch unsafe node.type {
        case YAML_SCALAR_NODE:
            let scalar = unsafe node.data.scalar
            let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            return unsafe .scalar(
                text: String(decoding: bytes, as: UTF8.self), isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE)
        case YAML_SEQUENCE_NODE:
            let items = unsafe node.data.sequence.items
            guard let start = unsafe items.start else { return .sequence([]) }
            return unsafe .sequence(Array(UnsafeBufferPointer(start: start, count: items.top - start)))
        case YAML_MAPPING_NODE:
            let pairs = unsafe node.data.mapping.pairs
            guard let start = unsafe pairs.start else { return .mapping([]) }
            let buffer = unsafe UnsafeBufferPointer(start: start, count: pairs.top - start)
            return unsafe .mapping(buffer.map { (key: $0.key, value: $0.value) })
        default:
            return nil
        }
    }
}

/// What libyaml could not read, and where, counted from 1.
struct YAMLSyntaxError: Error {
    let message: String
    let line: Int
    let column: Int

    fileprivate init(_ parser: yaml_parser_t) {
        let problem = unsafe parser.problem.map { unsafe String(cString: $0) } ?? "out of memory"
        let context = unsafe parser.context.map { unsafe String(cString: $0) }
        message = [context, problem].compactMap(\.self).joined(separator: ", ")
        line = unsafe Int(parser.problem_mark.line) + 1
        column = unsafe Int(parser.problem_mark.column) + 1
    }
}
