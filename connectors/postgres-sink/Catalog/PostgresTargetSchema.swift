import LibPQ
public import WeirCore

/// Tells what tables of a target database look like, for sources whose data does not carry its types.
///
/// Connects on first use and keeps the connection; made, used and dropped on one thread. A table is read once.
public final class PostgresTargetSchema: SchemaProvider {
    private let settings: PostgresTargetSettings
    private var session: TargetSession?
    private var reader: CatalogReader?
    private var known: [TableName: Relation] = [:]

    /// Makes a provider; nothing is connected yet.
    public init(_ settings: PostgresTargetSettings) {
        self.settings = settings
    }

    /// The table as the target has it now, nil when there is none that rows can be written to. Columns the target
    /// computes are left out. The identity is the primary key, else the replica identity index, else the whole row.
    ///
    /// Errors: those of connecting and of the catalog query.
    public func relation(for table: TableName) throws(WeirError) -> Relation? {
        if let found = known[table] { return found }
        let reader = try connected()
        do throws(TargetFailure) {
            guard let target = try reader.table(table), target.unusableKind == nil else { return nil }
            let relation = target.relation
            known[table] = relation
            return relation
        } catch {
            throw Rejection.error(error, plan: nil, role: session?.connection.user ?? "")
        }
    }

    /// Forgets what was read, so that changed tables are seen.
    public func refresh() { known.removeAll() }

    private func connected() throws(WeirError) -> CatalogReader {
        if let reader { return reader }
        let session = try TargetSession(settings)
        let reader = CatalogReader(session)
        self.session = session
        self.reader = reader
        return reader
    }
}

extension TargetTable {
    /// The table as a source would describe it.
    var relation: Relation {
        let written = columns.filter { !$0.isGenerated }
        let names = written.map(\.name)
        let primary = primaryKey.compactMap { names.firstIndex(of: $0) }
        let index = identityIndex.compactMap { names.firstIndex(of: $0) }
        let key = primary.isEmpty ? index : primary
        let identity: ReplicaIdentity = primary.isEmpty ? (index.isEmpty ? .full : .index) : .default
        return Relation(
            oid: oid, table: name,
            columns: written.enumerated().map { place, column in
                WeirCore.Column(
                    name: column.name, type: column.type, isIdentity: identity == .full || key.contains(place),
                    isNotNull: column.isNotNull)
            }, identity: identity, primaryKey: primary, keyColumns: key)
    }
}
