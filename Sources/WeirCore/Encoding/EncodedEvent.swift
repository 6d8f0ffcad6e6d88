/// One message ready for a topic: where its parts lie in the buffer the encoder wrote into.
///
/// Trivial to copy. Ranges are offsets into the `ByteBuffer` given to `encode`; see there how long they hold.
public struct EncodedEvent: Sendable, BitwiseCopyable {
    /// Why the event exists.
    public enum Role: UInt8, Sendable, BitwiseCopyable {
        /// A change of a row, or a row read by a snapshot.
        case change
        /// No value, after the event of a delete: compaction may forget the key.
        case tombstone
        /// The old key's end, when a change moved a row to a new key.
        case keyChangeDelete
        /// The new key's beginning, when a change moved a row to a new key.
        case keyChangeCreate
        /// A table was truncated.
        case truncate
        /// A logical message.
        case message
        /// A transaction begins.
        case transactionBegin
        /// A transaction ended.
        case transactionEnd
        /// A sign of life.
        case heartbeat
        /// A table was described, created, altered or dropped.
        case schemaChange
    }

    /// A part of the buffer, or nothing at all.
    public struct Part: Sendable, BitwiseCopyable, Equatable {
        /// Offset of the first byte; meaningless without bytes.
        public let offset: Int
        /// Number of bytes, -1 for null.
        public let count: Int

        /// No bytes: a null key, or the value of a tombstone.
        public static let null = Part(offset: 0, count: -1)

        /// Whether there are no bytes (an empty value has some).
        @inlinable
        public var isNull: Bool { count < 0 }
        /// The bytes' place in the buffer, nil when null.
        @inlinable
        public var range: Range<Int>? { count < 0 ? nil : offset..<(offset + count) }

        /// The bytes' place; empty when null.
        var span: Range<Int> { offset..<(offset + max(count, 0)) }

        @inlinable
        init(offset: Int, count: Int) {
            self.offset = offset
            self.count = count
        }
    }

    /// A header's name.
    public enum HeaderName: UInt8, Sendable, CaseIterable, BitwiseCopyable {
        case id, transaction, commitTime, operation, table, position, newKey, oldKey

        /// The name as sent.
        public var text: StaticString {
            switch self {
            case .id: "weir-id"
            case .transaction: "weir-txid"
            case .commitTime: "weir-ts-us"
            case .operation: "weir-op"
            case .table: "weir-table"
            case .position: "weir-lsn"
            case .newKey: "__debezium.newkey"
            case .oldKey: "__debezium.oldkey"
            }
        }
    }

    /// A header: its name and where its value lies.
    public struct Header: Sendable, BitwiseCopyable {
        /// The name.
        public let name: HeaderName
        /// The value's place in the buffer.
        public let value: Part
    }

    /// Why the event exists.
    public let role: Role
    /// Index into the encoder's `topics`.
    public let topic: Int
    /// Index into the batch's rows; -1 for transaction events, heartbeats and changes of tables.
    public let row: Int
    /// Index into the batch's transactions, of which a table without rows in a snapshot has none; -1 for heartbeats.
    public let transaction: Int
    /// The key; null when the table has none.
    public internal(set) var key: Part = .null
    /// The value; null for a tombstone.
    public internal(set) var value: Part = .null
    /// Number of headers, 0 to 8.
    public private(set) var headerCount = 0
    private var headers = InlineArray<8, Header>(repeating: Header(name: .id, value: .null))

    init(role: Role, topic: Int, row: Int, transaction: Int) {
        self.role = role
        self.topic = topic
        self.row = row
        self.transaction = transaction
    }

    /// A header, `index` from 0 to `headerCount` less one.
    @inlinable
    public func header(_ index: Int) -> Header {
        precondition(index >= 0 && index < headerCount, "no such header")
        return storedHeader(index)
    }

    @usableFromInline
    func storedHeader(_ index: Int) -> Header { headers[index] }

    mutating func add(_ name: HeaderName, _ value: Part) {
        headers[headerCount] = Header(name: name, value: value)
        headerCount += 1
    }
}
