import Testing

@testable import KafkaSink

@Suite struct SendClockTests {
    private let start = ContinuousClock.now

    private func at(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }

    @Test func nothingIsAskedForWhileNothingWaits() {
        var clock = SendClock(now: start)
        #expect(clock.next(isLull: true) == nil)
        clock.wrote(3)
        clock.ask(at: start)
        clock.reported(3, at: at(1))
        #expect(clock.next(isLull: true) == nil)
        #expect(clock.next(isLull: false) == nil)
    }

    @Test func theFirstMessageIsSentAtOnce() throws {
        var clock = SendClock(now: start)
        clock.wrote(1)
        #expect(try #require(clock.next(isLull: true)) <= start)
        #expect(try #require(clock.next(isLull: false)) <= start)
    }

    @Test func whatComesWhileSomethingIsUnderWayWaitsForItsReports() throws {
        var clock = SendClock(now: start)
        clock.wrote(10)
        clock.ask(at: start)
        clock.wrote(5)
        #expect(try #require(clock.next(isLull: true)) >= at(50), "nothing is gained by asking again so soon")
        clock.reported(4, at: at(2))
        #expect(try #require(clock.next(isLull: true)) >= at(50), "a part of it is still under way")
        clock.reported(6, at: at(3))
        #expect(clock.next(isLull: true) == at(3))
    }

    @Test func askingIsPacedWhileMoreKeepsComing() {
        var clock = SendClock(now: start)
        clock.wrote(10)
        clock.ask(at: start)
        clock.wrote(5)
        clock.reported(10, at: at(1))
        #expect(clock.next(isLull: false) == at(5))
    }

    @Test func aBrokerThatSaysNothingIsAskedMoreAndMoreSeldom() throws {
        var clock = SendClock(now: start)
        clock.wrote(1)
        clock.ask(at: start)
        var waits: [Duration] = []
        var now = start
        for _ in 0..<7 {
            let next = try #require(clock.next(isLull: true))
            waits.append(next - now)
            now = next
            clock.ask(at: now)
        }
        #expect(waits == [50, 100, 200, 400, 800, 1000, 1000].map { .milliseconds($0) })
        clock.reported(1, at: now)
        clock.wrote(1)
        clock.ask(at: now)
        #expect(clock.next(isLull: true) == now + .milliseconds(50))
    }
}
