import LibPQ
import WeirCore

/// Notices tables that come into the stream while it runs, and decides when their rows are copied and which of their
/// changes are left out. Lives on the stream's thread.
///
/// A table that comes in is *pending*: its changes are left out, because they will be in its copy. The copy may be
/// taken once three things hold: the stream has passed the place where the table was noticed, so that rows and changes
/// stand in the order of the log; every transaction has ended that wrote to the table before it was published, because
/// the stream has only a part of such a one; and the copy's snapshot sees every transaction of which changes were left
/// out. From then on what the snapshot sees is left out, and the rest is streamed.
final class TableFollower {
    /// What does not change while it runs.
    struct Settings {
        /// The publication.
        var publication: String
        /// The slot.
        var slot: String
        /// Narrows it; nil for all of it.
        var selection: TableSelection?
        /// Whether rows are copied; false for `snapshot: never`.
        var mayCopy: Bool
        /// Time between two looks at the catalog.
        var interval: Duration
        /// For the connections that copy.
        var connection: ConnectionSettings
    }

    private struct Pending {
        let name: TableName
        /// Where the log ended when the table was noticed.
        let bound: LSN
        /// Transactions that may have written to it before it was published.
        var writers: Set<String>
    }

    private struct Copy {
        var tables: [KnownTable]
        let ticket: UInt64
    }

    let settings: Settings
    private let logger: Logger
    private var ledger: TableLedger
    private var extender: PublicationExtender
    private var partitions: AttachedPartitions
    private var pending: [UInt32: Pending] = [:]
    /// Copies that were sent and are not durable yet.
    private var copies: [Copy] = []
    private var isForAllTables = false
    private var isOurs = false
    private var fingerprint: String?
    private var nextDiscovery = ContinuousClock.now
    /// Looks that follow one another quickly after a hint: a commit is in the stream a moment before others see it.
    private var hintedLooks = 0
    /// When `look` has something to do.
    private(set) var nextLook = ContinuousClock.now

    /// Time between two looks while a table is pending, or a copy not durable.
    private static let restlessInterval: Duration = .milliseconds(200)

    init(_ settings: Settings, store: any PositionStore, logger: Logger) throws(WeirError) {
        self.settings = settings
        self.logger = logger
        ledger = try TableLedger(store)
        partitions = AttachedPartitions(slot: settings.slot, logger: logger)
        extender = PublicationExtender(settings.publication, selection: settings.selection, logger: logger)
    }

    /// Whether tables wait for the stream to pass the place where they were noticed.
    var isWaiting: Bool { !pending.isEmpty }

    /// Closes the gates of copies that the stream may still be behind of.
    func begin(_ assembler: inout ChangeAssembler) {
        for table in ledger.copied {
            guard case .copied(let text, _) = table.stage, let snapshot = TransactionSnapshot(text) else { continue }
            assembler.setGate(.copied(snapshot), of: table.oid)
        }
    }

    /// Something happened to the tables: looks at the catalog at the next occasion, and a few times more.
    func lookSoon() {
        hintedLooks = 10
        nextDiscovery = .now
        nextLook = .now
    }

    // MARK: - Tables of the stream

    /// Called before the first row of a table version that the selection takes: one that was never heard of is copied
    /// first. One that is gone from the publication by now cannot be: what the stream has of it is streamed.
    func meet(
        _ relation: Relation, _ assembler: inout ChangeAssembler, on catalog: borrowing PGConnection
    ) throws(WeirError) {
        guard pending[relation.oid] == nil else { return }
        switch stage(of: relation.oid) {
        case .followed, .copied: return
        case .ignored, nil: break
        }
        let publication = try load(on: catalog)
        let isNew = ledger[relation.oid] == nil
        let entry = publication?.tables.first { $0.oid == relation.oid && isSelected($0.name) }
        guard settings.mayCopy, let entry, !(isNew && isForAllTables) else {
            try ledger.update([KnownTable(oid: relation.oid, name: relation.table, stage: .followed)])
            return
        }
        try hold(entry, &assembler, on: catalog)
    }

    /// What is done with a table, whether it is written down or waits for its copy to be durable.
    private func stage(of oid: UInt32) -> KnownTable.Stage? {
        for copy in copies {
            if let table = copy.tables.first(where: { $0.oid == oid }) { return table.stage }
        }
        return ledger[oid]
    }

    /// Forgets a copy on its way: the table is another matter now.
    private func forgetCopy(of oid: UInt32) {
        for index in copies.indices { copies[index].tables.removeAll { $0.oid == oid } }
    }

    /// Whether the stream follows a table.
    func follows(_ oid: UInt32) -> Bool {
        switch stage(of: oid) {
        case .followed, .copied: true
        case .ignored, nil: pending[oid] != nil
        }
    }

    /// Whether the stream will follow a table of this name as soon as the catalog is looked at. A partition's changes
    /// may come under the name of its root: the catalog tells.
    func willFollow(_ name: TableName, isPartition: Bool) -> Bool {
        !isPartition && isSelected(name) && (isForAllTables || isOurs && settings.selection != nil)
    }

    /// The columns that a publication's column list leaves of a table now; nil when there is no list.
    func publishedColumns(of oid: UInt32, on catalog: borrowing PGConnection) throws(WeirError) -> [String]? {
        let name = settings.publication
        return try SourceErrors.mapping { () throws(PGError) in
            try FollowQueries.columnList(of: oid, in: name, on: catalog)
        }
    }

    // MARK: - The catalog

    /// Does what is due, between two transactions.
    func look(
        _ assembler: inout ChangeAssembler, confirmed: LSN, durableTicket: UInt64, on catalog: borrowing PGConnection
    ) throws(WeirError) {
        let now = ContinuousClock.now
        try settle(&assembler, confirmed: confirmed, durableTicket: durableTicket)
        if now >= nextDiscovery {
            try discover(&assembler, on: catalog)
            hintedLooks = max(0, hintedLooks - 1)
            nextDiscovery = .now + (hintedLooks > 0 ? min(Self.restlessInterval, settings.interval) : settings.interval)
        }
        try waitForWriters(on: catalog)
        try prune(&assembler, on: catalog)
        let isRestless = !pending.isEmpty || !copies.isEmpty || !ledger.copied.isEmpty
        nextLook = isRestless ? min(.now + Self.restlessInterval, nextDiscovery) : nextDiscovery
    }

    private func load(on catalog: borrowing PGConnection) throws(WeirError) -> PublicationFacts? {
        let name = settings.publication
        let publication = try SourceErrors.mapping { () throws(PGError) in
            try PublicationFacts.load(name, on: catalog)
        }
        isForAllTables = publication?.isForAllTables ?? isForAllTables
        isOurs = publication?.isOurs ?? isOurs
        return publication
    }

    private func isSelected(_ table: TableName) -> Bool {
        settings.selection?.contains(table) ?? true && !OwnTables.contains(table)
    }

    private func discover(
        _ assembler: inout ChangeAssembler, on catalog: borrowing PGConnection
    ) throws(WeirError) {
        let name = settings.publication
        let seen = try SourceErrors.mapping { () throws(PGError) in
            try FollowQueries.fingerprint(of: name, on: catalog)
        }
        guard seen != fingerprint || extender.isBehind else { return }
        fingerprint = seen
        // Without it the stream itself fails, and says so.
        guard var publication = try load(on: catalog) else { return }
        if try extender.extend(publication, on: catalog), let now = try load(on: catalog) { publication = now }
        let listed = try TableLedger.listed(publication, on: catalog)
        // Read after the list: a table made between the two waits for the next look, and is not taken for one that the
        // publication leaves out.
        if publication.isForAllTables, let now = try load(on: catalog) { publication = now }
        if settings.mayCopy {
            do throws(PGError) {
                try partitions.look(publication, on: catalog) { isInCopy(of: $0, since: $1) }
            } catch {
                throw SourceErrors.from(error)
            }
        }
        let published = Dictionary(publication.tables.map { ($0.oid, $0) }, uniquingKeysWith: { first, _ in first })
        var changed: [KnownTable] = []
        for table in listed {
            let entry = published[table.oid].flatMap { isSelected($0.name) ? $0 : nil }
            let stage = stage(of: table.oid)
            guard let entry else {
                forgetCopy(of: table.oid)
                if pending.removeValue(forKey: table.oid) != nil { assembler.setGate(nil, of: table.oid) }
                changed.append(KnownTable(oid: table.oid, name: table.name, stage: .ignored))
                continue
            }
            switch stage {
            case .followed, .copied: continue
            case .ignored, nil: break
            }
            if !settings.mayCopy || stage == nil && publication.isForAllTables {
                changed.append(KnownTable(oid: table.oid, name: table.name, stage: .followed))
            } else if pending[table.oid] == nil {
                try hold(entry, &assembler, on: catalog)
            }
        }
        let kept = Set(listed.map(\.oid))
        for oid in pending.keys where !kept.contains(oid) {
            // Dropped, or taken out again: what the stream still has of it is streamed.
            pending[oid] = nil
            assembler.setGate(nil, of: oid)
        }
        for oid in Set(copies.flatMap { $0.tables.map(\.oid) }) where !kept.contains(oid) { forgetCopy(of: oid) }
        try ledger.update(changed, removing: ledger.oids.filter { !kept.contains($0) })
    }

    /// Whether what a transaction made of a table is in its copy.
    private func isInCopy(of oid: UInt32, since xid: UInt32) -> Bool {
        switch stage(of: oid) {
        case .followed: false
        case .copied(let text, _): TransactionSnapshot(text)?.sees(xid) ?? false
        // It is copied as soon as its turn comes; of a publication of all tables it is streamed from its creation on.
        case .ignored: true
        case nil: !isForAllTables || pending[oid] != nil
        }
    }

    // MARK: - Pending tables

    private func hold(
        _ entry: PublicationFacts.Table, _ assembler: inout ChangeAssembler, on catalog: borrowing PGConnection
    ) throws(WeirError) {
        do throws(PGError) {
            // Its membership is visible: whoever writes from now on is published from his first row.
            let writers = try FollowQueries.writers(of: entry.oid, on: catalog)
            let bound = try FollowQueries.logEnd(on: catalog)
            pending[entry.oid] = Pending(name: entry.name, bound: bound, writers: writers)
        } catch {
            throw SourceErrors.from(error).at(table: entry.name)
        }
        assembler.setGate(.closed, of: entry.oid)
        nextLook = .now
        logger.info("a table is new in the stream: its rows will be copied", [("table", entry.name.description)])
    }

    private func waitForWriters(on catalog: borrowing PGConnection) throws(WeirError) {
        for (oid, table) in pending where !table.writers.isEmpty {
            do throws(PGError) {
                pending[oid]?.writers.formIntersection(try FollowQueries.writers(of: oid, on: catalog))
            } catch {
                throw SourceErrors.from(error).at(table: table.name)
            }
        }
    }

    /// Forgets left-out transactions that every snapshot from now on sees.
    private func prune(_ assembler: inout ChangeAssembler, on catalog: borrowing PGConnection) throws(WeirError) {
        guard assembler.hasLeftOut else { return }
        let snapshot = try SourceErrors.mapping { () throws(PGError) in try FollowQueries.snapshot(on: catalog) }
        if let snapshot { assembler.forgetLeftOut { snapshot.sees($0) } }
    }

    /// The tables whose rows may be copied now that the stream is at `place`.
    func ready(at place: LSN) -> Set<UInt32> {
        Set(pending.filter { $0.value.bound <= place && $0.value.writers.isEmpty }.keys)
    }

    /// The publication's entries for these tables; those that are gone meanwhile are left out.
    func entries(
        of oids: Set<UInt32>, on catalog: borrowing PGConnection
    ) throws(WeirError) -> [PublicationFacts.Table] {
        try load(on: catalog)?.tables.filter { oids.contains($0.oid) && isSelected($0.name) } ?? []
    }

    /// Tables that could not be copied because they are gone.
    func giveUp(_ oids: Set<UInt32>, _ assembler: inout ChangeAssembler) {
        for oid in oids {
            pending[oid] = nil
            assembler.setGate(nil, of: oid)
        }
        fingerprint = nil
        lookSoon()
    }

    // MARK: - Copied tables

    /// The tables were copied in `snapshot`, and `ticket` is their last batch. Every transaction that the snapshot sees
    /// commits below `bound`.
    func copied(
        _ entries: [PublicationFacts.Table], in snapshot: TransactionSnapshot, bound: LSN, ticket: UInt64,
        _ assembler: inout ChangeAssembler
    ) {
        let tables = entries.map {
            KnownTable(oid: $0.oid, name: $0.name, stage: .copied(snapshot: snapshot.text, bound: bound))
        }
        for table in tables {
            pending[table.oid] = nil
            assembler.setGate(.copied(snapshot), of: table.oid)
        }
        copies.append(Copy(tables: tables, ticket: ticket))
        nextLook = .now
    }

    /// Writes down copies that are durable, and opens the gates of those that the sinks have left behind.
    private func settle(
        _ assembler: inout ChangeAssembler, confirmed: LSN, durableTicket: UInt64
    ) throws(WeirError) {
        for copy in copies where copy.ticket <= durableTicket { try ledger.update(copy.tables) }
        copies.removeAll { $0.ticket <= durableTicket }
        var done: [KnownTable] = []
        for table in ledger.copied {
            guard case .copied(_, let bound) = table.stage, confirmed >= bound else { continue }
            done.append(KnownTable(oid: table.oid, name: table.name, stage: .followed))
            assembler.setGate(nil, of: table.oid)
        }
        try ledger.update(done)
    }
}
