internal import WeirCore

/// Turns events into rows of a batch.
struct RowWriter {
    private let form: TextForm
    private var book: RelationBook
    private var text: [UInt8] = []

    init(options: DebeziumOptions, provider: (any SchemaProvider)?) {
        form = TextForm(options)
        book = RelationBook(provider)
    }

    /// Adds the rows of an event: usually one, none for the delete half of a moved key, which its create half tells.
    mutating func write(_ event: ReplayEvent, into builder: inout BatchBuilder) throws(WeirError) {
        if event.isIdentified { builder.skip(toOrdinal: event.order.place) }
        switch event.operation {
        case .insert, .read: try writeInsert(event, &builder)
        case .update: try writeUpdate(event, &builder)
        case .delete: try writeDelete(event, &builder)
        case .truncate:
            let relation = try book.relation(forTruncateOf: event.table)
            builder.addRow(.truncate, relation: relation, lsn: event.lsn)
        case .message: try writeMessage(event, &builder)
        }
    }

    /// An event with its shape and the object at hand.
    private struct Item {
        let event: ReplayEvent
        let shape: RelationBook.Shape
    }

    // MARK: - Operations

    private mutating func writeInsert(_ event: ReplayEvent, _ builder: inout BatchBuilder) throws(WeirError) {
        guard let after = event.after else { return }
        let item = Item(event: event, shape: try book.shape(of: event, row: after, in: event.value))
        let cells = try appendRow(after, item, &builder)
        let relation = item.shape.relation
        guard let oldKey = event.oldKey, Self.covers(oldKey, item.shape) else {
            return builder.addRow(event.operation, relation: relation, lsn: event.lsn, cells: cells)
        }
        // The create half of a moved key: the row had another name before.
        let old = try appendKey(RecordParser.payload(of: oldKey), oldKey, item, &builder)
        builder.addRow(.update, relation: relation, lsn: event.lsn, cells: cells, oldCells: old, oldTuple: .key)
    }

    private mutating func writeUpdate(_ event: ReplayEvent, _ builder: inout BatchBuilder) throws(WeirError) {
        guard let after = event.after else { return }
        let item = Item(event: event, shape: try book.shape(of: event, row: after, in: event.value))
        let cells = try appendRow(after, item, &builder)
        let relation = item.shape.relation
        guard let before = event.before else {
            return builder.addRow(.update, relation: relation, lsn: event.lsn, cells: cells)
        }
        let isWhole = item.shape.identity.isEmpty
        let old =
            isWhole
            ? try appendRow(before, item, &builder) : try appendKey(before, event.value, item, &builder)
        builder.addRow(
            .update, relation: relation, lsn: event.lsn, cells: cells, oldCells: old,
            oldTuple: isWhole ? .full : .key)
    }

    private mutating func writeDelete(_ event: ReplayEvent, _ builder: inout BatchBuilder) throws(WeirError) {
        let (row, tree): (JSONTree.Index, JSONTree)
        if let before = event.before {
            (row, tree) = (before, event.value)
        } else if let fields = event.keyFields {
            (row, tree) = (fields, event.key)
        } else {
            return
        }
        let item = Item(event: event, shape: try book.shape(of: event, row: row, in: tree))
        if let newKey = event.newKey, Self.covers(newKey, item.shape) { return }
        let isWhole = item.shape.identity.isEmpty
        let old: Int
        if isWhole {
            old = try appendRow(row, item, &builder)
        } else if let fields = event.keyFields, Self.covers(event.key, item.shape) {
            old = try appendKey(fields, event.key, item, &builder)
        } else {
            old = try appendKey(row, tree, item, &builder)
        }
        builder.addRow(
            .delete, relation: item.shape.relation, lsn: event.lsn, oldCells: old, oldTuple: isWhole ? .full : .key)
    }

    private mutating func writeMessage(_ event: ReplayEvent, _ builder: inout BatchBuilder) throws(WeirError) {
        guard let message = event.message, let prefix = event.value.member("prefix", of: message),
            let content = event.value.member("content", of: message), event.value.kind(prefix) == .string,
            event.value.kind(content) == .string
        else { throw rejected(event, nil, ValueProblem("a logical message without prefix or content")) }
        text.removeAll(keepingCapacity: true)
        event.value.appendText(content, to: &text)
        guard let bytes = form.bytes(text) else {
            throw rejected(event, nil, ValueProblem("a logical message whose content is no bytes"))
        }
        let cells = builder.cellCount
        var name: [UInt8] = []
        event.value.appendText(prefix, to: &name)
        builder.appendText(name)
        builder.appendText(bytes)
        builder.addRow(
            .message, relation: nil, lsn: event.lsn, cells: cells, flags: event.xid == 0 ? [] : .transactional)
    }

    /// Whether a key's JSON names all columns that name a row.
    private static func covers(_ key: JSONTree, _ shape: RelationBook.Shape) -> Bool {
        let fields = RecordParser.payload(of: key)
        return !shape.identity.isEmpty
            && shape.identity.allSatisfy { key.member(named: shape.names[$0], of: fields) != nil }
    }

    // MARK: - Cells

    /// Appends a cell for each column and returns the index of the first; a column the object lacks is NULL.
    private mutating func appendRow(
        _ row: JSONTree.Index, _ item: Item, _ builder: inout BatchBuilder
    ) throws(WeirError) -> Int {
        let first = builder.cellCount
        for column in item.shape.names.indices {
            let value = item.event.value.member(named: item.shape.names[column], of: row)
            try append(value, item.event.value, item, column, &builder)
        }
        return first
    }

    /// Appends the cells of the columns that name a row, NULL for the others.
    private mutating func appendKey(
        _ row: JSONTree.Index, _ tree: JSONTree, _ item: Item, _ builder: inout BatchBuilder
    ) throws(WeirError) -> Int {
        let first = builder.cellCount
        for column in item.shape.names.indices {
            let isKey = item.shape.identity.contains(column)
            let value = isKey ? tree.member(named: item.shape.names[column], of: row) : nil
            try append(value, tree, item, column, &builder)
        }
        return first
    }

    private mutating func append(
        _ value: JSONTree.Index?, _ tree: JSONTree, _ item: Item, _ column: Int, _ builder: inout BatchBuilder
    ) throws(WeirError) {
        guard let value else { return builder.appendCell(.null) }
        let definition = item.shape.relation.columns[column]
        text.removeAll(keepingCapacity: true)
        do throws(ValueProblem) {
            switch try form.append(value, of: tree, as: definition.type, to: &text) {
            case .text: builder.appendText(text)
            case .null: builder.appendCell(.null)
            case .unchanged: builder.appendCell(.unchanged)
            }
        } catch {
            throw rejected(item.event, definition, error)
        }
    }

    private func rejected(_ event: ReplayEvent, _ column: Column?, _ problem: ValueProblem) -> WeirError {
        let what = column.map { "The value of column \"\($0.name)\" is no \($0.type.name)" } ?? "An event is malformed"
        return WeirError(
            .valueRejected, stage: .source, what, cause: problem.description,
            advice: "Check that the `debezium` settings are those the events were written with, and that the target "
                + "table has the source's types."
        ).at(table: event.table.name.isEmpty ? nil : event.table, position: event.lsn)
    }
}

extension TextForm {
    /// Bytes in the way the events carry them: base64, or hexadecimal digits.
    func bytes(_ text: [UInt8]) -> [UInt8]? {
        guard options.binary == .hex else { return Base64.decode(text) }
        guard text.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: text.count, by: 2) {
            guard let byte = UInt8(String(decoding: text[index...(index + 1)], as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(byte)
        }
        return bytes
    }
}
