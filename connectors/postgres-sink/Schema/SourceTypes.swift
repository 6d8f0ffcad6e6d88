import LibPQ
import WeirCore

/// `weir.source_types` on the target: what labels and fields of the source's types are called there. Changed in the
/// transactions that change the types. Used on the sink's thread, outside of the pipeline.
final class SourceTypes {
    private let session: TargetSession
    private let pipeline: String
    private var loaded: [UInt32: AppliedType]?
    /// The table is not there and the role may not make it: only where definitions are left alone.
    private var isMissing = false

    static let definition = """
        CREATE TABLE IF NOT EXISTS weir.source_types (pipeline text, type_oid bigint, \
        system_identifier numeric(20) NOT NULL, schema_name text NOT NULL, type_name text NOT NULL, \
        parts bigint[] NOT NULL, part_names text[] NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(), \
        PRIMARY KEY (pipeline, type_oid));
        """

    /// Whether the table is there, as an SQL condition.
    static let isThereSQL = """
        EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'weir' AND c.relname = 'source_types')
        """

    init(_ session: TargetSession, pipeline: String) {
        self.session = session
        self.pipeline = pipeline
    }

    /// Forgets what was read: a transaction was rolled back.
    func forget() { loaded = nil }

    /// What is known of the types of a source cluster, by OID.
    func all(of system: UInt64) throws(TargetFailure) -> [UInt32: AppliedType] {
        if let loaded { return loaded }
        isMissing = try !session.mayUse("weir.source_types", where: Self.isThereSQL)
        let types = isMissing ? [:] : try read(system)
        loaded = types
        return types
    }

    private func read(_ system: UInt64) throws(TargetFailure) -> [UInt32: AppliedType] {
        let result = try session.run(
            """
            SELECT t.type_oid, t.schema_name, t.type_name, p.part, p.name
            FROM weir.source_types t LEFT JOIN LATERAL unnest(t.parts, t.part_names) AS p (part, name) ON true
            WHERE t.pipeline = $1 AND t.system_identifier = $2::numeric
            """, [pipeline, "\(system)"])
        var types: [UInt32: AppliedType] = [:]
        for row in 0..<result.rowCount {
            guard let oid: UInt32 = result.integer(row: row, column: 0) else { continue }
            let name = TableName(
                schema: result.string(row: row, column: 1) ?? "", name: result.string(row: row, column: 2) ?? "")
            var type = types[oid] ?? AppliedType(oid: oid, name: name, parts: [:])
            if let part: UInt32 = result.integer(row: row, column: 3) {
                type.parts[part] = result.string(row: row, column: 4)
            }
            types[oid] = type
        }
        return types
    }

    /// Writes what was applied, as part of the transaction at hand.
    func store(_ type: AppliedType, of system: UInt64) throws(TargetFailure) {
        loaded?[type.oid] = type
        guard !isMissing else { return }
        let parts = type.parts.sorted { $0.key < $1.key }
        _ = try session.run(
            """
            INSERT INTO weir.source_types (pipeline, type_oid, system_identifier, schema_name, type_name, parts,
                part_names)
            VALUES ($1, $2::bigint, $3::numeric, $4, $5, $6::bigint[], $7::text[])
            ON CONFLICT (pipeline, type_oid) DO UPDATE SET system_identifier = EXCLUDED.system_identifier,
                schema_name = EXCLUDED.schema_name, type_name = EXCLUDED.type_name, parts = EXCLUDED.parts,
                part_names = EXCLUDED.part_names, applied_at = now()
            """,
            [
                pipeline, "\(type.oid)", "\(system)", type.name.schema, type.name.name,
                SourceTables.array(parts.map { "\($0.key)" }), SourceTables.array(parts.map(\.value)),
            ])
    }
}
