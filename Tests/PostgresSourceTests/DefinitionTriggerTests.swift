import LibPQ
import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSource

/// Changes of tables as the event trigger tells of them: exact, at their place, with tables that have no rows.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct DefinitionTriggerTests {
    private func settings(
        _ database: SourceDatabase, tables: [String] = ["public.*"],
        snapshot: PostgresSourceSettings.Snapshot = .never
    ) -> PostgresSourceSettings {
        var settings = database.settings(tables: tables, snapshot: snapshot)
        settings.ddl = .trigger
        settings.discoveryInterval = .milliseconds(200)
        return settings
    }

    private func started(_ setup: String, tables: [String] = ["public.*"]) throws -> (SourceDatabase, SourceRun) {
        let database = try SourceDatabase()
        try database.exec(setup)
        let run = SourceRun(settings(database, tables: tables))
        try #require(eventually { run.statistics.isStreaming })
        return (database, run)
    }

    @Test(arguments: [false, true]) func everyChangeHasItsPlace(isLagging: Bool) throws {
        let (database, first) = try started("CREATE TABLE t (id int PRIMARY KEY, a text)")
        var run = first
        if isLagging { try run.stop() }
        for statement in [
            "INSERT INTO t VALUES (1, 'x')",
            "BEGIN; ALTER TABLE t ADD COLUMN b int NOT NULL DEFAULT 7; INSERT INTO t VALUES (2, 'y'); "
                + "ALTER TABLE t RENAME COLUMN a TO c; INSERT INTO t VALUES (3, 'z'); COMMIT",
            "ALTER TABLE t ALTER COLUMN b DROP NOT NULL", "ALTER TABLE t RENAME TO u", "INSERT INTO u VALUES (4)",
            "CREATE TABLE empty (id int)", "BEGIN; CREATE TABLE never (id int); ROLLBACK",
            "CREATE TEMP TABLE mine (id int)", "DROP TABLE empty", "DROP TABLE u",
        ] {
            try database.exec(statement)
        }
        if isLagging { run = SourceRun(settings(database), store: run.store) }
        #expect(run.log.waitForStory { $0.last?.hasPrefix("dropped public.u") == true })
        try run.stop()
        let alter = " by ALTER TABLE"
        #expect(
            run.log.story == [
                "described public.t(id integer, a text)", "insert public.t 1,x",
                "altered public.t(id integer, a text) -> public.t(id integer, a text, b integer) by ALTER TABLE",
                "insert public.t 2,y,7",
                "altered public.t(id integer, a text, b integer) -> public.t(id integer, c text, b integer)\(alter)",
                "insert public.t 3,z,7",
                "altered public.t(id integer, c text, b integer) -> public.t(id integer, c text, b integer)\(alter)",
                "altered public.t(id integer, c text, b integer) -> public.u(id integer, c text, b integer)\(alter)",
                "insert public.u 4,NULL,7", "created public.empty(id integer) by CREATE TABLE",
                "dropped public.empty(id integer) by DROP TABLE",
                "dropped public.u(id integer, c text, b integer) by DROP TABLE",
            ])
        // The trigger's messages are no events, and count as none.
        #expect(run.log.identities.map(\.ordinal) == [1, 1, 2, 1])
        #expect(!run.log.statements.contains { $0.contains("never") })
        #expect(run.log.statements.contains("ALTER TABLE t RENAME TO u"))
    }

    @Test func definitionsAreThoseOfTheLogAndNotOfToday() throws {
        let (database, first) = try started("CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t (id int PRIMARY KEY)")
        try first.stop()
        for statement in [
            "ALTER TABLE t ADD COLUMN v int NOT NULL DEFAULT 5, ADD COLUMN m mood", "INSERT INTO t VALUES (1)",
            "ALTER TABLE t ALTER COLUMN v DROP NOT NULL, ALTER COLUMN v SET DEFAULT 6", "INSERT INTO t VALUES (2)",
            "ALTER TYPE mood ADD VALUE 'happy'", "INSERT INTO t VALUES (3)",
            "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (v, id)", "INSERT INTO t VALUES (4)",
        ] {
            try database.exec(statement)
        }
        let second = SourceRun(settings(database), store: first.store)
        #expect(second.log.wait(count: 4))
        try second.stop()
        let relations = second.log.rowRelations
        #expect(relations.map { $0.columns[1].isNotNull } == [true, false, false, true])
        #expect(relations.map { $0.columns[1].defaultText } == ["5", "6", "6", "6"])
        #expect(
            relations.map { $0.columns[2].type.kind } == [
                .enumeration(["ok"]), .enumeration(["ok"]), .enumeration(["ok", "happy"]),
                .enumeration(["ok", "happy"]),
            ])
        #expect(second.log.rowKeys == [["id"], ["id"], ["id"], ["v", "id"]])
    }

    @Test func aNewTableIsCopiedAtOnce() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (0)")
        var settings = settings(database, snapshot: .initial)
        // Nothing but the trigger can have told of it.
        settings.discoveryInterval = .seconds(3600)
        let run = SourceRun(settings)
        #expect(run.log.wait(count: 1))
        try #require(eventually { run.statistics.isStreaming })
        try database.exec("CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b VALUES (1)")
        #expect(run.log.wait { $0.contains("read public.b 1") })
        try database.exec("INSERT INTO b VALUES (2)")
        #expect(run.log.wait { $0.last == "insert public.b 2" })
        try run.stop()
        #expect(
            run.log.story == [
                "read public.a 0", "created public.b(id integer) by CREATE TABLE", "read public.b 1",
                "insert public.b 2",
            ])
    }

    @Test func aPartitionIsPartOfItsRoot() throws {
        let (database, run) = try started("CREATE TABLE t (id int PRIMARY KEY)")
        for statement in [
            "CREATE TABLE p (id int PRIMARY KEY, v int) PARTITION BY RANGE (id)",
            "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)", "ALTER TABLE p DROP COLUMN v",
            "DROP TABLE p1", "DROP TABLE p",
        ] {
            try database.exec(statement)
            #expect(eventually { run.store.stage("p") != nil || statement == "DROP TABLE p" })
        }
        #expect(run.log.waitForStory { $0.last?.hasPrefix("dropped public.p(") == true })
        try run.stop()
        #expect(
            run.log.story == [
                "created public.p(id integer, v integer) by CREATE TABLE",
                "altered public.p(id integer, v integer) -> public.p(id integer) by ALTER TABLE",
                "dropped public.p(id integer) by DROP TABLE",
            ])
    }

    @Test func onlyTablesOfThePipelineAreToldOf() throws {
        let (database, run) = try started("CREATE TABLE t1 (id int PRIMARY KEY)", tables: ["public.t*"])
        try database.exec("CREATE TABLE other (id int PRIMARY KEY); DROP TABLE other")
        try database.exec("CREATE TABLE t2 (id int PRIMARY KEY)")
        try database.exec("INSERT INTO t1 VALUES (1)")
        #expect(run.log.wait(count: 1))
        try run.stop()
        #expect(
            run.log.story == [
                "created public.t2(id integer) by CREATE TABLE", "described public.t1(id integer)",
                "insert public.t1 1",
            ])
    }

    @Test func aForgedMessageIsLeftOut() throws {
        let (database, run) = try started("CREATE TABLE t (id int PRIMARY KEY)")
        let oid = try #require(try database.connection.value("SELECT 't'::regclass::oid"))
        try database.exec(
            """
            INSERT INTO t VALUES (1); SELECT pg_logical_emit_message(true, 'weir.ddl', '{"version":1,"key":"guess",\
            "command":"DROP TABLE","dropped":[{"oid":\(oid),"schema":"public","name":"t"}]}');
            SELECT pg_logical_emit_message(true, 'weir.ddl', 'no JSON');
            SELECT pg_logical_emit_message(true, 'other', 'mine'); INSERT INTO t VALUES (2)
            """)
        #expect(run.log.wait(count: 3))
        try run.stop()
        #expect(
            run.log.story == [
                "described public.t(id integer)", "insert public.t 1", "missed", "message other=mine",
                "insert public.t 2",
            ])
        #expect(run.log.identities.map(\.ordinal) == [1, 2, 3])
    }

    @Test func whatTheTextMayHoldStaysOut() throws {
        let (database, run) = try started("CREATE TABLE t (id int PRIMARY KEY)")
        for statement in [
            "CREATE TABLE a AS SELECT 'secret-1'::text AS s",
            "CREATE TABLE b (s text); INSERT INTO b VALUES ('secret-2')",
            "DO $$ BEGIN CREATE TABLE c (s text); PERFORM 'secret-3'; END $$",
            "CREATE ROLE r_\(database.name) PASSWORD 'secret-4'", "/* why; */ -- because\n  create   TABLE d (s text)",
            "DROP ROLE r_\(database.name)",
        ] {
            try database.exec(statement)
        }
        #expect(run.log.waitForStory { $0.contains("created public.d(s text) by CREATE TABLE") })
        try run.stop()
        #expect(
            run.log.story == [
                "created public.a(s text) by CREATE TABLE AS", "created public.b(s text) by CREATE TABLE",
                "created public.c(s text) by CREATE TABLE", "created public.d(s text) by CREATE TABLE",
            ])
        #expect(run.log.statements == ["create   TABLE d (s text)"])
    }

    @Test func aUsersCommandsNeverFailAndNeedNoRights() throws {
        let (database, run) = try started("CREATE TABLE t (id int PRIMARY KEY)")
        let user = "user_\(database.name)"
        try database.exec("CREATE ROLE \(user) LOGIN; GRANT ALL ON SCHEMA public TO \(user)")
        // Nor that of writing messages.
        try database.exec(
            """
            DO $$ DECLARE f regprocedure; BEGIN
                FOR f IN SELECT oid FROM pg_proc WHERE proname = 'pg_logical_emit_message' LOOP
                    EXECUTE 'REVOKE EXECUTE ON FUNCTION ' || f || ' FROM PUBLIC';
                END LOOP; END $$
            """)
        let connection = try database.postgres.connect(database.name, user: user)
        #expect(throws: TestKitError.self) { try connection.exec("SELECT pg_logical_emit_message(true, 'a', 'b')") }
        try connection.exec("CREATE TABLE u1 (id int)")
        // A broken installation: the function's own table is gone.
        try database.exec("ALTER TABLE weir.ddl_key RENAME TO gone")
        try connection.exec("CREATE TABLE u2 (id int); DROP TABLE u1")
        #expect(try connection.value("SELECT count(*) FROM u2") == "0")
        // It told of each that it could not tell of it: at the end of the commands, and where something was dropped.
        #expect(
            run.log.waitForStory {
                $0.prefix(5) == [
                    "created public.u1(id integer) by CREATE TABLE", "missed by ALTER TABLE", "missed by CREATE TABLE",
                    "missed by DROP TABLE", "missed by DROP TABLE",
                ]
            }, "\(run.log.story)")
        try run.stop()
        #expect(throws: TestKitError.self) { try connection.exec("SELECT * FROM weir.gone") }
    }

    @Test func itIsInstalledBySuperusersOnlyAndRemovedByWhatIsPrinted() throws {
        let database = try SourceDatabase()
        let role = "agent_\(database.name)"
        try database.exec(
            """
            CREATE ROLE \(role) LOGIN REPLICATION; GRANT CREATE ON DATABASE \(database.name) TO \(role);
            CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t OWNER TO \(role)
            """)
        var settings = settings(database)
        settings.url = database.postgres.url(database: database.name, user: role)
        let refused = try SourceRun(settings).outcome()
        #expect(refused?.code == .permissionDenied)
        #expect(refused?.message == "The event trigger of `source.ddl: trigger` is not installed")
        func severity() -> Finding.Severity? {
            SourceInspector.inspect(settings).first { $0.subject == "source event trigger" }?.severity
        }
        #expect(severity() == .error)
        // What check prints is enough.
        for statement in try LeastPrivileges.statements(settings) { try database.exec(statement) }
        #expect(severity() == .ok)
        // Switched off for a while, it does not tell of everything, until that is written down.
        try database.exec("ALTER EVENT TRIGGER weir_ddl_drop DISABLE; ALTER EVENT TRIGGER weir_ddl_drop ENABLE ALWAYS")
        #expect(severity() == .warning)
        #expect(try LeastPrivileges.statements(settings).contains { $0.hasPrefix("INSERT INTO weir.ddl_key ") })
        for statement in try LeastPrivileges.statements(settings) { try database.exec(statement) }
        #expect(severity() == .ok)
        #expect(try !LeastPrivileges.statements(settings).contains { $0.contains("INSERT") })
        // One of an older version goes on telling, until somebody brings it up to date.
        try database.exec("COMMENT ON FUNCTION weir.emit_ddl() IS 'Weir, version 2'")
        #expect(severity() == .warning)
        let old = SourceRun(settings)
        try #require(eventually { old.statistics.isStreaming })
        try old.stop()
        for statement in try LeastPrivileges.statements(settings) { try database.exec(statement) }
        #expect(severity() == .ok)
        let run = SourceRun(settings)
        try #require(eventually { run.statistics.isStreaming })
        try database.exec("ALTER TABLE t ADD COLUMN v int")
        #expect(run.log.waitForStory { $0 == ["described public.t(id integer, v integer) by ALTER TABLE"] })
        try run.stop()
        for statement in DefinitionTrigger.removal { try database.exec(statement) }
        #expect(try database.connection.value("SELECT count(*) FROM pg_event_trigger") == "0")
    }
}

@Suite struct DefinitionMessageTests {
    @Test(arguments: [
        "", "[]", "{}", "{\"version\":1}", "{\"version\":4,\"key\":\"k\",\"command\":\"DROP TABLE\"}",
        "{\"version\":1,",
        "{\"version\":1,\"key\":\"k\",\"command\":\"c\"} 1",
    ]) func malformedMessages(_ text: String) {
        #expect(throws: JSONFailure.self) { try DefinitionMessage(Array(text.utf8)) }
    }

    @Test func whatIsNotUnderstoodIsLeftOut() throws {
        let text = """
            {"version":1,"key":"k","command":"ALTER TABLE","tables":[7,{"oid":-1},{"oid":5,"schema":"s","name":"t",\
            "columns":[{"number":99999999,"name":"c","type":23}]}],"dropped":{"oid":1},"enums":[{"labels":["a"]}]}
            """
        let message = try DefinitionMessage(Array(text.utf8))
        #expect(message.tables.count == 1 && message.dropped.isEmpty && message.enums.isEmpty)
        #expect(message.tables[0].definition.columns.map(\.number) == [Int16.max])
        #expect(!message.tables[0].isPermanent && !message.tables[0].tellsKeyTiming)
    }
}
