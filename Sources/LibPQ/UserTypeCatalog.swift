public import WeirCore

/// Where the facts about a table come from.
public enum CatalogFacts: Sendable {
    /// The catalog of now, which may be ahead of the log; `isFirst`: see `RelationDetails.isFirstOfStream`.
    case now(isFirst: Bool)
    /// The connection sees the database as of the point of the log that is described.
    case snapshot
    /// The table is known as of that point; users' types are the catalog's of now, but for the labels that are given,
    /// by the enum's OID.
    case told(labels: [UInt32: EnumLabels])
}

/// The labels of an enum in sort order.
public struct EnumLabels: Sendable, Equatable {
    /// Their names.
    public let names: [String]
    /// Their `pg_enum.oid`; empty when they are not known.
    public let oids: [UInt32]

    /// Makes labels. `oids` that are not as many as names are left out.
    public init(names: [String], oids: [UInt32] = []) {
        self.names = names
        self.oids = oids.count == names.count ? oids : []
    }
}

extension RelationDetails {
    /// Reads what the catalog says about a table and the users' types its columns use. Two more queries for tables
    /// that use any, none else.
    /// - Parameters:
    ///   - table: nil when the catalog has it no more.
    ///   - columns: names and types' OIDs as the stream has them.
    ///   - generated: columns that the table computes.
    ///   - facts: where they come from; of the catalog of now, where the log ends is asked as well.
    public init(
        _ table: CatalogTable?, columns: [(name: String, typeOID: UInt32)], generated: [GeneratedColumn],
        facts: CatalogFacts, on connection: borrowing PGConnection
    ) throws(PGError) {
        var types = try UserTypeCatalog.types(
            usedBy: columns.map(\.typeOID) + generated.map(\.typeOID), on: connection)
        // After all that was read: every change seen above was committed before this position.
        var asOf: LSN?
        var typesAsOf: LSN?
        var isFirst = false
        switch facts {
        case .snapshot: break
        case .now(let first):
            isFirst = first
            asOf = try UserTypeCatalog.logEnd(on: connection)
        case .told(let labels):
            types = types.map { labels[$0.oid].map($0.labelled) ?? $0 }
            if !types.allSatisfy(\.isOfLog) { typesAsOf = try UserTypeCatalog.logEnd(on: connection) }
        }
        self.init(
            comment: table?.comment, types: types,
            columns: columns.map { column in
                let known = table?.columns.first { $0.name == column.name && $0.typeOID == column.typeOID }
                return StreamColumn(name: column.name, typeOID: column.typeOID, number: known?.number)
            }, generated: generated, keyTiming: table?.keyTiming ?? .immediate, attributes: table?.attributes ?? [],
            storage: table?.storage ?? 0, asOf: asOf, typesAsOf: typesAsOf, isFirstOfStream: isFirst)
    }
}

extension UserType {
    /// The enum with the labels of a point of the log.
    fileprivate func labelled(_ labels: EnumLabels) -> UserType {
        guard case .enumeration = definition else { return self }
        return UserType(
            oid: oid, name: name, definition: .enumeration(labels.names), parts: labels.oids, isOfLog: true)
    }
}

/// Reads users' types so that they can be created elsewhere.
public enum UserTypeCatalog {
    /// The users' types among these and all that they are made of; those that others are made of come first.
    public static func types(
        usedBy oids: [UInt32], on connection: borrowing PGConnection
    ) throws(PGError) -> [UserType] {
        let own = Set(oids).filter { $0 >= ColumnType.firstUserOID }.sorted()
        guard !own.isEmpty else { return [] }
        let list = "{\(own.map { "\($0)" }.joined(separator: ","))}"
        let isNew = connection.serverVersion >= 140000
        let result = try connection.query(typesSQL(hasMultiranges: isNew), [list], operation: "read pg_type")
        let parts = try parts(of: result, on: connection)
        return (0..<result.rowCount).map { row in
            let oid: UInt32 = result.integer(row: row, column: 0) ?? 0
            let name = TableName(
                schema: result.string(row: row, column: 1) ?? "", name: result.string(row: row, column: 2) ?? "")
            let parts = parts[oid] ?? []
            let definition = definition(result, row, parts)
            return UserType(
                oid: oid, name: name, definition: definition,
                parts: definition.hasParts ? parts.map(\.identity) : [])
        }
    }

    /// Where the log ends now.
    static func logEnd(on connection: borrowing PGConnection) throws(PGError) -> LSN {
        let result = try connection.query(
            """
            SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() \
            ELSE pg_catalog.pg_current_wal_insert_lsn() END
            """, operation: "read position")
        guard let position = result.string(row: 0, column: 0).flatMap({ LSN($0) }) else {
            throw PGError(.protocolViolation, "read position", "the server told no position")
        }
        return position
    }

    /// A label, a field or a constraint: name and text.
    private struct Part {
        let name: String
        let text: String
        let collation: String?
        /// `pg_enum.oid`, `pg_attribute.attnum`, `pg_constraint.oid`.
        let identity: UInt32
    }

    private static func parts(
        of types: borrowing PGResult, on connection: borrowing PGConnection
    ) throws(PGError) -> [UInt32: [Part]] {
        let oids = (0..<types.rowCount).compactMap { types.string(row: $0, column: 0) }
        let result = try connection.query(
            partsSQL, ["{\(oids.joined(separator: ","))}"], operation: "read types")
        var parts: [UInt32: [Part]] = [:]
        for row in 0..<result.rowCount {
            parts[result.integer(row: row, column: 0) ?? 0, default: []].append(
                Part(
                    name: result.string(row: row, column: 1) ?? "", text: result.string(row: row, column: 2) ?? "",
                    collation: result.string(row: row, column: 3),
                    identity: result.integer(row: row, column: 6) ?? 0))
        }
        return parts
    }

    private static func definition(_ result: borrowing PGResult, _ row: Int, _ parts: [Part]) -> UserType.Definition {
        if let name = result.string(row: row, column: 4) {
            return .ofExtension(name: name, schema: result.string(row: row, column: 5) ?? "")
        }
        switch result.string(row: row, column: 3) {
        case "e": return .enumeration(parts.map(\.name))
        case "d":
            return .domain(
                UserType.Domain(
                    base: result.string(row: row, column: 6) ?? "", collation: result.string(row: row, column: 7),
                    isNotNull: result.boolean(row: row, column: 8) ?? false,
                    defaultExpression: result.string(row: row, column: 9),
                    checks: parts.map { UserType.Check(name: $0.name, sql: $0.text) }))
        case "c":
            guard result.string(row: row, column: 10) == "c" else { return .other("it is the row type of a table") }
            return .composite(
                parts.map { UserType.Field(name: $0.name, type: $0.text, collation: $0.collation) })
        case "r":
            var multirange: TableName?
            if let schema = result.string(row: row, column: 13), let name = result.string(row: row, column: 14) {
                multirange = TableName(schema: schema, name: name)
            }
            return .range(
                UserType.Range(
                    subtype: result.string(row: row, column: 6) ?? "", collation: result.string(row: row, column: 7),
                    operatorClass: result.string(row: row, column: 11), difference: result.string(row: row, column: 12),
                    multirange: multirange))
        default: return .other("it is a base type")
        }
    }

    private static func typesSQL(hasMultiranges: Bool) -> String {
        let multirange =
            hasMultiranges
            ? "UNION ALL SELECT r.rngtypid FROM pg_catalog.pg_range r "
                + "WHERE t.typtype = 'm' AND r.rngmultitypid = t.oid" : ""
        let multiName = hasMultiranges ? "mn.nspname, m.typname" : "NULL, NULL"
        let multiJoin =
            hasMultiranges
            ? "LEFT JOIN pg_catalog.pg_type m ON m.oid = r.rngmultitypid "
                + "LEFT JOIN pg_catalog.pg_namespace mn ON mn.oid = m.typnamespace" : ""
        return """
            WITH RECURSIVE used (oid, depth) AS (
                SELECT o, 0 FROM pg_catalog.unnest($1::pg_catalog.oid[]) o
                UNION
                SELECT p.oid, u.depth + 1
                FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.oid CROSS JOIN LATERAL (
                    SELECT t.typelem WHERE t.typelem <> 0 AND t.typlen = -1
                    UNION ALL SELECT t.typbasetype WHERE t.typtype = 'd'
                    UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a
                        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
                    UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r
                        WHERE t.typtype = 'r' AND r.rngtypid = t.oid
                    \(multirange)
                ) p (oid)
                WHERE p.oid >= \(ColumnType.firstUserOID) AND u.depth < 32
            )
            SELECT t.oid, n.nspname, t.typname, t.typtype::text, e.extname, en.nspname,
                pg_catalog.format_type(COALESCE(r.rngsubtype, NULLIF(t.typbasetype, 0)),
                    CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE -1 END),
                CASE WHEN COALESCE(r.rngcollation, t.typcollation) <> b.typcollation
                    THEN pg_catalog.quote_ident(ln.nspname) || '.' || pg_catalog.quote_ident(l.collname) END,
                t.typnotnull, COALESCE(pg_catalog.pg_get_expr(t.typdefaultbin, 0), t.typdefault),
                c.relkind::text,
                CASE WHEN NOT o.opcdefault
                    THEN pg_catalog.quote_ident(o_n.nspname) || '.' || pg_catalog.quote_ident(o.opcname) END,
                NULLIF(r.rngsubdiff::pg_catalog.oid, 0)::pg_catalog.regproc::text, \(multiName)
            FROM (SELECT oid, pg_catalog.max(depth) AS depth FROM used GROUP BY oid) u
            JOIN pg_catalog.pg_type t ON t.oid = u.oid
            JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
            LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
            LEFT JOIN pg_catalog.pg_range r ON t.typtype = 'r' AND r.rngtypid = t.oid
            LEFT JOIN pg_catalog.pg_type b ON b.oid = COALESCE(r.rngsubtype, NULLIF(t.typbasetype, 0))
            LEFT JOIN pg_catalog.pg_collation l ON l.oid = COALESCE(r.rngcollation, t.typcollation)
            LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace
            LEFT JOIN pg_catalog.pg_opclass o ON o.oid = r.rngsubopc
            LEFT JOIN pg_catalog.pg_namespace o_n ON o_n.oid = o.opcnamespace
            LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
                AND d.objid = t.oid AND d.deptype = 'e'
                AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
            LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
            LEFT JOIN pg_catalog.pg_namespace en ON en.oid = e.extnamespace
            \(multiJoin)
            WHERE t.typtype IN ('e', 'd', 'c', 'r') OR (t.typtype = 'b' AND (t.typelem = 0 OR t.typlen <> -1))
            ORDER BY u.depth DESC, n.nspname, t.typname
            """
    }

    private static let partsSQL = """
        SELECT e.enumtypid, e.enumlabel, NULL::text, NULL::text, e.enumsortorder AS place, e.enumlabel AS name,
            e.oid::pg_catalog.int8 AS identity
        FROM pg_catalog.pg_enum e WHERE e.enumtypid = ANY ($1::pg_catalog.oid[])
        UNION ALL
        SELECT t.oid, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attcollation <> f.typcollation
                THEN pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(l.collname) END,
            a.attnum, a.attname, a.attnum
        FROM pg_catalog.pg_type t
        JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_catalog.pg_type f ON f.oid = a.atttypid
        LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
        LEFT JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace
        WHERE t.typtype = 'c' AND t.oid = ANY ($1::pg_catalog.oid[])
        UNION ALL
        SELECT c.contypid, c.conname, pg_catalog.pg_get_constraintdef(c.oid), NULL, 0, c.conname,
            c.oid::pg_catalog.int8
        FROM pg_catalog.pg_constraint c
        WHERE c.contype = 'c' AND c.contypid = ANY ($1::pg_catalog.oid[])
        ORDER BY 1, 5, 6
        """
}

extension UserType.Definition {
    fileprivate var hasParts: Bool {
        switch self {
        case .enumeration, .composite: true
        default: false
        }
    }
}
