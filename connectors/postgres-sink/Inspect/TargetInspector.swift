import LibPQ
public import WeirCore

/// What `weir check` looks at on a target. Changes nothing there.
public enum TargetInspector {
    /// Everything that stands in the way of applying changes of these tables, or that the operator should know; at
    /// least one finding for each thing looked at. Blocks until the target answered, at most half a minute.
    /// - Parameter relations: the tables as the source describes them; empty when the source is not known.
    public static func inspect(_ settings: PostgresTargetSettings, relations: [Relation]) -> [Finding] {
        let subject = "target database"
        let session: TargetSession
        do throws(WeirError) {
            session = try TargetSession(settings)
        } catch {
            return [Finding(error, subject: subject)]
        }
        session.deadline = .now + .seconds(30)
        let inspection = TargetInspection(session, settings)
        var findings: [Finding] = []
        do throws(TargetFailure) {
            findings.append(try inspection.server(subject))
            findings += try inspection.progress()
            findings.append(try inspection.role())
            for relation in relations { findings += try inspection.table(relation) }
        } catch {
            let failure = Rejection.error(error, plan: nil, role: session.connection.user)
            findings.append(Finding(failure, subject: subject))
        }
        return findings
    }

    /// The statements that give the role of the connection string what it needs for these tables, and no more, to be
    /// run by an administrator of the target.
    ///
    /// Errors: those of connecting.
    public static func leastPrivileges(
        _ settings: PostgresTargetSettings, tables: [TableName]
    ) throws(WeirError) -> [String] {
        let session = try TargetSession(settings)
        do throws(TargetFailure) {
            return try leastPrivileges(settings, tables: tables, on: session)
        } catch {
            throw Rejection.error(error, plan: nil, role: session.connection.user)
        }
    }

    private static func leastPrivileges(
        _ settings: PostgresTargetSettings, tables: [TableName], on session: TargetSession
    ) throws(TargetFailure) -> [String] {
        let role = TableName.quote(session.connection.user)
        let followsDefinitions = settings.schema != .none
        var statements = ProgressTable.administratorStatements(role: session.connection.user)
        let schemas = Set(tables.map(\.schema)).sorted()
        let found = try session.run(
            "SELECT nspname FROM pg_namespace WHERE nspname = ANY ($1::text[])",
            [SourceTables.array(schemas)])
        let there = Set((0..<found.rowCount).compactMap { found.string(row: $0, column: 0) })
        for schema in schemas where there.contains(schema) || !followsDefinitions {
            let rights = followsDefinitions ? "USAGE, CREATE" : "USAGE"
            statements.append("GRANT \(rights) ON SCHEMA \(TableName.quote(schema)) TO \(role);")
        }
        if followsDefinitions, there.count < schemas.count {
            let database = try session.run("SELECT current_database()")
            let name = TableName.quote(database.string(row: 0, column: 0) ?? "")
            statements.append("GRANT CREATE ON DATABASE \(name) TO \(role);")
        }
        let rights = TargetTable.Privileges.names.map(\.1)
        let reader = CatalogReader(session)
        for table in tables.sorted() {
            // What Weir makes belongs to its role.
            if followsDefinitions {
                guard try reader.table(table) != nil else { continue }
                statements.append("ALTER TABLE \(table.sql) OWNER TO \(role);")
            }
            statements.append(TargetDefinition.grant(rights, on: table, to: session.connection.user))
        }
        if settings.replicationRole != .origin {
            statements.append("GRANT SET ON PARAMETER session_replication_role TO \(role);")
        }
        return statements
    }
}

/// One look at a target.
struct TargetInspection {
    let session: TargetSession
    let settings: PostgresTargetSettings
    let reader: CatalogReader
    private let ledger: ProgressTable

    init(_ session: TargetSession, _ settings: PostgresTargetSettings) {
        self.session = session
        self.settings = settings
        reader = CatalogReader(session)
        ledger = ProgressTable(session, settings: settings)
    }

    var user: String { session.connection.user }

    func server(_ subject: String) throws(TargetFailure) -> Finding {
        let answer = try session.run(
            "SELECT current_setting('server_version'), pg_is_in_recovery(), current_setting('transaction_read_only')")
        let version = answer.string(row: 0, column: 0) ?? "of unknown version"
        if answer.boolean(row: 0, column: 1) == true || answer.string(row: 0, column: 2) == "on" {
            return Finding(
                .error, subject, "It takes no writes: a standby, or read-only by a setting",
                remedy: "Name the primary in the connection string (target_session_attrs=read-write picks it).")
        }
        return Finding(.ok, subject, "PostgreSQL \(version) answers to role \(user)")
    }

    // MARK: - Weir's own tables

    func progress() throws(TargetFailure) -> [Finding] {
        let subject = "target schema weir"
        let remedy =
            "An administrator of the target database runs once: "
            + ProgressTable.administratorStatements(role: user).joined(separator: " ")
        let needed = ProgressTable.tables(settings.schema)
        let facts = try session.run(Self.progressSQL, [SourceTables.array(needed), "\(needed.count)"])
        guard facts.boolean(row: 0, column: 0) == true else {
            let mayCreate = facts.boolean(row: 0, column: 2) == true
            return [
                mayCreate
                    ? Finding(.ok, subject, "Weir's tables are not there yet and are made at the first start")
                    : Finding(
                        .error, subject, "Weir's tables are missing and the role may not make them", remedy: remedy)
            ]
        }
        guard facts.boolean(row: 0, column: 1) == true else {
            return [Finding(.error, subject, "The role may not use Weir's tables", remedy: remedy)]
        }
        var findings = [Finding(.ok, subject, try position())]
        if try ledger.isHeld() {
            findings.append(
                Finding(
                    .warning, subject, "Another agent applies pipeline \(settings.pipeline) to this target now",
                    remedy: "Fine when that is the running agent; a second one waits for it."))
        }
        return findings
    }

    private func position() throws(TargetFailure) -> String {
        let row = try session.run("SELECT lsn FROM weir.progress WHERE pipeline = $1", [settings.pipeline])
        guard let lsn = row.string(row: 0, column: 0) else {
            return "Pipeline \(settings.pipeline) has no position yet"
        }
        return "Pipeline \(settings.pipeline) is at \(lsn)"
    }

    func role() throws(TargetFailure) -> Finding {
        let subject = "target session role"
        if settings.replicationRole == .origin {
            return Finding(.warning, subject, "By the configuration, triggers and foreign keys of the target fire")
        }
        if try SessionRole.apply(.auto, to: session) {
            return Finding(.ok, subject, "Triggers and foreign keys of the target stay silent")
        }
        return Finding(
            settings.replicationRole == .replica ? .error : .warning, subject,
            "The role may not make its session a replica: triggers and foreign keys of the target fire",
            remedy: SessionRole.remedy(role: user))
    }

    // MARK: - Tables

    func table(_ relation: Relation) throws(TargetFailure) -> [Finding] {
        let subject = "target table \(relation.table)"
        guard let target = try reader.table(relation.table) else {
            guard settings.schema != .none else { return [Finding(TablePlan.missing(relation), subject: subject)] }
            return [try creation(relation, subject)]
        }
        if let kind = target.unusableKind {
            return [
                Finding(.error, subject, "It is \(kind)", remedy: "Weir writes to tables only: route it elsewhere.")
            ]
        }
        if settings.schema != .none { return try followed(relation, target, subject) }
        var findings = TablePlan.misfits(relation, target).map { Finding($0, subject: subject) }
        findings += demands(relation, target, subject)
        findings += rights(relation, target, subject)
        if findings.isEmpty, let plan = try? TablePlan(relation, target) {
            findings += identity(plan, subject)
            findings += try contents(plan, subject)
        }
        return findings.isEmpty ? [Finding(.ok, subject, "Columns, types and rights fit")] : findings
    }

    /// Columns of the target that need a value which the source does not have.
    func demands(_ relation: Relation, _ target: TargetTable, _ subject: String) -> [Finding] {
        let names = Set(relation.columns.map(\.name))
        return target.columns
            .filter { $0.isNotNull && !$0.hasDefault && !$0.isGenerated && !names.contains($0.name) }
            .map { column in
                Finding(
                    .error, subject, "Column \(column.name) is NOT NULL without a default, and the source has none",
                    remedy: "Run on the target: ALTER TABLE \(relation.table.sql) ALTER COLUMN "
                        + "\(TableName.quote(column.name)) DROP NOT NULL;")
            }
    }

    func rights(_ relation: Relation, _ target: TargetTable, _ subject: String) -> [Finding] {
        var findings: [Finding] = []
        let missing = TargetTable.Privileges.names.filter { !target.privileges.contains($0.0) }.map(\.1)
        if !missing.isEmpty {
            findings.append(
                Finding(
                    .error, subject, "The role lacks \(missing.joined(separator: ", "))",
                    remedy: "Run on the target: \(TargetDefinition.grant(missing, on: relation.table, to: user))"))
        }
        if target.hidesRows {
            findings.append(
                Finding(
                    .error, subject, "Row-level security may hide rows of it from the role",
                    remedy: TargetDefinition.openPolicy(on: relation.table, to: user)))
        }
        return findings
    }

    func identity(_ plan: TablePlan, _ subject: String) -> [Finding] {
        let columns = plan.keyColumnNames.map { TableName.quote($0) }.joined(separator: ", ")
        var findings: [Finding] = []
        if plan.identity == .key, !plan.hasIndexForKey {
            findings.append(
                Finding(
                    .warning, subject, "No unique index covers the key: each update or delete reads the whole table",
                    remedy: "Run on the target: CREATE UNIQUE INDEX ON \(plan.layout.table) (\(columns));"))
        } else if plan.identity == .row, plan.target.primaryKey.isEmpty {
            findings.append(
                Finding(
                    .warning, subject, "The table has no key: each update or delete may read the whole table",
                    remedy: "Give it a primary key on the target; the source's REPLICA IDENTITY FULL can stay."))
        }
        if settings.applyMode == .upsert, let refusal = plan.upsertRefusal {
            findings.append(Finding(refusal, subject: subject))
        }
        findings += swaps(plan, subject)
        if settings.onMissingRow == .insert, plan.layout.conflict.isEmpty {
            findings.append(
                Finding(
                    .warning, subject, "Without a unique index, updates that find no row cannot insert it",
                    remedy: "Give the table a primary key on the target."))
        }
        return findings
    }

    /// Rows that change their keys with each other, where the source allows it and the target does not.
    private func swaps(_ plan: TablePlan, _ subject: String) -> [Finding] {
        let isLate = plan.relation.identity == .full && plan.relation.details?.keyTiming ?? .immediate != .immediate
        guard isLate, plan.target.hasImmediatePrimaryKey, let name = plan.target.primaryKeyName else { return [] }
        guard settings.applyMode == .exact else {
            return [
                Finding(
                    .warning, subject,
                    "The source's primary key is deferrable: of rows that swap their keys `apply: upsert` keeps one",
                    remedy: "Set apply to exact.")
            ]
        }
        guard settings.schema != .full || settings.onMissingRow != .error else { return [] }
        let key = plan.target.primaryKey.map { TableName.quote($0) }.joined(separator: ", ")
        let constraint = TableName.quote(name)
        return [
            Finding(
                .warning, subject,
                "The source's primary key is deferrable, the target's is not: rows that swap their keys stop the run",
                remedy: "Run on the target: ALTER TABLE \(plan.layout.table) DROP CONSTRAINT \(constraint), "
                    + "ADD CONSTRAINT \(constraint) PRIMARY KEY (\(key))\(TargetDefinition.suffix(.deferred)); "
                    + TargetDefinition.wholeRows(of: plan.relation.table))
        ]
    }

    /// A table that holds rows stops a first snapshot.
    func contents(_ plan: TablePlan, _ subject: String) throws(TargetFailure) -> [Finding] {
        guard settings.onSnapshotNotEmpty == .refuse else { return [] }
        let found = try session.run("SELECT EXISTS (SELECT FROM \(plan.layout.ownRows))")
        guard found.boolean(row: 0, column: 0) == true, try !ledger.isKnown(plan.relation.table) else { return [] }
        return [
            Finding(
                .warning, subject, "It holds rows that Weir did not copy: a snapshot of it would be refused",
                remedy: "Empty it, or set snapshot.not.empty to truncate or append.")
        ]
    }

    private static let progressSQL = """
        SELECT count(c.oid) = $2::bigint,
               COALESCE(bool_and(has_schema_privilege(n.oid, 'USAGE')
                   AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                   AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')), false),
               CASE WHEN count(n.oid) = 0 THEN has_database_privilege(current_database(), 'CREATE')
                    ELSE bool_or(has_schema_privilege(n.oid, 'CREATE')) END
        FROM pg_namespace n
        LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = ANY ($1::text[])
        WHERE n.nspname = 'weir'
        """
}
