#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Turns batches into messages for topics: keys, values and headers as bytes in a buffer.
///
/// One encoder per sink, used on one thread. Per row and per column it allocates nothing: what to write is compiled
/// once for each relation. Event by event the order is that of the batch; one row may make several events (see
/// `EncodedEvent.Role`).
public final class EventEncoder {
    /// How long the bytes of an event must stay in the buffer.
    public enum Retention: Sendable {
        /// Only while `emit` runs: the buffer is rewound after each row and stays small.
        case duringEmit
        /// Until the caller clears the buffer: ranges of all events hold after `encode` returned.
        case untilCleared
    }

    /// How events look.
    public let settings: EncoderSettings
    /// Names of all topics seen so far; events refer to them by index. Grows only.
    public private(set) var topics: [String] = []

    private var source = SourceDescription(systemIdentifier: 0, database: "", start: .zero)
    private var programs: [ObjectIdentifier: RelationProgram] = [:]
    private var topicIndexes: [String: Int] = [:]
    private var progress = TransactionProgress()
    private var toldTables = ToldTables()
    private let heads: StandardHeads
    private var lastOrigin: TransactionOrigin?
    private let clock: () -> Int64

    /// Makes an encoder. `clock` tells the time for `ts_ms` outside the source block, in nanoseconds since 1970; it
    /// is read once for each batch.
    public init(settings: EncoderSettings, clock: @escaping () -> Int64 = EventEncoder.wallClock) {
        self.settings = settings
        heads = StandardHeads(settings)
        self.clock = clock
    }

    /// The system's clock: nanoseconds since 1970-01-01 UTC.
    public static func wallClock() -> Int64 {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
    }

    /// Tells where events come from. Called before the first batch, and again whenever the source was opened anew.
    public func begin(_ source: SourceDescription) {
        self.source = source
        programs.removeAll()
        progress = TransactionProgress()
        toldTables = ToldTables()
        lastOrigin = nil
    }

    /// Encodes all rows of a batch, its changes of tables and its heartbeat, behind what the buffer holds, calling
    /// `emit` for each event in order with the buffer its parts lie in.
    ///
    /// Throws what `emit` throws; `value-rejected` with table and column when a value is not of its column's type;
    /// `table-unusable` for a configured key column that does not exist. Events emitted before stay emitted.
    public func encode(
        _ batch: ChangeBatch, into buffer: inout ByteBuffer, retain: Retention = .duringEmit,
        emit: (EncodedEvent, borrowing ByteBuffer) throws(WeirError) -> Void
    ) throws(WeirError) {
        var compiled: [RelationProgram] = []
        compiled.reserveCapacity(batch.relations.count)
        for relation in batch.relations { compiled.append(try program(for: relation)) }
        let context = EncodingContext(
            settings: settings, source: source, now: clock(), programs: compiled, topics: standardTopics(),
            heads: heads)
        var run = EncodingRun(batch: batch, context: context, progress: progress)
        run.rewinds = retain == .duringEmit
        run.lastOrigin = lastOrigin
        swap(&run.toldTables, &toldTables)
        swap(&run.out, &buffer)
        defer {
            swap(&run.out, &buffer)
            swap(&run.toldTables, &toldTables)
            progress = run.progress
            lastOrigin = run.lastOrigin
        }
        try unsafe batch.arena.withUnsafeBufferPointer { (bytes) throws(WeirError) in
            if let start = bytes.baseAddress { unsafe run.arena = ByteView(start: start, count: bytes.count) }
            try run.encode(emit)
        }
        if let time = batch.heartbeat {
            let start = run.out.count
            let event = encodeHeartbeat(at: time, into: &run.out)
            try emit(event, run.out)
            if run.rewinds { run.out.truncate(to: start) }
        }
    }

    /// Writes a heartbeat's key and value behind what the buffer holds. `time` is in milliseconds since 1970.
    public func encodeHeartbeat(at time: Int64, into buffer: inout ByteBuffer) -> EncodedEvent {
        let name = "\(settings.debezium.heartbeatTopicPrefix).\(settings.topicPrefix)"
        var event = EncodedEvent(role: .heartbeat, topic: topicIndex(name), row: -1, transaction: -1)
        let start = buffer.beginPart(heads.view(heads.heartbeatKey))
        buffer.append("{\"serverName\":" as StaticString)
        buffer.appendString(utf8: settings.topicPrefix)
        buffer.append(UInt8(ascii: "}"))
        event.key = buffer.endPart(start, heads.view(heads.heartbeatKey))
        let value = buffer.beginPart(heads.view(heads.heartbeatValue))
        buffer.append("{\"ts_ms\":" as StaticString)
        buffer.appendInteger(time)
        buffer.append(UInt8(ascii: "}"))
        event.value = buffer.endPart(value, heads.view(heads.heartbeatValue))
        return event
    }

    /// The topic of a relation's events.
    public func topic(of relation: Relation) throws(WeirError) -> String {
        topics[try program(for: relation).topic]
    }

    private func program(for relation: Relation) throws(WeirError) -> RelationProgram {
        if let program = programs[ObjectIdentifier(relation)] { return program }
        // Versions of tables come and go; forgetting all now and then costs little and bounds the memory.
        if programs.count >= 4096 { programs.removeAll() }
        let topic = TopicName.topic(
            of: relation, template: settings.topic, pipeline: settings.topicPrefix, database: source.database)
        let index = topicIndex(topic)
        let program = try RelationProgram(relation, settings: settings, topic: index, topicName: topics[index])
        programs[ObjectIdentifier(relation)] = program
        return program
    }

    private func standardTopics() -> StandardTopics {
        StandardTopics(
            message: topicIndex("\(settings.topicPrefix).message"),
            transaction: settings.debezium.transactionMetadata && settings.format == .debezium
                ? topicIndex("\(settings.topicPrefix).transaction") : -1,
            schemaChange: settings.debezium.includeSchemaChanges && settings.format == .debezium
                ? topicIndex(settings.topicPrefix) : -1)
    }

    private func topicIndex(_ name: String) -> Int {
        if let index = topicIndexes[name] { return index }
        let sanitized = TopicName.sanitized(name)
        if let index = topics.firstIndex(of: sanitized) {
            topicIndexes[name] = index
            return index
        }
        topics.append(sanitized)
        topicIndexes[name] = topics.count - 1
        return topics.count - 1
    }
}

/// Topics that belong to no table.
struct StandardTopics {
    let message: Int
    /// -1 when there is no transaction metadata.
    let transaction: Int
    /// -1 when changes of tables make no events.
    let schemaChange: Int
}

/// What all rows of one call of `encode` share.
struct EncodingContext {
    let settings: EncoderSettings
    let source: SourceDescription
    /// Processing time in nanoseconds since 1970.
    let now: Int64
    /// One for each relation of the batch.
    let programs: [RelationProgram]
    let topics: StandardTopics
    /// What stands before the payloads of events that belong to no table.
    let heads: StandardHeads
}

/// How many events a transaction has had so far; goes on over batches.
struct TransactionProgress {
    /// One table's share.
    struct Collection {
        let name: String
        var count: Int
    }

    /// Identity of the transaction whose BEGIN was emitted, `.zero` when none is open.
    var commitLSN = LSN.zero
    /// Events so far.
    var total = 0
    /// Events so far by table, in the order of their first.
    var collections: [Collection] = []

    /// Counts an event and returns its place among its table's.
    mutating func count(_ name: String) -> Int {
        total += 1
        for index in collections.indices where collections[index].name == name {
            collections[index].count += 1
            return collections[index].count
        }
        collections.append(Collection(name: name, count: 1))
        return 1
    }
}
