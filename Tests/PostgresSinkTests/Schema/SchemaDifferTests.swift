import Testing
import WeirCore

@testable import PostgresSink

/// Which statements a new version of a table asks for.
@Suite struct SchemaDifferTests {
    private static let int = ColumnType(oid: 23, name: "integer", kind: .int4)
    private static let bigint = ColumnType(oid: 20, name: "bigint", kind: .int8)
    private static let text = ColumnType(oid: 25, name: "text", kind: .text)

    private struct Made {
        var name: String
        var type = SchemaDifferTests.text
        var number: Int16?
        var isNotNull = false
        var defaultExpression: String?
        var defaultText: String?
        var comment: String?
    }

    /// A relation with primary key `id`, number 1.
    private static func relation(
        _ columns: [Made], name: String = "t", fills: [Int16: String] = [:], storage: UInt32 = 1, asOf: LSN? = nil,
        types: [UserType] = [], highest: Int16 = 0
    ) -> Relation {
        let all = [Made(name: "id", type: int, number: 1, isNotNull: true)] + columns
        let last = max(highest, all.compactMap(\.number).max() ?? 1)
        return Relation(
            oid: 500, table: TableName(schema: "s", name: name),
            columns: all.map { made in
                Column(
                    name: made.name, type: made.type, isIdentity: made.name == "id", isNotNull: made.isNotNull,
                    defaultText: made.defaultText,
                    details: ColumnDetails(
                        name: made.name, number: made.number, defaultExpression: made.defaultExpression,
                        comment: made.comment))
            }, identity: .default, primaryKey: [0],
            details: RelationDetails(
                types: types,
                columns: all.map { StreamColumn(name: $0.name, typeOID: $0.type.oid, number: $0.number) },
                attributes: (1...last).map { number in
                    let made = all.first { $0.number == number }
                    return SourceAttribute(
                        number: number, name: made?.name, typeOID: made?.type.oid ?? 0, fill: fills[number])
                }, storage: storage, asOf: asOf))
    }

    /// The table that the target has after the relation was applied.
    private static func target(_ relation: Relation) -> TargetTable {
        TargetTable(
            name: relation.table, oid: 900, kind: "r",
            columns: relation.columns.map { column in
                TargetTable.Column(
                    name: column.name, type: column.type, isNotNull: column.isNotNull, hasDefault: false,
                    isGenerated: false, isAlwaysIdentity: false, equality: .text,
                    comment: column.details?.comment)
            }, uniqueKeys: [TargetTable.UniqueKey(columns: ["id"], isPrimary: true, isImmediate: true, name: "t_pkey")],
            identityIndex: [], rowSecurity: false, isReferenced: false, privileges: [])
    }

    private static func change(
        _ old: Relation, _ new: Relation, mode: PostgresTargetSettings.SchemaMode = .full,
        _ edit: (inout SchemaSituation) -> Void = { _ in }
    ) -> TargetChange {
        var known = AppliedTable(old, numbers: old.details?.columns.map(\.number) ?? [], systemIdentifier: 1)
        known?.targetOID = 900
        var situation = SchemaSituation(relation: new, mode: mode, known: known)
        if old.table == new.table {
            situation.target = target(old)
        } else {
            situation.previous = target(old)
        }
        situation.schemas = ["s"]
        situation.systemIdentifier = 1
        edit(&situation)
        return TargetChange.between(situation)
    }

    private static func statements(_ change: TargetChange) -> [String] { change.steps.map(\.sql) }

    @Test func nothingChangesNothing() {
        let t = Self.relation([Made(name: "a", number: 2)])
        #expect(Self.change(t, t).steps.isEmpty)
        #expect(Self.change(t, t).known?.columns.map(\.number) == [1, 2])
    }

    @Test func aMissingTableIsMadeWithEverything() {
        let mood = UserType(
            oid: 20_000, name: TableName(schema: "zoo", name: "mood"), definition: .enumeration(["sad", "o'k"]))
        let t = Self.relation(
            [
                Made(
                    name: "m\"", type: ColumnType(oid: 20_000, name: "zoo.mood", kind: .enumeration(["sad", "o'k"])),
                    number: 2, isNotNull: true, defaultExpression: "'sad'::zoo.mood", comment: "it's"),
                Made(name: "n", type: Self.int, number: 3, defaultExpression: "nextval('s.q'::regclass)"),
            ], types: [mood])
        var situation = SchemaSituation(relation: t, mode: .additive)
        situation.systemIdentifier = 1
        let change = TargetChange.between(situation)
        #expect(
            Self.statements(change) == [
                "CREATE SCHEMA IF NOT EXISTS \"zoo\";", "CREATE TYPE \"zoo\".\"mood\" AS ENUM ('sad', 'o''k');",
                "CREATE SCHEMA IF NOT EXISTS \"s\";",
                "CREATE TABLE \"s\".\"t\" (\"id\" integer NOT NULL, \"m\"\"\" zoo.mood NOT NULL, \"n\" integer, "
                    + "PRIMARY KEY (\"id\"));",
                "ALTER TABLE \"s\".\"t\" ALTER COLUMN \"m\"\"\" SET DEFAULT 'sad'::zoo.mood;",
                "COMMENT ON COLUMN \"s\".\"t\".\"m\"\"\" IS 'it''s';",
            ])
        #expect(change.steps.allSatisfy { $0.level == .additive })
        // Ahead of the rows the catalog's NOT NULL waits.
        situation.factsHold = false
        let early = TargetChange.between(situation)
        #expect(early.hasOpenFacts && !Self.statements(early)[3].contains("zoo.mood NOT NULL"))
    }

    @Test func anAddedColumnFillsOlderRows() {
        let old = Self.relation([Made(name: "a", number: 2)])
        let filled = Self.relation(
            [
                Made(name: "a", number: 2),
                Made(name: "b", type: Self.int, number: 3, isNotNull: true, defaultExpression: "7", defaultText: "7"),
            ], fills: [3: "5"])
        let change = Self.change(old, filled)
        #expect(
            Self.statements(change) == [
                "ALTER TABLE \"s\".\"t\" ADD COLUMN \"b\" integer DEFAULT '5'::integer;",
                "ALTER TABLE \"s\".\"t\" ALTER COLUMN \"b\" SET DEFAULT 7;",
                "ALTER TABLE \"s\".\"t\" ALTER COLUMN \"b\" SET NOT NULL;",
            ])
        #expect(change.notes.isEmpty)
        // A default that was set later fills nothing; one behind a rewrite may have.
        let later = Self.relation([
            Made(name: "a", number: 2),
            Made(name: "b", type: Self.int, number: 3, defaultExpression: "7", defaultText: "7"),
        ])
        #expect(Self.statements(Self.change(old, later)).first == "ALTER TABLE \"s\".\"t\" ADD COLUMN \"b\" integer;")
        let random = Self.relation(
            [Made(name: "a", number: 2), Made(name: "b", number: 3, defaultExpression: "random()")], storage: 2)
        let gap = Self.change(old, random).steps.first?.gap
        #expect(gap?.query == "SELECT EXISTS (SELECT FROM \"s\".\"t\")" && gap?.cause.contains("random()") == true)
        #expect(gap?.advice.contains("weir backfill --table s.t") == true)
        // Rows that are about to come bring their values.
        #expect(Self.change(old, random) { $0.isSnapshot = true }.steps.first?.gap == nil)
    }

    /// The rewrite that the catalog shows may belong to a change behind these rows.
    @Test func aRewriteAheadOfTheRowsIsNotTakenForDone() {
        let old = Self.relation([Made(name: "a", number: 2)])
        let same = Self.relation([Made(name: "a", number: 2)], storage: 2, asOf: LSN(9), highest: 3)
        let ahead = Self.change(old, same) { $0.factsHold = false }
        #expect(ahead.known?.storage == 1 && ahead.hasOpenFacts)
        let there = Self.change(old, same)
        #expect(there.known?.storage == 2 && !there.hasOpenFacts)
    }

    @Test func renamesGoThroughAThirdNameWhereTheyMust() {
        let old = Self.relation([Made(name: "a", number: 2), Made(name: "b", number: 3)])
        let swapped = Self.relation([Made(name: "b", number: 2), Made(name: "a", number: 3)])
        let change = Self.change(old, swapped)
        #expect(change.steps.count == 3 && change.steps.allSatisfy { $0.level == .full && $0.isNeeded })
        var names = ["a": 2, "b": 3]
        for statement in Self.statements(change) {
            let words = statement.split(separator: "\"").map(String.init)
            // ALTER TABLE "s"."t" RENAME COLUMN "x" TO "y";
            names[words[7]] = names.removeValue(forKey: words[5])
        }
        #expect(names == ["b": 2, "a": 3])
    }

    @Test func dropsAndAddsInTheirModes() {
        let old = Self.relation([Made(name: "a", number: 2, isNotNull: true)])
        let new = Self.relation([Made(name: "b", number: 3)])
        #expect(
            Self.statements(Self.change(old, new)) == [
                "ALTER TABLE \"s\".\"t\" DROP COLUMN \"a\";", "ALTER TABLE \"s\".\"t\" ADD COLUMN \"b\" text;",
            ])
        let additive = Self.change(old, new, mode: .additive)
        #expect(
            Self.statements(additive) == [
                "ALTER TABLE \"s\".\"t\" ALTER COLUMN \"a\" DROP NOT NULL;",
                "ALTER TABLE \"s\".\"t\" ADD COLUMN \"b\" text;",
            ])
        // Another column of the same name is no longer the same column, in any mode.
        let again = Self.change(old, Self.relation([Made(name: "a", number: 3)]), mode: .additive)
        #expect(again.steps.contains { $0.level == .full && $0.isNeeded })
        // Several sources share the table: none of them takes a column away.
        let shared = Self.change(old, new) { $0.isShared = true }
        #expect(!Self.statements(shared).contains { $0.contains("DROP COLUMN") })
    }

    @Test func aColumnThatATransformLeavesOutStays() {
        let old = Self.relation([Made(name: "a", number: 2), Made(name: "b", number: 3)])
        let stream = Self.relation([Made(name: "a", number: 2), Made(name: "b", number: 3)])
        let cut = Relation(
            oid: 500, table: stream.table, columns: [stream.columns[0], stream.columns[2]], identity: .default,
            primaryKey: [0], details: stream.details)
        let change = Self.change(old, cut)
        #expect(change.steps.isEmpty)
        #expect(change.known?.columns.map(\.target) == ["id", nil, "b"])
    }

    @Test func typesChangeAsFarAsTheModeGoes() {
        let old = Self.relation([Made(name: "a", type: Self.int, number: 2)])
        let wide = Self.change(old, Self.relation([Made(name: "a", type: Self.bigint, number: 2)]), mode: .additive)
        #expect(Self.statements(wide) == ["ALTER TABLE \"s\".\"t\" ALTER COLUMN \"a\" TYPE bigint;"])
        #expect(wide.steps[0].level == .additive)
        let other = Self.change(old, Self.relation([Made(name: "a", type: Self.text, number: 2)]))
        #expect(other.steps.count == 1 && other.steps[0].level == .full && other.steps[0].isNeeded)
        #expect(other.steps[0].sql == "ALTER TABLE \"s\".\"t\" ALTER COLUMN \"a\" TYPE text;")
        let back = Self.change(
            Self.relation([Made(name: "a", number: 2)]), Self.relation([Made(name: "a", type: Self.int, number: 2)]))
        #expect(back.steps[0].sql.hasSuffix("TYPE integer USING \"a\"::text::integer;"))
        // Which expression the source used is not known; where it used one, that matters for a wider type as well.
        #expect(back.steps[0].gap?.query.hasSuffix("WHERE \"a\" IS NOT NULL)") == true)
        #expect(other.steps[0].gap == nil && wide.steps[0].gap == nil)
        let scaled = Self.change(old, Self.relation([Made(name: "a", type: Self.bigint, number: 2)])) {
            $0.hasExpression = true
        }
        #expect(scaled.steps[0].gap != nil)
        // A smaller type is no trouble for a target that keeps the larger one.
        let narrow = Self.change(
            Self.relation([Made(name: "a", type: Self.bigint, number: 2)]), old, mode: .additive)
        #expect(!narrow.steps.contains { $0.isNeeded })
    }

    @Test func tablesMoveAndAreReplaced() {
        let old = Self.relation([Made(name: "a", number: 2)])
        let renamed = Self.relation([Made(name: "a", number: 2)], name: "u")
        #expect(Self.statements(Self.change(old, renamed)) == ["ALTER TABLE \"s\".\"t\" RENAME TO \"u\";"])
        var situation = SchemaSituation(relation: old, mode: .full)
        situation.target = Self.target(old)
        situation.schemas = ["s"]
        var occupant = AppliedTable(old, numbers: [1, 2], systemIdentifier: 1)
        occupant?.oid = 400
        occupant?.targetOID = 900
        situation.occupant = occupant
        let replaced = TargetChange.between(situation)
        #expect(Self.statements(replaced).first == "ALTER TABLE \"s\".\"t\" RENAME TO \"t_weir_400\";")
        #expect(replaced.moved.map(\.oid) == [400])
        // An operator has made another table of that name: it is taken.
        situation.occupant?.targetOID = 899
        #expect(TargetChange.between(situation).steps.isEmpty)
    }

    @Test func aTableThatTheTargetLostIsNotMadeEmpty() {
        let t = Self.relation([])
        let change = Self.change(t, t) { $0.target = nil }
        #expect(change.steps.isEmpty && change.doubts.count == 1)
        let snapshot = Self.change(t, t) {
            $0.target = nil
            $0.isSnapshot = true
        }
        #expect(snapshot.doubts.isEmpty && snapshot.steps.count == 1)
    }

    @Test func theKeyFollows() {
        let old = Self.relation([Made(name: "a", number: 2)])
        let both = Relation(
            oid: 500, table: old.table,
            columns: old.columns.map {
                Column(name: $0.name, type: $0.type, isIdentity: true, isNotNull: true, details: $0.details)
            }, identity: .default, primaryKey: [0, 1], details: old.details)
        let change = Self.change(old, both)
        #expect(
            Self.statements(change).filter { $0.contains("KEY") || $0.contains("CONSTRAINT") } == [
                "ALTER TABLE \"s\".\"t\" DROP CONSTRAINT IF EXISTS \"t_pkey\";",
                "ALTER TABLE \"s\".\"t\" ADD PRIMARY KEY (\"id\", \"a\");",
            ])
        #expect(Self.change(old, both, mode: .additive).steps.contains { $0.isNeeded && $0.level == .full })
    }

    @Test(
        arguments: [
            (["a", "c"], ["a", "b", "c"], ["ADD VALUE IF NOT EXISTS 'b' BEFORE 'c';"]),
            (["a"], ["a", "b", "c"], ["ADD VALUE IF NOT EXISTS 'b';", "ADD VALUE IF NOT EXISTS 'c';"]),
            (["b"], ["a", "b"], ["ADD VALUE IF NOT EXISTS 'a' BEFORE 'b';"]),
            (["a", "b", "c"], ["a", "x", "c"], ["RENAME VALUE 'b' TO 'x';"]),
            (["a", "b"], ["x", "y", "z"], []), (["a", "own"], ["a"], []),
        ] as [([String], [String], [String])])
    func labelsAreAddedInTheirPlaces(there: [String], wanted: [String], expected: [String]) {
        let name = TableName(schema: "zoo", name: "mood")
        let type = ColumnType(oid: 20_000, name: "zoo.mood", kind: .enumeration(wanted))
        let t = Self.relation(
            [Made(name: "m", type: type, number: 2)],
            types: [UserType(oid: 20_000, name: name, definition: .enumeration(wanted))])
        let change = Self.change(t, t) {
            $0.types = [name: UserType(oid: 30_000, name: name, definition: .enumeration(there))]
        }
        let statements = Self.statements(change).map { $0.replacing("ALTER TYPE \"zoo\".\"mood\" ", with: "") }
        if expected.isEmpty, there.count > 1, wanted.count > 1 {
            // Which of the new ones is an old one?
            #expect(statements == [] && change.doubts.count == 2)
            #expect(change.doubts.first?.readings.count == 3)
        } else {
            #expect(statements == expected)
        }
        #expect(change.steps.filter(\.isOutside).allSatisfy { $0.sql.contains("ADD VALUE") })
    }
}
