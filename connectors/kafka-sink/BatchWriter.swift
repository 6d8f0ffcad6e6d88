internal import LibRdKafka
internal import WeirCore

/// Queues the events of one batch. A value on the stack of `write`.
struct BatchWriter: ~Copyable {
    let batch: ChangeBatch
    let ticket: UInt64
    let link: ProducerLink
    let deliveries: Deliveries
    let session: SinkSession
    /// Messages queued so far.
    private(set) var count = 0
    /// Whether the attempt was over before the batch was queued.
    private(set) var isCancelled = false
    /// Of them, how many the clock of sending does not know of.
    private var untold = 0
    private var headers = KafkaHeaders()

    /// The longest wait between two looks at whether the attempt is over.
    private static let waitMax: Duration = .milliseconds(500)
    /// The longest wait for the report of the message that made a gap.
    private static let gapMax: Duration = .seconds(5)

    init(batch: ChangeBatch, ticket: UInt64, link: ProducerLink, deliveries: Deliveries, session: SinkSession) {
        self.batch = batch
        self.ticket = ticket
        self.link = link
        self.deliveries = deliveries
        self.session = session
    }

    /// Queues an event; waits while the queue is full. Throws when the event cannot be sent, or when something failed
    /// or was cancelled while it waited.
    mutating func write(
        _ event: EncodedEvent, _ bytes: borrowing ByteBuffer, topics: [String]
    ) throws(WeirError) {
        let session = self.session
        guard var destination = try link.destination(event.topic, topics, isCancelled: { session.isCancelled }) else {
            throw cancelled()
        }
        // Without a key the partitioner would choose at random: the order would be lost, and after a crash ids would
        // no longer rise in each partition. A truncate, a heartbeat and a change of a table are looked for in one
        // place.
        switch event.role {
        case .truncate, .heartbeat, .schemaChange: destination.partition = 0
        default: if event.key.isNull && link.pinsKeyless { destination.partition = 0 }
        }
        headers.removeAll()
        let message = MessageTicket(batch: ticket, row: event.row)
        let code = try unsafe bytes.withUnsafeBytes { (base) throws(WeirError) -> KafkaErrorCode in
            for index in 0..<event.headerCount {
                let header = event.header(index)
                guard let value = unsafe Self.bytes(header.value, base) else { continue }
                unsafe headers.add(header.name.text, value)
            }
            let key = unsafe Self.bytes(event.key, base)
            let partition = unsafe link.watchedPartition(event.topic, destination, key: key)
            if let partition, try !isItsTurn(event.topic, partition) { return .purgedFromQueue }
            let code = try unsafe produce(destination, key: key, value: Self.bytes(event.value, base), message)
            if code == .none { link.queued(event.topic, partition) }
            return code
        }
        guard code == .none else {
            throw refused(event, code, bytes: max(event.key.count, 0) + max(event.value.count, 0), topics)
        }
        count += 1
        untold += 1
    }

    /// Says that the batch, or what the queue took of it, is queued.
    mutating func tell(moreFollows: Bool) {
        if deliveries.wrote(untold, moreFollows: moreFollows) { link.send() }
        untold = 0
    }

    /// Waits until the first message of a partition is reported; false when the attempt was cancelled meanwhile.
    private mutating func isItsTurn(_ topic: Int, _ partition: Int) throws(WeirError) -> Bool {
        while true {
            let reported = deliveries.reported
            guard link.mustWait(topic, partition, reported: reported) else { return true }
            if let failure = deliveries.failure { throw failure }
            if session.isCancelled { return false }
            tell(moreFollows: false)
            deliveries.waitForReport(after: reported, limit: Self.waitMax)
        }
    }

    private mutating func produce(
        _ destination: KafkaDestination, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?,
        _ message: MessageTicket
    ) throws(WeirError) -> KafkaErrorCode {
        var code = unsafe link.producer.produce(
            to: destination, key: key, value: value, headers: headers, ticket: message.rawValue)
        while code == .queueFull {
            if let failure = deliveries.failure { throw failure }
            if session.isCancelled { return .purgedFromQueue }
            tell(moreFollows: false)
            let reported = deliveries.reported
            // Room that was freed before the count was read would not be waited for: look once more.
            code = unsafe link.producer.produce(
                to: destination, key: key, value: value, headers: headers, ticket: message.rawValue)
            if code == .queueFull { deliveries.waitForReport(after: reported, limit: Self.waitMax) }
        }
        return code
    }

    private static func bytes(
        _ part: EncodedEvent.Part, _ base: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer? {
        guard let range = part.range else { return nil }
        return unsafe UnsafeRawBufferPointer(rebasing: base[range])
    }

    private mutating func cancelled() -> WeirError {
        isCancelled = true
        return WeirError(.internalError, stage: .sink, "The attempt is over")
    }

    /// The error for an event that the producer did not take.
    private mutating func refused(
        _ event: EncodedEvent, _ code: KafkaErrorCode, bytes: Int, _ topics: [String]
    ) -> WeirError {
        if code == .purgedFromQueue { return cancelled() }
        if let failure = deliveries.failure { return failure }
        let topic = topics[event.topic]
        let error: WeirError
        switch code.trouble {
        case .messageTooLarge: error = link.limits.tooLarge(bytes: bytes, topic: topic, by: "the producer")
        case .producerLost:
            let fatal = link.producer.fatalError ?? KafkaError(code, isFatal: true)
            let session = self.session
            if fatal.code == .gaplessGuarantee,
                let failure = deliveries.failureThatFollows(limit: Self.gapMax, isOver: { session.isCancelled })
            {
                return failure
            }
            error = fatal.weirError(stage: .sink, "The Kafka producer lost its order and has to be made anew")
        default: error = KafkaError(code).weirError(stage: .sink, "An event could not be queued for topic \(topic)")
        }
        var table: TableName?
        var position: LSN?
        if event.row >= 0 {
            table = batch.relation(of: batch.rows[event.row])?.table
            position = batch.identity(of: batch.rows[event.row]).commit
        }
        return error.at(table: table, position: position)
    }
}
