import LibPQ
import WeirCore

/// Reads a logical stream until a stop or an error: receives, assembles, sends batches, confirms what is durable.
///
/// Lives on the source's thread. Status updates go out between messages, while a batch waits for room in the sinks'
/// queues, and while the sinks drain: never later than a third of the server's time-out, whatever the sinks do.
struct StreamReader: ~Copyable {
    /// What does not change while it reads.
    struct Settings {
        /// The slot that is streamed.
        var slot: String
        /// The publications' names.
        var publications: [String]
        /// Where to start.
        var start: LSN
        /// The first transaction, when another agent delivered its beginning.
        var partial: PartialTransaction?
        /// Narrows what the publications send.
        var selection: TableSelection?
        /// Longest time between two confirmations.
        var statusInterval: Duration
        /// When to send heartbeats, and what to run before; nil for never.
        var heartbeat: PostgresSourceSettings.Heartbeat?
        /// The key of the event trigger's messages; nil to leave them unread.
        var definitionKey: String?
        /// The event trigger tells of every change in the stream.
        var isTold = false
        /// Ask for values in binary form.
        var isBinary = false
        /// What becomes of text that is not UTF-8, where the server does not check it.
        var textRule: TextRule?
        /// Told of each table that is described.
        var onTable: (Relation) -> Void = { _ in }
        /// When a batch is full.
        var batchLimits = BatchLimits()
        /// How long a batch may wait for more rows under load.
        var batchDelay: Duration = .milliseconds(5)
        /// The connection counts as lost when the server says nothing for so long, although it was asked to. Long: a
        /// walsender that decodes a large transaction of unpublished tables is silent as well, and TCP's keepalives
        /// find a host that is gone in half a minute.
        var receiveTimeout: Duration = .seconds(300)
    }

    private enum Progress {
        case dry, stopped, finished
    }

    /// Time for the orderly end of the stream.
    private static let endLimit: Duration = .seconds(5)
    /// Messages between two looks at the clock while the stream does not run dry.
    private static let messagesBetweenLooks = 512
    /// Time between two looks at the catalog's connection.
    private static let watchInterval: Duration = .milliseconds(500)

    private var session: ReplicationSession
    private let catalog: PGConnection
    private var relations: RelationCache
    private var assembler: ChangeAssembler
    private let settings: Settings
    private let logger: Logger
    /// Looks after tables that come into the stream; nil where nobody does.
    private let follower: TableFollower?
    /// It is time to do so at the next end of a transaction.
    private var wantsFollowing = false
    private var schedule: StatusSchedule
    private var pacer: ReceivePacer
    /// The furthest position the server named.
    private var received: LSN
    /// Everything that committed below it was received, as far as keepalives tell.
    private var reached: LSN
    /// The server's WAL end as of its last keepalive, if nothing came after it.
    private var idleEnd: LSN = .zero
    /// End of what was sent to the sinks; `.zero` before the first.
    private var sentEnd: LSN
    private var lastIdleMove: ContinuousClock.Instant
    /// The server asked for an answer since the last idle move: it may be waiting for one to shut down.
    private var isAsked = false
    /// When the first row of the batch at hand came; nil while it is empty.
    private var batchSince: ContinuousClock.Instant?
    private var isStopping = false
    private var silence: SilenceWatch
    private var nextWatch: ContinuousClock.Instant
    private var heart: HeartbeatClock

    /// Takes over the sessions and starts the stream.
    init(
        session: consuming ReplicationSession, catalog: consuming PGConnection, settings: Settings,
        follower: TableFollower? = nil, logger: Logger
    ) throws(WeirError) {
        let now = ContinuousClock.now
        let timeout = try Self.senderTimeout(catalog)
        let version = catalog.serverVersion
        var session = session
        do throws(PGError) {
            try Self.start(&session, settings)
        } catch {
            throw Self.explained(error, settings, catalog, logger)
        }
        self.session = session
        self.catalog = catalog
        self.settings = settings
        self.logger = logger
        relations = RelationCache(isTold: settings.isTold)
        assembler = ChangeAssembler(
            resume: settings.start, partial: settings.partial, selection: settings.selection,
            limits: settings.batchLimits, binaryOf: settings.isBinary ? version : nil,
            textRule: settings.textRule)
        schedule = StatusSchedule(interval: settings.statusInterval, senderTimeout: timeout, now: now)
        pacer = ReceivePacer(now: now)
        silence = SilenceWatch(limit: settings.receiveTimeout, now: now)
        nextWatch = now + Self.watchInterval
        heart = HeartbeatClock(settings.heartbeat, senderTimeout: timeout, now: now)
        received = settings.start
        reached = settings.start
        sentEnd = .zero
        lastIdleMove = now
        self.follower = follower
        follower?.begin(&assembler)
    }

    private static func start(_ session: inout ReplicationSession, _ settings: Settings) throws(PGError) {
        let names = settings.publications.map { SQLText.identifier($0) }.joined(separator: ",")
        var options = [(name: "proto_version", value: "1"), (name: "publication_names", value: names)]
        if session.connection.serverVersion >= 140000 { options.append((name: "messages", value: "true")) }
        if settings.isBinary { options.append((name: "binary", value: "true")) }
        if settings.textRule?.isAnyText == true { try session.connection.takeAnyText() }
        try session.start(slot: settings.slot, from: settings.start, options: options)
    }

    private static func senderTimeout(_ catalog: borrowing PGConnection) throws(WeirError) -> Duration? {
        let result: PGResult
        do throws(PGError) {
            result = try catalog.query(
                "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'",
                operation: "read pg_settings")
        } catch {
            throw SourceErrors.from(error)
        }
        let milliseconds = result.integer(row: 0, column: 0, as: Int64.self) ?? 0
        return milliseconds > 0 ? .milliseconds(milliseconds) : nil
    }

    /// Reads until the feed ends it. After an error the stream is over: the session is in an unknown state.
    mutating func run(_ feed: Feed) throws(WeirError) {
        while true {
            switch try drain(feed) {
            case .stopped: return
            case .finished:
                try end(feed)
                return
            case .dry: break
            }
            guard try rest(feed) else { return }
        }
    }

    // MARK: - Receiving

    /// Takes messages until none is left in the socket.
    private mutating func drain(_ feed: Feed) throws(WeirError) -> Progress {
        var count = 0, bytes = 0
        assembler.now = wallClockMicroseconds()
        while true {
            switch try nextEvent(readingOn: pacer.readsOn(after: count, bytes: bytes)) {
            case .data(let message, let lsn, let payload):
                bytes += unsafe message.bytes.count
                try take(message, lsn, payload)
                count += 1
                if batchSince == nil { batchSince = .now }
                if assembler.builder.isFull {
                    guard try send(feed) else { return .stopped }
                }
            case .keepalive(let walEnd, let wantsReply):
                received = max(received, walEnd)
                idleEnd = walEnd
                if !assembler.isInTransaction { reached = max(reached, walEnd) }
                silence.heard(at: .now)
                if wantsReply {
                    schedule.ask()
                    isAsked = true
                }
            case .dry:
                // Messages that made no row (a skipped transaction, a Relation) leave nothing to wait for.
                if assembler.builder.isEmpty { batchSince = nil }
                let now = ContinuousClock.now
                pacer.ranDry(after: count, at: now)
                if count > 0 { silence.heard(at: now) }
                return try hasToEnd(feed) ? .finished : .dry
            case .ended:
                throw WeirError(
                    .serverUnavailable, stage: .source, "The server ended the stream", cause: "it is shutting down")
            }
            if count % Self.messagesBetweenLooks == 0 || isStopping {
                try report(feed)
                if try hasToEnd(feed) { return .finished }
                wantsFollowing = follower.map { $0.nextLook <= .now } ?? false
            }
            if wantsFollowing {
                guard try follow(feed) else { return .stopped }
            }
        }
    }

    private mutating func nextEvent(readingOn: Bool) throws(WeirError) -> ReplicationSession.Event {
        do throws(PGError) {
            return try session.next(readingOn: readingOn)
        } catch {
            throw explained(error)
        }
    }

    @inline(__always)
    private mutating func take(
        _ message: consuming CopyMessage, _ lsn: LSN, _ payload: Int
    ) throws(WeirError) {
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: message.bytes[payload...])
        let request = try unsafe assembler.add(bytes, lsn: lsn)
        if case .definitions(let range) = request {
            let text = unsafe [UInt8](UnsafeRawBufferPointer(rebasing: bytes[range]))
            try learn(text)
        }
        // The bytes are libpq's until here.
        withExtendedLifetime(message) {}
        if request == .describe { try describe() }
        if lsn > received { received = lsn }
        idleEnd = .zero
    }

    private mutating func describe() throws(WeirError) {
        let found: (relation: Relation, displaced: RelationCache.Displaced?)
        do throws(PGError) {
            try CommitVisibility.wait(for: assembler.xid, on: catalog)
            found = try relations.relation(from: assembler.description, on: catalog)
        } catch {
            throw SourceErrors.from(error)
        }
        if let displaced = found.displaced {
            assembler.displace(displaced.relation, isDropped: displaced.isDropped)
        }
        if let follower, assembler.includes(found.relation) {
            try follower.meet(found.relation, &assembler, on: catalog)
        }
        assembler.define(found.relation)
        settings.onTable(found.relation)
        if let unknown = assembler.columnWithoutForm(found.relation) {
            throw SourceErrors.textNeeded(unknown, found.relation.table)
        }
    }

    /// Takes in what the event trigger wrote.
    private mutating func learn(_ text: [UInt8]) throws(WeirError) {
        follower?.lookSoon()
        guard let key = settings.definitionKey else { return }
        let message: DefinitionMessage
        do throws(JSONFailure) {
            message = try DefinitionMessage(text)
        } catch {
            miss(nil)
            return logger.warning(
                "a message of the event trigger cannot be read; its change is inferred from the stream",
                [("cause", error.description)])
        }
        if let failure = message.failure {
            miss(message.command)
            return logger.warning(
                "the event trigger failed at a command; its change is inferred from the stream",
                [("command", message.command.tag), ("sqlstate", failure)])
        }
        // Anybody may write a logical message.
        guard message.key == key else {
            return logger.warning("a message that calls itself the event trigger's has not its key; it is left out")
        }
        for table in message.dropped {
            let isFollowed = follower?.follows(table.oid) ?? true
            let known = relations.forget(table.oid)
            guard isFollowed || assembler.knows(table.oid) else { continue }
            let last = known ?? Relation(oid: table.oid, table: table.name, columns: [], identity: .default)
            assembler.drop(last, message.command)
        }
        for type in message.enums { relations.learn(type.labels, of: type.oid) }
        for table in message.tables where table.isPermanent { try learn(table, message) }
    }

    /// Takes in that the trigger could not tell of a change. Believed from anybody, because the trigger may not have
    /// been able to read even its key: nothing is taken from such a message, and what was told is trusted less.
    private mutating func miss(_ command: SchemaChange.Command?) {
        relations.forgetTold()
        assembler.miss(command)
    }

    private mutating func learn(
        _ entry: DefinitionMessage.Table, _ message: DefinitionMessage
    ) throws(WeirError) {
        let table = entry.definition
        relations.note(table.oid)
        let isFollowed =
            follower.map { $0.follows(table.oid) || $0.willFollow(table.name, isPartition: entry.isPartition) } ?? true
        guard isFollowed || assembler.knows(table.oid) else { return }
        let columns = try follower?.publishedColumns(of: table.oid, on: catalog)
        let found: (relation: Relation, displaced: RelationCache.Displaced?)
        do throws(PGError) {
            let whole = entry.tellsKeyTiming ? table : try table.withKeyTiming(on: catalog)
            found = try relations.relation(learning: whole, columns: columns ?? nil, on: catalog)
        } catch {
            throw SourceErrors.from(error).at(table: table.name)
        }
        if let displaced = found.displaced {
            assembler.displace(displaced.relation, isDropped: displaced.isDropped)
        }
        assembler.learn(found.relation, isNew: message.makesTables, message.command)
    }

    // MARK: - Tables that come into the stream

    /// Looks after them when it is time, between transactions only. False when the attempt is over.
    private mutating func follow(_ feed: Feed) throws(WeirError) -> Bool {
        guard let follower, !assembler.isInTransaction, !isStopping, follower.nextLook <= .now else { return true }
        wantsFollowing = false
        try follower.look(
            &assembler, confirmed: feed.confirmed, durableTicket: feed.durableTicket, on: catalog)
        let ready = follower.ready(at: place)
        guard ready.isEmpty else { return try copy(ready, follower, feed) }
        // An idle server says where it is only when it is asked.
        if follower.isWaiting { try sendStatus(feed.confirmed, replyRequested: true) }
        return true
    }

    /// Everything that committed below it was received.
    private var place: LSN { max(reached, assembler.lastEnd ?? .zero) }

    /// Copies tables while the stream waits: what stands in the log before its place comes before their rows, and their
    /// later changes behind.
    private mutating func copy(
        _ ready: Set<UInt32>, _ follower: TableFollower, _ feed: Feed
    ) throws(WeirError) -> Bool {
        if !assembler.builder.isEmpty {
            guard try send(feed) else { return false }
        }
        var order = SnapshotRun.Order(purpose: .addition, consistentPoint: place, batchLimits: settings.batchLimits)
        if let rule = settings.textRule { order.invalidText = rule.policy }
        let run = try SnapshotRun(follower.settings.connection, order, givesUp: { feed.shouldStop })
        let entries = try follower.entries(of: ready, on: catalog)
        let tables = try run.tables(entries, selection: nil)
        let oids = Set(tables.map(\.table.oid))
        if oids != ready { follower.giveUp(ready.subtracting(oids), &assembler) }
        // A commit is in the stream a moment before other sessions see it: then at the next look.
        guard !tables.isEmpty, let snapshot = run.snapshot, assembler.leftOutIsSeen(by: snapshot, of: oids) else {
            return true
        }
        let bound = try SourceErrors.mapping { () throws(PGError) in try FollowQueries.logEnd(on: catalog) }
        let team = try CopyTeam(
            follower.settings.connection, lockTimeout: .seconds(5), try run.share(),
            CopyPart.plan(tables, workers: 1), workers: 1)
        defer { team.end() }
        guard try team.join(feed: feed, workers: 1) == 1 else {
            logger.warning("the server has no connection free to copy new tables; they are tried again")
            return true
        }
        logger.info(
            "copying tables that are new in the stream",
            [("tables", SourceInspector.names(tables.map(\.table.name)))])
        var last: UInt64 = 0
        let ending = try run.copy(
            tables, into: feed, team: team, heartbeat: { () throws(WeirError) in try report(feed) },
            sent: { _, ticket in last = ticket })
        guard ending == .complete else {
            // The copy is taken anew after the next start.
            try end(feed)
            return false
        }
        follower.copied(entries.filter { oids.contains($0.oid) }, in: snapshot, bound: bound, ticket: last, &assembler)
        return true
    }

    // MARK: - Sending

    /// Seals the batch at hand and hands it over; false when the attempt is over.
    private mutating func send(_ feed: Feed) throws(WeirError) -> Bool {
        var batch = assembler.seal(at: wallClockMicroseconds())
        batchSince = nil
        if heart.isDue(at: .now) {
            try heart.beat(on: catalog, logger)
            batch = batch.beating(at: wallClockMicroseconds() / 1000)
        }
        return try send(batch, feed)
    }

    private mutating func send(_ batch: ChangeBatch, _ feed: Feed) throws(WeirError) -> Bool {
        if let end = batch.endLSN { sentEnd = max(sentEnd, end) }
        let verdict = try feed.send(batch) { () throws(WeirError) in try report(feed) }
        // What the server said meanwhile is still in the socket.
        silence.heard(at: .now)
        return verdict != .stopped
    }

    /// Whether the batch at hand should go now that nothing more is there: at once when the sinks have nothing to do
    /// and the stream is slow, else after the batch delay.
    private func isBatchDue(_ feed: Feed) -> Bool {
        guard let batchSince, !assembler.builder.isEmpty else { return false }
        if ContinuousClock.now - batchSince >= settings.batchDelay { return true }
        let mayBeLast = !pacer.isResting || !pacer.isFlowing
        return mayBeLast && !assembler.isInTransaction && feed.sinksAreIdle
    }

    /// Moves an idle slot: with nothing under way the server's own position may be confirmed. It goes through the
    /// sinks like a batch, so that it is stored, and in order behind everything before it.
    private mutating func moveIdle(_ feed: Feed) throws(WeirError) -> Bool {
        guard idleEnd > max(sentEnd, settings.start), !assembler.isInTransaction, !assembler.awaitsPartial,
            assembler.builder.isEmpty, feed.confirmed >= sentEnd
        else { return true }
        let now = ContinuousClock.now
        guard now - lastIdleMove >= (isAsked ? min(schedule.interval, .seconds(1)) : schedule.interval) else {
            return true
        }
        lastIdleMove = now
        isAsked = false
        return try send(
            ChangeBatch(
                arena: [], rows: [], cells: [], relations: [], transactions: [], endLSN: idleEnd,
                sealedAt: wallClockMicroseconds()), feed)
    }

    /// Sends a heartbeat that no batch took along.
    private mutating func beatIfIdle(_ feed: Feed) throws(WeirError) -> Bool {
        guard heart.isDue(at: .now), !assembler.isInTransaction, assembler.builder.isEmpty else { return true }
        try heart.beat(on: catalog, logger)
        let now = wallClockMicroseconds()
        return try send(
            ChangeBatch(
                arena: [], rows: [], cells: [], relations: [], transactions: [],
                endLSN: sentEnd > .zero ? sentEnd : nil, sealedAt: now, heartbeat: now / 1000), feed)
    }

    // MARK: - Between messages

    /// What there is to do when the stream ran dry, then the wait for more. False when the attempt is over.
    private mutating func rest(_ feed: Feed) throws(WeirError) -> Bool {
        if isBatchDue(feed) {
            guard try send(feed) else { return false }
        }
        guard try follow(feed) else { return false }
        guard try moveIdle(feed), try beatIfIdle(feed) else { return false }
        try report(feed)
        try askIfSilent(feed)
        if !pacer.isResting || !pacer.isFlowing {
            do throws(PGError) {
                _ = try session.wait(until: nextLook(feed))
            } catch {
                throw explained(error)
            }
            pacer.woke(at: .now)
        }
        if pacer.isResting { _ = session.pause(ReceivePacer.rest) }
        return true
    }

    /// How long to wait for the socket: until the status update is due, the batch's delay is over, or it is time to ask
    /// whether something became durable or a stop is wanted.
    private func nextLook(_ feed: Feed) -> ContinuousClock.Instant {
        let now = ContinuousClock.now
        let confirmed = feed.confirmed
        var look = now + (confirmed < sentEnd ? .milliseconds(20) : .milliseconds(200))
        look = min(look, schedule.nextLook(confirmed: confirmed.rawValue))
        look = min(look, silence.nextLook)
        if let batchSince { look = min(look, batchSince + settings.batchDelay) }
        if let beat = heart.nextBeat { look = min(look, beat) }
        if let follower, !assembler.isInTransaction { look = min(look, follower.nextLook) }
        return max(look, now)
    }

    /// Sends a status update when one is due.
    private mutating func report(_ feed: Feed) throws(WeirError) {
        let confirmed = feed.confirmed
        let now = ContinuousClock.now
        if now >= nextWatch {
            nextWatch = now + Self.watchInterval
            try watchServer()
        }
        guard schedule.isDue(confirmed: confirmed.rawValue, at: now) else { return }
        try sendStatus(confirmed)
        schedule.sent(confirmed: confirmed.rawValue, at: now)
    }

    private mutating func sendStatus(_ confirmed: LSN, replyRequested: Bool = false) throws(WeirError) {
        do throws(PGError) {
            try session.sendStatus(
                received: max(received, confirmed), durable: confirmed, replyRequested: replyRequested)
        } catch {
            throw explained(error)
        }
    }

    /// A server that shuts down ends ordinary sessions first, then waits for walsenders to be confirmed: for ever if a
    /// sink is stuck while status updates go on. So the loss of the catalog's session ends the stream as well.
    private func watchServer() throws(WeirError) {
        do throws(PGError) {
            try catalog.checkAlive()
        } catch {
            throw SourceErrors.from(error)
        }
    }

    /// A connection whose other end is gone may look alive for hours: asks, then gives it up.
    private mutating func askIfSilent(_ feed: Feed) throws(WeirError) {
        switch silence.look(at: .now) {
        case .fine: break
        case .ask: try sendStatus(feed.confirmed, replyRequested: true)
        case .lost:
            throw WeirError(
                .connectionLost, stage: .source, "The server has said nothing for too long",
                cause: "no message within \(settings.receiveTimeout)")
        }
    }

    // MARK: - The end

    /// Whether a stop was asked for and the transaction at hand is whole, or there is no time left for its rest.
    private mutating func hasToEnd(_ feed: Feed) throws(WeirError) -> Bool {
        if !isStopping { isStopping = feed.shouldStop }
        return isStopping && (!assembler.isInTransaction || !feed.mayFinishTransaction)
    }

    /// Sends what is left, waits until it is durable, confirms it and ends the stream in order.
    private mutating func end(_ feed: Feed) throws(WeirError) {
        if !assembler.builder.isEmpty {
            guard try send(feed) else { return }
        }
        let confirmed = try feed.finish { () throws(WeirError) in try report(feed) }
        try sendStatus(confirmed)
        do throws(PGError) {
            try session.finish(deadline: .now + Self.endLimit)
        } catch {
            // Everything durable is confirmed; dropping the session frees the slot as well.
            logger.debug("the stream was not ended in order", [("cause", error.description)])
        }
    }

    private func explained(_ error: PGError) -> WeirError {
        Self.explained(error, settings, catalog, logger)
    }

    /// Names the cause of an error of the stream, as far as the catalog still can.
    private static func explained(
        _ error: PGError, _ settings: Settings, _ catalog: borrowing PGConnection, _ logger: Logger
    ) -> WeirError {
        guard error.kind == .server, error.retry == .operatorNeeded else { return SourceErrors.from(error) }
        var slot: SlotFacts??
        var publication: PublicationFacts??
        do throws(PGError) {
            slot = .some(try SlotFacts.load(settings.slot, on: catalog))
            for name in settings.publications {
                publication = .some(try PublicationFacts.load(name, on: catalog))
                if case .some(.none) = publication { break }
            }
        } catch {
            logger.debug("the cause cannot be looked up", [("error", error.description)])
        }
        return SourceErrors.streaming(
            error, slotName: settings.slot, slot: slot, publication: publication, database: catalog.database)
    }
}
