import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSource

/// Tables that change while their rows flow.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct SchemaChangeTests {
    private func started(_ setup: String, tables: [String] = ["public.*"]) throws -> (SourceDatabase, SourceRun) {
        let database = try SourceDatabase()
        try database.exec(setup)
        let run = SourceRun(database.settings(tables: tables, snapshot: .never))
        try #require(eventually { run.statistics.isStreaming })
        return (database, run)
    }

    @Test func columnsComeAndGo() throws {
        let (database, run) = try started("CREATE TABLE t (id int PRIMARY KEY, a text)")
        for statement in [
            "INSERT INTO t VALUES (1, 'x')", "ALTER TABLE t ADD COLUMN b int DEFAULT 7",
            "INSERT INTO t VALUES (2, 'x')",
            "ALTER TABLE t DROP COLUMN a", "INSERT INTO t VALUES (3, 8)", "ALTER TABLE t ADD COLUMN a date",
            "INSERT INTO t VALUES (4, 9, '2024-02-03')", "ALTER TABLE t RENAME COLUMN b TO c",
            "ALTER TABLE t ALTER COLUMN c TYPE text USING 'n' || c", "UPDATE t SET c = c || '!' WHERE id = 4",
            "ALTER TABLE t RENAME TO u", "DELETE FROM u WHERE id = 1",
        ] {
            try database.exec(statement)
        }
        #expect(run.log.wait(count: 6))
        try run.stop()
        #expect(
            run.log.events == [
                "insert public.t 1,x", "insert public.t 2,x,7", "insert public.t 3,8", "insert public.t 4,9,2024-02-03",
                "update public.t 4,n9!,2024-02-03", "delete public.u was 1,NULL,NULL",
            ])
        #expect(
            run.log.story == [
                "described public.t(id integer, a text)", "insert public.t 1,x",
                "altered public.t(id integer, a text) -> public.t(id integer, a text, b integer)",
                "insert public.t 2,x,7",
                "altered public.t(id integer, a text, b integer) -> public.t(id integer, b integer)",
                "insert public.t 3,8",
                "altered public.t(id integer, b integer) -> public.t(id integer, b integer, a date)",
                "insert public.t 4,9,2024-02-03",
                "altered public.t(id integer, b integer, a date) -> public.t(id integer, c text, a date)",
                "update public.t 4,n9!,2024-02-03",
                "altered public.t(id integer, c text, a date) -> public.u(id integer, c text, a date)",
                "delete public.u was 1,NULL,NULL",
            ])
    }

    @Test func aNameThatAnotherTableTakesIsFreedFirst() throws {
        let (database, run) = try started("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)")
        try database.exec("INSERT INTO t VALUES (1); INSERT INTO u VALUES (2)")
        #expect(run.log.wait(count: 2))
        try database.exec("ALTER TABLE t RENAME TO was_t; ALTER TABLE u RENAME TO t; INSERT INTO t VALUES (3)")
        #expect(run.log.wait(count: 3))
        try database.exec("INSERT INTO was_t VALUES (4)")
        #expect(run.log.wait(count: 4))
        try run.stop()
        #expect(
            run.log.story == [
                "described public.t(id integer)", "insert public.t 1", "described public.u(id integer)",
                "insert public.u 2", "altered public.t(id integer) -> public.was_t(id integer)",
                "altered public.u(id integer) -> public.t(id integer)", "insert public.t 3", "insert public.was_t 4",
            ])
    }

    @Test func anIndexKeyHasTheIndexsOrderInSnapshotAndStream() throws {
        let database = try SourceDatabase()
        try database.exec(
            """
            CREATE TABLE t (a int NOT NULL, b int NOT NULL, c int NOT NULL, v int);
            CREATE UNIQUE INDEX chosen ON t (c, a); ALTER TABLE t REPLICA IDENTITY USING INDEX chosen;
            INSERT INTO t VALUES (1, 2, 3, 4)
            """)
        let run = SourceRun(database.settings())
        #expect(run.log.wait(count: 1))
        try database.exec("UPDATE t SET a = 5; DELETE FROM t")
        #expect(run.log.wait(count: 3))
        try run.stop()
        #expect(run.log.keys.count >= 2 && Set(run.log.keys) == [["c", "a"]], "\(run.log.keys)")
        #expect(run.log.events.last == "delete public.t was 5,NULL,3,NULL")
    }

    @Test func aDroppedTablesLastChangesStillCome() throws {
        let database = try SourceDatabase()
        try database.exec(
            """
            CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN price AS numeric(8,2);
            CREATE TABLE t (id int PRIMARY KEY, m mood, p price, a mood[]); INSERT INTO t VALUES (0, 'sad', 1, '{}')
            """)
        let first = SourceRun(database.settings(tables: ["public.t"]))
        try #require(first.log.wait(count: 1))
        try first.stop()
        try database.exec("INSERT INTO t VALUES (1, 'happy', 2.5, '{sad,NULL}'); UPDATE t SET id = 2 WHERE id = 1")
        try database.exec("DROP TABLE t; DROP TYPE mood; DROP DOMAIN price")
        try database.exec("CREATE TABLE t (other text PRIMARY KEY); INSERT INTO t VALUES ('new')")
        // Its publication has lost its table; the plan brings the new one of that name in.
        let second = SourceRun(database.settings(tables: ["public.t"]), store: first.store)
        #expect(second.log.wait(count: 3))
        try database.exec("INSERT INTO t VALUES ('newer')")
        #expect(second.log.wait(count: 4))
        try second.stop()
        #expect(
            second.log.events == [
                "insert public.t 1,happy,2.50,{sad,NULL}",
                "update public.t 2,happy,2.50,{sad,NULL} was 1,NULL,NULL,NULL", "read public.t new",
                "insert public.t newer",
            ])
    }

    @Test func theReplicaIdentityChanges() throws {
        let (database, run) = try started(
            "CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL UNIQUE, v int); INSERT INTO t VALUES (1, 'a', 1)")
        for statement in [
            "UPDATE t SET v = 2", "ALTER TABLE t REPLICA IDENTITY FULL", "UPDATE t SET v = 3",
            "ALTER TABLE t REPLICA IDENTITY USING INDEX t_code_key", "UPDATE t SET v = 4", "UPDATE t SET code = 'b'",
            "ALTER TABLE t REPLICA IDENTITY DEFAULT", "DELETE FROM t",
        ] {
            try database.exec(statement)
        }
        #expect(run.log.wait(count: 5))
        try run.stop()
        #expect(
            run.log.events == [
                "update public.t 1,a,2", "update public.t 1,a,3 was 1,a,2", "update public.t 1,a,4",
                "update public.t 1,b,4 was NULL,a,NULL", "delete public.t was 1,NULL,NULL",
            ])
    }

    @Test func partitionsComeUnderTheNameOfTheirRoot() throws {
        let (database, run) = try started(
            """
            CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
            CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)
            """)
        try database.exec("INSERT INTO p VALUES (1, 'a')")
        try database.exec("CREATE TABLE p2 (v text, gone int, id int PRIMARY KEY); ALTER TABLE p2 DROP COLUMN gone")
        try database.exec("INSERT INTO p2 VALUES ('before', 11)")
        try database.exec("ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20)")
        try database.exec("INSERT INTO p VALUES (12, 'b'); UPDATE p SET id = 13 WHERE id = 1")
        try database.exec("ALTER TABLE p DETACH PARTITION p1; DROP TABLE p1")
        try database.exec("DELETE FROM p WHERE id = 11")
        #expect(run.log.wait(count: 5))
        try run.stop()
        #expect(
            run.log.events == [
                "insert public.p 1,a", "insert public.p 12,b", "delete public.p was 1,NULL", "insert public.p 13,a",
                "delete public.p was 11,NULL",
            ])
    }

    @Test func rewritesMakeNoEvents() throws {
        let (database, run) = try started(
            "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'x' FROM generate_series(1, 100) g")
        for statement in [
            "VACUUM FULL t", "CLUSTER t USING t_pkey", "ALTER TABLE t ADD COLUMN r float DEFAULT random()",
            "REINDEX TABLE t",
            "ANALYZE t", "CREATE INDEX CONCURRENTLY t_v ON t (v)",
        ] {
            try database.exec(statement)
        }
        try database.exec("UPDATE t SET v = 'y', r = 0 WHERE id = 5")
        #expect(run.log.wait(count: 1))
        try run.stop()
        #expect(run.log.events == ["update public.t 5,y,0"])
    }

    @Test func aForeignPublicationIsFollowedWhileItStreams() throws {
        let database = try SourceDatabase()
        try database.exec(
            """
            CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY);
            CREATE TABLE c (id int PRIMARY KEY);
            CREATE PUBLICATION theirs FOR TABLE a
            """)
        var settings = database.settings(tables: ["public.*", "!public.c"], snapshot: .never)
        settings.publication = "theirs"
        let run = SourceRun(settings)
        try #require(eventually { run.statistics.isStreaming })
        try database.exec("INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)")
        try database.exec("ALTER PUBLICATION theirs ADD TABLE b, c")
        try database.exec("INSERT INTO b VALUES (2); INSERT INTO c VALUES (2)")
        try database.exec("ALTER PUBLICATION theirs DROP TABLE a")
        try database.exec("INSERT INTO a VALUES (3); INSERT INTO b VALUES (3)")
        #expect(run.log.wait(count: 3))
        try run.stop()
        #expect(run.log.events == ["insert public.a 1", "insert public.b 2", "insert public.b 3"])
        let comment = try database.connection.value("SELECT obj_description(oid, 'pg_publication') FROM pg_publication")
        #expect(comment == nil)
    }

    @Test func ourOwnPublicationFollowsTheConfiguration() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)")
        let first = SourceRun(database.settings(tables: ["public.a"], snapshot: .never))
        try #require(eventually { first.statistics.isStreaming })
        try database.exec("INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)")
        #expect(first.log.wait(count: 1))
        try first.stop()
        let second = SourceRun(database.settings(tables: ["public.b"], snapshot: .never), store: first.store)
        try #require(eventually { second.statistics.isStreaming })
        try database.exec("INSERT INTO a VALUES (2); INSERT INTO b VALUES (2)")
        #expect(second.log.wait(count: 1))
        try second.stop()
        #expect(first.log.events + second.log.events == ["insert public.a 1", "insert public.b 2"])
    }

    @Test func preparedTransactionsSavepointsAndBigOnes() throws {
        let server = try PrivatePostgres(["max_prepared_transactions": "5", "logical_decoding_work_mem": "64kB"])
        let database = try SourceDatabase(server)
        try database.exec("CREATE TABLE t (id int PRIMARY KEY, v text)")
        let run = SourceRun(database.settings(snapshot: .never))
        try #require(eventually { run.statistics.isStreaming })
        try database.exec("BEGIN; INSERT INTO t VALUES (1, 'prepared'); PREPARE TRANSACTION 'it''s'")
        try database.exec("INSERT INTO t VALUES (2, 'before')")
        #expect(run.log.wait(count: 1))
        try database.exec("COMMIT PREPARED 'it''s'")
        try database.exec(
            """
            BEGIN; INSERT INTO t VALUES (3, 'kept'); SAVEPOINT a; INSERT INTO t VALUES (4, 'lost'); SAVEPOINT b;
            INSERT INTO t VALUES (5, 'lost'); ROLLBACK TO a; INSERT INTO t VALUES (6, 'kept'); COMMIT
            """)
        try database.exec("BEGIN; INSERT INTO t SELECT g, 'gone' FROM generate_series(100, 5000) g; ROLLBACK")
        try database.exec("INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(100, 20099) g")
        #expect(run.log.wait(count: 20_004))
        try run.stop()
        #expect(
            run.log.events.prefix(4) == [
                "insert public.t 2,before", "insert public.t 1,prepared", "insert public.t 3,kept",
                "insert public.t 6,kept",
            ])
        #expect(run.log.events.count == 20_004)
    }
}
