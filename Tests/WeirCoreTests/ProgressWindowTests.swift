import Testing
import WeirCore
import WeirTestKit

@Suite struct ProgressWindowTests {
    /// Registers batches that end at 10, 20, ... and returns the window.
    private func window(batches: Int, bytes: Int = 100) -> ProgressWindow {
        var window = ProgressWindow()
        for batch in 1...batches {
            let ticket = window.register(endLSN: LSN(UInt64(batch) * 10), bytes: bytes)
            #expect(ticket == UInt64(batch))
        }
        return window
    }

    @Test func nothingIsConfirmedAtFirst() {
        let window = ProgressWindow()
        #expect(window.confirmed == nil && window.token == nil)
        #expect(window.isDrained && window.inFlightBytes == 0 && window.durableTicket == 0)
    }

    @Test func aBatchIsDurableOnceAcceptedAndResolved() {
        var window = window(batches: 1)
        #expect(!window.isDrained && window.inFlightBytes == 100)
        window.accepted(1, outstanding: 2)
        window.resolve(1)
        #expect(window.confirmed == nil && window.durableTicket == 0)
        window.resolve(1)
        #expect(window.confirmed == LSN(10) && window.durableTicket == 1)
        #expect(window.isDrained && window.inFlightBytes == 0)
    }

    @Test func outOfOrderResolvesConfirmOnlyWhatIsContiguous() {
        var window = window(batches: 3)
        for ticket in 1...3 as ClosedRange<UInt64> { window.accepted(ticket, outstanding: 1) }
        window.resolve(3)
        #expect(window.confirmed == nil)
        window.resolve(1)
        #expect(window.confirmed == LSN(10))
        #expect(window.inFlightBytes == 200, "the third batch is held by the second")
        window.resolve(2)
        #expect(window.confirmed == LSN(30))
        #expect(window.isDrained)
    }

    @Test func reportsMayOvertakeAccepted() {
        var window = window(batches: 2)
        window.resolve(1, parts: 3)
        #expect(window.confirmed == nil, "not before the batch was accepted whole")
        window.accepted(1, outstanding: 5)
        #expect(window.confirmed == nil)
        window.resolve(1, parts: 2)
        #expect(window.confirmed == LSN(10))
        window.resolve(2, parts: 1)
        window.accepted(2, outstanding: 1)
        #expect(window.confirmed == LSN(20))
    }

    @Test func aBatchWithoutPartsIsDurableAtOnce() {
        var window = window(batches: 1)
        window.accepted(1, outstanding: 0)
        #expect(window.confirmed == LSN(10) && window.isDrained)
    }

    @Test func acceptedCountsOnce() {
        var window = window(batches: 1)
        window.accepted(1, outstanding: 1)
        window.accepted(1, outstanding: 1)
        window.resolve(1)
        #expect(window.confirmed == LSN(10))
    }

    @Test func resolveAllTakesAcceptedBatchesUpToATicket() {
        var window = window(batches: 4)
        for ticket in 1...3 as ClosedRange<UInt64> { window.accepted(ticket, outstanding: 7) }
        window.resolveAll(through: 2)
        #expect(window.confirmed == LSN(20))
        window.resolveAll(through: 100)
        #expect(window.confirmed == LSN(30), "the fourth was not accepted")
        #expect(!window.isDrained)
        window.resolveAll(through: 1)
        #expect(window.confirmed == LSN(30))
    }

    @Test func tokensAndPositionsGoTogether() {
        var window = ProgressWindow()
        for (end, token) in [(10, "a"), (nil, "b"), (20, nil), (nil, "d")] as [(UInt64?, String?)] {
            let ticket = window.register(endLSN: end.map { LSN($0) }, token: token, bytes: 1)
            window.accepted(ticket, outstanding: 1)
        }
        window.resolve(1)
        #expect(window.confirmed == LSN(10) && window.token == "a")
        window.resolve(2)
        #expect(window.confirmed == LSN(10) && window.token == "b")
        window.resolve(3)
        #expect(window.confirmed == LSN(20) && window.token == "b")
        window.resolve(4)
        #expect(window.confirmed == LSN(20) && window.token == "d")
    }

    @Test func theConfirmedPositionNeverMovesBack() {
        var window = ProgressWindow()
        for end in [50, 40, 60] as [UInt64] {
            let ticket = window.register(endLSN: LSN(end), bytes: 1)
            window.accepted(ticket, outstanding: 0)
        }
        #expect(window.confirmed == LSN(60))
        var back = ProgressWindow()
        back.accepted(back.register(endLSN: LSN(50), bytes: 1), outstanding: 0)
        back.accepted(back.register(endLSN: LSN(40), bytes: 1), outstanding: 0)
        #expect(back.confirmed == LSN(50))
    }

    @Test func unknownTicketsAreIgnored() {
        var window = window(batches: 1)
        window.accepted(1, outstanding: 0)
        window.resolve(1)
        window.resolve(0)
        window.resolve(2)
        window.accepted(0, outstanding: 1)
        window.accepted(9, outstanding: 1)
        window.resolveAll(through: 0)
        #expect(window.confirmed == LSN(10))
        let next = window.register(endLSN: LSN(20), bytes: 1)
        #expect(next == 2)
        window.accepted(2, outstanding: 1)
        #expect(window.confirmed == LSN(10), "reports for a ticket not yet registered do not count")
    }

    /// Against a plain list of batches, in a random but repeatable order.
    @Test(arguments: 1...20) func agreesWithAPlainModel(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var window = ProgressWindow()
        var model: [(end: UInt64, accepted: Bool, outstanding: Int)] = []
        var reports: [Int] = []
        for _ in 0..<2000 {
            switch random.next() % 4 {
            case 0:
                _ = window.register(endLSN: LSN(UInt64(model.count + 1)), bytes: 3)
                model.append((UInt64(model.count + 1), false, 0))
            case 1:
                guard let index = model.firstIndex(where: { !$0.accepted }) else { continue }
                let parts = Int(random.next() % 4)
                window.accepted(UInt64(index + 1), outstanding: parts)
                model[index] = (model[index].end, true, model[index].outstanding + parts)
                reports += Array(repeating: index, count: parts)
            default:
                guard !reports.isEmpty else { continue }
                let index = reports.remove(at: Int(random.next() % UInt64(reports.count)))
                window.resolve(UInt64(index + 1))
                model[index].outstanding -= 1
            }
            let open = model.firstIndex { !$0.accepted || $0.outstanding > 0 } ?? model.count
            #expect(window.durableTicket == UInt64(open))
            #expect(window.confirmed == (open == 0 ? nil : LSN(UInt64(open))))
            #expect(window.inFlightBytes == 3 * (model.count - open))
        }
    }

    @Test func memoryIsThatOfWhatIsInFlight() {
        var window = ProgressWindow()
        var heldMost = 0
        for batch in 1...200_000 as ClosedRange<UInt64> {
            let ticket = window.register(endLSN: LSN(batch), bytes: 1)
            window.accepted(ticket, outstanding: 1)
            if ticket > 10 { window.resolve(ticket - 10) }
            heldMost = max(heldMost, window.heldEntries)
        }
        #expect(window.confirmed == LSN(199_990))
        #expect(window.inFlightBytes == 10)
        #expect(heldMost < 200)
    }
}

extension ProgressWindow {
    /// Entries in memory, settled ones that are not yet given back included.
    fileprivate var heldEntries: Int {
        Mirror(reflecting: self).children.first { $0.label == "entries" }
            .map { Mirror(reflecting: $0.value).children.count } ?? .max
    }
}
