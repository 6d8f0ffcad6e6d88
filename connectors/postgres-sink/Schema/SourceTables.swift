import LibPQ
import WeirCore

/// `weir.source_tables` on the target: what the pipeline has last applied of each source table's definition. Changed in
/// the transactions that change the tables. Used on the sink's thread.
final class SourceTables {
    private let session: TargetSession
    private let pipeline: String
    private var loaded: [UInt32: AppliedTable]?
    /// The table is not there and the role may not make it: only where definitions are left alone.
    private(set) var isMissing = false

    static let definition = """
        CREATE TABLE IF NOT EXISTS weir.source_tables (pipeline text, source_oid bigint, \
        system_identifier numeric(20) NOT NULL, source_schema text NOT NULL, source_table text NOT NULL, \
        schema_name text NOT NULL, table_name text NOT NULL, target_oid bigint NOT NULL, storage bigint NOT NULL, \
        primary_key text[] NOT NULL, column_names text[] NOT NULL, column_numbers int[] NOT NULL, \
        column_type_oids bigint[] NOT NULL, target_names text[] NOT NULL, target_types text[] NOT NULL, \
        column_defaults text[] NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(), \
        last_number int NOT NULL DEFAULT 0, generated_names text[] NOT NULL DEFAULT '{}', \
        generated_numbers int[] NOT NULL DEFAULT '{}', generated_expressions text[] NOT NULL DEFAULT '{}', \
        followed_from pg_lsn, PRIMARY KEY (pipeline, source_oid));
        """

    /// What a table that an earlier version of Weir made has not.
    static let addition = """
        ALTER TABLE weir.source_tables ADD COLUMN IF NOT EXISTS last_number int NOT NULL DEFAULT 0, \
        ADD COLUMN IF NOT EXISTS generated_names text[] NOT NULL DEFAULT '{}', \
        ADD COLUMN IF NOT EXISTS generated_numbers int[] NOT NULL DEFAULT '{}', \
        ADD COLUMN IF NOT EXISTS generated_expressions text[] NOT NULL DEFAULT '{}', \
        ADD COLUMN IF NOT EXISTS followed_from pg_lsn;
        """

    /// Whether the table is there with all its columns, as an SQL condition.
    static let isThereSQL = """
        EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'followed_from' AND NOT a.attisdropped
            WHERE n.nspname = 'weir' AND c.relname = 'source_tables')
        """

    init(_ session: TargetSession, pipeline: String) {
        self.session = session
        self.pipeline = pipeline
    }

    /// Forgets what was read: a transaction was rolled back.
    func forget() { loaded = nil }

    /// What is known of the tables of a source cluster, by OID. Outside of the pipeline.
    func all(of system: UInt64) throws(TargetFailure) -> [UInt32: AppliedTable] {
        if let loaded { return loaded }
        isMissing = try !session.mayUse("weir.source_tables", where: Self.isThereSQL)
        if isMissing {
            loaded = [:]
            return [:]
        }
        let tables = try read(system)
        loaded = tables
        return tables
    }

    private func read(_ system: UInt64) throws(TargetFailure) -> [UInt32: AppliedTable] {
        let result = try session.run(Self.readSQL, [pipeline, "\(system)"])
        var tables: [UInt32: AppliedTable] = [:]
        for row in 0..<result.rowCount {
            func text(_ column: Int) -> String { result.string(row: row, column: column) ?? "" }
            guard let oid: UInt32 = result.integer(row: row, column: 0) else { continue }
            if tables[oid] == nil {
                tables[oid] = AppliedTable(
                    oid: oid, systemIdentifier: system, origin: TableName(schema: text(1), name: text(2)),
                    table: TableName(schema: text(3), name: text(4)), columns: [], primaryKey: [],
                    storage: result.integer(row: row, column: 6) ?? 0,
                    lastNumber: result.integer(row: row, column: 14) ?? 0,
                    followedFrom: result.string(row: row, column: 16).flatMap { LSN($0) },
                    targetOID: result.integer(row: row, column: 5) ?? 0)
            }
            guard let name = result.string(row: row, column: 8) else { continue }
            if let expression = result.string(row: row, column: 15) {
                tables[oid]?.generated.append(
                    AppliedTable.Generated(
                        name: name, number: result.integer(row: row, column: 9) ?? 0, expression: expression))
                continue
            }
            if result.boolean(row: row, column: 7) == true {
                tables[oid]?.primaryKey.append(name)
                continue
            }
            tables[oid]?.columns.append(
                AppliedTable.Column(
                    source: name, number: result.integer(row: row, column: 9),
                    typeOID: result.integer(row: row, column: 10) ?? 0, target: result.string(row: row, column: 11),
                    type: text(12), defaultExpression: result.string(row: row, column: 13)))
        }
        return tables
    }

    /// Writes what was applied, as part of the transaction at hand. Outside of the pipeline.
    func store(_ table: AppliedTable) throws(TargetFailure) {
        loaded?[table.oid] = table
        guard !isMissing else { return }
        let columns = table.columns
        let generated = table.generated
        _ = try session.run(
            Self.storeSQL,
            [
                pipeline, "\(table.oid)", "\(table.systemIdentifier)", table.origin.schema, table.origin.name,
                table.table.schema, table.table.name, "\(table.targetOID)", "\(table.storage)",
                Self.array(table.primaryKey), Self.array(columns.map(\.source)),
                Self.array(columns.map { $0.number.map { "\($0)" } }), Self.array(columns.map { "\($0.typeOID)" }),
                Self.array(columns.map(\.target)), Self.array(columns.map(\.type)),
                Self.array(columns.map(\.defaultExpression)), "\(table.lastNumber)",
                Self.array(generated.map(\.name)), Self.array(generated.map { "\($0.number)" }),
                Self.array(generated.map(\.expression)), table.followedFrom?.description,
            ])
    }

    /// Notes that changes may pass untold from now on.
    func stopFollowing() throws(TargetFailure) {
        guard try session.mayUse("weir.source_tables", where: Self.isThereSQL) else { return }
        _ = try session.run(
            "UPDATE weir.source_tables SET followed_from = NULL WHERE pipeline = $1 AND followed_from IS NOT NULL",
            [pipeline])
    }

    /// Forgets a table that the source has dropped.
    func remove(_ oid: UInt32) throws(TargetFailure) {
        loaded?[oid] = nil
        guard !isMissing else { return }
        _ = try session.run(
            "DELETE FROM weir.source_tables WHERE pipeline = $1 AND source_oid = $2::bigint", [pipeline, "\(oid)"])
    }

    /// The text form of an array. Every element is quoted.
    static func array(_ elements: [String?]) -> String {
        let texts = elements.map { element in
            guard let element else { return "NULL" }
            var text = "\""
            for scalar in element.unicodeScalars {
                if scalar == "\"" || scalar == "\\" { text += "\\" }
                text.unicodeScalars.append(scalar)
            }
            return text + "\""
        }
        return "{\(texts.joined(separator: ","))}"
    }

    private static let readSQL = """
        SELECT t.source_oid, t.source_schema, t.source_table, t.schema_name, t.table_name, t.target_oid, t.storage,
            c.is_key, c.name, c.number, c.type_oid, c.target, c.type, c.default_text, t.last_number,
            c.expression, t.followed_from
        FROM weir.source_tables t
        LEFT JOIN LATERAL (
            SELECT true AS is_key, k.name, NULL::int AS number, NULL::bigint AS type_oid, NULL::text AS target,
                NULL::text AS type, NULL::text AS default_text, k.place, NULL::text AS expression
            FROM unnest(t.primary_key) WITH ORDINALITY AS k (name, place)
            UNION ALL
            SELECT false, u.name, u.number, u.type_oid, u.target, u.type, u.default_text, u.place, NULL
            FROM unnest(t.column_names, t.column_numbers, t.column_type_oids, t.target_names, t.target_types,
                t.column_defaults) WITH ORDINALITY AS u (name, number, type_oid, target, type, default_text, place)
            UNION ALL
            SELECT false, g.name, g.number, NULL, NULL, NULL, NULL, g.place, g.expression
            FROM unnest(t.generated_names, t.generated_numbers, t.generated_expressions)
                WITH ORDINALITY AS g (name, number, expression, place)
        ) c ON true
        WHERE t.pipeline = $1 AND t.system_identifier = $2::numeric
        ORDER BY t.source_oid, c.is_key, c.place
        """

    private static let storeSQL = """
        INSERT INTO weir.source_tables (pipeline, source_oid, system_identifier, source_schema, source_table,
            schema_name, table_name, target_oid, storage, primary_key, column_names, column_numbers, column_type_oids,
            target_names, target_types, column_defaults, last_number, generated_names, generated_numbers,
            generated_expressions, followed_from)
        VALUES ($1, $2::bigint, $3::numeric, $4, $5, $6, $7, $8::bigint, $9::bigint, $10::text[], $11::text[],
            $12::int[], $13::bigint[], $14::text[], $15::text[], $16::text[], $17::int,
            $18::text[], $19::int[], $20::text[], $21::pg_lsn)
        ON CONFLICT (pipeline, source_oid) DO UPDATE SET system_identifier = EXCLUDED.system_identifier,
            source_schema = EXCLUDED.source_schema, source_table = EXCLUDED.source_table,
            schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, target_oid = EXCLUDED.target_oid,
            storage = EXCLUDED.storage, primary_key = EXCLUDED.primary_key, column_names = EXCLUDED.column_names,
            column_numbers = EXCLUDED.column_numbers, column_type_oids = EXCLUDED.column_type_oids,
            target_names = EXCLUDED.target_names, target_types = EXCLUDED.target_types,
            column_defaults = EXCLUDED.column_defaults, last_number = EXCLUDED.last_number,
            generated_names = EXCLUDED.generated_names, generated_numbers = EXCLUDED.generated_numbers,
            generated_expressions = EXCLUDED.generated_expressions, followed_from = EXCLUDED.followed_from,
            applied_at = now()
        """
}

extension TargetSession {
    /// Whether a table of Weir's own is there, as the condition says, with every right that the map needs.
    func mayUse(_ table: StaticString, where isThereSQL: String) throws(TargetFailure) -> Bool {
        let rights = ["SELECT", "INSERT", "UPDATE", "DELETE"].map { "has_table_privilege('\(table)', '\($0)')" }
        let found = try run("SELECT CASE WHEN \(isThereSQL) THEN \(rights.joined(separator: " AND ")) END")
        return found.boolean(row: 0, column: 0) == true
    }
}
