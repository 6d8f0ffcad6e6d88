import Foundation
import Glibc
import Testing
import WeirTestKit

/// Users' types whose labels and fields change, with a target that follows them.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(10))) struct TypeChangeScenarios {
    private static let table = """
        CREATE TYPE mood AS ENUM ('sad', 'so so', 'happy'); CREATE TYPE pair AS (x int, y text);
        CREATE TABLE t (id int PRIMARY KEY, m mood, p pair, ps pair[]);
        INSERT INTO t SELECT i, 'sad', (i, 'y')::pair, ARRAY[(i, 'z')::pair] FROM generate_series(1, 10) i;
        """

    /// Changes with rows before and behind each of them, which the names alone do not tell.
    static let changes: [[String]] = [
        [
            "UPDATE t SET m = 'happy' WHERE id = 1", "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
            "INSERT INTO t (id, m) VALUES (100, 'blue')",
        ],
        [
            "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'; ALTER TYPE mood RENAME VALUE 'so so' TO 'sadder'; "
                + "ALTER TYPE mood ADD VALUE 'first' BEFORE 'blue'", "UPDATE t SET m = 'first' WHERE id = 2",
            "UPDATE t SET m = 'sadder' WHERE id = 3",
        ],
        [
            "UPDATE t SET p = ROW(7, 'before') WHERE id = 1", "ALTER TYPE pair ADD ATTRIBUTE z int",
            "INSERT INTO t (id, p) VALUES (100, ROW(1, 'a', 3))", "UPDATE t SET ps = ARRAY[ROW(1, 'a', 9)::pair]",
        ],
        [
            "UPDATE t SET p = ROW(7, 'before') WHERE id = 1", "ALTER TYPE pair DROP ATTRIBUTE x",
            "INSERT INTO t (id, p) VALUES (100, ROW('a'))",
        ],
        ["ALTER TYPE pair RENAME ATTRIBUTE x TO \"X y\"", "INSERT INTO t (id, p) VALUES (100, ROW(1, 'a'))"],
        [
            "ALTER TYPE pair RENAME ATTRIBUTE x TO w; ALTER TYPE pair RENAME ATTRIBUTE y TO x",
            "INSERT INTO t (id, p) VALUES (100, ROW(1, 'a'))",
            "ALTER TYPE pair ADD ATTRIBUTE y int; INSERT INTO t (id, p) VALUES (101, ROW(1, 'a', 4))",
        ],
    ]

    /// Changes that only the event trigger tells: a name is another label's at once.
    static let exact: [[String]] = [
        [
            "UPDATE t SET m = 'happy' WHERE id = 1",
            "ALTER TYPE mood RENAME VALUE 'sad' TO 'x'; ALTER TYPE mood RENAME VALUE 'happy' TO 'sad'; "
                + "ALTER TYPE mood RENAME VALUE 'x' TO 'happy'", "INSERT INTO t (id, m) VALUES (100, 'sad')",
            "INSERT INTO t (id, m) VALUES (101, 'happy')",
        ],
        [
            "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'; ALTER TYPE mood ADD VALUE 'sad' BEFORE 'so so'",
            "INSERT INTO t (id, m) VALUES (100, 'sad')", "UPDATE t SET m = 'blue' WHERE id = 3",
        ],
    ]

    @Test(arguments: changes.indices, Mirror.Definitions.allCases)
    func partsAreFollowedAsTheyChange(index: Int, definitions: Mirror.Definitions) throws {
        let mirror = try Mirror(Self.table, definitions: definitions)
        try mirror.follow(Self.changes[index], behind: [])
    }

    @Test(arguments: changes.indices, Mirror.Definitions.allCases)
    func partsThatChangedWhileItWasDownAreFollowed(index: Int, definitions: Mirror.Definitions) throws {
        let mirror = try Mirror(Self.table, definitions: definitions)
        try mirror.followWhileDown(Self.changes[index])
    }

    @Test(arguments: exact.indices, [true, false])
    func theEventTriggerTellsLabelsThatTakeAnothersName(index: Int, isRunning: Bool) throws {
        let mirror = try Mirror(Self.table, definitions: .trigger)
        if isRunning { try mirror.follow(Self.exact[index]) } else { try mirror.followWhileDown(Self.exact[index]) }
    }

    @Test(arguments: exact.indices) func withoutItTheyStopWithWhatMendsThem(index: Int) throws {
        let mirror = try Mirror(Self.table)
        try mirror.changeWhileDown(Self.exact[index])
        try mend(mirror, saying: "is another one now: which values are of before is not told")
    }

    /// Another name, another type under the same name, and the same again.
    @Test(arguments: ["z text", "y int", "y text"])
    func aFieldThatWasExchangedStopsWithWhatMendsIt(field: String) throws {
        let mirror = try Mirror(Self.table)
        try mirror.changeWhileDown([
            "UPDATE t SET p = ROW(7, 'before') WHERE id = 1",
            "ALTER TYPE pair DROP ATTRIBUTE y; ALTER TYPE pair ADD ATTRIBUTE \(field)",
            "UPDATE t SET p = ROW(8, '9') WHERE id = 2",
        ])
        try mend(mirror, saying: "composite type public.pair lost y and got \(field.prefix(1))")
    }

    /// Weir stops; its statements and a backfill make the two equal.
    private func mend(_ mirror: Mirror, saying text: String) throws {
        let lines = try mirror.runUntilItStops()
        #expect(lines.contains { $0.contains(text) && $0.contains("public.t") }, "\(lines.suffix(4))")
        let advice = try #require(lines.last { $0.contains("Run on the target what is true: (1) ") })
        let start = try #require(advice.range(of: "(1) ")?.upperBound)
        let end = try #require(advice.range(of: " and, once these rows are applied")?.lowerBound)
        try mirror.mend(
            "public.t", running: advice[start..<end].split(separator: ";").map(String.init), advice: advice)
        try mirror.follow()
    }
}
