import Glibc

/// A value, its lock, and conditions to wait for: for state that threads wait on, where `Mutex` alone is not enough.
///
/// A thread that waits for what happens seldom waits for milestones: it is not woken by every change, and a change that
/// nobody waits for costs no system call.
///
/// `@unchecked Sendable`: `value` is only touched with `mutex` held, and the C objects live at fixed addresses from
/// `init` to `deinit`.
@safe
package final class Monitor<Value>: @unchecked Sendable {
    private var value: Value
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private let milestone: UnsafeMutablePointer<pthread_cond_t>

    package init(_ value: Value) {
        self.value = value
        unsafe mutex = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        unsafe milestone = .allocate(capacity: 1)
        unsafe pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_cond_init(milestone, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_cond_destroy(milestone)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe milestone.deallocate()
        unsafe mutex.deallocate()
    }

    /// Runs `body` with the lock held and wakes the waiters afterwards, except those that wait for milestones.
    package func update<Result>(_ body: (inout Value) -> Result) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer {
            unsafe pthread_cond_broadcast(condition)
            unsafe pthread_mutex_unlock(mutex)
        }
        return body(&value)
    }

    /// As `update`, and wakes those that wait for milestones as well.
    package func mark<Result>(_ body: (inout Value) -> Result) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer {
            unsafe pthread_cond_broadcast(condition)
            unsafe pthread_cond_broadcast(milestone)
            unsafe pthread_mutex_unlock(mutex)
        }
        return body(&value)
    }

    /// Runs `body` with the lock held; no waiter is woken.
    package func read<Result>(_ body: (inout Value) -> Result) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return body(&value)
    }

    /// Calls `body` now and after each wake-up until it returns a value or the deadline passes (then nil). What `body`
    /// changes is seen by the other waiters, which are woken when it returns a value.
    package func wait<Result>(until deadline: ContinuousClock.Instant?, _ body: (inout Value) -> Result?) -> Result? {
        unsafe wait(for: condition, until: deadline, body)
    }

    /// As `wait`, woken by `mark` only: `body` must not depend on what `update` changes, or be content to see it late.
    package func waitForMilestone<Result>(
        until deadline: ContinuousClock.Instant?, _ body: (inout Value) -> Result?
    ) -> Result? {
        unsafe wait(for: milestone, until: deadline, body)
    }

    private func wait<Result>(
        for change: UnsafeMutablePointer<pthread_cond_t>, until deadline: ContinuousClock.Instant?,
        _ body: (inout Value) -> Result?
    ) -> Result? {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while true {
            if let result = body(&value) {
                unsafe pthread_cond_broadcast(condition)
                return result
            }
            guard let deadline else {
                unsafe pthread_cond_wait(change, mutex)
                continue
            }
            let left = deadline - ContinuousClock.now
            guard left > .zero else { return nil }
            var time = Self.monotonic(after: left)
            unsafe pthread_cond_timedwait(change, mutex, &time)
        }
    }

    private static func monotonic(after duration: Duration) -> timespec {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        let (seconds, attoseconds) = min(duration, .seconds(86_400)).components
        var nanoseconds = time.tv_nsec + Int(attoseconds / 1_000_000_000)
        var total = time.tv_sec + Int(seconds)
        if nanoseconds >= 1_000_000_000 {
            nanoseconds -= 1_000_000_000
            total += 1
        }
        time.tv_sec = total
        time.tv_nsec = nanoseconds
        return time
    }
}
