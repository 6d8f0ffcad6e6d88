internal import CRdKafka
public import LibRdKafka

/// Kafka requests that faults can be put on. Source: "Api Keys" of the Kafka protocol guide.
public enum MockRequest: Int16, Sendable {
    case produce = 0
    case fetch = 1
    case listOffsets = 2
    case metadata = 3
    case initProducerID = 22
}

/// librdkafka's in-process cluster: real sockets on loopback, faults on demand.
///
/// It creates topics when a client asks for their metadata. It has no TLS, no SASL, no admin requests, and keeps
/// 5 MiB a partition. Sendable: the C type is thread-safe by its contract ("mock cluster ... thread-safe").
public final class MockCluster: @unchecked Sendable {
    // `@unchecked Sendable`: both pointers live from `init` to `deinit`, and rdkafka_mock.h's calls are executed on
    // the cluster's own thread, whichever thread makes them.
    private let client: OpaquePointer
    private let cluster: OpaquePointer

    /// The addresses for `bootstrap.servers`.
    public let bootstrapServers: String

    /// Starts a cluster of so many brokers; ids begin at 1.
    public init(brokers: Int = 1) throws {
        var text = [CChar](repeating: 0, count: 512)
        let configuration = rd_kafka_conf_new()
        _ = rd_kafka_conf_set(configuration, "log_level", "0", &text, text.count)
        guard let client = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, &text, text.count) else {
            rd_kafka_conf_destroy(configuration)
            throw KafkaError(.invalidArgument, "no client for the mock cluster")
        }
        guard let cluster = rd_kafka_mock_cluster_new(client, Int32(brokers)) else {
            rd_kafka_destroy(client)
            throw KafkaError(.invalidArgument, "no mock cluster")
        }
        self.client = client
        self.cluster = cluster
        bootstrapServers = String(cString: rd_kafka_mock_cluster_bootstraps(cluster))
    }

    deinit {
        rd_kafka_mock_cluster_destroy(cluster)
        rd_kafka_destroy(client)
    }

    /// Creates a topic; without it a client's first metadata request does, with four partitions.
    public func createTopic(_ name: String, partitions: Int = 1, replicas: Int = 1) {
        _ = rd_kafka_mock_topic_create(cluster, name, Int32(partitions), Int32(replicas))
    }

    /// Makes metadata answers carry an error for a topic.
    public func setError(_ error: KafkaErrorCode, topic: String) {
        rd_kafka_mock_topic_set_error(cluster, topic, rd_kafka_resp_err_t(rawValue: error.rawValue))
    }

    /// The next requests of a kind are answered with these errors, one each, on whichever broker they arrive.
    /// `.transport` closes the connection instead; `.none` lets a request through.
    public func fail(_ request: MockRequest, with errors: [KafkaErrorCode]) {
        let codes = errors.map { rd_kafka_resp_err_t(rawValue: $0.rawValue) }
        codes.withUnsafeBufferPointer {
            rd_kafka_mock_push_request_errors_array(cluster, request.rawValue, $0.count, $0.baseAddress)
        }
    }

    /// Takes back the errors not yet answered.
    public func clearFailures(_ request: MockRequest) {
        rd_kafka_mock_clear_request_errors(cluster, request.rawValue)
    }

    /// Moves a partition to another broker; -1 leaves it without a leader.
    public func setLeader(_ broker: Int32, topic: String, partition: Int32) {
        _ = rd_kafka_mock_partition_set_leader(cluster, topic, partition, broker)
    }

    /// Closes a broker's connections and refuses new ones.
    public func takeDown(_ broker: Int32 = 1) { _ = rd_kafka_mock_broker_set_down(cluster, broker) }

    /// Lets a broker serve again.
    public func bringUp(_ broker: Int32 = 1) { _ = rd_kafka_mock_broker_set_up(cluster, broker) }

    /// Delays a broker's answers.
    public func setRoundTrip(milliseconds: Int, broker: Int32 = 1) {
        _ = rd_kafka_mock_broker_set_rtt(cluster, broker, Int32(milliseconds))
    }
}
