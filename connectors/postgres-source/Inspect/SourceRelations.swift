import LibPQ
public import WeirCore

extension SourceInspector {
    /// The tables that the source will send, as they are now, by name: what later stages can be checked against.
    /// Connects, changes nothing. Throws as the source's start does.
    public static func relations(_ settings: PostgresSourceSettings) throws(WeirError) -> [Relation] {
        let selection = try settings.tableSelection()
        let connection = try SourceErrors.mapping { () throws(PGError) in
            try PGConnection(ConnectionSettings(settings.url, applicationName: "weir check"))
        }
        let tables = try PublishedTables.find(settings.publication, selection: selection, on: connection)
        let builder = RelationBuilder()
        var relations: [Relation] = []
        do throws(PGError) {
            for table in tables {
                guard let known = try CatalogTable.load(oid: table.oid, on: connection) else { continue }
                relations.append(try builder.relation(of: known, columns: table.columns, on: connection))
            }
        } catch {
            throw SourceErrors.from(error)
        }
        return relations.sorted { $0.table < $1.table }
    }
}
