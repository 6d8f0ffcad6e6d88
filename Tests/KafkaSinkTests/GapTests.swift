import Testing
import WeirCore
import WeirTestKit

@testable import KafkaSink
@testable import LibRdKafka

/// What is reported when a message that fails for good ends the producer.
@Suite("Kafka sink: reports behind a gap") struct GapTests {
    private func deliveries() -> Deliveries {
        let deliveries = Deliveries()
        deliveries.start(MessageLimits(), asksToSend: false, createsTopics: false)
        var batch = TestBatch()
        for id in 0..<3 {
            batch.begin(UInt64(1000 + 16 * id))
            batch.insert(orders, [.text("\(id)"), "name"])
            batch.commit()
        }
        deliveries.register(batch.seal(), ticket: 1)
        deliveries.accepted(1, messages: 3)
        return deliveries
    }

    private func run(row: Int, count: Int = 1, _ result: KafkaErrorCode) -> DeliveryRun {
        DeliveryRun(
            ticket: MessageTicket(batch: 1, row: row).rawValue, count: count, result: result,
            failedTopic: result == .none ? nil : "shop.public.orders", partition: 0, failedBytes: 1)
    }

    @Test("the message that made the gap is named, although those behind it were reported first")
    func purgedFirst() {
        let deliveries = deliveries()
        let gap = KafkaError(.gaplessGuarantee, "unable to satisfy gap-less guarantee", isFatal: true)
        deliveries.take(KafkaError(.fatal, nil, isFatal: true), fatal: gap, outstanding: 3)
        #expect(deliveries.failure == nil)
        deliveries.take([run(row: 1, .purgedInFlight), run(row: 2, .purgedFromQueue)])
        #expect(deliveries.failure == nil)
        deliveries.take([run(row: 0, .messageTooLarge)])
        #expect(deliveries.failure?.code == .messageTooLarge)
        #expect(deliveries.failure?.position == LSN(1000))
        #expect(deliveries.failure?.table == orders.table)
    }

    @Test("what the producer refuses behind a gap waits for the report of the gap")
    func refusedFirst() throws {
        let deliveries = deliveries()
        let (later, first) = (run(row: 2, .purgedFromQueue), run(row: 0, .messageTooLarge))
        let reports = Background {
            for report in [later, first] {
                deliveries.take([report])
                deliveries.released(1)
            }
        }
        let failure = deliveries.failureThatFollows(limit: .seconds(20), isOver: { false })
        try reports.value(timeout: .seconds(20))
        #expect(failure?.code == .messageTooLarge && failure?.position == LSN(1000))
        // Neither an attempt that is over nor a report that never comes holds the sink's thread.
        #expect(self.deliveries().failureThatFollows(limit: .seconds(20), isOver: { true }) == nil)
        #expect(self.deliveries().failureThatFollows(limit: .milliseconds(5), isOver: { false }) == nil)
    }
}
