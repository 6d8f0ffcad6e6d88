import Glibc
import Testing
import WeirTestKit

/// Changes that the event trigger could not tell of: they are inferred as without it, and never taken for none, also
/// over a restart.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct MissedChangeScenarios {
    /// Why the trigger fails.
    enum Failure: CaseIterable {
        /// It can say so with its key.
        case lockedCatalog
        /// It cannot read even its key.
        case unreadableKey
    }

    @Test(arguments: Failure.allCases, [false, true])
    func aMissedChangeIsNotTakenForNone(failure: Failure, isRestarted: Bool) throws {
        let mirror = try Mirror(
            "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1, 5)", definitions: .trigger)
        var weir = try mirror.stream()
        try mirror.source.exec("INSERT INTO t VALUES (2, 6)")
        try mirror.expectSame(weir)
        // The column has the name and type of the one before.
        try run("ALTER TABLE t DROP COLUMN a; ALTER TABLE t ADD COLUMN a int", mirror, failingBy: failure)
        try mirror.sync(weir)
        #expect(weir.errorLines.contains { $0.contains("the event trigger failed at a command") })
        if isRestarted {
            try mirror.stop(weir)
            weir = try mirror.stream()
        }
        // Rows of before have no value in it; what was read before the change would have.
        try mirror.source.exec("INSERT INTO t VALUES (3, 7)")
        #expect(try weir.waitForExit(timeout: .seconds(30)) == .status(1))
        #expect(weir.errorLines.contains { $0.contains("column a was dropped and added again, before these rows or") })
        let advice = try #require(weir.errorLines.last { $0.contains("(1) ") })
        let first = try #require(advice.firstRange(of: "(1) ")?.upperBound)
        let end = try #require(advice.firstRange(of: "; or (2)")?.lowerBound)
        try mirror.target.exec(String(advice[first..<end]))
        weir = try mirror.stream()
        try mirror.expectSame(weir)
        #expect(try mirror.target.query("SELECT id, a FROM t ORDER BY id") == [["1", nil], ["2", nil], ["3", "7"]])
        // What is told afterwards is believed again.
        try mirror.source.exec("ALTER TABLE t RENAME COLUMN a TO b; INSERT INTO t VALUES (4, 8)")
        try mirror.expectSame(weir)
        try mirror.stop(weir)
    }

    /// The row comes right behind the message, in the same transaction.
    @Test(arguments: Failure.allCases) func aRowOfTheSameTransactionComesAfterIt(failure: Failure) throws {
        let mirror = try Mirror(
            "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1, 5)", definitions: .trigger)
        let weir = try mirror.stream()
        // Known as the trigger told it.
        try mirror.source.exec("COMMENT ON TABLE t IS 'told'; INSERT INTO t VALUES (2, 6)")
        try mirror.expectSame(weir)
        try run(
            "ALTER TABLE t DROP COLUMN a; ALTER TABLE t ADD COLUMN a int; INSERT INTO t VALUES (3, 7)", mirror,
            failingBy: failure)
        #expect(try weir.waitForExit(timeout: .seconds(30)) == .status(1))
        #expect(weir.errorLines.contains { $0.contains("column a was dropped and added again, before these rows or") })
    }

    private func run(_ statements: String, _ mirror: Mirror, failingBy failure: Failure) throws {
        switch failure {
        case .lockedCatalog:
            let other = try mirror.server.connect(mirror.sourceDatabase)
            // The trigger waits for it for 2 s at most, and the commands need it not at all.
            try other.exec("BEGIN; LOCK TABLE pg_catalog.pg_collation IN ACCESS EXCLUSIVE MODE")
            try mirror.source.exec(statements)
            try other.exec("ROLLBACK")
        case .unreadableKey:
            try mirror.source.exec("ALTER TABLE weir.ddl_key RENAME COLUMN key TO nokey")
            try mirror.source.exec(statements)
            try mirror.source.exec("ALTER TABLE weir.ddl_key RENAME COLUMN nokey TO key")
        }
    }
}
