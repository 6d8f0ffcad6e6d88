import WeirCore

/// Decides how a source starts: a pure function of what the server, the sinks and the state file say.
///
/// The rule behind every branch: a gap is never skipped silently. Where the positions do not fit together the plan is
/// to refuse, with what happened and what the operator can do.
struct StartPlan: Equatable {
    /// Everything the decision rests on.
    struct Facts {
        /// The server.
        var server: ServerFacts
        /// Name of the configured slot.
        var slotName: String
        /// The slot, nil when there is none.
        var slot: SlotFacts?
        /// Where the sinks are.
        var resume: ResumePoint
        /// The snapshot that was begun and not marked as finished.
        var intent: SnapshotIntent?
        /// The configured mode.
        var mode: PostgresSourceSettings.Snapshot
        /// The publication existed before this start.
        var publicationExisted: Bool
        /// This process has begun its snapshot already: `always` means once a process, not once a reconnect.
        var hasBegunSnapshot: Bool
    }

    /// What to do.
    enum Action: Equatable {
        /// Create the slot, copy the tables in its snapshot, then stream. `dropFirst`: the slot exists and is our own
        /// unfinished one.
        case snapshot(dropFirst: Bool)
        /// Create the slot and stream from its consistent point.
        case createSlot
        /// Stream from a position.
        case stream(from: LSN)
        /// Copy the tables and end.
        case copyOnly
        /// Do not start.
        case refuse(WeirError)

        var isRefusal: Bool {
            if case .refuse = self { true } else { false }
        }
    }

    /// What to do.
    let action: Action

    /// Decides.
    init(_ facts: Facts) {
        if facts.mode == .only {
            action = .copyOnly
        } else if let error = Self.clusterMismatch(facts) {
            action = .refuse(error)
        } else if let slot = facts.slot {
            action = Self.action(facts, slot)
        } else {
            action = Self.actionWithoutSlot(facts)
        }
    }

    // MARK: - No slot

    private static func actionWithoutSlot(_ facts: Facts) -> Action {
        let mayCopy = facts.mode == .initial || facts.mode == .always
        if mayCopy, isUnfinished(facts) || facts.mode == .always && !facts.hasBegunSnapshot {
            return .snapshot(dropFirst: false)
        }
        if facts.resume.position != nil || !facts.resume.sinksWithPosition.isEmpty {
            return .refuse(StartRefusal.slotMissing(facts))
        }
        return mayCopy ? .snapshot(dropFirst: false) : .createSlot
    }

    // MARK: - A slot

    private static func action(_ facts: Facts, _ slot: SlotFacts) -> Action {
        if let error = StartRefusal.foreignSlot(facts, slot) { return .refuse(error) }
        if let pid = slot.activePID { return .refuse(StartRefusal.slotBusy(facts, pid)) }
        switch facts.mode {
        case .always where !facts.hasBegunSnapshot: return .snapshot(dropFirst: true)
        case .initial, .always: if isUnfinished(facts) { return .snapshot(dropFirst: true) }
        case .never, .only: break
        }
        if slot.isInvalidated { return .refuse(StartRefusal.slotInvalidated(facts, slot)) }
        guard facts.publicationExisted else { return .refuse(StartRefusal.publicationMissing(facts)) }
        guard let confirmed = slot.confirmedLSN else { return .refuse(StartRefusal.slotIncomplete(facts)) }
        guard let position = facts.resume.position?.lsn else {
            return facts.mode == .never ? .stream(from: confirmed) : .refuse(StartRefusal.positionMissing(facts, slot))
        }
        if position < confirmed { return .refuse(StartRefusal.positionBehind(facts, position, confirmed)) }
        if position > facts.server.walEnd { return .refuse(StartRefusal.positionAhead(facts, position)) }
        return .stream(from: position)
    }

    /// Whether a snapshot of this slot was begun and its end did not reach every sink.
    private static func isUnfinished(_ facts: Facts) -> Bool {
        guard let intent = facts.intent, intent.slot == facts.slotName,
            intent.systemIdentifier == facts.server.systemIdentifier
        else { return false }
        guard let point = intent.consistentPoint, let position = facts.resume.position else { return true }
        return position.lsn < point
    }

    private static func clusterMismatch(_ facts: Facts) -> WeirError? {
        guard let stored = facts.resume.position?.systemIdentifier, stored != 0,
            stored != facts.server.systemIdentifier
        else { return nil }
        return StartRefusal.otherCluster(facts, stored: stored)
    }
}
