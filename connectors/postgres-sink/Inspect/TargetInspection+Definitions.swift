import LibPQ
import WeirCore

/// Findings where Weir changes the target's definitions itself.
extension TargetInspection {
    /// Whether the role may make a table that is missing.
    func creation(_ relation: Relation, _ subject: String) throws(TargetFailure) -> Finding {
        let role = TableName.quote(user)
        let schema = relation.table.schema
        let rights = try session.run(
            """
            SELECT (SELECT has_schema_privilege(n.oid, 'CREATE') AND has_schema_privilege(n.oid, 'USAGE')
                    FROM pg_namespace n WHERE n.nspname = $1),
                   has_database_privilege(current_database(), 'CREATE'), current_database()
            """, [schema])
        switch (rights.boolean(row: 0, column: 0), rights.boolean(row: 0, column: 1)) {
        case (true, _): return Finding(.ok, subject, "It is made when its first rows come")
        case (false, _):
            return Finding(
                .error, subject, "It is missing, and the role may not make it",
                remedy: "Run on the target: GRANT USAGE, CREATE ON SCHEMA \(TableName.quote(schema)) TO \(role);")
        case (nil, true): return Finding(.ok, subject, "It and its schema are made when its first rows come")
        default:
            let database = TableName.quote(rights.string(row: 0, column: 2) ?? "")
            return Finding(
                .error, subject, "Its schema is missing, and the role may not make it",
                remedy: "Run on the target: GRANT CREATE ON DATABASE \(database) TO \(role); or "
                    + "\(TargetDefinition.createSchema(relation.table)) GRANT USAGE, CREATE ON SCHEMA "
                    + "\(TableName.quote(schema)) TO \(role);")
        }
    }

    /// What is in the way of changing a table that is there, and what would be changed.
    func followed(
        _ relation: Relation, _ target: TargetTable, _ subject: String
    ) throws(TargetFailure) -> [Finding] {
        var findings: [Finding] = []
        if !target.isOwned {
            findings.append(
                Finding(
                    .error, subject, "The role does not own the table, so it cannot change its definition",
                    remedy: "Run on the target: ALTER TABLE \(relation.table.sql) OWNER TO \(TableName.quote(user)); "
                        + "or make the role a member of the owner's role."))
        }
        findings += rights(relation, target, subject)
        var situation = SchemaSituation(relation: relation, mode: settings.schema)
        situation.target = target
        try TargetFacts(session).fill(&situation)
        let change = TargetChange.between(situation)
        for step in change.steps where step.isNeeded && step.level == .full && settings.schema == .additive {
            findings.append(Finding(.error, subject, step.reason, remedy: "Run on the target: \(step.sql)"))
        }
        let planned = change.steps.filter { $0.isNeeded && ($0.level == .additive || settings.schema == .full) }
        if !planned.isEmpty {
            findings.append(
                Finding(.ok, subject, "Before its first rows Weir runs: \(planned.map(\.sql).joined(separator: " "))"))
        }
        if findings.isEmpty, let plan = try? TablePlan(relation, target) {
            findings += identity(plan, subject)
            findings += try contents(plan, subject)
        }
        return findings.isEmpty ? [Finding(.ok, subject, "Columns, types and rights fit")] : findings
    }
}
