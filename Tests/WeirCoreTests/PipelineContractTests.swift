import Testing
import WeirTestKit

@testable import WeirCore

/// What the pipeline holds connectors to, and what it tells them.
@Suite(.serialized, .timeLimit(.minutes(1))) struct PipelineContractTests {
    /// A sink of closures.
    final class ScriptedSink: Sink {
        var opening: SinkOpening = .positionKeptElsewhere
        var session: SinkSession?
        let onWrite: (ScriptedSink, ChangeBatch, UInt64) throws(WeirError) -> Void

        init(onWrite: @escaping (ScriptedSink, ChangeBatch, UInt64) throws(WeirError) -> Void) {
            self.onWrite = onWrite
        }

        func open() throws(WeirError) -> SinkOpening { opening }
        func begin(_ source: SourceDescription, session: SinkSession) throws(WeirError) { self.session = session }
        func write(_ batch: ChangeBatch, ticket: UInt64, moreFollows: Bool) throws(WeirError) {
            try onWrite(self, batch, ticket)
        }
        func flush(deadline: ContinuousClock.Instant) throws(WeirError) {}
        func close() {}
    }

    private func pipeline(
        _ rig: PipelineRig, onWrite: @escaping @Sendable (ScriptedSink, ChangeBatch, UInt64) throws(WeirError) -> Void
    ) -> Pipeline {
        Pipeline(
            source: rig.log.factory, sinks: [SinkFactory(name: "scripted") { ScriptedSink(onWrite: onWrite) }],
            store: rig.store, settings: rig.settings)
    }

    @Test func aBatchThatWasNotAcceptedIsAnError() throws {
        let rig = PipelineRig()
        rig.append(1...2)
        rig.log.end()
        let error = try pipeline(rig) { _, _, _ in }.start().value()
        #expect(error?.code == .internalError)
        #expect(error?.message.contains("scripted") == true)
        #expect(rig.log.confirmations.isEmpty)
    }

    @Test func ticketsRiseByOneAndReportsMayComeFromAnywhere() throws {
        let rig = PipelineRig()
        rig.append(1...5)
        rig.log.end()
        let tickets = Monitor<[UInt64]>([])
        let run = pipeline(rig) { sink, _, ticket in
            tickets.update { $0.append(ticket) }
            let session = sink.session
            if ticket.isMultiple(of: 2) {
                session?.accepted(ticket, outstanding: 2)
                session?.resolve([(ticket, 1), (ticket, 1)])
            } else {
                // From another thread, and before the batch is accepted.
                try? Background { session?.resolve(ticket, parts: 1) }.value()
                session?.accepted(ticket, outstanding: 1)
            }
        }.start()
        #expect(try run.value() == nil)
        #expect(tickets.read { $0 } == [1, 2, 3, 4, 5])
        #expect(rig.log.confirmations.last == rig.end(5))
    }

    @Test func aFailureMayBeReportedFromAnywhere() throws {
        let rig = PipelineRig()
        rig.append(1...3)
        let once = Monitor(true)
        let run = pipeline(rig) { sink, _, ticket in
            let session = sink.session
            session?.accepted(ticket, outstanding: 0)
            guard ticket == 2,
                once.update({ flag in
                    defer { flag = false }; return flag
                })
            else { return }
            _ = Background { session?.fail(.lost) }
        }.start()
        #expect(rig.log.waitForConfirmed(rig.end(3)))
        #expect(eventually { rig.log.resumePoints.count == 2 })
        rig.log.end()
        #expect(try run.value() == nil)
    }

    @Test func aSinkIsToldWhereItStood() throws {
        let rig = PipelineRig()
        let position = StoredPosition(lsn: rig.end(2), systemIdentifier: 1, token: "t")
        try rig.store.save(position, sink: "scripted")
        rig.append(1...3)
        rig.log.end()
        let seen = Monitor<[StoredPosition?]>([])
        let run = pipeline(rig) { sink, _, ticket in
            seen.update { $0.append(sink.session?.resume) }
            sink.session?.accepted(ticket, outstanding: 0)
        }.start()
        #expect(try run.value() == nil)
        #expect(seen.read { $0 } == [position])
        #expect(rig.store.saves.last?.position.lsn == rig.end(3))
    }

    @Test func aSourcesOwnResumePointIsSaved() throws {
        let rig = PipelineRig()
        var batch = TestBatch()
        batch.begin(16)
        batch.insert(rig.table, ["1"])
        batch.commit()
        rig.log.append([batch.seal(resumeToken: "0=7")])
        rig.log.end()
        let run = pipeline(rig) { sink, _, ticket in sink.session?.accepted(ticket, outstanding: 0) }.start()
        #expect(try run.value() == nil)
        #expect(try rig.store.position(sink: "scripted")?.token == "0=7")
    }

    @Test func whatIsConfirmedIsNeverAboveWhatIsResolved() throws {
        let rig = PipelineRig()
        rig.append(1...3)
        let pipeline = pipeline(rig) { sink, _, ticket in
            // The second batch never becomes durable; the third does.
            sink.session?.accepted(ticket, outstanding: ticket == 2 ? 1 : 0)
        }
        let run = pipeline.start()
        #expect(rig.log.waitForConfirmed(rig.end(1)))
        #expect(rig.log.waitForSent(3) && rig.log.waitForHeartbeatsOrLooks())
        pipeline.requestStop()
        #expect(try run.value() == nil)
        #expect(rig.log.confirmations == [rig.end(1)])
        #expect(rig.store.saves.map(\.position.lsn) == [rig.end(1)])
    }
}
