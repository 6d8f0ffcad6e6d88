internal import WeirCore

/// Finds or makes the relation of an event's table: one for each set of columns it was written with.
///
/// With a provider the columns have the types of its table; without one, types follow from the JSON values, and a
/// relation gives way to a wider one when a later value does not fit.
struct RelationBook {
    /// A relation and what tells its events.
    struct Shape {
        var relation: Relation
        /// Names of the columns as bytes, in their order.
        let names: [[UInt8]]
        /// Indexes of the columns that name a row; empty when only the whole row does.
        let identity: [Int]
        fileprivate var guesses: [Guess]
    }

    /// What a column without a known type holds, as far as seen.
    fileprivate enum Guess {
        case nothing, boolean, integer, number, text, mixed

        var type: ColumnType {
            switch self {
            case .boolean: ColumnType(oid: 16, name: "boolean", kind: .boolean)
            case .integer: ColumnType(oid: 20, name: "bigint", kind: .int8)
            case .number: ColumnType(oid: 701, name: "double precision", kind: .float8)
            case .nothing, .text: ColumnType(oid: 25, name: "text", kind: .text)
            case .mixed: ColumnType(oid: 114, name: "json", kind: .json)
            }
        }

        func widened(by value: Guess) -> Guess {
            switch (self, value) {
            case (let one, let other) where one == other || other == .nothing: one
            case (.nothing, let other): other
            case (.integer, .number), (.number, .integer): .number
            default: .mixed
            }
        }
    }

    private let provider: (any SchemaProvider)?
    private var shapes: [TableName: [[UInt8]: Shape]] = [:]

    init(_ provider: (any SchemaProvider)?) { self.provider = provider }

    /// The shape of a row of an event: `row` is the object that holds its columns.
    mutating func shape(of event: ReplayEvent, row: JSONTree.Index, in tree: JSONTree) throws(WeirError) -> Shape {
        let members = tree.members(of: row)
        let signature = Self.signature(event, members, tree)
        guard var shape = shapes[event.table]?[signature] else {
            let made = try make(event, members, tree)
            shapes[event.table, default: [:]][signature] = made
            return made
        }
        if !shape.guesses.isEmpty, Self.widen(&shape.guesses, members, tree) {
            shape.relation = Self.relation(event.table, shape.names, shape.identity, shape.guesses.map(\.type))
            shapes[event.table]?[signature] = shape
        }
        return shape
    }

    /// A relation for a TRUNCATE, which tells no columns.
    mutating func relation(forTruncateOf table: TableName) throws(WeirError) -> Relation {
        if let known = shapes[table]?.values.first { return known.relation }
        if let provided = try provider?.relation(for: table) { return provided }
        return Self.relation(table, [], [], [])
    }

    // MARK: - Making

    private static func signature(
        _ event: ReplayEvent, _ members: [(name: JSONTree.Index, value: JSONTree.Index)], _ tree: JSONTree
    ) -> [UInt8] {
        var signature: [UInt8] = []
        for member in members {
            tree.appendText(member.name, to: &signature)
            signature.append(0)
        }
        guard let fields = event.keyFields else { return signature }
        signature.append(1)
        for field in event.key.members(of: fields) {
            event.key.appendText(field.name, to: &signature)
            signature.append(0)
        }
        return signature
    }

    private func make(
        _ event: ReplayEvent, _ members: [(name: JSONTree.Index, value: JSONTree.Index)], _ tree: JSONTree
    ) throws(WeirError) -> Shape {
        let names = members.map { member in
            var name: [UInt8] = []
            tree.appendText(member.name, to: &name)
            return name
        }
        guard Set(names).count == names.count else {
            throw WeirError(
                .valueRejected, stage: .source, "An event names a column twice",
                advice: "Look at what wrote the topic."
            ).at(table: event.table, position: event.lsn)
        }
        let provided = try provider?.relation(for: event.table)
        let identity = Self.identity(event, names, provided)
        var guesses: [Guess] = []
        let types: [ColumnType]
        if let provided {
            types = names.map { name in
                provided.columnIndex(String(decoding: name, as: UTF8.self)).map { provided.columns[$0].type }
                    ?? Guess.text.type
            }
        } else {
            guesses = names.map { _ in .nothing }
            _ = Self.widen(&guesses, members, tree)
            types = guesses.map(\.type)
        }
        let relation = Self.relation(event.table, names, identity, types)
        return Shape(relation: relation, names: names, identity: identity, guesses: guesses)
    }

    /// The columns that name a row: the target's key if the event has it, else the event's own, else none.
    private static func identity(_ event: ReplayEvent, _ names: [[UInt8]], _ provided: Relation?) -> [Int] {
        if let provided, !provided.keyColumns.isEmpty {
            let wanted = provided.keyColumns.map { Array(provided.columns[$0].name.utf8) }
            let indexes = wanted.compactMap { names.firstIndex(of: $0) }
            if indexes.count == wanted.count { return indexes }
        }
        guard let fields = event.keyFields else { return [] }
        let members = event.key.members(of: fields)
        let indexes = members.compactMap { member in names.firstIndex { event.key.isText(member.name, $0) } }
        return indexes.count == members.count ? indexes : []
    }

    private static func relation(
        _ table: TableName, _ names: [[UInt8]], _ identity: [Int], _ types: [ColumnType]
    ) -> Relation {
        let columns = names.indices.map { index in
            Column(
                name: String(decoding: names[index], as: UTF8.self), type: types[index],
                isIdentity: identity.isEmpty || identity.contains(index), isNotNull: identity.contains(index))
        }
        return Relation(
            oid: 0, table: table, columns: columns, identity: identity.isEmpty ? .full : .default,
            primaryKey: identity)
    }

    /// Widens guesses by the values of a row; true when one changed.
    private static func widen(
        _ guesses: inout [Guess], _ members: [(name: JSONTree.Index, value: JSONTree.Index)], _ tree: JSONTree
    ) -> Bool {
        var hasChanged = false
        for (index, member) in members.enumerated() {
            let value: Guess =
                switch tree.kind(member.value) {
                case .null: .nothing
                case .yes, .no: .boolean
                case .string: .text
                case .number: tree.integer(member.value) == nil ? .number : .integer
                case .object, .array: .mixed
                }
            let wider = guesses[index].widened(by: value)
            if wider != guesses[index] {
                guesses[index] = wider
                hasChanged = true
            }
        }
        return hasChanged
    }
}
