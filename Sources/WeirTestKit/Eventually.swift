import Dispatch
import Glibc

/// Polls until `condition` holds, for state that has no event to wait for, such as a row in a database; false when the
/// time is over first. Errors of `condition` count as "not yet": a server that restarts refuses for a while.
///
/// This and its asynchronous twin are the only polling in the tests; everything else waits on a condition or a
/// descriptor. Between two looks it waits in poll(2), from 2 ms up to 50 ms, against a deadline on the monotonic clock.
/// Use it as `#expect(eventually { ... })`.
///
/// - Parameters:
///   - timeout: how long to go on.
///   - condition: looked at least once; on the calling thread.
/// - Returns: whether the condition held.
public func eventually(timeout: Duration = .seconds(60), _ condition: () throws -> Bool) -> Bool {
    let deadline = ContinuousClock.now + timeout
    var pause: CInt = 2
    while true {
        if (try? condition()) == true { return true }
        if ContinuousClock.now >= deadline { return false }
        _ = poll(nil, 0, pause)
        pause = min(pause * 2, 50)
    }
}

/// As the synchronous `eventually`, without holding a thread of the cooperative pool between two looks.
public func eventually(
    timeout: Duration = .seconds(60), _ condition: () async throws -> Bool
) async -> Bool {
    let deadline = ContinuousClock.now + timeout
    var pause = 2
    while true {
        if (try? await condition()) == true { return true }
        if ContinuousClock.now >= deadline { return false }
        let wait = pause
        await withCheckedContinuation { continuation in
            DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(wait)) { continuation.resume() }
        }
        pause = min(pause * 2, 50)
    }
}
