/// The life of one sink on its own thread: make, open, begin, write, flush, close.
struct SinkRunner: Sendable {
    let attempt: Attempt
    let index: Int
    let factory: SinkFactory
    let store: any PositionStore
    let drainLimit: Duration
    let logger: Logger

    private enum Next {
        case write(ChangeBatch, UInt64, moreFollows: Bool)
        /// `isCut` when batches are left behind because a stop's deadline has passed.
        case drain(ContinuousClock.Instant, isCut: Bool)
        case giveUp
    }

    func run() {
        defer { attempt.monitor.mark { $0.sinks[index].hasEnded = true } }
        do throws(WeirError) {
            let sink = try factory.make()
            defer { sink.close() }
            try live(sink)
        } catch {
            attempt.fail(error, drainWithin: drainLimit)
        }
    }

    private func live(_ sink: any Sink) throws(WeirError) {
        let opening = try sink.open()
        let resume: StoredPosition?
        switch opening {
        case .keepsPosition(let position): resume = position
        case .positionKeptElsewhere: resume = try store.position(sink: factory.name)
        }
        attempt.monitor.update { state in
            state.sinks[index].opening = opening
            state.sinks[index].resume = resume
        }
        guard let description = waitForSource() else { return }
        let session = SinkSession(
            attempt: attempt, index: index, drainLimit: drainLimit, resume: resume, logger: logger)
        try sink.begin(description, session: session)
        attempt.monitor.update { $0.sinks[index].hasBegun = true }
        var past = Self.past(opening, resume)
        while true {
            switch next() {
            case .write(let batch, let ticket, let moreFollows):
                if let part = batch.snapshot, part.isFirst, part.purpose == .initial { past = .zero }
                let news = batch.snapshot == nil ? batch.dropping(transactionsBelow: past) : batch
                try sink.write(news, ticket: ticket, moreFollows: moreFollows)
                try finishWrite(of: ticket)
            case .drain(let deadline, let isCut):
                try sink.flush(deadline: deadline)
                if isCut { throw overdue() }
                return
            case .giveUp:
                return
            }
        }
    }

    /// Transactions with a lower commit LSN were made durable by a sink before this attempt, and come again when
    /// another sink is behind it. A sink that keeps its own position compares for itself; a source with tokens counts
    /// differently and resumes exactly.
    private static func past(_ opening: SinkOpening, _ resume: StoredPosition?) -> LSN {
        guard opening == .positionKeptElsewhere, let resume, resume.token == nil else { return .zero }
        return resume.lsn
    }

    /// Looks after a `write` that returned: only one that was cut short may leave its batch.
    private func finishWrite(of ticket: UInt64) throws(WeirError) {
        let (isLeft, isCut, isOverdue) = attempt.monitor.update { state in
            state.sinks[index].isWriting = false
            let isLeft = state.sinks[index].acceptedTicket < ticket
            return (isLeft, state.cutsWrites, !state.isCancelled && !state.dropsQueue)
        }
        guard isLeft else { return }
        guard isCut else {
            throw WeirError(
                .internalError, stage: .sink,
                "The sink \(factory.name) returned from write without accepting its batch",
                advice: "Report this as a bug of the connector.")
        }
        if isOverdue { throw overdue() }
    }

    private func overdue() -> WeirError {
        WeirError(
            .drainTimedOut, stage: .sink,
            "The sink \(factory.name) did not take all batches before the stop's deadline",
            advice: "What is not durable comes again after the next start; if the target is only slow, raise the drain "
                + "deadline.")
    }

    private func waitForSource() -> SourceDescription? {
        attempt.monitor.wait(until: nil) { state -> SourceDescription?? in
            if state.isCancelled || state.dropsQueue { return .some(nil) }
            if let description = state.description { return description }
            return state.isClosed ? .some(nil) : nil
        } ?? nil
    }

    private func next() -> Next {
        let index = self.index
        let limit = drainLimit
        return attempt.monitor.wait(until: nil) { state -> Next? in
            if state.isCancelled { return .giveUp }
            let deadline = state.drainDeadline ?? .now + limit
            if state.dropsQueue { return .drain(deadline, isCut: false) }
            if state.isOverdue, !state.sinks[index].queue.isEmpty { return .drain(deadline, isCut: true) }
            if !state.sinks[index].queue.isEmpty {
                let (batch, ticket) = state.sinks[index].queue.removeFirst()
                state.sinks[index].queuedBytes -= batch.byteCount
                state.sinks[index].isWriting = true
                return .write(batch, ticket, moreFollows: !state.sinks[index].queue.isEmpty)
            }
            return state.isClosed ? .drain(deadline, isCut: false) : nil
        } ?? .giveUp
    }
}
