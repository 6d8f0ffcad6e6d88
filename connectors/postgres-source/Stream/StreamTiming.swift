/// Decides whether to let messages gather before the next look at the socket: pure, clock readings come from outside.
///
/// The walsender sends every row by itself. A reader that keeps up is woken once a row, and one that empties the socket
/// each time has every row cross the network stack by itself, which costs the server as much as decoding it. So under
/// load the reader takes about one buffer of libpq's and rests for a fraction of a millisecond: what the socket does
/// not hold meanwhile gathers in the server's send queue and comes in few large segments. Without load every message is
/// taken at once.
struct ReceivePacer {
    /// How long to rest under load. With the scheduler's own delay it lets about as many rows gather as libpq takes
    /// in one read.
    static let rest: Duration = .microseconds(250)
    /// Fewer messages than this are not worth a rest.
    private static let leastMessages = 48
    /// Messages of this size and more, in bytes, fill segments by themselves.
    private static let largeMessage = 2048
    /// Messages a millisecond from which on it is load.
    private static let threshold = 10
    /// How long load is expected to come back: between two large transactions the server decodes and sends nothing.
    private static let hold: Duration = .milliseconds(20)

    private var windowStart: ContinuousClock.Instant
    private var messages = 0
    private var holdEnd: ContinuousClock.Instant
    /// Whether the stream is under load: rest before the next read.
    private(set) var isResting = false
    /// Whether the last read found something: more is under way.
    private(set) var isFlowing = false

    init(now: ContinuousClock.Instant) {
        windowStart = now
        holdEnd = now
    }

    /// Takes in that `count` messages were read until the stream ran dry at `now`.
    mutating func ranDry(after count: Int, at now: ContinuousClock.Instant) {
        isFlowing = count > 0
        messages += count
        let elapsed = now - windowStart
        guard elapsed >= .milliseconds(1) else { return }
        if messages >= Self.threshold * Int(elapsed / .milliseconds(1)) { holdEnd = now + Self.hold }
        isResting = now < holdEnd
        windowStart = now
        messages = 0
    }

    /// Whether to read on after `count` messages of `bytes` bytes in all since the last rest.
    func readsOn(after count: Int, bytes: Int) -> Bool {
        isResting && (count < Self.leastMessages || bytes >= count * Self.largeMessage)
    }

    /// Takes in that the socket was waited for until `now`.
    mutating func woke(at now: ContinuousClock.Instant) {
        isResting = now < holdEnd
    }
}

/// Decides when to tell the server the confirmed position: pure, clock readings come from outside.
struct StatusSchedule {
    /// No two updates are closer than this, whatever the server asks for.
    static let shortest: Duration = .milliseconds(10)

    /// Longest time between two updates.
    let interval: Duration
    private var lastSent: ContinuousClock.Instant
    private var lastConfirmed: UInt64 = 0
    private var isAsked = false

    /// `senderTimeout` is the server's `wal_sender_timeout`, nil when it is switched off.
    init(interval: Duration, senderTimeout: Duration?, now: ContinuousClock.Instant) {
        let longest = senderTimeout.map { min(interval, $0 / 3) } ?? interval
        self.interval = max(longest, .milliseconds(100))
        lastSent = now - self.interval
    }

    /// Takes in that the server wants an answer at once.
    mutating func ask() { isAsked = true }

    /// Whether an update is due: asked for, progress to report, or the interval over.
    func isDue(confirmed: UInt64, at now: ContinuousClock.Instant) -> Bool {
        let elapsed = now - lastSent
        if elapsed >= interval { return true }
        return (isAsked || confirmed > lastConfirmed) && elapsed >= Self.shortest
    }

    /// Takes in that an update was sent.
    mutating func sent(confirmed: UInt64, at now: ContinuousClock.Instant) {
        lastSent = now
        lastConfirmed = confirmed
        isAsked = false
    }

    /// When to look again at the latest.
    func nextLook(confirmed: UInt64) -> ContinuousClock.Instant {
        isAsked || confirmed > lastConfirmed ? lastSent + Self.shortest : lastSent + interval
    }
}

/// Notices that the other end is gone without having said so: pure, clock readings come from outside.
struct SilenceWatch {
    /// What to do.
    enum Verdict {
        case fine, ask, lost
    }

    private let limit: Duration
    private var lastHeard: ContinuousClock.Instant
    private var hasAsked = false

    init(limit: Duration, now: ContinuousClock.Instant) {
        self.limit = limit
        lastHeard = now
    }

    /// Takes in that something came from the server, or that nobody listened until now.
    mutating func heard(at now: ContinuousClock.Instant) {
        lastHeard = now
        hasAsked = false
    }

    /// Asks once after half of the limit, gives up at its end.
    mutating func look(at now: ContinuousClock.Instant) -> Verdict {
        let silence = now - lastHeard
        if silence >= limit { return .lost }
        guard silence >= limit / 2, !hasAsked else { return .fine }
        hasAsked = true
        return .ask
    }

    /// When `look` may have something else to say.
    var nextLook: ContinuousClock.Instant { lastHeard + (hasAsked ? limit : limit / 2) }
}
