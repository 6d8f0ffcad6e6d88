import LibPQ
import WeirCore

/// Reads what a change is told from besides tables: schemas, users' types and collations of the target. Outside of the
/// pipeline.
final class TargetFacts {
    private let session: TargetSession

    init(_ session: TargetSession) {
        self.session = session
    }

    func fill(_ situation: inout SchemaSituation) throws(TargetFailure) {
        let relation = situation.relation
        let types = relation.details?.types ?? []
        situation.schemas = try schemas([relation.table.schema] + types.map(\.name.schema))
        // One that was renamed has its earlier name here.
        let earlier = types.compactMap { situation.knownTypes[$0.oid]?.name }
        situation.types = try self.types(types.map(\.name) + earlier.filter { !types.map(\.name).contains($0) })
        situation.collations = try collations(relation, types)
    }

    private func schemas(_ names: [String]) throws(TargetFailure) -> Set<String> {
        let found = try session.run(
            "SELECT nspname FROM pg_namespace WHERE nspname = ANY ($1::text[])", [SourceTables.array(names)])
        return Set((0..<found.rowCount).compactMap { found.string(row: $0, column: 0) })
    }

    private func types(_ names: [TableName]) throws(TargetFailure) -> [TableName: UserType] {
        guard !names.isEmpty else { return [:] }
        let found = try session.run(
            """
            SELECT t.oid FROM unnest($1::text[], $2::text[]) AS w (schema, name)
            JOIN pg_namespace n ON n.nspname = w.schema
            JOIN pg_type t ON t.typnamespace = n.oid AND t.typname = w.name
            """, [SourceTables.array(names.map(\.schema)), SourceTables.array(names.map(\.name))])
        let oids = (0..<found.rowCount).compactMap { found.integer(row: $0, column: 0, as: UInt32.self) }
        do throws(PGError) {
            let types = try UserTypeCatalog.types(usedBy: oids, on: session.connection)
            return Dictionary(types.map { ($0.name, $0) }) { first, _ in first }
        } catch {
            throw .server(error, nil)
        }
    }

    private func collations(_ relation: Relation, _ types: [UserType]) throws(TargetFailure) -> Set<String> {
        var wanted = Set(relation.columns.compactMap { $0.details?.collation })
        for type in types {
            switch type.definition {
            case .domain(let domain): if let collation = domain.collation { wanted.insert(collation) }
            case .composite(let fields): wanted.formUnion(fields.compactMap(\.collation))
            case .range(let range): if let collation = range.collation { wanted.insert(collation) }
            default: break
            }
        }
        guard !wanted.isEmpty else { return [] }
        let found = try session.run(
            """
            SELECT c.name FROM (
                SELECT quote_ident(n.nspname) || '.' || quote_ident(l.collname) AS name
                FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace
                WHERE l.collencoding IN (-1, (SELECT encoding FROM pg_database WHERE datname = current_database()))
            ) c WHERE c.name = ANY ($1::text[])
            """, [SourceTables.array(wanted.sorted())])
        return Set((0..<found.rowCount).compactMap { found.string(row: $0, column: 0) })
    }
}
