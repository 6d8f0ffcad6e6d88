import Glibc

/// A thread of our own, for C calls that block: the cooperative pool has as many threads as cores, and one blocked
/// there stops the process. Joined by `join`, else left to end by itself.
package struct WorkerThread: ~Copyable {
    private final class Body {
        let name: String
        let run: @Sendable () -> Void
        init(_ name: String, _ run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    private let handle: pthread_t

    /// Starts a thread; the first 15 bytes of `name` show in `top -H`. Nil when the system has no thread left.
    package init?(name: String, _ body: @escaping @Sendable () -> Void) {
        var created = pthread_t()
        let box = unsafe Unmanaged.passRetained(Body(name, body))
        let status = unsafe pthread_create(
            &created, nil,
            { context in
                guard let context = unsafe context else { return nil }
                let body = unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
                setThreadName(body.name)
                body.run()
                return nil
            }, box.toOpaque())
        guard status == 0 else {
            unsafe box.release()
            return nil
        }
        handle = created
    }

    deinit { pthread_detach(handle) }

    /// Waits for the thread's end.
    package consuming func join() {
        _ = pthread_join(handle, nil)
        discard self
    }
}

/// `pthread_setname_np` is a GNU extension that the Glibc module does not show; the kernel's own file does the same.
private func setThreadName(_ name: String) {
    let file = unsafe open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    let bytes = Array(name.utf8.prefix(15))
    _ = unsafe bytes.withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) }
    close(file)
}

/// The wall clock in microseconds since 1970-01-01 UTC: for timestamps in events, never for a decision.
public func wallClockMicroseconds() -> Int64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
}
