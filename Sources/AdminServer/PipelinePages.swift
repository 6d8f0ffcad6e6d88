public import WeirCore

/// The pages of a running pipeline: `/health/live`, `/health/ready`, `/status` (JSON) and `/metrics` (OpenMetrics).
///
/// Pure functions of a statistics snapshot: no row data, no secret.
public struct PipelinePages: Sendable {
    private let pipeline: String
    private let statistics: @Sendable () -> PipelineStatistics
    private let clock: @Sendable () -> Int64

    /// `statistics` and `clock` (microseconds since 1970-01-01 UTC) are called for every request, on the server's
    /// thread.
    public init(
        pipeline: String, statistics: @escaping @Sendable () -> PipelineStatistics,
        clock: @escaping @Sendable () -> Int64 = { wallClockMicroseconds() }
    ) {
        self.pipeline = pipeline
        self.statistics = statistics
        self.clock = clock
    }

    /// The page of a path, nil when there is none.
    public func answer(_ path: String) -> AdminResponse? {
        switch path {
        case "/health/live": AdminResponse(contentType: "text/plain", body: "live\n")
        case "/health/ready": ready(statistics())
        case "/status": AdminResponse(contentType: "application/json", body: status(statistics()) + "\n")
        case "/metrics":
            AdminResponse(
                contentType: "application/openmetrics-text; version=1.0.0; charset=utf-8",
                body: metrics(statistics()))
        default: nil
        }
    }

    private func ready(_ now: PipelineStatistics) -> AdminResponse {
        now.isStreaming
            ? AdminResponse(contentType: "text/plain", body: "ready\n")
            : AdminResponse(status: 503, contentType: "text/plain", body: "not ready: \(now.failures) failures\n")
    }

    private func status(_ now: PipelineStatistics) -> String {
        var fields = [
            "\"pipeline\":\"\(pipeline)\"", "\"streaming\":\(now.isStreaming)",
            "\"received\":\"\(now.received)\"", "\"confirmed\":\"\(now.confirmed)\"",
            "\"rows_in\":\(now.rowsIn)", "\"rows_out\":\(now.rowsOut)", "\"bytes_in\":\(now.bytesIn)",
            "\"transactions\":\(now.transactions)", "\"last_commit_us\":\(now.lastCommitTime)",
            "\"failures\":\(now.failures)",
        ]
        if let snapshot = now.snapshot {
            fields.append(
                "\"snapshot\":{\"tables\":\(snapshot.tables),\"tables_done\":\(snapshot.tablesDone),"
                    + "\"rows\":\(snapshot.rows),\"rows_estimated\":\(snapshot.rowsEstimated)}")
        }
        return "{\(fields.joined(separator: ","))}"
    }

    private func metrics(_ now: PipelineStatistics) -> String {
        var text = ""
        func add(_ name: String, _ kind: String, _ help: String, _ value: String) {
            text += "# HELP weir_\(name) \(help)\n# TYPE weir_\(name) \(kind)\n"
            text += "weir_\(name)\(kind == "counter" ? "_total" : ""){pipeline=\"\(pipeline)\"} \(value)\n"
        }
        add("rows_in", "counter", "Rows read from the source.", "\(now.rowsIn)")
        add("rows_out", "counter", "Rows handed to the sinks after transforms.", "\(now.rowsOut)")
        add("bytes_in", "counter", "Bytes of values read from the source.", "\(now.bytesIn)")
        add("transactions", "counter", "Source transactions read whole.", "\(now.transactions)")
        add(
            "received_lsn", "gauge", "End of the last transaction read, as a byte position.", "\(now.received.rawValue)"
        )
        add("confirmed_lsn", "gauge", "Position durable in every sink.", "\(now.confirmed.rawValue)")
        add("streaming", "gauge", "1 while every sink takes batches.", now.isStreaming ? "1" : "0")
        add("failures", "gauge", "Attempts that failed since the last progress.", "\(now.failures)")
        if now.lastCommitTime > 0 {
            let microseconds = max(0, clock() - now.lastCommitTime)
            let fraction = String(microseconds % 1_000_000 + 1_000_000).dropFirst()
            add(
                "last_commit_age_seconds", "gauge", "Age of the last transaction read.",
                "\(microseconds / 1_000_000).\(fraction)")
        }
        return text + "# EOF\n"
    }
}
