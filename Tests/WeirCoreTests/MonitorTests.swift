import Testing
import WeirTestKit

@testable import WeirCore

@Suite struct MonitorTests {
    @Test func aWaiterWakesWhenItsConditionHolds() throws {
        let monitor = Monitor(0)
        let waiter = Background { monitor.wait(until: .now + .seconds(20)) { $0 == 3 ? $0 : nil } }
        for _ in 0..<3 { monitor.update { $0 += 1 } }
        #expect(try waiter.value() == 3)
    }

    @Test func whatAWaiterChangesWakesTheOthers() throws {
        let monitor = Monitor((first: false, second: false))
        let second = Background {
            monitor.wait(until: .now + .seconds(20)) { $0.second ? true : nil } ?? false
        }
        let first = Background {
            monitor.wait(until: .now + .seconds(20)) { state in
                guard state.first else { return Bool?.none }
                state.second = true
                return true
            } ?? false
        }
        monitor.update { $0.first = true }
        let firstWoke = try first.value(), secondWoke = try second.value()
        #expect(firstWoke && secondWoke)
    }

    @Test func aMilestoneWakesEveryWaiterAndOtherChangesNotAll() throws {
        let monitor = Monitor((changes: 0, isDone: false))
        let looks = Monitor(0)
        let patient = Background {
            monitor.waitForMilestone(until: .now + .seconds(20)) { state in
                looks.update { $0 += 1 }
                return state.isDone ? state.changes : nil
            }
        }
        let eager = Background { monitor.wait(until: .now + .seconds(20)) { $0.isDone ? true : nil } }
        #expect(looks.wait(until: .now + .seconds(20)) { $0 == 1 ? true : nil } == true)
        for _ in 0..<1000 { monitor.update { $0.changes += 1 } }
        monitor.mark { $0.isDone = true }
        #expect(try patient.value() == 1000)
        #expect(try eager.value() == true)
        // The system may wake a thread for nothing, but not for each of a thousand changes.
        #expect(looks.read { $0 } < 10)
    }

    @Test func aDeadlineEndsAWait() {
        let monitor = Monitor(0)
        let began = ContinuousClock.now
        let result = monitor.wait(until: began + .milliseconds(30)) { _ in Int?.none }
        #expect(result == nil)
        #expect(ContinuousClock.now - began >= .milliseconds(30))
    }

    @Test func aDeadlineInThePastLooksOnce() {
        let monitor = Monitor(5)
        let past = ContinuousClock.now - .seconds(1)
        #expect(monitor.wait(until: past) { $0 == 5 ? "yes" : nil } == "yes")
        #expect(monitor.wait(until: past) { $0 == 6 ? "yes" : nil } == nil)
    }

    @Test func threadsDoNotTearTheValue() throws {
        let monitor = Monitor(0)
        let workers = (0..<8).map { _ in
            Background { for _ in 0..<10_000 { monitor.update { $0 += 1 } } }
        }
        for worker in workers { try worker.value() }
        #expect(monitor.read { $0 } == 80_000)
    }
}

@Suite struct RetryPolicyTests {
    let policy = RetryPolicy(delayMin: .milliseconds(100), delayMax: .seconds(2), startupLimit: .seconds(30))

    @Test func delaysDoubleUpToTheirMost() {
        let delays = (1...7).map { policy.delay(failures: $0, random: 1) }
        #expect(
            delays == [
                .milliseconds(100), .milliseconds(200), .milliseconds(400), .milliseconds(800), .milliseconds(1600),
                .seconds(2), .seconds(2),
            ])
    }

    @Test(arguments: [-1, 0, 1, 63, 64, 1_000_000, Int.max]) func anyNumberOfFailuresHasADelay(failures: Int) {
        for random in [0, 0.5, 0.999] {
            let delay = policy.delay(failures: failures, random: random)
            #expect(delay >= .milliseconds(50) && delay <= .seconds(2))
        }
    }

    @Test func chanceSpreadsADelayOverItsUpperHalf() {
        #expect(policy.delay(failures: 2, random: 0) == .milliseconds(100))
        #expect(policy.delay(failures: 2, random: 0.5) == .milliseconds(150))
    }

    @Test func aStartGivesUpAndAnOutageDoesNotUnlessTold() {
        #expect(!policy.givesUp(after: .seconds(29), hasStreamed: false))
        #expect(policy.givesUp(after: .seconds(30), hasStreamed: false))
        #expect(!policy.givesUp(after: .seconds(1_000_000), hasStreamed: true))
        var limited = policy
        limited.outageLimit = .seconds(60)
        #expect(!limited.givesUp(after: .seconds(59), hasStreamed: true))
        #expect(limited.givesUp(after: .seconds(60), hasStreamed: true))
    }
}
