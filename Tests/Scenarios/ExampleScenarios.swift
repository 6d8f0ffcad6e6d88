import Foundation
import Testing
import WeirTestKit

/// What `examples/` and the README show, run as shown: only names of servers, databases and pipelines differ.
@Suite(.tags(.integration), .needsPostgres, .needsKafka, .timeLimit(.minutes(10)))
struct ExampleScenarios {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// An example's configuration, copied beside the shop's own; its command's options and environment.
    private func example(_ name: String, _ shop: Shop) throws -> (config: String, environment: [String: String]) {
        let config = try shop.directory.write(Self.text("examples/\(name)/weir.yaml"), to: "\(name).yaml")
        return (
            config,
            [
                "SHOP_URL": shop.server.url(database: shop.sourceDatabase), "KAFKA": shop.broker?.bootstrap ?? "",
                "TARGET_URL": shop.server.url(database: shop.targetDatabase), "MASK_SALT": "pepper",
            ]
        )
    }

    @Test func theSidecarStreamsAndMasks() throws {
        let shop = try Shop([.kafka])
        try shop.source.exec(
            """
            CREATE TABLE audit_log (id bigint PRIMARY KEY);
            INSERT INTO audit_log VALUES (1);
            INSERT INTO customers VALUES (1, 'Ann', 'ann@example.org', NULL);
            """)
        let (config, environment) = try example("sidecar", shop)
        let weir = try WeirProcess(
            ["run", config, "--set", "pipeline=\(shop.name)", "--set", "http.listen=127.0.0.1:0"],
            environment: environment, workingDirectory: shop.directory.path)
        try weir.waitForErrorLine(containing: "streaming")
        try shop.source.exec("UPDATE customers SET email = 'ann@example.com' WHERE id = 1")
        let events = try shop.events("customers", atLeast: 2)
        let hashes = try shop.source.query(
            """
            SELECT encode(sha256(convert_to('pepper' || e, 'UTF8')), 'hex')
            FROM unnest(ARRAY['ann@example.org', 'ann@example.com']) e
            """)
        #expect(events.count == 2)
        for (event, hash) in zip(events, hashes) {
            #expect(event.valueText?.contains("\"email\":\"\(hash[0] ?? "")\"") == true)
            #expect(event.valueText?.contains("example.") == false)
        }
        weir.signal(SIGTERM)
        #expect(try weir.waitForExit() == .status(0))
        #expect(FileManager.default.fileExists(atPath: shop.directory.path + "/weir-state/state.db"))
        #expect(try shop.events("audit_log").isEmpty)
    }

    @Test func theBackfillAndTheReplayOfIt() throws {
        let shop = try Shop([.kafka])
        try shop.source.exec(
            """
            INSERT INTO customers SELECT i, 'name ' || i, NULL, NULL FROM generate_series(1, 300) i;
            INSERT INTO orders SELECT i, i, i / 100.0, 'new', now() FROM generate_series(1, 200) i;
            """)
        let (backfill, environment) = try example("backfill", shop)
        let options = ["--set", "pipeline=\(shop.name)"]
        for table in ["public.customers", "public.orders"] {
            let copied = try WeirProcess.run(
                ["backfill", backfill, "--table", table] + options, environment: environment,
                workingDirectory: shop.directory.path)
            #expect(copied.exit == .status(0), "\(copied.errors)")
        }
        #expect(try shop.events("customers").count == 300)
        let (replay, _) = try example("replay", shop)
        let topics = "[\"\(shop.name).public.customers\", \"\(shop.name).public.orders\"]"
        let replayed = try WeirProcess.run(
            ["replay", replay, "--from", "earliest", "--set", "source.topics=\(topics)"] + options,
            environment: environment, workingDirectory: shop.directory.path)
        #expect(replayed.exit == .status(0), "\(replayed.errors)")
        #expect(try shop.differences() == [])
        #expect(try Shop.rows("orders", shop.target).count == 200)
    }

    /// `Tests/run.sh` builds the example's package and says where.
    @Test(.enabled(if: TestEnvironment.variable("WEIR_EXAMPLE_SINK") != nil, "needs the built example"))
    func aSinkOfOnesOwnCountsOnceOverACrash() throws {
        let shop = try Shop([])
        let binary = try #require(TestEnvironment.variable("WEIR_EXAMPLE_SINK"))
        let url = shop.server.url(database: shop.sourceDatabase)
        try shop.source.exec("INSERT INTO customers SELECT i, 'n', NULL, NULL FROM generate_series(1, 100) i")
        func start() throws -> WeirProcess {
            try WeirProcess([url, "tally"], program: binary, workingDirectory: shop.directory.path)
        }
        func counts() throws -> [String: [String: Int]] {
            struct Tally: Decodable { var counts: [String: [String: Int]] }
            let text = try shop.directory.read("tally/tally.json")
            return try JSONDecoder().decode(Tally.self, from: Data(text.utf8)).counts
        }
        try FileManager.default.createDirectory(
            atPath: shop.directory.path + "/tally", withIntermediateDirectories: true)
        var tally = try start()
        #expect(eventually { try counts() == ["public.customers": ["read": 100]] })
        for round in 0..<10 {
            try shop.source.exec(
                "INSERT INTO orders SELECT i, i, 1, 'n', NULL FROM generate_series(\(round)000, \(round)999) i")
            if round % 3 == 1 {
                tally.kill9()
                tally = try start()
            }
        }
        try shop.source.exec("DELETE FROM customers WHERE id <= 10")
        let expected = ["public.customers": ["read": 100, "delete": 10], "public.orders": ["insert": 10_000]]
        #expect(eventually { try counts() == expected })
        tally.signal(SIGTERM)
        #expect(try tally.waitForExit() == .status(0))
        #expect(try counts() == expected)
    }

    @Test func theQuickstartShowsEventsAndRows() throws {
        let binary = try #require(WeirProcess.binary)
        let script = Self.root.appending(path: "examples/quickstart.sh").path
        let run = try runCommand(
            "/bin/bash", [script], environment: ["WEIR_BINARY": binary], in: Self.root.path, timeout: .seconds(300))
        #expect(run.exit == .status(0), "\(run.errors)")
        let output = run.output.joined(separator: "\n")
        #expect(output.contains("\"op\":\"r\"") && output.contains("\"op\":\"d\""))
        #expect(output.contains(" 4 | Dora") && !output.contains(" 2 | Bert"))
    }

    // MARK: - The README

    private struct Readme {
        let configuration: String
        let commands: [[String]]

        init() throws {
            let text = try ExampleScenarios.text("README.md")
            let parts = text.components(separatedBy: "```yaml\n")
            configuration = parts.count > 1 ? parts[1].components(separatedBy: "```")[0] : ""
            commands = text.split(separator: "\n").filter { $0.hasPrefix("    weir ") }.map { line in
                let command = line.components(separatedBy: " #")[0].split(separator: " ").map(String.init)
                return command.map { $0.trimmingCharacters(in: ["'"]) }
            }
        }
    }

    @Test func theFirstTenMinutesOfTheReadme() throws {
        let readme = try Readme()
        let shop = try Shop([.kafka])
        try shop.source.exec("INSERT INTO customers VALUES (1, 'Ann', NULL, NULL); INSERT INTO orders VALUES (1, 1)")
        let source = shop.server.url(database: shop.sourceDatabase)
        let names = [
            ("pipeline: shop", "pipeline: \(shop.name)"), ("postgresql://weir@127.0.0.1:5432/shop", source),
            ("127.0.0.1:9092", shop.broker?.bootstrap ?? ""),
            ("postgresql://weir@127.0.0.1:5433/replica", shop.server.url(database: shop.targetDatabase)),
        ]
        var configuration = readme.configuration
        for (shown, own) in names {
            #expect(configuration.contains(shown))
            configuration = configuration.replacing(shown, with: own)
        }
        _ = try shop.directory.write(configuration, to: "weir.yaml")
        let (_, environment) = try example("replay", shop)
        _ = try shop.directory.write(
            Self.text("examples/replay/weir.yaml").replacing("shop", with: shop.name), to: "examples-replay.yaml")
        var running: WeirProcess?
        var seen: [String] = []
        for command in readme.commands {
            let arguments = command.dropFirst().map { argument in
                argument.hasPrefix("postgresql://")
                    ? source : argument.replacing("examples/replay/weir.yaml", with: "examples-replay.yaml")
            }
            seen.append(command[1])
            switch command[1] {
            case "run":
                running = try WeirProcess(arguments, workingDirectory: shop.directory.path)
                try running?.waitForErrorLine(containing: "streaming")
            case "tail":
                let tail = try WeirProcess(arguments, workingDirectory: shop.directory.path)
                #expect(
                    eventually {
                        try shop.source.exec("UPDATE orders SET amount = coalesce(amount, 0) + 1")
                        return tail.outputLines.contains { $0.contains("\"weir-op\":\"u\"") }
                    }, "\(tail.outputLines) \(tail.errorLines)")
                tail.signal(SIGTERM)
                #expect(try tail.waitForExit() == .status(0))
                running?.signal(SIGTERM)
                #expect(try running?.waitForExit() == .status(0))
            default:
                let result = try WeirProcess.run(
                    arguments, environment: environment, workingDirectory: shop.directory.path)
                #expect(result.exit == .status(0), "\(command): \(result.errors) \(result.output)")
            }
        }
        #expect(seen == ["check", "run", "status", "tail", "backfill", "replay"])
        #expect(try shop.differences() == [])
    }
}
