/// A whole configuration with types: what `weir.yaml` says.
public struct WeirSettings: Sendable {
    /// One sink with its name.
    public struct Sink: Sendable {
        /// Unique in the pipeline; the key of its position, so it must not change between runs.
        public let name: String
        /// What its type's keys say.
        public let settings: any SinkSettings
    }

    /// The pipeline's name.
    public var pipeline: String
    /// Where changes come from.
    public var source: any SourceSettings
    /// The steps between source and sinks, in order.
    public var transforms: [TransformSettings]
    /// Where changes go; at least one.
    public var sinks: [Sink]
    /// The folder of the state file.
    public var statePath: String
    /// How changes are written as Debezium events.
    public var debezium: DebeziumOptions
    /// Bounds in time and memory.
    public var limits: PipelineSettings
    /// When a batch of changes is full.
    public var batchLimits: BatchLimits
    /// Where health, status and metrics are served; nil when they are not.
    public var http: SocketPlace?

    /// What topics begin with: the pipeline's name unless told otherwise.
    public var topicPrefix: String { debezium.topicPrefix ?? pipeline }
}

extension WeirSettings {
    /// Settings of a source alone, for commands that bring their own sink; everything else has its default.
    public init(pipeline: String, source: any SourceSettings) {
        self.init(
            pipeline: pipeline, source: source, transforms: [], sinks: [], statePath: "", debezium: DebeziumOptions(),
            limits: PipelineSettings(), batchLimits: BatchLimits(), http: nil)
    }

    enum Keys {
        static let pipeline = SettingsField<String>.text(
            "pipeline", .value("main"),
            doc: "Name of the pipeline: default for slot, publication and topics, and the key of its positions."
        ).checked { PostgresNames.pipelineFault($0) }
        static let source = SettingsFieldInfo(
            name: "source", type: "map", fallback: .required, doc: "Where changes come from.")
        static let transforms = SettingsFieldInfo(
            name: "transforms", type: "list", fallback: .value("[]"), doc: "Steps applied in order.")
        static let sinks = SettingsFieldInfo(
            name: "sinks", type: "list", fallback: .required, doc: "Where changes go: one or more.")
        static let state = SettingsFieldInfo(
            name: "state", type: "map", fallback: .none, doc: "Where positions are kept.")
        static let journal = SettingsFieldInfo(
            name: "journal", type: "map", fallback: .none, doc: "Not in this version.")
        static let http = SettingsFieldInfo(
            name: "http", type: "map", fallback: .none, doc: "The HTTP endpoint; without this block there is none.")
        static let debezium = SettingsFieldInfo(
            name: "debezium", type: "map", fallback: .none, doc: "How Debezium events are written.")
        static let limits = SettingsFieldInfo(
            name: "limits", type: "map", fallback: .none, doc: "Bounds in time and memory.")
        static let all = [
            pipeline.info, source, transforms, sinks, state, journal, http, debezium, limits,
        ]

        static let type = SettingsField<String>.text("type", .required, doc: "The type of the sink.")
        static let sourceType = SettingsField<String>.text("type", .value("postgres"), doc: "The type of the source.")
        static let name = SettingsField<String>.text(
            "name", .derived("the type"),
            doc: "The sink's name, the key of its position; needed when two sinks have the same type."
        ).checked { PostgresNames.identifierFault($0) }
        static let listen = SettingsField<SocketPlace>(
            SettingsFieldInfo(
                name: "listen", type: "address:port", fallback: .value("127.0.0.1:8070"),
                doc: "Where `/metrics`, `/health/live`, `/health/ready` and `/status` are served."),
            fallback: SocketPlace(host: "127.0.0.1", port: 8070)
        ) { node, path, decoding in
            if let place = node.text.flatMap(SocketPlace.init) { return place }
            decoding.problem(
                path, node.mark, "expected an address and a port, found \(SettingsDecoding.quoted(node))",
                suggestion: "such as 127.0.0.1:8070 or [::1]:8070")
            return nil
        }
        static let statePath = SettingsField<String>.text(
            "path", .value("./weir-state"),
            doc: "Folder of the SQLite file with the positions of sinks that cannot keep their own.")
    }

    /// Reads a tree. Every problem is in `decoding`; the result is nil exactly when there are some.
    public static func read(
        _ tree: SettingsNode, catalog: SettingsCatalog = .standard, decoding: SettingsDecoding
    ) -> WeirSettings? {
        let root = SettingsSection(tree, at: SettingsPath(), fields: Keys.all, decoding: decoding)
        let pipeline = root.value(Keys.pipeline, or: "main")
        let debezium = DebeziumOptions(
            reading: root.node("debezium"), at: SettingsPath().appending(key: "debezium"), over: DebeziumOptions(),
            decoding: decoding)
        let common = CommonSettings(pipeline: pipeline, debezium: debezium)
        let source = readSource(root, catalog, common)
        let transforms = TransformReader(decoding: decoding, pipeline: debezium.topicPrefix ?? pipeline)
            .read(root.node("transforms"), at: SettingsPath().appending(key: "transforms"))
        let sinks = readSinks(root, catalog, common)
        let state = SettingsSection(
            root.node("state"), at: SettingsPath().appending(key: "state"), fields: [Keys.statePath.info],
            decoding: decoding)
        let statePath = state.value(Keys.statePath, or: "")
        let limits = LimitSettings(
            reading: root.node("limits"), at: SettingsPath().appending(key: "limits"), decoding: decoding)
        let http = readHTTP(root)
        refuseMissingFeatures(root)
        guard decoding.problems.isEmpty, let source else { return nil }
        return WeirSettings(
            pipeline: pipeline, source: source, transforms: transforms, sinks: sinks, statePath: statePath,
            debezium: debezium, limits: limits.pipeline, batchLimits: limits.batch, http: http)
    }

    private static func readHTTP(_ root: SettingsSection) -> SocketPlace? {
        guard let node = root.node("http") else { return nil }
        let section = SettingsSection(
            node, at: SettingsPath().appending(key: "http"), fields: [Keys.listen.info], decoding: root.decoding)
        return section.value(Keys.listen)
    }

    /// What product and file format foresee but this version does not do is refused, not ignored.
    private static func refuseMissingFeatures(_ root: SettingsSection) {
        if root.has("journal") {
            root.problem("journal", "the journal is not in this version", suggestion: "remove the key")
        }
    }

    private static func readSource(
        _ root: SettingsSection, _ catalog: SettingsCatalog, _ common: CommonSettings
    ) -> (any SourceSettings)? {
        let path = SettingsPath().appending(key: "source")
        let node = root.node("source")
        let types = catalog.sources.map { $0.type }
        let written = node?["type"]
        if written?.text == "journal" {
            root.decoding.problem(
                path.appending(key: "type"), written?.mark ?? .absent, "the journal is not in this version")
            return nil
        }
        let name = written.map { SettingsScalars.choice($0, path.appending(key: "type"), root.decoding, types) }
        guard let name = name ?? "postgres", let type = catalog.sources.first(where: { $0.type == name }) else {
            return nil
        }
        let section = SettingsSection(
            node, at: path, fields: [Keys.sourceType.info] + type.fields, decoding: root.decoding)
        return type.init(reading: section, common: common)
    }

    private static func readSinks(
        _ root: SettingsSection, _ catalog: SettingsCatalog, _ common: CommonSettings
    ) -> [Sink] {
        let path = SettingsPath().appending(key: "sinks")
        guard let node = root.node("sinks"), node.content != .null, node.content != .sequence([]) else {
            root.problem(
                "sinks", "at least one sink is needed", suggestion: "such as sinks: [{type: stdout}]")
            return []
        }
        guard case .sequence(let items) = node.content else {
            root.problem(
                "sinks", "expected a list of sinks, found \(node.kindName)", suggestion: "begin each with \"- type:\"")
            return []
        }
        var sinks: [Sink] = []
        for (index, item) in items.enumerated() {
            guard let sink = readSink(item, at: path.appending(index: index), root.decoding, catalog, common) else {
                continue
            }
            if sinks.contains(where: { $0.name == sink.name }) {
                root.decoding.problem(
                    path.appending(index: index).appending(key: "name"), item["name"]?.mark ?? item.mark,
                    "two sinks have the name \"\(sink.name)\"",
                    suggestion: "give each a name of its own; it is the key of its position")
            }
            sinks.append(sink)
        }
        return sinks
    }

    private static func readSink(
        _ node: SettingsNode, at path: SettingsPath, _ decoding: SettingsDecoding, _ catalog: SettingsCatalog,
        _ common: CommonSettings
    ) -> Sink? {
        guard case .mapping = node.content else {
            decoding.problem(
                path, node.mark, "expected a map, found \(node.kindName)", suggestion: "begin with \"type:\"")
            return nil
        }
        let typePath = path.appending(key: "type")
        let types = catalog.sinks.map { $0.type }
        guard let written = node["type"], written.content != .null else {
            decoding.problem(
                typePath, node.mark, "this setting is required",
                suggestion: "types are \(types.joined(separator: ", "))")
            return nil
        }
        guard let name = SettingsScalars.choice(written, typePath, decoding, types),
            let type = catalog.sinks.first(where: { $0.type == name })
        else { return nil }
        let section = SettingsSection(
            node, at: path, fields: [Keys.type.info, Keys.name.info] + type.fields, decoding: decoding)
        return Sink(
            name: section.value(Keys.name, or: type.type), settings: type.init(reading: section, common: common))
    }
}
