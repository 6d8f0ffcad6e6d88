import Testing
import WeirCore

@testable import weir

@Suite struct ProgressTextTests {
    private func copying(
        tables: Int = 3, done: Int = 1, rows: UInt64, estimated: UInt64
    ) -> PipelineStatistics {
        var statistics = PipelineStatistics()
        statistics.snapshot = SnapshotProgress(
            tables: tables, tablesDone: done, rows: rows, rowsEstimated: estimated,
            table: TableName(schema: "public", name: "orders"))
        return statistics
    }

    @Test func aCopyHasABarARateAndTheTimeLeft() {
        #expect(
            ProgressText.line(copying(rows: 450_000, estimated: 1_000_000), rate: 12_345)
                == "[#########-----------] 45%  1/3 tables  450,000 rows  12,345 rows/s  45s left")
    }

    @Test func withoutAnEstimateThereIsNoBar() {
        #expect(ProgressText.line(copying(rows: 7, estimated: 0), rate: 0) == "copying  1/3 tables  7 rows  0 rows/s")
    }

    @Test func anEstimateThatWasTooLowNeverShowsAsDone() {
        #expect(ProgressText.line(copying(rows: 300, estimated: 100), rate: 10).hasPrefix("[###################-] 99%"))
        #expect(ProgressText.line(copying(done: 3, rows: 300, estimated: 100), rate: 10).contains("100%"))
    }

    @Test func streamingShowsPositions() {
        var statistics = PipelineStatistics()
        #expect(ProgressText.line(statistics, rate: 0) == "starting")
        statistics.failures = 1
        #expect(ProgressText.line(statistics, rate: 0) == "trying again after 1 failure")
        statistics.isStreaming = true
        statistics.rowsIn = 1_234_567
        statistics.received = LSN(0x16B_3748)
        #expect(
            ProgressText.line(statistics, rate: 1000)
                == "streaming  1,234,567 rows  1,000 rows/s  received 0/16B3748  confirmed 0/0")
    }

    @Test func linesFitTheTerminal() {
        var statistics = PipelineStatistics()
        statistics.isStreaming = true
        statistics.rowsIn = .max
        statistics.received = LSN(rawValue: .max)
        #expect(ProgressText.line(statistics, rate: 1e15).count <= 79)
    }

    @Test(
        arguments: [
            (.milliseconds(850), "850ms"), (.seconds(12), "12s"), (.seconds(200), "3m20s"), (.seconds(7500), "2h05m"),
        ] as [(Duration, String)])
    func durationsReadWell(duration: Duration, text: String) {
        #expect(ProgressText.elapsed(duration) == text)
    }
}
