import Glibc
import WeirCore

/// The process's signals: SIGPIPE is an error of a write, not the end; SIGTERM, SIGINT and SIGHUP ask for an orderly
/// end.
enum Signals {
    /// Once, before any thread starts: a broken pipe is told by the write that meets it.
    static func ignoreBrokenPipes() {
        signal(SIGPIPE, SIG_IGN)
    }

    /// Once, before any thread starts: from now on ``watch(first:second:)`` receives the stop signals, and no thread is
    /// interrupted by one. A signal that comes before the watch begins is kept for it.
    static func holdStops() {
        var set = stops()
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// A stop signal so soon after the first one is the same wish: `timeout` and shells send one to the process and
    /// one to its group.
    private static let echo: Duration = .milliseconds(100)

    /// Calls `first` for the first stop signal and `second` for the next one, on a thread of its own.
    static func watch(
        first: @escaping @Sendable (Int32) -> Void, second: @escaping @Sendable (Int32) -> Void
    ) {
        _ = WorkerThread(name: "signals") {
            first(next())
            let began = ContinuousClock.now
            var number = next()
            while ContinuousClock.now - began < echo { number = next() }
            second(number)
        }
    }

    /// What people call a signal.
    static func name(_ number: Int32) -> String {
        switch number {
        case SIGTERM: "SIGTERM"
        case SIGINT: "SIGINT"
        case SIGHUP: "SIGHUP"
        default: "signal \(number)"
        }
    }

    private static func next() -> Int32 {
        var set = stops()
        var number: Int32 = 0
        while sigwait(&set, &number) != 0 {}
        return number
    }

    private static func stops() -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, number) }
        return set
    }
}
