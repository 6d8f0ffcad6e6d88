public import WeirCore

/// A database in memory whose log a pipeline reads: it outlives the pipeline's attempts, as a server and its slot do.
///
/// Batches are appended by the test; each holds whole transactions. A source made by `factory` starts behind the resume
/// point, as a server does, and refuses to start below what was confirmed to it: that would be lost data. Sendable:
/// tests append and look from any thread.
public final class MemoryLog: Sendable {
    struct State {
        var batches: [ChangeBatch] = []
        var snapshot: [ChangeBatch] = []
        var hasEnded = false
        var openErrors: [WeirError] = []
        var streamErrors: [(afterBatches: Int, error: WeirError)] = []
        var confirmations: [LSN] = []
        var resumePoints: [ResumePoint] = []
        var sent = 0
        var heartbeats = 0
        var looks = 0
        var isOpen = false
        var closed = 0
    }

    let monitor = Monitor(State())
    /// The cluster's identifier.
    public let systemIdentifier: UInt64
    /// Called on the source's thread with each position that is confirmed.
    private let willConfirm: @Sendable (LSN) -> Void

    /// An empty log. `willConfirm` is called on the source's thread before each confirmation is recorded.
    public init(systemIdentifier: UInt64 = 1, willConfirm: @escaping @Sendable (LSN) -> Void = { _ in }) {
        self.systemIdentifier = systemIdentifier
        self.willConfirm = willConfirm
    }

    /// Appends batches in commit order.
    public func append(_ batches: [ChangeBatch]) { monitor.update { $0.batches += batches } }

    /// Sets the batches of the snapshot that is taken when a sink has no position.
    public func setSnapshot(_ batches: [ChangeBatch]) { monitor.update { $0.snapshot = batches } }

    /// Ends the log: a source that read all of it finishes.
    public func end() { monitor.update { $0.hasEnded = true } }

    /// Makes the next `open` fail; several calls queue up.
    public func failOpen(_ error: WeirError) { monitor.update { $0.openErrors.append(error) } }

    /// Makes a stream fail once so many batches were sent in all attempts together.
    public func failStream(afterBatches count: Int, _ error: WeirError) {
        monitor.update { $0.streamErrors.append((count, error)) }
    }

    /// Positions confirmed, in order, each once.
    public var confirmations: [LSN] { monitor.read { $0.confirmations } }
    /// The resume points that sources were opened with.
    public var resumePoints: [ResumePoint] { monitor.read { $0.resumePoints } }
    /// Batches sent in all attempts together.
    public var sent: Int { monitor.read { $0.sent } }
    /// How often a source was called back while it waited for room or for the end.
    public var heartbeats: Int { monitor.read { $0.heartbeats } }
    /// How many sources were closed.
    public var closed: Int { monitor.read { $0.closed } }

    /// Waits until so many batches were sent; false after 20 seconds.
    public func waitForSent(_ count: Int) -> Bool { wait { $0.sent >= count } }

    /// Waits until a position was confirmed; false after 20 seconds.
    public func waitForConfirmed(_ lsn: LSN) -> Bool { wait { ($0.confirmations.last ?? .zero) >= lsn } }

    /// Waits until a source was called back so many times more; false after 20 seconds.
    public func waitForHeartbeats(_ count: Int) -> Bool {
        let target = heartbeats + count
        return wait { $0.heartbeats >= target }
    }

    /// Waits until a source looked twice for what it may confirm, by itself or while it waits; false after 20 seconds.
    public func waitForHeartbeatsOrLooks() -> Bool {
        let target = monitor.read { $0.heartbeats + $0.looks } + 2
        return wait { $0.heartbeats + $0.looks >= target }
    }

    /// Waits until a source is open; false after 20 seconds.
    public func waitForOpen() -> Bool { wait { $0.isOpen } }

    private func wait(_ holds: (State) -> Bool) -> Bool {
        monitor.wait(until: .now + .seconds(20)) { holds($0) ? true : nil } ?? false
    }

    /// Makes sources that read this log.
    public var factory: SourceFactory { SourceFactory(name: "memory") { MemorySource(log: self) } }

    func confirm(_ lsn: LSN) {
        guard lsn > .zero, monitor.read({ $0.confirmations.last }) != lsn else { return }
        willConfirm(lsn)
        monitor.update { $0.confirmations.append(lsn) }
    }
}

/// Reads a `MemoryLog`.
final class MemorySource: ChangeSource {
    private enum Step {
        case send(ChangeBatch)
        case fail(WeirError)
        case finish
        case look
    }

    private let log: MemoryLog
    private var snapshot: [ChangeBatch] = []
    private var cursor = 0

    init(log: MemoryLog) { self.log = log }

    func open(
        resume: ResumePoint, store: any PositionStore, feed: Feed
    ) throws(WeirError) -> SourceDescription {
        let start = resume.position?.lsn ?? .zero
        let (failure, snapshot, confirmed) = log.monitor.update { state in
            state.resumePoints.append(resume)
            let failure = state.openErrors.isEmpty ? nil : state.openErrors.removeFirst()
            let confirmed = state.confirmations.last ?? .zero
            cursor = state.batches.firstIndex { ($0.endLSN ?? .zero) > start } ?? state.batches.count
            return (failure, resume.position == nil ? state.snapshot : [], confirmed)
        }
        if let failure { throw failure }
        guard start >= confirmed || !snapshot.isEmpty else {
            throw WeirError(
                .positionMismatch, stage: .source, "Asked to start at \(start), but \(confirmed) was confirmed")
        }
        if let part = snapshot.first?.snapshot {
            try store.setSnapshotIntent(
                SnapshotIntent(
                    slot: "memory", systemIdentifier: log.systemIdentifier, consistentPoint: part.consistentPoint))
        }
        self.snapshot = snapshot
        log.monitor.update { $0.isOpen = true }
        return SourceDescription(systemIdentifier: log.systemIdentifier, database: "memory", start: start)
    }

    func stream(into feed: Feed) throws(WeirError) {
        for batch in snapshot {
            guard try send(batch, feed) else { return }
        }
        while true {
            log.confirm(feed.confirmed)
            log.monitor.update { $0.looks += 1 }
            switch next(mayStop: feed.shouldStop) {
            case .send(let batch):
                cursor += 1
                guard try send(batch, feed) else { return }
            case .fail(let error):
                throw error
            case .finish:
                log.confirm(try feed.finish(heartbeat: { log.monitor.update { $0.heartbeats += 1 } }))
                return
            case .look:
                continue
            }
        }
    }

    private func send(_ batch: ChangeBatch, _ feed: Feed) throws(WeirError) -> Bool {
        let verdict = try feed.send(batch) {
            log.confirm(feed.confirmed)
            log.monitor.update { $0.heartbeats += 1 }
        }
        guard verdict != .stopped else { return false }
        log.monitor.update { $0.sent += 1 }
        return true
    }

    /// Waits a moment for something to do; nothing wakes it when the pipeline's state changes.
    private func next(mayStop: Bool) -> Step {
        log.monitor.wait(until: .now + .milliseconds(5)) { state -> Step? in
            if mayStop { return .finish }
            if let index = state.streamErrors.firstIndex(where: { $0.afterBatches <= state.sent }) {
                return .fail(state.streamErrors.remove(at: index).error)
            }
            if cursor < state.batches.count { return .send(state.batches[cursor]) }
            return state.hasEnded ? .finish : nil
        } ?? .look
    }

    func close() {
        log.monitor.update { state in
            state.isOpen = false
            state.closed += 1
        }
    }
}
