internal import CRdKafka

/// How librdkafka chooses a partition by a message's key: what its property `partitioner` names.
///
/// Source: `rd_kafka_msg_partitioner_*` in rdkafka.h, and CONFIGURATION.md.
public enum KafkaPartitioner: String, Sendable {
    /// As Kafka's Java producer.
    case murmur2
    /// CRC32 of the key.
    case consistent
    /// FNV-1a of the key.
    case fnv1a

    /// The partitioner of a property's value, with or without `_random` for messages without key; nil for one that
    /// chooses by chance.
    public init?(property: String) {
        self.init(rawValue: property.hasSuffix("_random") ? String(property.dropLast(7)) : property)
    }
}

extension KafkaTopic {
    /// The partition that a key goes to in a topic of `count` partitions; nil where chance decides: without key, or,
    /// for `consistent`, with an empty one.
    public func partition(
        of key: UnsafeRawBufferPointer?, count: Int32, by partitioner: KafkaPartitioner
    ) -> Int32? {
        guard count > 0, let key = unsafe key, let base = key.baseAddress else { return nil }
        switch partitioner {
        case .murmur2: return unsafe rd_kafka_msg_partitioner_murmur2(handle, base, key.count, count, nil, nil)
        case .fnv1a: return unsafe rd_kafka_msg_partitioner_fnv1a(handle, base, key.count, count, nil, nil)
        case .consistent:
            guard unsafe !key.isEmpty else { return nil }
            return unsafe rd_kafka_msg_partitioner_consistent(handle, base, key.count, count, nil, nil)
        }
    }
}
