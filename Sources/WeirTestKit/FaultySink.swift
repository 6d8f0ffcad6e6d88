public import WeirCore

/// A sink's methods as places where a fault can strike.
public enum FaultPoint: Sendable, Hashable {
    /// The factory.
    case make
    /// Before `open`.
    case open
    /// Before `begin`.
    case begin
    /// Before a batch reaches the sink.
    case write
    /// After the sink took a batch.
    case written
    /// Before `flush`.
    case flush
}

/// Faults to come, shared by all sinks that a factory makes: each strikes once. Sendable.
public final class FaultPlan: Sendable {
    private struct Fault {
        var point: FaultPoint
        var passes: Int
        var error: WeirError
    }

    private let faults = Monitor<[Fault]>([])

    /// No faults.
    public init() {}

    /// Lets a point be passed so many times, then throws the error there once.
    public func fail(_ point: FaultPoint, after passes: Int = 0, _ error: WeirError) {
        faults.update { $0.append(Fault(point: point, passes: passes, error: error)) }
    }

    /// Whether every fault has struck.
    public var isSpent: Bool { faults.read { $0.isEmpty } }

    func pass(_ point: FaultPoint) throws(WeirError) {
        let error = faults.update { faults -> WeirError? in
            guard let index = faults.firstIndex(where: { $0.point == point }) else { return nil }
            guard faults[index].passes == 0 else {
                faults[index].passes -= 1
                return nil
            }
            return faults.remove(at: index).error
        }
        if let error { throw error }
    }

    /// A factory whose sinks suffer these faults.
    public func factory(_ inner: SinkFactory) -> SinkFactory {
        SinkFactory(name: inner.name) { () throws(WeirError) in
            try self.pass(.make)
            return FaultySink(try inner.make(), plan: self)
        }
    }
}

/// A sink that works until a fault strikes.
final class FaultySink: Sink {
    private let inner: any Sink
    private let plan: FaultPlan

    init(_ inner: any Sink, plan: FaultPlan) {
        self.inner = inner
        self.plan = plan
    }

    func open() throws(WeirError) -> SinkOpening {
        try plan.pass(.open)
        return try inner.open()
    }

    func begin(_ source: SourceDescription, session: SinkSession) throws(WeirError) {
        try plan.pass(.begin)
        try inner.begin(source, session: session)
    }

    func write(_ batch: ChangeBatch, ticket: UInt64, moreFollows: Bool) throws(WeirError) {
        try plan.pass(.write)
        try inner.write(batch, ticket: ticket, moreFollows: moreFollows)
        try plan.pass(.written)
    }

    func flush(deadline: ContinuousClock.Instant) throws(WeirError) {
        try plan.pass(.flush)
        try inner.flush(deadline: deadline)
    }

    func close() { inner.close() }
}
