import WeirCore

/// What a connector gets besides its own settings.
struct ConnectorContext: Sendable {
    /// The pipeline's name.
    let pipeline: String
    /// The logger, with no name added.
    let logger: Logger
}

/// Which connector serves which settings: the only place that knows all of them.
///
/// A new connector is one entry here and one in its `SettingsCatalog`.
struct ConnectorRegistry: Sendable {
    /// Makes factories for one type of source.
    struct SourceEntry: Sendable {
        let type: String
        let make: @Sendable (any SourceSettings, ConnectorContext) -> SourceFactory?
    }

    /// Makes factories for one type of sink.
    struct SinkEntry: Sendable {
        let type: String
        let make: @Sendable (any SinkSettings, String, ConnectorContext) -> SinkFactory?
    }

    let sources: [SourceEntry]
    let sinks: [SinkEntry]

    /// Serves a type of source: `make` is called once for a pipeline and gives what is called once an attempt.
    static func source<Settings: SourceSettings>(
        _ type: Settings.Type,
        _ make: @escaping @Sendable (Settings, ConnectorContext) -> @Sendable () throws(WeirError) -> any ChangeSource
    ) -> SourceEntry {
        SourceEntry(type: type.type) { settings, context in
            (settings as? Settings).map { SourceFactory(name: Settings.type, make: make($0, context)) }
        }
    }

    /// Serves a type of sink: `make` is called once an attempt, on the sink's thread.
    static func sink<Settings: SinkSettings>(
        _ type: Settings.Type,
        _ make: @escaping @Sendable (Settings, ConnectorContext) throws(WeirError) -> any Sink
    ) -> SinkEntry {
        SinkEntry(type: type.type) { settings, name, context in
            guard let settings = settings as? Settings else { return nil }
            return SinkFactory(name: name) { () throws(WeirError) in try make(settings, context) }
        }
    }

    /// Serves a type of sink whose attempts have something in common: `keeping` makes it once for a pipeline.
    static func sink<Settings: SinkSettings, Kept: Sendable>(
        _ type: Settings.Type, keeping: @escaping @Sendable () -> Kept,
        _ make: @escaping @Sendable (Settings, ConnectorContext, Kept) throws(WeirError) -> any Sink
    ) -> SinkEntry {
        SinkEntry(type: type.type) { settings, name, context in
            guard let settings = settings as? Settings else { return nil }
            let kept = keeping()
            return SinkFactory(name: name) { () throws(WeirError) in try make(settings, context, kept) }
        }
    }

    /// The factory of a configuration's source.
    func source(_ settings: any SourceSettings, _ context: ConnectorContext) throws(WeirError) -> SourceFactory {
        for entry in sources {
            if let factory = entry.make(settings, context) { return factory }
        }
        throw missing("source", type(of: settings).type)
    }

    /// The factory of one of a configuration's sinks.
    func sink(_ sink: WeirSettings.Sink, _ context: ConnectorContext) throws(WeirError) -> SinkFactory {
        for entry in sinks {
            if let factory = entry.make(sink.settings, sink.name, context) { return factory }
        }
        throw missing("sink", type(of: sink.settings).type)
    }

    private func missing(_ what: String, _ type: String) -> WeirError {
        WeirError(
            .configurationInvalid, stage: .configuration, "This build of weir has no \(what) of type \(type)",
            advice: "Build it with that connector.")
    }
}
