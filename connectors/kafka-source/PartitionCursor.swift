internal import LibRdKafka
internal import WeirCore

/// What part of a partition a replay reads.
struct PartitionPart: Sendable, Equatable {
    let partition: KafkaPartition
    /// The first offset.
    let start: Int64
    /// The offset after the last.
    let end: Int64
    /// Changes committed before this are passed over.
    var lsnMin: UInt64 = 0
    /// Changes committed at or after this end the partition; nil means none does.
    var lsnMax: UInt64?
}

/// Reads a partition event by event, with the next one in hand.
final class PartitionCursor {
    let part: PartitionPart
    /// The next event, nil while there is none.
    private(set) var head: ReplayEvent?
    /// Its place in the merged order: never before that of an event already taken.
    private(set) var order = EventOrder.first
    /// The offset after everything taken so far.
    private(set) var next: Int64
    /// Nothing is left.
    private(set) var isDone: Bool

    private let reader: KafkaPartitionReader
    private let parser = RecordParser()
    private var fetch: KafkaFetch?
    private var index = 0
    /// The offset after the head, or after the last record passed over.
    private var seen: Int64
    /// The highest event id of the stream so far.
    private var lastIdentified: EventOrder?

    private static let fetchMax = 256

    init(_ part: PartitionPart, _ consumer: KafkaConsumer) throws(WeirError) {
        self.part = part
        next = part.start
        seen = part.start
        isDone = part.start >= part.end
        do throws(KafkaError) {
            reader = try consumer.read(part.partition, from: part.start)
        } catch {
            throw error.weirError(stage: .source, "Partition \(part.partition) cannot be read")
        }
    }

    /// Gets the next event in hand, or finds the end; false when neither came within `wait`.
    func fill(within wait: Duration) throws(WeirError) -> Bool {
        while head == nil, !isDone {
            if fetch == nil || index >= (fetch?.count ?? 0) {
                fetch = reader.take(Self.fetchMax, within: wait)
                index = 0
                if fetch?.count == 0 { return false }
            }
            index += 1
            try fetch?.withMessage(index - 1) { (message) throws(WeirError) in try self.look(message) }
        }
        return true
    }

    /// Gives the event in hand away.
    func take() -> ReplayEvent? {
        let event = head
        head = nil
        next = seen
        return event
    }

    private func look(_ message: borrowing KafkaMessage) throws(WeirError) {
        switch message.problem {
        case .none: break
        case .partitionEnd:
            if message.offset >= part.end { finish() }
            return
        case let problem where problem.trouble == .unavailable: return
        case let problem:
            throw KafkaError(problem, message.problemText).weirError(
                stage: .source, "Partition \(part.partition) cannot be read")
        }
        guard message.offset < part.end else { return finish() }
        seen = message.offset + 1
        guard case .event(let event) = try parser.parse(message) else { return pass() }
        place(event)
        // The last record is known to be it without waiting for the partition to say so.
        if head == nil, seen >= part.end { finish() }
    }

    /// Nothing of the record is wanted.
    private func pass() {
        if head == nil { next = seen }
        if seen >= part.end { finish() }
    }

    private func finish() {
        isDone = true
        next = max(next, min(seen, part.end))
    }

    private func place(_ event: ReplayEvent) {
        if event.order.commit < part.lsnMin { return pass() }
        if let limit = part.lsnMax, event.order.commit >= limit, event.operation != .read { return finish() }
        if event.isIdentified, event.operation != .read {
            // After a crash events repeat with the same ids, which otherwise rise within a partition.
            if let last = lastIdentified, event.order <= last { return pass() }
            lastIdentified = event.order
        }
        order = max(order, event.order)
        head = event
    }
}

/// Reads several partitions in the order of their source: that of commits and changes, not that of arrival.
struct MergedReader: ~Copyable {
    enum Step {
        /// An event, and the offset after it.
        case event(ReplayEvent, KafkaPartitionOffset)
        /// Some partition has nothing in hand yet.
        case waiting
        case end
    }

    private let cursors: [PartitionCursor]
    /// Indexes of cursors with an event in hand, as a heap: the first one's is next.
    private var heap: [Int] = []
    /// Indexes of cursors that have to be looked at before anything can be taken.
    private var unfilled: [Int]

    init(_ cursors: [PartitionCursor]) {
        self.cursors = cursors
        unfilled = Array(cursors.indices)
    }

    /// The next event of all. Waits up to `wait` for each partition that has none in hand.
    mutating func next(within wait: Duration) throws(WeirError) -> Step {
        while let index = unfilled.last {
            guard try cursors[index].fill(within: wait) else { return .waiting }
            unfilled.removeLast()
            if !cursors[index].isDone || cursors[index].head != nil { push(index) }
        }
        guard let first = heap.first else { return .end }
        pop()
        unfilled.append(first)
        guard let event = cursors[first].take() else { return .waiting }
        let cursor = cursors[first]
        return .event(event, KafkaPartitionOffset(partition: cursor.part.partition, offset: cursor.next))
    }

    /// The offsets after everything taken.
    var offsets: [KafkaPartitionOffset] {
        cursors.map { KafkaPartitionOffset(partition: $0.part.partition, offset: $0.next) }
    }

    private func isBefore(_ left: Int, _ right: Int) -> Bool {
        (cursors[left].order, left) < (cursors[right].order, right)
    }

    private mutating func push(_ index: Int) {
        heap.append(index)
        var child = heap.count - 1
        while child > 0, isBefore(heap[child], heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func pop() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [parent * 2 + 1, parent * 2 + 2] where child < heap.count {
                if isBefore(heap[child], heap[least]) { least = child }
            }
            guard least != parent else { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
