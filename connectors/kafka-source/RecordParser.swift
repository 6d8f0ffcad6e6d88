internal import LibRdKafka
internal import WeirCore

/// Reads records that Weir or Debezium wrote.
struct RecordParser {
    /// What a record is.
    enum Outcome {
        case event(ReplayEvent)
        /// A tombstone, transaction metadata, a change of a table or a heartbeat: nothing to replay.
        case nothing
    }

    /// Reads one record. Throws `value-rejected` with the record's place when it is no event; the error holds no part
    /// of it.
    func parse(_ message: borrowing KafkaMessage) throws(WeirError) -> Outcome {
        do throws(ValueProblem) {
            var event = ReplayEvent()
            guard let value = message.withValue(Self.copy) else { return .nothing }
            try Self.read(value, into: &event.value)
            guard event.value.kind(JSONTree.root) != .null else { return .nothing }
            let root = Self.payload(of: event.value)
            guard let operation = event.value.member("op", of: root) else {
                if Self.isService(event.value, root) { return .nothing }
                throw ValueProblem("it is no Debezium envelope")
            }
            if let key = message.withKey(Self.copy), !key.isEmpty {
                try Self.read(key, into: &event.key)
                let fields = Self.payload(of: event.key)
                event.hasKey = event.key.kind(fields) == .object
                event.keyFields = event.hasKey ? fields : nil
            }
            try envelope(&event, root, operation)
            try identify(&event, message)
            event.newKey = try Self.tree(message.withHeader("__debezium.newkey", Self.copy))
            event.oldKey = try Self.tree(message.withHeader("__debezium.oldkey", Self.copy))
            return .event(event)
        } catch {
            throw WeirError(
                .valueRejected, stage: .source,
                "The record at offset \(message.offset) of \(message.topic)[\(message.partition)] cannot be replayed",
                cause: error.description, advice: "Name only topics with events of Weir or Debezium in JSON.")
        }
    }

    // MARK: - JSON

    private static func copy(_ span: RawSpan?) -> [UInt8]? {
        guard let span else { return nil }
        return unsafe span.withUnsafeBytes { unsafe Array($0) }
    }

    private static func read(_ text: [UInt8], into tree: inout JSONTree) throws(ValueProblem) {
        do throws(JSONFailure) {
            try tree.read(text)
        } catch {
            throw ValueProblem("its JSON is broken: \(error)")
        }
    }

    private static func tree(_ text: [UInt8]?) throws(ValueProblem) -> JSONTree? {
        guard let text else { return nil }
        var tree = JSONTree()
        try read(text, into: &tree)
        return tree
    }

    /// The value itself, or what a converter with schemas wrapped.
    static func payload(of tree: JSONTree) -> JSONTree.Index {
        // A table may have columns of these names, but none that is an object.
        guard let schema = tree.member("schema", of: JSONTree.root), tree.kind(schema) == .object,
            let payload = tree.member("payload", of: JSONTree.root)
        else { return JSONTree.root }
        return payload
    }

    /// Transaction metadata, changes of tables and heartbeats.
    private static func isService(_ tree: JSONTree, _ root: JSONTree.Index) -> Bool {
        if let status = tree.member("status", of: root), tree.member("id", of: root) != nil {
            return tree.isText(status, "BEGIN") || tree.isText(status, "END")
        }
        if let changes = tree.member("tableChanges", of: root), tree.member("databaseName", of: root) != nil {
            return tree.kind(changes) == .array
        }
        return tree.member("ts_ms", of: root) != nil && tree.members(of: root).count == 1
    }

    // MARK: - The envelope

    private func envelope(
        _ event: inout ReplayEvent, _ root: JSONTree.Index, _ operation: JSONTree.Index
    ) throws(ValueProblem) {
        let tree = event.value
        switch tree.string(operation) {
        case "c": event.operation = .insert
        case "u": event.operation = .update
        case "d": event.operation = .delete
        case "r": event.operation = .read
        case "t": event.operation = .truncate
        case "m": event.operation = .message
        default: throw ValueProblem("its operation is unknown")
        }
        event.before = Self.object("before", of: tree, root)
        event.after = Self.object("after", of: tree, root)
        event.message = Self.object("message", of: tree, root)
        guard let source = Self.object("source", of: tree, root) else { throw ValueProblem("it has no source block") }
        event.table = TableName(
            schema: tree.member("schema", of: source).flatMap(tree.string) ?? "",
            name: tree.member("table", of: source).flatMap(tree.string) ?? "")
        event.database = tree.member("db", of: source).flatMap(tree.string) ?? ""
        event.xid = tree.member("txId", of: source).flatMap(tree.integer).map { UInt32(truncatingIfNeeded: $0) } ?? 0
        event.lsn = LSN(Self.unsigned(tree.member("lsn", of: source), tree))
        if let micros = tree.member("ts_us", of: source).flatMap(tree.integer) {
            event.commitTime = micros
        } else if let millis = tree.member("ts_ms", of: source).flatMap(tree.integer) {
            event.commitTime = millis.multipliedReportingOverflow(by: 1000).partialValue
        }
        event.order = EventOrder(commit: Self.lastCommit(source, tree), place: event.lsn.rawValue)
        try check(event)
    }

    private func check(_ event: ReplayEvent) throws(ValueProblem) {
        switch event.operation {
        case .insert, .read, .update:
            guard event.after != nil else { throw ValueProblem("it has no new row") }
        case .delete:
            guard event.before != nil || event.hasKey else { throw ValueProblem("it has neither old row nor key") }
        case .message:
            guard event.message != nil else { throw ValueProblem("it has no message") }
            return
        case .truncate: break
        }
        guard !event.table.name.isEmpty else { throw ValueProblem("it names no table") }
    }

    private static func object(_ name: StaticString, of tree: JSONTree, _ root: JSONTree.Index) -> JSONTree.Index? {
        guard let index = tree.member(name, of: root), tree.kind(index) == .object else { return nil }
        return index
    }

    private static func unsigned(_ index: JSONTree.Index?, _ tree: JSONTree) -> UInt64 {
        index.flatMap(tree.integer).map { UInt64(clamping: $0) } ?? 0
    }

    /// The LSN of the commit before this transaction, 0 when there is none: `sequence` is a string that holds
    /// `["<last commit>","<lsn>"]`. It rises with every transaction, in the order of the stream.
    private static func lastCommit(_ source: JSONTree.Index, _ tree: JSONTree) -> UInt64 {
        guard let text = tree.member("sequence", of: source).flatMap(tree.string) else { return 0 }
        var inner = JSONTree()
        guard (try? inner.read(Array(text.utf8))) != nil, let first = inner.elements(of: JSONTree.root).first else {
            return 0
        }
        return inner.string(first).flatMap { UInt64($0) } ?? 0
    }

    // MARK: - Weir's own headers

    /// `weir-id` is `system identifier/commit LSN/ordinal`, followed by `/part` for the later events of one change.
    private func identify(_ event: inout ReplayEvent, _ message: borrowing KafkaMessage) throws(ValueProblem) {
        guard let bytes = message.withHeader("weir-id", Self.copy) else { return }
        let parts = String(decoding: bytes, as: UTF8.self).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 4 || parts.count == 5, let system = UInt64(parts[0]),
            let commit = LSN("\(parts[1])/\(parts[2])"), let ordinal = UInt64(parts[3]),
            let part = parts.count == 5 ? UInt64(parts[4]) : 0
        else { throw ValueProblem("its weir-id header is malformed") }
        event.systemIdentifier = system
        event.order = EventOrder(commit: commit.rawValue, place: ordinal, part: part)
        event.isIdentified = true
    }
}
