/// How long to wait before another attempt: exponential with full jitter, pure.
public struct RetryPolicy: Sendable, Equatable {
    /// Delay before the second attempt.
    public var delayMin: Duration
    /// No delay is longer.
    public var delayMax: Duration
    /// Give up when no attempt got as far as streaming for this long.
    public var startupLimit: Duration
    /// Give up when a pipeline that was streaming could not get back to it for this long; nil means never.
    public var outageLimit: Duration?

    /// 200 ms to 30 s; 30 s at start; never once it has run.
    public init(
        delayMin: Duration = .milliseconds(200), delayMax: Duration = .seconds(30),
        startupLimit: Duration = .seconds(30), outageLimit: Duration? = nil
    ) {
        self.delayMin = delayMin
        self.delayMax = delayMax
        self.startupLimit = startupLimit
        self.outageLimit = outageLimit
    }

    /// The delay after the given number of failures in a row (1 or more); `random` in 0..<1 spreads it between half
    /// and all of the exponential delay, so that agents that failed together do not come back together. Whole
    /// milliseconds.
    public func delay(failures: Int, random: Double) -> Duration {
        let exponent = min(max(failures - 1, 0), 20)
        let full = min(delayMin * (1 << exponent), delayMax)
        let milliseconds = full / .milliseconds(1) * (0.5 + random / 2)
        return .milliseconds(Int64(milliseconds.rounded(.up)))
    }

    /// Whether to give up after failing for `elapsed` without streaming.
    public func givesUp(after elapsed: Duration, hasStreamed: Bool) -> Bool {
        if hasStreamed { return outageLimit.map { elapsed >= $0 } ?? false }
        return elapsed >= startupLimit
    }
}
