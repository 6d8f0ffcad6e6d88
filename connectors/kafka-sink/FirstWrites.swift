/// Which partitions a producer has written to: the second message of a partition waits until the first is reported.
///
/// A broker holds the numbers of an idempotent producer's messages against those that it has seen in the partition. Of
/// a producer that is new to it it has seen none, and takes whatever comes first (KIP-360). Were two requests under way
/// then, and the first one refused, for a moment (a leader that has just been chosen) or for good, the second would be
/// taken: out of order, and librdkafka would call the first one delivered. Pure; used on the sink's thread.
struct FirstWrites {
    private enum State: UInt8 {
        case untouched, underWay, known
    }

    /// Of the partitions of each topic, by the encoder's topic index.
    private var states: [[State]] = []
    /// Partitions of each topic that are not known yet: what is asked for each row.
    private var left: [Int] = []
    private var underWay: [(topic: Int, partition: Int)] = []
    /// Messages queued.
    private var queued: UInt64 = 0

    /// Takes in a topic with so many partitions.
    mutating func begin(_ topic: Int, partitions: Int) {
        while states.count <= topic {
            states.append([])
            left.append(0)
        }
        states[topic] = Array(repeating: .untouched, count: partitions)
        left[topic] = partitions
    }

    /// Partitions of a topic whose partitions are not all known; nil when nothing has to be looked at.
    func partitions(toWatch topic: Int) -> Int? {
        guard topic < left.count, left[topic] > 0 else { return nil }
        return states[topic].count
    }

    /// Whether a partition's first message is under way.
    func isUnderWay(_ topic: Int, _ partition: Int) -> Bool { state(topic, partition) == .underWay }

    /// Takes in that a message was queued; without a partition where it is not known or not of interest.
    mutating func queue(_ topic: Int, _ partition: Int?) {
        queued += 1
        guard let partition, state(topic, partition) == .untouched else { return }
        states[topic][partition] = .underWay
        underWay.append((topic, partition))
    }

    /// Takes in how many messages were reported; true when that is all of them.
    mutating func take(reported: UInt64) -> Bool {
        guard reported >= queued else { return false }
        for (topic, partition) in underWay {
            states[topic][partition] = .known
            left[topic] -= 1
        }
        underWay.removeAll(keepingCapacity: true)
        return true
    }

    private func state(_ topic: Int, _ partition: Int) -> State? {
        guard topic < states.count, states[topic].indices.contains(partition) else { return nil }
        return states[topic][partition]
    }
}
