internal import LibRdKafka
internal import WeirCore

/// Finds the topics of a source and what part of each partition is to be read.
struct RangeFinder {
    let consumer: KafkaConsumer
    let settings: KafkaSourceSettings
    let range: ReplayRange

    private static let wait: Duration = .seconds(10)

    /// The topics by name, patterns with `*` and `?` resolved. Errors: `topic-missing`, and those of the cluster.
    func partitions() throws(WeirError) -> [KafkaPartition] {
        var names: [String] = []
        for pattern in settings.topics where pattern.contains("*") || pattern.contains("?") {
            let all = try asking("The topics cannot be listed") { () throws(KafkaError) in
                try consumer.describeAll(within: Self.wait)
            }
            let found = all.map(\.name).filter { !$0.hasPrefix("__") && Self.matches(pattern[...], $0[...]) }
            guard !found.isEmpty else {
                throw WeirError(
                    .topicMissing, stage: .source, "No topic matches \"\(pattern)\"",
                    advice: "Correct `topics` of the source; the principal must be allowed to describe them.")
            }
            names += found.sorted()
        }
        names += settings.topics.filter { !$0.contains("*") && !$0.contains("?") }
        var partitions: [KafkaPartition] = []
        for name in names where !partitions.contains(where: { $0.topic == name }) {
            let description = try asking("Topic \(name) cannot be read") { () throws(KafkaError) in
                try consumer.describe(name, within: Self.wait)
            }
            guard description.problem == .none else {
                throw KafkaError(description.problem).weirError(stage: .source, "Topic \(name) cannot be read")
            }
            partitions += description.partitions.map { KafkaPartition(topic: name, id: $0) }
        }
        return partitions
    }

    /// What part of each partition is read. `resume` is where an earlier replay stopped; it counts when the range
    /// has no beginning of its own. Errors: `position-mismatch` when records that are wanted are gone.
    func parts(_ partitions: [KafkaPartition], resume: Offsets?) throws(WeirError) -> [PartitionPart] {
        try checkNames(partitions)
        let starts = try times(partitions, range.from)
        let ends = try times(partitions, range.to)
        var parts: [PartitionPart] = []
        for partition in partitions {
            let marks = try asking("Partition \(partition) cannot be read") { () throws(KafkaError) in
                try consumer.watermarks(of: partition, within: Self.wait)
            }
            var part = PartitionPart(
                partition: partition, start: try start(partition, marks, starts, resume),
                end: end(partition, marks, ends))
            if case .lsn(let lsn)? = range.from { part.lsnMin = lsn.rawValue }
            if case .lsn(let lsn)? = range.to { part.lsnMax = lsn.rawValue }
            parts.append(part)
        }
        return parts
    }

    private func start(
        _ partition: KafkaPartition, _ marks: KafkaWatermarks, _ times: [KafkaPartition: Int64], _ resume: Offsets?
    ) throws(WeirError) -> Int64 {
        let wanted: Int64?
        switch range.from {
        case nil: wanted = resume?[partition]
        case .earliest, .lsn: wanted = nil
        case .time: wanted = times[partition] ?? marks.high
        case .offsets(let offsets): wanted = Self.offset(of: partition, in: offsets)
        }
        guard let wanted else { return marks.low }
        guard (marks.low...marks.high).contains(wanted) else {
            throw WeirError(
                .positionMismatch, stage: .source, "Offset \(wanted) of \(partition) does not exist",
                cause: "the partition holds offsets \(marks.low) to \(marks.high)",
                advice: wanted < marks.low
                    ? "The records between are gone: start from `earliest` and know that changes are missing, or copy "
                        + "the tables anew."
                    : "Correct --from, or the topic was created anew: start from `earliest`.")
        }
        return wanted
    }

    private func end(
        _ partition: KafkaPartition, _ marks: KafkaWatermarks, _ times: [KafkaPartition: Int64]
    ) -> Int64 {
        switch range.to {
        case nil, .earliest, .lsn: marks.high
        case .time: min(times[partition] ?? marks.high, marks.high)
        case .offsets(let offsets): min(Self.offset(of: partition, in: offsets) ?? marks.high, marks.high)
        }
    }

    private static func offset(of partition: KafkaPartition, in offsets: [ReplayPosition.PartitionOffset]) -> Int64? {
        offsets.last { $0.partition == partition.id && ($0.topic ?? partition.topic) == partition.topic }?.offset
    }

    private func times(_ partitions: [KafkaPartition], _ position: ReplayPosition?) throws(WeirError)
        -> [KafkaPartition: Int64]
    {
        guard case .time(let time)? = position else { return [:] }
        return try asking("The offsets of a time cannot be found") { () throws(KafkaError) in
            try consumer.offsets(of: partitions, since: time, within: Self.wait)
        }
    }

    /// Offsets of partitions that do not exist, or of a partition of one of several topics, are mistakes.
    private func checkNames(_ partitions: [KafkaPartition]) throws(WeirError) {
        let topics = Set(partitions.map(\.topic))
        for position in [range.from, range.to] {
            guard case .offsets(let offsets)? = position else { continue }
            for offset in offsets {
                let isKnown = partitions.contains {
                    $0.id == offset.partition
                        && ($0.topic == offset.topic || (offset.topic == nil && topics.count == 1))
                }
                guard !isKnown else { continue }
                let name = offset.topic.map { "\($0)[\(offset.partition)]" } ?? "\(offset.partition)"
                throw WeirError(
                    .usage, stage: .source, "There is no partition \(name) to start or end at",
                    advice: topics.count == 1
                        ? "Name a partition the topic has." : "With several topics write topic[partition]=offset.")
            }
        }
    }

    private func asking<Answer>(
        _ what: String, _ ask: () throws(KafkaError) -> Answer
    ) throws(WeirError) -> Answer {
        do throws(KafkaError) {
            return try ask()
        } catch {
            throw error.weirError(stage: .source, what)
        }
    }

    /// Whether a name matches a pattern with `*` (any run of characters) and `?` (one).
    static func matches(_ pattern: Substring, _ name: Substring) -> Bool {
        guard let first = pattern.first else { return name.isEmpty }
        if first == "*" {
            let rest = pattern.drop { $0 == "*" }
            return name.indices.contains { matches(rest, name[$0...]) } || matches(rest, "")
        }
        guard let character = name.first, first == "?" || first == character else { return false }
        return matches(pattern.dropFirst(), name.dropFirst())
    }
}
