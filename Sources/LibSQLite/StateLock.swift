internal import Glibc
internal import WeirCore

/// Holds a file that only one process may hold; the kernel lets go of it when the process ends, however it ends.
struct StateLock: ~Copyable {
    private let descriptor: Int32

    /// Takes the lock or throws `state-busy` with the holder's process id.
    init(path: String) throws(WeirError) {
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw StateErrors.system(
                "The lock file \(path) cannot be opened", errno, advice: StateErrors.writable(path))
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            let holder = Self.holder(descriptor)
            close(descriptor)
            guard code == EWOULDBLOCK else { throw StateErrors.system("\(path) cannot be locked", code) }
            throw WeirError(
                .stateBusy, stage: .state,
                "The state file is used by another process" + (holder.map { " with PID \($0)" } ?? ""),
                cause: "\(path) is locked",
                advice: "Stop that process, or give this one another state.path.")
        }
        self.descriptor = descriptor
        let text = Array("\(getpid())\n".utf8)
        _ = ftruncate(descriptor, 0)
        _ = unsafe pwrite(descriptor, text, text.count, 0)
    }

    deinit {
        // The file stays: removing it would let a third process lock a new one while a second waits on this one.
        _ = ftruncate(descriptor, 0)
        close(descriptor)
    }

    private static func holder(_ descriptor: Int32) -> Int? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = unsafe pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return Int(String(decoding: bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }
}
