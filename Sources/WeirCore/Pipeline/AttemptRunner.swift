/// One attempt: starts the threads, stores positions as they become durable, ends when all threads have.
struct AttemptRunner: Sendable {
    let attempt: Attempt
    let source: SourceFactory
    let transforms: @Sendable () throws(WeirError) -> [any Transform]
    let sinks: [SinkFactory]
    let store: any PositionStore
    let settings: PipelineSettings
    let logger: Logger

    /// Runs the attempt to its end on the calling thread; the outcome is in the attempt's state.
    func run() {
        let runner = self
        for (index, factory) in sinks.enumerated() {
            let sinkRunner = SinkRunner(
                attempt: attempt, index: index, factory: factory, store: store, drainLimit: settings.drainLimit,
                logger: logger)
            guard WorkerThread(name: "sink-\(factory.name)", { sinkRunner.run() }) != nil else {
                noThread { $0.sinks[index].hasEnded = true }
                continue
            }
        }
        if WorkerThread(name: "src-\(source.name)", { runner.runSource() }) == nil {
            noThread { $0.sourceHasEnded = true }
        }
        supervise()
    }

    private func noThread(_ mark: (inout Attempt.State) -> Void) {
        attempt.monitor.mark(mark)
        attempt.fail(
            WeirError(
                .internalError, stage: .pipeline, "The system has no thread left",
                advice: "Raise the limit of processes and threads (ulimit -u, TasksMax)."),
            drainWithin: settings.drainLimit)
    }

    // MARK: - The source's thread

    private func runSource() {
        defer {
            attempt.monitor.mark { state in
                state.isClosed = true
                state.sourceHasEnded = true
            }
        }
        do throws(WeirError) {
            guard let resume = try waitForPositions() else { return }
            let source = try self.source.make()
            defer { source.close() }
            let chain = try transforms()
            let feed = Feed(attempt: attempt, transforms: chain, heartbeatInterval: settings.heartbeatInterval)
            let description = try source.open(resume: resume, store: store, feed: feed)
            attempt.monitor.update { $0.description = description }
            try source.stream(into: feed)
        } catch {
            attempt.fail(error, drainWithin: settings.drainLimit, keepsQueue: true)
        }
    }

    private func waitForPositions() throws(WeirError) -> ResumePoint? {
        let states = attempt.monitor.wait(until: nil) { state -> [Attempt.SinkState]? in
            if state.isFailed || state.isCancelled || state.isStopping { return [] }
            return state.sinks.allSatisfy { $0.opening != nil } ? state.sinks : nil
        }
        guard let states, !states.isEmpty else { return nil }
        return try ResumePoint(states.map { ($0.name, $0.resume) })
    }

    // MARK: - The supervisor

    private struct Save {
        var index: Int
        var name: String
        var position: StoredPosition
    }

    private enum Event {
        case save([Save])
        case settle
        case ended
    }

    private func supervise() {
        var nextSave = ContinuousClock.now
        var mayHaveIntent = true
        while true {
            switch nextEvent(notBefore: nextSave) {
            case .ended:
                return
            case .settle:
                attempt.monitor.update { $0.isSettled = true }
            case .save(let saves):
                store(saves)
                nextSave = .now + settings.saveInterval
            case nil:
                break
            }
            if mayHaveIntent { mayHaveIntent = !clearIntent() }
        }
    }

    private func nextEvent(notBefore: ContinuousClock.Instant) -> Event? {
        let now = ContinuousClock.now
        // Until the next save only ends matter: every batch's changes would wake this thread otherwise.
        guard notBefore <= now else {
            return attempt.monitor.waitForMilestone(until: notBefore) { Self.event($0, maySave: $0.sinksHaveEnded) }
        }
        return attempt.monitor.wait(until: now + .seconds(1)) { Self.event($0, maySave: true) }
    }

    private static func event(_ state: Attempt.State, maySave: Bool) -> Event? {
        if maySave {
            let saves = pendingSaves(state)
            if !saves.isEmpty { return .save(saves) }
        }
        if state.sinksHaveEnded, !state.isSettled { return .settle }
        return state.hasEnded ? .ended : nil
    }

    private static func pendingSaves(_ state: Attempt.State) -> [Save] {
        guard let description = state.description, !state.storeHasFailed else { return [] }
        return state.sinks.indices.compactMap { index in
            let sink = state.sinks[index]
            guard !sink.keepsPosition, let confirmed = sink.window.confirmed, confirmed != sink.saved else {
                return nil
            }
            let position = StoredPosition(
                lsn: confirmed, systemIdentifier: description.systemIdentifier, token: sink.window.token)
            return Save(index: index, name: sink.name, position: position)
        }
    }

    private func store(_ saves: [Save]) {
        for save in saves {
            do throws(WeirError) {
                try store.save(save.position, sink: save.name)
                attempt.monitor.update { $0.sinks[save.index].saved = save.position.lsn }
            } catch {
                attempt.monitor.update { $0.storeHasFailed = true }
                attempt.fail(error, drainWithin: settings.drainLimit)
            }
        }
    }

    /// Forgets the snapshot in progress once every sink is at or past its end; true when there is none left.
    private func clearIntent() -> Bool {
        let confirmed = attempt.monitor.read { $0.description == nil ? .zero : $0.confirmed }
        guard confirmed > .zero else { return false }
        do throws(WeirError) {
            guard let intent = try store.snapshotIntent() else { return true }
            guard let point = intent.consistentPoint, confirmed >= point else { return false }
            try store.setSnapshotIntent(nil)
            return true
        } catch {
            attempt.fail(error, drainWithin: settings.drainLimit)
            return true
        }
    }
}
