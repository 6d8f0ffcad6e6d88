import WeirCore

/// A stored offset of Debezium's PostgreSQL connector, and where Weir goes on from it.
///
/// Source: Debezium's `PostgresOffsetContext` (what is stored) and `WalPositionLocator` (what a restart leaves out).
struct DebeziumOffset: Equatable {
    /// Why an offset cannot be taken over.
    struct Refusal: Error, Equatable {
        let reason: String
        let remedy: String
    }

    /// Everything that commits before this was delivered.
    let position: LSN
    /// The transaction that Debezium was in the middle of.
    let partial: PartialTransaction?
    /// What the operator should know.
    let warnings: [String]

    /// The position to store.
    var stored: StoredPosition { StoredPosition(lsn: position, systemIdentifier: 0, token: partial?.token) }

    /// Reads the stored fields.
    init(_ offset: JSONValue) throws(Refusal) {
        func lsn(_ name: String) -> LSN? { offset[name]?.integer.map { LSN(UInt64(bitPattern: $0)) } }
        guard let last = lsn("lsn") else {
            throw Refusal(
                reason: "it has no \"lsn\"",
                remedy: "Is it the offset of a PostgreSQL connector? Take the newest one of the connector.")
        }
        try Self.requireSnapshot(offset)
        var warnings: [String] = []
        let isStreaming = offset["messageType"]?.string != nil
        // After a snapshot there is no commit yet; what commits behind it is still to come.
        let commit = lsn("lsn_commit")
        position = commit ?? lsn("lsn_proc") ?? last
        partial = isStreaming ? try Self.partial(offset, last, commit) : nil
        if partial != nil {
            warnings.append(
                "Debezium counts changes by their position in the log: had it stopped between the rows of one COPY or "
                    + "multi-row INSERT, it would have gone on behind them, and so does Weir.")
        }
        if let name = Self.members(offset).first(where: { $0.hasPrefix("incremental_snapshot_") }),
            offset["incremental_snapshot_collections"]?.text != nil
        {
            warnings.append(
                "An incremental snapshot was in progress (\(name)); what it had not read yet comes only with "
                    + "`weir backfill --table ...`.")
        }
        self.warnings = warnings
    }

    private static func members(_ offset: JSONValue) -> [String] {
        guard case .object(let members) = offset else { return [] }
        return members.map(\.name)
    }

    /// A snapshot that did not get to its end is taken anew by Debezium too.
    private static func requireSnapshot(_ offset: JSONValue) throws(Refusal) {
        guard let snapshot = offset["snapshot"], snapshot != .null, snapshot != .bool(false) else { return }
        let isComplete =
            offset["snapshot_completed"] == .bool(true) || offset["last_snapshot_record"] == .bool(true)
        guard !isComplete else { return }
        throw Refusal(
            reason: "Debezium was in the middle of a snapshot, which it would take anew",
            remedy: "Let Debezium finish it, or drop the slot and let Weir take its own snapshot.")
    }

    /// The transaction at hand: the offset of one of its events stands before its commit.
    private static func partial(
        _ offset: JSONValue, _ last: LSN, _ commit: LSN?
    ) throws(Refusal) -> PartialTransaction? {
        let processed = offset["lsn_proc"]?.integer.map { LSN(UInt64(bitPattern: $0)) }
        var end = last
        switch offset["messageType"]?.string {
        case "INSERT", "UPDATE", "DELETE": break
        // One outside of transactions is a commit by itself; its position is its end.
        case "MESSAGE": if commit == last { return nil }
        case "TRUNCATE":
            // Of several tables of one statement, some may be to come.
            if processed != last { end = LSN(last.rawValue &- 1) }
        default: return nil
        }
        guard let xid = offset["txId"]?.integer, let xid = UInt32(exactly: xid) else {
            throw Refusal(
                reason: "it stands in the middle of a transaction and has no \"txId\"",
                remedy: "Let Debezium store a newer offset: one more change is enough.")
        }
        return PartialTransaction(xid: xid, lsn: end)
    }
}

/// Stored offsets of connectors: Kafka Connect's file, or records of its offsets topic as text.
struct DebeziumOffsetFile {
    /// Why a file holds no offsets.
    struct Failure: Error, Equatable {
        let reason: String
    }

    /// One connector's offset.
    struct Entry: Equatable {
        let connector: String?
        let server: String
        let offset: JSONValue
    }

    /// The last offset of each connector and server.
    private(set) var entries: [Entry] = []

    /// Reads a file of any of the forms.
    init(_ bytes: [UInt8]) throws(Failure) {
        if JavaMap.isSerialized(bytes) {
            let map: JavaMap
            do throws(JavaMap.Failure) {
                map = try JavaMap(bytes)
            } catch {
                throw Failure(reason: error.reason)
            }
            for entry in map.entries {
                let value = try entry.value.map { value throws(Failure) in try Self.json(value) }
                take(try Self.json(entry.key), value ?? .null)
            }
        } else {
            try readText(bytes)
        }
    }

    private static func json(_ bytes: [UInt8]) throws(Failure) -> JSONValue {
        do throws(JSONFailure) {
            return try JSONValue(bytes)
        } catch {
            throw Failure(reason: "an offset in it is no JSON: \(error.reason)")
        }
    }

    /// Keys and values one behind the other on their lines: `key TAB value`, or a line each; or whole objects with
    /// `key` and `value`, or what Connect's REST interface answers to `GET /connectors/NAME/offsets`.
    private mutating func readText(_ bytes: [UInt8]) throws(Failure) {
        if let whole = try? JSONValue(bytes), case .object = whole {
            guard takeObject(whole) else { throw Failure(reason: "it holds no offsets") }
            return
        }
        var key: JSONValue?
        for line in bytes.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
            for part in line.split(separator: 0x09) {
                let value = try Self.json(Array(part))
                if let pending = key {
                    take(pending, value)
                    key = nil
                } else if case .array = value {
                    key = value
                } else if !takeObject(value) {
                    throw Failure(reason: "a line is neither a key nor an offset")
                }
            }
        }
        guard key == nil else { throw Failure(reason: "its last key has no offset") }
    }

    private mutating func takeObject(_ object: JSONValue) -> Bool {
        if case .array(let list)? = object["offsets"] {
            for item in list {
                take(.array([.null, item["partition"] ?? .null]), item["offset"] ?? .null)
            }
            return true
        }
        guard let key = object["key"], let value = object["value"] else { return false }
        func inner(_ value: JSONValue) -> JSONValue {
            guard let text = value.string, let parsed = try? JSONValue(Array(text.utf8)) else { return value }
            return parsed
        }
        take(inner(key), inner(value))
        return true
    }

    private mutating func take(_ key: JSONValue, _ value: JSONValue) {
        guard case .array(let parts) = key, parts.count == 2, let server = parts[1]["server"]?.string else { return }
        let connector = parts[0].string
        entries.removeAll { $0.server == server && $0.connector == connector }
        if case .object = value { entries.append(Entry(connector: connector, server: server, offset: value)) }
    }
}
