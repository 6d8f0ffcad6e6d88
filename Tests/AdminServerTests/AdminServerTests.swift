import AdminServer
import Foundation
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
