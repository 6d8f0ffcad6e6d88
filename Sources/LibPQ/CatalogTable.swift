public import WeirCore

/// One column as `pg_attribute` has it now.
public struct CatalogColumn: Sendable, Equatable {
    /// The column's name.
    public let name: String
    /// Its number in the table, from 1, with gaps where columns were dropped.
    public let number: Int16
    /// The type's OID.
    public let typeOID: UInt32
    /// The type's modifier, -1 when there is none.
    public let modifier: Int32
    /// Declared NOT NULL.
    public let isNotNull: Bool
    /// GENERATED ALWAYS AS (...) STORED or VIRTUAL: never written.
    public let isGenerated: Bool
    /// GENERATED ... AS IDENTITY: `a` always, `d` by default; nil when it is none.
    public let identity: Character?
    /// The default's expression as SQL; nil when there is none.
    public let defaultExpression: String?
    /// What a generated column is computed from, as SQL; nil when it is none.
    public let generatedFrom: String?
    /// The collation as SQL when it is not the type's own.
    public let collation: String?
    /// The comment.
    public let comment: String?

    /// Makes a column from facts that were read elsewhere. `expression`: of the default, or of a generated column.
    public init(
        name: String, number: Int16, typeOID: UInt32, modifier: Int32, isNotNull: Bool, isGenerated: Bool,
        identity: Character?, expression: String?, collation: String?, comment: String?
    ) {
        self.name = name
        self.number = number
        self.typeOID = typeOID
        self.modifier = modifier
        self.isNotNull = isNotNull
        self.isGenerated = isGenerated
        self.identity = identity
        defaultExpression = isGenerated ? nil : expression
        generatedFrom = isGenerated ? expression : nil
        self.collation = collation
        self.comment = comment
    }
}

/// A table as the catalog has it now.
public struct CatalogTable: Sendable, Equatable {
    /// The table's OID.
    public let oid: UInt32
    /// Its name.
    public let name: TableName
    /// `relkind`: `r` table, `p` partitioned table, `f` foreign table, `v` view, `m` materialized view.
    public let kind: Character
    /// The replica identity.
    public let replicaIdentity: ReplicaIdentity
    /// The columns that exist, in order.
    public let columns: [CatalogColumn]
    /// Names of the primary key's columns, in key order.
    public let primaryKey: [String]
    /// When the primary key is checked; `immediate` without one.
    public private(set) var keyTiming: KeyTiming
    /// Names of the replica identity index's columns, in key order; empty unless the identity is an index.
    public let identityIndex: [String]
    /// Names of the columns, included ones too, of the unique index without expressions that comes first by name, the
    /// clustered one before others; empty where there is a primary key.
    public private(set) var uniqueIndex: [String]
    /// The planner's estimate of rows; 0 when the table was never analysed.
    public let estimatedRows: UInt64
    /// Row-level security applies to the role of this connection.
    public let hasActiveRowSecurity: Bool
    /// The comment.
    public let comment: String?
    /// `pg_class.relfilenode`, 0 for tables without storage.
    public let storage: UInt32
    /// All entries of `pg_attribute`, dropped and generated columns included.
    public let attributes: [SourceAttribute]

    /// Makes a table from facts that were read elsewhere.
    public init(
        oid: UInt32, name: TableName, kind: Character, replicaIdentity: ReplicaIdentity, columns: [CatalogColumn],
        primaryKey: [String], keyTiming: KeyTiming = .immediate, identityIndex: [String], uniqueIndex: [String] = [],
        estimatedRows: UInt64 = 0, hasActiveRowSecurity: Bool = false, comment: String?, storage: UInt32,
        attributes: [SourceAttribute]
    ) {
        self.oid = oid
        self.name = name
        self.kind = kind
        self.replicaIdentity = replicaIdentity
        self.columns = columns
        self.primaryKey = primaryKey
        self.keyTiming = keyTiming
        self.identityIndex = identityIndex
        self.uniqueIndex = uniqueIndex
        self.estimatedRows = estimatedRows
        self.hasActiveRowSecurity = hasActiveRowSecurity
        self.comment = comment
        self.storage = storage
        self.attributes = attributes
    }

    /// Whether an UPDATE or DELETE of the table can be replicated.
    public var hasIdentity: Bool {
        switch replicaIdentity {
        // PostgreSQL takes no key for one that rows may share for a moment.
        case .default: !primaryKey.isEmpty && keyTiming == .immediate
        case .nothing: false
        case .full: true
        case .index: !identityIndex.isEmpty
        }
    }

    /// Reads a table by OID; nil when there is none.
    public static func load(oid: UInt32, on connection: borrowing PGConnection) throws(PGError) -> CatalogTable? {
        let result = try connection.query(
            """
            SELECT n.nspname, c.relname, c.relkind::text, c.relreplident::text, \
            GREATEST(c.reltuples, 0)::pg_catalog.int8, pg_catalog.row_security_active(c.oid), \
            pg_catalog.obj_description(c.oid, 'pg_class'), c.relfilenode, \(keyTimingSQL) \
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
            WHERE c.oid = $1::pg_catalog.oid
            """,
            ["\(oid)"], operation: "read pg_class")
        guard result.rowCount == 1 else { return nil }
        let (columns, attributes, storage) = try columns(of: oid, on: connection)
        let numbers = Dictionary(columns.map { ($0.number, $0.name) }, uniquingKeysWith: { first, _ in first })
        let keys = try keys(of: oid, numbers: numbers, on: connection)
        let identity: ReplicaIdentity =
            switch result.string(row: 0, column: 3) {
            case "f": .full
            case "n": .nothing
            case "i": .index
            default: .default
            }
        return CatalogTable(
            oid: oid,
            name: TableName(
                schema: result.string(row: 0, column: 0) ?? "", name: result.string(row: 0, column: 1) ?? ""),
            kind: result.string(row: 0, column: 2)?.first ?? "r", replicaIdentity: identity, columns: columns,
            primaryKey: keys.primary,
            keyTiming: result.string(row: 0, column: 8).flatMap { KeyTiming(rawValue: $0) } ?? .immediate,
            identityIndex: keys.identity,
            uniqueIndex: keys.primary.isEmpty ? try uniqueIndex(of: oid, numbers: numbers, on: connection) : [],
            estimatedRows: result.integer(row: 0, column: 4) ?? 0,
            hasActiveRowSecurity: result.boolean(row: 0, column: 5) ?? false,
            comment: result.string(row: 0, column: 6), storage: storage ?? result.integer(row: 0, column: 7) ?? 0,
            attributes: attributes)
    }

    /// The same with the unique index that the catalog has now.
    public func withUniqueIndex(on connection: borrowing PGConnection) throws(PGError) -> CatalogTable {
        guard primaryKey.isEmpty else { return self }
        let numbers = Dictionary(columns.map { ($0.number, $0.name) }, uniquingKeysWith: { first, _ in first })
        var table = self
        table.uniqueIndex = try Self.uniqueIndex(of: oid, numbers: numbers, on: connection)
        return table
    }

    /// The same with the key's timing that the catalog has now.
    public func withKeyTiming(on connection: borrowing PGConnection) throws(PGError) -> CatalogTable {
        let result = try connection.query(
            "SELECT \(Self.keyTimingSQL) FROM pg_catalog.pg_class c WHERE c.oid = $1::pg_catalog.oid", ["\(oid)"],
            operation: "read pg_constraint")
        var table = self
        let text = result.rowCount == 1 ? result.string(row: 0, column: 0) : nil
        table.keyTiming = text.flatMap { KeyTiming(rawValue: $0) } ?? .immediate
        return table
    }

    /// The words of `KeyTiming` for a table `c`; NULL when the key is checked at once, or there is none.
    private static let keyTimingSQL = """
        (SELECT CASE WHEN k.condeferred THEN 'deferred' WHEN k.condeferrable THEN 'deferrable' END \
        FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p')
        """

    /// Reads a table by name; nil when there is none. Exact names, no search path.
    public static func load(name: TableName, on connection: borrowing PGConnection) throws(PGError) -> CatalogTable? {
        let result = try connection.query(
            """
            SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
            WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
            """,
            [name.schema, name.name], operation: "read pg_class")
        guard let oid = result.rowCount == 1 ? result.integer(row: 0, column: 0, as: UInt32.self) : nil else {
            return nil
        }
        return try load(oid: oid, on: connection)
    }

    private static func columns(
        of oid: UInt32, on connection: borrowing PGConnection
    ) throws(PGError) -> ([CatalogColumn], [SourceAttribute], storage: UInt32?) {
        let result = try connection.query(columnsSQL, ["\(oid)"], operation: "read pg_attribute")
        var columns: [CatalogColumn] = []
        var attributes: [SourceAttribute] = []
        for row in 0..<result.rowCount {
            let number: Int16 = result.integer(row: row, column: 1) ?? 0
            let typeOID: UInt32 = result.integer(row: row, column: 2) ?? 0
            guard let name = result.string(row: row, column: 0) else {
                attributes.append(SourceAttribute(number: number, name: nil, typeOID: typeOID))
                continue
            }
            let generated = !(result.string(row: row, column: 5) ?? "").isEmpty
            let column = CatalogColumn(
                name: name, number: number, typeOID: typeOID, modifier: result.integer(row: row, column: 3) ?? -1,
                isNotNull: result.boolean(row: row, column: 4) ?? false, isGenerated: generated,
                identity: result.string(row: row, column: 6)?.first,
                expression: result.string(row: row, column: 7),
                collation: result.string(row: row, column: 8), comment: result.string(row: row, column: 9))
            columns.append(column)
            attributes.append(
                SourceAttribute(
                    number: number, name: name, typeOID: typeOID, fill: result.string(row: row, column: 10),
                    defaultText: column.defaultExpression.flatMap { LiteralDefault.text(of: $0) },
                    hasDefault: column.defaultExpression != nil || column.identity != nil,
                    isGenerated: generated))
        }
        return (columns, attributes, result.rowCount > 0 ? result.integer(row: 0, column: 11) : nil)
    }

    /// What older rows were filled with is gone once the table is rewritten: one statement tells both, because a change
    /// may be committed between two. `array_to_string` gives the only element of `attmissingval` as its type prints it.
    /// A partitioned table has none of its own.
    private static let columnsSQL = """
        SELECT CASE WHEN NOT a.attisdropped THEN a.attname END, a.attnum, a.atttypid, a.atttypmod, a.attnotnull, \
        a.attgenerated::text, a.attidentity::text, pg_catalog.pg_get_expr(d.adbin, d.adrelid), \
        CASE WHEN a.attcollation <> t.typcollation \
        THEN pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(l.collname) END, \
        pg_catalog.col_description(a.attrelid, a.attnum), \
        CASE WHEN a.atthasmissing THEN pg_catalog.array_to_string(a.attmissingval, '') \
        WHEN c.relkind = 'p' THEN (WITH RECURSIVE tree(relid) AS (SELECT c.oid UNION ALL \
        SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree t ON i.inhparent = t.relid) \
        SELECT pg_catalog.array_to_string(x.attmissingval, '') \
        FROM tree p JOIN pg_catalog.pg_attribute x ON x.attrelid = p.relid \
        WHERE x.attname = a.attname AND x.atthasmissing LIMIT 1) END, c.relfilenode \
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
        LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
        LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation \
        LEFT JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace \
        WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0 ORDER BY a.attnum
        """

    private static func keys(
        of oid: UInt32, numbers: [Int16: String], on connection: borrowing PGConnection
    ) throws(PGError) -> (primary: [String], identity: [String]) {
        let result = try connection.query(
            """
            SELECT i.indisprimary, i.indisreplident, k.attnum FROM pg_catalog.pg_index i, \
            LATERAL pg_catalog.unnest(i.indkey) WITH ORDINALITY AS k(attnum, place) \
            WHERE i.indrelid = $1::pg_catalog.oid AND (i.indisprimary OR i.indisreplident) \
            AND k.place <= i.indnkeyatts ORDER BY i.indexrelid, k.place
            """,
            ["\(oid)"], operation: "read pg_index")
        var primary: [String] = []
        var identity: [String] = []
        for row in 0..<result.rowCount {
            guard let name = result.integer(row: row, column: 2, as: Int16.self).flatMap({ numbers[$0] }) else {
                continue
            }
            if result.boolean(row: row, column: 0) == true { primary.append(name) }
            if result.boolean(row: row, column: 1) == true { identity.append(name) }
        }
        return (primary, identity)
    }

    /// Source: pgjdbc's `getIndexInfo`, whose order decides which index Debezium takes.
    private static func uniqueIndex(
        of oid: UInt32, numbers: [Int16: String], on connection: borrowing PGConnection
    ) throws(PGError) -> [String] {
        let result = try connection.query(
            """
            SELECT k.attnum FROM pg_catalog.pg_index i, \
            LATERAL pg_catalog.unnest(i.indkey) WITH ORDINALITY AS k(attnum, place) \
            WHERE i.indexrelid = (SELECT u.indexrelid FROM pg_catalog.pg_index u \
            JOIN pg_catalog.pg_class c ON c.oid = u.indexrelid \
            WHERE u.indrelid = $1::pg_catalog.oid AND u.indisunique AND NOT 0 = ANY (u.indkey) \
            ORDER BY u.indisclustered DESC, c.relname LIMIT 1) ORDER BY k.place
            """,
            ["\(oid)"], operation: "read pg_index")
        return (0..<result.rowCount).compactMap { row in
            result.integer(row: row, column: 0, as: Int16.self).flatMap { numbers[$0] }
        }
    }
}

extension CatalogColumn {
    /// What a target needs to have this column.
    public var details: ColumnDetails {
        ColumnDetails(
            name: name, number: number, defaultExpression: defaultExpression,
            identity: identity.map { $0 == "a" ? .always : .byDefault }, collation: collation, comment: comment)
    }
}
