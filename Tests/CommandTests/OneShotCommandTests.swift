import Glibc
import Testing
import WeirTestKit

/// `backfill`, `tail`, `check`, `status` and `slot` against a real server.
@Suite(.needsPostgres, .tags(.integration), .timeLimit(.minutes(5))) struct OneShotCommandTests {
    // MARK: - backfill

    @Test func backfillCopiesAndLeavesNothing() throws {
        let pair = try DatabasePair()
        try pair.fill(1000)
        let result = try pair.weir(["backfill", "--table", "public.*", "--json"])
        #expect(result.exit == .status(0), "\(result.errors)")
        #expect(try pair.target.number("SELECT count(*) FROM t") == 1000)
        #expect(result.output.last?.hasPrefix("{\"event\":\"done\",\"rows\":1000,") == true)
        #expect(result.errors.contains { $0.contains("copied rows=1000") })
        #expect(try pair.leftovers() == 0)
    }

    @Test func backfillOfNoTableFails() throws {
        let pair = try DatabasePair()
        let result = try pair.weir(["backfill", "--table", "nowhere.*"])
        #expect(result.exit == .status(1))
        #expect(result.errors.first?.contains("There is no table to copy: patterns: nowhere.*") == true)
    }

    @Test(
        arguments: [
            ["--table", "a.b.c"], ["--json", "--set", "sinks=[{type: stdout}]"], ["--workers", "0"],
            ["--workers", "x"], ["--workers", "65"], ["--workers", "-1"], ["--workers", ""],
        ])
    func backfillWithWrongOptionsIsUsage(options: [String]) throws {
        #expect(try DatabasePair().weir(["backfill"] + options).exit == .status(2))
    }

    @Test func aBackfillThatIsKilledGoesOnWithTheTablesThatAreLeft() throws {
        let pair = try DatabasePair()
        for (side, rows) in [(pair.source, 5000), (pair.target, 0)] {
            for name in ["a", "b", "c"] {
                try side.exec(
                    """
                    CREATE TABLE \(name) (id int PRIMARY KEY, v text);
                    INSERT INTO \(name) SELECT g, repeat('x', 500) FROM generate_series(1, \(rows)) g
                    """)
            }
        }
        // A large table, read in parts by several workers.
        try pair.source.exec(
            """
            ALTER TABLE b ALTER v SET STORAGE PLAIN;
            INSERT INTO b SELECT g, repeat('x', 4000) FROM generate_series(5001, 15000) g
            """)
        let target = try #require(try pair.target.value("SELECT current_database()"))
        let blocker = try pair.server.connect(target)
        try blocker.exec("BEGIN; LOCK TABLE c")
        let killed = try WeirProcess(["backfill", "--workers", "3"], workingDirectory: pair.folder.path)
        // Locks of other tests' databases are seen here, too.
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'c'::regclass"
        try #require(eventually { try pair.target.number(waiting) ?? 0 > 0 })
        killed.kill9()
        _ = try killed.waitForExit()
        try blocker.exec("ROLLBACK")
        #expect(try pair.target.number("SELECT count(*) FROM a") == 5000)
        // A table that is done is left out: the row stays gone.
        try pair.target.exec("DELETE FROM a WHERE id = 1")
        let result = try pair.weir(["backfill", "--workers", "3"])
        #expect(result.exit == .status(0), "\(result.errors)")
        let sums = { (name: String) in "SELECT count(*), sum(id), sum(length(v)) FROM \(name)" }
        for name in ["b", "c", "t"] {
            #expect(try pair.source.query(sums(name)) == pair.target.query(sums(name)), "\(name)")
        }
        #expect(try pair.target.number("SELECT count(*) FROM a") == 4999)
        #expect(try pair.leftovers() == 0)
    }

    @Test func backfillPrintsToTheStandardOutputTwice() throws {
        let pair = try DatabasePair()
        try pair.fill(5)
        for _ in 1...2 {
            let result = try pair.weir(["backfill", "--set", "sinks=[{type: stdout, format: flat}]"])
            #expect(result.exit == .status(0) && result.output.count == 5, "\(result.errors)")
        }
    }

    // MARK: - tail

    @Test func tailPrintsSoManyChangesAndLeavesNothing() throws {
        let pair = try DatabasePair()
        let weir = try WeirProcess(["tail", pair.sourceURL, "-t", "public.t", "-n", "3", "--log-level", "info"])
        try pair.waitForActiveSlot()
        try pair.fill(2)
        try pair.fill(0)
        try pair.source.exec("INSERT INTO t SELECT g, 'more' FROM generate_series(10, 20) g")
        #expect(try weir.waitForExit() == .status(0))
        #expect(weir.outputLines.count == 3)
        #expect(weir.outputLines.last?.contains("\"value\":{\"id\":10,\"v\":\"more\"}") == true)
        #expect(try pair.leftovers() == 0)
    }

    @Test func tailEndsInOrderOnASignalAndTakesAConfiguration() throws {
        let pair = try DatabasePair("transforms: [{drop: {table: public.t, columns: [v]}}]")
        let weir = try WeirProcess(["tail", "--format", "debezium"], workingDirectory: pair.folder.path)
        try pair.waitForActiveSlot()
        try pair.fill(1)
        let line = try weir.waitForOutputLine(containing: "\"op\":\"c\"")
        #expect(line.contains("\"after\":{\"id\":1}"))
        weir.signal(SIGINT)
        #expect(try weir.waitForExit() == .status(0))
        #expect(try pair.leftovers() == 0)
        #expect(try pair.target.number("SELECT count(*) FROM t") == 0)
    }

    @Test(arguments: [["-n", "0"], ["-n", "x"], ["--set", "a=b"], ["-t", "\"open"]])
    func tailWithWrongOptionsIsUsage(options: [String]) throws {
        #expect(try WeirProcess.run(["tail", "postgresql://127.0.0.1:1/x"] + options).exit == .status(2))
    }

    // MARK: - check

    @Test func checkFindsNothingWrongAndChangesNothing() throws {
        let pair = try DatabasePair()
        let result = try pair.weir(["check"])
        #expect(result.exit == .status(0), "\(result.output)")
        #expect(result.output.first == "ok: configuration: weir.yaml has no problem")
        #expect(result.output.contains("ok: state ./weir-state: It does not exist yet and is made at the first start"))
        #expect(result.output.contains { $0.hasPrefix("    ALTER ROLE ") })
        #expect(result.errors.isEmpty)
        #expect(try pair.leftovers() == 0)
        #expect(try pair.target.number("SELECT count(*) FROM pg_namespace WHERE nspname = 'weir'") == 0)
        #expect(access(pair.folder.file("weir-state"), F_OK) != 0)
    }

    @Test func checkTellsEverythingThatIsWrong() throws {
        let pair = try DatabasePair()
        try pair.source.exec("CREATE TABLE plain (id int PRIMARY KEY)")
        let settings = [
            "--set", "state.path=/nowhere/state", "--set", "sinks[1]={type: kafka, brokers: '127.0.0.1:1'}",
        ]
        let result = try pair.weir(["check"] + settings)
        #expect(result.exit == .status(1))
        for subject in ["state /nowhere/state", "sink kafka", "sink postgres"] {
            #expect(result.output.contains { $0.hasPrefix("error: \(subject)") && $0.contains(" — ") }, "\(subject)")
        }
        let json = try pair.weir(["check", "--json", "--set", "state.path=/nowhere/state"])
        #expect(json.exit == .status(1))
        #expect(json.output.count == 1 && json.output.first?.contains("\"severity\":\"error\"") == true)
    }

    @Test func checkHoldsTheTargetAgainstWhatComesOutOfTheTransforms() throws {
        let pair = try DatabasePair("transforms: [{rename: {table: public.t, to: u}}]")
        let result = try pair.weir(["check"])
        #expect(result.exit == .status(1))
        #expect(result.output.contains { $0.hasPrefix("error: sink postgres: target table public.u: ") })
        try pair.target.exec("ALTER TABLE t RENAME TO u")
        #expect(try pair.weir(["check"]).exit == .status(0))
    }

    // MARK: - status and slot

    @Test func statusAndSlotsBeforeAfterAndWhenDropped() throws {
        let pair = try DatabasePair()
        let before = try pair.weir(["status"])
        #expect(before.exit == .status(0))
        #expect(before.output.contains("slot      weir_\(pair.pipeline): does not exist"))
        #expect(before.output.contains("sink      postgres: no position yet"))
        try pair.fill(3)
        #expect(try pair.weir(["run", "--until-lsn", pair.end()]).exit == .status(0))
        let after = try pair.weir(["status", "--json"])
        #expect(after.exit == .status(0))
        #expect(after.output.first?.contains("\"plugin\":\"pgoutput\"") == true)
        #expect(after.output.first?.contains("\"healthy\":true") == true)
        #expect(after.output.first?.firstMatch(of: /"position":"[0-9A-F]+\/[0-9A-F]+"/) != nil)
        let list = try pair.weir(["slot", "list", pair.sourceURL])
        #expect(list.output.contains { $0.hasPrefix("weir_\(pair.pipeline) ") && $0.contains("free") })
        let drop = try pair.weir(["slot", "drop"])
        #expect(drop.exit == .status(0), "\(drop.errors)")
        #expect(drop.output.contains("dropped slot weir_\(pair.pipeline)"))
        #expect(drop.output.contains("dropped publication weir_\(pair.pipeline)"))
        let forgot = /forgot position [0-9A-F]+\/[0-9A-F]+ of sink postgres/
        #expect(drop.output.contains { $0.wholeMatch(of: forgot) != nil })
        #expect(try pair.leftovers() == 0)
        #expect(try !pair.weir(["slot", "list", pair.sourceURL]).output.joined().contains("weir_\(pair.pipeline) "))
    }

    @Test("every slot of the server is listed: each of them may fill its disk")
    func slotsOfAllKindsAreListed() throws {
        let server = try PrivatePostgres()
        let url = server.url()
        func list(_ options: String...) throws -> [String] {
            let listed = try WeirProcess.run(["slot", "list", url] + options, workingDirectory: "/")
            #expect(listed.exit == .status(0))
            return listed.output
        }
        #expect(try list() == ["no replication slots on this server"])
        #expect(try list("--json") == ["[]"])
        let neighbour = try server.createDatabase("neighbour")
        try server.connect(neighbour).exec("SELECT pg_create_logical_replication_slot('other', 'test_decoding')")
        let connection = try server.connect()
        try connection.exec("SELECT pg_create_physical_replication_slot('standby', true)")
        let rows = try list().map { $0.split(separator: " ").map(String.init) }
        #expect(
            rows.map { $0.prefix(4) } == [
                ["SLOT", "PLUGIN", "DATABASE", "STATE"], ["other", "test_decoding", neighbour, "free"],
                ["standby", "physical", "-", "free"],
            ])
        let json = try list("--json").joined()
        #expect(json.contains("{\"name\":\"standby\",\"plugin\":null,\"database\":null,"))
        #expect(json.contains("\"lag_bytes\":null,"))
        // Only the database's own may be dropped.
        let drop = try WeirProcess.run(["slot", "drop", url, "--slot", "standby"], workingDirectory: "/")
        #expect(drop.exit == .status(1) && drop.errors.joined().contains("it is a physical slot"))
    }

    @Test func aSlotInUseIsNotDropped() throws {
        let pair = try DatabasePair()
        let weir = try pair.run()
        try weir.waitForErrorLine(containing: "streaming")
        let own = try pair.weir(["slot", "drop"])
        #expect(own.exit == .status(1))
        #expect(own.errors.first?.contains("used by another process with PID \(weir.identifier)") == true)
        let bare = try pair.weir(["slot", "drop", pair.sourceURL, "--slot", "weir_\(pair.pipeline)"])
        #expect(bare.exit == .status(1))
        #expect(bare.errors.first?.contains("is in use") == true)
        #expect(try pair.weir(["slot", "drop", pair.sourceURL, "--slot", "nothing"]).exit == .status(1))
        #expect(try pair.weir(["slot", "drop", pair.sourceURL]).exit == .status(2))
        #expect(weir.isRunning)
    }

    @Test(arguments: [
        (["SELECT pg_drop_replication_slot('SLOT')"], "is gone although a position is stored"),
        (["DROP PUBLICATION SLOT"], "The publication is gone although its slot exists"),
        (
            [
                "INSERT INTO t VALUES (100, 'x')",
                "SELECT pg_replication_slot_advance('SLOT', pg_current_wal_insert_lsn())",
            ], "The stored position is older than what the slot still has"
        ),
    ])
    func checkAndStatusSayWhatRunRefuses(_ statements: [String], _ message: String) throws {
        let pair = try DatabasePair()
        try pair.fill(3)
        #expect(try pair.weir(["run", "--until-lsn", pair.end()]).exit == .status(0))
        #expect(try pair.weir(["check"]).exit == .status(0))
        for statement in statements {
            try pair.source.exec(statement.replacing("SLOT", with: "weir_\(pair.pipeline)"))
        }
        let run = try pair.weir(["run", "--until-lsn", pair.end()])
        #expect(run.exit == .status(1) && run.errors.joined().contains(message))
        let check = try pair.weir(["check"])
        #expect(check.exit == .status(1) && check.output.joined().contains(message))
        let status = try pair.weir(["status"])
        #expect(status.exit == .status(1) && status.output.joined().contains(message))
        let json = try pair.weir(["status", "--json"])
        #expect(json.output.joined().contains("\"healthy\":false"))
        #expect(json.output.joined().contains("\"refusal\":\""))
    }

    @Test func statusWatches() throws {
        let pair = try DatabasePair()
        let weir = try WeirProcess(["status", "--watch", "--json"], workingDirectory: pair.folder.path)
        try weir.waitForOutputLines(2)
        weir.signal(SIGINT)
        #expect(try weir.waitForExit() == .signal(SIGINT))
    }
}

extension DatabasePair {
    /// Waits until a consumer streams from a slot of the source database.
    func waitForActiveSlot() throws {
        let isStreaming = eventually {
            try source.number(
                """
                SELECT count(*) FROM pg_replication_slots s JOIN pg_stat_replication r ON r.pid = s.active_pid
                WHERE database = current_database() AND r.state = 'streaming'
                """) == 1
        }
        #expect(isStreaming)
    }
}
