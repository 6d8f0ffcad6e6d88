/// What every connector's settings may draw on besides their own section.
public struct CommonSettings: Sendable {
    /// The pipeline's name.
    public var pipeline: String
    /// How changes are written as Debezium events, unless a section says otherwise.
    public var debezium: DebeziumOptions

    /// Makes the common part.
    public init(pipeline: String = "main", debezium: DebeziumOptions = DebeziumOptions()) {
        self.pipeline = pipeline
        self.debezium = debezium
    }
}

/// The settings of one type of source: its keys below `source` and the value made of them.
///
/// A connector declares a type that conforms and adds it to the ``SettingsCatalog``; nothing else knows its keys.
public protocol SourceSettings: Sendable {
    /// What `source.type` says.
    static var type: String { get }
    /// The keys besides `type`.
    static var fields: [SettingsFieldInfo] { get }
    /// Reads the section. Problems go to the section's decoding; the value is used only when there are none.
    init(reading section: SettingsSection, common: CommonSettings)
}

/// The settings of one type of sink: its keys in an entry of `sinks` and the value made of them.
public protocol SinkSettings: Sendable {
    /// What `sinks[].type` says.
    static var type: String { get }
    /// The keys besides `type` and `name`.
    static var fields: [SettingsFieldInfo] { get }
    /// Reads the section. Problems go to the section's decoding; the value is used only when there are none.
    init(reading section: SettingsSection, common: CommonSettings)
}

/// The connectors a configuration may name.
public struct SettingsCatalog: Sendable {
    /// Types of sources.
    public var sources: [any SourceSettings.Type]
    /// Types of sinks.
    public var sinks: [any SinkSettings.Type]

    /// Makes a catalog.
    public init(sources: [any SourceSettings.Type], sinks: [any SinkSettings.Type]) {
        self.sources = sources
        self.sinks = sinks
    }

    /// Those that come with Weir.
    public static let standard = SettingsCatalog(
        sources: [PostgresSourceSettings.self, KafkaSourceSettings.self],
        sinks: [KafkaSinkSettings.self, PostgresSinkSettings.self, StdoutSinkSettings.self])
}
