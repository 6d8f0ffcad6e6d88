public import Testing

extension Tag {
    /// A test that talks to a real PostgreSQL or Kafka.
    @Tag public static var integration: Self
}

extension Trait where Self == ConditionTrait {
    /// Skips the test where no PostgreSQL server can be started, and under `Tests/run.sh --unit`.
    public static var needsPostgres: Self {
        .enabled(
            if: !TestEnvironment.isUnitOnly && TestEnvironment.postgresBin != nil,
            "needs PostgreSQL's server programs (WEIR_TEST_PG_BIN)")
    }

    /// Skips the test where there is no Kafka broker, and under `Tests/run.sh --unit`.
    public static var needsKafka: Self {
        .enabled(
            if: !TestEnvironment.isUnitOnly && KafkaBroker.isAvailable,
            "needs a Kafka broker (Tests/run.sh starts one; else set WEIR_TEST_KAFKA or KAFKA_HOME)")
    }

    /// Skips the test where no broker of its own can be started: it restarts, kills or configures one.
    public static var needsPrivateKafka: Self {
        .enabled(
            if: !TestEnvironment.isUnitOnly && TestEnvironment.kafkaHome != nil,
            "needs a broker of its own (KAFKA_HOME and Java)")
    }

    /// Skips the test where the broker is not known to be Apache Kafka: it uses what the small broker lacks.
    public static var needsApacheKafka: Self {
        .enabled(
            if: !TestEnvironment.isUnitOnly && KafkaBroker.isApache,
            "needs Apache Kafka itself (KAFKA_HOME or Docker)")
    }
}
