import Testing
import WeirCore

@testable import LibPQ

@Suite struct ReplicationFrameTests {
    private func frame(_ bytes: [UInt8]) throws(PGError) -> ReplicationFrame {
        var result: Result<ReplicationFrame, PGError>?
        bytes.withUnsafeBytes { buffer in
            result = Result { () throws(PGError) in try ReplicationFrame(buffer) }
        }
        return try result!.get()
    }

    @Test func readsDataAndKeepalive() throws {
        let data: [UInt8] =
            [0x77] + [0, 0, 0, 1, 0, 0, 0, 2] + [0, 0, 0, 1, 0, 0, 0, 3] + Array(repeating: 9, count: 8) + [66]
        let expected = ReplicationFrame.data(start: LSN(0x1_0000_0002), walEnd: LSN(0x1_0000_0003), payload: 25)
        #expect(try frame(data) == expected)
        let keepalive: [UInt8] = [0x6B] + [0, 0, 0, 0, 0xA, 0xB, 0xC, 0xD] + Array(repeating: 0, count: 8) + [1]
        #expect(try frame(keepalive) == .keepalive(walEnd: LSN(0x0A0B_0C0D), replyRequested: true))
    }

    @Test func shortLongAndUnknownAreErrors() {
        let data = [UInt8](repeating: 0, count: 40)
        for count in 0..<25 { #expect(throws: PGError.self) { try frame([0x77] + data.prefix(count).dropLast()) } }
        for count in [0, 16, 18, 30] { #expect(throws: PGError.self) { try frame([0x6B] + data.prefix(count)) } }
        for tag in UInt8.min...UInt8.max where tag != 0x77 && tag != 0x6B {
            #expect(throws: PGError.self) { try frame([tag] + data) }
        }
    }

    @Test func statusUpdateLayout() {
        let bytes = [UInt8](unsafeUninitializedCapacity: 34) { buffer, count in
            StatusUpdate.write(
                to: UnsafeMutableRawBufferPointer(buffer), received: LSN(0x0102), durable: LSN(0x0304), microseconds: 5,
                replyRequested: true)
            count = 34
        }
        #expect(
            bytes == [
                0x72, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 3, 4,
                0, 0, 0, 0, 0, 0, 0, 5, 1,
            ])
    }
}
