import Synchronization
import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSource

/// Positions in memory; survives the pipelines of one test as the state file would.
final class MemoryStore: PositionStore {
    private struct State {
        var positions: [String: StoredPosition] = [:]
        var intent: SnapshotIntent?
        var finished: [String: Set<TableName>] = [:]
        var tables: [UInt32: KnownTable] = [:]
    }

    private let state = Mutex(State())

    func position(sink: String) throws(WeirError) -> StoredPosition? { state.withLock { $0.positions[sink] } }
    func save(_ position: StoredPosition, sink: String) throws(WeirError) {
        state.withLock { state in
            if let old = state.positions[sink], old.lsn > position.lsn { return }
            state.positions[sink] = position
        }
    }
    func removePosition(sink: String) throws(WeirError) { state.withLock { $0.positions[sink] = nil } }
    func snapshotIntent() throws(WeirError) -> SnapshotIntent? { state.withLock { $0.intent } }
    func setSnapshotIntent(_ intent: SnapshotIntent?) throws(WeirError) { state.withLock { $0.intent = intent } }
    func knownTables() throws(WeirError) -> [KnownTable] { state.withLock { Array($0.tables.values) } }
    func update(tables: [KnownTable], removing: [UInt32]) throws(WeirError) {
        state.withLock { state in
            for oid in removing { state.tables[oid] = nil }
            for table in tables { state.tables[table.oid] = table }
        }
    }
    func finishedTables(backfill: String) throws(WeirError) -> Set<TableName> {
        state.withLock { $0.finished[backfill] ?? [] }
    }
    func finish(table: TableName, backfill: String) throws(WeirError) {
        _ = state.withLock { $0.finished[backfill, default: []].insert(table) }
    }
    func removeBackfill(_ backfill: String) throws(WeirError) { state.withLock { $0.finished[backfill] = nil } }

    var position: LSN? { state.withLock { $0.positions["memory"]?.lsn } }
    var intent: SnapshotIntent? { state.withLock { $0.intent } }
    /// What is known of a table.
    func stage(_ name: String) -> KnownTable.Stage? {
        state.withLock { $0.tables.values.first { $0.name.name == name }?.stage }
    }
}

/// What arrived at the sink, and whether it takes more.
final class EventLog: Sendable {
    struct State {
        var events: [String] = []
        /// Events and changes of tables in the order in which they take effect.
        var story: [String] = []
        var identities: [EventIdentity] = []
        var parts: [SnapshotPart] = []
        var ends: [LSN] = []
        /// Names of the key's columns, in key order, of the relations that came.
        var keys: [[String]] = []
        /// Of each row, names of its key's columns; one that may be NULL has a question mark.
        var rowKeys: [[String]] = []
        var rowRelations: [Relation] = []
        /// Texts of the commands behind changes of tables.
        var statements: [String] = []
        var isBlocked = false
        /// Blocks after the batch with which so many events arrived.
        var blockAfter: Int?
        /// Fails the write after so many events.
        var failAfter: Int?
    }

    let state = Monitor(State())

    var events: [String] { state.read { $0.events } }
    var story: [String] { state.read { $0.story } }
    var identities: [EventIdentity] { state.read { $0.identities } }
    var parts: [SnapshotPart] { state.read { $0.parts } }
    var lastEnd: LSN? { state.read { $0.ends.last } }
    var ends: [LSN] { state.read { $0.ends } }
    var keys: [[String]] { state.read { $0.keys } }

    var rowKeys: [[String]] { state.read { $0.rowKeys } }
    var rowRelations: [Relation] { state.read { $0.rowRelations } }
    var statements: [String] { state.read { $0.statements } }

    /// Waits until the events and changes of tables are such.
    func waitForStory(_ condition: @escaping ([String]) -> Bool) -> Bool {
        state.wait(until: .now + .seconds(60)) { condition($0.story) ? true : nil } ?? false
    }

    func block(_ isBlocked: Bool) {
        state.update { state in
            state.isBlocked = isBlocked
            state.blockAfter = nil
        }
    }

    /// Waits until as many events arrived, or events of that text.
    func wait(_ timeout: Duration = .seconds(60), _ condition: @escaping ([String]) -> Bool) -> Bool {
        state.wait(until: .now + timeout) { condition($0.events) ? true : nil } ?? false
    }

    func wait(count: Int) -> Bool { wait { $0.count >= count } }

    func append(_ batch: ChangeBatch) {
        let lines = batch.rows.map { Self.line($0, batch) }
        let identities = batch.rows.map { batch.identity(of: $0) }
        let story = batch.pieces(of: batch.transactions.indices).flatMap { piece in
            switch piece {
            case .rows(let range): Array(lines[range])
            case .change(let index): [Self.line(batch.schemaChanges[index], batch)]
            }
        }
        let keys = batch.relations.map { relation in relation.keyColumns.map { relation.columns[$0].name } }
        let rowKeys = batch.rows.map { row in
            let relation = batch.relation(of: row)
            return (relation?.keyColumns ?? []).compactMap { index in
                relation.map { $0.columns[index].name + ($0.columns[index].isNotNull ? "" : "?") }
            }
        }
        state.update { state in
            state.keys += keys
            state.rowKeys += rowKeys
            state.rowRelations += batch.rows.compactMap { batch.relation(of: $0) }
            state.statements += batch.schemaChanges.compactMap { $0.command?.statement }
            state.events += lines
            state.story += story
            if batch.heartbeat != nil { state.events.append("heartbeat") }
            state.identities += identities
            if let part = batch.snapshot { state.parts.append(part) }
            if let end = batch.endLSN { state.ends.append(end) }
            if let limit = state.blockAfter, state.events.count >= limit { state.isBlocked = true }
        }
    }

    private static func line(_ change: SchemaChange, _ batch: ChangeBatch) -> String {
        func text(_ relation: Relation) -> String {
            "\(relation.table)(\(relation.columns.map { "\($0.name) \($0.type.name)" }.joined(separator: ", ")))"
        }
        let previous = batch.previous(of: change).map { "\(text($0)) -> " } ?? ""
        let command = change.command.map { " by \($0.tag)" } ?? ""
        let table = batch.relation(of: change).map { " \(previous)\(text($0))" } ?? ""
        return "\(change.kind.name)\(table)\(command)"
    }

    private static func line(_ row: Row, _ batch: ChangeBatch) -> String {
        guard let relation = batch.relation(of: row) else {
            return "message \(batch.text(batch.cell(0, of: row)) ?? "")=\(batch.text(batch.cell(1, of: row)) ?? "")"
        }
        func values(_ first: Int32) -> String {
            guard first >= 0 else { return "" }
            return relation.columns.indices.map { index in
                let cell = batch.cells[Int(first) + index]
                return cell.isUnchanged ? "~" : batch.text(cell) ?? "NULL"
            }.joined(separator: ",")
        }
        let old = row.oldCells >= 0 ? " was \(values(row.oldCells))" : ""
        let new = row.cells >= 0 ? " \(values(row.cells))" : ""
        return "\(row.operation.name) \(relation.table)\(new)\(old)"
    }
}

private final class LogSink: Sink {
    private let log: EventLog
    private var session: SinkSession?
    init(_ log: EventLog) { self.log = log }

    func open() throws(WeirError) -> SinkOpening { .positionKeptElsewhere }
    func begin(_ source: SourceDescription, session: SinkSession) throws(WeirError) { self.session = session }
    func write(_ batch: ChangeBatch, ticket: UInt64, moreFollows: Bool) throws(WeirError) {
        while log.state.wait(until: .now + .milliseconds(200), { $0.isBlocked ? nil : true }) == nil {
            if session?.isCancelled == true { return }
        }
        if log.state.read({ state in state.failAfter.map { state.events.count >= $0 } ?? false }) {
            throw WeirError(.rowRejected, stage: .sink, "The test wants this write to fail")
        }
        log.append(batch)
        session?.accepted(ticket, outstanding: 0)
    }
    func flush(deadline: ContinuousClock.Instant) throws(WeirError) {}
    func close() {}
}

/// A pipeline from a database to memory, run in the background.
final class SourceRun {
    let log: EventLog
    let store: MemoryStore
    let messages = Mutex<[String]>([])
    private let pipeline: Pipeline
    private let running: Background<WeirError?>

    init(
        _ source: SourceFactory, log: EventLog = EventLog(), store: MemoryStore = MemoryStore(),
        sinks: [SinkFactory] = []
    ) {
        self.log = log
        self.store = store
        var limits = PipelineSettings()
        limits.saveInterval = .milliseconds(5)
        limits.drainLimit = .seconds(10)
        limits.retry.startupLimit = .seconds(3)
        pipeline = Pipeline(
            source: source, sinks: [SinkFactory(name: "memory") { LogSink(log) }] + sinks, store: store,
            settings: limits)
        let pipeline = pipeline
        running = Background {
            do throws(WeirError) {
                try pipeline.run()
                return nil
            } catch { return error }
        }
    }

    convenience init(
        _ settings: PostgresSourceSettings, limits: BatchLimits = BatchLimits(), log: EventLog = EventLog(),
        store: MemoryStore = MemoryStore()
    ) {
        let history = PostgresSourceHistory()
        self.init(
            SourceFactory(name: "postgres") { PostgresSource(settings, history: history, batchLimits: limits) },
            log: log, store: store)
    }

    var statistics: PipelineStatistics { pipeline.statistics }

    /// Waits for the run's end: its error, nil when it ended well.
    func outcome(timeout: Duration = .seconds(30)) throws -> WeirError? { try running.value(timeout: timeout) }

    /// Asks for a graceful stop and waits for it.
    @discardableResult
    func stop() throws -> WeirError? {
        pipeline.requestStop()
        return try outcome()
    }

    /// Stops at once, as a crash would.
    func crash() throws {
        pipeline.cancel()
        _ = try outcome()
    }

    deinit { pipeline.cancel() }
}

/// A database of the test's own and settings for it.
struct SourceDatabase {
    let postgres: PrivatePostgres
    let name: String
    let connection: TestConnection

    init(_ postgres: PrivatePostgres? = nil, options: String = "") throws {
        self.postgres = try postgres ?? PrivatePostgres.shared()
        name = try self.postgres.createDatabase(options: options)
        connection = try self.postgres.connect(name)
    }

    func settings(
        tables: [String] = ["public.*"], snapshot: PostgresSourceSettings.Snapshot = .initial, port: Int? = nil
    ) -> PostgresSourceSettings {
        PostgresSourceSettings(
            url: postgres.url(database: name, port: port), tables: tables, slot: "weir_\(name)",
            publication: "weir_\(name)", snapshot: snapshot, statusInterval: .milliseconds(300))
    }

    func slot(_ column: String) throws -> String? {
        try connection.value(
            "SELECT \(column)::text FROM pg_replication_slots WHERE slot_name = $1", ["weir_\(name)"])
    }

    func confirmed() throws -> LSN? { try slot("confirmed_flush_lsn").flatMap { LSN($0) } }
    func walEnd() throws -> LSN? { try connection.value("SELECT pg_current_wal_lsn()").flatMap { LSN($0) } }
    func exec(_ sql: String) throws { try connection.exec(sql) }
}
