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
        case drain(ContinuousClock.Instant)
        case giveUp
    }

    func run() {
        defer { attempt.monitor.update { $0.sinks[index].hasEnded = true } }
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
        while true {
            switch next() {
            case .write(let batch, let ticket, let moreFollows):
                try sink.write(batch, ticket: ticket, moreFollows: moreFollows)
                attempt.monitor.update { $0.sinks[index].isWriting = false }
            case .drain(let deadline):
                try sink.flush(deadline: deadline)
                return
            case .giveUp:
                return
            }
        }
    }

    private func waitForSource() -> SourceDescription? {
        attempt.monitor.wait(until: nil) { state -> SourceDescription?? in
            if state.isCancelled || state.isFailed { return .some(nil) }
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
            if state.isFailed { return .drain(deadline) }
            if !state.sinks[index].queue.isEmpty {
                let (batch, ticket) = state.sinks[index].queue.removeFirst()
                state.sinks[index].queuedBytes -= batch.byteCount
                state.sinks[index].isWriting = true
                return .write(batch, ticket, moreFollows: !state.sinks[index].queue.isEmpty)
            }
            return state.isClosed ? .drain(deadline) : nil
        } ?? .giveUp
    }
}
