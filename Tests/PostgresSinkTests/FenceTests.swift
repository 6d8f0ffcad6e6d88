import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSink

@Suite("Fence and rights", .tags(.integration), .needsPostgres)
struct FenceTests {
    @Test func aSecondAgentIsToldWhoHoldsTheTarget() throws {
        let target = try Target("CREATE TABLE t (id int)")
        let settings = target.settings { $0.openTimeout = .seconds(1) }
        let first = try SinkDriver(settings)
        let error = failure { () throws(WeirError) in _ = try SinkDriver(settings) }
        #expect(error?.code == .fenced)
        #expect(error?.disposition == .retry)
        let cause = try #require(error?.cause)
        #expect(cause.contains("process \(ProcessIdentity.current)") && cause.contains("epoch 1"), "\(cause)")
        // Another pipeline into the same database is another matter.
        _ = try SinkDriver(target.settings { $0.pipeline = "other" })
        first.sink.close()
        _ = try SinkDriver(settings)
        #expect(try target.rows("SELECT pipeline, epoch FROM weir.progress ORDER BY 1") == ["other|1", "test|2"])
    }

    @Test func anAgentThatWasTakenOverCommitsNothing() throws {
        let target = try Target("CREATE TABLE t (id int)")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings)
        try driver.write(transaction(100) { $0.insert(t, ["1"]) })
        // As another agent would, had the lock failed to keep it out.
        try target.exec("UPDATE weir.progress SET epoch = epoch + 1, agent = 'host other, process 1'")
        let error = failure { () throws(WeirError) in
            try driver.write(transaction(200) { $0.insert(t, ["2"]) })
        }
        #expect(error?.code == .fenced)
        #expect(error?.disposition == .operator)
        #expect(error?.cause?.contains("host other, process 1, epoch 2") == true)
        #expect(try target.rows("SELECT * FROM t") == ["1"])
    }

    @Test func aPositionNeverGoesBack() throws {
        let target = try Target("CREATE TABLE t (id int)")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings)
        try target.exec("UPDATE weir.progress SET lsn = '0/FFFF'")
        let error = failure { () throws(WeirError) in
            try driver.write(transaction(200) { $0.insert(t, ["2"]) })
        }
        #expect(error?.code == .fenced)
        #expect(error?.cause?.contains("0/FFFF") == true)
        #expect(try target.rows("SELECT * FROM t").isEmpty)
    }

    @Test func refusesAPositionOfAnotherCluster() throws {
        let target = try Target("CREATE TABLE t (id int)")
        let t = try target.relation("t")
        try SinkDriver(target.settings).write(transaction(100) { $0.insert(t, ["1"]) })
        let driver = try SinkDriver(target.settings, system: 42)
        let error = failure { () throws(WeirError) in
            try driver.write(transaction(200) { $0.insert(t, ["2"]) })
        }
        #expect(error?.code == .positionMismatch)
        #expect(error?.cause?.contains("\(SinkDriver.system)") == true)
    }

    @Test func printsWhatAnAdministratorRunsAndWorksAfterwards() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY)")
        let role = "plain_\(target.database)"
        try target.exec("CREATE ROLE \(role) LOGIN")
        defer { try? target.exec("DROP OWNED BY \(role); DROP ROLE \(role)") }
        let settings = target.settings { $0.url = target.server.url(database: target.database, user: role) }
        let refused = failure { () throws(WeirError) in _ = try SinkDriver(settings) }
        #expect(refused?.code == .permissionDenied)
        let advice = try #require(refused?.advice)
        let statements = try #require(advice.split(separator: "runs once: ").last)
        try target.exec(String(statements))
        let t = try target.relation("t")
        let driver = try SinkDriver(settings)
        #expect(driver.log.all.contains { $0.contains("triggers and foreign keys of the target fire") })
        #expect(driver.log.all.contains { $0.contains("GRANT SET ON PARAMETER session_replication_role") })

        // A missing right on a table stops at that transaction; granted, it goes on.
        let insert = transaction(100) { $0.insert(t, ["1"]) }
        let denied = failure { () throws(WeirError) in try driver.write(insert) }
        #expect(denied?.code == .permissionDenied)
        #expect(denied?.table == TableName(schema: "public", name: "t"))
        #expect(denied?.position == LSN(100))
        let grant = try #require(denied?.advice?.split(separator: ": ").last?.split(separator: ";").first)
        try target.exec(String(grant))
        try target.exec("GRANT SET ON PARAMETER session_replication_role TO \(role)")
        driver.sink.close()
        let again = try SinkDriver(settings)
        #expect(!again.log.all.contains { $0.contains("triggers") })
        try again.write(insert)
        #expect(try target.rows("SELECT * FROM t") == ["1"])
    }

    @Test func silencesTriggersAndForeignKeys() throws {
        let target = try Target(
            """
            CREATE TABLE parent (id int PRIMARY KEY);
            CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE);
            CREATE TABLE audit (id int);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN INSERT INTO public.audit VALUES (NEW.id); RETURN NEW; END $$;
            CREATE TRIGGER note AFTER INSERT ON child FOR EACH ROW EXECUTE FUNCTION note();
            CREATE TRIGGER replica AFTER UPDATE ON child FOR EACH ROW EXECUTE FUNCTION note();
            ALTER TABLE child ENABLE REPLICA TRIGGER replica
            """)
        let (parent, child) = (try target.relation("parent"), try target.relation("child"))
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transaction(100) {
                // The child first: its foreign key does not look.
                $0.insert(child, ["1", "7"])
                $0.insert(parent, ["7"])
                $0.update(child, ["1", "7"])
                $0.delete(child, key: ["1", nil])
                $0.delete(parent, key: ["7"])
            })
        #expect(try target.rows("SELECT count(*) FROM child UNION ALL SELECT count(*) FROM parent") == ["0", "0"])
        // Only the trigger that is meant for replicas fired.
        #expect(try target.rows("SELECT id FROM audit") == ["1"])
        driver.sink.close()

        let ordinary = try SinkDriver(target.settings { $0.replicationRole = .origin })
        let error = failure { () throws(WeirError) in
            try ordinary.write(transaction(200) { $0.insert(child, ["2", "8"]) })
        }
        #expect(error?.code == .rowRejected)
        #expect(error?.cause?.contains("23503") == true)
        #expect(error?.advice?.contains("session_replication_role") == true)
    }

    @Test func rowLevelSecurityHidesNothing() throws {
        let target = try Target(
            """
            CREATE TABLE t (id int PRIMARY KEY, v text);
            INSERT INTO t VALUES (1, 'mine'), (2, 'theirs');
            ALTER TABLE t ENABLE ROW LEVEL SECURITY;
            CREATE POLICY mine ON t USING (v = 'mine')
            """)
        let role = "rls_\(target.database)"
        try target.exec(
            "CREATE ROLE \(role) LOGIN; GRANT ALL ON t TO \(role); "
                + "GRANT CREATE ON DATABASE \(target.database) TO \(role)"
        )
        defer { try? target.exec("DROP OWNED BY \(role); DROP ROLE \(role)") }
        let t = try target.relation("t")
        let settings = target.settings {
            $0.url = target.server.url(database: target.database, user: role)
            $0.onMissingRow = .ignore
            $0.copyRowsMin = 1
        }
        let driver = try SinkDriver(settings)
        // COPY is not possible here; inserts are.
        try driver.write(
            transaction(100) {
                $0.insert(t, ["3", "mine"])
                $0.insert(t, ["4", "mine"])
            })
        let error = failure { () throws(WeirError) in
            try driver.write(transaction(200) { $0.update(t, ["2", "mine"]) })
        }
        #expect(error?.code == .rowRejected)
        #expect(error?.cause?.contains("row-level security") == true)
        #expect(try target.rows("SELECT count(*) FROM t") == ["4"])
    }
}
