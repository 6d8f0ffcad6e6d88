import Testing
import WeirCore

@testable import PostgresSink

/// Labels and fields that are known by more than their names.
@Suite struct TypePartTests {
    private static let name = TableName(schema: "zoo", name: "mood")

    private struct Labels {
        /// The source's, by `pg_enum.oid`, in order.
        var source: KeyValuePairs<UInt32, String>
        /// What they are called on the target as far as it is known.
        var known: [UInt32: String]
        /// The target's, in order.
        var target: [String]
        var isOfLog = true
        var typesHold = true
        var mode = PostgresTargetSettings.SchemaMode.full
        var wantsTypes = false

        func differ() -> LabelDiffer {
            let wanted = source.map(\.value)
            let type = UserType(
                oid: 20, name: name, definition: .enumeration(wanted), parts: source.map(\.key), isOfLog: isOfLog)
            let table = TableName(schema: "s", name: "t")
            let relation = Relation(
                oid: 5, table: table, columns: [], identity: .default,
                details: RelationDetails(types: [type], asOf: isOfLog ? nil : LSN(9)))
            var situation = SchemaSituation(relation: relation, mode: mode)
            situation.typesHold = typesHold
            situation.wantsTypes = wantsTypes
            situation.knownTypes = known.isEmpty ? [:] : [20: AppliedType(oid: 20, name: name, parts: known)]
            return LabelDiffer(situation, type, wanted: wanted, there: target)
        }

        func statements() -> [String] {
            differ().steps.map { $0.sql.replacing("ALTER TYPE \"zoo\".\"mood\" ", with: "") }
        }
    }

    @Test func aRenamedLabelIsTheSameOne() {
        var labels = Labels(source: [1: "blue", 2: "happy"], known: [1: "sad", 2: "happy"], target: ["sad", "happy"])
        #expect(labels.statements() == ["RENAME VALUE 'sad' TO 'blue';"])
        #expect(labels.differ().known?.parts == [1: "blue", 2: "happy"])
        // Somebody has done it on the target.
        labels.target = ["blue", "happy"]
        #expect(labels.statements() == [] && labels.differ().known?.parts == [1: "blue", 2: "happy"])
        // Rows before it are still to come.
        labels = Labels(
            source: [1: "blue", 2: "happy"], known: [1: "sad", 2: "happy"], target: ["sad", "happy"], isOfLog: false,
            typesHold: false)
        #expect(labels.statements() == [] && labels.differ().hasOpenFacts)
        #expect(labels.differ().known?.parts == [1: "sad", 2: "happy"])
        // Until one is refused.
        labels.wantsTypes = true
        #expect(labels.statements() == ["RENAME VALUE 'sad' TO 'blue';"])
        #expect(labels.differ().steps.allSatisfy { $0.isNeeded && $0.level == .full })
    }

    @Test func aNewLabelComesBeforeTheRenamesAndByTheNamesOfBefore() {
        let labels = Labels(
            source: [1: "blue", 3: "new", 2: "glad"], known: [1: "sad", 2: "happy"], target: ["sad", "happy"])
        #expect(
            labels.statements() == [
                "ADD VALUE IF NOT EXISTS 'new' BEFORE 'happy';", "RENAME VALUE 'sad' TO 'blue';",
                "RENAME VALUE 'happy' TO 'glad';",
            ])
        #expect(labels.differ().steps.map(\.isOutside) == [true, false, false])
        #expect(labels.differ().known?.parts == [1: "blue", 3: "new", 2: "glad"])
    }

    @Test func aNameThatAnotherLabelTakes() {
        var labels = Labels(
            source: [1: "blue", 3: "sad", 2: "happy"], known: [1: "sad", 2: "happy"], target: ["sad", "happy"])
        #expect(
            labels.statements() == [
                "ADD VALUE IF NOT EXISTS 'weir_moving_3' BEFORE 'happy';", "RENAME VALUE 'sad' TO 'blue';",
                "RENAME VALUE 'weir_moving_3' TO 'sad';",
            ])
        // Done, whatever the order of the checks.
        labels.target = ["blue", "sad", "happy"]
        #expect(labels.statements() == [] && labels.differ().known?.parts == [1: "blue", 2: "happy", 3: "sad"])
        // Nobody told where: values of before and behind look alike.
        labels = Labels(
            source: [1: "blue", 3: "sad", 2: "happy"], known: [1: "sad", 2: "happy"], target: ["sad", "happy"],
            isOfLog: false)
        #expect(labels.statements() == [])
        #expect(labels.differ().doubts.first?.readings.first?.contains("weir backfill --table s.t") == true)
        labels.typesHold = false
        #expect(labels.statements() == [] && labels.differ().hasOpenFacts && labels.differ().doubts.isEmpty)
        labels.wantsTypes = true
        #expect(labels.differ().doubts.count == 1)
        // Names that change places.
        labels = Labels(source: [1: "b", 2: "a"], known: [1: "a", 2: "b"], target: ["a", "b"])
        #expect(
            labels.statements() == [
                "RENAME VALUE 'a' TO 'weir_moving_1';", "RENAME VALUE 'b' TO 'a';",
                "RENAME VALUE 'weir_moving_1' TO 'b';",
            ])
        labels.target = ["b", "a"]
        #expect(labels.statements() == [])
    }

    @Test func whatIsNotRunIsNotTakenForDone() {
        var labels = Labels(
            source: [1: "blue", 3: "new", 2: "happy"], known: [1: "sad", 2: "happy"], target: ["sad", "happy"],
            mode: .additive)
        #expect(labels.statements() == ["ADD VALUE IF NOT EXISTS 'new' BEFORE 'happy';"])
        #expect(labels.differ().known?.parts == [1: "sad", 3: "new", 2: "happy"])
        labels.mode = .none
        #expect(labels.differ().known?.parts == [1: "sad", 2: "happy"])
        // What is not known yet is told by names, and known afterwards.
        labels = Labels(source: [1: "sad", 3: "new"], known: [:], target: ["sad"])
        #expect(labels.statements() == ["ADD VALUE IF NOT EXISTS 'new';"])
        #expect(labels.differ().known?.parts == [1: "sad", 3: "new"])
    }

    @Test(
        arguments: [
            ([("a", "b")], ["a"], ["a>b"]), ([("a", "b"), ("b", "c")], ["a", "b"], ["b>c", "a>b"]),
            ([("a", "b"), ("b", "a")], ["a", "b"], ["a>weir_moving_1", "b>a", "weir_moving_1>b"]),
            ([("a", "b")], ["a", "b"], []),
            ([("a", "b"), ("b", "a")], ["a", "b", "weir_moving_1"], ["a>weir_moving_2", "b>a", "weir_moving_2>b"]),
        ] as [([(String, String)], [String], [String])])
    func renamesThatAreInEachOthersWay(moves: [(String, String)], names: [String], expected: [String]) {
        let steps = Renaming.steps(moves.map { (from: $0.0, to: $0.1) }, among: Set(names))
        #expect(steps.map { "\($0.from)>\($0.to)" } == expected)
    }
}
