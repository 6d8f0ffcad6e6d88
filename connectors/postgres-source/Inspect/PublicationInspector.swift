import LibPQ
import WeirCore

/// The part of the preflight that is about the publication and its tables.
enum PublicationInspector {
    static func inspect(
        _ settings: PostgresSourceSettings, _ selection: TableSelection?, on connection: borrowing PGConnection
    ) throws(WeirError) -> [Finding] {
        let existing: PublicationFacts?
        let candidates: [PublishableTable]
        do throws(PGError) {
            existing = try PublicationFacts.load(settings.publication, on: connection)
            candidates = try PublishableTable.all(on: connection)
        } catch {
            throw SourceErrors.from(error)
        }
        let plan = PublicationPlan(existing: existing, candidates: candidates, selection: selection)
        let tables = published(plan, existing, candidates, selection)
        var findings = try publication(settings, plan, existing, selection, tables, on: connection)
        findings += missing(selection, candidates)
        findings += try unlogged(selection, on: connection)
        findings += identities(tables, candidates)
        findings += leftOut(tables, candidates, plan, selection)
        if existing?.viaRoot ?? true { findings += partitions(tables, candidates) }
        if settings.snapshot != .never { findings += try readability(tables, on: connection) }
        return findings
    }

    // MARK: - The publication itself

    private static func publication(
        _ settings: PostgresSourceSettings, _ plan: PublicationPlan, _ existing: PublicationFacts?,
        _ selection: TableSelection?, _ tables: [TableName], on connection: borrowing PGConnection
    ) throws(WeirError) -> [Finding] {
        let subject = "source publication \(settings.publication)"
        guard settings.snapshot != .only else {
            return tables.isEmpty
                ? [Finding(PublicationKeeper.nothingToPublish(selection), subject: "source tables")] : []
        }
        switch plan {
        case .use:
            guard let existing else { return [] }
            return used(existing, subject, selection)
        case .create(let tables):
            guard !tables.isEmpty else {
                return [Finding(PublicationKeeper.nothingToPublish(selection), subject: subject)]
            }
            let statement = PublicationStatements.create(
                settings.publication, tables, serverVersion: connection.serverVersion)
            return try changeable(
                tables, statement, subject, "It is created at the first start, for \(tables.count) tables",
                needsCreate: true, on: connection)
        case .alter(let add, let drop):
            let statement = PublicationStatements.alter(settings.publication, add: add, drop: drop)
            return try changeable(
                add, statement, subject, "The next start adds \(add.count) tables and removes \(drop.count)",
                needsCreate: false, on: connection)
        }
    }

    private static func used(
        _ existing: PublicationFacts, _ subject: String, _ selection: TableSelection?
    ) -> [Finding] {
        let tables = existing.tables.filter { selection?.contains($0.name) ?? true }
        let owner = existing.isOurs ? "made by Weir" : "not made by Weir, taken as it is"
        var findings = [Finding(.ok, subject, "It holds \(tables.count) tables (\(owner))")]
        if tables.isEmpty {
            findings = [
                Finding(
                    existing.isForAllTables || existing.hasSchemas ? .warning : .error, subject,
                    "It holds no table that `source.tables` takes",
                    remedy: "Add tables to it, or change `source.tables`.")
            ]
        }
        if !existing.omitted.isEmpty {
            let names = existing.omitted.map(\.name).joined(separator: ", ")
            findings.append(
                Finding(
                    .warning, subject, "It leaves out these operations: \(names)",
                    remedy: "ALTER PUBLICATION ... SET (publish = 'insert, update, delete, truncate') to have them."))
        }
        return findings
    }

    private static func changeable(
        _ tables: [TableName], _ statement: String, _ subject: String, _ message: String, needsCreate: Bool,
        on connection: borrowing PGConnection
    ) throws(WeirError) -> [Finding] {
        var foreign: [TableName] = []
        do throws(PGError) {
            for table in tables where try !owns(table, on: connection) { foreign.append(table) }
            var mayCreate = true
            if needsCreate {
                mayCreate = try allowed(
                    "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')", [], connection)
            }
            if foreign.isEmpty && mayCreate { return [Finding(.ok, subject, message)] }
        } catch {
            throw SourceErrors.from(error)
        }
        let reason =
            foreign.isEmpty
            ? "the role lacks CREATE on the database" : "the role does not own \(SourceInspector.names(foreign))"
        return [
            Finding(
                .error, subject, "It cannot be made or changed: \(reason)",
                remedy: "An administrator runs once: \(statement);")
        ]
    }

    private static func owns(_ table: TableName, on connection: borrowing PGConnection) throws(PGError) -> Bool {
        try allowed(
            """
            SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE') FROM pg_catalog.pg_class c \
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2
            """, [table.schema, table.name], connection)
    }

    private static func allowed(
        _ sql: String, _ values: [String?], _ connection: borrowing PGConnection
    ) throws(PGError) -> Bool {
        let result = try connection.query(sql, values, operation: "read privileges")
        return result.boolean(row: 0, column: 0) ?? false
    }

    // MARK: - Its tables

    private static func published(
        _ plan: PublicationPlan, _ existing: PublicationFacts?, _ candidates: [PublishableTable],
        _ selection: TableSelection?
    ) -> [TableName] {
        if case .use = plan, let existing {
            return existing.tables.map(\.name).filter { selection?.contains($0) ?? true }
        }
        return PublicationPlan.wanted(candidates, selection)
    }

    /// Patterns that name one table which is not there.
    private static func missing(_ selection: TableSelection?, _ candidates: [PublishableTable]) -> [Finding] {
        let known = Set(candidates.map(\.name))
        return (selection?.patterns ?? []).compactMap { pattern in
            guard !pattern.isExclusion, let table = pattern.exactTable, !known.contains(table) else { return nil }
            return Finding(
                .error, "source table \(table)", "There is no permanent table of this name",
                remedy: "Check the spelling; views, foreign, temporary and unlogged tables cannot be replicated.")
        }
    }

    /// Unlogged tables among the selected ones: PostgreSQL writes no log of their changes.
    private static func unlogged(
        _ selection: TableSelection?, on connection: borrowing PGConnection
    ) throws(WeirError) -> [Finding] {
        let result = try SourceErrors.mapping { () throws(PGError) in
            try connection.query(
                """
                SELECT n.nspname, c.relname FROM pg_catalog.pg_class c \
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                WHERE c.relkind = 'r' AND c.relpersistence = 'u' ORDER BY 1, 2
                """, operation: "read pg_class")
        }
        let names = (0..<result.rowCount).map { row in
            TableName(schema: result.string(row: row, column: 0) ?? "", name: result.string(row: row, column: 1) ?? "")
        }.filter { selection?.contains($0) ?? true }
        guard !names.isEmpty else { return [] }
        return [
            Finding(
                .warning, "source tables", "Unlogged tables are not replicated: \(SourceInspector.names(names))",
                remedy: "ALTER TABLE ... SET LOGGED, or exclude them.")
        ]
    }

    private static func identities(_ tables: [TableName], _ candidates: [PublishableTable]) -> [Finding] {
        let concerned = PublicationPlan.unidentified(tables, candidates)
        guard !concerned.isEmpty else { return [] }
        return [
            Finding(
                .warning, "source replica identity",
                "PostgreSQL refuses UPDATE and DELETE on these published tables, which have no identity: "
                    + SourceInspector.names(concerned),
                remedy: "Give them a primary key, or ALTER TABLE ... REPLICA IDENTITY FULL, or exclude them.")
        ]
    }

    /// Tables that are not replicated although nobody excluded them.
    private static func leftOut(
        _ tables: [TableName], _ candidates: [PublishableTable], _ plan: PublicationPlan, _ selection: TableSelection?
    ) -> [Finding] {
        guard selection == nil, case .create = plan else { return [] }
        let names = PublicationPlan.leftOut(tables, candidates)
        guard !names.isEmpty else { return [] }
        return [
            Finding(
                .warning, "source tables",
                "These have no replica identity and are left out: \(SourceInspector.names(names))",
                remedy: "Give them a primary key or REPLICA IDENTITY FULL, or name them in `source.tables`.")
        ]
    }

    private static func partitions(_ tables: [TableName], _ candidates: [PublishableTable]) -> [Finding] {
        let roots = Set(candidates.flatMap(\.ancestors))
        let published = Set(tables)
        let concerned = candidates.filter { roots.contains($0.oid) && published.contains($0.name) }.map(\.name)
        guard !concerned.isEmpty else { return [] }
        return [
            Finding(
                .warning, "source partitions",
                "PostgreSQL does not publish what removes a whole partition (TRUNCATE of it, DETACH, DROP) of "
                    + SourceInspector.names(concerned),
                remedy: "DELETE the rows instead, or publish the partitions by a publication of your own without "
                    + "publish_via_partition_root.")
        ]
    }

    /// Whether the snapshot may read every row and column.
    private static func readability(
        _ tables: [TableName], on connection: borrowing PGConnection
    ) throws(WeirError) -> [Finding] {
        var unreadable: [TableName] = []
        var hidden: [TableName] = []
        do throws(PGError) {
            for table in tables {
                let result = try connection.query(
                    """
                    SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
                    AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT'), \
                    pg_catalog.row_security_active(c.oid) FROM pg_catalog.pg_class c \
                    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2
                    """, [table.schema, table.name], operation: "read privileges")
                if result.boolean(row: 0, column: 0) == false { unreadable.append(table) }
                if result.boolean(row: 0, column: 1) == true { hidden.append(table) }
            }
        } catch {
            throw SourceErrors.from(error)
        }
        var findings: [Finding] = []
        if !unreadable.isEmpty {
            findings.append(
                Finding(
                    .error, "source snapshot", "The role may not read \(SourceInspector.names(unreadable))",
                    remedy: "GRANT USAGE ON SCHEMA ... and GRANT SELECT ON ... to it."))
        }
        if !hidden.isEmpty {
            findings.append(
                Finding(
                    .error, "source snapshot",
                    "Row-level security hides rows from the role in \(SourceInspector.names(hidden))",
                    remedy: "ALTER ROLE ... BYPASSRLS, or connect as the tables' owner."))
        }
        return findings
    }
}
