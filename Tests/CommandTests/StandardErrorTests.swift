import Glibc
import Testing
import WeirTestKit

@testable import weir

@Suite struct StandardErrorTests {
    /// A pipe whose reader does not read.
    private struct StuckPipe {
        let read: Int32
        let write: Int32

        init() {
            var ends: [Int32] = [-1, -1]
            _ = pipe(&ends)
            (read, write) = (ends[0], ends[1])
        }

        /// Everything written until all writers are gone.
        func drain() -> String {
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = Glibc.read(read, &chunk, chunk.count)
                guard count > 0 else { break }
                bytes += chunk[..<count]
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    @Test(.timeLimit(.minutes(5))) func aReaderThatSleepsHoldsNobodyUp() throws {
        let pipe = StuckPipe()
        let output = StandardError(descriptor: pipe.write)
        let line = String(repeating: "x", count: 1000)
        let began = ContinuousClock.now
        for number in 0..<5000 { output.line("\(number) \(line)") }
        output.flush(within: .milliseconds(50))
        #expect(ContinuousClock.now - began < .seconds(5))
        // Now somebody reads: what found room comes in order, and what did not is told.
        let reader = Background { pipe.drain() }
        output.line("the last")
        output.flush(within: .seconds(30))
        close(pipe.write)
        let lines = try reader.value(timeout: .seconds(30)).split(separator: "\n")
        #expect(lines.first?.hasPrefix("0 xxx") == true)
        #expect(lines.contains { $0.hasSuffix("log lines were dropped: nobody read them in time") })
        #expect(lines.count < 5000)
    }

    @Test func linesComeInOrderAndWhole() {
        let pipe = StuckPipe()
        let output = StandardError(descriptor: pipe.write)
        for number in 0..<100 { output.line("line \(number)") }
        output.status("never shown: this is no terminal")
        output.flush(within: .seconds(10))
        close(pipe.write)
        #expect(pipe.drain() == (0..<100).map { "line \($0)\n" }.joined())
        close(pipe.read)
    }
}
