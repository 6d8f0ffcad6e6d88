import Foundation
import Testing
import WeirTestKit

/// `kill -9` at random moments under load, many rounds; then source, target and topic are compared.
@Suite(.tags(.integration), .needsPostgres, .needsKafka, .timeLimit(.minutes(15)))
struct CrashScenarios {
    /// Rounds of killing; `Tests/run.sh --soak N` asks for more.
    static let rounds = TestEnvironment.variable("WEIR_TEST_SOAK").flatMap { Int($0) } ?? 12

    @Test func nothingIsLostOrInventedAcrossKills() throws {
        let shop = try Shop([.kafka, .postgres])
        try shop.source.exec("ALTER TABLE log_lines REPLICA IDENTITY FULL")
        try shop.source.exec("CREATE TABLE audit (n bigserial PRIMARY KEY, what text, id bigint, val text)")
        try shop.target.exec("CREATE TABLE audit (n bigint PRIMARY KEY, what text, id bigint, val text)")
        try shop.source.exec(
            "INSERT INTO customers SELECT i, 'c' || i, NULL, repeat('x', 40) FROM generate_series(1, 5000) i")
        let load = Load(shop)
        var random = SystemRandomNumberGenerator()
        for round in 1...Self.rounds {
            let weir = try shop.run()
            // Between "not even connected" and "streaming for a while"; the wait ends early if the agent ends.
            let moment = Duration.milliseconds(Int.random(in: 20...1500, using: &random))
            if let exit = try? weir.waitForExit(timeout: moment) {
                Issue.record("round \(round): weir ended by itself with \(exit): \(weir.errorLines.suffix(5))")
                break
            }
            weir.kill9()
        }
        try load.stop()
        try shop.catchUp()
        #expect(try shop.differences(["customers", "orders", "log_lines", "audit"]) == [])
        try compareTopic(shop)
    }

    /// The audit table is insert-only, so its topic must hold every row; repeats must be repeats, not inventions.
    private func compareTopic(_ shop: Shop) throws {
        let expected = try shop.source.query("SELECT n, what, id, val FROM audit ORDER BY n")
        let records = try shop.events("audit", atLeast: expected.count)
        var byIdentity: [String: [UInt8]] = [:]
        var rows: [Int: String] = [:]
        var highest: (commit: UInt64, ordinal: UInt64)?
        for record in records {
            let identity = try #require(record.header("weir-id"))
            let value = try #require(record.value)
            let after = try #require(Self.after(value))
            let number = try #require(after["n"] as? Int)
            if byIdentity[identity] == nil {
                // Identities rise in a partition, apart from repeats.
                let place = try #require(Self.place(identity))
                if let last = highest { #expect(last < place) }
                highest = place
            }
            byIdentity[identity] = value
            let row = "\(after["what"] ?? "")|\(after["id"] ?? "")|\(after["val"] ?? "")"
            if let known = rows[number] { #expect(known == row) }
            rows[number] = row
        }
        #expect(rows.count == expected.count)
        for row in expected {
            let number = try #require(Int(row[0] ?? ""))
            #expect(rows[number] == "\(row[1] ?? "")|\(row[2] ?? "")|\(row[3] ?? "")")
        }
    }

    private static func after(_ value: [UInt8]) -> [String: Any]? {
        let object = try? JSONSerialization.jsonObject(with: Data(value)) as? [String: Any]
        return object?["after"] as? [String: Any]
    }

    /// Commit LSN and ordinal of `system/X/Y/ordinal`.
    static func place(_ identity: String) -> (commit: UInt64, ordinal: UInt64)? {
        let parts = identity.split(separator: "/")
        guard parts.count == 4, let high = UInt64(parts[1], radix: 16), let low = UInt64(parts[2], radix: 16),
            let ordinal = UInt64(parts[3])
        else { return nil }
        return (high << 32 | low, ordinal)
    }
}

/// Transactions of many shapes, written without pause until told to stop.
private final class Load: Sendable {
    private let writer: Background<Void>
    private let flag: StopFlag

    init(_ shop: Shop) {
        let flag = StopFlag()
        self.flag = flag
        writer = Background {
            let connection = try shop.server.connect(shop.sourceDatabase)
            var round = 0
            while !flag.isSet {
                round += 1
                try connection.exec(Self.transaction(round))
                // The rate of a busy shop, not of a benchmark: the crash test is about moments, not about volume.
                flag.wait(milliseconds: 2)
            }
        }
    }

    func stop() throws {
        flag.set()
        try writer.value(timeout: .seconds(60))
    }

    private static func transaction(_ round: Int) -> String {
        let id = Int.random(in: 1...6000)
        let rows = round % 50 == 0 ? 2000 : Int.random(in: 1...4)
        let rollback = round % 17 == 0
        return """
            BEGIN;
            INSERT INTO audit (what, id, val)
              SELECT 'round \(round)', i, md5(random()::text) FROM generate_series(1, \(rows)) i;
            INSERT INTO customers VALUES (\(id), 'new \(round)', NULL, repeat('y', \(id % 3000)))
              ON CONFLICT (id) DO UPDATE SET email = 'mail \(round)';
            INSERT INTO orders VALUES (\(round), \(id), \(round).25, 'new', now());
            UPDATE orders SET status = 'paid' WHERE id = \(max(round - 5, 1));
            DELETE FROM orders WHERE id = \(max(round - 40, 0));
            INSERT INTO log_lines VALUES (\(id % 10), 'same'), (\(id % 10), 'same');
            DELETE FROM log_lines WHERE ctid = (SELECT min(ctid) FROM log_lines WHERE at = \(round % 10));
            DELETE FROM customers WHERE id = \(Int.random(in: 1...6000));
            \(rollback ? "ROLLBACK" : "COMMIT");
            """
    }
}
