/// Decides when librdkafka is asked to send what waits in its queue: pure, clock readings come from outside.
///
/// librdkafka 2.0 has one request of an idempotent partition under way at a time. While the next batch is ready, which
/// it is once its first message is older than `linger.ms`, the broker's thread turns round without a pause until the
/// response comes: a core is burnt exactly when there is most to do, or nothing to do because the broker hangs. So
/// lingering is switched off, and what is not a full batch by itself is sent when somebody asks: at once when nothing
/// is under way, else when its reports are in, as Nagle's algorithm does (RFC 896). Under little load nothing waits;
/// under load batches grow as long as the broker takes.
struct SendClock: Sendable {
    /// While more keeps coming, no two requests for the same are closer: smaller batches cost the broker more.
    static let pace: Duration = .milliseconds(5)
    /// Nothing was heard of what was asked for: a leader that was not known, a broker that was away.
    static let retryMin: Duration = .milliseconds(50)
    static let retryMax: Duration = .seconds(1)

    /// Messages queued, messages reported, and messages that had been queued when sending was last asked for.
    private var written: UInt64 = 0
    private var reported: UInt64 = 0
    private var asked: UInt64 = 0
    private var lastAsk: ContinuousClock.Instant
    private var lastReport: ContinuousClock.Instant
    private var retry = Self.retryMin

    init(now: ContinuousClock.Instant) {
        lastAsk = now - Self.pace
        lastReport = now
    }

    mutating func wrote(_ count: Int) { written += UInt64(count) }

    mutating func reported(_ count: Int, at now: ContinuousClock.Instant) {
        reported += UInt64(count)
        lastReport = now
        retry = Self.retryMin
    }

    /// When to ask for what waits now; nil when nothing does. `isLull`: nothing more comes for the moment.
    func next(isLull: Bool) -> ContinuousClock.Instant? {
        guard written > reported else { return nil }
        if asked <= reported { return isLull ? lastReport : lastAsk + Self.pace }
        return max(lastAsk, lastReport) + retry
    }

    /// Takes in that sending was asked for.
    mutating func ask(at now: ContinuousClock.Instant) {
        if asked > reported { retry = min(retry * 2, Self.retryMax) }
        asked = written
        lastAsk = now
    }
}
