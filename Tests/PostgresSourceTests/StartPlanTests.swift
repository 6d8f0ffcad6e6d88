import Testing
import WeirCore

@testable import PostgresSource

@Suite struct StartPlanTests {
    private static let system: UInt64 = 7_301_000_000_000_000_001

    private func facts(
        _ mode: PostgresSourceSettings.Snapshot = .initial, slot: SlotFacts? = nil, position: UInt64? = nil,
        intent: SnapshotIntent? = nil
    ) -> StartPlan.Facts {
        let stored = position.map { StoredPosition(lsn: LSN($0), systemIdentifier: Self.system) }
        return StartPlan.Facts(
            server: ServerFacts(
                version: 150_018, systemIdentifier: Self.system, database: "shop", role: "weir", walEnd: LSN(5000)),
            slotName: "weir_shop", slot: slot,
            resume: ResumePoint(
                position: stored, sinksWithoutPosition: position == nil ? ["kafka"] : [],
                sinksWithPosition: position == nil ? [] : ["kafka"]),
            intent: intent, mode: mode, publicationExisted: slot != nil, hasBegunSnapshot: false)
    }

    private func slot(confirmed: UInt64? = 1000) -> SlotFacts {
        SlotFacts(name: "weir_shop", database: "shop", confirmedLSN: confirmed.map { LSN($0) })
    }

    private func intent(_ point: UInt64?) -> SnapshotIntent {
        SnapshotIntent(slot: "weir_shop", systemIdentifier: Self.system, consistentPoint: point.map { LSN($0) })
    }

    private func refusal(_ facts: StartPlan.Facts) -> WeirError? {
        guard case .refuse(let error) = StartPlan(facts).action else { return nil }
        return error
    }

    // MARK: - First starts

    @Test func theFirstStartTakesASnapshotUnlessToldNotTo() {
        #expect(StartPlan(facts(.initial)).action == .snapshot(dropFirst: false))
        #expect(StartPlan(facts(.always)).action == .snapshot(dropFirst: false))
        #expect(StartPlan(facts(.never)).action == .createSlot)
        #expect(StartPlan(facts(.only)).action == .copyOnly)
    }

    @Test func onlyNeedsNoSlotAndLeavesAnExistingOneAlone() {
        #expect(StartPlan(facts(.only, slot: slot(), position: 2000)).action == .copyOnly)
    }

    // MARK: - Restarts

    @Test func aStoredPositionAtOrPastTheSlotIsResumed() {
        // A clean restart of the server takes the slot's position back: being ahead of it is normal.
        #expect(StartPlan(facts(slot: slot(), position: 1000)).action == .stream(from: LSN(1000)))
        #expect(StartPlan(facts(slot: slot(), position: 3000)).action == .stream(from: LSN(3000)))
        #expect(StartPlan(facts(slot: slot(), position: 5000)).action == .stream(from: LSN(5000)))
    }

    @Test func aPositionBehindTheSlotIsRefused() {
        #expect(refusal(facts(slot: slot(), position: 999))?.code == .positionMismatch)
        #expect(refusal(facts(.never, slot: slot(), position: 999))?.code == .positionMismatch)
    }

    @Test func aPositionBeyondTheServersWALIsRefused() {
        let error = refusal(facts(slot: slot(), position: 5001))
        #expect(error?.code == .positionMismatch)
        #expect(error?.description.contains("failover") == true)
    }

    @Test func aPositionOfAnotherClusterIsRefused() {
        var wrong = facts(slot: slot(), position: 2000)
        wrong.resume.position?.systemIdentifier = 1
        #expect(refusal(wrong)?.code == .positionMismatch)
        // A position without a cluster (written by no PostgreSQL source) says nothing.
        wrong.resume.position?.systemIdentifier = 0
        #expect(StartPlan(wrong).action == .stream(from: LSN(2000)))
    }

    @Test func aMissingSlotWithAPositionIsRefused() {
        for mode in [PostgresSourceSettings.Snapshot.initial, .never] {
            #expect(refusal(facts(mode, position: 2000))?.code == .slotMissing)
        }
        var one = facts()
        one.resume.sinksWithPosition = ["postgres"]
        #expect(refusal(one)?.code == .slotMissing)
    }

    @Test func aSlotWithoutAPositionIsRefusedUnlessTheUserWantsNoSnapshot() {
        #expect(refusal(facts(slot: slot()))?.code == .positionMismatch)
        #expect(StartPlan(facts(.never, slot: slot())).action == .stream(from: LSN(1000)))
    }

    @Test func aNewSinkBesideAnOldOneIsNamed() {
        var one = facts(slot: slot())
        one.resume.sinksWithPosition = ["postgres"]
        #expect(refusal(one)?.description.contains("no position for kafka, although postgres has one") == true)
    }

    @Test func aSlotWithoutItsPublicationIsRefused() {
        var gone = facts(slot: slot(), position: 2000)
        gone.publicationExisted = false
        #expect(refusal(gone)?.code == .publicationMissing)
    }

    // MARK: - Slots that cannot be used

    @Test func foreignSlotsAreRefused() {
        var physical = slot()
        physical.plugin = nil
        var plugin = slot()
        plugin.plugin = "test_decoding"
        var database = slot()
        database.database = "other"
        var temporary = slot()
        temporary.isTemporary = true
        for foreign in [physical, plugin, database, temporary] {
            let error = refusal(facts(slot: foreign, position: 2000))
            #expect(error?.code == .slotMismatch)
            #expect(error?.disposition == .operator)
            // Not even an unfinished snapshot of ours makes it ours to drop.
            #expect(refusal(facts(slot: foreign, intent: intent(nil)))?.code == .slotMismatch)
            #expect(refusal(facts(.always, slot: foreign))?.code == .slotMismatch)
        }
    }

    @Test func aBusySlotIsTriedAgain() {
        var busy = slot()
        busy.activePID = 4711
        let error = refusal(facts(slot: busy, position: 2000))
        #expect(error?.code == .slotBusy)
        #expect(error?.disposition == .retry)
        #expect(error?.description.contains("4711") == true)
        #expect(refusal(facts(slot: busy, intent: intent(nil)))?.code == .slotBusy)
        #expect(refusal(facts(.always, slot: busy))?.code == .slotBusy)
    }

    @Test func anInvalidatedSlotIsRefused() {
        var lost = slot()
        lost.walStatus = "lost"
        #expect(refusal(facts(slot: lost, position: 2000))?.code == .slotInvalidated)
        var reason = slot()
        reason.invalidation = "idle_timeout"
        #expect(refusal(facts(slot: reason, position: 2000))?.description.contains("idle_timeout") == true)
        // Our own unfinished one is made anew all the same.
        #expect(StartPlan(facts(slot: lost, intent: intent(nil))).action == .snapshot(dropFirst: true))
    }

    @Test func aSlotThatWasNeverCompletedIsRefused() {
        #expect(refusal(facts(slot: slot(confirmed: nil), position: 2000))?.code == .slotMismatch)
    }

    // MARK: - Snapshots that were cut short

    @Test func anUnfinishedSnapshotIsTakenAnew() {
        #expect(StartPlan(facts(slot: slot(), intent: intent(nil))).action == .snapshot(dropFirst: true))
        #expect(StartPlan(facts(slot: slot(), intent: intent(1000))).action == .snapshot(dropFirst: true))
        #expect(StartPlan(facts(slot: nil, intent: intent(1000))).action == .snapshot(dropFirst: false))
        // With an older position, as under `always`.
        #expect(
            StartPlan(facts(slot: slot(), position: 500, intent: intent(1000))).action == .snapshot(dropFirst: true))
        #expect(StartPlan(facts(position: 500, intent: intent(1000))).action == .snapshot(dropFirst: false))
    }

    @Test func aFinishedSnapshotIsStreamedFrom() {
        let done = facts(slot: slot(), position: 1000, intent: intent(1000))
        #expect(StartPlan(done).action == .stream(from: LSN(1000)))
        #expect(refusal(facts(position: 1000, intent: intent(1000)))?.code == .slotMissing)
    }

    @Test func anIntentOfAnotherSlotOrClusterSaysNothing() {
        var other = intent(nil)
        other.slot = "another"
        #expect(refusal(facts(slot: slot(), intent: other))?.code == .positionMismatch)
        other = intent(nil)
        other.systemIdentifier = 1
        #expect(refusal(facts(slot: slot(), intent: other))?.code == .positionMismatch)
    }

    @Test func alwaysMeansOnceAProcess() {
        var again = facts(.always, slot: slot(), position: 2000)
        #expect(StartPlan(again).action == .snapshot(dropFirst: true))
        again.hasBegunSnapshot = true
        #expect(StartPlan(again).action == .stream(from: LSN(2000)))
        again.slot = nil
        #expect(refusal(again)?.code == .slotMissing)
    }

    @Test func everyRefusalHasACauseAndARemedy() {
        let refused = [
            facts(position: 1), facts(slot: slot()), facts(slot: slot(), position: 1),
            facts(slot: slot(), position: 9999),
        ]
        for facts in refused {
            let error = refusal(facts)
            #expect(error?.cause?.isEmpty == false)
            #expect(error?.advice?.isEmpty == false)
        }
    }
}
