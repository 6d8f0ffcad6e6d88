import LibPQ
public import WeirCore

/// Streams changes from now on through a temporary slot and leaves nothing behind.
///
/// Uses the named publication when it exists, else makes one for the time: two in fact, because a table without
/// identity in a publication of updates would make the application's own UPDATE fail. A run that was killed leaves its
/// publications; the next one removes them.
public final class PostgresTail: ChangeSource {
    private static let prefix = "weir_tail_"

    private let settings: PostgresSourceSettings
    private let batchLimits: BatchLimits
    private let logger: Logger
    private var keeper: PGConnection?
    private var catalog: PGConnection?
    private var session: ReplicationSession?
    private var publications: [String] = []
    private var made: [String] = []
    private var selection: TableSelection?
    private var slot = ""
    private var start = LSN.zero

    /// Makes a tail; nothing is connected yet. Of the settings it takes URL, tables and publication.
    public init(
        _ settings: PostgresSourceSettings, batchLimits: BatchLimits = BatchLimits(), logger: Logger = .silent
    ) {
        self.settings = settings
        self.batchLimits = batchLimits
        self.logger = logger
    }

    /// Connects, finds or makes the publication, creates the temporary slot.
    public func open(
        resume: ResumePoint, store: any PositionStore, feed: Feed
    ) throws(WeirError) -> SourceDescription {
        selection = try settings.tableSelection()
        let keeper = try PostgresSource.connect(settings, feed)
        let prerequisites = try SourceErrors.mapping { () throws(PGError) in try Prerequisites.load(on: keeper) }
        if let error = prerequisites.firstObstacle(snapshotOnly: false) { throw error }
        slot = "\(Self.prefix)\(keeper.backendPID)_\(String(UInt32.random(in: .min ... .max), radix: 16))"
        do throws(PGError) {
            try removeLeftovers(on: keeper)
            if try PublicationFacts.load(settings.publication, on: keeper) != nil {
                publications = [settings.publication]
            }
        } catch {
            throw SourceErrors.from(error)
        }
        if publications.isEmpty { try makePublications(on: keeper) }
        self.keeper = consume keeper
        catalog = try PostgresSource.connect(settings, feed)
        let session = try PostgresSource.replicate(settings, feed, watch: SlotWatch(settings, logger))
        do throws(PGError) {
            start = try session.createSlot(slot, temporary: true, snapshot: .discard).consistentPoint
        } catch {
            throw SourceErrors.from(error)
        }
        self.session = consume session
        return SourceDescription(
            systemIdentifier: prerequisites.server.systemIdentifier, database: prerequisites.server.database,
            start: start)
    }

    /// Streams until the feed ends it.
    public func stream(into feed: Feed) throws(WeirError) {
        guard let session = session.take(), let catalog = catalog.take() else {
            throw WeirError(.internalError, stage: .source, "The source was streamed without having been opened")
        }
        var reader = try StreamReader(
            session: session, catalog: catalog,
            settings: StreamReader.Settings(
                slot: slot, publications: publications, start: start, selection: selection,
                statusInterval: settings.statusInterval, batchLimits: batchLimits),
            logger: logger)
        try reader.run(feed)
    }

    /// Drops what `open` made and closes what is open.
    public func close() {
        session = nil
        catalog = nil
        if let keeper = keeper.take() { dropPublications(on: keeper) }
    }

    // MARK: - Publications for the time

    private func makePublications(on connection: borrowing PGConnection) throws(WeirError) {
        let candidates = try SourceErrors.mapping { () throws(PGError) in
            try PublishableTable.all(on: connection)
        }
        let wanted = Set(PublicationPlan.wanted(candidates, selection ?? TableSelection()))
        let tables = candidates.filter { wanted.contains($0.name) }
        guard !tables.isEmpty else { throw PublicationKeeper.nothingToPublish(selection) }
        let parts = [
            (name: slot, tables: tables.filter(\.hasIdentity), publish: "insert, update, delete, truncate"),
            (name: "\(slot)_inserts", tables: tables.filter { !$0.hasIdentity }, publish: "insert, truncate"),
        ]
        for part in parts where !part.tables.isEmpty {
            let name = SQLText.identifier(part.name)
            let list = part.tables.map(\.name.sql).joined(separator: ", ")
            let root = connection.serverVersion >= 130000 ? ", publish_via_partition_root = true" : ""
            do throws(PGError) {
                // The lock tells later runs that this one is alive.
                _ = try connection.query(
                    "SELECT pg_catalog.pg_advisory_lock(pg_catalog.hashtext($1), 0)", [part.name])
                try connection.execute(
                    "CREATE PUBLICATION \(name) FOR TABLE \(list) WITH (publish = '\(part.publish)'\(root)); "
                        + "COMMENT ON PUBLICATION \(name) IS '\(PublicationFacts.marker) for `weir tail`'",
                    operation: "create publication")
            } catch  where error.sqlState == "42501" {
                throw WeirError(
                    .permissionDenied, stage: .source, "The role may not make a publication for the time",
                    cause: error.description, advice: "Name an existing publication in the configuration.")
            } catch {
                throw SourceErrors.from(error)
            }
            made.append(part.name)
            publications.append(part.name)
        }
    }

    private func dropPublications(on connection: borrowing PGConnection) {
        for name in made {
            do throws(PGError) {
                try connection.execute(
                    "DROP PUBLICATION IF EXISTS \(SQLText.identifier(name))", operation: "drop publication",
                    deadline: .now + .seconds(5))
            } catch {
                logger.warning(
                    "a publication was left behind; the next `weir tail` removes it",
                    [("publication", name), ("cause", error.description)])
            }
        }
        made = []
    }

    /// Removes publications of runs that were killed: those whose lock nobody holds.
    private func removeLeftovers(on connection: borrowing PGConnection) throws(PGError) {
        let found = try connection.query(
            """
            SELECT pubname FROM pg_catalog.pg_publication WHERE pubname LIKE 'weir\\_tail\\_%' \
            AND pg_catalog.obj_description(oid, 'pg_publication') LIKE $1 \
            AND pg_catalog.pg_has_role(CURRENT_USER, pubowner, 'MEMBER')
            """, ["\(PublicationFacts.marker)%"])
        for row in 0..<found.rowCount {
            guard let name = found.string(row: row, column: 0) else { continue }
            let lock = try connection.query(
                "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtext($1), 0)", [name])
            guard lock.boolean(row: 0, column: 0) == true else { continue }
            try connection.execute(
                "DROP PUBLICATION IF EXISTS \(SQLText.identifier(name))", operation: "drop publication")
            _ = try connection.query(
                "SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtext($1), 0)", [name])
        }
    }
}
