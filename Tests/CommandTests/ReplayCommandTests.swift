import Testing
import WeirTestKit

/// `weir replay` as a process: from a topic that `weir run` wrote into an empty target.
@Suite(.needsPostgres, .needsKafka, .tags(.integration), .timeLimit(.minutes(5))) struct ReplayCommandTests {
    /// A pipeline that has published ten rows, one of them deleted again, and a configuration that replays them.
    private struct Recorded {
        let pair: DatabasePair

        init() throws {
            pair = try DatabasePair()
            let broker = try KafkaBroker.shared()
            let topic = broker.uniqueName("replay")
            try pair.fill(10)
            let kafka = "{type: kafka, brokers: \"\(broker.bootstrap)\", topic: \(topic)}"
            let run = ["run", "--set", "sinks=[\(kafka)]", "--until-lsn"]
            #expect(try pair.weir(run + [pair.end()]).exit == .status(0))
            try pair.source.exec("DELETE FROM t WHERE id = 3; UPDATE t SET v = 'new' WHERE id = 4")
            #expect(try pair.weir(run + [pair.end()]).exit == .status(0))
            let text = try pair.folder.read("weir.yaml")
            let source = text.split(separator: "\n").first { $0.hasPrefix("source:") } ?? ""
            try pair.folder.write(
                text.replacing(
                    source, with: "source: {type: kafka, brokers: \"\(broker.bootstrap)\", topics: \(topic)}"),
                to: "replay.yaml")
        }

        func replay(_ arguments: [String]) throws -> CommandResult {
            try pair.weir(["replay", "replay.yaml"] + arguments)
        }
    }

    @Test func aTopicIsReplayedIntoADatabase() throws {
        let recorded = try Recorded()
        let dry = try recorded.replay(["--from", "earliest", "--dry-run", "--json"])
        #expect(dry.exit == .status(0), "\(dry.errors)")
        #expect(dry.output.last?.hasPrefix("{\"event\":\"done\",\"rows\":12,") == true, "\(dry.output)")
        #expect(try recorded.pair.target.number("SELECT count(*) FROM t") == 0)
        for _ in 1...2 {
            let result = try recorded.replay(["--from", "earliest"])
            #expect(result.exit == .status(0), "\(result.errors)")
            let rows = try recorded.pair.target.query("SELECT id, v FROM t ORDER BY id").map {
                "\($0[0] ?? "")\($0[1] ?? "")"
            }
            #expect(rows == ["1v", "2v", "4new", "5v", "6v", "7v", "8v", "9v", "10v"])
        }
        let rest = try recorded.replay(["--json"])
        #expect(rest.exit == .status(0))
        #expect(rest.output.last?.hasPrefix("{\"event\":\"done\",\"rows\":0,") == true)
    }

    @Test(arguments: [["--from", "yesterday"], ["--to", "0=x"], ["weir.yaml"]])
    func wrongPositionsAreUsage(arguments: [String]) throws {
        let folder = try TemporaryDirectory()
        try folder.write(
            "source: {type: kafka, brokers: \"127.0.0.1:1\", topics: t}\nsinks: [{type: stdout}]\n", to: "replay.yaml")
        let result = try WeirProcess.run(
            ["replay", "replay.yaml"] + arguments, workingDirectory: folder.path)
        #expect(result.exit == .status(2))
        #expect(result.errors.first?.hasPrefix("weir: ") == true)
    }

    @Test func runLeavesRecordedEventsToReplay() throws {
        let folder = try TemporaryDirectory()
        let file = try folder.write(
            "source: {type: kafka, brokers: \"127.0.0.1:1\", topics: t}\nsinks: [{type: stdout}]\n", to: "c.yaml")
        for command in ["run", "backfill", "status", "tail"] {
            let result = try WeirProcess.run([command, file], workingDirectory: folder.path)
            #expect(result.exit == .status(2), "\(command)")
        }
    }
}
