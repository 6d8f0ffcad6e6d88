import Glibc
import Synchronization

/// A flag between a test and its load thread, with a bounded wait that ends when it is set.
final class StopFlag: Sendable {
    private let flag = Atomic<Bool>(false)

    var isSet: Bool { flag.load(ordering: .acquiring) }

    func set() { flag.store(true, ordering: .releasing) }

    /// Waits at most so long.
    func wait(milliseconds: Int32) {
        guard !isSet else { return }
        poll(nil, 0, milliseconds)
    }
}
