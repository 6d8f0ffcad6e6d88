import Glibc
import WeirCore

/// One output of a process, read by a thread until its end and kept as lines, up to a bound.
final class CapturedOutput: Sendable {
    private struct State {
        var lines: [String] = []
        var dropped = 0
        var keptBytes = 0
        var partial: [UInt8] = []
        var isAtEnd = false
        let keptBytesMax: Int
    }

    private let state: Monitor<State>

    /// The end to give to the process; close it after the process was started.
    let writeEnd: CInt

    /// - Parameter keptBytesMax: above it the oldest lines go; a test that needs more sends the output to a file.
    init(keptBytesMax: Int = 32 << 20) throws {
        state = Monitor(State(keptBytesMax: keptBytesMax))
        let ends = try Spawner.pipe()
        writeEnd = ends.write
        let (readEnd, state) = (ends.read, state)
        let reader = WorkerThread(name: "capture") {
            Self.drain(readEnd, into: state)
            close(readEnd)
        }
        guard reader != nil else { throw TestKitError("no thread could be started") }
    }

    private static func drain(_ descriptor: CInt, into state: Monitor<State>) {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            state.update { state in
                if count > 0 { append(buffer[..<count], to: &state) } else { finish(&state) }
            }
            if count <= 0 { return }
        }
    }

    private static func append(_ bytes: ArraySlice<UInt8>, to state: inout State) {
        var rest = bytes
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            keep(state.partial + rest[..<end], &state)
            state.partial.removeAll()
            rest = rest[(end + 1)...]
        }
        state.partial += rest
    }

    private static func keep(_ line: [UInt8], _ state: inout State) {
        state.lines.append(String(decoding: line, as: UTF8.self))
        state.keptBytes += line.count + 1
        guard state.keptBytes > state.keptBytesMax else { return }
        let drop = max(1, state.lines.count / 2)
        state.keptBytes -= state.lines[..<drop].reduce(0) { $0 + $1.utf8.count + 1 }
        state.lines.removeFirst(drop)
        state.dropped += drop
    }

    private static func finish(_ state: inout State) {
        if !state.partial.isEmpty { keep(state.partial, &state) }
        state.partial.removeAll()
        state.isAtEnd = true
    }

    /// The whole lines so far; the oldest may be gone when there were many.
    var lines: [String] { state.read { $0.lines } }

    /// How many whole lines there were, kept or not.
    var lineCount: Int { state.read { $0.dropped + $0.lines.count } }

    /// Waits for a line, from the first one on; nil when the time is over or the output ends without it.
    func waitForLine(timeout: Duration, where matches: (String) -> Bool) -> String? {
        var looked = 0
        let found: String?? = state.wait(until: .now + timeout) { state in
            for index in max(0, looked - state.dropped)..<state.lines.count where matches(state.lines[index]) {
                return .some(state.lines[index])
            }
            looked = state.dropped + state.lines.count
            return state.isAtEnd ? .some(nil) : nil
        }
        return found ?? nil
    }

    /// Waits until there were so many lines; false when the time is over or the output ends first.
    func waitForLines(_ count: Int, timeout: Duration) -> Bool {
        let reached: Bool? = state.wait(until: .now + timeout) { state in
            if state.dropped + state.lines.count >= count { return true }
            return state.isAtEnd ? false : nil
        }
        return reached ?? false
    }

    /// Waits until the last writer has closed its end.
    func waitForEnd(timeout: Duration) -> Bool {
        state.wait(until: .now + timeout) { $0.isAtEnd ? true : nil } ?? false
    }
}
