import WeirCore

/// A source whose batches a test writes, one by one or all at once. Sendable; every attempt of a pipeline reads it
/// anew, from the position it resumes at.
final class Script: Sendable {
    private struct State {
        var batches: [ChangeBatch] = []
        var hasEnded = false
        var opened = 0
    }

    private let monitor = Monitor(State())

    /// How often a source was opened: attempts that got that far.
    var opened: Int { monitor.read { $0.opened } }

    func append(_ batch: ChangeBatch) { monitor.update { $0.batches.append(batch) } }

    /// No batch follows.
    func end() { monitor.update { $0.hasEnded = true } }

    func factory(_ description: SourceDescription) -> SourceFactory {
        SourceFactory(name: "script") { ScriptedSource(self, description) }
    }

    fileprivate func open() { monitor.update { $0.opened += 1 } }

    fileprivate enum Step {
        case send(ChangeBatch)
        case end
        case wait
    }

    fileprivate func step(_ index: Int) -> Step {
        monitor.wait(until: .now + .milliseconds(50)) { state -> Step? in
            if index < state.batches.count { return .send(state.batches[index]) }
            return state.hasEnded ? .end : nil
        } ?? .wait
    }
}

private final class ScriptedSource: ChangeSource {
    private let script: Script
    private let description: SourceDescription
    private var resume: LSN?

    init(_ script: Script, _ description: SourceDescription) {
        self.script = script
        self.description = description
    }

    func open(resume: ResumePoint, store: any PositionStore, feed: Feed) throws(WeirError) -> SourceDescription {
        self.resume = resume.position?.lsn
        script.open()
        return description
    }

    func stream(into feed: Feed) throws(WeirError) {
        var index = 0
        while !feed.shouldStop {
            switch script.step(index) {
            case .send(let batch):
                index += 1
                if let resume, let end = batch.endLSN, end <= resume { continue }
                guard case .accepted = try feed.send(batch, heartbeat: {}) else { return }
            case .end:
                _ = try feed.finish(heartbeat: {})
                return
            case .wait: continue
            }
        }
        _ = try feed.finish(heartbeat: {})
    }

    func close() {}
}
