import LibPQ
import WeirCore

/// Which tables the stream follows, over restarts: a view of the position store.
///
/// A published table that is not in it has yet to be copied, so a crash before the copy is durable needs no record. Of
/// a publication of all tables it holds every table of the database: one that is not in it was created since, and all
/// of its changes are in the stream.
struct TableLedger {
    private let store: any PositionStore
    private var tables: [UInt32: KnownTable] = [:]

    /// Reads what is known.
    init(_ store: any PositionStore) throws(WeirError) {
        self.store = store
        for table in try store.knownTables() { tables[table.oid] = table }
    }

    /// Whether nothing was ever written down.
    var isEmpty: Bool { tables.isEmpty }
    /// OIDs of the tables in it.
    var oids: Set<UInt32> { Set(tables.keys) }
    /// The tables whose copies may still be ahead of the stream.
    var copied: [KnownTable] {
        tables.values.filter { if case .copied = $0.stage { true } else { false } }
    }

    subscript(_ oid: UInt32) -> KnownTable.Stage? { tables[oid]?.stage }

    /// Writes down stages, and forgets tables.
    mutating func update(_ changed: [KnownTable], removing: [UInt32] = []) throws(WeirError) {
        let news = changed.filter { tables[$0.oid] != $0 }
        let gone = removing.filter { tables[$0] != nil }
        guard !news.isEmpty || !gone.isEmpty else { return }
        try store.update(tables: news, removing: gone)
        for oid in gone { tables[oid] = nil }
        for table in news { tables[table.oid] = table }
    }

    /// Begins anew with what a stream follows from its beginning, or from its snapshot on.
    mutating func reset(
        _ publication: PublicationFacts, selection: TableSelection?, on connection: borrowing PGConnection
    ) throws(WeirError) {
        let listed = try Self.listed(publication, on: connection)
        let published = Set(publication.tables.map(\.oid))
        let known = listed.map { table in
            let isFollowed = published.contains(table.oid) && selection?.contains(table.name) ?? true
            return KnownTable(oid: table.oid, name: table.name, stage: isFollowed ? .followed : .ignored)
        }
        let kept = Set(known.map(\.oid))
        try update(known, removing: tables.keys.filter { !kept.contains($0) })
    }

    /// The tables a ledger for this publication holds: all of the database where it is for all, else those it sends.
    static func listed(
        _ publication: PublicationFacts, on connection: borrowing PGConnection
    ) throws(WeirError) -> [(oid: UInt32, name: TableName)] {
        guard publication.isForAllTables else { return publication.tables.map { ($0.oid, $0.name) } }
        do throws(PGError) {
            let result = try connection.query(
                """
                SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c \
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND c.oid >= 16384
                """, operation: "read pg_class")
            return (0..<result.rowCount).map { row in
                let name = TableName(
                    schema: result.string(row: row, column: 1) ?? "", name: result.string(row: row, column: 2) ?? "")
                return (result.integer(row: row, column: 0) ?? 0, name)
            }
        } catch {
            throw SourceErrors.from(error)
        }
    }
}
