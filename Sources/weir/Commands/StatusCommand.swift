import Glibc
import PostgresSource
import WeirCore

/// `weir status`: where server, slot and sinks stand.
enum StatusCommand {
    private static let interval: Duration = .seconds(2)

    static func run(
        _ command: ParsedCommand, _ loaded: LoadedConfiguration, _ console: Console
    ) throws(WeirError) -> ExitCode {
        guard let source = loaded.settings.source as? PostgresSourceSettings else {
            throw WeirError(
                .usage, stage: .command, "\"status\" needs a source of type postgres",
                cause: "\(loaded.path) has one of type \(type(of: loaded.settings.source).type)")
        }
        let isWatching = command.has("watch")
        let isTerminal = isatty(STDOUT_FILENO) == 1
        let pause = Monitor(())
        while true {
            let report = try StatusReport.make(loaded.settings, source)
            if command.has("json") {
                try console.print(report.json.text + "\n")
            } else {
                // A terminal shows the latest one only.
                try console.print((isWatching && isTerminal ? "\u{1B}[H\u{1B}[J" : "") + report.text)
            }
            guard isWatching else { return report.isHealthy ? .done : .failed }
            _ = pause.wait(until: .now + interval) { _ in Bool?.none }
        }
    }
}

/// What `weir status` found.
struct StatusReport {
    let pipeline: String
    let source: SourceStatus
    let slotName: String
    let sinks: [SinkPositions.Line]
    let intent: SnapshotIntent?
    /// What a run would refuse to start with.
    let refusal: WeirError?

    /// Asks the server and looks at the state file.
    static func make(
        _ settings: WeirSettings, _ source: PostgresSourceSettings
    ) throws(WeirError) -> StatusReport {
        let status = try SourceAdministration.status(source)
        let positions = try SinkPositions.load(settings)
        return StatusReport(
            pipeline: settings.pipeline, source: status, slotName: source.slot, sinks: positions.lines,
            intent: positions.intent, refusal: try positions.refusal(source))
    }

    /// Whether a run could go on from here.
    var isHealthy: Bool {
        guard refusal == nil, sinks.allSatisfy({ $0.trouble == nil }) else { return false }
        guard let slot = source.slot else { return sinks.allSatisfy { $0.position == nil } }
        return slot.walStatus != "lost" && slot.invalidation == nil
    }

    /// Bytes of WAL behind the server.
    func lag(_ position: LSN) -> UInt64 {
        position < source.walEnd ? source.walEnd.rawValue - position.rawValue : 0
    }

    var text: String {
        let version = source.serverVersion / 10_000
        var rows = [
            ["pipeline", pipeline],
            ["source", "PostgreSQL \(version), database \(source.database), WAL end \(source.walEnd)"],
        ]
        if let slot = source.slot {
            rows.append([
                "slot",
                "\(slot.name): \(SlotText.state(slot)), confirmed \(slot.confirmedLSN?.description ?? "-"), "
                    + "lag \(ByteText.text(slot.lagBytes)), holds \(ByteText.text(slot.retainedBytes))"
                    + (slot.walStatus.map { ", WAL \($0)" } ?? ""),
            ])
            if let seconds = source.lagSeconds {
                rows.append(["lag", "the last commit was confirmed after \(ProgressText.elapsed(.seconds(seconds)))"])
            }
        } else {
            rows.append(["slot", "\(slotName): does not exist"])
        }
        for sink in sinks {
            let place =
                sink.position.map { "durable up to \($0.lsn), lag \(ByteText.text(lag($0.lsn)))" }
                ?? sink.trouble ?? "no position yet"
            rows.append(["sink", "\(sink.name): \(place)"])
        }
        if let intent {
            let point = intent.consistentPoint.map { " at \($0)" } ?? ""
            rows.append(["snapshot", "in progress\(point), slot \(intent.slot)"])
        }
        if let refusal {
            rows.append(["start", "refused: \(refusal.message)" + (refusal.cause.map { ": \($0)" } ?? "")])
            if let advice = refusal.advice { rows.append(["", advice]) }
        }
        return TextTable.text(rows)
    }

    var json: JSONText {
        .object([
            ("pipeline", .string(pipeline)),
            (
                "source",
                .object([
                    ("server_version", .integer(Int64(source.serverVersion))),
                    ("system_identifier", .string("\(source.systemIdentifier)")),
                    ("database", .string(source.database)), ("wal_end", .string(source.walEnd.description)),
                ])
            ),
            ("slot", source.slot.map(SlotText.json) ?? .null),
            ("lag_seconds", source.lagSeconds.map(JSONText.number) ?? .null),
            (
                "sinks",
                .array(
                    sinks.map { sink in
                        .object([
                            ("name", .string(sink.name)), ("type", .string(sink.type)),
                            ("position", .optional(sink.position?.lsn.description)),
                            ("lag_bytes", sink.position.map { .integer(Int64(clamping: lag($0.lsn))) } ?? .null),
                            ("trouble", .optional(sink.trouble)),
                        ])
                    })
            ),
            ("snapshot_in_progress", .bool(intent != nil)), ("refusal", .optional(refusal?.message)),
            ("healthy", .bool(isHealthy)),
        ])
    }
}
