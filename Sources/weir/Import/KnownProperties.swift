/// Properties of Debezium that Weir needs no setting for.
enum KnownProperties {
    private static let tuning: Set<String> = [
        "max.batch.size", "max.queue.size", "max.queue.size.in.bytes", "poll.interval.ms", "snapshot.fetch.size",
        "snapshot.max.threads", "snapshot.delay.ms", "streaming.delay.ms", "query.fetch.size", "slot.max.retries",
        "slot.retry.delay.ms", "status.update.interval.ms", "database.tcpKeepAlive",
        "retriable.restart.connector.wait.ms",
        "errors.max.retries", "errors.retry.delay.initial.ms", "errors.retry.delay.max.ms", "errors.log.enable",
        "errors.log.include.messages", "errors.retry.timeout", "connection.validation.timeout.ms",
        "database.query.timeout.ms", "executor.shutdown.timeout.ms", "topic.cache.size",
        "schema.refresh.mode", "snapshot.lock.timeout.ms", "snapshot.locking.mode", "snapshot.isolation.mode",
        "snapshot.tables.order.by.row.count", "min.row.count.to.stream.results", "lsn.flush.timeout.ms",
        "record.processing.threads", "record.processing.order", "task.management.timeout.ms",
    ]
    private static let around: Set<String> = [
        "name", "tasks.max", "connector.class", "custom.metric.tags", "advanced.metrics.enable", "auto.evolve",
        "extended.headers.enabled", "topic.creation.enable",
        "connector.client.config.override.policy",
    ]

    /// Why a property needs none; nil for one that is not known.
    static func needless(_ name: String) -> String? {
        if tuning.contains(name) { return "is not needed: Weir tunes itself (limits, retries)" }
        if around.contains(name) { return "is not needed" }
        for prefix in ["offset.", "schema.history.", "database.history.", "bookkeeping."] where name.hasPrefix(prefix) {
            return "is not needed: positions are in Weir's state"
        }
        if name.hasPrefix("openlineage.") { return "is not needed: Weir sends no lineage" }
        if name.hasPrefix("predicates") { return "belongs to transforms" }
        return nil
    }
}
