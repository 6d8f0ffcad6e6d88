/// The block `limits`: bounds in time and memory.
struct LimitSettings {
    var pipeline = PipelineSettings()
    var batch = BatchLimits()

    private enum Keys {
        static let batchBytes = SettingsField<Int>.bytes(
            "batch.bytes", .value(512 << 10), in: (4 << 10)...(64 << 20),
            doc: "A batch of changes is full at this size.")
        static let batchRows = SettingsField<Int>.count(
            "batch.rows", .value(8192), in: 1...1_000_000, doc: "A batch of changes is full with this many rows.")
        static let queueBytes = SettingsField<Int>.bytes(
            "queue.bytes", .value(8 << 20), in: (64 << 10)...(4 << 30),
            doc: "Bytes of changes that may wait for each sink; a full queue slows the source down.")
        static let drain = SettingsField<Duration>.duration(
            "drain", .value(.seconds(30)), in: .zero...(.seconds(3600)),
            doc: "How long a stop may take until everything accepted is durable.")
        static let saveInterval = SettingsField<Duration>.duration(
            "save.interval", .value(.milliseconds(200)), in: .milliseconds(1)...(.seconds(60)),
            doc: "Positions are stored no more often than this.")
        static let delayMin = SettingsField<Duration>.duration(
            "retry.delay.min", .value(.milliseconds(200)), in: .milliseconds(1)...(.seconds(3600)),
            doc: "Wait before the second attempt; it doubles with each failure.")
        static let delayMax = SettingsField<Duration>.duration(
            "retry.delay.max", .value(.seconds(30)), in: .milliseconds(1)...(.seconds(3600)),
            doc: "The longest wait before another attempt.")
        static let startup = SettingsField<Duration>.duration(
            "retry.startup", .value(.seconds(30)), in: .zero...(.seconds(86_400)),
            doc: "Give up when no attempt got as far as streaming for this long.")
        static let outage = SettingsField<Duration>.duration(
            "retry.outage", .derived("never"), in: .zero...(.seconds(8_640_000)),
            doc: "Give up when a pipeline that was streaming could not get back to it for this long.")
    }

    /// The keys of the block `limits`.
    static let fields: [SettingsFieldInfo] = [
        Keys.batchBytes.info, Keys.batchRows.info, Keys.queueBytes.info, Keys.drain.info, Keys.saveInterval.info,
        Keys.delayMin.info, Keys.delayMax.info,
        Keys.startup.info, Keys.outage.info,
    ]

    init(reading node: SettingsNode?, at path: SettingsPath, decoding: SettingsDecoding) {
        let section = SettingsSection(node, at: path, fields: Self.fields, decoding: decoding)
        batch.bytesMax = section.value(Keys.batchBytes, or: batch.bytesMax)
        batch.rowsMax = section.value(Keys.batchRows, or: batch.rowsMax)
        pipeline.queueBytesMax = section.value(Keys.queueBytes, or: pipeline.queueBytesMax)
        pipeline.drainLimit = section.value(Keys.drain, or: pipeline.drainLimit)
        pipeline.saveInterval = section.value(Keys.saveInterval, or: pipeline.saveInterval)
        pipeline.retry.delayMin = section.value(Keys.delayMin, or: pipeline.retry.delayMin)
        pipeline.retry.delayMax = section.value(Keys.delayMax, or: pipeline.retry.delayMax)
        pipeline.retry.startupLimit = section.value(Keys.startup, or: pipeline.retry.startupLimit)
        pipeline.retry.outageLimit = section.value(Keys.outage)
        if pipeline.retry.delayMax < pipeline.retry.delayMin {
            section.problem(Keys.delayMax.info.name, "it is less than \(Keys.delayMin.info.name)")
        }
    }
}
