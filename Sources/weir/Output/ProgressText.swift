import WeirCore

/// How progress reads: pure functions of counts and time.
enum ProgressText {
    private static let barWidth = 20

    /// The line at the bottom of a terminal, at most 79 columns.
    static func line(_ now: PipelineStatistics, rate: Double) -> String {
        let text =
            if let snapshot = now.snapshot {
                copying(snapshot, rate: rate)
            } else if now.isStreaming {
                "streaming  \(grouped(now.rowsIn)) rows  \(grouped(UInt64(max(0, rate)))) rows/s  "
                    + "received \(now.received)  confirmed \(now.confirmed)"
            } else if now.failures > 0 {
                "trying again after \(now.failures) failure\(now.failures == 1 ? "" : "s")"
            } else {
                "starting"
            }
        return String(text.prefix(79))
    }

    private static func copying(_ snapshot: SnapshotProgress, rate: Double) -> String {
        let tables = "\(snapshot.tablesDone)/\(snapshot.tables) tables"
        let speed = "\(grouped(snapshot.rows)) rows  \(grouped(UInt64(max(0, rate)))) rows/s"
        guard let fraction = fraction(snapshot) else { return "copying  \(tables)  \(speed)" }
        let filled = Int(fraction * Double(barWidth))
        let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: barWidth - filled)
        let left = remaining(snapshot, rate: rate).map { "  \($0) left" } ?? ""
        return "[\(bar)] \(Int(fraction * 100))%  \(tables)  \(speed)\(left)"
    }

    /// How much of a snapshot is done, by rows against the planner's estimate; nil when that says nothing. An
    /// estimate that was too low never shows as done.
    static func fraction(_ snapshot: SnapshotProgress) -> Double? {
        guard snapshot.tablesDone < snapshot.tables else { return 1 }
        guard snapshot.rowsEstimated > 0 else { return nil }
        return min(0.99, Double(snapshot.rows) / Double(snapshot.rowsEstimated))
    }

    /// The time that is left at this rate, in the two largest units; nil when nobody knows.
    static func remaining(_ snapshot: SnapshotProgress, rate: Double) -> String? {
        guard rate >= 1, snapshot.rowsEstimated > snapshot.rows else { return nil }
        let seconds = Double(snapshot.rowsEstimated - snapshot.rows) / rate
        guard seconds < 8_640_000 else { return nil }
        return elapsed(.seconds(Int64(seconds.rounded(.up))))
    }

    /// A duration for people: `850ms`, `12s`, `3m20s`, `2h05m`.
    static func elapsed(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        switch seconds {
        case ..<1: return "\(attoseconds / 1_000_000_000_000_000)ms"
        case ..<60: return "\(seconds)s"
        case ..<3600: return "\(seconds / 60)m\(padded(seconds % 60))s"
        default: return "\(seconds / 3600)h\(padded(seconds / 60 % 60))m"
        }
    }

    /// `1,234,567`
    static func grouped(_ number: UInt64) -> String {
        let digits = String(number)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return text
    }

    private static func padded(_ number: Int64) -> String {
        number < 10 ? "0\(number)" : "\(number)"
    }
}
