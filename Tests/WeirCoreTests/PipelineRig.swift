import Testing
import WeirTestKit

@testable import WeirCore

/// A pipeline over memory, its log, its store and its targets.
struct PipelineRig {
    let table = Relation.test("t", ["id": .int4])
    let log: MemoryLog
    let store: MemoryStore
    let targets: [MemoryTarget]
    let plan = FaultPlan()
    var settings = PipelineSettings()

    /// Targets keep their own position unless told otherwise; `willConfirm` as in `MemoryLog`.
    init(
        _ targets: [MemoryTarget] = [MemoryTarget("a")], store: MemoryStore = MemoryStore(),
        willConfirm: @escaping @Sendable (LSN) -> Void = { _ in }
    ) {
        self.targets = targets
        self.store = store
        log = MemoryLog(willConfirm: willConfirm)
        settings.heartbeatInterval = .milliseconds(2)
        settings.saveInterval = .milliseconds(1)
        settings.retry.delayMin = .milliseconds(1)
        settings.retry.delayMax = .milliseconds(5)
    }

    /// The first target.
    var target: MemoryTarget { targets[0] }

    /// Batch number `number` (from 1): one committed row, whose value and ordinal place are the number.
    func batch(_ number: Int) -> ChangeBatch {
        TestBatch.inserts(table, ["\(number)"], commit: UInt64(number) * 16)
    }

    /// Appends so many batches to the log.
    func append(_ numbers: ClosedRange<Int>) { log.append(numbers.map(batch)) }

    /// End of batch `number`.
    func end(_ number: Int) -> LSN { LSN(UInt64(number) * 16 + 8) }

    /// Lines of so many batches.
    func lines(_ numbers: ClosedRange<Int>) -> [String] { numbers.map { "insert public.t id=\($0)" } }

    /// A pipeline over all of it; the first target suffers the plan's faults.
    func pipeline(_ transforms: [TransformSettings] = []) -> Pipeline {
        let sinks = targets.enumerated().map { $0 == 0 ? plan.factory($1.factory) : $1.factory }
        return Pipeline(
            source: log.factory,
            transforms: { () throws(WeirError) in
                try TransformChain.make(transforms, pipeline: "test") { _ throws(WeirError) in
                    throw WeirError(.internalError, stage: .transform, "no digest in this test")
                }
            }, sinks: sinks, store: store, settings: settings)
    }
}

extension Pipeline {
    /// Runs on a thread of its own; the result is the error that ended it, nil for a good end.
    func start() -> Background<WeirError?> {
        Background {
            do throws(WeirError) {
                try self.run()
                return nil
            } catch {
                return error
            }
        }
    }
}

extension MemoryTarget {
    /// The lines of each event's first arrival: what is left once repetitions are told by their identity.
    var firstArrivals: [String] {
        var seen: Set<EventIdentity> = []
        return zip(identities, lines).compactMap { seen.insert($0).inserted ? $1 : nil }
    }
}

extension WeirError {
    static let lost = WeirError(.connectionLost, stage: .sink, "The connection was lost")
    static let refused = WeirError(.rowRejected, stage: .sink, "The target refused a row")
}
