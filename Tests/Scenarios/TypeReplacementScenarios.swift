import Glibc
import Testing
import WeirTestKit

/// Users' types that get another name, and others that take the name of one.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(10))) struct TypeReplacementScenarios {
    private static let table = """
        CREATE TYPE mood AS ENUM ('sad', 'so so', 'happy'); CREATE TYPE pair AS (x int, y text);
        CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE TYPE span AS RANGE (subtype = float8);
        CREATE TABLE t (id int PRIMARY KEY, m mood DEFAULT 'sad', ms mood[], p pair, d positive, s span);
        INSERT INTO t SELECT i, 'sad', '{happy,NULL}', (i, 'y')::pair, 7, '[1,2)' FROM generate_series(1, 5) i;
        """

    /// Changes of names alone: the values are what they were.
    private static let moves: [[String]] = [
        [
            "UPDATE t SET m = 'happy' WHERE id = 1", "ALTER TYPE mood RENAME TO \"Some mood\"",
            "INSERT INTO t (id, ms) VALUES (100, '{sad}')",
            "ALTER TYPE \"Some mood\" ADD VALUE 'best'; ALTER TYPE \"Some mood\" RENAME VALUE 'sad' TO 'blue'",
            "INSERT INTO t (id, ms) VALUES (101, '{blue,best}')", "UPDATE t SET m = 'best' WHERE id = 2",
        ],
        [
            "CREATE SCHEMA zoo; ALTER TYPE mood SET SCHEMA zoo; ALTER TYPE pair SET SCHEMA zoo; "
                + "ALTER DOMAIN positive SET SCHEMA zoo; ALTER TYPE span SET SCHEMA zoo",
            "INSERT INTO t VALUES (100, 'happy', '{sad}', (1, 'a'), 8, '[3,4)')",
            "ALTER TYPE zoo.pair RENAME TO couple; ALTER DOMAIN zoo.positive RENAME TO whole",
            "UPDATE t SET p = (2, 'b'), d = 9 WHERE id = 100",
        ],
        [
            "CREATE SCHEMA app; ALTER TYPE mood SET SCHEMA app; ALTER TABLE t SET SCHEMA app",
            "INSERT INTO app.t (id, m) VALUES (101, 'happy')",
        ],
    ]

    @Test(arguments: moves.indices, Mirror.Definitions.allCases)
    func typesWithAnotherNameAreFollowed(index: Int, definitions: Mirror.Definitions) throws {
        let mirror = try Mirror(Self.table, definitions: definitions)
        try mirror.follow(Self.moves[index], behind: [])
    }

    @Test(arguments: moves.indices, Mirror.Definitions.allCases)
    func typesThatGotAnotherNameWhileItWasDownAreFollowed(index: Int, definitions: Mirror.Definitions) throws {
        let mirror = try Mirror(Self.table, definitions: definitions)
        try mirror.followWhileDown(Self.moves[index])
    }

    @Test func additiveStopsAndNamesTheStatement() throws {
        let mirror = try Mirror(Self.table, schema: "additive")
        try mirror.changeWhileDown(["ALTER TYPE mood RENAME TO feeling", "INSERT INTO t (id) VALUES (100)"])
        let lines = try mirror.runUntilItStops()
        #expect(
            lines.contains { $0.contains("Run on the target: ALTER TYPE \"public\".\"mood\" RENAME TO \"feeling\";") },
            "\(lines.suffix(4))")
        try mirror.target.exec("ALTER TYPE mood RENAME TO feeling")
        try mirror.follow()
    }

    private static func replace(_ labels: String, _ expression: String) -> String {
        """
        BEGIN; ALTER TYPE mood RENAME TO mood_old; CREATE TYPE mood AS ENUM (\(labels));
        ALTER TABLE t ALTER m DROP DEFAULT;
        ALTER TABLE t ALTER m TYPE mood USING \(expression), ALTER ms TYPE mood[] USING ms::text::mood[];
        UPDATE t SET m = 'so so' WHERE id = 2; DROP TYPE mood_old; COMMIT
        """
    }

    /// The usual way to be rid of an enum's old name in migrations: each row keeps its label.
    @Test(arguments: Mirror.Definitions.allCases, [true, false])
    func anotherEnumUnderTheSameName(definitions: Mirror.Definitions, isRunning: Bool) throws {
        let mirror = try Mirror(Self.table, definitions: definitions)
        let changes = [
            "UPDATE t SET m = 'happy' WHERE id = 1", Self.replace("'sad', 'so so', 'new', 'happy'", "m::text::mood"),
            "INSERT INTO t (id, m, ms) VALUES (100, 'new', '{new}')",
        ]
        if isRunning { try mirror.follow(changes, behind: []) } else { try mirror.followWhileDown(changes) }
    }

    /// The name of the one before is free again: the other one may take another, too.
    @Test(arguments: Mirror.Definitions.allCases, [true, false])
    func anotherEnumIsRenamedAfterwards(definitions: Mirror.Definitions, isRunning: Bool) throws {
        let mirror = try Mirror(Self.table, definitions: definitions)
        try mirror.follow(
            [
                Self.replace("'sad', 'so so', 'new', 'happy'", "m::text::mood"),
                "INSERT INTO t (id, m) VALUES (100, 'new')",
            ], behind: [])
        let changes = ["ALTER TYPE mood RENAME TO feeling", "INSERT INTO t (id, m, ms) VALUES (101, 'new', '{new}')"]
        if isRunning { try mirror.follow(changes, behind: []) } else { try mirror.followWhileDown(changes) }
    }

    /// A label that is gone is not the one that stands in its place now.
    @Test(arguments: Mirror.Definitions.allCases)
    func anotherEnumWithoutLabelsThatRowsHaveStops(definitions: Mirror.Definitions) throws {
        let mirror = try Mirror(Self.table, definitions: definitions)
        let expression = "(CASE m::text WHEN 'sad' THEN 'so so' ELSE m::text END)::mood"
        try mirror.changeWhileDown([
            "UPDATE t SET m = 'happy' WHERE id = 1", Self.replace("'glad', 'so so', 'happy'", expression),
            "INSERT INTO t (id, m) VALUES (100, 'glad')",
        ])
        let lines = try mirror.runUntilItStops()
        #expect(
            lines.contains { $0.contains("How the values of column m were converted is not known: another enum") },
            "\(lines.suffix(4))")
        #expect(lines.contains { $0.contains("UPDATE \"public\".\"t\" SET \"m\" = ...") }, "\(lines.suffix(4))")
        try mirror.target.exec("UPDATE t SET m = 'so so' WHERE m = 'sad'")
        let weir = try mirror.stream()
        try mirror.sync(weir)
        let rows = "SELECT id, m, ms FROM t ORDER BY id"
        #expect(try mirror.source.query(rows) == mirror.target.query(rows))
        try mirror.stop(weir)
    }
}
