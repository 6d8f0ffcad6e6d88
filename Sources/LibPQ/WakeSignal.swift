import CLibPQ
import Glibc

/// A flag that ends a wait on a socket: raised by any thread, seen by `poll`. Stays raised until cleared.
///
/// One object for each purpose: an interrupt (stop now) is raised once and never cleared, a wake-up (look at your
/// queue) is cleared by the thread that waits.
@safe
public final class WakeSignal: Sendable {
    /// The descriptor to poll for input. Owned by this object: never read, write or close it.
    public let descriptor: Int32

    /// Throws when the process has no descriptor left.
    public init() throws(PGError) {
        descriptor = weir_eventfd()
        guard descriptor >= 0 else {
            throw PGError(.settings, "eventfd", "no file descriptor left (errno \(errno))")
        }
    }

    deinit { close(descriptor) }

    /// Raises the flag. Any thread, also from a signal handler's thread; never blocks.
    public func raise() {
        var one: UInt64 = 1
        // A full counter (EAGAIN) is a raised flag as well.
        _ = unsafe write(descriptor, &one, 8)
    }

    /// Lowers the flag; does nothing when it is not raised.
    public func clear() {
        var count: UInt64 = 0
        _ = unsafe read(descriptor, &count, 8)
    }

    /// Whether the flag is up.
    public var isRaised: Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&entry, 1, 0) == 1
    }
}

/// What ended a wait.
public struct WaitResult: OptionSet, Sendable {
    /// Bits of the set.
    public let rawValue: UInt8
    /// From bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The socket has input, or is closed or broken: read to find out.
    public static let readable = WaitResult(rawValue: 1)
    /// The socket takes output.
    public static let writable = WaitResult(rawValue: 2)
    /// The wake-up signal is raised.
    public static let woken = WaitResult(rawValue: 4)
    /// The interrupt signal is raised.
    public static let interrupted = WaitResult(rawValue: 8)
    /// The deadline passed. The empty set.
    public static let timedOut: WaitResult = []
}

/// Polls one socket together with signals; the only place where this module waits.
enum SocketWait {
    static func wait(
        socket: Int32, forOutput: Bool, deadline: ContinuousClock.Instant?, wake: WakeSignal?, interrupt: WakeSignal?
    ) -> WaitResult {
        let events = Int16(POLLIN) | (forOutput ? Int16(POLLOUT) : 0)
        // A negative descriptor is ignored by poll.
        var entries = (
            pollfd(fd: socket, events: events, revents: 0),
            pollfd(fd: wake?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: interrupt?.descriptor ?? -1, events: Int16(POLLIN), revents: 0)
        )
        while true {
            var nanoseconds: Int64 = -1
            if let deadline {
                let left = max(.zero, ContinuousClock.now.duration(to: deadline)).components
                nanoseconds = min(left.seconds, 86_400) * 1_000_000_000 + left.attoseconds / 1_000_000_000
            }
            let count = unsafe withUnsafeMutableBytes(of: &entries) { bytes in
                unsafe weir_poll(bytes.assumingMemoryBound(to: pollfd.self).baseAddress, 3, nanoseconds)
            }
            if count < 0 && errno == EINTR { continue }
            if count < 0 { return .readable }
            break
        }
        var result: WaitResult = []
        let broken = Int16(POLLERR | POLLHUP | POLLNVAL)
        if entries.0.revents & (Int16(POLLIN) | broken) != 0 { result.insert(.readable) }
        if entries.0.revents & Int16(POLLOUT) != 0 { result.insert(.writable) }
        if entries.1.revents != 0 { result.insert(.woken) }
        if entries.2.revents != 0 { result.insert(.interrupted) }
        return result
    }
}
