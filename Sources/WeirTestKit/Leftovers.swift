import Glibc
import Synchronization

/// What must not outlive the test process: its children and its folders.
///
/// Owners clean up in `deinit`; this does it at exit for those still alive then, such as the shared cluster. A test
/// process that is killed runs none of it: its children then get their parent-death signal from the kernel.
enum Leftovers {
    private struct Live {
        var children: [pid_t: ChildProcess] = [:]
        var paths: Set<String> = []
    }

    private static let live: Mutex<Live> = {
        atexit { Leftovers.clear() }
        return Mutex(Live())
    }()

    static func remember(child: ChildProcess) { live.withLock { $0.children[child.identifier] = child } }
    static func forget(child: pid_t) { _ = live.withLock { $0.children.removeValue(forKey: child) } }
    static func remember(path: String) { _ = live.withLock { $0.paths.insert(path) } }
    static func forget(path: String) { _ = live.withLock { $0.paths.remove(path) } }

    private static func clear() {
        let left = live.withLock { $0 }
        for child in left.children.values { child.signal(child.deathSignal) }
        for child in left.children.values where child.waitForExit(timeout: .seconds(5)) == nil { child.signal(SIGKILL) }
        for path in left.paths { removeTree(path) }
    }
}
