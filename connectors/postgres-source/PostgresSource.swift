import LibPQ
import Synchronization
public import WeirCore

/// What a process remembers of its earlier attempts: `snapshot: always` means once a process, not once a reconnect.
///
/// One object for one pipeline, shared by the sources that its factory makes.
public final class PostgresSourceHistory: Sendable {
    private let snapshot = Atomic<Bool>(false)
    private let warning = Atomic<Bool>(false)
    private let text = Atomic<Bool>(false)
    private let types = Mutex<Set<String>>([])

    /// Nothing has happened yet.
    public init() {}

    var hasBegunSnapshot: Bool { snapshot.load(ordering: .relaxed) }

    /// True the first time: what is wrong with the tables is said once a process, not once a reconnect.
    func warnsOfTables() -> Bool { !warning.exchange(true, ordering: .relaxed) }

    func beginSnapshot() { snapshot.store(true, ordering: .relaxed) }

    /// A binary stream came upon a type without a decoder: the process goes on in text.
    var needsText: Bool { text.load(ordering: .relaxed) }

    func fallBackToText() { text.store(true, ordering: .relaxed) }

    /// True the first time for each type: what travels as text because it has no decoder is said once a process.
    func reports(type: String) -> Bool { types.withLock { $0.insert(type).inserted } }
}

/// Reads a PostgreSQL database: a consistent snapshot of its tables where one is due, then every committed change.
///
/// Needs PostgreSQL 12 or newer with `wal_level = logical` and a role that may replicate. Uses three connections: the
/// stream's, one for the catalog, and one for the snapshot while it is taken.
public final class PostgresSource: ChangeSource {
    /// What `open` decided on.
    private enum Work {
        case copy(SnapshotRun.Order, [PublicationFacts.Table], thenStream: Bool)
        case stream
    }

    private let settings: PostgresSourceSettings
    private let history: PostgresSourceHistory
    private let batchLimits: BatchLimits
    private let receiveTimeout: Duration
    private let logger: Logger
    private var selection: TableSelection?
    private var catalog: PGConnection?
    private var session: ReplicationSession?
    private var work = Work.stream
    private var start = LSN.zero
    private var partial: PartialTransaction?
    private var store: (any PositionStore)?
    private var systemIdentifier: UInt64 = 0
    private var hasIntent = false
    private var follower: TableFollower?
    private var definitionKey: DefinitionTrigger.Key?

    /// Makes a source; nothing is connected yet.
    /// - Parameter receiveTimeout: the connection counts as lost when the server says nothing for so long, although it
    ///   was asked to.
    public init(
        _ settings: PostgresSourceSettings, history: PostgresSourceHistory, batchLimits: BatchLimits = BatchLimits(),
        receiveTimeout: Duration = .seconds(300), logger: Logger = .silent
    ) {
        self.settings = settings
        self.history = history
        self.batchLimits = batchLimits
        self.receiveTimeout = receiveTimeout
        self.logger = logger
    }

    // MARK: - Opening

    /// Connects, looks at slot, publication and positions, and decides; creates what is missing.
    public func open(
        resume: ResumePoint, store: any PositionStore, feed: Feed
    ) throws(WeirError) -> SourceDescription {
        self.store = store
        selection = try settings.tableSelection()
        let patience = min(receiveTimeout, Self.answerTimeout)
        let catalog = try Self.connect(settings, feed, answerTimeout: patience)
        let prerequisites = try SourceErrors.mapping { () throws(PGError) in try Prerequisites.load(on: catalog) }
        if let error = prerequisites.firstObstacle(snapshotOnly: settings.snapshot == .only) { throw error }
        var server = prerequisites.server
        systemIdentifier = server.systemIdentifier
        if settings.snapshot == .only {
            let published = try PublishedTables.find(
                settings.publication, selection: selection, on: catalog)
            guard !published.isEmpty else { throw PublicationKeeper.nothingToPublish(selection) }
            work = .copy(
                SnapshotRun.Order(
                    purpose: .backfill, batchLimits: batchLimits, invalidText: settings.invalidText), published,
                thenStream: false)
            self.catalog = consume catalog
            return SourceDescription(
                systemIdentifier: server.systemIdentifier, database: server.database, start: server.walEnd)
        }
        let session = try Self.replicate(settings, feed, watch: SlotWatch(settings, logger), answerTimeout: patience)
        let identity = try SourceErrors.mapping { () throws(PGError) in try session.identifySystem() }
        try Self.requireSame(server, identity, catalog, session.connection)
        server.walEnd = identity.walEnd
        let action = try decide(server, resume, store, on: catalog)
        if case .stream = action { partial = resume.position?.token.flatMap { PartialTransaction(token: $0) } }
        // A missing publication is only made once the plan allows it: it would not hold for changes that a slot still
        // has. It comes before the slot.
        var ledger = try TableLedger(store)
        let name = settings.publication
        if case .stream = action, ledger.isEmpty,
            let existing = try SourceErrors.mapping({ () throws(PGError) in
                try PublicationFacts.load(name, on: catalog)
            })
        {
            try ledger.reset(existing, selection: selection, on: catalog)
        }
        let publication = try keepPublication(beforeSlot: action, on: catalog)
        switch action {
        case .snapshot, .createSlot: try ledger.reset(publication, selection: selection, on: catalog)
        case .stream, .copyOnly, .refuse: break
        }
        // Before the slot: what it has to tell is told.
        if settings.ddl == .trigger, !action.isRefusal {
            definitionKey = try DefinitionTrigger.require(on: catalog, logger)
        }
        try carryOut(action, session, publication)
        follower = try makeFollower(store)
        self.catalog = consume catalog
        self.session = consume session
        return SourceDescription(
            systemIdentifier: server.systemIdentifier, database: server.database, start: start,
            definitions: definitionKey?.since.map { .told(since: $0) } ?? .inferred)
    }

    /// Statements of the catalog's and the stream's sessions are short, except the slot's creation.
    static let answerTimeout: Duration = .seconds(30)

    static func connect(
        _ settings: PostgresSourceSettings, _ feed: Feed, answerTimeout: Duration = answerTimeout
    ) throws(WeirError) -> PGConnection {
        do throws(PGError) {
            return try PGConnection(
                ConnectionSettings(
                    settings.url, applicationName: "weir \(settings.slot)", answerTimeout: answerTimeout),
                givesUp: { feed.shouldStop })
        } catch {
            throw SourceErrors.from(error)
        }
    }

    static func replicate(
        _ settings: PostgresSourceSettings, _ feed: Feed, watch: SlotWatch, answerTimeout: Duration = answerTimeout
    ) throws(WeirError) -> ReplicationSession {
        do throws(PGError) {
            return try ReplicationSession(
                ConnectionSettings(
                    settings.url, applicationName: "weir \(settings.slot)", answerTimeout: answerTimeout),
                givesUp: {
                    watch.look()
                    return feed.shouldStop
                })
        } catch {
            throw SourceErrors.connectingForReplication(error)
        }
    }

    /// With several hosts in the URL two sessions may end up at different servers, at least during a failover.
    private static func requireSame(
        _ server: ServerFacts, _ identity: ReplicationSession.SystemIdentity, _ catalog: borrowing PGConnection,
        _ stream: borrowing PGConnection
    ) throws(WeirError) {
        let isSame =
            identity.systemIdentifier == "\(server.systemIdentifier)" && catalog.host == stream.host
            && catalog.port == stream.port
        guard !isSame else { return }
        throw WeirError(
            .connectionLost, stage: .source, "The URL led to two different servers",
            cause: "\(catalog.host):\(catalog.port) and \(stream.host):\(stream.port)",
            advice: "With several hosts, add target_session_attrs=read-write.")
    }

    private func makeFollower(_ store: any PositionStore) throws(WeirError) -> TableFollower {
        try TableFollower(
            TableFollower.Settings(
                publication: settings.publication, slot: settings.slot, selection: selection,
                mayCopy: settings.snapshot != .never, interval: settings.discoveryInterval,
                connection: ConnectionSettings(
                    settings.url, applicationName: "weir \(settings.slot) snapshot")),
            store: store, logger: logger)
    }

    /// Asks everybody and makes the plan; throws when that is to refuse.
    private func decide(
        _ server: ServerFacts, _ resume: ResumePoint, _ store: any PositionStore, on catalog: borrowing PGConnection
    ) throws(WeirError) -> StartPlan.Action {
        let slot: SlotFacts?
        let publication: PublicationFacts?
        do throws(PGError) {
            slot = try SlotFacts.load(settings.slot, on: catalog)
            publication = try PublicationFacts.load(settings.publication, on: catalog)
        } catch {
            throw SourceErrors.from(error)
        }
        let intent = try store.snapshotIntent()
        hasIntent = intent != nil
        let plan = StartPlan(
            StartPlan.Facts(
                server: server, slotName: settings.slot, slot: slot, resume: resume, intent: intent,
                mode: settings.snapshot, publicationExisted: publication != nil,
                hasBegunSnapshot: history.hasBegunSnapshot))
        if case .refuse(let error) = plan.action { throw error }
        return plan.action
    }

    private func keepPublication(
        beforeSlot action: StartPlan.Action, on catalog: borrowing PGConnection
    ) throws(WeirError) -> PublicationFacts {
        let kept = try PublicationKeeper.keep(settings.publication, selection: selection, on: catalog)
        if case .stream = action, settings.snapshot == .never, !kept.added.isEmpty {
            logger.warning(
                "tables were added to the publication; their earlier rows are not in the stream",
                [
                    ("tables", kept.added.map(\.description).joined(separator: ", ")),
                    ("remedy", "stop Weir, run weir backfill --table ..., and start it again"),
                ])
        }
        if !kept.unidentified.isEmpty, history.warnsOfTables() {
            logger.warning(
                "PostgreSQL refuses UPDATE and DELETE on published tables without replica identity",
                [
                    ("tables", SourceInspector.names(kept.unidentified)),
                    ("remedy", "a primary key, ALTER TABLE ... REPLICA IDENTITY FULL, or leave them out of `tables`"),
                ])
        }
        if !kept.leftOut.isEmpty {
            logger.warning(
                "tables without replica identity are not published",
                [
                    ("tables", SourceInspector.names(kept.leftOut)),
                    ("remedy", "a primary key or REPLICA IDENTITY FULL, then name them in `source.tables`"),
                ])
        }
        return kept.publication
    }

    private func carryOut(
        _ action: StartPlan.Action, _ session: borrowing ReplicationSession, _ publication: PublicationFacts
    ) throws(WeirError) {
        switch action {
        case .refuse(let error): throw error
        case .snapshot(let dropFirst):
            try store?.setSnapshotIntent(SnapshotIntent(slot: settings.slot, systemIdentifier: systemIdentifier))
            history.beginSnapshot()
            if dropFirst { try drop(session) }
            let created = try create(session, snapshot: .export)
            try store?.setSnapshotIntent(
                SnapshotIntent(
                    slot: settings.slot, systemIdentifier: systemIdentifier, consistentPoint: created.consistentPoint))
            start = created.consistentPoint
            let order = SnapshotRun.Order(
                purpose: .initial, snapshotName: created.snapshotName, consistentPoint: created.consistentPoint,
                batchLimits: batchLimits, invalidText: settings.invalidText)
            work = .copy(order, publication.tables, thenStream: true)
        case .createSlot:
            if hasIntent { try store?.setSnapshotIntent(nil) }
            start = try create(session, snapshot: .discard).consistentPoint
        case .stream(let position):
            // What is left of an intent is either finished or given up by `snapshot: never`.
            if hasIntent { try store?.setSnapshotIntent(nil) }
            start = position
        case .copyOnly: break
        }
    }

    private func create(
        _ session: borrowing ReplicationSession, snapshot: ReplicationSession.SnapshotAction
    ) throws(WeirError) -> ReplicationSession.CreatedSlot {
        logger.info("creating the replication slot", [("slot", settings.slot)])
        do throws(PGError) {
            return try session.createSlot(settings.slot, snapshot: snapshot)
        } catch {
            throw SourceErrors.from(error)
        }
    }

    private func drop(_ session: borrowing ReplicationSession) throws(WeirError) {
        logger.warning("taking an unfinished snapshot anew; its slot is dropped", [("slot", settings.slot)])
        do throws(PGError) {
            try session.dropSlot(settings.slot)
        } catch {
            throw SourceErrors.from(error)
        }
    }

    // MARK: - Streaming

    /// Copies the snapshot if `open` decided so, then streams.
    public func stream(into feed: Feed) throws(WeirError) {
        if case .copy(let order, let published, let thenStream) = work {
            guard try copy(order, published, thenStream: thenStream, into: feed) == .complete, thenStream else {
                _ = try feed.finish(heartbeat: {})
                return
            }
        }
        guard let session = session.take(), let catalog = catalog.take() else {
            throw WeirError(.internalError, stage: .source, "The source was streamed without having been opened")
        }
        let isBinary = try takesBinary(on: catalog)
        let textRule = TextRule(settings.invalidText, on: catalog)
        var reader = try StreamReader(
            session: session, catalog: catalog,
            settings: StreamReader.Settings(
                slot: settings.slot, publications: [settings.publication], start: start, partial: partial,
                selection: selection, statusInterval: settings.statusInterval, heartbeat: settings.heartbeat,
                definitionKey: definitionKey?.text,
                isTold: definitionKey?.since.map { start >= $0 } ?? false, isBinary: isBinary, textRule: textRule,
                onTable: { [history, logger] in Self.remark($0, history, logger) }, batchLimits: batchLimits,
                receiveTimeout: receiveTimeout),
            follower: follower, logger: logger)
        logger.info(
            "streaming",
            [("slot", settings.slot), ("from", start.description)] + (isBinary ? [("values", "binary")] : []))
        do throws(WeirError) {
            try reader.run(feed)
        } catch {
            if error.code == .binaryFormUnknown { history.fallBackToText() }
            throw error
        }
    }

    /// Names the columns whose type has no decoder: their values travel as PostgreSQL's text.
    private static func remark(_ relation: Relation, _ history: PostgresSourceHistory, _ logger: Logger) {
        for column in relation.columns {
            var kind = column.type.kind
            while case .array(let element) = kind { kind = element.kind }
            guard kind == .other, history.reports(type: column.type.name) else { continue }
            logger.info(
                "a type without a decoder travels as text",
                [("column", "\(relation.table).\(column.name)"), ("type", column.type.name)])
        }
    }

    /// Whether to ask for values in binary form: wanted, known to the server, and decodable for every published table.
    private func takesBinary(on catalog: borrowing PGConnection) throws(WeirError) -> Bool {
        guard settings.binary == .auto, !history.needsText, catalog.serverVersion >= BinaryDecision.serverVersionMin
        else { return false }
        let obstacle: BinaryDecision.Obstacle?
        do throws(PGError) {
            let facts = try PublicationFacts.load(settings.publication, on: catalog)
            let tables = facts?.tables.filter { selection?.contains($0.name) ?? true } ?? []
            obstacle = try BinaryDecision.obstacle(tables, on: catalog)
        } catch {
            throw SourceErrors.from(error)
        }
        guard let obstacle else { return true }
        logger.info(
            "values come in text form: a type's binary form is not known",
            [("column", "\(obstacle.table).\(obstacle.column)"), ("type", obstacle.type)])
        return false
    }

    private func copy(
        _ order: SnapshotRun.Order, _ published: [PublicationFacts.Table], thenStream: Bool, into feed: Feed
    ) throws(WeirError) -> SnapshotRun.Ending {
        var isLastSent = false
        do throws(WeirError) {
            let run = try SnapshotRun(
                ConnectionSettings(settings.url, applicationName: "weir \(settings.slot) snapshot"), order,
                givesUp: { feed.shouldStop })
            let tables = try run.tables(published, selection: selection)
            logger.info("copying tables", [("tables", "\(tables.count)")])
            for table in tables { Self.remark(table.relation, history, logger) }
            let ending = try run.copy(tables, into: feed) { batch, _ throws(WeirError) in
                if batch.snapshot?.isLast == true { isLastSent = true }
            }
            if ending == .stopped, thenStream, !isLastSent { dropUnfinished() }
            return ending
        } catch {
            if thenStream, !isLastSent { dropUnfinished() }
            throw error
        }
    }

    /// A snapshot that did not get to its end is taken anew with a new slot: this one would only hold WAL back.
    private func dropUnfinished() {
        guard let session = session.take() else { return }
        do throws(PGError) {
            try session.dropSlot(settings.slot, deadline: .now + .seconds(5))
        } catch {
            logger.warning(
                "the slot of an unfinished snapshot could not be dropped; the next start does it",
                [("slot", settings.slot), ("cause", error.description)])
        }
    }

    /// Closes what is open.
    public func close() {
        session = nil
        catalog = nil
        store = nil
    }
}

extension PostgresSourceSettings {
    /// The table patterns, nil when there are none. Throws `configuration-invalid` for one that is no pattern.
    func tableSelection() throws(WeirError) -> TableSelection? {
        guard !tables.isEmpty else { return nil }
        var patterns: [TablePattern] = []
        for text in tables {
            do throws(TablePattern.Problem) {
                patterns.append(try TablePattern(text))
            } catch {
                throw WeirError(
                    .configurationInvalid, stage: .configuration, "`source.tables` holds something else than patterns",
                    cause: "\(text): \(error.description)")
            }
        }
        return TableSelection(patterns)
    }
}
