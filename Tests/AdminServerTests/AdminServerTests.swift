import AdminServer
import Foundation
import Glibc
import Testing
import WeirCore

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

@Suite struct AdminServerTests {
    private func get(_ port: UInt16, _ path: String, method: String = "GET") async throws -> (Int, String) {
        var request = URLRequest(url: try #require(URL(string: "http://127.0.0.1:\(port)\(path)")))
        request.httpMethod = method
        let (data, response) = try await URLSession.shared.data(for: request)
        let status = try #require(response as? HTTPURLResponse).statusCode
        return (status, String(decoding: data, as: UTF8.self))
    }

    private func statistics(streaming: Bool) -> PipelineStatistics {
        var statistics = PipelineStatistics()
        statistics.rowsIn = 7
        statistics.rowsOut = 5
        statistics.transactions = 2
        statistics.received = LSN(0x1_0000_0010)
        statistics.confirmed = LSN(0x1_0000_0000)
        statistics.lastCommitTime = 1_000_000
        statistics.isStreaming = streaming
        return statistics
    }

    @Test func pagesOfARunningPipeline() async throws {
        let now = statistics(streaming: true)
        let pages = PipelinePages(pipeline: "shop", statistics: { now }, clock: { 3_500_000 })
        let server = try AdminServer(host: "127.0.0.1", port: 0) { pages.answer($0) }
        #expect(try await get(server.port, "/health/live") == (200, "live\n"))
        #expect(try await get(server.port, "/health/ready") == (200, "ready\n"))
        let status = try await get(server.port, "/status")
        #expect(
            status.1 == """
                {"pipeline":"shop","streaming":true,"received":"1/10","confirmed":"1/0","rows_in":7,"rows_out":5,\
                "bytes_in":0,"transactions":2,"last_commit_us":1000000,"failures":0}

                """)
        let metrics = try await get(server.port, "/metrics").1
        #expect(metrics.contains("weir_rows_in_total{pipeline=\"shop\"} 7\n"))
        #expect(metrics.contains("weir_last_commit_age_seconds{pipeline=\"shop\"} 2.500000\n"))
        #expect(metrics.hasSuffix("# EOF\n"))
        #expect(try await get(server.port, "/../etc/passwd").0 == 404)
        #expect(try await get(server.port, "/status", method: "POST").0 == 405)
    }

    @Test func aPipelineInTroubleIsLiveButNotReady() {
        let now = statistics(streaming: false)
        let pages = PipelinePages(pipeline: "shop", statistics: { now })
        #expect(pages.answer("/health/live")?.status == 200)
        #expect(pages.answer("/health/ready")?.status == 503)
    }

    @Test("who holds connections open byte by byte keeps nobody out")
    func slowClients() async throws {
        let server = try AdminServer(host: "127.0.0.1", port: 0) { path in
            path == "/x" ? AdminResponse(contentType: "text/plain", body: "here\n") : nil
        }
        var sockets: [CInt] = []
        defer { for socket in sockets { close(socket) } }
        for round in 0..<200 {
            sockets.append(try slowClient(server.port))
            if round % 20 == 19 { #expect(try await get(server.port, "/x") == (200, "here\n")) }
        }
        // The oldest were sent away.
        var byte: UInt8 = 0
        #expect(recv(sockets[0], &byte, 1, 0) == 0)
        #expect(recv(sockets[199], &byte, 1, CInt(MSG_DONTWAIT)) == -1 && errno == EAGAIN)
    }

    /// A connection that has begun a request and says nothing more.
    private func slowClient(_ port: UInt16) throws -> CInt {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let connected = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(connected == 0)
        try #require(send(descriptor, "GET /x HTTP/1.1\r\n", 17, CInt(MSG_NOSIGNAL)) == 17)
        return descriptor
    }

    @Test func aTakenPortIsAnErrorWithItsRemedy() throws {
        let first = try AdminServer(host: "127.0.0.1", port: 0) { _ in nil }
        let error = #expect(throws: WeirError.self) {
            _ = try AdminServer(host: "127.0.0.1", port: first.port) { _ in nil }
        }
        #expect(error?.code == .inputOutput)
        #expect(error?.cause == "Address already in use")
        #expect(throws: WeirError.self) { _ = try AdminServer(host: "localhost", port: 0) { _ in nil } }
        withExtendedLifetime(first) {}
    }
}
