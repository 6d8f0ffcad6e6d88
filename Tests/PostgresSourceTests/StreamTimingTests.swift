import Testing

@testable import PostgresSource

@Suite struct StreamTimingTests {
    private let start = ContinuousClock.now

    @Test func aSlowStreamIsNeverHeldBack() {
        var pacer = ReceivePacer(now: start)
        for step in 1...100 {
            pacer.ranDry(after: 3, at: start + .milliseconds(step))
            #expect(!pacer.isResting)
        }
    }

    @Test func aFastStreamRestsAndASlowOneStopsResting() {
        var pacer = ReceivePacer(now: start)
        // One row at a time, as a reader that keeps up gets them, at 100,000 a second.
        for step in 1...200 { pacer.ranDry(after: 1, at: start + .microseconds(step * 10)) }
        #expect(pacer.isResting)
        for step in 1...5 { pacer.ranDry(after: 50, at: start + .milliseconds(2) + .microseconds(step * 250)) }
        #expect(pacer.isResting)
        // Between two large transactions the server is silent for a while.
        pacer.ranDry(after: 0, at: start + .milliseconds(12))
        #expect(pacer.isResting && !pacer.isFlowing)
        pacer.woke(at: start + .milliseconds(20))
        #expect(pacer.isResting)
        pacer.woke(at: start + .milliseconds(30))
        #expect(!pacer.isResting)
        pacer.ranDry(after: 1, at: start + .milliseconds(31))
        #expect(!pacer.isResting && pacer.isFlowing)
    }

    @Test func underLoadFewOrLargeMessagesAreReadOn() {
        var pacer = ReceivePacer(now: start)
        #expect(!pacer.readsOn(after: 1, bytes: 10_000))
        pacer.ranDry(after: 200, at: start + .milliseconds(2))
        #expect(pacer.isResting)
        #expect(pacer.readsOn(after: 47, bytes: 47 * 200))
        #expect(!pacer.readsOn(after: 48, bytes: 48 * 200))
        #expect(pacer.readsOn(after: 48, bytes: 48 * 2048))
    }

    @Test func statusIsSentAtOnceForProgressAndQuestions() {
        var schedule = StatusSchedule(interval: .seconds(10), senderTimeout: nil, now: start)
        #expect(schedule.isDue(confirmed: 5, at: start))
        schedule.sent(confirmed: 5, at: start)
        #expect(!schedule.isDue(confirmed: 5, at: start + .seconds(9)))
        #expect(schedule.isDue(confirmed: 6, at: start + .milliseconds(10)))
        #expect(schedule.isDue(confirmed: 5, at: start + .seconds(10)))
        schedule.ask()
        #expect(schedule.isDue(confirmed: 5, at: start + .milliseconds(10)))
        schedule.sent(confirmed: 5, at: start + .milliseconds(10))
        #expect(!schedule.isDue(confirmed: 5, at: start + .milliseconds(30)))
    }

    @Test func aFloodOfQuestionsIsAnsweredAtALimitedRate() {
        var schedule = StatusSchedule(interval: .seconds(10), senderTimeout: nil, now: start)
        var sent = 0
        for step in 0..<1000 {
            schedule.ask()
            let now = start + .microseconds(step * 100)
            if schedule.isDue(confirmed: 1, at: now) {
                schedule.sent(confirmed: 1, at: now)
                sent += 1
            }
        }
        #expect(sent == 10)
    }

    @Test func theServersTimeoutShortensTheInterval() {
        let schedule = StatusSchedule(interval: .seconds(10), senderTimeout: .seconds(6), now: start)
        #expect(schedule.interval == .seconds(2))
        #expect(StatusSchedule(interval: .seconds(1), senderTimeout: .seconds(60), now: start).interval == .seconds(1))
        let shortest = StatusSchedule(interval: .seconds(1), senderTimeout: .milliseconds(1), now: start)
        #expect(shortest.interval == .milliseconds(100))
    }

    @Test func silenceIsAskedAboutOnceThenGivenUp() {
        var silence = SilenceWatch(limit: .seconds(60), now: start)
        #expect(silence.look(at: start + .seconds(29)) == .fine)
        #expect(silence.nextLook == start + .seconds(30))
        #expect(silence.look(at: start + .seconds(30)) == .ask)
        #expect(silence.look(at: start + .seconds(31)) == .fine)
        #expect(silence.nextLook == start + .seconds(60))
        #expect(silence.look(at: start + .seconds(60)) == .lost)
        silence.heard(at: start + .seconds(59))
        #expect(silence.look(at: start + .seconds(60)) == .fine)
    }
}
