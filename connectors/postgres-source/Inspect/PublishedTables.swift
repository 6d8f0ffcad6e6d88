import LibPQ
import WeirCore

/// The tables of a copy that needs no stream: what the publication sends when there is one, else what a publication
/// made now would send. Creates nothing.
enum PublishedTables {
    static func find(
        _ publication: String, selection: TableSelection?, on connection: borrowing PGConnection
    ) throws(WeirError) -> [PublicationFacts.Table] {
        do throws(PGError) {
            if let existing = try PublicationFacts.load(publication, on: connection) {
                let tables = existing.tables.filter { selection?.contains($0.name) ?? true }
                // Our own may be behind the configured patterns.
                if !existing.isOurs || selection == nil { return tables }
            }
            let candidates = try PublishableTable.all(on: connection)
            let wanted = Set(PublicationPlan.wanted(candidates, selection))
            return candidates.filter { wanted.contains($0.name) }.map {
                PublicationFacts.Table(oid: $0.oid, name: $0.name, columns: nil, rowFilter: nil)
            }
        } catch {
            throw SourceErrors.from(error)
        }
    }
}
