/// Where a source puts its batches and learns what it may confirm. Used on the source's thread only, except for
/// `report`.
public final class Feed {
    /// What became of a batch.
    public enum Verdict: Sendable, Equatable {
        /// Every sink will get it, under this ticket.
        case accepted(UInt64)
        /// The attempt is over: return from `stream` at once.
        case stopped
    }

    private let attempt: Attempt
    private let transforms: [any Transform]
    /// How often `send` and `finish` call the heartbeat while they wait.
    private let heartbeatInterval: Duration

    init(attempt: Attempt, transforms: [any Transform], heartbeatInterval: Duration) {
        self.attempt = attempt
        self.transforms = transforms
        self.heartbeatInterval = heartbeatInterval
    }

    /// Whether the source has to come to an end: a stop was asked for, or the attempt failed.
    public var shouldStop: Bool {
        attempt.monitor.read { $0.isStopping || $0.isFailed || $0.isCancelled }
    }

    /// Whether there is time left to send the rest of the transaction at hand after a stop was asked for.
    public var mayFinishTransaction: Bool {
        attempt.monitor.read { state in
            !state.isFailed && !state.isCancelled && state.stopDeadline.map { ContinuousClock.now < $0 } ?? true
        }
    }

    /// Durable in every sink and stored: the most that may be confirmed to the server. Never goes back within an
    /// attempt; `.zero` while there is nothing to confirm.
    public var confirmed: LSN { attempt.monitor.read { $0.confirmed } }

    /// All batches up to and including this ticket are durable in every sink; 0 when none is.
    public var durableTicket: UInt64 {
        attempt.monitor.read { state in state.sinks.map(\.window.durableTicket).min() ?? 0 }
    }

    /// Whether no sink has anything to do: a source seals its batch at the next commit then.
    public var sinksAreIdle: Bool {
        attempt.monitor.read { state in state.sinks.allSatisfy { $0.queue.isEmpty && !$0.isWriting } }
    }

    /// Shows how far a snapshot is; nil when it is over.
    public func report(_ progress: SnapshotProgress?) {
        attempt.monitor.read { $0.statistics.snapshot = progress }
    }

    /// Puts a batch through the transforms and into every sink's queue; waits while a queue is full, calling
    /// `heartbeat` at least once a second. When a transform refuses a row, the transactions before the row's are still
    /// sent, then the refusal is thrown.
    public func send(
        _ batch: ChangeBatch, heartbeat: () throws(WeirError) -> Void
    ) throws(WeirError) -> Verdict {
        let output: ChangeBatch
        do throws(WeirError) {
            output = try transformed(batch)
        } catch {
            if let (original, whole) = beforeRefusal(batch) { _ = try send(whole, original, heartbeat) }
            throw error
        }
        return try send(output, batch, heartbeat)
    }

    private func transformed(_ batch: ChangeBatch) throws(WeirError) -> ChangeBatch {
        var changed = batch
        for transform in transforms { changed = try transform.apply(changed) }
        return changed
    }

    /// The longest beginning of whole transactions that no transform refuses, before and after the transforms.
    private func beforeRefusal(_ batch: ChangeBatch) -> (original: ChangeBatch, transformed: ChangeBatch)? {
        var found: (ChangeBatch, ChangeBatch)?
        var passes = 0, fails = batch.transactions.count
        while fails - passes > 1 {
            let count = (passes + fails) / 2
            if let part = batch.prefix(transactions: count), let changed = try? transformed(part) {
                found = (part, changed)
                passes = count
            } else {
                fails = count
            }
        }
        return found
    }

    private func send(
        _ output: ChangeBatch, _ batch: ChangeBatch, _ heartbeat: () throws(WeirError) -> Void
    ) throws(WeirError) -> Verdict {
        let limit = attempt.queueBytesMax
        while true {
            let verdict = attempt.monitor.wait(until: .now + heartbeatInterval) { state -> Verdict? in
                if state.isFailed || state.isCancelled { return .stopped }
                let hasRoom = state.sinks.allSatisfy { $0.queuedBytes < limit }
                return hasRoom ? .accepted(Self.enqueue(output, original: batch, &state)) : nil
            }
            if let verdict { return verdict }
            try heartbeat()
        }
    }

    private static func enqueue(_ batch: ChangeBatch, original: ChangeBatch, _ state: inout Attempt.State) -> UInt64 {
        var ticket: UInt64 = 0
        let bytes = batch.byteCount
        for index in state.sinks.indices {
            ticket = state.sinks[index].window.register(endLSN: batch.endLSN, token: batch.resumeToken, bytes: bytes)
            state.sinks[index].queue.append((batch, ticket))
            state.sinks[index].queuedBytes += bytes
        }
        state.statistics.rowsIn += UInt64(original.rows.count)
        state.statistics.rowsOut += UInt64(batch.rows.count)
        state.statistics.bytesIn += UInt64(original.arena.count)
        for transaction in original.transactions where transaction.ends {
            state.statistics.transactions += 1
            state.statistics.lastCommitTime = transaction.commitTime
        }
        if let end = original.endLSN { state.statistics.received = end }
        return ticket
    }

    /// Says that no batch follows, waits until every sink is drained and every position stored (or the drain deadline
    /// passed, or the attempt failed), calling `heartbeat` meanwhile, and returns what may be confirmed.
    public func finish(heartbeat: () throws(WeirError) -> Void) throws(WeirError) -> LSN {
        attempt.monitor.update { $0.isClosed = true }
        while true {
            let settled = attempt.monitor.wait(until: .now + heartbeatInterval) { state -> LSN? in
                state.isSettled || state.isCancelled ? state.confirmed : nil
            }
            if let settled { return settled }
            try heartbeat()
        }
    }
}
