import Testing
import WeirTestKit

@testable import WeirCore

/// What a pipeline does when something fails: nothing lost, nothing overtaken, nothing confirmed that is not durable.
@Suite(.serialized, .timeLimit(.minutes(1))) struct PipelineRecoveryTests {
    // MARK: - Passing trouble

    @Test(arguments: [MemoryTarget.Keeping.own, .elsewhere])
    func aLostSourceIsOpenedAgain(keeping: MemoryTarget.Keeping) throws {
        let rig = PipelineRig([MemoryTarget("a", keeping: keeping)])
        rig.log.failStream(afterBatches: 3, .lost)
        rig.log.failStream(afterBatches: 5, .lost)
        rig.log.failOpen(.lost)
        rig.append(1...10)
        rig.log.end()
        let pipeline = rig.pipeline()
        #expect(try pipeline.start().value() == nil)
        #expect(rig.target.firstArrivals == rig.lines(1...10))
        if keeping == .own { #expect(rig.target.lines == rig.lines(1...10)) }
        #expect(rig.log.resumePoints.count == 4)
        #expect(rig.log.closed == 4 && rig.target.closed == 4)
        #expect(rig.log.confirmations.last == rig.end(10))
    }

    @Test(arguments: [FaultPoint.make, .open, .begin, .write, .written], [MemoryTarget.Keeping.own, .elsewhere])
    func aLostSinkIsOpenedAgain(point: FaultPoint, keeping: MemoryTarget.Keeping) throws {
        let rig = PipelineRig([MemoryTarget("a", keeping: keeping), MemoryTarget("b")])
        let passes = point == .write || point == .written ? 4 : 0
        rig.plan.fail(point, after: passes, .lost)
        rig.plan.fail(point, after: passes, .lost)
        rig.append(1...10)
        rig.log.end()
        #expect(try rig.pipeline().start().value() == nil)
        #expect(rig.plan.isSpent)
        for target in rig.targets { #expect(target.firstArrivals == rig.lines(1...10)) }
        #expect(rig.targets[1].lines == rig.lines(1...10), "the other sink applies nothing twice")
        #expect(rig.log.confirmations.last == rig.end(10))
        #expect(rig.log.confirmations == rig.log.confirmations.sorted())
    }

    @Test func aFailureLetsTheOtherSinkFinishWhatItTook() throws {
        let rig = PipelineRig([MemoryTarget("a"), MemoryTarget("b")])
        rig.targets[1].hold()
        rig.plan.fail(.write, after: 3, .refused)
        rig.append(1...3)
        let run = rig.pipeline().start()
        #expect(rig.targets[0].waitForRows(3) && rig.targets[1].waitForWritten(3))
        rig.append(4...10)
        #expect(eventually { rig.targets[0].closed == 1 })
        #expect(!run.isDone && rig.targets[1].closed == 0)
        rig.targets[1].release()
        #expect(try run.value() == .refused)
        #expect(rig.targets[0].lines == rig.lines(1...3))
        #expect(rig.targets[1].lines.prefix(3) == rig.lines(1...3)[...])
        #expect(rig.targets[1].flushed == 1)
    }

    @Test func sinksThatStandApartResumeAtTheLowest() throws {
        var rig = PipelineRig([MemoryTarget("a"), MemoryTarget("b")])
        rig.settings.drainLimit = .milliseconds(20)
        rig.append(1...3)
        rig.targets[1].hold()
        rig.plan.fail(.write, after: 3, .refused)
        let first = rig.pipeline().start()
        #expect(rig.targets[0].waitForRows(3) && rig.targets[1].waitForWritten(3))
        rig.targets[1].release(count: 1)
        #expect(rig.log.waitForConfirmed(rig.end(1)))
        rig.append(4...4)
        #expect(try first.value() == .refused, "the cause, not the drain that came of it")
        rig.targets[1].release()
        rig.log.end()
        #expect(try rig.pipeline().start().value() == nil)
        #expect(rig.log.resumePoints.last?.position?.lsn == rig.end(1))
        for target in rig.targets { #expect(target.lines == rig.lines(1...4)) }
    }

    /// One batch holds six transactions; the first sink has a part of them since its last life, the second has none.
    @Test(arguments: 1...6) func aSinkThatIsAheadGetsOnlyWhatItLacks(applied: Int) throws {
        let rig = PipelineRig([MemoryTarget("a", keeping: .elsewhere), MemoryTarget("b", keeping: .elsewhere)])
        try rig.store.save(StoredPosition(lsn: rig.end(applied), systemIdentifier: 1), sink: "a")
        try rig.store.save(StoredPosition(lsn: LSN(1), systemIdentifier: 1), sink: "b")
        var batch = TestBatch()
        for number in 1...6 {
            batch.begin(UInt64(number) * 16)
            batch.insert(rig.table, [.text("\(number)")])
            batch.commit()
        }
        rig.log.append([batch.seal()])
        rig.append(7...8)
        rig.log.end()
        #expect(try rig.pipeline().start().value() == nil)
        #expect(rig.targets[0].lines == rig.lines(applied + 1...8))
        #expect(rig.targets[0].identities.map(\.commit) == (applied + 1...8).map { LSN(UInt64($0) * 16) })
        #expect(rig.targets[1].lines == rig.lines(1...8))
        #expect(try rig.store.position(sink: "a")?.lsn == rig.end(8))
    }

    @Test func theConfirmedPositionNeverGoesBack() throws {
        let targets = [MemoryTarget("a"), MemoryTarget("b")]
        targets[0].setPosition(StoredPosition(lsn: LSN(10 * 16 + 8), systemIdentifier: 1))
        targets[1].setPosition(StoredPosition(lsn: LSN(1 * 16 + 8), systemIdentifier: 1))
        let rig = PipelineRig(targets)
        rig.append(1...12)
        rig.targets[0].hold()
        let pipeline = rig.pipeline()
        let run = pipeline.start()
        #expect(targets[1].waitForRows(11) && targets[0].waitForWritten(11))
        #expect(rig.log.waitForConfirmed(rig.end(10)), "the first sink has them since its last life")
        targets[0].release(count: 2)
        #expect(rig.log.waitForHeartbeatsOrLooks())
        #expect(pipeline.statistics.confirmed == rig.end(10))
        targets[0].release()
        #expect(rig.log.waitForConfirmed(rig.end(12)))
        #expect(rig.log.confirmations == rig.log.confirmations.sorted())
        pipeline.requestStop()
        #expect(try run.value() == nil)
        #expect(targets[0].lines == rig.lines(11...12))
        #expect(targets[1].lines == rig.lines(2...12))
    }

    // MARK: - Trouble that needs a person

    @Test func aRefusedRowStopsThePipelineThere() throws {
        let rig = PipelineRig()
        rig.plan.fail(.write, after: 4, .refused)
        rig.append(1...10)
        rig.log.end()
        #expect(try rig.pipeline().start().value() == .refused)
        #expect(rig.target.lines == rig.lines(1...4))
        #expect((rig.log.confirmations.last ?? .zero) <= rig.end(4))
        #expect(try rig.pipeline().start().value() == nil)
        #expect(rig.target.lines == rig.lines(1...10))
    }

    @Test func aTransformsErrorStopsThePipelineThere() throws {
        let rig = PipelineRig()
        let condition = ColumnCondition(column: "id", test: .below("5"))
        let odd = TestBatch.inserts(Relation.test("t", ["other": .int4]), ["1"], commit: 64)
        rig.log.append((1...3).map(rig.batch) + [odd])
        let error = try rig.pipeline([.filter(FilterSettings(conditions: [condition]))]).start().value()
        #expect(error?.code == .tableUnusable)
        #expect(rig.target.lines == rig.lines(1...3), "what was sent before it is made durable")
        #expect(rig.target.position?.lsn == rig.end(3))
    }

    /// The refused row is in transaction `bad` of one batch that holds six.
    @Test(arguments: 1...6) func transactionsInFrontOfARefusedRowArrive(bad: Int) throws {
        let rig = PipelineRig()
        let odd = Relation.test("t", ["other": .int4])
        var batch = TestBatch()
        for number in 1...6 {
            batch.begin(UInt64(number) * 16)
            batch.insert(rig.table, [.text("\(number)")])
            if number == bad { batch.insert(odd, ["0"]) }
            batch.commit()
        }
        rig.log.append([batch.seal()])
        let condition = ColumnCondition(column: "id", test: .below("100"))
        let pipeline = rig.pipeline([.filter(FilterSettings(conditions: [condition]))])
        #expect(try pipeline.start().value()?.code == .tableUnusable)
        #expect(rig.target.lines == Array(rig.lines(1...6).prefix(bad - 1)))
        #expect(rig.target.position?.lsn == (bad == 1 ? nil : rig.end(bad - 1)))
        #expect(pipeline.statistics.rowsIn == UInt64(bad - 1))
    }

    @Test func positionsOfTwoClustersAreRefused() throws {
        let targets = [MemoryTarget("a"), MemoryTarget("b")]
        for (index, target) in targets.enumerated() {
            target.setPosition(StoredPosition(lsn: LSN(24), systemIdentifier: UInt64(index + 1)))
        }
        let rig = PipelineRig(targets)
        #expect(try rig.pipeline().start().value()?.code == .positionMismatch)
        #expect(rig.log.resumePoints.isEmpty)
    }

    // MARK: - The store

    @Test func nothingIsConfirmedThatCouldNotBeSaved() throws {
        let rig = PipelineRig([MemoryTarget("a", keeping: .elsewhere)])
        rig.append(1...3)
        let run = rig.pipeline().start()
        #expect(rig.log.waitForConfirmed(rig.end(3)))
        rig.store.failSaves(true)
        rig.append(4...6)
        #expect(try run.value()?.code == .stateUnusable)
        #expect(rig.log.confirmations.last == rig.end(3))
        #expect(rig.target.lines.prefix(3) == rig.lines(1...3)[...])
        rig.store.failSaves(false)
        rig.log.end()
        #expect(try rig.pipeline().start().value() == nil)
        #expect(rig.log.resumePoints.last?.position?.lsn == rig.end(3))
        #expect(rig.target.firstArrivals == rig.lines(1...6))
        #expect(rig.log.confirmations.last == rig.end(6))
    }

    @Test func aStoreIsNotAskedForSinksThatKeepTheirPosition() throws {
        let rig = PipelineRig([MemoryTarget("a", keeping: .own)])
        rig.store.failSaves(true)
        rig.append(1...3)
        rig.log.end()
        #expect(try rig.pipeline().start().value() == nil)
        #expect(rig.store.saves.isEmpty)
    }

    // MARK: - Giving up and going on

    @Test func aStartThatNeverSucceedsGivesUp() throws {
        var rig = PipelineRig()
        rig.settings.retry.startupLimit = .milliseconds(20)
        for _ in 0..<1000 { rig.log.failOpen(.lost) }
        #expect(try rig.pipeline().start().value() == .lost)
        #expect(rig.log.resumePoints.count > 1)
    }

    @Test func anOutageIsSurvivedPastTheLimitOfStarts() throws {
        var rig = PipelineRig()
        rig.settings.retry.startupLimit = .zero
        rig.append(1...2)
        let run = rig.pipeline().start()
        #expect(rig.target.waitForRows(2))
        rig.log.failOpen(.lost)
        rig.log.failStream(afterBatches: 2, .lost)
        rig.append(3...5)
        rig.log.end()
        #expect(try run.value() == nil)
        #expect(rig.log.resumePoints.count == 3)
        #expect(rig.target.lines == rig.lines(1...5))
    }

    @Test func anOutageMayHaveALimit() throws {
        var rig = PipelineRig()
        rig.settings.retry.outageLimit = .milliseconds(20)
        rig.append(1...2)
        let run = rig.pipeline().start()
        #expect(rig.target.waitForRows(2))
        for _ in 0..<1000 { rig.log.failOpen(.lost) }
        rig.log.failStream(afterBatches: 0, .lost)
        #expect(try run.value() == .lost)
    }

    @Test func aStopEndsTheWaitForAnotherAttempt() throws {
        var rig = PipelineRig()
        rig.settings.retry.delayMin = .seconds(3600)
        rig.settings.retry.delayMax = .seconds(3600)
        rig.log.failOpen(.lost)
        let pipeline = rig.pipeline()
        let run = pipeline.start()
        #expect(eventually { pipeline.statistics.failures == 1 })
        pipeline.requestStop()
        #expect(try run.value() == nil)
    }

    @Test func countsGoOnOverAttempts() throws {
        let rig = PipelineRig()
        rig.append(1...4)
        var held = rig
        held.settings.retry.delayMin = .seconds(3600)
        held.settings.retry.delayMax = .seconds(3600)
        let pipeline = held.pipeline()
        let run = pipeline.start()
        #expect(rig.log.waitForConfirmed(rig.end(4)))
        rig.log.failStream(afterBatches: 0, .lost)
        #expect(eventually { pipeline.statistics.failures == 1 })
        let statistics = pipeline.statistics
        #expect(statistics.rowsIn == 4 && statistics.confirmed == rig.end(4) && !statistics.isStreaming)
        pipeline.requestStop()
        #expect(try run.value() == nil)
    }

    // MARK: - Snapshots

    private func snapshot(_ rig: PipelineRig, rows: Int, point: UInt64) -> [ChangeBatch] {
        var batch = TestBatch()
        batch.begin(point - 1)
        var batches: [ChangeBatch] = []
        for number in 1...rows {
            batch.insert(rig.table, [.text("\(number)")], operation: .read)
            if number == rows { batch.commit(end: point) }
            let part = SnapshotPart(consistentPoint: LSN(point), isFirst: number == 1, isLast: number == rows)
            batches.append(batch.seal(snapshot: part))
        }
        return batches
    }

    @Test func theIntentStaysUntilEverySinkHasTheSnapshot() throws {
        let rig = PipelineRig([MemoryTarget("a"), MemoryTarget("b", keeping: .elsewhere)])
        rig.log.setSnapshot(snapshot(rig, rows: 3, point: 8))
        rig.targets[1].hold()
        let pipeline = rig.pipeline()
        let run = pipeline.start()
        #expect(rig.targets[0].waitForRows(3) && rig.targets[1].waitForWritten(3))
        rig.targets[1].release(count: 2)
        #expect(eventually { rig.targets[1].lines.count == 2 })
        let early = try rig.store.snapshotIntent()
        #expect(early?.consistentPoint == LSN(8))
        rig.targets[1].release()
        #expect(rig.store.waitForNoIntent())
        #expect(rig.store.saves.map(\.position.lsn) == [LSN(8)], "saved before the intent was removed")
        rig.append(1...2)
        #expect(rig.log.waitForConfirmed(rig.end(2)))
        pipeline.requestStop()
        #expect(try run.value() == nil)
        #expect(rig.store.intents.count == 2)
        for target in rig.targets { #expect(target.lines.count == 5) }
    }

    @Test func aSnapshotCutShortIsTakenAnew() throws {
        let rig = PipelineRig()
        rig.log.setSnapshot(snapshot(rig, rows: 3, point: 8))
        rig.plan.fail(.write, after: 2, .lost)
        rig.append(1...2)
        rig.log.end()
        #expect(try rig.pipeline().start().value() == nil)
        #expect(rig.log.resumePoints.map(\.position) == [nil, nil])
        #expect(rig.target.firstArrivals.count == 5)
        let reads = (1...3).map { "read public.t id=\($0)" }
        #expect(rig.target.lines == Array(reads.prefix(2)) + reads + rig.lines(1...2))
        #expect(try rig.store.snapshotIntent() == nil)
    }

    @Test func aSinkWithoutAPositionBesideOneWithMakesTheSourceStartAnew() throws {
        let targets = [MemoryTarget("a"), MemoryTarget("b", keeping: .elsewhere)]
        targets[0].setPosition(StoredPosition(lsn: LSN(4), systemIdentifier: 1))
        let rig = PipelineRig(targets)
        rig.log.setSnapshot(snapshot(rig, rows: 2, point: 8))
        rig.append(1...1)
        rig.log.end()
        #expect(try rig.pipeline().start().value() == nil)
        #expect(
            rig.log.resumePoints == [
                ResumePoint(position: nil, sinksWithoutPosition: ["b"], sinksWithPosition: ["a"])
            ])
        for target in targets { #expect(target.lines.count == 3) }
        #expect(targets[0].position?.lsn == rig.end(1))
    }

    // MARK: - Everything at once

    /// Faults at chance moments of both sides, over and over: the targets end up as the log has it.
    @Test(arguments: 1...6 as ClosedRange<UInt64>) func chanceFailuresLoseNothing(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let targets = [MemoryTarget("a", keeping: .own), MemoryTarget("b", keeping: .elsewhere)]
        var rig = PipelineRig(targets)
        rig.settings.queueBytesMax = rig.batch(1).byteCount * 4
        let points: [FaultPoint] = [.make, .open, .begin, .write, .written, .flush]
        for _ in 0..<12 {
            let point = points[Int(random.next() % 6)]
            rig.plan.fail(point, after: Int(random.next() % 20), .lost)
            rig.log.failStream(afterBatches: Int(random.next() % 300), .lost)
            if random.next() % 3 == 0 { rig.log.failOpen(.lost) }
        }
        rig.append(1...200)
        rig.log.end()
        let error = try rig.pipeline().start().value()
        #expect(error == nil || error == .lost, "the last flush may be the one that fails")
        if error != nil { #expect(try rig.pipeline().start().value() == nil) }
        #expect(targets[0].lines == rig.lines(1...200))
        #expect(targets[1].firstArrivals == rig.lines(1...200))
        #expect(rig.log.confirmations == rig.log.confirmations.sorted())
        #expect(rig.log.confirmations.last == rig.end(200))
    }
}
