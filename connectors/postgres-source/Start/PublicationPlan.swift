import LibPQ
import WeirCore

/// A table that could be published.
struct PublishableTable: Equatable {
    /// Its OID.
    var oid: UInt32
    /// Its name.
    var name: TableName
    /// OIDs of the tables it is a partition of, nearest first.
    var ancestors: [UInt32] = []
    /// Updates and deletes of it can be replicated.
    var hasIdentity = true

    /// Reads all permanent tables outside PostgreSQL's own schemas, by name.
    static func all(on connection: borrowing PGConnection) throws(PGError) -> [PublishableTable] {
        let result = try connection.query(
            """
            SELECT c.oid, n.nspname, c.relname, \
            COALESCE((SELECT pg_catalog.bool_and(\(hasIdentitySQL("l"))) FROM pg_catalog.pg_partition_tree(c.oid) t \
            JOIN pg_catalog.pg_class l ON l.oid = t.relid AND l.relkind = 'r'), \(hasIdentitySQL("c"))), \
            ARRAY(SELECT a.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors(c.oid) a \
            WHERE a.relid <> c.oid)::text \
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
            WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' \
            AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname NOT LIKE 'pg\\_temp%' \
            AND NOT \(OwnTables.conditionSQL(schema: "n.nspname", name: "c.relname"))
            """,
            [], operation: "read pg_class")
        return (0..<result.rowCount).map { row in
            let list = (result.string(row: row, column: 4) ?? "").dropFirst().dropLast()
            return PublishableTable(
                oid: result.integer(row: row, column: 0) ?? 0,
                name: TableName(
                    schema: result.string(row: row, column: 1) ?? "", name: result.string(row: row, column: 2) ?? ""),
                ancestors: list.split(separator: ",").compactMap { UInt32($0) },
                hasIdentity: result.boolean(row: row, column: 3) ?? false)
        }.sorted { $0.name < $1.name }
    }

    /// Whether PostgreSQL takes updates and deletes of a published table. Of a partitioned one it asks the partition
    /// that holds the row. Deferrable keys do not count.
    private static func hasIdentitySQL(_ table: String) -> String {
        """
        CASE \(table).relreplident WHEN 'f' THEN true WHEN 'n' THEN false ELSE EXISTS (\
        SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = \(table).oid AND \
        CASE \(table).relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary AND i.indimmediate END) END
        """
    }
}

/// What to do about the publication: a pure function of what there is and what is wanted.
///
/// A publication without Weir's mark is taken as it is. Our own holds the selected tables one by one: a partitioned
/// table stands for its partitions, whose changes come under its name.
enum PublicationPlan: Equatable {
    /// Use the publication as it is.
    case use
    /// Make it, for these tables.
    case create([TableName])
    /// Change ours.
    case alter(add: [TableName], drop: [TableName])

    /// Decides. Without `selection` all tables that have an identity are wanted.
    init(existing: PublicationFacts?, candidates: [PublishableTable], selection: TableSelection?) {
        let wanted = Self.wanted(candidates, selection)
        guard let existing else {
            self = .create(wanted)
            return
        }
        // Without `tables` an existing publication decides, whoever made it.
        guard existing.isOurs, selection != nil, !existing.isForAllTables, !existing.hasSchemas else {
            self = .use
            return
        }
        let members = Set(existing.members)
        let add = wanted.filter { !members.contains($0) }
        let drop = existing.members.filter { !wanted.contains($0) }
        self = add.isEmpty && drop.isEmpty ? .use : .alter(add: add, drop: drop)
    }

    /// Of published tables, those whose UPDATE and DELETE PostgreSQL refuses.
    static func unidentified(_ published: [TableName], _ candidates: [PublishableTable]) -> [TableName] {
        let without = Set(candidates.filter { !$0.hasIdentity }.map(\.name))
        return published.filter { without.contains($0) }
    }

    /// Tables that a publication made without `tables` leaves out although nobody excluded them.
    static func leftOut(_ published: [TableName], _ candidates: [PublishableTable]) -> [TableName] {
        let published = Set(published)
        return candidates.filter { !$0.hasIdentity && $0.ancestors.isEmpty && $0.name.schema != "weir" }
            .map(\.name).filter { !published.contains($0) }
    }

    /// The selected tables, without partitions whose root is selected as well.
    static func wanted(_ candidates: [PublishableTable], _ selection: TableSelection?) -> [TableName] {
        let selected = candidates.filter { table in
            guard let selection else { return table.hasIdentity && table.name.schema != "weir" }
            return selection.contains(table.name)
        }
        let oids = Set(selected.map(\.oid))
        return selected.filter { table in !table.ancestors.contains { oids.contains($0) } }.map(\.name).sorted()
    }
}

/// The statements that carry a plan out; each is one string and runs as one transaction.
enum PublicationStatements {
    static func create(_ name: String, _ tables: [TableName], serverVersion: Int) -> String {
        let publication = SQLText.identifier(name)
        let list = tables.isEmpty ? "" : " FOR TABLE \(tables.map(\.sql).joined(separator: ", "))"
        let options = serverVersion >= 130000 ? " WITH (publish_via_partition_root = true)" : ""
        let comment = SQLText.literal(
            "\(PublicationFacts.marker): kept in step with `source.tables`. Remove this comment to keep it as it is.")
        return "CREATE PUBLICATION \(publication)\(list)\(options); COMMENT ON PUBLICATION \(publication) IS \(comment)"
    }

    static func alter(_ name: String, add: [TableName], drop: [TableName]) -> String {
        let publication = SQLText.identifier(name)
        var statements: [String] = []
        if !add.isEmpty {
            statements.append(
                "ALTER PUBLICATION \(publication) ADD TABLE \(add.map(\.sql).joined(separator: ", "))")
        }
        if !drop.isEmpty {
            statements.append(
                "ALTER PUBLICATION \(publication) DROP TABLE \(drop.map(\.sql).joined(separator: ", "))")
        }
        return statements.joined(separator: "; ")
    }
}
