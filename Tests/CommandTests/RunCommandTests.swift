import Glibc
import Testing
import WeirTestKit

/// `weir run` as a process: exit codes, signals, positions. What it does to rows is the scenarios' business.
@Suite(.needsPostgres, .tags(.integration), .timeLimit(.minutes(5))) struct RunCommandTests {
    @Test func untilAPositionThenExitsZero() throws {
        let pair = try DatabasePair()
        try pair.source.exec("INSERT INTO t SELECT g, 'v' FROM generate_series(1, 100) g")
        for round in 1...2 {
            let finished = try WeirProcess.run(["run", "--until-lsn", pair.end()], workingDirectory: pair.folder.path)
            #expect(finished.exit == .status(0), "\(finished.errors)")
            #expect(finished.output.isEmpty)
            #expect(try pair.target.number("SELECT count(*) FROM t") == 99 + round)
            try pair.source.exec("INSERT INTO t VALUES (\(1000 + round), 'more')")
        }
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGHUP]) func aSignalDrainsAndExitsZero(signal: Int32) throws {
        let pair = try DatabasePair()
        let weir = try pair.run()
        try weir.waitForErrorLine(containing: "streaming")
        try pair.source.exec("INSERT INTO t VALUES (1, 'a')")
        weir.signal(signal)
        #expect(try weir.waitForExit() == .status(0))
        #expect(weir.errorLines.contains { $0.contains("stopped rows=") })
    }

    @Test(arguments: [(SIGTERM, 143), (SIGINT, 130)] as [(Int32, Int32)])
    func aSecondSignalStopsAtOnce(signal: Int32, code: Int32) throws {
        let pair = try DatabasePair()
        let weir = try pair.run()
        try weir.waitForErrorLine(containing: "streaming")
        try pair.target.exec("BEGIN; LOCK TABLE t")
        try pair.source.exec("INSERT INTO t VALUES (1, 'a')")
        weir.signal(signal)
        try weir.waitForErrorLine(containing: "a second signal stops at once")
        #expect(weir.isRunning)
        // One that comes at once is taken for the first one's echo.
        #expect(
            eventually {
                weir.signal(signal)
                return !weir.isRunning
            })
        #expect(try weir.waitForExit(timeout: .seconds(10)) == .status(code))
        try pair.target.exec("ROLLBACK")
        let finished = try WeirProcess.run(["run", "--until-lsn", pair.end()], workingDirectory: pair.folder.path)
        #expect(finished.exit == .status(0), "\(finished.errors)")
        #expect(try pair.target.number("SELECT count(*) FROM t") == 1)
    }

    @Test func tablesWithoutIdentityAreNamed() throws {
        let pair = try DatabasePair()
        for side in [pair.source, pair.target] { try side.exec("CREATE TABLE keyless (v text)") }
        let without = try pair.weir(["run", "--until-lsn", pair.end()])
        #expect(without.exit == .status(0))
        let leftOut = without.errors.filter { $0.contains("are not published") }
        #expect(leftOut.count == 1 && leftOut[0].contains("public.keyless"))
        let with = try pair.weir(["run", "--set", "source.tables=[public.*]", "--until-lsn", pair.end()])
        #expect(with.exit == .status(0), "\(with.errors)")
        let refused = with.errors.filter { $0.contains("PostgreSQL refuses UPDATE and DELETE") }
        #expect(refused.count == 1 && refused[0].contains("public.keyless"))
    }

    @Test func signalsAtTheSameTimeAreOneWish() throws {
        let pair = try DatabasePair()
        let weir = try pair.run()
        try weir.waitForErrorLine(containing: "streaming")
        weir.signal(SIGTERM)
        weir.signal(SIGINT)
        #expect(try weir.waitForExit(timeout: .seconds(20)) == .status(0))
    }

    @Test func aSecondAgentIsRefusedWithThePIDOfTheFirst() throws {
        let pair = try DatabasePair()
        let first = try pair.run()
        try first.waitForErrorLine(containing: "streaming")
        let second = try WeirProcess.run(["run"], workingDirectory: pair.folder.path)
        #expect(second.exit == .status(1))
        #expect(
            second.errors.first
                == "weir: The state file is used by another process with PID \(first.identifier): "
                + "./weir-state/state.db.lock is locked")
    }

    @Test func eventsGoToTheStandardOutputAndNothingElse() throws {
        let pair = try DatabasePair("")
        try pair.folder.write(
            pair.folder.read("weir.yaml").replacing("sinks: [", with: "sinks: [{type: stdout, format: flat}, "),
            to: "weir.yaml")
        try pair.source.exec("INSERT INTO t SELECT g, 'v' FROM generate_series(1, 10) g")
        let finished = try WeirProcess.run(["run", "--until-lsn", pair.end()], workingDirectory: pair.folder.path)
        #expect(finished.exit == .status(0), "\(finished.errors)")
        #expect(finished.output.count == 10 && finished.output.allSatisfy { $0.hasPrefix("{\"topic\":") })
        #expect(try pair.target.number("SELECT count(*) FROM t") == 10)
    }

    @Test func theEndpointServesWhatTheConfigurationAsksFor() throws {
        let pair = try DatabasePair("http: {listen: \"127.0.0.1:0\"}")
        let weir = try pair.run()
        let line = try weir.waitForErrorLine(containing: "serving health, status and metrics")
        let address = try #require(line.split(separator: "=").last)
        try weir.waitForErrorLine(containing: "streaming slot=")
        let answer = try runCommand("curl", ["-s", "http://\(address)/status"])
        #expect(answer.output.first?.contains("\"pipeline\":\"\(pair.pipeline)\"") == true)
    }

    @Test func aWrongPositionIsUsage() throws {
        let pair = try DatabasePair()
        let finished = try WeirProcess.run(["run", "--until-lsn", "12"], workingDirectory: pair.folder.path)
        #expect(finished.exit == .status(2))
        #expect(finished.errors.first == "weir: --until-lsn needs a position such as 0/16B3748")
    }

    @Test func aFailedLoginTellsNoPassword() throws {
        let server = try PrivatePostgres(authentication: .scram(password: "right-pw"))
        let folder = try TemporaryDirectory()
        try folder.write(
            """
            source: {url: "postgresql://postgres:c4n4ry-pw@127.0.0.1:\(server.port)/postgres"}
            sinks: [{type: postgres, url: "host=127.0.0.1 port=\(server.port) user=postgres password=c4n4ry-2"}]
            """, to: "weir.yaml")
        for format in ["text", "json"] {
            let finished = try WeirProcess.run(
                ["run", "--log-format", format, "--log-level", "debug"], workingDirectory: folder.path)
            #expect(finished.exit == .status(1))
            #expect(!finished.errors.joined().contains("c4n4ry"))
            #expect(finished.errors.contains { $0.contains("refused the log-in") })
        }
    }
}
