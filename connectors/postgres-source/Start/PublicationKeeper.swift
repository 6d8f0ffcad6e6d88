import LibPQ
import WeirCore

/// Makes the publication, or brings our own in step with the configured tables.
enum PublicationKeeper {
    /// What came of it.
    struct Outcome {
        /// The publication as it is now.
        var publication: PublicationFacts
        /// It was there before.
        var existed: Bool
        /// Tables that were added to an existing publication: rows committed before are not in the stream.
        var added: [TableName]
        /// Published tables without replica identity: PostgreSQL refuses to update and delete their rows.
        var unidentified: [TableName]
        /// Tables that a new publication leaves out because they have no replica identity.
        var leftOut: [TableName]
    }

    /// Carries the plan out. Throws `permission-denied` with the statement that somebody else would have to run.
    static func keep(
        _ name: String, selection: TableSelection?, on connection: borrowing PGConnection
    ) throws(WeirError) -> Outcome {
        let existing: PublicationFacts?
        let candidates: [PublishableTable]
        do throws(PGError) {
            existing = try PublicationFacts.load(name, on: connection)
            candidates = try PublishableTable.all(on: connection)
        } catch {
            throw SourceErrors.from(error)
        }
        var added: [TableName] = []
        switch PublicationPlan(existing: existing, candidates: candidates, selection: selection) {
        case .use: break
        case .create(let tables):
            guard !tables.isEmpty else { throw nothingToPublish(selection) }
            let statement = PublicationStatements.create(name, tables, serverVersion: connection.serverVersion)
            try execute(statement, "create publication \"\(name)\"", on: connection)
        case .alter(let add, let drop):
            guard drop.count < (existing?.members.count ?? 0) || !add.isEmpty else { throw nothingToPublish(selection) }
            try execute(
                PublicationStatements.alter(name, add: add, drop: drop), "alter publication \"\(name)\"",
                on: connection)
            added = add
        }
        let now: PublicationFacts?
        do throws(PGError) {
            now = try PublicationFacts.load(name, on: connection)
        } catch {
            throw SourceErrors.from(error)
        }
        guard let now else {
            throw WeirError(.publicationMissing, stage: .source, "Publication \"\(name)\" was dropped at this moment")
                .disposed(.retry)
        }
        let published = now.tables.map(\.name)
        let changes = !now.omitted.contains(.update) || !now.omitted.contains(.delete)
        return Outcome(
            publication: now, existed: existing != nil, added: added,
            unidentified: changes ? PublicationPlan.unidentified(published, candidates) : [],
            leftOut: existing == nil && selection == nil ? PublicationPlan.leftOut(published, candidates) : [])
    }

    private static func execute(
        _ statement: String, _ what: String, on connection: borrowing PGConnection
    ) throws(WeirError) {
        do throws(PGError) {
            try connection.execute(statement, operation: what)
        } catch  where error.sqlState == "42501" {
            throw WeirError(
                .permissionDenied, stage: .source, "The role may not \(what)", cause: error.description,
                advice: "It has to own the tables and have CREATE on the database; or an administrator runs once: "
                    + "\(statement);")
        } catch  where error.sqlState == "42710" {
            throw WeirError(
                .publicationMissing, stage: .source, "Another agent made the publication at the same moment",
                cause: error.description
            ).disposed(.retry)
        } catch {
            throw SourceErrors.from(error)
        }
    }

    static func nothingToPublish(_ selection: TableSelection?) -> WeirError {
        guard let selection else {
            return WeirError(
                .tableUnusable, stage: .source, "The database has no table that can be replicated",
                cause: "no table has a primary key or another replica identity",
                advice: "Create the tables first, or name some without identity in `source.tables` for their inserts.")
        }
        return WeirError(
            .tableUnusable, stage: .source, "No table fits `source.tables`",
            cause: "patterns: \(selection.patterns.map(\.description).joined(separator: ", "))",
            advice: "Check the spelling (names are compared as the catalog has them) and the database in `source.url`.")
    }
}
