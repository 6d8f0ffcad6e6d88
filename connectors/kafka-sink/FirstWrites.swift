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

    private struct Topic {
        var partitions: [State]
        /// Partitions that are not known yet.
        var left: Int
    }

    /// By the encoder's topic index; nil for topics that were not begun.
    private var topics: [Topic?] = []
    private var underWay: [(topic: Int, partition: Int)] = []
    /// Messages queued.
    private var queued: UInt64 = 0

    /// Takes in a topic with so many partitions.
    mutating func begin(_ topic: Int, partitions: Int) {
        while topics.count <= topic { topics.append(nil) }
        topics[topic] = Topic(partitions: Array(repeating: .untouched, count: partitions), left: partitions)
    }

    /// Partitions of a topic whose partitions are not all known; nil when nothing has to be looked at.
    func partitions(toWatch topic: Int) -> Int? {
        guard topic < topics.count, let found = topics[topic], found.left > 0 else { return nil }
        return found.partitions.count
    }

    /// Whether a partition's first message is under way.
    func isUnderWay(_ topic: Int, _ partition: Int) -> Bool { state(topic, partition) == .underWay }

    /// Takes in that a message was queued; without a partition where it is not known or not of interest.
    mutating func queue(_ topic: Int, _ partition: Int?) {
        queued += 1
        guard let partition, state(topic, partition) == .untouched else { return }
        topics[topic]?.partitions[partition] = .underWay
        underWay.append((topic, partition))
    }

    /// Takes in how many messages were reported; true when that is all of them.
    mutating func take(reported: UInt64) -> Bool {
        guard reported >= queued else { return false }
        for (topic, partition) in underWay {
            topics[topic]?.partitions[partition] = .known
            topics[topic]?.left -= 1
        }
        underWay.removeAll(keepingCapacity: true)
        return true
    }

    private func state(_ topic: Int, _ partition: Int) -> State? {
        guard topic < topics.count, let found = topics[topic], found.partitions.indices.contains(partition) else {
            return nil
        }
        return found.partitions[partition]
    }
}
