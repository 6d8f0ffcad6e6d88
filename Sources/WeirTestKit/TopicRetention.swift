import CRdKafka

extension KafkaBroker {
    /// Deletes a partition's records before an offset, as retention would in time, and waits for the broker's word.
    ///
    /// - Parameters:
    ///   - topic: its name.
    ///   - partition: its id.
    ///   - offset: the first one that stays.
    public func deleteRecords(of topic: String, partition: Int, before offset: Int64) throws {
        let client = try KafkaClient(.producer, bootstrap: bootstrap)
        let list = rd_kafka_topic_partition_list_new(1)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        rd_kafka_topic_partition_list_add(list, topic, Int32(partition))?.pointee.offset = offset
        var request = rd_kafka_DeleteRecords_new(list)
        defer { rd_kafka_DeleteRecords_destroy(request) }
        let queue = rd_kafka_queue_new(client.handle)
        defer { rd_kafka_queue_destroy(queue) }
        rd_kafka_DeleteRecords(client.handle, &request, 1, nil, queue)
        guard let event = rd_kafka_queue_poll(queue, 30_000) else { throw TestKitError("delete records: no answer") }
        defer { rd_kafka_event_destroy(event) }
        try client.check(rd_kafka_event_error(event), "delete records of \(topic)")
    }
}
