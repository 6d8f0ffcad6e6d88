import Testing
import WeirCore

@testable import PostgresSink

@Suite("GroupPlanner")
struct GroupPlannerTests {
    private let start = ContinuousClock.now

    private func whole(_ commit: UInt64, rows: Int = 1) -> TransactionInfo {
        TransactionInfo(
            xid: 1, commitLSN: LSN(commit), endLSN: LSN(commit + 8), commitTime: 0, rows: 0..<rows, begins: true,
            ends: true)
    }

    private func part(_ commit: UInt64, begins: Bool, ends: Bool) -> TransactionInfo {
        var part = whole(commit)
        part.begins = begins
        part.ends = ends
        if !ends { part.endLSN = .zero }
        return part
    }

    private func input(
        _ transactions: [TransactionInfo], end: UInt64? = nil, bytes: Int = 10, more: Bool = true,
        after: Duration = .zero
    ) -> GroupPlanner.Input {
        let last = transactions.last { $0.ends }?.endLSN
        return GroupPlanner.Input(
            transactions: transactions, endLSN: end.map { LSN($0) } ?? last, bytes: bytes, moreFollows: more,
            now: start + after, applied: LSN(50))
    }

    private func planner(_ limits: GroupLimits = GroupLimits(bytesMax: 100, rowsMax: 10, ageMax: .seconds(1)))
        -> GroupPlanner
    { GroupPlanner(limits: limits) }

    @Test func groupsUntilNothingFollows() {
        var planner = planner()
        #expect(planner.steps(input([whole(100), whole(200)])) == [.apply(transactions: 0..<2)])
        #expect(!planner.isSettled)
        let last = planner.steps(input([whole(300)], more: false))
        #expect(last == [.apply(transactions: 0..<1), .commit(LSN(308))])
        #expect(planner.isSettled)
    }

    @Test func eachLimitCommits() {
        var byRows = planner()
        #expect(
            byRows.steps(input([whole(100, rows: 6), whole(200, rows: 6), whole(300)]))
                == [.apply(transactions: 0..<2), .commit(LSN(208)), .apply(transactions: 2..<3)])
        var byBytes = planner()
        _ = byBytes.steps(input([whole(100)], bytes: 60))
        #expect(
            byBytes.steps(input([whole(200)], bytes: 60)) == [.apply(transactions: 0..<1), .commit(LSN(208))])
        var byAge = planner()
        _ = byAge.steps(input([whole(100)]))
        #expect(
            byAge.steps(input([whole(200)], after: .seconds(1))) == [.apply(transactions: 0..<1), .commit(LSN(208))])
    }

    @Test func aSpanningTransactionIsAlone() {
        var planner = planner()
        _ = planner.steps(input([whole(100)]))
        let begin = planner.steps(input([whole(200), part(300, begins: true, ends: false)], more: false))
        #expect(begin == [.apply(transactions: 0..<1), .commit(LSN(208)), .apply(transactions: 1..<2)])
        #expect(planner.isSpanning && planner.commitAtFlush == nil)
        let middle = planner.steps(input([part(300, begins: false, ends: false)], bytes: 1000, more: false))
        #expect(middle == [.apply(transactions: 0..<1)])
        let end = planner.steps(input([part(300, begins: false, ends: true), whole(400)]))
        #expect(end == [.apply(transactions: 0..<1), .commit(LSN(308)), .apply(transactions: 1..<2)])
        #expect(planner.commitAtFlush == .commit(LSN(408)))
    }

    @Test func skipsWhatIsApplied() {
        var planner = planner()
        #expect(planner.steps(input([whole(10), whole(40)], more: false)).isEmpty)
        #expect(planner.steps(input([part(49, begins: true, ends: false)], more: false)).isEmpty)
        #expect(!planner.isSpanning)
        #expect(
            planner.steps(input([part(49, begins: false, ends: true), whole(50)], more: false))
                == [.apply(transactions: 1..<2), .commit(LSN(58))])
    }

    @Test func movesThePositionOfAnIdleSourceOnce() {
        var planner = planner()
        #expect(planner.steps(input([], end: 500, more: false)) == [.commit(LSN(500))])
        #expect(planner.steps(input([], end: 500, more: false)).isEmpty)
        #expect(planner.steps(input([], end: 600)).isEmpty)
        #expect(planner.commitAtFlush == .commit(LSN(600)))
        #expect(planner.steps(input([], end: 700, more: false)) == [.commit(LSN(700))])
    }

    @Test func aTransactionInsideAnotherIsAnError() {
        var planner = planner()
        _ = planner.steps(input([part(100, begins: true, ends: false)]))
        #expect(planner.steps(input([whole(200)])).last == .outOfOrder)
    }
}
