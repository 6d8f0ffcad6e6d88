import Glibc
import Testing
import WeirTestKit

@testable import PostgresSink
@testable import WeirCore

/// A sink driven by hand: what the pipeline's runner does, one call at a time.
final class SinkDriver {
    let sink: PostgresSink
    let opening: SinkOpening
    private let attempt: Attempt
    private(set) var log: LogLines
    private var lastTicket: UInt64 = 0

    static let system: UInt64 = 7_000_000_000_000_000_001

    init(_ settings: PostgresTargetSettings, system: UInt64 = SinkDriver.system) throws(WeirError) {
        sink = PostgresSink(settings)
        opening = try sink.open()
        attempt = Attempt(sinks: ["postgres"], queueBytesMax: 1 << 20, statistics: PipelineStatistics())
        let lines = LogLines()
        log = lines
        let logger = Logger(level: .debug) { _, message, values in
            lines.add(message + values.map { " \($0.0)=\($0.1)" }.joined())
        }
        var resume: StoredPosition?
        if case .keepsPosition(let position) = opening { resume = position }
        let session = SinkSession(
            attempt: attempt, index: 0, drainLimit: .seconds(10), resume: resume, logger: logger)
        try sink.begin(SourceDescription(systemIdentifier: system, database: "source", start: .zero), session: session)
    }

    deinit { sink.close() }

    /// The position the sink told when it opened.
    var openingPosition: StoredPosition? {
        if case .keepsPosition(let position) = opening { return position }
        return nil
    }

    /// Writes a batch as the pipeline would.
    func write(_ batch: ChangeBatch, moreFollows: Bool = false) throws(WeirError) {
        let ticket = attempt.monitor.update { state in
            state.sinks[0].window.register(endLSN: batch.endLSN, token: batch.resumeToken, bytes: batch.byteCount)
        }
        lastTicket = ticket
        try sink.write(batch, ticket: ticket, moreFollows: moreFollows)
    }

    func flush(within limit: Duration = .seconds(10)) throws(WeirError) {
        try sink.flush(deadline: .now + limit)
    }

    /// Marks the attempt as failed, as another stage would.
    func failAttempt() {
        attempt.fail(WeirError(.connectionLost, stage: .source, "lost"), drainWithin: .seconds(10))
    }

    /// All tickets up to this one are durable.
    var durable: UInt64 { attempt.monitor.read { $0.sinks[0].window.durableTicket } }
    /// The position the sink has reported as durable.
    var confirmed: LSN? { attempt.monitor.read { $0.sinks[0].window.confirmed } }
    /// Tickets given out so far.
    var written: UInt64 { lastTicket }
}

/// Log lines of a test.
final class LogLines: Sendable {
    private let lines = Monitor<[String]>([])
    func add(_ line: String) { lines.update { $0.append(line) } }
    var all: [String] { lines.read { $0 } }
}

/// A target database of its own, with tables made by SQL, and relations as its catalog has them.
struct Target {
    let server: PrivatePostgres
    let database: String
    let connection: TestConnection
    let settings: PostgresTargetSettings

    init(_ tables: String = "", options: String = "") throws {
        server = try PrivatePostgres.shared()
        database = try server.createDatabase(options: options)
        connection = try server.connect(database)
        if !tables.isEmpty { try connection.exec(tables) }
        settings = PostgresTargetSettings(url: server.url(database: database), pipeline: "test")
    }

    /// Settings with changes.
    func settings(_ change: (inout PostgresTargetSettings) -> Void) -> PostgresTargetSettings {
        var settings = settings
        change(&settings)
        return settings
    }

    /// The relation of a table, with another identity when asked.
    func relation(_ name: String, schema: String = "public", identity: ReplicaIdentity? = nil) throws -> Relation {
        let provider = PostgresTargetSchema(settings)
        let found = try #require(try provider.relation(for: TableName(schema: schema, name: name)))
        guard let identity else { return found }
        return Relation(
            oid: found.oid, table: found.table,
            columns: found.columns.enumerated().map { index, column in
                Column(
                    name: column.name, type: column.type,
                    isIdentity: identity == .full || identity != .nothing && found.keyColumns.contains(index),
                    isNotNull: column.isNotNull)
            }, identity: identity, primaryKey: found.primaryKey, keyColumns: found.keyColumns)
    }

    /// Rows as text, columns joined by `|`, NULL as `~`.
    func rows(_ sql: String) throws -> [String] {
        try connection.query(sql).map { row in row.map { $0 ?? "~" }.joined(separator: "|") }
    }

    func exec(_ sql: String) throws { try connection.exec(sql) }

    /// The stored position.
    var position: String? {
        get throws { try connection.value("SELECT lsn FROM weir.progress WHERE pipeline = 'test'") }
    }
}

/// One transaction as a batch.
func transaction(_ commit: UInt64, _ body: (inout TestBatch) -> Void) -> ChangeBatch {
    var batch = TestBatch()
    batch.begin(commit)
    body(&batch)
    batch.commit()
    return batch.seal()
}

/// Several transactions as one batch: commit positions and bodies.
func transactions(_ list: [(UInt64, (inout TestBatch) -> Void)]) -> ChangeBatch {
    var batch = TestBatch()
    for (commit, body) in list {
        batch.begin(commit)
        body(&batch)
        batch.commit()
    }
    return batch.seal()
}

/// The error that a call throws.
func failure(_ body: () throws(WeirError) -> Void) -> WeirError? {
    do throws(WeirError) {
        try body()
        return nil
    } catch {
        return error
    }
}

/// This process.
enum ProcessIdentity {
    static var current: Int32 { getpid() }
}
