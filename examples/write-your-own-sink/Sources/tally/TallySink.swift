import Foundation
import WeirCore

/// Counts the changes of each table, in a file: a whole sink that applies every change exactly once.
///
/// The counts and the position are in one file, replaced in one step, so neither is ever ahead of the other. Sinks that
/// have no such place answer `.positionKeptElsewhere` in `open` and see changes again after a crash.
final class TallySink: Sink {
    /// What the file holds.
    struct Tally: Codable {
        var position: String?
        var systemIdentifier: UInt64 = 0
        /// By table, then by operation.
        var counts: [String: [String: Int]] = [:]
    }

    private let file: URL
    private var tally = Tally()
    private var position = LSN.zero
    private var session: SinkSession?
    private var lastTicket: UInt64 = 0
    /// No transaction is half counted.
    private var isWhole = true
    private var savedAt = ContinuousClock.now

    init(file: URL) { self.file = file }

    /// Reads what an earlier run has counted, and tells the pipeline how far that was.
    func open() throws(WeirError) -> SinkOpening {
        guard FileManager.default.fileExists(atPath: file.path) else { return .keepsPosition(nil) }
        do {
            tally = try JSONDecoder().decode(Tally.self, from: Data(contentsOf: file))
        } catch {
            throw WeirError(
                .stateUnusable, stage: .sink, "The tally \(file.path) cannot be read", cause: "\(error)",
                advice: "Restore it, or remove it to count from the beginning.")
        }
        guard let text = tally.position, let lsn = LSN(text) else { return .keepsPosition(nil) }
        position = lsn
        return .keepsPosition(StoredPosition(lsn: lsn, systemIdentifier: tally.systemIdentifier))
    }

    func begin(_ source: SourceDescription, session: SinkSession) throws(WeirError) {
        self.session = session
        tally.systemIdentifier = source.systemIdentifier
    }

    /// Counts a batch; writes the file when no other batch waits, and once a second under load.
    func write(_ batch: ChangeBatch, ticket: UInt64, moreFollows: Bool) throws(WeirError) {
        // A snapshot is the beginning: what was counted before it is void.
        if let part = batch.snapshot, part.isFirst, part.purpose == .initial {
            tally.counts = [:]
            position = .zero
        }
        for row in batch.rows {
            let isOld = batch.snapshot == nil && batch.identity(of: row).commit < position
            guard !isOld, let relation = batch.relation(of: row) else { continue }
            tally.counts[relation.table.description, default: [:]][row.operation.name, default: 0] += 1
        }
        if let end = batch.endLSN { position = max(position, end) }
        // A transaction may go on in the next batch: its rows must not be in the file before its position can be.
        isWhole = batch.snapshot.map(\.isLast) ?? batch.transactions.last?.ends ?? true
        lastTicket = ticket
        session?.accepted(ticket, outstanding: 1)
        if isWhole, !moreFollows || ContinuousClock.now - savedAt > .seconds(1) { try save() }
    }

    /// An open transaction is left for the next start.
    func flush(deadline: ContinuousClock.Instant) throws(WeirError) {
        if isWhole { try save() }
    }

    func close() {}

    private func save() throws(WeirError) {
        tally.position = position.description
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        do {
            try DurableFile.replace(file, with: encoder.encode(tally))
        } catch {
            throw WeirError(
                .inputOutput, stage: .sink, "The tally \(file.path) cannot be written", cause: "\(error)",
                advice: "Make room or mend the folder's permissions; nothing is lost.")
        }
        savedAt = .now
        // Everything up to here is durable: the source may confirm it.
        session?.resolveAll(through: lastTicket)
    }
}
