public import WeirCore

/// A position store in memory, with faults on demand. Sendable.
public final class MemoryStore: PositionStore {
    private struct State {
        var positions: [String: StoredPosition] = [:]
        var intent: SnapshotIntent?
        var intents: [SnapshotIntent?] = []
        var backfills: [String: Set<TableName>] = [:]
        var saves: [(sink: String, position: StoredPosition)] = []
        var tables: [UInt32: KnownTable] = [:]
        var failsSaves = false
    }

    private let monitor = Monitor(State())

    /// An empty store.
    public init() {}

    /// Makes `save` fail from now on, or work again.
    public func failSaves(_ fails: Bool) { monitor.update { $0.failsSaves = fails } }

    /// Every save, in order.
    public var saves: [(sink: String, position: StoredPosition)] { monitor.read { $0.saves } }

    /// Every change of the intent, in order.
    public var intents: [SnapshotIntent?] { monitor.read { $0.intents } }

    /// Waits until a sink's position was saved; false after 20 seconds.
    public func waitForSaved(_ lsn: LSN, sink: String) -> Bool {
        monitor.wait(until: .now + .seconds(20)) { state in
            (state.positions[sink]?.lsn ?? .zero) >= lsn ? true : nil
        } ?? false
    }

    /// Waits until there is no intent; false after 20 seconds.
    public func waitForNoIntent() -> Bool {
        monitor.wait(until: .now + .seconds(20)) { $0.intent == nil ? true : nil } ?? false
    }

    /// The stored position of a sink.
    public func position(sink: String) throws(WeirError) -> StoredPosition? { monitor.read { $0.positions[sink] } }

    /// Stores a position, unless told to fail; a lower one is recorded and ignored.
    public func save(_ position: StoredPosition, sink: String) throws(WeirError) {
        let fails = monitor.update { state in
            guard !state.failsSaves else { return true }
            state.saves.append((sink, position))
            if let known = state.positions[sink], known.lsn > position.lsn { return false }
            state.positions[sink] = position
            return false
        }
        if fails { throw WeirError(.stateUnusable, stage: .state, "The store was told to fail") }
    }

    /// Forgets a sink's position.
    public func removePosition(sink: String) throws(WeirError) { monitor.update { $0.positions[sink] = nil } }

    /// The snapshot that was begun and not finished.
    public func snapshotIntent() throws(WeirError) -> SnapshotIntent? { monitor.read { $0.intent } }

    /// Writes down or removes the snapshot in progress.
    public func setSnapshotIntent(_ intent: SnapshotIntent?) throws(WeirError) {
        monitor.update { state in
            state.intent = intent
            state.intents.append(intent)
        }
    }

    /// The tables that the stream knows.
    public func knownTables() throws(WeirError) -> [KnownTable] { monitor.read { Array($0.tables.values) } }

    /// Writes down and forgets tables.
    public func update(tables: [KnownTable], removing: [UInt32]) throws(WeirError) {
        monitor.update { state in
            for oid in removing { state.tables[oid] = nil }
            for table in tables { state.tables[table.oid] = table }
        }
    }

    /// Tables whose backfill is durable.
    public func finishedTables(backfill: String) throws(WeirError) -> Set<TableName> {
        monitor.read { $0.backfills[backfill] ?? [] }
    }

    /// Adds a table to those.
    public func finish(table: TableName, backfill: String) throws(WeirError) {
        monitor.update { _ = $0.backfills[backfill, default: []].insert(table) }
    }

    /// Forgets a backfill.
    public func removeBackfill(_ backfill: String) throws(WeirError) { monitor.update { $0.backfills[backfill] = nil } }
}
