import Glibc
import WeirCore

/// The standard error: log lines and, on a terminal, one line at the bottom that shows progress.
///
/// Lines go through a bounded queue to a thread of their own, so that a full disk or a pipe nobody reads never holds up
/// replication: lines that find no room are counted and dropped. Safe to call from any thread.
final class StandardError: Sendable {
    private struct State {
        var lines: [String] = []
        var dropped = 0
        var status: String?
        var statusHasChanged = false
        var isWriting = false
    }

    private static let linesMax = 2_000

    /// Whether a person looks at it.
    let isTerminal: Bool
    private let descriptor: Int32
    private let monitor = Monitor(State())

    /// Starts the writing thread.
    init(descriptor: Int32 = STDERR_FILENO) {
        self.descriptor = descriptor
        isTerminal = isatty(descriptor) == 1
        let monitor = self.monitor
        _ = WorkerThread(name: "stderr") {
            while true { Self.writeNext(monitor, to: descriptor) }
        }
    }

    /// Queues one line, without its line end.
    func line(_ text: String) {
        monitor.update { state in
            if state.lines.count < Self.linesMax { state.lines.append(text) } else { state.dropped += 1 }
        }
    }

    /// Replaces the line at the bottom of a terminal; nil removes it. Elsewhere nothing happens.
    func status(_ text: String?) {
        guard isTerminal else { return }
        monitor.update { state in
            state.status = text
            state.statusHasChanged = true
        }
    }

    /// Waits until all lines are written, at most `limit`.
    func flush(within limit: Duration = .seconds(1)) {
        _ = monitor.wait(until: .now + limit) { state -> Bool? in
            state.lines.isEmpty && !state.statusHasChanged && !state.isWriting ? true : nil
        }
    }

    private static func writeNext(_ monitor: Monitor<State>, to descriptor: Int32) {
        let bytes = monitor.wait(until: nil) { state -> [UInt8]? in
            guard !state.lines.isEmpty || state.statusHasChanged else { return nil }
            var text = state.status != nil || state.statusHasChanged ? "\r\u{1B}[K" : ""
            for line in state.lines { text += line + "\n" }
            if state.dropped > 0 { text += "weir: \(state.dropped) log lines were dropped: nobody read them in time\n" }
            text += state.status ?? ""
            state.lines = []
            state.dropped = 0
            state.statusHasChanged = false
            state.isWriting = true
            return Array(text.utf8)
        }
        OutputDescriptor.write(bytes ?? [], to: descriptor)
        monitor.update { $0.isWriting = false }
    }
}

/// Writing to a descriptor, whole.
enum OutputDescriptor {
    /// Writes all bytes; false when the descriptor took them no more.
    @discardableResult
    static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                guard poll(&wait, 1, 10_000) == 1 else { return false }
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }
}
