import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSink

@Suite("TargetInspector and SchemaProvider", .tags(.integration), .needsPostgres)
struct InspectorTests {
    private func lines(_ findings: [Finding], _ severity: Finding.Severity) -> [String] {
        findings.filter { $0.severity == severity }.map { "\($0.subject): \($0.message)" }
    }

    @Test func findsNothingWrongAndChangesNothing() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v text)")
        let t = try target.relation("t")
        let findings = TargetInspector.inspect(target.settings, relations: [t])
        #expect(findings.allSatisfy { $0.severity == .ok }, "\(findings)")
        #expect(
            findings.map(\.subject) == [
                "target database", "target schema weir", "target session role", "target table public.t",
            ])
        #expect(try target.rows("SELECT count(*) FROM pg_namespace WHERE nspname = 'weir'") == ["0"])
        let driver = try SinkDriver(target.settings)
        try driver.write(transaction(100) { $0.insert(t, ["1", "a"]) })
        let running = TargetInspector.inspect(target.settings, relations: [t])
        #expect(lines(running, .ok).contains("target schema weir: Pipeline test is at 0/6C"))
        #expect(lines(running, .warning).count == 1)
        // The look did not cost the agent its lock.
        try driver.write(transaction(200) { $0.insert(t, ["2", "b"]) })
    }

    @Test func listsEveryProblemWithItsRemedy() throws {
        let target = try Target(
            """
            CREATE TABLE t (id bigint, d date, must int NOT NULL);
            CREATE VIEW v AS SELECT 1 AS id;
            CREATE TABLE full_table (id int PRIMARY KEY); INSERT INTO full_table VALUES (1)
            """)
        let t = Relation.test("t", ["id": .int8, "d": .timestamp, "gone": .text])
        let findings = TargetInspector.inspect(
            target.settings,
            relations: [
                t, .test("v", ["id": .int4]), .test("missing", ["id": .int4]), .test("full_table", ["id": .int4]),
            ])
        #expect(
            lines(findings, .error) == [
                "target table public.t: Column d has a type on the target that does not fit: timestamp on the source, "
                    + "date on the target: one has a time, a date or a time zone that the other has not",
                "target table public.t: Column gone is missing in the target table: the source has gone text",
                "target table public.t: Column must is NOT NULL without a default, and the source has none",
                "target table public.v: It is a view",
                "target table public.missing: The table is missing on the target",
            ])
        #expect(
            lines(findings, .warning) == [
                "target table public.full_table: It holds rows that Weir did not copy: "
                    + "a snapshot of it would be refused"
            ])
        #expect(findings.allSatisfy { $0.severity == .ok || $0.remedy != nil })
        let unindexed = TargetInspector.inspect(target.settings, relations: [.test("t", ["id": .int8, "must": .int4])])
        #expect(lines(unindexed, .warning).contains { $0.contains("No unique index covers the key") })
    }

    @Test func aPlainRoleIsToldWhatItLacksAndTheStatementsSuffice() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v text)")
        let role = "check_\(target.database)"
        try target.exec("CREATE ROLE \(role) LOGIN")
        defer { try? target.exec("DROP OWNED BY \(role); DROP ROLE \(role)") }
        let settings = target.settings {
            $0.url = target.server.url(database: target.database, user: role)
            $0.replicationRole = .replica
        }
        let t = try target.relation("t")
        let findings = TargetInspector.inspect(settings, relations: [t])
        #expect(
            lines(findings, .error) == [
                "target schema weir: Weir's tables are missing and the role may not make them",
                "target session role: The role may not make its session a replica: triggers and foreign keys of the "
                    + "target fire",
                "target table public.t: The role lacks SELECT, INSERT, UPDATE, DELETE, TRUNCATE",
            ])
        for statement in try TargetInspector.leastPrivileges(settings, tables: [t.table]) {
            try target.exec(statement)
        }
        let again = TargetInspector.inspect(settings, relations: [t])
        #expect(again.allSatisfy { $0.severity == .ok }, "\(again)")
        try SinkDriver(settings).write(transaction(100) { $0.insert(t, ["1", "a"]) })
        #expect(try target.rows("SELECT * FROM t") == ["1|a"])
    }

    @Test func aRoleThatFollowsDefinitionsNeedsToOwnThem() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE SCHEMA other")
        let role = "follow_\(target.database)"
        try target.exec("CREATE ROLE \(role) LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        defer { try? target.exec("DROP OWNED BY \(role); DROP ROLE \(role)") }
        let settings = target.settings {
            $0.url = target.server.url(database: target.database, user: role)
            $0.replicationRole = .origin
            $0.schema = .full
        }
        let tables: [Relation] = [
            try target.relation("t"), .test("new", ["id": .int4]), .test("new", schema: "other", ["id": .int4]),
            .test("new", schema: "third", ["id": .int4]),
        ]
        let errors = lines(TargetInspector.inspect(settings, relations: tables), .error)
        #expect(
            errors.contains(
                "target table public.t: The role does not own the table, so it cannot change its definition"))
        #expect(errors.contains("target table other.new: It is missing, and the role may not make it"))
        #expect(errors.contains("target table third.new: Its schema is missing, and the role may not make it"))
        for statement in try TargetInspector.leastPrivileges(settings, tables: tables.map(\.table)) {
            try target.exec(statement)
        }
        #expect(lines(TargetInspector.inspect(settings, relations: tables), .error) == [])
    }

    @Test func saysWhyItCannotConnect() throws {
        let server = try PrivatePostgres.shared()
        let settings = PostgresTargetSettings(url: server.url(database: "nowhere_to_be_found"), pipeline: "test")
        let findings = TargetInspector.inspect(settings, relations: [])
        #expect(findings.count == 1 && findings[0].severity == .error)
        #expect(findings[0].message.contains("does not exist"))
        let error = failure { () throws(WeirError) in _ = try SinkDriver(settings) }
        #expect(error?.code == .databaseMissing)
    }

    @Test func describesTables() throws {
        let target = try Target(
            """
            CREATE TYPE mood AS ENUM ('sad', 'ok');
            CREATE DOMAIN positive AS numeric(10,2) CHECK (value > 0);
            CREATE TABLE t (b text, id int, m mood NOT NULL, p positive, a int[], g int GENERATED ALWAYS AS (1) STORED,
                            PRIMARY KEY (id, b));
            CREATE TABLE keyless (id int);
            CREATE VIEW v AS SELECT 1 AS id
            """)
        let t = try target.relation("t")
        #expect(t.columns.map(\.name) == ["b", "id", "m", "p", "a"])
        #expect(t.columns.map(\.type.kind.isPlain) == [true, true, true, true, true])
        #expect(t.columns[2].type.kind == .enumeration(["sad", "ok"]) && t.columns[2].isNotNull)
        #expect(t.columns[3].type.kind == .numeric && t.columns[3].type.numericScale == 2)
        #expect(t.primaryKey == [1, 0] && t.keyColumns == [1, 0] && t.identity == .default)
        #expect(t.columns.map(\.isIdentity) == [true, true, false, false, false])
        #expect(try target.relation("keyless").identity == .full)
        let provider = PostgresTargetSchema(target.settings)
        let missing = try provider.relation(for: TableName(schema: "public", name: "nothing"))
        let view = try provider.relation(for: TableName(schema: "public", name: "v"))
        #expect(missing == nil && view == nil)
    }
}

extension ColumnType.Kind {
    fileprivate var isPlain: Bool { self != .other }
}
