import LibPQ
import WeirCore

/// Workers that copy parts of tables at the same time inside one snapshot, each on a thread and a connection of its
/// own. Used on the source's thread.
final class CopyTeam {
    private let exchange: Monitor<CopyExchange>

    /// Starts the workers; `join` waits for them.
    ///
    /// No worker waits longer than `lockTimeout` for a table: whoever wants it for himself may in turn be waiting for
    /// another worker, which keeps its locks to the end, and the server does not see that circle.
    init(
        _ settings: ConnectionSettings, lockTimeout: Duration, _ snapshot: SnapshotRun.Shared, _ parts: [CopyPart],
        workers: Int
    ) throws(WeirError) {
        let tables = (parts.last?.table ?? -1) + 1
        var settings = settings
        settings.sessionSettings.append((name: "lock_timeout", value: "\(lockTimeout.components.seconds)s"))
        let exchange = Monitor(CopyExchange(parts, tables: tables, workers: workers))
        self.exchange = exchange
        for index in 0..<workers {
            let worker = CopyWorker(index: index, exchange: exchange, settings: settings, snapshot: snapshot)
            guard WorkerThread(name: "copy-\(index + 1)", { worker.run() }) != nil else {
                exchange.update { $0.end() }
                throw WeirError(
                    .internalError, stage: .source, "The system has no thread left for a worker of the backfill",
                    advice: "Ask for fewer with --workers.")
            }
        }
    }

    deinit { exchange.update { $0.end() } }

    /// Waits until every worker is in the snapshot, and tells how many are. The server may have had no connection for
    /// some.
    func join(feed: Feed, workers: Int) throws(WeirError) -> Int {
        while true {
            let ready = exchange.wait(until: .now + .milliseconds(500)) { state -> Result<Int, WeirError>? in
                if let failure = state.failure { return .failure(failure) }
                return state.ready + state.declined == workers ? .success(state.ready) : nil
            }
            if let ready { return try ready.get() }
            if feed.shouldStop { throw WeirError(.connectionLost, stage: .source, "The backfill was given up") }
        }
    }

    /// The next batch of a table; nil when all of it was delivered. Throws a worker's failure. `isStopped` is looked
    /// at while there is none, and ends the wait as if there were no other.
    func next(of table: Int, isStopped: () throws(WeirError) -> Bool) throws(WeirError) -> ChangeBatch? {
        while true {
            let delivery = exchange.wait(until: .now + .milliseconds(500)) { $0.next(of: table) }
            switch delivery {
            case .batch(let batch)?: return batch
            case .tableEnd?: return nil
            case .failed(let error)?: throw error
            case nil: if try isStopped() { return nil }
            }
        }
    }

    /// Ends the workers and waits a moment for their connections to be closed.
    func end() {
        exchange.update { $0.end() }
        _ = exchange.wait(until: .now + .seconds(5)) { $0.living == 0 ? true : nil }
    }
}

/// One worker: what its thread needs.
private struct CopyWorker: Sendable {
    let index: Int
    let exchange: Monitor<CopyExchange>
    let settings: ConnectionSettings
    let snapshot: SnapshotRun.Shared

    func run() {
        defer { exchange.update { $0.leave() } }
        do throws(WeirError) {
            guard let run = try connect() else { return }
            exchange.update { $0.join() }
            try copy(run)
        } catch {
            exchange.update { $0.fail(error) }
        }
    }

    /// Imports the snapshot; nil where the server has no connection left, which the others can do without.
    private func connect() throws(WeirError) -> SnapshotRun? {
        let exchange = self.exchange
        do throws(WeirError) {
            return try SnapshotRun(settings, snapshot.order, givesUp: { exchange.read { $0.isOver } })
        } catch  where error.code == .serverUnavailable {
            exchange.update { $0.decline() }
            return nil
        }
    }

    private func copy(_ run: borrowing SnapshotRun) throws(WeirError) {
        var reader = run.reader(startTime: snapshot.startTime)
        while case .copy(let part)? = exchange.wait(until: nil, { $0.take() }) {
            let isWhole = try run.copy(part, with: &reader) { batch in
                exchange.wait(until: nil) { $0.put(batch, of: part, from: index) } ?? false
            }
            guard isWhole else { return }
            exchange.update { $0.finish(part) }
        }
    }
}
