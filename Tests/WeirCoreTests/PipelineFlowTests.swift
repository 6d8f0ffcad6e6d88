import Testing
import WeirTestKit

@testable import WeirCore

/// What a pipeline does while nothing fails: order, back-pressure, stop, positions.
@Suite(.serialized, .timeLimit(.minutes(1))) struct PipelineFlowTests {
    @Test(arguments: [MemoryTarget.Keeping.own, .elsewhere])
    func everyRowArrivesOnceInOrder(keeping: MemoryTarget.Keeping) throws {
        let rig = PipelineRig([MemoryTarget("a", keeping: keeping)])
        rig.append(1...50)
        rig.log.end()
        let pipeline = rig.pipeline()
        let run = pipeline.start()
        #expect(try run.value() == nil)
        #expect(rig.target.lines == rig.lines(1...50))
        #expect(rig.log.confirmations.last == rig.end(50))
        #expect(rig.log.closed == 1 && rig.target.closed == 1 && rig.target.flushed == 1)
        #expect(pipeline.statistics.rowsIn == 50 && pipeline.statistics.rowsOut == 50)
        #expect(pipeline.statistics.transactions == 50)
        #expect(pipeline.statistics.confirmed == rig.end(50) && pipeline.statistics.received == rig.end(50))
        #expect(!pipeline.statistics.isStreaming)
    }

    @Test func theNextRunGoesOnWhereTheLastOneEnded() throws {
        for keeping in [MemoryTarget.Keeping.own, .elsewhere] {
            let rig = PipelineRig([MemoryTarget("a", keeping: keeping)])
            rig.append(1...5)
            let pipeline = rig.pipeline()
            let run = pipeline.start()
            #expect(rig.target.waitForRows(5))
            pipeline.requestStop()
            #expect(try run.value() == nil)
            rig.append(6...9)
            rig.log.end()
            #expect(try rig.pipeline().start().value() == nil)
            #expect(rig.target.lines == rig.lines(1...9), "nothing twice after an orderly stop")
            #expect(rig.log.resumePoints.map(\.position?.lsn) == [nil, rig.end(5)])
        }
    }

    @Test func aFullQueueHoldsTheSourceBack() throws {
        var rig = PipelineRig()
        rig.settings.queueBytesMax = rig.batch(1).byteCount * 3
        rig.append(1...20)
        rig.log.end()
        rig.target.block()
        let run = rig.pipeline().start()
        #expect(rig.target.waitForBlockedWrite())
        #expect(rig.log.waitForHeartbeats(3), "the source is called back while it waits")
        let sent = rig.log.sent
        #expect(sent <= 5, "one in the sink's hands, three bytes' worth in the queue, one in front of it")
        #expect(rig.log.waitForHeartbeats(3))
        #expect(rig.log.sent == sent)
        rig.target.unblock()
        #expect(try run.value() == nil)
        #expect(rig.target.lines == rig.lines(1...20))
    }

    @Test func theSlowestSinkHoldsTheSourceBack() throws {
        var rig = PipelineRig([MemoryTarget("a"), MemoryTarget("b")])
        rig.settings.queueBytesMax = rig.batch(1).byteCount
        rig.append(1...20)
        rig.log.end()
        rig.targets[1].block()
        let run = rig.pipeline().start()
        #expect(rig.targets[1].waitForBlockedWrite())
        #expect(rig.log.waitForHeartbeats(3))
        #expect(rig.log.sent < 5)
        rig.targets[1].unblock()
        #expect(try run.value() == nil)
        for target in rig.targets { #expect(target.lines == rig.lines(1...20)) }
    }

    @Test func sinksHearWhenNothingFollows() throws {
        let rig = PipelineRig()
        rig.target.block()
        rig.append(1...3)
        let pipeline = rig.pipeline()
        let run = pipeline.start()
        #expect(rig.log.waitForSent(3))
        rig.target.unblock()
        #expect(rig.target.waitForWritten(3))
        #expect(rig.target.moreFollows.last == false)
        #expect(rig.target.moreFollows.dropFirst().first == true)
        pipeline.requestStop()
        #expect(try run.value() == nil)
    }

    // MARK: - Confirming

    @Test func onlyWhatIsDurableIsConfirmed() throws {
        let rig = PipelineRig()
        rig.target.hold()
        rig.append(1...4)
        let pipeline = rig.pipeline()
        let run = pipeline.start()
        #expect(rig.target.waitForWritten(4))
        #expect(pipeline.statistics.confirmed == .zero)
        #expect(rig.log.confirmations.isEmpty)
        rig.target.release(count: 2)
        #expect(rig.log.waitForConfirmed(rig.end(2)))
        #expect(rig.log.confirmations.allSatisfy { $0 <= rig.end(2) })
        rig.target.release()
        #expect(rig.log.waitForConfirmed(rig.end(4)))
        pipeline.requestStop()
        #expect(try run.value() == nil)
    }

    @Test func theSlowestSinkDecidesWhatIsConfirmed() throws {
        let rig = PipelineRig([MemoryTarget("a"), MemoryTarget("b", keeping: .elsewhere)])
        rig.targets[1].hold()
        rig.append(1...4)
        let pipeline = rig.pipeline()
        let run = pipeline.start()
        #expect(rig.targets[0].waitForRows(4) && rig.targets[1].waitForWritten(4))
        rig.targets[1].release(count: 1)
        #expect(rig.log.waitForConfirmed(rig.end(1)))
        #expect(rig.log.confirmations == [rig.end(1)])
        rig.targets[1].release()
        #expect(rig.log.waitForConfirmed(rig.end(4)))
        pipeline.requestStop()
        #expect(try run.value() == nil)
    }

    @Test func aPositionIsSavedBeforeItIsConfirmed() throws {
        let store = MemoryStore()
        let early = Monitor<[LSN]>([])
        let rig = PipelineRig([MemoryTarget("a", keeping: .elsewhere)], store: store) { lsn in
            let saved = store.saves.last?.position.lsn ?? .zero
            if saved < lsn { early.update { $0.append(lsn) } }
        }
        rig.append(1...200)
        rig.log.end()
        #expect(try rig.pipeline().start().value() == nil)
        #expect(early.read { $0 }.isEmpty)
        #expect(rig.log.confirmations.last == rig.end(200))
        #expect(store.saves.last?.position == StoredPosition(lsn: rig.end(200), systemIdentifier: 1))
        #expect(store.saves.map(\.position.lsn) == store.saves.map(\.position.lsn).sorted())
    }

    @Test func aFilteredBatchStillMovesThePosition() throws {
        let rig = PipelineRig()
        rig.append(1...3)
        rig.log.end()
        let pipeline = rig.pipeline([.filter(FilterSettings(operations: [.delete]))])
        #expect(try pipeline.start().value() == nil)
        #expect(rig.target.lines.isEmpty)
        #expect(rig.target.position?.lsn == rig.end(3))
        #expect(rig.log.confirmations.last == rig.end(3))
        #expect(pipeline.statistics.rowsIn == 3 && pipeline.statistics.rowsOut == 0)
    }

    // MARK: - Stopping

    @Test func aStopDrainsAndConfirms() throws {
        let rig = PipelineRig()
        rig.target.hold()
        rig.append(1...3)
        let pipeline = rig.pipeline()
        let run = pipeline.start()
        #expect(rig.target.waitForWritten(3))
        pipeline.requestStop()
        #expect(rig.log.waitForHeartbeats(3), "the source stays until everything is durable")
        #expect(!run.isDone)
        rig.target.release()
        #expect(try run.value() == nil)
        #expect(rig.log.confirmations.last == rig.end(3))
        #expect(rig.target.flushed == 1 && rig.target.closed == 1 && rig.log.closed == 1)
    }

    @Test func aStopTakesWhatIsQueuedAlong() throws {
        let rig = PipelineRig()
        rig.target.block()
        rig.append(1...6)
        let pipeline = rig.pipeline()
        let run = pipeline.start()
        #expect(rig.log.waitForSent(6))
        pipeline.requestStop()
        rig.target.unblock()
        #expect(try run.value() == nil)
        #expect(rig.target.lines == rig.lines(1...6))
        #expect(rig.log.confirmations.last == rig.end(6))
    }

    @Test(arguments: [false, true]) func aStopEndsAtItsDeadline(isBlocked: Bool) throws {
        var rig = PipelineRig()
        rig.settings.drainLimit = .milliseconds(60)
        rig.append(1...3)
        let pipeline = rig.pipeline()
        if isBlocked { rig.target.block() } else { rig.target.hold() }
        let run = pipeline.start()
        if isBlocked {
            #expect(rig.target.waitForBlockedWrite())
        } else {
            #expect(rig.target.waitForWritten(3))
        }
        pipeline.requestStop()
        #expect(try run.value()?.code == .drainTimedOut)
        #expect(rig.log.confirmations.isEmpty && rig.target.lines.isEmpty)
        #expect(rig.target.closed == 1 && rig.log.closed == 1)
        if isBlocked { rig.target.unblock() } else { rig.target.release() }
        rig.log.end()
        #expect(try rig.pipeline().start().value() == nil)
        #expect(rig.target.lines == rig.lines(1...3))
    }

    @Test func aCancelWaitsForNothing() throws {
        for isBlocked in [true, false] {
            let rig = PipelineRig()
            if isBlocked { rig.target.block() } else { rig.target.hold() }
            rig.append(1...3)
            let pipeline = rig.pipeline()
            let run = pipeline.start()
            if isBlocked { #expect(rig.target.waitForBlockedWrite()) } else { #expect(rig.target.waitForWritten(3)) }
            pipeline.cancel()
            #expect(try run.value() == nil)
            #expect(rig.log.confirmations.isEmpty && rig.target.closed == 1 && rig.log.closed == 1)
            if isBlocked { rig.target.unblock() } else { rig.target.release() }
            rig.log.end()
            #expect(try rig.pipeline().start().value() == nil)
            #expect(rig.target.lines == rig.lines(1...3), "what was not durable comes again")
        }
    }

    @Test func aCancelCutsAStopShort() throws {
        let rig = PipelineRig()
        rig.target.hold()
        rig.append(1...3)
        let pipeline = rig.pipeline()
        let run = pipeline.start()
        #expect(rig.target.waitForWritten(3))
        pipeline.requestStop()
        #expect(rig.log.waitForHeartbeats(2))
        pipeline.cancel()
        #expect(try run.value() == nil)
        #expect(rig.target.lines.isEmpty)
    }

    @Test func aStopBeforeTheStartIsAStop() throws {
        let rig = PipelineRig()
        rig.append(1...3)
        let pipeline = rig.pipeline()
        pipeline.requestStop()
        #expect(try pipeline.start().value() == nil)
        #expect(rig.log.resumePoints.isEmpty && rig.target.begun == 0)
    }
}
