internal import LibRdKafka
internal import WeirCore

/// A message's opaque ticket: the batch's ticket and, in the low bits, the row it was made of.
struct MessageTicket {
    static let rowBits: UInt = 20
    private static let rowMask: UInt = 1 << rowBits - 1

    let rawValue: UInt

    init(batch: UInt64, row: Int) {
        // A row beyond the field's end only makes a failure's place less exact.
        rawValue = UInt(batch) << Self.rowBits | min(UInt(clamping: row), Self.rowMask)
    }

    init(rawValue: UInt) { self.rawValue = rawValue }

    var batch: UInt64 { UInt64(rawValue >> Self.rowBits) }
    var row: Int { Int(rawValue & Self.rowMask) }
}

/// What the sink's thread and the thread of events share: who waits for which reports, and what went wrong.
///
/// Sendable: everything is in the monitor.
final class Deliveries: Sendable {
    /// What is kept of a batch until all of its messages are reported, to name the place of a failure.
    private struct Note {
        let rows: [Row]
        let relations: [Relation]
        let transactions: [TransactionInfo]
        var outstanding = 0
        var isAccepted = false
    }

    private struct State {
        var session: SinkSession?
        var notes: [UInt64: Note] = [:]
        /// Messages reported so far, for those who wait for room.
        var reported: UInt64 = 0
        var failure: WeirError?
        /// The last client-wide trouble, until a message gets through.
        var trouble: KafkaError?
        /// Since when a refusal (not an outage) keeps everything back.
        var refusedSince: ContinuousClock.Instant?
        var isStopping = false
        var limits = MessageLimits()
        /// A topic that is gone is made again by the next attempt.
        var createsTopics = false
        /// Nil where the user's own `linger.ms` decides.
        var clock: SendClock?
    }

    private let monitor = Monitor(State())
    /// How long a refusal of credentials or certificates is borne while streaming, before a person is called: a
    /// cluster that is being changed may refuse for a while.
    private let refusalPatience: Duration

    init(refusalPatience: Duration = .seconds(30)) { self.refusalPatience = refusalPatience }

    // MARK: - The sink's side

    /// Called before anything is produced. `asksToSend` when librdkafka does not do so by itself.
    func start(_ limits: MessageLimits, asksToSend: Bool, createsTopics: Bool) {
        monitor.read { state in
            state.limits = limits
            state.createsTopics = createsTopics
            state.clock = asksToSend ? SendClock(now: .now) : nil
        }
    }

    func begin(_ session: SinkSession) { monitor.update { $0.session = session } }

    func stop() { monitor.update { $0.isStopping = true } }

    /// What went wrong, if something did: nothing more may be produced then.
    var failure: WeirError? { monitor.read { $0.failure } }

    /// The last client-wide trouble, until a message gets through.
    var trouble: KafkaError? { monitor.read { $0.trouble } }

    /// Messages reported so far.
    var reported: UInt64 { monitor.read { $0.reported } }

    /// Keeps what names the places of a batch.
    func register(_ batch: ChangeBatch, ticket: UInt64) {
        let note = Note(rows: batch.rows, relations: batch.relations, transactions: batch.transactions)
        monitor.read { $0.notes[ticket] = note }
    }

    /// Says how many messages the batch became.
    func accepted(_ ticket: UInt64, messages: Int) {
        monitor.read { state in
            state.notes[ticket]?.isAccepted = true
            Self.settle(&state, ticket, -messages)
        }
    }

    /// Says that so many messages were queued, and whether more come at once: true when the caller has to see that
    /// what waits is sent.
    func wrote(_ count: Int, moreFollows: Bool) -> Bool {
        monitor.read { state in
            state.clock?.wrote(count)
            return Self.asks(&state, isLull: !moreFollows)
        }
    }

    private static func asks(_ state: inout State, isLull: Bool) -> Bool {
        let now = ContinuousClock.now
        guard let next = state.clock?.next(isLull: isLull), next <= now else { return false }
        state.clock?.ask(at: now)
        return true
    }

    /// Waits until more messages were reported than `count`, something failed, or `limit` has passed.
    func waitForReport(after count: UInt64, limit: Duration) {
        _ = monitor.wait(until: .now + limit) { state in
            state.reported != count || state.failure != nil ? true : nil
        }
    }

    /// What ended the producer, once its report is in: the producer takes nothing more a moment before that. Nil when
    /// no report comes within `limit`, or `isOver` says that nobody waits for it any more.
    func failureThatFollows(limit: Duration, isOver: () -> Bool) -> WeirError? {
        let deadline = ContinuousClock.now + limit
        while !isOver() {
            let step = min(deadline, .now + .milliseconds(100))
            if let failure = monitor.wait(until: step, { $0.failure }) { return failure }
            if step == deadline { break }
        }
        return failure
    }

    // MARK: - The event thread's side

    var isStopping: Bool { monitor.read { $0.isStopping } }

    /// What the thread of events does next.
    enum Step: Equatable {
        case stop
        /// See that what waits is sent.
        case send
        /// Wait for an event.
        case wait(Duration)
    }

    /// The longest wait for an event.
    private static let waitMax: Duration = .seconds(1)

    var step: Step {
        monitor.read { state in
            if state.isStopping { return .stop }
            if Self.asks(&state, isLull: false) { return .send }
            guard let next = state.clock?.next(isLull: false) else { return .wait(Self.waitMax) }
            return .wait(min(max(.zero, next - .now), Self.waitMax))
        }
    }

    /// Takes in the reports of one event: one lock here, one for the progress of the pipeline.
    func take(_ runs: [DeliveryRun]) {
        let now = ContinuousClock.now
        let (session, failure) = monitor.read { state -> (SinkSession?, WeirError?) in
            for run in runs {
                state.clock?.reported(run.count, at: now)
                let ticket = MessageTicket(rawValue: run.ticket)
                if run.result == .none {
                    state.trouble = nil
                    state.refusedSince = nil
                } else if state.failure == nil, !state.isStopping, !run.result.isConsequence {
                    let error = Self.error(of: run, state.notes[ticket.batch], state.limits)
                    let isMadeAgain = state.createsTopics && run.result.trouble == .topicMissing
                    state.failure = isMadeAgain ? error.disposed(.retry) : error
                }
                Self.settle(&state, ticket.batch, run.count)
            }
            return (state.session, state.failure)
        }
        guard let session else { return }
        let durable = runs.filter { $0.result == .none }
        session.resolve(durable.map { (MessageTicket(rawValue: $0.ticket).batch, $0.count) })
        if let failure { session.fail(failure) }
    }

    /// Wakes those who wait for room, once the event is gone: only then is its room in the queue free.
    func released(_ count: Int) { monitor.update { $0.reported += UInt64(count) } }

    /// Takes in a client-wide error. Outages pass by themselves; a fatal error ends the producer; a refusal does so
    /// when it lasts while messages wait. A gap is no failure of its own: the report of the message that made it
    /// follows, from the same thread, and says what to do.
    func take(_ error: KafkaError, fatal: KafkaError?, outstanding: Int) {
        let now = ContinuousClock.now
        let (session, failure) = monitor.update { state -> (SinkSession?, WeirError?) in
            state.trouble = error
            if state.failure == nil, !state.isStopping {
                if let fatal, fatal.code != .gaplessGuarantee {
                    state.failure = fatal.weirError(
                        stage: .sink, "The Kafka producer lost its order and has to be made anew")
                } else if fatal == nil, error.isRefusal, outstanding > 0 {
                    let since = state.refusedSince ?? now
                    state.refusedSince = since
                    if now - since >= refusalPatience { state.failure = error.refusal }
                }
            }
            return (state.session, state.failure)
        }
        if let session, let failure { session.fail(failure) }
    }

    private static func settle(_ state: inout State, _ ticket: UInt64, _ reports: Int) {
        guard var note = state.notes[ticket] else { return }
        note.outstanding -= reports
        state.notes[ticket] = note.isAccepted && note.outstanding == 0 ? nil : note
    }

    private static func error(of run: DeliveryRun, _ note: Note?, _ limits: MessageLimits) -> WeirError {
        let ticket = MessageTicket(rawValue: run.ticket)
        var table: TableName?
        var position: LSN?
        if let note, ticket.row < note.rows.count {
            let row = note.rows[ticket.row]
            if row.relation >= 0 { table = note.relations[Int(row.relation)].table }
            position = note.transactions[Int(row.transaction)].commitLSN
        }
        let topic = run.failedTopic ?? "?"
        guard run.result.trouble != .messageTooLarge else {
            return limits.tooLarge(bytes: run.failedBytes, topic: topic, by: "the broker")
                .at(table: table, position: position)
        }
        let what =
            run.result == .presumedDelivered
            ? "Whether an event reached topic \(topic) is not known, although a later one did"
            : "An event could not be written to topic \(topic)"
        return KafkaError(run.result).weirError(stage: .sink, what)
            .at(table: table, position: position)
    }
}

extension KafkaErrorCode {
    /// Whether a message was given up only because of a failure that is reported on its own. A failure that ends the
    /// producer empties its queue on another thread, whose reports may come first.
    fileprivate var isConsequence: Bool { self == .purgedFromQueue || self == .purgedInFlight }
}

extension KafkaError {
    /// Whether a broker or TLS said no, rather than nothing.
    var isRefusal: Bool { code.trouble == .authentication || code.trouble == .tls }

    /// The refusal as an error of the sink.
    var refusal: WeirError { weirError(stage: .sink, "Kafka refuses the connection") }
}

/// What bounds a message's size, for the error that says so.
struct MessageLimits: Sendable {
    /// librdkafka's `message.max.bytes` as configured.
    let clientBytesMax: Int

    /// librdkafka's default.
    init() { clientBytesMax = 1_000_000 }

    /// The limit of a configuration.
    init(_ configuration: borrowing KafkaConfiguration) {
        clientBytesMax = configuration.value(of: "message.max.bytes").flatMap { Int($0) } ?? 1_000_000
    }

    /// The error for a message that is larger than a limit.
    func tooLarge(bytes: Int, topic: String, by whom: String) -> WeirError {
        WeirError(
            .messageTooLarge, stage: .sink, "An event of \(bytes) bytes is too large for topic \(topic)",
            cause: "refused by \(whom); the producer's message.max.bytes is \(clientBytesMax), the topic's "
                + "max.message.bytes is the broker's to say (1048588 unless set)",
            advice: "Raise message.max.bytes under `properties` and max.message.bytes of the topic, or drop the large "
                + "column with a transform. A broker measures whole batches: where no event is that large, set "
                + "batch.size under `properties` to the topic's max.message.bytes.")
    }
}
