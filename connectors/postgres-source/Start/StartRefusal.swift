import WeirCore

/// The errors of a start that would lose or repeat data: what happened, and the way out.
enum StartRefusal {
    /// How to begin anew, the last resort of most remedies.
    private static func anew(_ facts: StartPlan.Facts, dropSlot: Bool) -> String {
        let drop = dropSlot ? "drop the slot (\(dropping(facts))), " : ""
        return "\(drop)set `source.snapshot: always` for one run to copy the tables again"
    }

    private static func dropping(_ facts: StartPlan.Facts) -> String {
        "`weir slot drop FILE` with this configuration's file, or `weir slot drop URL --slot \(facts.slotName)`"
    }

    static func otherCluster(_ facts: StartPlan.Facts, stored: UInt64) -> WeirError {
        WeirError(
            .positionMismatch, stage: .source, "The stored position belongs to another PostgreSQL cluster",
            cause: "stored system identifier \(stored), this server's is \(facts.server.systemIdentifier)",
            advice: "Check `source.url`; for a new cluster use another pipeline name, or remove the old positions."
        ).at(position: facts.resume.position?.lsn)
    }

    static func slotMissing(_ facts: StartPlan.Facts) -> WeirError {
        WeirError(
            .slotMissing, stage: .source,
            "Replication slot \"\(facts.slotName)\" is gone although a position is stored",
            cause: "changes committed since that position may have been removed from the WAL",
            advice: "Find out who dropped it (a failover before PostgreSQL 17 loses slots); to go on, "
                + anew(facts, dropSlot: false) + "."
        ).at(position: facts.resume.position?.lsn)
    }

    /// A slot that this source may not use, whatever the positions say; nil for one that it may.
    static func foreignSlot(_ facts: StartPlan.Facts, _ slot: SlotFacts) -> WeirError? {
        foreignSlot(named: facts.slotName, slot, database: facts.server.database)
    }

    static func foreignSlot(named name: String, _ slot: SlotFacts, database: String) -> WeirError? {
        let cause: String
        if !slot.isLogical {
            cause = "it is a physical slot"
        } else if slot.plugin != "pgoutput" {
            cause = "its plugin is \(slot.plugin ?? "unknown"), pgoutput is needed"
        } else if let other = slot.database, other != database {
            cause = "it belongs to database \"\(other)\", this is \"\(database)\""
        } else if slot.isTemporary {
            cause = "it is a temporary slot of another session"
        } else {
            return nil
        }
        return WeirError(
            .slotMismatch, stage: .source, "Replication slot \"\(name)\" cannot be used", cause: cause,
            advice: "Choose another name in `source.slot`, or drop that slot if nobody needs it.")
    }

    static func slotBusy(_ facts: StartPlan.Facts, _ pid: Int32) -> WeirError {
        WeirError(
            .slotBusy, stage: .source, "Replication slot \"\(facts.slotName)\" is in use",
            cause: "server process \(pid) streams from it",
            advice: "Stop the other agent; one that died is noticed after the server's wal_sender_timeout.")
    }

    static func slotInvalidated(_ facts: StartPlan.Facts, _ slot: SlotFacts) -> WeirError {
        let reason = slot.invalidation ?? "its WAL exceeded max_slot_wal_keep_size"
        return WeirError(
            .slotInvalidated, stage: .source, "Replication slot \"\(facts.slotName)\" was invalidated by the server",
            cause: "\(reason); the changes since the stored position are lost to it",
            advice: "To go on, \(anew(facts, dropSlot: true)); give max_slot_wal_keep_size more room."
        ).at(position: facts.resume.position?.lsn)
    }

    static func slotIncomplete(_ facts: StartPlan.Facts) -> WeirError {
        WeirError(
            .slotMismatch, stage: .source, "Replication slot \"\(facts.slotName)\" was never completed",
            cause: "it has no confirmed position",
            advice: "Drop it (\(dropping(facts))); the next start creates it anew.")
    }

    static func publicationMissing(_ facts: StartPlan.Facts) -> WeirError {
        WeirError(
            .publicationMissing, stage: .source, "The publication is gone although its slot exists",
            cause: "a publication made now does not hold for changes between the slot's position and now",
            advice: "To go on, \(anew(facts, dropSlot: true)); the publication is created then."
        ).at(position: facts.slot?.confirmedLSN)
    }

    static func positionMissing(_ facts: StartPlan.Facts, _ slot: SlotFacts) -> WeirError {
        let without = facts.resume.sinksWithoutPosition.joined(separator: ", ")
        let others = facts.resume.sinksWithPosition
        let cause =
            others.isEmpty
            ? "no sink has a position: the state was lost, or the slot is another agent's"
            : "no position for \(without), although \(others.joined(separator: ", ")) has one"
        return WeirError(
            .positionMismatch, stage: .source,
            "Replication slot \"\(facts.slotName)\" exists, but it is not known how far its changes were delivered",
            cause: cause,
            advice: "Restore the state, or set `source.snapshot: never` to stream from the slot's position, or "
                + anew(facts, dropSlot: false) + "."
        ).at(position: slot.confirmedLSN)
    }

    static func positionBehind(_ facts: StartPlan.Facts, _ position: LSN, _ confirmed: LSN) -> WeirError {
        WeirError(
            .positionMismatch, stage: .source, "The stored position is older than what the slot still has",
            cause: "stored \(position), slot \"\(facts.slotName)\" was confirmed up to \(confirmed); "
                + "the server would skip what lies between without a word",
            advice: "Another consumer or pg_replication_slot_advance moved the slot, or an old state was restored; "
                + "to go on, \(anew(facts, dropSlot: false))."
        ).at(position: position)
    }

    static func positionAhead(_ facts: StartPlan.Facts, _ position: LSN) -> WeirError {
        WeirError(
            .positionMismatch, stage: .source, "The stored position lies beyond the end of the server's WAL",
            cause: "stored \(position), the server has written up to \(facts.server.walEnd): "
                + "a failover or a restored backup lost commits that were delivered",
            advice:
                "Compare source and targets, row by row where it matters; to go on, \(anew(facts, dropSlot: false))."
        ).at(position: position)
    }
}
