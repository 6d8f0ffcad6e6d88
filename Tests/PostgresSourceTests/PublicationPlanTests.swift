import Testing
import WeirCore

@testable import PostgresSource

@Suite struct PublicationPlanTests {
    private func table(
        _ oid: UInt32, _ name: String, schema: String = "public", ancestors: [UInt32] = [], hasIdentity: Bool = true
    ) -> PublishableTable {
        PublishableTable(
            oid: oid, name: TableName(schema: schema, name: name), ancestors: ancestors, hasIdentity: hasIdentity)
    }

    private func selection(_ patterns: String...) throws -> TableSelection {
        TableSelection(try patterns.map { try TablePattern($0) })
    }

    private func names(_ names: String...) -> [TableName] { names.map { TableName(schema: "public", name: $0) } }

    private func existing(isOurs: Bool, _ members: [TableName]) -> PublicationFacts {
        PublicationFacts(
            name: "p", isOurs: isOurs, isForAllTables: false, hasSchemas: false, viaRoot: true, omitted: [],
            members: members, tables: [])
    }

    @Test func withoutPatternsAllTablesThatHaveAnIdentity() {
        let candidates = [
            table(1, "a"), table(2, "keyless", hasIdentity: false), table(3, "progress", schema: "weir"),
        ]
        let plan = PublicationPlan(existing: nil, candidates: candidates, selection: nil)
        #expect(plan == .create(names("a")))
    }

    @Test func patternsDecideAlsoForTablesWithoutIdentity() throws {
        let candidates = [table(1, "a"), table(2, "audit_x"), table(3, "keyless", hasIdentity: false)]
        let plan = PublicationPlan(
            existing: nil, candidates: candidates, selection: try selection("public.*", "!public.audit_*"))
        #expect(plan == .create(names("a", "keyless")))
    }

    @Test func aRootStandsForItsPartitions() throws {
        let candidates = [
            table(1, "orders"), table(2, "orders_1", ancestors: [1]), table(3, "orders_1_a", ancestors: [2, 1]),
        ]
        let all = PublicationPlan(existing: nil, candidates: candidates, selection: try selection("public.*"))
        #expect(all == .create(names("orders")))
        let middle = PublicationPlan(existing: nil, candidates: candidates, selection: try selection("orders_*"))
        #expect(middle == .create(names("orders_1")))
    }

    @Test func aForeignPublicationIsNeverTouched() throws {
        let foreign = existing(isOurs: false, names("a"))
        let candidates = [table(1, "a"), table(2, "b")]
        #expect(PublicationPlan(existing: foreign, candidates: candidates, selection: try selection("*")) == .use)
        #expect(PublicationPlan(existing: foreign, candidates: candidates, selection: nil) == .use)
    }

    @Test func ourOwnFollowsThePatterns() throws {
        let ours = existing(isOurs: true, names("a", "gone"))
        let candidates = [table(1, "a"), table(2, "b")]
        let plan = PublicationPlan(existing: ours, candidates: candidates, selection: try selection("public.*"))
        #expect(plan == .alter(add: names("b"), drop: names("gone")))
        let same = PublicationPlan(
            existing: existing(isOurs: true, names("a", "b")), candidates: candidates, selection: try selection("*"))
        #expect(same == .use)
        #expect(PublicationPlan(existing: ours, candidates: candidates, selection: nil) == .use)
    }

    @Test func ourOwnThatSomebodyWidenedIsLeftAlone() throws {
        var wide = existing(isOurs: true, [])
        wide.isForAllTables = true
        #expect(PublicationPlan(existing: wide, candidates: [table(1, "a")], selection: try selection("*")) == .use)
        wide.isForAllTables = false
        wide.hasSchemas = true
        #expect(PublicationPlan(existing: wide, candidates: [table(1, "a")], selection: try selection("*")) == .use)
    }

    @Test func statementsQuoteEveryName() {
        let odd = TableName(schema: "s\"", name: "t; DROP")
        let create = PublicationStatements.create("p\"x", [odd], serverVersion: 150_000)
        #expect(
            create.hasPrefix(
                "CREATE PUBLICATION \"p\"\"x\" FOR TABLE \"s\"\"\".\"t; DROP\" "
                    + "WITH (publish_via_partition_root = true); "
            ))
        #expect(create.contains("COMMENT ON PUBLICATION \"p\"\"x\" IS 'Made by Weir"))
        #expect(!PublicationStatements.create("p", [odd], serverVersion: 120_000).contains("partition_root"))
        #expect(
            PublicationStatements.alter("p", add: [odd], drop: [TableName(schema: "a", name: "b")])
                == "ALTER PUBLICATION \"p\" ADD TABLE \"s\"\"\".\"t; DROP\"; "
                + "ALTER PUBLICATION \"p\" DROP TABLE \"a\".\"b\""
        )
    }

    @Test func leastPrivilegesNameWhatTheConfigurationNeeds() {
        var settings = PostgresSourceSettings(url: "", slot: "s", publication: "p")
        let tables = [TableName(schema: "a", name: "t"), TableName(schema: "b", name: "u")]
        let all = LeastPrivileges.statements(
            settings, role: "weir", database: "shop", tables: tables, hasPublication: false, serverVersion: 150_000)
        #expect(
            all.prefix(5) == [
                "ALTER ROLE \"weir\" LOGIN REPLICATION;", "GRANT CONNECT ON DATABASE \"shop\" TO \"weir\";",
                "GRANT USAGE ON SCHEMA \"a\" TO \"weir\";", "GRANT USAGE ON SCHEMA \"b\" TO \"weir\";",
                "GRANT SELECT ON \"a\".\"t\", \"b\".\"u\" TO \"weir\";",
            ])
        #expect(all.count == 6 && all[5].hasPrefix("CREATE PUBLICATION"))
        settings.snapshot = .never
        let stream = LeastPrivileges.statements(
            settings, role: "weir", database: "shop", tables: tables, hasPublication: true, serverVersion: 150_000)
        #expect(
            stream == ["ALTER ROLE \"weir\" LOGIN REPLICATION;", "GRANT CONNECT ON DATABASE \"shop\" TO \"weir\";"])
    }
}
