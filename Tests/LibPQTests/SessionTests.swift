import Testing
import WeirCore
import WeirTestKit

@testable import LibPQ

@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct SessionTests {
    /// The error of a body, nil when it has none.
    private func failure(_ body: () throws(PGError) -> Void) -> PGError? {
        do throws(PGError) {
            try body()
            return nil
        } catch { return error }
    }

    private func connect(_ database: String = "postgres", _ more: String = "") throws -> PGConnection {
        let server = try PrivatePostgres.shared()
        return try PGConnection(
            ConnectionSettings("host=127.0.0.1 port=\(server.port) user=postgres dbname=\(database) \(more)"))
    }

    @Test func settingsArePinnedAgainstHostileOnes() throws {
        let server = try PrivatePostgres.shared()
        let name = try server.createDatabase()
        let admin = try server.connect()
        for setting in [
            "datestyle = 'SQL, DMY'", "timezone = 'Asia/Kathmandu'", "search_path = evil", "statement_timeout = '1ms'",
            "idle_session_timeout = '1h'", "bytea_output = 'escape'", "extra_float_digits = -3",
            "standard_conforming_strings = off", "quote_all_identifiers = on", "intervalstyle = 'sql_standard'",
            "array_nulls = off", "xmloption = document",
        ] {
            try admin.exec("ALTER DATABASE \(name) SET \(setting)")
        }
        let session = try connect(name)
        let row = try session.query(
            """
            SELECT '2024-03-04 05:06:07+00'::timestamptz, current_setting('search_path'), 0.1::float8 + 0.2::float8,
            '\\x00ff'::bytea, current_setting('client_encoding'), '1 day -2 hours'::interval,
            current_setting('idle_session_timeout'), pg_catalog.format_type(20, NULL), array_to_json($1::int[]),
            'text'::xml, current_setting('lc_monetary')
            """, ["{1,NULL}"])
        let values = (0..<11).map { row.string(row: 0, column: $0) }
        #expect(
            values == [
                "2024-03-04 05:06:07+00", "", "0.30000000000000004", "\\x00ff", "UTF8", "1 day -02:00:00", "0",
                "bigint", "[1,null]", "text", "C",
            ])
    }

    @Test func refusedLogInsKeepTheirStateAndHideThePassword() throws {
        let server = try PrivatePostgres(authentication: .scram(password: "right-canary"))
        func refusal(_ text: String) -> PGError? {
            failure { () throws(PGError) in
                _ = try PGConnection(ConnectionSettings("host=127.0.0.1 port=\(server.port) user=postgres \(text)"))
            }
        }
        let wrong = refusal("password=wrong-canary dbname=postgres")
        #expect(wrong?.sqlState == "28P01" && wrong?.kind == .connection && wrong?.retry == .operatorNeeded)
        let missing = refusal("password=right-canary dbname=nope")
        #expect(missing?.sqlState == "3D000")
        #expect(refusal("dbname=postgres")?.sqlState == "28P01")
        let setting = refusal("password=right-canary options='-c nope=1'")
        #expect(setting?.sqlState == "42704")
        for error in [wrong, missing, setting] { #expect(error?.description.contains("canary") == false) }
    }

    @Test func severalHostsAreTriedInOrder() throws {
        let server = try PrivatePostgres.shared()
        let hosts = "host=127.0.0.1,127.0.0.1 port=1,\(server.port) user=postgres"
        let session = try PGConnection(ConnectionSettings("\(hosts) dbname=postgres"))
        let port = session.port
        #expect(port == "\(server.port)")
        // The one that answers decides on the state; the other one may come back.
        let refused = failure { () throws(PGError) in
            _ = try PGConnection(ConnectionSettings("\(hosts) dbname=nope"))
        }
        #expect(refused?.sqlState == "3D000")
    }

    @Test func nobodyListens() throws {
        let refused = failure { () throws(PGError) in
            _ = try PGConnection(ConnectionSettings("host=127.0.0.1 port=1 user=x"))
        }
        #expect(refused?.kind == .connection && refused?.sqlState == nil && refused?.retry == .later)
    }

    @Test func aPasswordWithASlashDoesNotLeak() {
        // libpq takes what stands before the slash for host and port.
        let refused = failure { () throws(PGError) in
            _ = try PGConnection(ConnectionSettings("postgresql://u:canary%20x/rest@127.0.0.1/d"))
        }
        #expect(refused?.kind == .settings && refused?.description.contains("canary") == false)
    }

    @Test func valuesAndErrors() throws {
        let session = try connect()
        let row = try session.query("SELECT $1::text, $2::int, ''::text", ["it's \"✓\"", nil])
        let values = (0..<4).map { row.string(row: 0, column: $0) }
        #expect(values == ["it's \"✓\"", nil, "", nil])
        let isNull = (row.isNull(row: 0, column: 1), row.isNull(row: 9, column: 9))
        #expect(isNull == (true, true))
        let undefined = failure { () throws(PGError) in try session.execute("SELECT 1; SELECT nope; SELECT 2") }
        #expect(undefined?.sqlState == "42703" && undefined?.kind == .server)
        let cut = failure { () throws(PGError) in try session.execute("SELECT 1\0; DROP TABLE x") }
        #expect(cut?.kind == .usage)
        try session.execute("CREATE TEMP TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
        let double = failure { () throws(PGError) in try session.execute("INSERT INTO t VALUES (1)") }
        #expect(
            double?.table == "t" && double?.constraint == "t_pkey" && double?.detail == "Key (id)=(1) already exists.")
        #expect(double?.description.contains("(1)") == false)
    }

    @Test func aDeadlineAnInterruptAndGivingUpEndAWait() throws {
        let session = try connect()
        let late = failure { () throws(PGError) in
            try session.execute("SELECT pg_sleep(30)", deadline: .now + .milliseconds(50))
        }
        #expect(late?.kind == .timeout)
        let interrupt = try WakeSignal()
        let server = try PrivatePostgres.shared()
        let settings = ConnectionSettings(server.url())
        let interrupted = try PGConnection(settings, interrupt: interrupt)
        interrupt.raise()
        let stopped = failure { () throws(PGError) in try interrupted.execute("SELECT pg_sleep(30)") }
        #expect(stopped?.kind == .interrupted)
        var asked = 0
        let patient = try PGConnection(
            settings,
            givesUp: {
                asked += 1
                return asked == 2
            })
        let given = failure { () throws(PGError) in try patient.execute("SELECT pg_sleep(30)") }
        #expect(given?.kind == .interrupted && asked == 2)
    }

    @Test func cancellingFromAnotherThread() throws {
        let session = try connect()
        let canceller = try session.canceller()
        let pid = "\(session.backendPID)"
        let other = Background {
            let watcher = try PrivatePostgres.shared().connect()
            _ = eventually {
                try watcher.value("SELECT state FROM pg_stat_activity WHERE pid = $1", [pid]) == "active"
            }
            return canceller.cancel()
        }
        let cancelled = failure { () throws(PGError) in try session.execute("SELECT pg_sleep(30)") }
        #expect(cancelled?.sqlState == "57014")
        #expect(try other.value())
        // The session goes on.
        let row = try session.query("SELECT 1")
        let one = row.string(row: 0, column: 0)
        #expect(one == "1")
    }

    @Test func noticesGoToTheirReceiver() throws {
        let notices = Monitor<[PGNotice]>([])
        let session = try PGConnection(
            ConnectionSettings(try PrivatePostgres.shared().url()),
            onNotice: { notice in notices.update { $0.append(notice) } })
        try session.execute("DO $$ BEGIN RAISE WARNING 'look out'; END $$")
        #expect(notices.read { $0.map(\.message) } == ["look out"])
        #expect(notices.read { $0.first?.severity } == "WARNING")
    }

    @Test func aLostConnectionIsNoticed() throws {
        let server = try PrivatePostgres.shared()
        let session = try connect()
        try session.checkAlive()
        let admin = try server.connect()
        _ = try admin.query("SELECT pg_terminate_backend($1::int, 10000)", ["\(session.backendPID)"])
        let idle = failure { () throws(PGError) in try session.checkAlive() }
        #expect(idle?.retry == .later)
        let later = failure { () throws(PGError) in try session.execute("SELECT 1") }
        #expect(later?.kind == .connection || later?.sqlState == "57P01")
        #expect(later?.retry == .later)
    }
}
