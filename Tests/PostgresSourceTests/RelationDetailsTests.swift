import LibPQ
import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSource

/// When a table is another version of itself.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct RelationDetailsTests {
    @Test(arguments: [
        ("COMMENT ON TABLE t IS 'x'", true), ("COMMENT ON COLUMN t.a IS 'x'", true),
        ("ALTER TABLE t ALTER COLUMN a SET DEFAULT now()::text", true), ("ALTER TYPE mood ADD VALUE 'new'", true),
        ("ALTER TABLE t ALTER COLUMN a SET NOT NULL", true),
        ("ALTER TABLE t ADD COLUMN b int GENERATED ALWAYS AS (id) STORED", true),
        ("ANALYZE t", false), ("TRUNCATE t", false), ("VACUUM FULL t", false), ("CREATE INDEX ON t (a)", false),
    ])
    func aChangedDefinitionIsAnotherVersion(statement: String, isChange: Bool) throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE t (id int PRIMARY KEY, a text, m mood)")
        let connection = try PGConnection(ConnectionSettings(database.postgres.url(database: database.name)))
        func relation() throws -> Relation {
            let table = try CatalogTable.load(name: TableName(schema: "public", name: "t"), on: connection)
            return try RelationBuilder().relation(of: try #require(table), columns: nil, on: connection)
        }
        let before = try relation()
        try database.exec(statement)
        let after = try relation()
        #expect(before.describesTheSame(as: after) == !isChange)
        #expect(before.columns.map(\.details?.number) == [1, 2, 3])
    }
}
