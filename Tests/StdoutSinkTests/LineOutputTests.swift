import Glibc
import Testing
import WeirCore
import WeirTestKit

@testable import StdoutSink

/// Both ends of something that is read while it is written.
struct Channel {
    enum Kind: CaseIterable, Sendable {
        /// As a shell makes it; its writer blocks.
        case pipe
        /// As a service manager makes it.
        case socket
    }

    let reader: Int32
    let writer: Int32

    init(_ reader: Int32, _ writer: Int32) {
        self.reader = reader
        self.writer = writer
    }

    static func make(_ kind: Kind) throws -> Channel {
        // Broken pipes are errors of a write in weir; in the tests' process as well.
        signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [0, 0]
        switch kind {
        case .pipe: try #require(Glibc.pipe(&ends) == 0)
        case .socket: try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        }
        return Channel(ends[0], ends[1])
    }

    /// Reads to the end on a thread of its own.
    func readAll() -> Background<String> {
        let reader = self.reader
        return Background {
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(reader, &chunk, chunk.count)
                guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
                bytes.append(contentsOf: chunk[..<count])
            }
        }
    }

    func closeReader() { close(reader) }
    func closeWriter() { close(writer) }
}

@Suite(.serialized) struct LineOutputTests {
    private static let large = String(repeating: "0123456789", count: 50_000)

    private func write(_ text: String, to descriptor: Int32, mayWait: Bool = true) throws -> Int {
        let output = try LineOutput(descriptor: descriptor)
        return try Array(text.utf8).withUnsafeBytes { try output.write($0) { mayWait } }
    }

    @Test(arguments: Channel.Kind.allCases)
    func whatDoesNotFitAtOnceIsWaitedFor(kind: Channel.Kind) throws {
        let channel = try Channel.make(kind)
        let received = channel.readAll()
        #expect(try write(Self.large, to: channel.writer) == 500_000)
        channel.closeWriter()
        #expect(try received.value() == Self.large)
        channel.closeReader()
    }

    @Test func aPipeMadeNonBlockingBySomebodyElseIsWaitedForToo() throws {
        let channel = try Channel.make(.pipe)
        _ = fcntl(channel.writer, F_SETFL, O_NONBLOCK)
        let received = channel.readAll()
        #expect(try write(Self.large, to: channel.writer) == 500_000)
        channel.closeWriter()
        #expect(try received.value() == Self.large)
        channel.closeReader()
    }

    @Test(arguments: Channel.Kind.allCases)
    func aReaderThatStopsReadingDoesNotHoldTheThread(kind: Channel.Kind) throws {
        let channel = try Channel.make(kind)
        let written = try write(Self.large, to: channel.writer, mayWait: false)
        #expect(written > 0 && written < 500_000)
        #expect(fcntl(channel.writer, F_GETFL) & O_NONBLOCK == 0, "other processes keep their blocking descriptor")
        let received = channel.readAll()
        channel.closeWriter()
        #expect(try received.value().utf8.count == written)
        channel.closeReader()
    }

    @Test(arguments: Channel.Kind.allCases)
    func aReaderThatWentAwayIsAnErrorWithItsCause(kind: Channel.Kind) throws {
        let channel = try Channel.make(kind)
        channel.closeReader()
        let error = #expect(throws: WeirError.self) { _ = try write("x", to: channel.writer) }
        #expect(error?.code == .inputOutput)
        #expect(error?.cause == "Broken pipe")
        #expect(error?.disposition == .operator)
        #expect(error?.advice?.contains("comes again") == true)
        channel.closeWriter()
    }

    @Test func aDescriptorThatIsNotOpenIsRefused() throws {
        let error = #expect(throws: WeirError.self) { _ = try LineOutput(descriptor: 1_000_000) }
        #expect(error?.code == .inputOutput)
        #expect(error?.cause == "Bad file descriptor")
    }

    @Test func aDescriptorThatCannotBeWrittenIsAnError() throws {
        let descriptor = open("/dev/null", O_RDONLY)
        let error = #expect(throws: WeirError.self) { _ = try write("x", to: descriptor) }
        #expect(error?.cause == "Bad file descriptor")
        close(descriptor)
    }

    @Test func aFullDeviceIsAnError() throws {
        let descriptor = open("/dev/full", O_WRONLY)
        let error = #expect(throws: WeirError.self) { _ = try write("x", to: descriptor) }
        #expect(error?.cause == "No space left on device")
        close(descriptor)
    }
}
