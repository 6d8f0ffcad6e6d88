import Glibc
import WeirCore

/// Writes whole buffers to a file descriptor, whatever it is: pipe, terminal, socket, file.
///
/// A reader that has stopped reading must not hold the thread for ever, so no write blocks: pipes and terminals are
/// opened a second time for that, because making a descriptor non-blocking would change it for every process that
/// shares it. Where that is not permitted, and for other devices, a write blocks as long as the reader lets it.
/// The process has to ignore SIGPIPE; a reader that went away is an error of `write` then.
struct LineOutput: ~Copyable {
    private enum Kind {
        case file, socket, stream
    }

    /// The longest wait between two looks at whether waiting has an end.
    private static let waitMilliseconds: Int32 = 500

    private let descriptor: Int32
    private let isOwned: Bool
    private let kind: Kind

    /// Looks at an open descriptor, which stays the caller's. Throws `input-output` when it is not open.
    init(descriptor: Int32) throws(WeirError) {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw Self.failure("Standard output is not open", errno)
        }
        var own: Int32 = -1
        switch status.st_mode & S_IFMT {
        case S_IFREG: kind = .file
        case S_IFSOCK: kind = .socket
        default:
            kind = .stream
            let isTerminal = isatty(descriptor) == 1
            if isTerminal || status.st_mode & S_IFMT == S_IFIFO {
                own = unsafe open("/proc/self/fd/\(descriptor)", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
            }
        }
        self.descriptor = own >= 0 ? own : descriptor
        isOwned = own >= 0
    }

    deinit {
        if isOwned { close(descriptor) }
    }

    /// Writes bytes and returns how many: all of them, or fewer when there was no room and `mayWait`, which is asked at
    /// least once a second, said no. Throws `input-output` when nothing more can be written.
    func write(
        _ bytes: UnsafeRawBufferPointer, mayWait: () -> Bool
    ) throws(WeirError) -> Int {
        var offset = 0
        while offset < bytes.count {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset...])
            let count = unsafe attempt(rest)
            if count >= 0 {
                offset += count
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN, EWOULDBLOCK:
                guard mayWait() else { return offset }
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&entry, 1, Self.waitMilliseconds)
            default: throw Self.failure("Standard output cannot be written", errno)
            }
        }
        return offset
    }

    private func attempt(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard kind == .socket else { return unsafe Glibc.write(descriptor, bytes.baseAddress, bytes.count) }
        return unsafe send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
    }

    /// Makes what was written durable where that means something: in a regular file.
    func sync() throws(WeirError) {
        guard kind == .file, fdatasync(descriptor) != 0 else { return }
        throw Self.failure("The file that standard output goes to cannot be synchronised", errno)
    }

    private static func failure(_ what: String, _ number: Int32) -> WeirError {
        let advice =
            switch number {
            case EPIPE: "The program that reads it has ended; what it did not get comes again after the next start."
            case EBADF: "Start weir with standard output open, for example redirected to a file or a pipe."
            case ENOSPC, EDQUOT: "Make room; what was not written comes again after the next start."
            default: "What was not written comes again after the next start."
            }
        return WeirError(
            .inputOutput, stage: .sink, what, cause: unsafe String(cString: strerror(number)), advice: advice)
    }
}
