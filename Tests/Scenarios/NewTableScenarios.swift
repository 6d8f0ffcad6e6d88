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
}
