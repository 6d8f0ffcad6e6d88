import Testing
import WeirCore

@testable import PostgresSource

@Suite struct RelationKeysTests {
    private func keys(
        _ names: String, flagged: String = "", _ identity: ReplicaIdentity, primary: [String] = [], index: [String] = []
    ) -> RelationKeys {
        RelationKeys(
            columns: names.map { name in
                Column(
                    name: String(name), type: ColumnType(oid: 25, name: "text", kind: .text),
                    isIdentity: flagged.contains(name))
            }, identity: identity, primaryKey: primary, identityIndex: index)
    }

    @Test func thePrimaryKeyInItsOwnOrder() {
        let found = keys("abc", flagged: "ac", .default, primary: ["c", "a"])
        #expect(found.primary == [2, 0] && found.event == [2, 0])
    }

    @Test func aKeyThatWasChangedSinceIsTakenFromTheStream() {
        // The catalog of now has another key than the change of then carries.
        let found = keys("abc", flagged: "a", .default, primary: ["b"])
        #expect(found.primary == [0] && found.event == [0])
        #expect(keys("abc", flagged: "a", .default).event == [0])
        #expect(keys("abc", .default, primary: ["b"]).event == [])
        #expect(keys("abc", flagged: "ab", .default, primary: ["a", "gone"]).event == [0, 1])
    }

    @Test func theIndexWhereADeleteHasNothingElse() {
        let found = keys("abc", flagged: "bc", .index, primary: ["a"], index: ["c", "b"])
        #expect(found.primary == [0] && found.event == [2, 1])
        #expect(keys("abc", flagged: "ab", .index, primary: ["a"], index: ["b", "a"]).event == [0])
        #expect(keys("abc", flagged: "b", .index, index: ["gone"]).event == [1])
    }

    @Test func aDeferrableKeyIsNoIdentityAndAKeyAllTheSame() {
        let column = Column(name: "a", type: ColumnType(oid: 25, name: "text", kind: .text))
        for identity in [ReplicaIdentity.default, .full, .nothing] {
            let found = RelationKeys(
                columns: [column], identity: identity, primaryKey: ["a"], isImmediate: false, identityIndex: [])
            #expect(found.primary == [0] && found.event == [0])
        }
    }

    @Test func aUniqueIndexOnlyWhereThereIsNoPrimaryKey() {
        func keys(_ primary: [String], _ unique: [String], _ identity: ReplicaIdentity = .full) -> RelationKeys {
            RelationKeys(
                columns: ["a", "b", "c"].map { Column(name: $0, type: ColumnType(oid: 25, name: "text", kind: .text)) },
                identity: identity, primaryKey: primary, identityIndex: [], uniqueIndex: unique)
        }
        #expect(keys([], ["c", "a"]).unique == [2, 0] && keys([], ["c", "a"]).event == [])
        #expect(keys(["b"], ["c"]).unique == [] && keys([], ["gone", "b"], .nothing).unique == [1])
    }

    @Test func wholeRowsAndNothingKeepThePrimaryKey() {
        #expect(keys("abc", flagged: "abc", .full, primary: ["b"]).event == [1])
        #expect(keys("abc", flagged: "abc", .full).event == [])
        #expect(keys("abc", .nothing, primary: ["b"]).event == [1])
    }
}
