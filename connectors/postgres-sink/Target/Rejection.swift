import LibPQ
import WeirCore

/// Puts a failure into words: what was refused, where, and what to do. Never a value of a row.
enum Rejection {
    /// The error for people. `plan` is the one of the change's table, when it is known.
    static func error(_ failure: TargetFailure, plan: TablePlan?, role: String) -> WeirError {
        switch failure {
        case .refused(let error): return error
        case .cancelled:
            return WeirError(.internalError, stage: .sink, "A cancelled operation was reported as a failure")
        case .fenced:
            return WeirError(
                .fenced, stage: .sink, "Another agent has taken over the target",
                advice: "Run one agent for each pipeline; give a second one another pipeline name.")
        case .rowCount(let count, let context): return countError(count, context, plan, role)
        case .server(let error, nil): return error.weirError(stage: .sink, peer: TargetSession.peer)
        case .server(let error, let context?):
            guard error.kind == .server, error.retry == .operatorNeeded else {
                return error.weirError(stage: .sink, peer: TargetSession.peer)
                    .at(table: context.table, position: context.commitLSN)
            }
            return serverError(error, context, plan, role)
        }
    }

    private static func countError(
        _ count: Int, _ context: RowContext, _ plan: TablePlan?, _ role: String
    ) -> WeirError {
        let key = "key columns \(context.keyColumns.joined(separator: ", "))"
        let verb = context.operation?.name ?? "change"
        if count > 1 {
            return WeirError(
                .rowRejected, stage: .sink, "An \(verb) found \(count) rows on the target in place of one",
                cause: key,
                advice: "Make the key unique on the target: CREATE UNIQUE INDEX ON \(context.table.sql) "
                    + "(\(context.keyColumns.map { TableName.quote($0) }.joined(separator: ", ")));"
            ).at(table: context.table, position: context.commitLSN)
        }
        if context.operation == .insert || context.operation == .read {
            return WeirError(
                .rowRejected, stage: .sink, "The target took an insert and stored no row",
                cause: "a trigger or rule of the target table suppressed it",
                advice: "Drop the trigger or rule, or make it an ordinary trigger and let the session be a replica."
            ).at(table: context.table, position: context.commitLSN)
        }
        let hidden = plan?.target.rowSecurity == true
        return WeirError(
            .rowRejected, stage: .sink, "\(verb == "delete" ? "A" : "An") \(verb) found no row on the target",
            cause: hidden ? "\(key); row-level security is on and may hide the row" : key,
            advice: hidden
                ? TargetDefinition.openPolicy(on: context.table, to: role)
                : "The target was changed by somebody else or was not a copy: repair the row or take a new snapshot, "
                    + "or set missing.rows to ignore or insert."
        ).at(table: context.table, position: context.commitLSN)
    }

    private static func serverError(
        _ error: PGError, _ context: RowContext, _ plan: TablePlan?, _ role: String
    ) -> WeirError {
        let state = error.sqlState ?? ""
        let code: WeirError.Code
        switch state {
        case "42501": code = .permissionDenied
        case "42P01", "3F000", "42703", "42804", "42809", "42P10": code = .targetMismatch
        default: code = state.hasPrefix("22") && plan?.checkedColumns.isEmpty == false ? .targetMismatch : .rowRejected
        }
        var cause = error.description
        if let constraint = error.constraint { cause += ", constraint \(constraint)" }
        if let column = error.column { cause += ", column \(column)" }
        if !context.keyColumns.isEmpty { cause += "; key columns \(context.keyColumns.joined(separator: ", "))" }
        let verb = context.operation?.name
        let what = verb.map { ("aeiou".contains($0.prefix(1)) ? "an " : "a ") + $0 } ?? "a transaction at its commit"
        return WeirError(
            code, stage: .sink, "The target refused \(what)", cause: cause,
            advice: advice(error, context, plan, role)
        ).at(table: context.table, position: context.commitLSN)
    }

    /// The remedy by SQLSTATE.
    private static func advice(
        _ error: PGError, _ context: RowContext, _ plan: TablePlan?, _ role: String
    ) -> String {
        switch error.sqlState ?? "" {
        case "23505", "23P01":
            return "The target holds a row in its way: delete or correct that row (or take a new snapshot), "
                + "then start again. For changes that may be there already, use weir replay."
        case "23503":
            return "Let the session be a replica, so that foreign keys do not fire (GRANT SET ON PARAMETER "
                + "session_replication_role TO \(TableName.quote(role)), PostgreSQL 15 or newer), "
                + "or add the referenced row."
        case "23502":
            return "Give the target's column a default or allow NULL: ALTER TABLE \(context.table.sql) ALTER COLUMN "
                + "\(TableName.quote(error.column ?? "…")) DROP NOT NULL;"
        case "23514", "23000", "44000":
            return "Correct or drop the constraint on the target that the source does not have, then start again."
        case "42501":
            return "Run on the target: "
                + TargetDefinition.grant(
                    ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"], on: context.table, to: role)
                + " With row-level security, a policy that lets the role write every row is needed as well."
        case "42P01", "3F000":
            guard let plan else { return "Create the table on the target, then start again." }
            return TablePlan.missing(plan.relation).advice ?? ""
        case "0A000" where context.operation == .truncate:
            return "Another table on the target refers to this one: drop that foreign key, or replicate that table too."
        default: break
        }
        if error.sqlState?.hasPrefix("22") == true, let plan, !plan.checkedColumns.isEmpty {
            return "Give the column the source's type: "
                + plan.checkedColumns.map { TargetDefinition.alterType(plan.relation.columns[$0], of: context.table) }
                .joined(separator: " ")
        }
        return "Repair the target so that it takes the row, then start again: it goes on with this transaction."
    }
}
