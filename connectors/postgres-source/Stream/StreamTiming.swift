/// Decides whether to let messages gather before the next look at the socket: pure, clock readings come from outside.
///
/// The walsender flushes after every row, so a reader that keeps up is woken once a row and costs the server and itself
/// several microseconds each. Above a rate the reader rests for a fraction of a millisecond whenever it runs dry; below
/// it every message is taken at once.
struct ReceivePacer {
    /// How long to rest under load: long enough for some dozens of rows, short enough for the receive window.
    static let rest: Duration = .microseconds(250)
    /// Bytes in the socket that are read without a rest before: about as many as libpq takes in one read.
    static let worthReading = 12 << 10
    /// Messages a millisecond above which it is load.
    private static let threshold = 10

    private var windowStart: ContinuousClock.Instant
    private var messages = 0
    /// Whether the stream is under load: rest when it runs dry.
    private(set) var isResting = false

    init(now: ContinuousClock.Instant) { windowStart = now }

    /// Takes in that `count` messages were read until the stream ran dry at `now`.
    mutating func ranDry(after count: Int, at now: ContinuousClock.Instant) {
        messages += count
        let elapsed = now - windowStart
        guard elapsed >= .milliseconds(1) else { return }
        let milliseconds = max(1, Int(elapsed / .milliseconds(1)))
        isResting = messages >= Self.threshold * milliseconds
        windowStart = now
        messages = 0
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
