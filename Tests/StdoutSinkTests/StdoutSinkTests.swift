import Glibc
import StdoutSink
import Testing
import WeirCore
import WeirTestKit

/// The sink in a real pipeline, over a log in memory.
@Suite(.serialized, .timeLimit(.minutes(1))) struct StdoutSinkTests {
    let orders = Relation.test("orders", ["id": .int4, "note": .text])
    let log = MemoryLog()
    let store = MemoryStore()

    private func pipeline(
        to descriptor: Int32, format: EncoderSettings.Format = .flat, output: StdoutSink.Output = .print,
        drainLimit: Duration = .seconds(20)
    ) -> Pipeline {
        let options = StdoutSink.Options(encoder: EncoderSettings(prefix: "shop", format: format), output: output)
        var settings = PipelineSettings()
        settings.drainLimit = drainLimit
        settings.saveInterval = .milliseconds(1)
        settings.heartbeatInterval = .milliseconds(5)
        return Pipeline(
            source: log.factory, sinks: [SinkFactory(name: "stdout") { StdoutSink(options, descriptor: descriptor) }],
            store: store, settings: settings)
    }

    /// Runs to the log's end, or a stop, with standard output going to a file; gives the file's lines.
    private func printed(
        _ format: EncoderSettings.Format = .flat, output: StdoutSink.Output = .print
    ) throws -> [String] {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/out"
        let descriptor = open(path, O_RDWR | O_CREAT | O_APPEND, 0o600)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        try pipeline(to: descriptor, format: format, output: output).run()
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        return String(decoding: bytes[..<max(count, 0)], as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private func batch(_ ids: ClosedRange<Int>, commit: UInt64, note: String = "n") -> ChangeBatch {
        var batch = TestBatch()
        batch.begin(commit)
        for id in ids { batch.insert(orders, [.text("\(id)"), .text(note)]) }
        batch.commit()
        return batch.seal()
    }

    private func ids(_ lines: [String]) -> [Int] {
        lines.compactMap { line in
            line.split(separator: "\"id\":").dropFirst().first.flatMap { Int($0.prefix { $0.isNumber }) }
        }
    }

    // MARK: - Lines

    @Test func aLineHasTopicKeyHeadersAndValue() throws {
        log.append([batch(1...1, commit: 16, note: "a\"b\n")])
        log.end()
        let lines = try printed()
        #expect(lines.count == 1)
        let line = try #require(lines.first)
        #expect(line.hasPrefix("{\"topic\":\"shop.public.orders\",\"key\":{\"id\":1},\"headers\":{\""))
        #expect(line.contains("\"weir-id\":\"1/0/10/1\""))
        #expect(line.hasSuffix("},\"value\":{\"id\":1,\"note\":\"a\\\"b\\n\"}}"))
    }

    @Test func aDebeziumDeleteIsFollowedByItsTombstone() throws {
        var batch = TestBatch()
        batch.begin(16)
        batch.delete(orders, key: ["7", nil])
        batch.commit()
        log.append([batch.seal()])
        log.end()
        let lines = try printed(.debezium)
        #expect(lines.count == 2)
        #expect(lines.first?.contains("\"op\":\"d\"") == true)
        #expect(lines.last?.hasSuffix(",\"value\":null}") == true)
        #expect(lines.allSatisfy { $0.contains("\"key\":{\"id\":7}") })
    }

    @Test func aTableWithoutAKeyHasANullKey() throws {
        let log = Relation.test("log", ["id": .int4], keys: 0)
        self.log.append([TestBatch.inserts(log, ["1"], commit: 16)])
        self.log.end()
        #expect(try printed().first?.contains("\"key\":null,") == true)
    }

    @Test(arguments: [EncoderSettings.Format.debezium, .flat])
    func everyLineIsOneJSONObject(format: EncoderSettings.Format) throws {
        let odd = Relation.test("we\"ird\\\n", schema: "ünï", ["id": .int4, "no\"te": .text])
        var batch = TestBatch()
        batch.begin(16)
        batch.insert(odd, ["1", "\u{1}\u{2028}😀"])
        batch.update(odd, ["2", .unchanged], key: ["1", nil])
        batch.delete(odd, key: ["2", nil])
        batch.message("pre\"fix", "con\"tent")
        batch.commit()
        log.append([batch.seal()])
        log.end()
        let lines = try printed(format)
        #expect(lines.count >= 3)
        for line in lines { #expect(Self.isObject(line), "\(line)") }
    }

    private static func isObject(_ line: String) -> Bool {
        guard line.hasPrefix("{"), line.hasSuffix("}") else { return false }
        do {
            var reader = JSONReader(Array(line.utf8))
            try reader.skipValue()
            return reader.offset == line.utf8.count
        } catch {
            return false
        }
    }

    // MARK: - Positions

    @Test func theNextRunPrintsWhatIsNew() throws {
        log.append([batch(1...2, commit: 16), batch(3...3, commit: 32)])
        log.end()
        #expect(ids(try printed()) == [1, 2, 3])
        #expect(try store.position(sink: "stdout")?.lsn == LSN(40))
        log.append([batch(4...5, commit: 48)])
        #expect(ids(try printed()) == [4, 5])
    }

    @Test func whatAnotherSinkStillNeedsIsNotPrintedAgain() throws {
        try store.save(StoredPosition(lsn: LSN(40), systemIdentifier: 1), sink: "stdout")
        let behind = MemoryTarget("behind")
        behind.setPosition(StoredPosition(lsn: LSN(24), systemIdentifier: 1))
        log.append([batch(1...1, commit: 16), batch(2...2, commit: 32), batch(3...3, commit: 48)])
        log.end()
        let channel = try Channel.make(.pipe)
        let options = StdoutSink.Options(encoder: EncoderSettings(prefix: "shop", format: .flat))
        let writer = channel.writer
        try Pipeline(
            source: log.factory,
            sinks: [SinkFactory(name: "stdout") { StdoutSink(options, descriptor: writer) }, behind.factory],
            store: store
        ).run()
        channel.closeWriter()
        let text = try channel.readAll().value()
        channel.closeReader()
        #expect(ids(text.split(separator: "\n").map(String.init)) == [3])
        #expect(behind.lines.count == 2)
    }

    @Test func aSnapshotIsPrintedWhateverThePosition() throws {
        try store.save(StoredPosition(lsn: LSN(1000), systemIdentifier: 1), sink: "stdout")
        var batch = TestBatch()
        batch.begin(999)
        batch.insert(orders, ["1", "n"], operation: .read)
        batch.commit(end: 1008)
        let part = SnapshotPart(purpose: .backfill, consistentPoint: LSN(1000), isFirst: true, isLast: true)
        log.append([batch.seal(snapshot: part)])
        log.end()
        #expect(ids(try printed()) == [1])
    }

    @Test(arguments: [StdoutSink.Output.encode, .discard])
    func withoutPrintingPositionsMoveAllTheSame(output: StdoutSink.Output) throws {
        log.append([batch(1...9, commit: 16)])
        log.end()
        #expect(try printed(output: output).isEmpty)
        #expect(log.confirmations.last == LSN(24))
    }

    @Test func encodingMeetsBadValuesAndDiscardingDoesNot() throws {
        let bad = Relation.test("orders", ["id": .int4, "at": .timestamp])
        var batch = TestBatch()
        batch.begin(32)
        batch.insert(bad, ["2", "yesterday"])
        batch.commit()
        log.append([self.batch(1...1, commit: 16), batch.seal(), self.batch(3...3, commit: 48)])
        log.end()
        let error = #expect(throws: WeirError.self) { try printed(.debezium, output: .encode) }
        #expect(error?.code == .valueRejected)
        #expect(error?.description.contains("yesterday") == false)
        #expect(try store.position(sink: "stdout")?.lsn == LSN(24), "the batch before it is done")
        #expect(try printed(.debezium, output: .discard).isEmpty)
        #expect(log.confirmations.last == LSN(56))
    }

    // MARK: - The reader

    @Test func nothingIsConfirmedThatTheReaderHasNoRoomFor() throws {
        let channel = try Channel.make(.pipe)
        log.append([batch(1...1, commit: 16)])
        let pipeline = pipeline(to: channel.writer)
        let run = Background { try pipeline.run() }
        #expect(log.waitForConfirmed(LSN(24)))
        // Several times what a pipe holds.
        let note = String(repeating: "x", count: 1000)
        log.append([batch(2...600, commit: 32, note: note)])
        #expect(log.waitForSent(2) && log.waitForHeartbeatsOrLooks())
        pipeline.requestStop()
        #expect(log.waitForHeartbeats(3), "the stop waits for the reader")
        #expect(!run.isDone && log.confirmations.last == LSN(24))
        let received = channel.readAll()
        try run.value()
        channel.closeWriter()
        let lines = try received.value().split(separator: "\n").map(String.init)
        channel.closeReader()
        #expect(ids(lines) == Array(1...600))
        #expect(log.confirmations.last == LSN(40))
    }

    @Test func aStopEndsAtItsDeadlineAlthoughTheReaderSleeps() throws {
        let channel = try Channel.make(.pipe)
        log.append([batch(1...600, commit: 16, note: String(repeating: "x", count: 1000))])
        let pipeline = pipeline(to: channel.writer, drainLimit: .milliseconds(50))
        let run = Background {
            #expect(throws: WeirError.self) { try pipeline.run() }
        }
        #expect(log.waitForSent(1))
        pipeline.requestStop()
        #expect(try run.value()?.code == .drainTimedOut)
        #expect(log.confirmations.isEmpty)
        channel.closeWriter()
        channel.closeReader()
    }

    @Test func aReaderThatWentAwayEndsTheRunAndNothingIsLost() throws {
        let channel = try Channel.make(.pipe)
        channel.closeReader()
        log.append([batch(1...3, commit: 16)])
        log.end()
        let error = #expect(throws: WeirError.self) { try pipeline(to: channel.writer).run() }
        #expect(error?.code == .inputOutput)
        #expect(log.confirmations.isEmpty)
        channel.closeWriter()
        #expect(ids(try printed()) == [1, 2, 3])
    }

    @Test func aClosedStandardOutputIsRefusedBeforeAnythingIsRead() throws {
        let error = #expect(throws: WeirError.self) { try pipeline(to: 1_000_000).run() }
        #expect(error?.code == .inputOutput)
        #expect(log.resumePoints.isEmpty)
    }
}
