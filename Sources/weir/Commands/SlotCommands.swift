import LibSQLite
import PostgresSink
import PostgresSource
import WeirCore

/// `weir slot list`: the server's slots and what they hold back.
enum SlotListCommand {
    static func run(_ command: ParsedCommand, _ console: Console) throws(WeirError) -> ExitCode? {
        guard let place = try SourcePlace.find(command, console) else { return nil }
        let slots = try SourceAdministration.slots(url: place.source.url)
        if command.has("json") {
            try console.print(JSONText.array(slots.map(SlotText.json)).text + "\n")
            return .done
        }
        guard !slots.isEmpty else {
            try console.print("no replication slots on this server\n")
            return .done
        }
        let rows =
            [["SLOT", "PLUGIN", "DATABASE", "STATE", "CONFIRMED", "LAG", "HOLDS", "WAL"]] + slots.map(SlotText.row)
        try console.print(TextTable.text(rows))
        return .done
    }
}

/// `weir slot drop`: a slot for good, and with the configuration's own also its positions.
enum SlotDropCommand {
    static func run(_ command: ParsedCommand, _ console: Console) throws(WeirError) -> ExitCode? {
        guard let place = try SourcePlace.find(command, console) else { return nil }
        let name = command.value("slot") ?? place.source.slot
        guard !name.isEmpty else {
            throw WeirError(
                .usage, stage: .command, "A URL names no slot", advice: "Name it with --slot, or name a configuration.")
        }
        guard let settings = place.settings, name == place.source.slot else {
            try SourceAdministration.dropSlot(name, url: place.source.url)
            try console.print("dropped slot \(name)\n")
            return .done
        }
        // First the lock of the state file: an agent that runs keeps both.
        let store = try StateStore.open(folder: settings.statePath, pipeline: settings.pipeline)
        do throws(WeirError) {
            try SourceAdministration.dropSlot(name, url: place.source.url)
            try console.print("dropped slot \(name)\n")
        } catch  where error.code == .slotMissing {
            try console.print("there is no slot \(name)\n")
        }
        if try SourceAdministration.dropPublication(place.source.publication, url: place.source.url) {
            try console.print("dropped publication \(place.source.publication)\n")
        }
        try store.setSnapshotIntent(nil)
        for stored in try store.positions() {
            try store.removePosition(sink: stored.sink)
            try console.print("forgot position \(stored.position.lsn) of sink \(stored.sink)\n")
        }
        for sink in settings.sinks {
            guard let target = sink.settings as? PostgresSinkSettings else { continue }
            let settings = ConnectorRegistry.target(target, pipeline: settings.pipeline)
            guard let position = try TargetAdministration.forgetPosition(settings) else { continue }
            try console.print("forgot position \(position.lsn) of sink \(sink.name)\n")
        }
        return .done
    }
}

/// How a slot reads.
enum SlotText {
    static func row(_ slot: SlotStatus) -> [String] {
        [
            slot.name, slot.plugin ?? "physical", slot.database ?? "-", state(slot),
            slot.confirmedLSN?.description ?? "-",
            slot.confirmedLSN == nil ? "-" : ByteText.text(slot.lagBytes), ByteText.text(slot.retainedBytes),
            slot.walStatus ?? "-",
        ]
    }

    static func state(_ slot: SlotStatus) -> String {
        if let reason = slot.invalidation { return "invalid (\(reason))" }
        if slot.walStatus == "lost" { return "lost" }
        if let pid = slot.activePID { return "active (PID \(pid))" }
        return slot.isTemporary ? "temporary" : "free"
    }

    static func json(_ slot: SlotStatus) -> JSONText {
        .object([
            ("name", .string(slot.name)), ("plugin", .optional(slot.plugin)), ("database", .optional(slot.database)),
            ("temporary", .bool(slot.isTemporary)),
            ("active_pid", slot.activePID.map { .integer(Int64($0)) } ?? .null),
            ("wal_status", .optional(slot.walStatus)), ("invalidation", .optional(slot.invalidation)),
            ("restart_lsn", .optional(slot.restartLSN?.description)),
            ("confirmed_lsn", .optional(slot.confirmedLSN?.description)),
            ("retained_bytes", .integer(Int64(clamping: slot.retainedBytes))),
            ("lag_bytes", slot.confirmedLSN == nil ? .null : .integer(Int64(clamping: slot.lagBytes))),
            ("safe_bytes", slot.safeBytes.map { .integer($0) } ?? .null),
        ])
    }
}

/// Sizes for people.
enum ByteText {
    /// `512 B`, `1.5 MiB`
    static func text(_ bytes: UInt64) -> String {
        guard bytes >= 1024 else { return "\(bytes) B" }
        var value = Double(bytes)
        var unit = "B"
        for next in ["KiB", "MiB", "GiB", "TiB"] where value >= 1024 {
            value /= 1024
            unit = next
        }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(unit)"
    }
}

/// Columns of text.
enum TextTable {
    /// The rows with two spaces between columns, each line ended.
    static func text(_ rows: [[String]]) -> String {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += cell
                if column + 1 < row.count { line += String(repeating: " ", count: widths[column] - cell.count + 2) }
            }
            return line + "\n"
        }.joined()
    }
}
