import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSource

/// Events carry the schema in force at their point of the log, whether Weir reads at once or long after: then every
/// statement is done before it reads the first change, and the catalog is ahead of the log.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct LaggingSchemaTests {
    /// The log of a run that reads these statements' changes, each a transaction of its own, while they are made or
    /// after all of them. With `isPrompt` a run that does not lag reads each row before the next statement.
    private func log(
        _ setup: String, _ statements: [String], count: Int, isLagging: Bool, tables: [String] = ["public.*"],
        isPrompt: Bool = false
    ) throws -> EventLog {
        let database = try SourceDatabase()
        try database.exec(setup)
        let settings = database.settings(tables: tables, snapshot: .never)
        let first = SourceRun(settings)
        try #require(eventually { first.statistics.isStreaming })
        if isLagging {
            try first.stop()
            #expect(first.log.events.isEmpty)
        }
        var rows = 0
        for statement in statements {
            try database.exec(statement)
            guard isPrompt, !isLagging, !statement.hasPrefix("ALTER") else { continue }
            rows += 1
            #expect(first.log.wait(count: rows))
        }
        let run = isLagging ? SourceRun(settings, store: first.store) : first
        #expect(run.log.wait(count: count))
        try run.stop()
        return run.log
    }

    @Test(arguments: [false, true]) func oneStatementAfterTheOther(isLagging: Bool) throws {
        let log = try log(
            "CREATE TABLE t (id int PRIMARY KEY, a text)",
            [
                "INSERT INTO t VALUES (1, 'x')", "ALTER TABLE t ADD COLUMN b int DEFAULT 7",
                "INSERT INTO t VALUES (2, 'x')", "ALTER TABLE t DROP COLUMN a", "INSERT INTO t VALUES (3, 8)",
                "ALTER TABLE t ADD COLUMN a date", "INSERT INTO t VALUES (4, 9, '2024-02-03')",
                "ALTER TABLE t RENAME COLUMN b TO c", "ALTER TABLE t ALTER COLUMN c TYPE text USING 'n' || c",
                "UPDATE t SET c = c || '!' WHERE id = 4", "ALTER TABLE t RENAME COLUMN id TO key",
                "ALTER TABLE t ALTER COLUMN c SET NOT NULL, ALTER COLUMN c SET DEFAULT 'd'",
                "INSERT INTO t (key) VALUES (5)", "ALTER TABLE t RENAME TO u", "DELETE FROM u WHERE key = 1",
            ], count: 7, isLagging: isLagging)
        #expect(
            log.story == [
                "described public.t(id integer, a text)", "insert public.t 1,x",
                "altered public.t(id integer, a text) -> public.t(id integer, a text, b integer)",
                "insert public.t 2,x,7",
                "altered public.t(id integer, a text, b integer) -> public.t(id integer, b integer)",
                "insert public.t 3,8",
                "altered public.t(id integer, b integer) -> public.t(id integer, b integer, a date)",
                "insert public.t 4,9,2024-02-03",
                "altered public.t(id integer, b integer, a date) -> public.t(id integer, c text, a date)",
                "update public.t 4,n9!,2024-02-03",
                "altered public.t(id integer, c text, a date) -> public.t(key integer, c text, a date)",
                "insert public.t 5,d,NULL",
                "altered public.t(key integer, c text, a date) -> public.u(key integer, c text, a date)",
                "delete public.u was 1,NULL,NULL",
            ])
        // A key's columns are NOT NULL whatever the catalog of later calls them.
        #expect(log.rowKeys == Array(repeating: ["id"], count: 5) + [["key"], ["key"]])
    }

    @Test(arguments: [false, true]) func withinATransaction(isLagging: Bool) throws {
        let log = try log(
            "CREATE TABLE t (id int PRIMARY KEY, a text)",
            [
                """
                INSERT INTO t VALUES (1, 'x'); ALTER TABLE t ADD COLUMN b int DEFAULT 7;
                INSERT INTO t VALUES (2, 'y'); ALTER TABLE t DROP COLUMN a; UPDATE t SET b = 9 WHERE id = 1;
                ALTER TABLE t RENAME TO u; DELETE FROM u WHERE id = 2
                """
            ], count: 4, isLagging: isLagging)
        #expect(
            log.story == [
                "described public.t(id integer, a text)", "insert public.t 1,x",
                "altered public.t(id integer, a text) -> public.t(id integer, a text, b integer)",
                "insert public.t 2,y,7",
                "altered public.t(id integer, a text, b integer) -> public.t(id integer, b integer)",
                "update public.t 1,9", "altered public.t(id integer, b integer) -> public.u(id integer, b integer)",
                "delete public.u was 2,NULL",
            ])
        #expect(log.identities.map(\.ordinal) == [1, 2, 3, 4])
    }

    @Test(arguments: [false, true]) func whatIsRolledBackNeverWas(isLagging: Bool) throws {
        let log = try log(
            "CREATE TABLE t (id int PRIMARY KEY, a text)",
            [
                """
                BEGIN; INSERT INTO t VALUES (1, 'x'); SAVEPOINT s; ALTER TABLE t ADD COLUMN b int;
                INSERT INTO t VALUES (2, 'y', 3); ROLLBACK TO s; INSERT INTO t VALUES (3, 'y');
                SAVEPOINT s; ALTER TABLE t RENAME COLUMN a TO z; INSERT INTO t VALUES (4, 'z'); RELEASE s;
                INSERT INTO t VALUES (5, 'z'); COMMIT
                """,
                "BEGIN; ALTER TABLE t DROP COLUMN z; INSERT INTO t VALUES (6); DROP TABLE t; ROLLBACK",
                "INSERT INTO t VALUES (7, 'w')",
            ], count: 5, isLagging: isLagging)
        #expect(
            log.story == [
                "described public.t(id integer, a text)", "insert public.t 1,x", "insert public.t 3,y",
                "altered public.t(id integer, a text) -> public.t(id integer, z text)", "insert public.t 4,z",
                "insert public.t 5,z", "insert public.t 7,w",
            ])
    }

    @Test(arguments: [false, true]) func thePrimaryKeyChanges(isLagging: Bool) throws {
        let log = try log(
            "CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL, v int)",
            [
                "INSERT INTO t VALUES (1, 'a', 1)",
                "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (code)", "UPDATE t SET id = 2",
                "UPDATE t SET code = 'b'", "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (code, id)",
                "UPDATE t SET id = 3", "ALTER TABLE t DROP CONSTRAINT t_pkey", "INSERT INTO t VALUES (4, 'c', 4)",
            ], count: 5, isLagging: isLagging, isPrompt: true)
        #expect(
            log.events == [
                "insert public.t 1,a,1", "update public.t 2,a,1", "update public.t 2,b,1 was NULL,a,NULL",
                "update public.t 3,b,1 was 2,b,NULL", "insert public.t 4,c,4",
            ])
        // The order of a key that was replaced since is not known: then it is the columns'.
        let pair = isLagging ? ["id", "code"] : ["code", "id"]
        #expect(log.rowKeys == [["id"], ["code"], ["code"], pair, []])
    }

    @Test(arguments: [false, true]) func anEnumChangesAndGoes(isLagging: Bool) throws {
        let log = try log(
            """
            CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE t (id int PRIMARY KEY, m mood, ms mood[])
            """,
            [
                "INSERT INTO t VALUES (1, 'sad', '{ok}')", "ALTER TYPE mood ADD VALUE 'happy'",
                "INSERT INTO t VALUES (2, 'happy', '{happy,NULL}')", "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
                "INSERT INTO t VALUES (3, 'blue', '{}')", "ALTER TYPE mood RENAME TO feeling",
                "INSERT INTO t VALUES (4, 'ok', NULL)", "ALTER TABLE t ALTER COLUMN m TYPE text, DROP COLUMN ms",
                "DROP TYPE feeling", "INSERT INTO t VALUES (5, 'free')",
            ], count: 5, isLagging: isLagging)
        #expect(
            log.events == [
                "insert public.t 1,sad,{ok}", "insert public.t 2,happy,{happy,NULL}", "insert public.t 3,blue,{}",
                "insert public.t 4,ok,NULL", "insert public.t 5,free",
            ])
    }

    @Test(arguments: [false, true]) func aNameLeavesThePatternAndComesBack(isLagging: Bool) throws {
        let log = try log(
            "CREATE TABLE t1 (id int PRIMARY KEY)",
            [
                "INSERT INTO t1 VALUES (1)", "ALTER TABLE t1 RENAME TO y1", "INSERT INTO y1 VALUES (2)",
                "ALTER TABLE y1 RENAME TO t3", "INSERT INTO t3 VALUES (3)",
            ], count: 2, isLagging: isLagging, tables: ["public.t*"])
        #expect(
            log.story == [
                "described public.t1(id integer)", "insert public.t1 1",
                "altered public.t1(id integer) -> public.y1(id integer)", "described public.t3(id integer)",
                "insert public.t3 3",
            ])
    }
}
