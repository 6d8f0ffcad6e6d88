import LibPQ
import WeirCore

/// A publication as the catalog has it.
struct PublicationFacts: Equatable {
    /// A table that the publication sends changes of.
    struct Table: Equatable {
        /// Its OID; of the root for a partitioned table that is published through it.
        var oid: UInt32
        /// Its name.
        var name: TableName
        /// Its columns in the publication; nil means all, as servers before 15 only know.
        var columns: [String]?
        /// The row filter as SQL, nil without one.
        var rowFilter: String?
    }

    /// How Weir marks the publications it made: their comment begins with it.
    static let marker = "Made by Weir"

    /// Its name.
    var name: String
    /// It has Weir's mark.
    var isOurs: Bool
    /// Every table of the database, now and later.
    var isForAllTables: Bool
    /// It has whole schemas (15 and later).
    var hasSchemas: Bool
    /// Changes of partitions come under the name of their root.
    var viaRoot: Bool
    /// Operations it leaves out, of insert, update, delete and truncate.
    var omitted: [Operation]
    /// Names of the tables that were added one by one.
    var members: [TableName]
    /// What it sends, by name, without Weir's own.
    var tables: [Table]

    /// Reads a publication; nil when there is none of that name.
    static func load(_ name: String, on connection: borrowing PGConnection) throws(PGError) -> PublicationFacts? {
        let version = connection.serverVersion
        let result = try connection.query(
            """
            SELECT p.oid, p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, \
            \(version >= 130000 ? "p.pubviaroot" : "false"), pg_catalog.obj_description(p.oid, 'pg_publication'), \
            \(version >= 150000
                ? "EXISTS (SELECT FROM pg_catalog.pg_publication_namespace n WHERE n.pnpubid = p.oid)" : "false") \
            FROM pg_catalog.pg_publication p WHERE p.pubname = $1
            """,
            [name], operation: "read pg_publication")
        guard result.rowCount == 1, let oid = result.string(row: 0, column: 0) else { return nil }
        let operations: [(Int, Operation)] = [(2, .insert), (3, .update), (4, .delete), (5, .truncate)]
        return PublicationFacts(
            name: name, isOurs: result.string(row: 0, column: 7)?.hasPrefix(marker) ?? false,
            isForAllTables: result.boolean(row: 0, column: 1) ?? false,
            hasSchemas: result.boolean(row: 0, column: 8) ?? false, viaRoot: result.boolean(row: 0, column: 6) ?? false,
            omitted: operations.filter { result.boolean(row: 0, column: $0.0) == false }.map(\.1),
            members: try members(oid, on: connection), tables: try tables(name, on: connection))
    }

    private static func members(
        _ publication: String, on connection: borrowing PGConnection
    ) throws(PGError) -> [TableName] {
        let result = try connection.query(
            """
            SELECT n.nspname, c.relname FROM pg_catalog.pg_publication_rel r \
            JOIN pg_catalog.pg_class c ON c.oid = r.prrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
            WHERE r.prpubid = $1::pg_catalog.oid
            """,
            [publication], operation: "read pg_publication_rel")
        return (0..<result.rowCount).map { row in
            TableName(schema: result.string(row: row, column: 0) ?? "", name: result.string(row: row, column: 1) ?? "")
        }.sorted()
    }

    private static func tables(_ name: String, on connection: borrowing PGConnection) throws(PGError) -> [Table] {
        // Column lists and row filters came with 15. The names come one a row: an array's text form needs a parser.
        let hasLists = connection.serverVersion >= 150000
        let result = try connection.query(
            """
            SELECT c.oid, t.schemaname, t.tablename, \(hasLists ? "t.rowfilter, a.name" : "NULL, NULL") \
            FROM pg_catalog.pg_publication_tables t \
            JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname \
            JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename \
            \(hasLists ? "LEFT JOIN LATERAL pg_catalog.unnest(t.attnames) AS a(name) ON true" : "") \
            WHERE t.pubname = $1 AND NOT \(OwnTables.conditionSQL(schema: "t.schemaname", name: "t.tablename"))
            """,
            [name], operation: "read pg_publication_tables")
        var tables: [UInt32: Table] = [:]
        for row in 0..<result.rowCount {
            guard let oid = result.integer(row: row, column: 0, as: UInt32.self) else { continue }
            if tables[oid] == nil {
                tables[oid] = Table(
                    oid: oid,
                    name: TableName(
                        schema: result.string(row: row, column: 1) ?? "",
                        name: result.string(row: row, column: 2) ?? ""),
                    columns: hasLists ? [] : nil, rowFilter: result.string(row: row, column: 3))
            }
            if let column = result.string(row: row, column: 4) { tables[oid]?.columns?.append(column) }
        }
        return tables.values.sorted { $0.name < $1.name }
    }
}
