import LibPQ
import WeirCore

/// Reads tables from the target's catalog and remembers types. One for each session; never inside a pipeline.
final class CatalogReader {
    private let session: TargetSession
    private let types = TypeCatalog()
    private var facts: [UInt32: Equality.TypeFacts] = [:]

    init(_ session: TargetSession) {
        self.session = session
    }

    /// The table, or nil when there is none of that name.
    func table(_ name: TableName) throws(TargetFailure) -> TargetTable? {
        let found: CatalogTable?
        do throws(PGError) {
            found = try CatalogTable.load(name: name, on: session.connection)
        } catch {
            throw .server(error, nil)
        }
        guard let found else { return nil }
        // Types may have got another name since, from a step of this very transaction.
        types.forgetUsers()
        let rights = try session.run(Self.rightsSQL, ["\(found.oid)"])
        var privileges: TargetTable.Privileges = []
        for (index, entry) in TargetTable.Privileges.names.enumerated()
        where rights.boolean(row: 0, column: 3 + index) == true {
            privileges.insert(entry.0)
        }
        return TargetTable(
            name: name, oid: found.oid, kind: found.kind, columns: try columns(of: found),
            uniqueKeys: try uniqueKeys(of: found.oid), identityIndex: found.identityIndex,
            rowSecurity: found.hasActiveRowSecurity,
            hidesRows: found.hasActiveRowSecurity && rights.boolean(row: 0, column: 2) != true,
            isReferenced: rights.boolean(row: 0, column: 0) ?? false,
            hasHeirs: rights.boolean(row: 0, column: 1) ?? false, privileges: privileges,
            comment: found.comment, isOwned: rights.boolean(row: 0, column: 8) ?? false)
    }

    private func columns(of table: CatalogTable) throws(TargetFailure) -> [TargetTable.Column] {
        var resolved: [(column: CatalogColumn, type: ColumnType)] = []
        do throws(PGError) {
            for column in table.columns {
                let type = try types.type(oid: column.typeOID, modifier: column.modifier, on: session.connection)
                resolved.append((column, type))
            }
        } catch {
            throw .server(error, nil)
        }
        try loadFacts(resolved.map { Equality.oids(of: $0.type) })
        return resolved.map { column, type in
            TargetTable.Column(
                name: column.name, type: type, isNotNull: column.isNotNull,
                hasDefault: column.defaultExpression != nil || column.identity != nil,
                isGenerated: column.isGenerated, isAlwaysIdentity: column.identity == "a",
                equality: Equality(type, facts: facts), defaultExpression: column.defaultExpression,
                generatedFrom: column.generatedFrom, comment: column.comment)
        }
    }

    private func loadFacts(_ oids: [UInt32]) throws(TargetFailure) {
        let missing = Set(oids).filter { facts[$0] == nil }.sorted()
        if missing.isEmpty { return }
        let result = try session.run(Self.factsSQL, ["{\(missing.map { "\($0)" }.joined(separator: ","))}"])
        for row in 0..<result.rowCount {
            var fact = Equality.TypeFacts(category: result.string(row: row, column: 1) ?? "")
            if let schema = result.string(row: row, column: 2), let name = result.string(row: row, column: 3) {
                fact.equals = (schema, name)
            }
            facts[result.integer(row: row, column: 0) ?? 0] = fact
        }
    }

    private func uniqueKeys(of oid: UInt32) throws(TargetFailure) -> [TargetTable.UniqueKey] {
        let result = try session.run(Self.indexSQL, ["\(oid)"])
        var keys: [TargetTable.UniqueKey] = []
        var last: String?
        for row in 0..<result.rowCount {
            let index = result.string(row: row, column: 0)
            if index != last {
                keys.append(
                    TargetTable.UniqueKey(
                        columns: [], isPrimary: result.boolean(row: row, column: 1) ?? false,
                        isImmediate: result.boolean(row: row, column: 2) ?? false,
                        name: result.string(row: row, column: 4) ?? ""))
            }
            last = index
            keys[keys.count - 1].columns.append(result.string(row: row, column: 3) ?? "")
        }
        return keys
    }

    /// The chunks of a TimescaleDB table inherit from it too, but hold its own rows.
    private static let rightsSQL = """
        SELECT EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.confrelid = t.oid
                       AND f.conrelid <> t.oid),
               EXISTS (SELECT FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid AND NOT c.relispartition
                       JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname <> '_timescaledb_internal'
                       WHERE h.inhparent = t.oid),
               \(seesAllSQL),
               has_table_privilege(t.oid, 'SELECT'), has_table_privilege(t.oid, 'INSERT'),
               has_table_privilege(t.oid, 'UPDATE'), has_table_privilege(t.oid, 'DELETE'),
               has_table_privilege(t.oid, 'TRUNCATE'),
               (SELECT pg_has_role(o.relowner, 'USAGE') FROM pg_class o WHERE o.oid = t.oid)
        FROM (SELECT $1::oid AS oid) t
        """

    /// For SELECT, UPDATE and DELETE each a permissive policy for the role whose condition is `true`, and no
    /// restrictive one. Source: CREATE POLICY; `check_role_for_policy` in rowsecurity.c.
    private static let seesAllSQL = """
        (SELECT count(DISTINCT k.command) FILTER (WHERE p.polpermissive
                    AND pg_get_expr(p.polqual, p.polrelid) = 'true') = 3
                AND count(*) FILTER (WHERE NOT p.polpermissive) = 0
         FROM pg_policy p JOIN (VALUES ('r'), ('w'), ('d')) AS k (command)
            ON p.polcmd IN ('*', k.command::"char")
         WHERE p.polrelid = t.oid AND EXISTS (SELECT FROM unnest(p.polroles) r
            WHERE r = 0 OR pg_has_role(r, 'USAGE')))
        """

    private static let indexSQL = """
        SELECT i.indexrelid, i.indisprimary, i.indimmediate, a.attname, x.relname
        FROM pg_index i
        JOIN pg_class x ON x.oid = i.indexrelid
        CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
          AND k.place <= i.indnkeyatts
        ORDER BY i.indisprimary DESC, i.indexrelid, k.place
        """

    private static let factsSQL = """
        SELECT t.oid, t.typtype, e.nspname, e.oprname
        FROM pg_type t
        LEFT JOIN LATERAL (
            SELECT s.nspname, o.oprname
            FROM pg_opclass c
            JOIN pg_am m ON m.oid = c.opcmethod AND m.amname IN ('btree', 'hash')
            JOIN pg_amop p ON p.amopfamily = c.opcfamily AND p.amoplefttype = c.opcintype
                AND p.amoprighttype = c.opcintype
                AND p.amopstrategy = CASE m.amname WHEN 'btree' THEN 3 ELSE 1 END
            JOIN pg_operator o ON o.oid = p.amopopr
            JOIN pg_namespace s ON s.oid = o.oprnamespace
            WHERE c.opcdefault AND c.opcintype = t.oid
            ORDER BY m.amname LIMIT 1
        ) e ON true
        WHERE t.oid = ANY ($1::oid[])
        """
}
