import WeirCore

/// Keeps nothing: for runs that leave nothing behind.
final class EphemeralStore: PositionStore {
    func position(sink: String) throws(WeirError) -> StoredPosition? { nil }
    func save(_ position: StoredPosition, sink: String) throws(WeirError) {}
    func removePosition(sink: String) throws(WeirError) {}
    func snapshotIntent() throws(WeirError) -> SnapshotIntent? { nil }
    func setSnapshotIntent(_ intent: SnapshotIntent?) throws(WeirError) {}
    func knownTables() throws(WeirError) -> [KnownTable] { [] }
    func update(tables: [KnownTable], removing: [UInt32]) throws(WeirError) {}
    func finishedTables(backfill: String) throws(WeirError) -> Set<TableName> { [] }
    func finish(table: TableName, backfill: String) throws(WeirError) {}
    func removeBackfill(_ backfill: String) throws(WeirError) {}
}

/// Keeps the ledger of a backfill and no positions: a backfill has none, and an old one would make a sink take its
/// rows for old ones.
final class LedgerStore: PositionStore {
    private let store: any PositionStore

    init(_ store: any PositionStore) {
        self.store = store
    }

    func position(sink: String) throws(WeirError) -> StoredPosition? { nil }
    func save(_ position: StoredPosition, sink: String) throws(WeirError) {}
    func removePosition(sink: String) throws(WeirError) {}
    func snapshotIntent() throws(WeirError) -> SnapshotIntent? { nil }
    func setSnapshotIntent(_ intent: SnapshotIntent?) throws(WeirError) {}
    func knownTables() throws(WeirError) -> [KnownTable] { [] }
    func update(tables: [KnownTable], removing: [UInt32]) throws(WeirError) {}
    func finishedTables(backfill: String) throws(WeirError) -> Set<TableName> {
        try store.finishedTables(backfill: backfill)
    }
    func finish(table: TableName, backfill: String) throws(WeirError) {
        try store.finish(table: table, backfill: backfill)
    }
    func removeBackfill(_ backfill: String) throws(WeirError) { try store.removeBackfill(backfill) }
}
