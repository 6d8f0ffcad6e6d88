import Glibc
import WeirCore

/// Writes whole buffers to a file descriptor, whatever it is: pipe, terminal, file, or nothing.
struct LineOutput {
    private let descriptor: Int32
    private let isRegularFile: Bool

    /// Writes to an open descriptor, which stays the caller's.
    init(descriptor: Int32) {
        self.descriptor = descriptor
        var status = stat()
        isRegularFile = unsafe fstat(descriptor, &status) == 0 && (status.st_mode & S_IFMT) == S_IFREG
    }

    /// Writes all of the bytes; waits while a pipe is full, also one that was made non-blocking by somebody else.
    /// `isCancelled` is asked at least once a second while it waits; true ends the wait with false.
    func write(_ bytes: UnsafeRawBufferPointer, isCancelled: () -> Bool) throws(WeirError) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset...])
            let written = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
            if written >= 0 {
                offset += written
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN, EWOULDBLOCK:
                if isCancelled() { return false }
                var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&wait, 1, 1000)
            default: throw Self.failure("Standard output cannot be written", errno)
            }
        }
        return true
    }

    /// Makes what was written durable where that means something: in a regular file.
    func sync() throws(WeirError) {
        guard isRegularFile, fdatasync(descriptor) != 0 else { return }
        throw Self.failure("The file that standard output goes to cannot be synchronised", errno)
    }

    private static func failure(_ what: String, _ number: Int32) -> WeirError {
        let advice =
            number == EPIPE
            ? "The program that reads it has ended; what it did not get comes again after the next start."
            : "Nothing after the last stored position is lost; start again when the output can be written."
        return WeirError(
            .inputOutput, stage: .sink, what, cause: unsafe String(cString: strerror(number)), advice: advice)
    }
}
