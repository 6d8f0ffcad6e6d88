import PgOutput
import Testing

@Suite struct StreamStateTests {
    private var relation: [UInt8] {
        [0x52, 0, 0, 0, 7, 0x73, 0, 0x74, 0, 0x64, 0, 1] + [1, 0x61, 0, 0, 0, 0, 23, 0xFF, 0xFF, 0xFF, 0xFF]
    }
    private let insert: [UInt8] = [0x49, 0, 0, 0, 7, 0x4E, 0, 1, 0x6E]

    private func big(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * $0)) } }
    private func begin(_ lsn: UInt64) -> [UInt8] { [0x42] + big(lsn) + big(0) + [0, 0, 0, 1] }
    private func commit(_ lsn: UInt64, end: UInt64) -> [UInt8] { [0x43, 0] + big(lsn) + big(end) + big(0) }

    /// What the state says to a sequence of messages: nil when all of them may come.
    private func verdict(_ messages: [[UInt8]]) throws -> StreamError? {
        var decoder = PgOutputDecoder()
        var state = StreamState()
        for message in messages {
            let found = try decoder.decode(message.span.bytes)
            do throws(StreamError) { try state.accept(found, decoder) } catch { return error }
        }
        return nil
    }

    @Test func aTransactionAfterAnotherIsFine() throws {
        let messages = [begin(16), relation, insert, commit(16, end: 20), begin(24), insert, commit(24, end: 32)]
        #expect(try verdict(messages) == nil)
    }

    @Test func beginInsideATransaction() throws {
        #expect(try verdict([begin(16), begin(24)]) == .beginInTransaction)
    }

    @Test func everythingElseOutsideATransaction() throws {
        #expect(try verdict([commit(16, end: 20)]) == .outsideTransaction(0x43))
        #expect(try verdict([relation, insert]) == .outsideTransaction(0x49))
        #expect(try verdict([relation, [0x44, 0, 0, 0, 7, 0x4B, 0, 1, 0x6E]]) == .outsideTransaction(0x44))
        #expect(try verdict([relation, [0x55, 0, 0, 0, 7, 0x4E, 0, 1, 0x6E]]) == .outsideTransaction(0x55))
        #expect(try verdict([relation, [0x54, 0, 0, 0, 1, 0, 0, 0, 0, 7]]) == .outsideTransaction(0x54))
        #expect(try verdict([[0x4F] + big(1) + [0x61, 0]]) == .outsideTransaction(0x4F))
        let message: [UInt8] = big(5) + [0x70, 0, 0, 0, 0, 0]
        #expect(try verdict([[0x4D, 1] + message]) == .outsideTransaction(0x4D))
        #expect(try verdict([[0x4D, 0] + message]) == nil)
    }

    @Test func theCommitMustBeTheAnnouncedOne() throws {
        #expect(try verdict([begin(16), commit(17, end: 20)]) == .commitMismatch(announced: 16, found: 17))
        #expect(try verdict([begin(16), commit(16, end: 16)]) == .commitEndsBeforeStart(commitLSN: 16, endLSN: 16))
    }

    @Test func commitsDoNotGoBack() throws {
        #expect(try verdict([begin(16), commit(16, end: 20), begin(16)]) == .outOfOrder(last: 16, found: 16))
        #expect(try verdict([begin(0)]) == .outOfOrder(last: 0, found: 0))
    }

    @Test func changesNeedTheirRelation() throws {
        #expect(try verdict([begin(16), insert]) == .unknownRelation(7))
        #expect(try verdict([begin(16), [0x54, 0, 0, 0, 1, 0, 0, 0, 0, 7]]) == .unknownRelation(7))
    }

    @Test func tuplesMustFitTheirRelation() throws {
        let wide: [UInt8] = [0x49, 0, 0, 0, 7, 0x4E, 0, 2, 0x6E, 0x6E]
        #expect(try verdict([begin(16), relation, wide]) == .columnCount(relation: 7, expected: 1, found: 2))
        let oldWide: [UInt8] = [0x55, 0, 0, 0, 7, 0x4F, 0, 2, 0x6E, 0x6E, 0x4E, 0, 1, 0x6E]
        #expect(try verdict([begin(16), relation, oldWide]) == .columnCount(relation: 7, expected: 1, found: 2))
    }

    @Test func aNewRelationMessageReplacesTheOld() throws {
        let empty: [UInt8] = [0x52, 0, 0, 0, 7, 0x73, 0, 0x74, 0, 0x64, 0, 0]
        let none: [UInt8] = [0x49, 0, 0, 0, 7, 0x4E, 0, 0]
        #expect(try verdict([begin(16), relation, insert, empty, none]) == nil)
        #expect(
            try verdict([begin(16), relation, insert, empty, insert])
                == .columnCount(relation: 7, expected: 0, found: 1))
    }
}
