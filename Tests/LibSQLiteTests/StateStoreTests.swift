import Testing
import WeirCore

@testable import LibSQLite

@Suite struct StateStoreTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test func positionsSurviveTheProcess() throws {
        do {
            let store = try folder.open()
            #expect(try store.position(sink: "kafka") == nil)
            try store.save(StoredPosition(lsn: LSN(0xFFFF_FFFF_FFFF_FFF0), systemIdentifier: .max), sink: "kafka")
            try store.save(StoredPosition(lsn: LSN(5), systemIdentifier: 0, token: "orders-0=17"), sink: "replay")
        }
        let store = try folder.open()
        #expect(
            try store.position(sink: "kafka")
                == StoredPosition(lsn: LSN(0xFFFF_FFFF_FFFF_FFF0), systemIdentifier: .max))
        #expect(try store.positions().map(\.sink) == ["kafka", "replay"])
        #expect(try store.position(sink: "replay")?.token == "orders-0=17")
    }

    @Test func knownTablesSurviveTheProcess() throws {
        let name = TableName(schema: "s.\"x", name: "ü")
        let tables = [
            KnownTable(oid: 16_384, name: name, stage: .followed),
            KnownTable(oid: .max, name: name, stage: .copied(snapshot: "5:9:6,7", bound: LSN(0x10))),
            KnownTable(oid: 7, name: name, stage: .ignored),
        ]
        do {
            let store = try folder.open()
            #expect(try store.knownTables().isEmpty)
            try store.update(tables: tables + [KnownTable(oid: 8, name: name, stage: .followed)], removing: [])
            try store.update(tables: [KnownTable(oid: 7, name: name, stage: .ignored)], removing: [8, 9])
        }
        #expect(try folder.open(pipeline: "other").knownTables().isEmpty)
        #expect(try folder.open().knownTables().sorted { $0.oid < $1.oid } == tables.sorted { $0.oid < $1.oid })
    }

    @Test func aFileOfTheFirstFormatIsBroughtUp() throws {
        do {
            let store = try folder.open()
            try store.save(StoredPosition(lsn: LSN(5), systemIdentifier: 7), sink: "kafka")
            try store.withDatabase { (database) throws(SQLiteError) in
                try database.execute("DROP TABLE known_table; PRAGMA user_version = 1")
            }
        }
        // A look changes nothing.
        #expect(try StateStore.look(folder: folder.state, pipeline: "shop")?.positions().count == 1)
        let store = try folder.open()
        #expect(try store.position(sink: "kafka")?.lsn == LSN(5))
        try store.update(
            tables: [KnownTable(oid: 1, name: TableName(schema: "a", name: "b"), stage: .followed)], removing: [])
        #expect(try store.knownTables().count == 1)
    }

    @Test func aPositionNeverGoesBack() throws {
        let store = try folder.open()
        try store.save(StoredPosition(lsn: LSN(100), systemIdentifier: 7, token: "a"), sink: "s")
        try store.save(StoredPosition(lsn: LSN(99), systemIdentifier: 7, token: "b"), sink: "s")
        #expect(try store.position(sink: "s") == StoredPosition(lsn: LSN(100), systemIdentifier: 7, token: "a"))
        try store.save(StoredPosition(lsn: LSN(100), systemIdentifier: 7, token: "c"), sink: "s")
        #expect(try store.position(sink: "s")?.token == "c")
        try store.removePosition(sink: "s")
        try store.save(StoredPosition(lsn: LSN(1), systemIdentifier: 7), sink: "s")
        #expect(try store.position(sink: "s")?.lsn == LSN(1))
    }

    @Test func aPositionOfAnotherClusterIsRefused() throws {
        let store = try folder.open()
        try store.save(StoredPosition(lsn: LSN(100), systemIdentifier: 7), sink: "s")
        let error = try refusal { try store.save(StoredPosition(lsn: LSN(200), systemIdentifier: 8), sink: "s") }
        #expect(error.code == .positionMismatch)
        #expect(error.description.contains("system identifier 7 is stored, 8 is connected"))
        #expect(try store.position(sink: "s") == StoredPosition(lsn: LSN(100), systemIdentifier: 7))
    }

    @Test func pipelinesAreKeptApart() throws {
        do {
            let shop = try folder.open(pipeline: "shop")
            try shop.save(StoredPosition(lsn: LSN(1), systemIdentifier: 7), sink: "kafka")
            try shop.setSnapshotIntent(SnapshotIntent(slot: "weir_shop", systemIdentifier: 7))
            try shop.finish(table: TableName(schema: "public", name: "t"), backfill: "b")
        }
        let other = try folder.open(pipeline: "other")
        #expect(try other.position(sink: "kafka") == nil)
        #expect(try other.snapshotIntent() == nil)
        #expect(try other.finishedTables(backfill: "b").isEmpty)
    }

    @Test func snapshotIntentIsKeptUntilRemoved() throws {
        let first = SnapshotIntent(slot: "weir_shop", systemIdentifier: 7)
        let second = SnapshotIntent(slot: "weir_shop", systemIdentifier: 7, consistentPoint: LSN(0x10_0000_0000))
        do {
            let store = try folder.open()
            #expect(try store.snapshotIntent() == nil)
            try store.setSnapshotIntent(first)
            #expect(try store.snapshotIntent() == first)
            try store.setSnapshotIntent(second)
        }
        let store = try folder.open()
        #expect(try store.snapshotIntent() == second)
        try store.setSnapshotIntent(nil)
        #expect(try store.snapshotIntent() == nil)
    }

    @Test func backfillLedgerRemembersTables() throws {
        let odd = TableName(schema: "a.b", name: "c\"d")
        do {
            let store = try folder.open()
            try store.finish(table: odd, backfill: "nightly")
            try store.finish(table: odd, backfill: "nightly")
            try store.finish(table: TableName(schema: "public", name: "t"), backfill: "other")
        }
        let store = try folder.open()
        #expect(try store.finishedTables(backfill: "nightly") == [odd])
        try store.removeBackfill("nightly")
        #expect(try store.finishedTables(backfill: "nightly").isEmpty)
        #expect(try store.finishedTables(backfill: "other").count == 1)
    }

    @Test func savesFromManyThreadsAreSerialised() async throws {
        let store = try folder.open()
        await withTaskGroup(of: Void.self) { group in
            for sink in 0..<4 {
                group.addTask {
                    for lsn in 1...20 {
                        try? store.save(StoredPosition(lsn: LSN(UInt64(lsn)), systemIdentifier: 7), sink: "s\(sink)")
                    }
                }
            }
        }
        #expect(try store.positions().map(\.position.lsn) == Array(repeating: LSN(20), count: 4))
    }

    @Test func filesAreClosedToOtherAccounts() throws {
        let store = try folder.open()
        try store.save(StoredPosition(lsn: LSN(1), systemIdentifier: 7), sink: "s")
        #expect(folder.mode(folder.state) == 0o700)
        #expect(folder.mode(folder.file) == 0o600)
        #expect(folder.mode(folder.file + ".lock") == 0o600)
        #expect(folder.mode(folder.file + "-journal") & 0o077 == 0)
    }

    @Test func lookingNeedsNoLockAndMakesNothing() throws {
        #expect(try StateStore.look(folder: folder.state, pipeline: "shop") == nil)
        #expect(folder.mode(folder.state) == 0)
        let store = try folder.open()
        try store.save(StoredPosition(lsn: LSN(9), systemIdentifier: 7), sink: "s")
        let look = try StateStore.look(folder: folder.state, pipeline: "shop")
        #expect(try look?.position(sink: "s")?.lsn == LSN(9))
        try store.save(StoredPosition(lsn: LSN(10), systemIdentifier: 7), sink: "s")
        #expect(try look?.position(sink: "s")?.lsn == LSN(10))
    }
}
