import LibPQ
import WeirCore

/// Brings Weir's own publication in step with `source.tables` while the stream runs: table by table, so that one that
/// the role does not own keeps no other one out.
struct PublicationExtender {
    private let publication: String
    private let selection: TableSelection?
    private let logger: Logger
    /// What was complained about.
    private var complaints: Set<String> = []
    /// Something could not be done: try again at the next look.
    private(set) var isBehind = false

    /// How long a statement may wait for a table's lock: the stream is not served meanwhile.
    private static let lockTimeout = "2s"

    init(_ publication: String, selection: TableSelection?, logger: Logger) {
        self.publication = publication
        self.selection = selection
        self.logger = logger
    }

    /// Alters the publication where it has to be; true when it did. Without `tables` it is left as it was made, and
    /// tables that came later are named once.
    mutating func extend(
        _ existing: PublicationFacts, on connection: borrowing PGConnection
    ) throws(WeirError) -> Bool {
        isBehind = false
        guard existing.isOurs, !existing.isForAllTables, !existing.hasSchemas else { return false }
        let candidates = try SourceErrors.mapping { () throws(PGError) in try PublishableTable.all(on: connection) }
        guard selection != nil else {
            tellOfUnpublished(existing, candidates)
            return false
        }
        let plan = PublicationPlan(existing: existing, candidates: candidates, selection: selection)
        guard case .alter(let add, let drop) = plan else { return false }
        var isChanged = false
        for table in add {
            guard try run(PublicationStatements.alter(publication, add: [table], drop: []), table, on: connection)
            else { continue }
            isChanged = true
            logger.info("a table was added to the publication", [("table", table.description)])
            guard !PublicationPlan.unidentified([table], candidates).isEmpty else { continue }
            logger.warning(
                "PostgreSQL refuses UPDATE and DELETE on published tables without replica identity",
                [
                    ("tables", table.description),
                    ("remedy", "a primary key, ALTER TABLE ... REPLICA IDENTITY FULL, or leave it out of `tables`"),
                ])
        }
        // An empty publication could not be told from a mistake in the patterns.
        guard drop.count < existing.members.count || !add.isEmpty else { return isChanged }
        for table in drop {
            guard try run(PublicationStatements.alter(publication, add: [], drop: [table]), table, on: connection)
            else { continue }
            isChanged = true
            logger.info("a table that `source.tables` no longer fits was taken out", [("table", table.description)])
        }
        return isChanged
    }

    private mutating func tellOfUnpublished(_ existing: PublicationFacts, _ candidates: [PublishableTable]) {
        let members = Set(existing.members).union(existing.tables.map(\.name))
        let names = PublicationPlan.wanted(candidates, nil).filter {
            !members.contains($0) && complaints.insert("unpublished \($0)").inserted
        }
        guard !names.isEmpty else { return }
        logger.warning(
            "tables are not in the publication: their changes do not come",
            [
                ("tables", SourceInspector.names(names)),
                ("remedy", "set source.tables, for example to [\"public.*\"], and new tables are taken in"),
            ])
    }

    /// Runs one statement; false when the server refuses it, which is said once for each table and cause.
    private mutating func run(
        _ statement: String, _ table: TableName, on connection: borrowing PGConnection
    ) throws(WeirError) -> Bool {
        do throws(PGError) {
            try connection.execute(
                "SET LOCAL lock_timeout = '\(Self.lockTimeout)'; \(statement)", operation: "alter publication")
            return true
        } catch {
            guard error.kind == .server else { throw SourceErrors.from(error) }
            isBehind = true
            let isNew = complaints.insert("\(error.sqlState ?? "") \(table)").inserted
            // A table that is locked or was dropped a moment ago is another matter at the next look.
            guard isNew, error.sqlState != "55P03", error.sqlState != "42P01" else { return false }
            logger.warning(
                "the publication could not be brought in step with `source.tables`; the stream goes on without",
                [
                    ("table", table.description), ("cause", error.description),
                    ("remedy", "the owner of the table runs: \(statement);"),
                ])
            return false
        }
    }
}
