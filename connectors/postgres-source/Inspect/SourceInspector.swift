import LibPQ
public import WeirCore

/// Looks at everything a source needs before it runs, for `weir check`. Changes nothing.
public enum SourceInspector {
    /// Names in one finding at most; the rest is counted.
    static let namesMax = 10

    /// All findings, in the order of the start. Connects as the source would, the replication connection included.
    public static func inspect(_ settings: PostgresSourceSettings) -> [Finding] {
        let connectionSettings = ConnectionSettings(
            settings.url, applicationName: "weir check", answerTimeout: PostgresSource.answerTimeout)
        var findings: [Finding] = []
        do throws(WeirError) {
            let selection = try settings.tableSelection()
            let connection = try SourceErrors.mapping { () throws(PGError) in try PGConnection(connectionSettings) }
            let facts = try SourceErrors.mapping { () throws(PGError) in try Prerequisites.load(on: connection) }
            findings += server(facts, settings)
            if settings.snapshot != .only {
                findings.append(replication(connectionSettings, facts))
                findings += try slot(settings, facts, on: connection)
                findings += try trigger(settings, on: connection)
            }
            findings += try PublicationInspector.inspect(settings, selection, on: connection)
        } catch {
            findings.append(Finding(error, subject: error.code == .configurationInvalid ? "source" : "source server"))
        }
        return findings
    }

    // MARK: - Server

    private static func server(_ facts: Prerequisites, _ settings: PostgresSourceSettings) -> [Finding] {
        var findings: [Finding] = []
        if let error = facts.firstObstacle(snapshotOnly: settings.snapshot == .only) {
            findings.append(Finding(error, subject: "source server"))
        } else {
            findings.append(
                Finding(
                    .ok, "source server",
                    "PostgreSQL \(facts.server.version / 10000), database \"\(facts.server.database)\", "
                        + "role \"\(facts.server.role)\""
                ))
        }
        if facts.encoding == "SQL_ASCII" {
            findings.append(
                Finding(
                    .warning, "source encoding", "The database's encoding is SQL_ASCII: its text may not be UTF-8",
                    remedy: "Texts are carried byte for byte; consumers that insist on UTF-8 may refuse them."))
        }
        return findings
    }

    private static func replication(_ settings: ConnectionSettings, _ facts: Prerequisites) -> Finding {
        do throws(PGError) {
            let session = try ReplicationSession(settings)
            _ = try session.identifySystem()
            return Finding(.ok, "source replication", "The role \"\(facts.server.role)\" may replicate")
        } catch {
            return Finding(SourceErrors.connectingForReplication(error), subject: "source replication")
        }
    }

    private static func trigger(
        _ settings: PostgresSourceSettings, on connection: borrowing PGConnection
    ) throws(WeirError) -> [Finding] {
        let subject = "source event trigger"
        let status = try SourceErrors.mapping { () throws(PGError) in
            try DefinitionTrigger.status(on: connection)
        }
        guard settings.ddl == .trigger else {
            guard status != .missing else { return [] }
            return [
                Finding(
                    .warning, subject, "It is installed, and `source.ddl` is inferred: its messages are left unread",
                    remedy: "Set source.ddl to trigger; or a superuser removes it: "
                        + DefinitionTrigger.removal.joined(separator: " "))
            ]
        }
        switch status {
        case .installed(let key) where key.isOutdated:
            return [
                Finding(
                    .warning, subject, "It is of an older version of Weir, and tells a little less",
                    remedy: "A superuser runs once the statements below; a run as superuser does so by itself.")
            ]
        case .installed(let key) where key.since == nil:
            return [
                Finding(
                    .warning, subject,
                    "It was switched off or made anew: what it told before is not trusted over a restart",
                    remedy: "A superuser runs once the statements below; a run as superuser does so by itself.")
            ]
        case .installed: return [Finding(.ok, subject, "It is installed")]
        case .keyUnreadable, .missing:
            return [
                Finding(
                    .error, subject, status == .missing ? "It is not installed" : "The role may not read its key",
                    remedy: "A superuser runs once the statements below; a run as superuser installs it by itself.")
            ]
        }
    }

    // MARK: - Slot

    private static func slot(
        _ settings: PostgresSourceSettings, _ facts: Prerequisites, on connection: borrowing PGConnection
    ) throws(WeirError) -> [Finding] {
        let subject = "source slot \(settings.slot)"
        let slot = try SourceErrors.mapping { () throws(PGError) in try SlotFacts.load(settings.slot, on: connection) }
        guard let slot else {
            guard facts.slots < facts.slotsMax else {
                return [
                    Finding(
                        .error, subject, "It cannot be created: all \(facts.slotsMax) replication slots are in use",
                        remedy: "Raise max_replication_slots and restart the server, or drop unused slots.")
                ]
            }
            return [Finding(.ok, subject, "It does not exist yet and is created at the first start")]
        }
        if let error = StartRefusal.foreignSlot(named: settings.slot, slot, database: facts.server.database) {
            return [Finding(error, subject: subject)]
        }
        if slot.isInvalidated {
            return [
                Finding(
                    .error, subject, "The server invalidated it: \(slot.invalidation ?? "its WAL was removed")",
                    remedy: "Drop it and set `source.snapshot: always` for one run to copy the tables again.")
            ]
        }
        let status = SlotStatus(slot, walEnd: facts.server.walEnd)
        var findings = [
            Finding(
                .ok, subject,
                "Confirmed up to \(slot.confirmedLSN?.description ?? "nothing"), "
                    + "\(status.lagBytes) bytes behind the server"
            )
        ]
        if let pid = slot.activePID {
            findings.append(
                Finding(.warning, subject, "Process \(pid) streams from it: another agent cannot start meanwhile"))
        }
        if let wal = slot.walStatus, wal == "unreserved" || wal == "extended" {
            let left = slot.safeBytes.map { ", \($0) bytes are left" } ?? ""
            findings.append(
                Finding(
                    .warning, subject, "It holds back \(status.retainedBytes) bytes of WAL (\(wal)\(left))",
                    remedy: "Start the agent, or the server may invalidate the slot (max_slot_wal_keep_size)."))
        }
        return findings
    }

    /// A list of names that stays readable.
    static func names(_ tables: [TableName]) -> String {
        let shown = tables.prefix(namesMax).map(\.description).joined(separator: ", ")
        return tables.count > namesMax ? "\(shown) and \(tables.count - namesMax) more" : shown
    }
}
