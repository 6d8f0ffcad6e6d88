public import WeirCore

/// A system in memory that a sink writes into: it outlives the pipeline's attempts, as a database does.
///
/// What is written becomes durable at once, or, while it is held, when the test says so. Sendable: tests look and let
/// go from any thread.
public final class MemoryTarget: Sendable {
    /// Where the sink's position is kept.
    public enum Keeping: Sendable {
        /// Here, together with the rows: nothing is applied twice.
        case own
        /// In the pipeline's store: rows may come again.
        case elsewhere
    }

    struct State {
        var events: [(identity: EventIdentity, line: String)] = []
        var position: StoredPosition?
        var systemIdentifier: UInt64 = 0
        var waiting: [(batch: ChangeBatch, ticket: UInt64)] = []
        var session: SinkSession?
        var isHeld = false
        var isBlocked = false
        var isInWrite = false
        var written = 0
        var moreFollows: [Bool] = []
        var begun = 0
        var flushed = 0
        var closed = 0
    }

    let monitor = Monitor(State())
    let keeping: Keeping
    /// The sink's name, the store's key.
    public let name: String

    /// An empty target.
    public init(_ name: String = "memory", keeping: Keeping = .own) {
        self.name = name
        self.keeping = keeping
    }

    /// Makes sinks that write here.
    public var factory: SinkFactory { SinkFactory(name: name) { MemorySink(target: self) } }

    /// Keeps what is written from becoming durable until `release` or `release(count:)`.
    public func hold() { monitor.update { $0.isHeld = true } }

    /// Makes everything written durable, and what comes as well.
    public func release() {
        monitor.update { $0.isHeld = false }
        commit(.max)
    }

    /// Makes the oldest so many batches durable.
    public func release(count: Int) { commit(count) }

    /// Sets the position as an earlier life left it.
    public func setPosition(_ position: StoredPosition?) { monitor.update { $0.position = position } }

    /// Makes `write` wait, as a target without room does.
    public func block() { monitor.update { $0.isBlocked = true } }

    /// Lets `write` go on.
    public func unblock() { monitor.update { $0.isBlocked = false } }

    /// Rows that are durable, as `ChangeBatch.lines` has them, in the order they became so.
    public var lines: [String] { monitor.read { $0.events.map(\.line) } }
    /// Names of the events that are durable, in the order they became so.
    public var identities: [EventIdentity] { monitor.read { $0.events.map(\.identity) } }
    /// The position kept with the rows.
    public var position: StoredPosition? { monitor.read { $0.position } }
    /// Batches accepted in all attempts together.
    public var written: Int { monitor.read { $0.written } }
    /// What `write` was told about the batches behind.
    public var moreFollows: [Bool] { monitor.read { $0.moreFollows } }
    /// How many sinks were begun.
    public var begun: Int { monitor.read { $0.begun } }
    /// How many sinks were flushed.
    public var flushed: Int { monitor.read { $0.flushed } }
    /// How many sinks were closed.
    public var closed: Int { monitor.read { $0.closed } }

    /// Waits until so many batches were accepted; false after 20 seconds.
    public func waitForWritten(_ count: Int) -> Bool { wait { $0.written >= count } }

    /// Waits until so many rows are durable; false after 20 seconds.
    public func waitForRows(_ count: Int) -> Bool { wait { $0.events.count >= count } }

    /// Waits until a sink waits inside `write`; false after 20 seconds.
    public func waitForBlockedWrite() -> Bool { wait { $0.isInWrite && $0.isBlocked } }

    private func wait(_ holds: (State) -> Bool) -> Bool {
        monitor.wait(until: .now + .seconds(20)) { holds($0) ? true : nil } ?? false
    }

    func commit(_ count: Int) {
        monitor.update { state in
            let ready = state.waiting.prefix(count)
            for (batch, ticket) in ready {
                Self.apply(batch, &state, keeping)
                // Under the lock, so that a flush that finds nothing waiting finds everything resolved.
                state.session?.resolve(ticket, parts: 1)
            }
            state.waiting.removeFirst(ready.count)
        }
    }

    private static func apply(_ batch: ChangeBatch, _ state: inout State, _ keeping: Keeping) {
        if let part = batch.snapshot, part.isFirst, part.purpose != .addition { state.position = nil }
        let applied = state.position?.lsn ?? .zero
        let lines = batch.lines
        for (index, row) in batch.rows.enumerated() {
            let identity = batch.identity(of: row)
            if keeping == .own, identity.commit < applied { continue }
            state.events.append((identity, lines[index]))
        }
        guard keeping == .own, let end = batch.endLSN, end > applied else { return }
        state.position = StoredPosition(lsn: end, systemIdentifier: state.systemIdentifier, token: batch.resumeToken)
    }
}

/// Writes into a `MemoryTarget`.
final class MemorySink: Sink {
    private let target: MemoryTarget

    init(target: MemoryTarget) { self.target = target }

    func open() throws(WeirError) -> SinkOpening {
        target.keeping == .own ? .keepsPosition(target.position) : .positionKeptElsewhere
    }

    func begin(_ source: SourceDescription, session: SinkSession) throws(WeirError) {
        target.monitor.update { state in
            state.systemIdentifier = source.systemIdentifier
            state.session = session
            state.waiting = []
            state.begun += 1
        }
    }

    func write(_ batch: ChangeBatch, ticket: UInt64, moreFollows: Bool) throws(WeirError) {
        target.monitor.update { $0.isInWrite = true }
        defer { target.monitor.update { $0.isInWrite = false } }
        guard let session = target.monitor.read({ $0.session }), waitForRoom(session) else { return }
        let isHeld = target.monitor.update { state in
            state.waiting.append((batch, ticket))
            state.moreFollows.append(moreFollows)
            return state.isHeld
        }
        session.accepted(ticket, outstanding: 1)
        target.monitor.update { $0.written += 1 }
        if !isHeld { target.commit(.max) }
    }

    /// False when the attempt is over first.
    private func waitForRoom(_ session: SinkSession) -> Bool {
        while true {
            let hasRoom = target.monitor.wait(until: .now + .milliseconds(5)) { $0.isBlocked ? nil : true }
            if hasRoom == true { return true }
            if session.isCancelled { return false }
        }
    }

    func flush(deadline: ContinuousClock.Instant) throws(WeirError) {
        while !isDrained(before: min(deadline, .now + .milliseconds(5))) {
            if target.monitor.read({ $0.session?.isGivenUp }) == true { return }
            guard ContinuousClock.now < deadline else {
                throw WeirError(.drainTimedOut, stage: .sink, "The memory target did not become durable in time")
            }
        }
        target.monitor.update { $0.flushed += 1 }
    }

    private func isDrained(before moment: ContinuousClock.Instant) -> Bool {
        target.monitor.wait(until: moment) { $0.waiting.isEmpty ? true : nil } ?? false
    }

    func close() {
        target.monitor.update { state in
            state.waiting = []
            state.session = nil
            state.closed += 1
        }
    }
}
