import Glibc
import Testing
import WeirCore
import WeirTestKit

@testable import StdoutSink

@Suite struct LineOutputTests {
    private func pipe() throws -> (reader: Int32, writer: Int32) {
        var ends: [Int32] = [0, 0]
        try #require(Glibc.pipe(&ends) == 0)
        return (ends[0], ends[1])
    }

    private func write(_ text: String, to descriptor: Int32, cancelled: Bool = false) throws -> Bool {
        try Array(text.utf8).withUnsafeBytes {
            try LineOutput(descriptor: descriptor).write($0) { cancelled }
        }
    }

    @Test func aFullNonBlockingPipeIsWaitedForAndNothingIsLost() throws {
        let (reader, writer) = try pipe()
        _ = fcntl(writer, F_SETFL, O_NONBLOCK)
        let text = String(repeating: "0123456789", count: 50_000)
        let received = Background {
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(reader, &chunk, chunk.count)
                guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
                bytes.append(contentsOf: chunk[..<count])
            }
        }
        #expect(try write(text, to: writer))
        close(writer)
        #expect(try received.value() == text)
        close(reader)
    }

    @Test func aCancelledWaitEnds() throws {
        let (reader, writer) = try pipe()
        _ = fcntl(writer, F_SETFL, O_NONBLOCK)
        #expect(try !write(String(repeating: "x", count: 1 << 20), to: writer, cancelled: true))
        close(reader)
        close(writer)
    }

    @Test func aReaderThatWentAwayIsAnErrorWithItsCause() throws {
        signal(SIGPIPE, SIG_IGN)
        let (reader, writer) = try pipe()
        close(reader)
        let error = #expect(throws: WeirError.self) { _ = try write("x", to: writer) }
        #expect(error?.code == .inputOutput)
        #expect(error?.cause == "Broken pipe")
        #expect(error?.disposition == .operator)
        close(writer)
    }
}
