import Synchronization
import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSource

/// Tables that come into the stream while it runs: their rows are copied, then their changes follow.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct NewTableTests {
    private func settings(
        _ database: SourceDatabase, tables: [String] = ["public.*"],
        snapshot: PostgresSourceSettings.Snapshot = .initial, publication: String? = nil
    ) -> PostgresSourceSettings {
        var settings = database.settings(tables: tables, snapshot: snapshot)
        settings.discoveryInterval = .milliseconds(100)
        if let publication { settings.publication = publication }
        return settings
    }

    /// A run that streams one table, `a`, with one row.
    private func started(
        _ setup: String = "", tables: [String] = ["public.*"], snapshot: PostgresSourceSettings.Snapshot = .initial,
        publication: String? = nil, on server: PrivatePostgres? = nil
    ) throws -> (SourceDatabase, SourceRun) {
        let database = try SourceDatabase(server)
        try database.exec("CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (0); \(setup)")
        let run = SourceRun(settings(database, tables: tables, snapshot: snapshot, publication: publication))
        try #require(eventually { run.statistics.isStreaming })
        if snapshot == .initial { try #require(eventually { run.store.position != nil }) }
        return (database, run)
    }

    private func isPublished(_ table: String, _ database: SourceDatabase) throws -> Bool {
        try database.connection.value(
            "SELECT count(*) FROM pg_publication_tables WHERE tablename = $1", [table]) == "1"
    }

    /// What these events make of an empty table; nil when they do not fit: a row twice, or a change of a row that is
    /// not there.
    private func replay(_ events: [String], _ table: String) -> [String: String]? {
        var rows: [String: String] = [:]
        for event in events {
            let words = event.split(separator: " ").map(String.init)
            guard words.count >= 3, words[1] == "public.\(table)" else { continue }
            let values = words[words[2] == "was" ? 3 : 2].split(separator: ",", maxSplits: 1).map(String.init)
            let isThere = rows[values[0]] != nil
            switch words[0] {
            case "read", "insert":
                if isThere { return nil }
                rows[values[0]] = values[1]
            case "update":
                if !isThere { return nil }
                rows[values[0]] = values[1]
            case "delete":
                if !isThere { return nil }
                rows[values[0]] = nil
            default: return nil
            }
        }
        return rows
    }

    private func content(_ table: String, _ database: SourceDatabase) throws -> [String: String] {
        let rows = try database.connection.query("SELECT id::text, v::text FROM \(table)")
        return Dictionary(uniqueKeysWithValues: rows.map { ($0[0] ?? "", $0[1] ?? "") })
    }

    @Test func aTableThatIsCreatedIsCopiedThenStreamed() throws {
        let (database, run) = try started()
        try database.exec("CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b VALUES (1, 'x'), (2, 'y')")
        #expect(run.log.wait { $0.contains("read public.b 2,y") })
        try database.exec("INSERT INTO b VALUES (3, 'z'); UPDATE b SET v = 'w' WHERE id = 1")
        try database.exec("DELETE FROM b WHERE id = 2")
        try database.exec("CREATE TABLE c (id int PRIMARY KEY)")
        #expect(run.log.wait { $0.last == "delete public.b was 2,NULL" })
        #expect(eventually { run.store.stage("b") == .followed && run.store.stage("c") == .followed })
        try database.exec("INSERT INTO c VALUES (1)")
        #expect(run.log.wait { $0.last == "insert public.c 1" })
        try run.stop()
        #expect(
            run.log.events == [
                "read public.a 0", "read public.b 1,x", "read public.b 2,y", "insert public.b 3,z",
                "update public.b 1,w", "delete public.b was 2,NULL", "insert public.c 1",
            ])
        #expect(run.log.identities == run.log.identities.sorted())
        #expect(Set(run.log.identities).count == 7)
        let parts = run.log.parts.filter { $0.purpose == .addition }
        // An empty table has a batch as well: that is how a target learns of it.
        #expect(parts.filter(\.isFirstOfTable).count == 2 && parts.filter(\.isLast).count == 2)
        #expect(run.statistics.failures == 0)
    }

    @Test func noRowIsMissedAndNoneComesTwice() throws {
        let (database, run) = try started()
        try database.exec("CREATE TABLE b (id int PRIMARY KEY, v int)")
        try database.exec("INSERT INTO b SELECT g, 0 FROM generate_series(100000, 120000) g")
        let writers = (0..<2).map { number in
            Background {
                let connection = try database.postgres.connect(database.name)
                for round in 1...400 {
                    let id = round * 2 + number
                    try connection.exec(
                        """
                        INSERT INTO b VALUES (\(id), 0); UPDATE b SET v = v + 1 WHERE id = \(id - 20);
                        UPDATE b SET v = v + 1 WHERE id = \(100_000 + round); DELETE FROM b WHERE id = \(id - 100);
                        INSERT INTO a VALUES (\(id))
                        """)
                }
            }
        }
        for writer in writers { try writer.value(timeout: .seconds(120)) }
        #expect(run.log.wait(.seconds(60)) { $0.contains("read public.b 120000,0") })
        try database.exec("INSERT INTO b VALUES (-1, -1)")
        #expect(run.log.wait(.seconds(60)) { $0.last == "insert public.b -1,-1" })
        try run.stop()
        #expect(replay(run.log.events, "b") == (try content("b", database)))
        #expect(run.log.events.filter { $0.hasPrefix("insert public.a") }.count == 800)
        #expect(Set(run.log.identities).count == run.log.identities.count)
    }

    @Test func aWriterFromBeforeThePublicationIsWaitedFor() throws {
        let (database, run) = try started()
        let writer = try database.postgres.connect(database.name)
        // Weir's look comes while the writer is in the middle of his transaction.
        try database.exec("CREATE TABLE b (id int PRIMARY KEY, v int); INSERT INTO b VALUES (1, 1)")
        try writer.exec("BEGIN; INSERT INTO b VALUES (2, 2)")
        #expect(eventually { try isPublished("b", database) })
        try writer.exec("INSERT INTO b VALUES (3, 3)")
        try database.exec("INSERT INTO b VALUES (4, 4); INSERT INTO a VALUES (1)")
        #expect(run.log.wait { $0.contains("insert public.a 1") })
        try writer.exec("UPDATE b SET v = 5 WHERE id = 2; COMMIT")
        #expect(run.log.wait { $0.filter { $0.contains("public.b") }.count >= 4 })
        try database.exec("DELETE FROM b WHERE id = 3")
        #expect(run.log.wait { $0.last == "delete public.b was 3,NULL" })
        try run.stop()
        #expect(replay(run.log.events, "b") == ["1": "1", "2": "5", "4": "4"])
    }

    @Test func aForeignPublicationsNewTablesAreCopied() throws {
        let (database, run) = try started(
            """
            CREATE TABLE b (id int PRIMARY KEY, v int); INSERT INTO b VALUES (1, 1);
            CREATE TABLE c (id int PRIMARY KEY, v int); INSERT INTO c VALUES (1, 1);
            CREATE PUBLICATION theirs FOR TABLE a
            """, tables: ["public.*", "!public.c"], publication: "theirs")
        try database.exec("ALTER PUBLICATION theirs ADD TABLE b, c")
        #expect(run.log.wait { $0.contains("read public.b 1,1") })
        try database.exec("INSERT INTO b VALUES (2, 2); INSERT INTO c VALUES (2, 2)")
        // Out and in again: what happened between is in the new copy.
        #expect(run.log.wait { $0.last == "insert public.b 2,2" })
        #expect(eventually { run.store.stage("b") != nil })
        try database.exec("ALTER PUBLICATION theirs DROP TABLE b; INSERT INTO b VALUES (3, 3)")
        #expect(eventually { run.store.stage("b") == nil })
        try database.exec("ALTER PUBLICATION theirs ADD TABLE b")
        #expect(run.log.wait { $0.contains("read public.b 3,3") })
        try run.stop()
        #expect(
            run.log.events == [
                "read public.a 0", "read public.b 1,1", "insert public.b 2,2", "read public.b 1,1",
                "read public.b 2,2", "read public.b 3,3",
            ])
    }

    @Test func aPublicationOfAllTablesStreamsNewOnesFromTheirCreation() throws {
        let (database, run) = try started(
            "CREATE TABLE x (id int PRIMARY KEY); INSERT INTO x VALUES (1); CREATE PUBLICATION theirs FOR ALL TABLES",
            tables: ["public.*", "!public.x*"], publication: "theirs")
        try database.exec("CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b VALUES (1); INSERT INTO x VALUES (2)")
        #expect(run.log.wait { $0.contains("insert public.b 1") })
        #expect(eventually { run.store.stage("b") == .followed && run.store.stage("x") == .ignored })
        // A table that was there before, and fits from now on, is copied.
        try database.exec("ALTER TABLE x RENAME TO d")
        try database.exec("INSERT INTO d VALUES (3)")
        #expect(run.log.wait { $0.contains("read public.d 3") })
        try database.exec("INSERT INTO d VALUES (4)")
        #expect(run.log.wait { $0.last == "insert public.d 4" })
        try run.stop()
        #expect(
            run.log.events == [
                "read public.a 0", "insert public.b 1", "read public.d 1", "read public.d 2", "read public.d 3",
                "insert public.d 4",
            ])
    }

    @Test func withoutSnapshotsOnlyLaterChangesCome() throws {
        let (database, run) = try started(snapshot: .never)
        try database.exec("CREATE TABLE b (id int PRIMARY KEY, v int); INSERT INTO b VALUES (1, 1)")
        #expect(eventually { try isPublished("b", database) })
        try database.exec("INSERT INTO b VALUES (2, 2)")
        #expect(run.log.wait(count: 1))
        try run.stop()
        #expect(run.log.events == ["insert public.b 2,2"])
    }

    @Test func aTableIsDroppedAndMadeAnew() throws {
        let (database, run) = try started("CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b VALUES (1)")
        try database.exec("INSERT INTO b VALUES (2)")
        try database.exec("DROP TABLE b; CREATE TABLE b (name text PRIMARY KEY); INSERT INTO b VALUES ('x')")
        #expect(run.log.wait { $0.contains("read public.b x") })
        try database.exec("INSERT INTO b VALUES ('y')")
        #expect(run.log.wait { $0.last == "insert public.b y" })
        try run.stop()
        #expect(
            run.log.events == [
                "read public.a 0", "read public.b 1", "insert public.b 2", "read public.b x", "insert public.b y",
            ])
    }

    @Test func aTableComesWhileWeirIsBehind() throws {
        let (database, first) = try started("CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b VALUES (1)")
        try #require(first.log.wait { $0.contains("read public.b 1") })
        try first.stop()
        try database.exec("INSERT INTO b VALUES (2)")
        try database.exec("DROP TABLE b; CREATE TABLE b (name text PRIMARY KEY); INSERT INTO b VALUES ('x')")
        // The old table's changes stand before the new table's rows.
        let second = SourceRun(settings(database), store: first.store)
        #expect(second.log.wait { $0.contains("read public.b x") })
        try second.stop()
        #expect(second.log.events == ["insert public.b 2", "read public.b x"])
    }

    // MARK: - Crashes

    @Test func aCrashInTheMiddleOfACopyTakesItAnew() throws {
        let (database, first) = try started()
        first.log.state.update { $0.blockAfter = 100 }
        try database.exec(
            "CREATE TABLE b (id int PRIMARY KEY, v int); INSERT INTO b SELECT g, g FROM generate_series(1, 30000) g")
        #expect(first.log.wait { $0.filter { $0.hasPrefix("read public.b") }.count >= 100 })
        try database.exec("UPDATE b SET v = -1 WHERE id = 1; DELETE FROM b WHERE id = 2")
        try first.crash()
        #expect(first.store.stage("b") == nil)
        let second = SourceRun(settings(database), store: first.store)
        #expect(second.log.wait { $0.contains("read public.b 30000,30000") })
        try database.exec("INSERT INTO b VALUES (0, 0)")
        #expect(second.log.wait { $0.last == "insert public.b 0,0" })
        try second.stop()
        #expect(replay(second.log.events, "b") == (try content("b", database)))
    }

    @Test func afterARestartWhatTheCopySawIsStillLeftOut() throws {
        let (database, first) = try started("CREATE TABLE b (id int PRIMARY KEY, v int)")
        try first.stop()
        // As if b had been copied between the two rows, with the stream behind.
        try database.exec("INSERT INTO b VALUES (1, 1)")
        let seen = try #require(try database.connection.value("SELECT txid_current_snapshot()::text"))
        try database.exec("INSERT INTO b VALUES (2, 2)")
        let bound = try #require(try database.walEnd())
        let oid = try #require(try database.connection.value("SELECT 'b'::regclass::oid").flatMap { UInt32($0) })
        try first.store.update(
            tables: [
                KnownTable(
                    oid: oid, name: TableName(schema: "public", name: "b"),
                    stage: .copied(snapshot: seen, bound: bound))
            ], removing: [])
        let second = SourceRun(settings(database), store: first.store)
        #expect(second.log.wait(count: 1))
        try database.exec("UPDATE b SET v = 3 WHERE id = 1")
        #expect(second.log.wait(count: 2))
        #expect(eventually { second.store.stage("b") == .followed })
        try second.stop()
        #expect(second.log.events == ["insert public.b 2,2", "update public.b 1,3"])
    }

    @Test func theServerIsAnsweredWhileACopyIsStuck() throws {
        let server = try PrivatePostgres(["wal_sender_timeout": "1s"])
        let (database, run) = try started(on: server)
        try #require(eventually { try database.slot("active_pid") != nil })
        let pid = try database.slot("active_pid")
        run.log.state.update { $0.blockAfter = 10 }
        try database.exec("CREATE TABLE b (id int PRIMARY KEY, v text)")
        try database.exec("INSERT INTO b SELECT g, repeat('x', 1000) FROM generate_series(1, 40000) g")
        #expect(run.log.wait { $0.count >= 10 })
        let last = try server.connect().value("SELECT clock_timestamp()::text")
        #expect(
            eventually {
                try server.connect().value("SELECT (clock_timestamp() > $1::timestamptz + '4 s')::text", [last])
                    == "true"
            })
        #expect(try database.slot("active_pid") == pid && pid != nil)
        run.log.block(false)
        try database.exec("INSERT INTO b VALUES (0, 'last')")
        #expect(run.log.wait(.seconds(60)) { $0.last == "insert public.b 0,last" })
        #expect(run.statistics.failures == 0)
        try run.stop()
        #expect(run.log.events.count == 40_002)
    }

    @Test func aTableThatIsNotOursKeepsNoOtherOut() throws {
        let database = try SourceDatabase()
        let role = "owner_\(database.name)"
        try database.exec(
            """
            CREATE ROLE \(role) LOGIN REPLICATION; GRANT CREATE ON DATABASE \(database.name) TO \(role);
            GRANT ALL ON SCHEMA public TO \(role); CREATE TABLE a (id int PRIMARY KEY); ALTER TABLE a OWNER TO \(role);
            INSERT INTO a VALUES (0)
            """)
        var settings = settings(database)
        settings.url = database.postgres.url(database: database.name, user: role)
        let run = SourceRun(settings)
        #expect(run.log.wait(count: 1))
        try database.exec("CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY)")
        try database.exec("INSERT INTO c VALUES (1)")
        try database.exec("ALTER TABLE c OWNER TO \(role)")
        #expect(run.log.wait { $0.contains("read public.c 1") })
        try database.exec("INSERT INTO a VALUES (1)")
        #expect(run.log.wait { $0.last == "insert public.a 1" })
        #expect(run.statistics.failures == 0)
        try run.stop()
    }
}

@Suite struct TransactionSnapshotTests {
    @Test func itSeesWhatHadEnded() throws {
        let snapshot = try #require(TransactionSnapshot("10:20:12,15"))
        #expect([3, 9, 10, 11, 13, 19].allSatisfy { snapshot.sees($0) })
        #expect(![12, 15, 20, 21, 4000].contains { snapshot.sees($0) })
    }

    @Test func idsWrapAround() throws {
        let epoch: UInt64 = 5 << 32
        let snapshot = try #require(TransactionSnapshot("\(epoch - 3):\(epoch + 4):\(epoch - 2),\(epoch + 1)"))
        #expect([UInt32.max - 10, .max - 2, .max, 0, 2, 3].allSatisfy { snapshot.sees($0) })
        #expect(![UInt32.max - 1, 1, 4, 100].contains { snapshot.sees($0) })
    }

    @Test(arguments: ["", "1:2", "1:2:3:4", "a:2:", "5:2:", "1:9:x", "1:9:-3"]) func malformedText(_ text: String) {
        #expect(TransactionSnapshot(text) == nil)
    }
}
