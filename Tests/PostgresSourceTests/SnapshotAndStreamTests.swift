import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSource

@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct SnapshotAndStreamTests {
    @Test func theRowsThatExistThenEveryChange() throws {
        let database = try SourceDatabase()
        try database.exec(
            """
            CREATE TABLE b (id int PRIMARY KEY, t text); CREATE TABLE a (id int PRIMARY KEY, n numeric(10,2));
            INSERT INTO a VALUES (1, 1.5), (2, NULL); INSERT INTO b VALUES (1, E'tab\\there'), (2, '\\N'), (3, '')
            """)
        let run = SourceRun(database.settings())
        #expect(run.log.wait(count: 5))
        try database.exec("UPDATE a SET n = 2 WHERE id = 1; DELETE FROM b WHERE id = 2")
        try database.exec("TRUNCATE b")
        try database.exec("SELECT pg_logical_emit_message(true, 'p', 'hello')")
        #expect(run.log.wait(count: 9))
        #expect(
            run.log.events == [
                "read public.a 1,1.50", "read public.a 2,NULL", "read public.b 1,tab\there", "read public.b 2,\\N",
                "read public.b 3,", "update public.a 1,2.00", "delete public.b was 2,NULL", "truncate public.b",
                "message p=hello",
            ])
        #expect(run.log.identities == run.log.identities.sorted())
        #expect(try run.stop() == nil)
        let slot = try database.slot("active")
        #expect(slot == "false")
    }

    @Test func snapshotBatchesAreMarked() throws {
        let database = try SourceDatabase()
        try database.exec(
            """
            CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY);
            CREATE TABLE c (id int PRIMARY KEY);
            INSERT INTO b SELECT generate_series(1, 10)
            """)
        let run = SourceRun(database.settings(), limits: BatchLimits(rowsMax: 4))
        #expect(run.log.wait(count: 10))
        #expect(eventually { run.log.parts.last?.isLast == true })
        let parts = run.log.parts
        #expect(parts.map(\.isFirst) == [true, false, false, false, false])
        #expect(parts.map(\.isFirstOfTable) == [true, true, false, false, true])
        #expect(parts.map(\.isLastOfTable) == [true, false, false, true, true])
        #expect(parts.map(\.holdsLastRow) == [false, false, false, true, false])
        #expect(parts.map(\.isLast) == [false, false, false, false, true])
        #expect(run.log.lastEnd == parts[0].consistentPoint)
        try run.stop()
    }

    @Test func nothingIsLostOrDoubledAroundTheSnapshot() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 20000)")
        let writer = Background {
            let connection = try database.postgres.connect(database.name)
            for id in 20_001...20_400 { try connection.exec("INSERT INTO t VALUES (\(id))") }
        }
        let run = SourceRun(database.settings())
        try writer.value()
        #expect(run.log.wait(count: 20_400))
        try run.stop()
        let ids = run.log.events.map { $0.split(separator: " ")[2] }
        #expect(ids.count == 20_400 && Set(ids).count == 20_400)
    }

    @Test(arguments: [
        ("TRUNCATE late; INSERT INTO late VALUES (7, 7)", ["7"]),
        ("ALTER TABLE late ALTER v TYPE bigint", ["1", "2"]),
        ("TRUNCATE late_2", ["1"]), ("VACUUM FULL late", ["1", "2"]),
    ])
    func aTableWrittenAnewBeforeItsTurnIsNotTakenForEmpty(_ statement: String, _ ids: [String]) throws {
        let database = try SourceDatabase()
        let isPartitioned = statement.hasSuffix("late_2")
        try database.exec(
            """
            CREATE TABLE early (id int PRIMARY KEY, filler text);
            INSERT INTO early SELECT g, repeat('x', 2000) FROM generate_series(1, 10000) g;
            CREATE TABLE late (id int PRIMARY KEY, v int) \(isPartitioned ? "PARTITION BY LIST (id)" : "");
            \(isPartitioned ? "CREATE TABLE late_1 PARTITION OF late FOR VALUES IN (1)" : "");
            \(isPartitioned ? "CREATE TABLE late_2 PARTITION OF late FOR VALUES IN (2)" : "");
            INSERT INTO late VALUES (1, 1), (2, 2)
            """)
        let log = EventLog()
        log.block(true)
        let run = SourceRun(database.settings(tables: ["public.early", "public.late"]), log: log)
        // The first table does not fit into the sink's queue: the second one has to wait.
        try #require(eventually { run.statistics.rowsIn > 1000 })
        for part in statement.split(separator: ";") { try database.exec(String(part)) }
        log.block(false)
        try #require(eventually { log.parts.last?.isLast == true })
        let late = log.events.filter { $0.hasPrefix("read public.late ") }
        #expect(late.map { $0.split(separator: " ")[2].prefix { $0 != "," } } == ids.map { Substring($0) })
        #expect(try run.stop() == nil)
    }

    @Test func aTransactionOpenAtTheSnapshotComesOnce() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
        let open = try database.postgres.connect(database.name)
        try open.exec("BEGIN; INSERT INTO t VALUES (2)")
        let run = SourceRun(database.settings())
        // The slot's creation waits for the transaction.
        #expect(eventually { try database.connection.number("SELECT count(*) FROM pg_replication_slots") ?? 0 > 0 })
        try open.exec("COMMIT")
        #expect(run.log.wait(count: 2))
        try run.stop()
        #expect(run.log.events == ["read public.t 1", "read public.t 2"])
    }

    @Test func aStopWhileTheSlotIsMadeLeavesNothingBehind() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE t (id int PRIMARY KEY)")
        let open = try database.postgres.connect(database.name)
        try open.exec("BEGIN; INSERT INTO t VALUES (2)")
        let run = SourceRun(database.settings())
        #expect(eventually { try database.slot("slot_name") != nil })
        #expect(try run.stop() == nil)
        try open.exec("ROLLBACK")
        #expect(eventually { try database.slot("slot_name") == nil })
    }

    @Test func withoutASnapshotOnlyChangesCome() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
        let run = SourceRun(database.settings(snapshot: .never))
        #expect(eventually { run.statistics.isStreaming })
        try database.exec("INSERT INTO t VALUES (2)")
        #expect(run.log.wait(count: 1))
        try run.stop()
        #expect(run.log.events == ["insert public.t 2"])
    }

    @Test func onlyCopiesAndEnds() throws {
        let database = try SourceDatabase()
        try database.exec("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)")
        let run = SourceRun(database.settings(snapshot: .only))
        #expect(try run.outcome() == nil)
        #expect(run.log.events == ["read public.t 1", "read public.t 2"])
        #expect(run.log.parts.allSatisfy { $0.purpose == .backfill } && run.log.ends.isEmpty)
        let left = try database.connection.number(
            "SELECT (SELECT count(*) FROM pg_publication) "
                + "+ (SELECT count(*) FROM pg_replication_slots WHERE database = current_database())"
        )
        #expect(left == 0)
    }

    @Test func rowFiltersColumnListsAndRootsHoldForSnapshotAndStream() throws {
        let database = try SourceDatabase()
        try database.exec(
            """
            CREATE TABLE f (id int PRIMARY KEY, secret text, v int);
            CREATE TABLE p (id int, v int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
            CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
            CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200);
            CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (more int, PRIMARY KEY (id)) INHERITS (parent);
            INSERT INTO f VALUES (1, 'hidden', 5), (2, 'hidden', 50); INSERT INTO p VALUES (1, 1), (150, 2);
            INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 3);
            CREATE PUBLICATION theirs FOR TABLE f (id, v) WHERE (id <> 2), p, parent
            WITH (publish_via_partition_root = true)
            """)
        var settings = database.settings(tables: [])
        settings.publication = "theirs"
        let run = SourceRun(settings)
        #expect(run.log.wait(count: 5))
        try database.exec("INSERT INTO f VALUES (3, 'hidden', 7); INSERT INTO f VALUES (2000, 'x', 1)")
        try database.exec("INSERT INTO p VALUES (151, 9)")
        #expect(run.log.wait(count: 8))
        try run.stop()
        #expect(
            run.log.events == [
                "read public.child 2,3", "read public.f 1,5", "read public.p 1,1", "read public.p 150,2",
                "read public.parent 1", "insert public.f 3,7", "insert public.f 2000,1", "insert public.p 151,9",
            ])
    }

    @Test func hostileNamesValuesAndSettings() throws {
        let database = try SourceDatabase()
        try database.exec(
            """
            CREATE SCHEMA "Odd ""s"; CREATE TABLE "Odd ""s"."t.'; --"
            ("I d" int PRIMARY KEY, "$1" timestamptz, f float8, b bytea);
            INSERT INTO "Odd ""s"."t.'; --" VALUES (1, '2024-03-04 05:06:07+00', 0.1, '\\x00ff');
            CREATE FUNCTION public.count(text) RETURNS int LANGUAGE sql AS 'SELECT 1/0';
            """)
        try database.exec("ALTER DATABASE \(database.name) SET datestyle = 'SQL, DMY'")
        try database.exec("ALTER DATABASE \(database.name) SET timezone = 'Asia/Kathmandu'")
        try database.exec("ALTER DATABASE \(database.name) SET bytea_output = 'escape'")
        try database.exec("ALTER DATABASE \(database.name) SET extra_float_digits = -5")
        try database.exec("ALTER DATABASE \(database.name) SET statement_timeout = '1ms'")
        let run = SourceRun(database.settings(tables: ["\"Odd \"\"s\".*"]))
        #expect(run.log.wait(count: 1))
        let other = try database.postgres.connect(database.name)
        try other.exec("SET statement_timeout = 0; UPDATE \"Odd \"\"s\".\"t.'; --\" SET f = 0.1::float8 + 0.2::float8")
        #expect(run.log.wait(count: 2))
        try run.stop()
        #expect(
            run.log.events == [
                "read \"Odd \"\"s\".\"t.'; --\" 1,2024-03-04 05:06:07+00,0.1,\\x00ff",
                "update \"Odd \"\"s\".\"t.'; --\" 1,2024-03-04 05:06:07+00,0.30000000000000004,\\x00ff",
            ])
    }
}
