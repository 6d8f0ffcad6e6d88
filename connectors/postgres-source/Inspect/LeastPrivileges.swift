import LibPQ
public import WeirCore

/// The statements that give a role just what the source needs; an administrator runs them once.
public enum LeastPrivileges {
    /// The statements for the tables that the configuration takes as of now. Connects and asks; changes nothing.
    public static func statements(_ settings: PostgresSourceSettings) throws(WeirError) -> [String] {
        let selection = try settings.tableSelection()
        let facts: ServerFacts
        let publication: PublicationFacts?
        let candidates: [PublishableTable]
        let trigger: DefinitionTrigger.Status
        do throws(PGError) {
            let connection = try PGConnection(
                ConnectionSettings(
                    settings.url, applicationName: "weir check", answerTimeout: PostgresSource.answerTimeout))
            facts = try Prerequisites.load(on: connection).server
            publication = try PublicationFacts.load(settings.publication, on: connection)
            candidates = try PublishableTable.all(on: connection)
            trigger = try DefinitionTrigger.status(on: connection)
        } catch {
            throw SourceErrors.from(error)
        }
        let tables =
            publication.map { $0.tables.map(\.name).filter { selection?.contains($0) ?? true } }
            ?? PublicationPlan.wanted(candidates, selection)
        let list = statements(
            settings, role: facts.role, database: facts.database, tables: tables, hasPublication: publication != nil,
            serverVersion: facts.version)
        guard settings.ddl == .trigger, settings.snapshot != .only else { return list }
        return list + trigger.installation + DefinitionTrigger.grants(to: facts.role)
    }

    static func statements(
        _ settings: PostgresSourceSettings, role: String, database: String, tables: [TableName], hasPublication: Bool,
        serverVersion: Int
    ) -> [String] {
        let role = SQLText.identifier(role)
        var list = ["GRANT CONNECT ON DATABASE \(SQLText.identifier(database)) TO \(role);"]
        if settings.snapshot != .only { list.insert("ALTER ROLE \(role) LOGIN REPLICATION;", at: 0) }
        if settings.snapshot != .never {
            for schema in Set(tables.map(\.schema)).sorted() {
                list.append("GRANT USAGE ON SCHEMA \(SQLText.identifier(schema)) TO \(role);")
            }
            if !tables.isEmpty {
                list.append("GRANT SELECT ON \(tables.map(\.sql).joined(separator: ", ")) TO \(role);")
            }
        }
        if !hasPublication && settings.snapshot != .only {
            list.append(
                PublicationStatements.create(settings.publication, tables, serverVersion: serverVersion) + ";")
        }
        return list
    }
}
