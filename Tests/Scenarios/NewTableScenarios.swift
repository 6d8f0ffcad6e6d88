import Glibc
import Testing
import WeirTestKit

/// A table that comes in while Weir runs, is killed, and runs again: the target ends up with every row of it once.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(10)))
struct NewTableScenarios {
    @Test func aTableComesWhileWeirIsKilled() throws {
        let shop = try Shop([.postgres], sourceExtra: "  discovery.interval: 100ms")
        try shop.source.exec("INSERT INTO customers SELECT i, 'c', NULL, NULL FROM generate_series(1, 100) i")
        var weir = try shop.stream()
        try shop.target.exec("CREATE TABLE parts (id int PRIMARY KEY, v int)")
        try shop.source.exec("CREATE TABLE parts (id int PRIMARY KEY, v int)")
        try shop.source.exec("INSERT INTO parts SELECT i, 0 FROM generate_series(1, 300000) i")
        let writer = Background {
            let connection = try shop.server.connect(shop.sourceDatabase)
            for round in 1...1500 {
                try connection.exec(
                    """
                    INSERT INTO parts VALUES (\(1_000_000 + round), 0); UPDATE parts SET v = v + 1 WHERE id = \(round);
                    DELETE FROM parts WHERE id = \(10_000 + round); UPDATE customers SET name = '\(round)' WHERE id = 7
                    """)
            }
        }
        for round in 1...8 {
            let moment = Duration.milliseconds(Int.random(in: 100...1200))
            if let exit = try? weir.waitForExit(timeout: moment) {
                Issue.record("round \(round): weir ended by itself with \(exit): \(weir.errorLines.suffix(5))")
            }
            weir.kill9()
            weir = try shop.run()
        }
        try writer.value(timeout: .seconds(120))
        #expect(eventually(timeout: .seconds(90)) { try shop.differences(["parts", "customers"]) == [] })
        weir.signal(SIGTERM)
        #expect(try weir.waitForExit() == .status(0))
    }

    @Test("without `tables` the publication stays as it was made, and tables that come later are named")
    func withoutPatternsNewTablesAreNamed() throws {
        let shop = try Shop([.postgres], sourceExtra: "  discovery.interval: 100ms")
        let text = try shop.directory.read("weir.yaml")
        _ = try shop.directory.write(text.replacing("  tables: [\"public.*\"]\n", with: ""), to: "weir.yaml")
        try shop.source.exec("ALTER TABLE log_lines REPLICA IDENTITY FULL")
        let weir = try shop.stream()
        try shop.source.exec("CREATE TABLE parts (id int PRIMARY KEY); CREATE TABLE pads (id int)")
        let line = try weir.waitForErrorLine(containing: "not in the publication")
        #expect(line.contains("warning") && line.contains("public.parts") && line.contains("source.tables"), "\(line)")
        // One without identity would not have been published at first either.
        #expect(!line.contains("pads") && !line.contains("customers"), "\(line)")
        try shop.source.exec("CREATE TABLE more (id int PRIMARY KEY)")
        let next = try weir.waitForErrorLine(containing: "public.more")
        #expect(!next.contains("public.parts"), "\(next)")
    }
}
