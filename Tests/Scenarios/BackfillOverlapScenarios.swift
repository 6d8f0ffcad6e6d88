import Glibc
import Testing
import WeirTestKit

/// A backfill of a pipeline's own table, while changes wait that the copy has already.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct BackfillOverlapScenarios {
    private static let table = """
        CREATE TABLE t (id int PRIMARY KEY, v text, n int); CREATE TABLE u (id int PRIMARY KEY, v text);
        INSERT INTO t SELECT i, 'v' || i, i FROM generate_series(1, 20) i; INSERT INTO u VALUES (1, 'old');
        """

    private func backfill(_ mirror: Mirror, _ table: String) throws {
        let backfill = try WeirProcess(
            ["backfill", mirror.config, "--table", table], workingDirectory: mirror.directory.path)
        let exit = try backfill.waitForExit()
        #expect(exit == .status(0), "\(backfill.errorLines.suffix(4))")
    }

    @Test(arguments: [false, true]) func changesThatTheCopyHasAreAppliedAgain(isKilled: Bool) throws {
        let mirror = try Mirror(Self.table)
        let first = try mirror.stream()
        try mirror.sync(first)
        if isKilled { first.kill9() } else { try mirror.stop(first) }
        try mirror.change([
            "INSERT INTO t VALUES (100, 'new', 1), (101, 'gone', 1)", "UPDATE t SET v = 'changed' WHERE id = 3",
            "DELETE FROM t WHERE id IN (4, 101)", "UPDATE t SET id = 1000 WHERE id = 5",
            "INSERT INTO t SELECT i, 'many', i FROM generate_series(2000, 2500) i",
            "DELETE FROM t WHERE id = 6; INSERT INTO t VALUES (6, 'again', 0)",
            "TRUNCATE u; INSERT INTO u VALUES (2, 'kept'); DELETE FROM u; INSERT INTO u VALUES (1, 'last')",
        ])
        try backfill(mirror, "public.*")
        try mirror.follow(["UPDATE t SET n = n + 1", "INSERT INTO t VALUES (102, 'later', 1)"])
        // From here on a change that finds no row is an error again.
        let weir = try mirror.stream()
        try mirror.target.exec("DELETE FROM t WHERE id = 7")
        try mirror.source.exec("UPDATE t SET v = 'x' WHERE id = 7")
        #expect(try weir.waitForExit(timeout: .seconds(60)) == .status(1))
        #expect(weir.errorLines.contains { $0.contains("An update found no row on the target") })
    }

    /// Without a key nothing tells a row that was copied from one that is sent again.
    @Test func withoutAKeyItStops() throws {
        let mirror = try Mirror("CREATE TABLE t (id int, v text); INSERT INTO t VALUES (1, 'a')", schema: "additive")
        try mirror.changeWhileDown(["INSERT INTO t VALUES (2, 'b')"])
        try mirror.target.exec("TRUNCATE t")
        try backfill(mirror, "public.t")
        let lines = try mirror.runUntilItStops()
        #expect(
            lines.contains { $0.contains("A backfill has copied the table ahead of the stream") }, "\(lines.suffix(4))")
        try mirror.target.exec("CREATE UNIQUE INDEX ON t (id)")
        try mirror.follow()
    }

    /// Whole old rows and a unique index: the change of a key takes the row under the old one away.
    @Test func aUniqueIndexTellsWholeRowsApart() throws {
        let mirror = try Mirror(
            """
            CREATE TABLE t (id int NOT NULL, v text); ALTER TABLE t REPLICA IDENTITY FULL;
            INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 9) i
            """, schema: "additive")
        try mirror.changeWhileDown([
            "INSERT INTO t VALUES (50, 'new')", "UPDATE t SET id = 1000 WHERE id = 50", "DELETE FROM t WHERE id = 2",
            "UPDATE t SET v = 'changed' WHERE id = 3", "UPDATE t SET id = 2000, v = 'moved' WHERE id = 4",
        ])
        try mirror.target.exec("TRUNCATE t; CREATE UNIQUE INDEX ON t (id)")
        try backfill(mirror, "public.t")
        try mirror.follow(["UPDATE t SET v = 'later' WHERE id > 5"])
    }

    @Test(
        "a value that was not sent with a change of the key is taken from the copy, or the run stops",
        arguments: [
            false, true,
        ])
    func valuesThatWereNotSent(isReplaced: Bool) throws {
        let mirror = try Mirror(
            """
            CREATE TABLE t (id int PRIMARY KEY, large text NOT NULL, n int);
            ALTER TABLE t ALTER large SET STORAGE EXTERNAL;
            INSERT INTO t SELECT i, repeat('x' || i, 5000), i FROM generate_series(1, 9) i
            """)
        try mirror.changeWhileDown([
            isReplaced ? "DELETE FROM t WHERE id = 6" : "UPDATE t SET n = 0 WHERE id = 6",
            "UPDATE t SET id = \(isReplaced ? 6 : 60), n = 7 WHERE id = 5",
            "INSERT INTO t VALUES (70, repeat('seventy', 2000), 0)", "UPDATE t SET n = 1 WHERE id = 70",
            "DELETE FROM t WHERE id = 70",
        ])
        try mirror.target.exec("TRUNCATE t")
        try backfill(mirror, "public.t")
        guard isReplaced else { return try mirror.follow(["UPDATE t SET n = n + 1"]) }
        let lines = try mirror.runUntilItStops()
        #expect(lines.contains { $0.contains("An update found no row on the target") }, "\(lines.suffix(4))")
        // Nothing was made up.
        #expect(try mirror.target.number("SELECT count(*) FROM t WHERE large NOT LIKE 'x%'") == 0)
    }
}
