import Testing
import WeirTestKit

@testable import WeirCore

/// `select`, `drop`, `rename` and `route`.
@Suite struct TransformsRelationTests {
    let users = Relation.test("users", ["id": .int4, "name": .text, "email": .text, "age": .int4])
    let full = Relation.test("users", ["id": .int4, "name": .text, "email": .text, "age": .int4], identity: .full)
    let other = Relation.test("other", schema: "app", ["id": .int4, "email": .text])

    private func mixed(_ relation: Relation) -> ChangeBatch {
        var batch = TestBatch()
        batch.begin(100)
        batch.message("app", "hello")
        batch.insert(relation, ["1", "ann", "a@x", nil])
        batch.insert(other, ["9", "o@x"])
        batch.update(relation, ["2", "bob", .unchanged, "4"], key: ["1", nil, nil, nil])
        batch.delete(relation, key: ["2", nil, nil, nil])
        batch.truncate([relation])
        batch.commit()
        return batch.seal()
    }

    // MARK: - Select and drop

    @Test func dropTakesColumnsFromNewAndOldRows() throws {
        let drop = try ProjectTransform(DropSettings(table: "public.users", columns: ["email", "absent"]))
        let result = try drop.apply(mixed(users))
        #expect(
            result.lines == [
                "message app hello", "insert public.users id=1 name=ann age=NULL", "insert app.other id=9 email=o@x",
                "update public.users id=2 name=bob age=4 key id=1 name=NULL age=NULL",
                "delete public.users key id=2 name=NULL age=NULL", "truncate public.users",
            ])
        let derived = try #require(result.relations.first)
        #expect(derived.columns.map(\.name) == ["id", "name", "age"])
        #expect(derived.primaryKey == [0] && derived.keyColumns == [0] && derived.identity == .default)
        #expect(derived.columns[0].isIdentity && derived.columns[0].isNotNull)
        #expect(result.relations[1] === other)
        #expect(result.endLSN == LSN(108))
    }

    @Test func selectKeepsColumnsInTheTablesOrder() throws {
        let select = try ProjectTransform(SelectSettings(table: "public.*", columns: ["age", "id"]))
        let result = try select.apply(mixed(users))
        #expect(result.lines[1] == "insert public.users id=1 age=NULL")
        #expect(result.lines[2] == "insert app.other id=9 email=o@x")
    }

    @Test func aDerivedRelationIsMadeOnce() throws {
        let drop = try ProjectTransform(DropSettings(table: "public.users", columns: ["email"]))
        let first = try drop.apply(mixed(users)), second = try drop.apply(mixed(users))
        #expect(first.relations[0] === second.relations[0])
        let changed = Relation.test("users", ["id": .int4, "email": .text, "n": .text, "m": .text])
        let third = try drop.apply(mixed(changed))
        #expect(third.relations[0] !== first.relations[0])
        #expect(third.lines[1] == "insert public.users id=1 n=a@x m=NULL")
    }

    @Test func aKeyColumnIsNotLostUnasked() throws {
        let drop = try ProjectTransform(DropSettings(table: "public.users", columns: ["id"]))
        let error = #expect(throws: WeirError.self) { try drop.apply(mixed(users)) }
        #expect(error?.code == .tableUnusable)
        #expect(error?.table == users.table)
        #expect(error?.message.contains("id") == true)
        let select = try ProjectTransform(SelectSettings(table: "public.users", columns: ["name"]))
        #expect(throws: WeirError.self) { try select.apply(mixed(full)) }
    }

    @Test func aKeyColumnIsLostWhenAsked() throws {
        let settings = DropSettings(table: "public.users", columns: ["id"], allowsKeyLoss: true)
        let result = try ProjectTransform(settings).apply(mixed(users))
        #expect(result.lines[1] == "insert public.users name=ann email=a@x age=NULL")
        let derived = try #require(result.relations.first)
        #expect(derived.primaryKey.isEmpty && derived.keyColumns.isEmpty && derived.identity == .nothing)
        #expect(derived.columns.allSatisfy { !$0.isIdentity })
    }

    @Test func halfAKeyIsNoPrimaryKeyAndNoIdentity() throws {
        let pairs = Relation.test("pairs", ["tenant": .int4, "id": .int4, "v": .text], keys: 2)
        let settings = DropSettings(table: "public.pairs", columns: ["tenant"], allowsKeyLoss: true)
        let result = try ProjectTransform(settings).apply(TestBatch.oneInsert(pairs, ["1", "2", "x"]))
        let derived = try #require(result.relations.first)
        #expect(derived.primaryKey.isEmpty)
        #expect(derived.keyColumns == [0])
        #expect(derived.identity == .nothing && !derived.columns[0].isIdentity)
    }

    @Test func aFullIdentityStaysOverWhatIsLeft() throws {
        let log = Relation.test("log", ["a": .text, "b": .text], keys: 0, identity: .full)
        let drop = try ProjectTransform(DropSettings(table: "public.log", columns: ["b"]))
        let result = try drop.apply(TestBatch.oneInsert(log, ["1", "2"]))
        #expect(result.relations[0].identity == .full)
        #expect(result.relations[0].columns.map(\.isIdentity) == [true])
    }

    @Test func keyOrderIsKept() throws {
        let columns = ["a", "b", "c"].map { Column(name: $0, type: ColumnType(oid: 25, name: "text", kind: .text)) }
        let relation = Relation(
            oid: 1, table: TableName(schema: "public", name: "t"), columns: columns, identity: .default,
            primaryKey: [2, 1])
        let drop = try ProjectTransform(DropSettings(table: "public.t", columns: ["a"]))
        let result = try drop.apply(TestBatch.oneInsert(relation, ["1", "2", "3"]))
        #expect(result.relations[0].primaryKey == [1, 0])
        #expect(result.relations[0].keyColumns == [1, 0])
    }

    // MARK: - Rename and route

    @Test func renameChangesNamesOnly() throws {
        let settings = RenameSettings(
            table: "public.users", to: "people", columns: ["name": "email", "email": "name", "absent": "x"])
        let batch = mixed(users)
        let result = try RelabelTransform(settings, pipeline: "shop").apply(batch)
        #expect(result.lines[1] == "insert public.people id=1 email=ann name=a@x age=NULL")
        #expect(result.lines[2] == "insert app.other id=9 email=o@x")
        #expect(result.relations[0].origin == users.table)
        #expect(result.relations[0].primaryKey == [0])
        #expect(result.cells == batch.cells && result.rows == batch.rows)
        #expect(result.relations[1] === other)
    }

    @Test(arguments: [
        ("people", "public", "people"), ("crm.people", "crm", "people"), ("\"a.b\".\"C D\"", "a.b", "C D"),
        ("archive.{schema}_{table}", "archive", "public_users"), ("{pipeline}.{table}", "shop", "users"),
        ("{{x}}", "public", "{x}"),
    ])
    func tableNamesAreTemplates(template: String, schema: String, name: String) throws {
        let rename = try RelabelTransform(RenameSettings(table: "public.users", to: template), pipeline: "shop")
        let route = try RelabelTransform(RouteSettings(table: "public.users", target: template), pipeline: "shop")
        for transform in [rename, route] {
            let result = try transform.apply(mixed(users))
            #expect(result.relations[0].table == TableName(schema: schema, name: name))
            #expect(result.relations[0].route == nil)
        }
    }

    @Test func aTablesNameNeverBecomesTwoParts() throws {
        let odd = Relation.test("a.b\"c", ["id": .int4])
        let rename = try RelabelTransform(RenameSettings(table: "*.*", to: "x.{table}"), pipeline: "p")
        let result = try rename.apply(TestBatch.oneInsert(odd, ["1"]))
        #expect(result.relations[0].table == TableName(schema: "x", name: "a.b\"c"))
    }

    @Test func routeChoosesATopic() throws {
        let settings = RouteSettings(table: "app.*", topic: "{pipeline}-{schema}-{table}")
        let result = try RelabelTransform(settings, pipeline: "shop").apply(mixed(users))
        #expect(result.relations.map(\.route) == [nil, "shop-app-other"])
        #expect(result.relations[1].table == other.table)
    }

    @Test func twoColumnsOfOneNameAreRefused() throws {
        let settings = RenameSettings(table: "public.users", columns: ["name": "email"])
        let error = #expect(throws: WeirError.self) {
            try RelabelTransform(settings, pipeline: "p").apply(mixed(users))
        }
        #expect(error?.code == .tableUnusable)
        #expect(error?.message.contains("email") == true)
    }

    @Test(arguments: ["", "a.b.c", "a..b", "\"a", "{tabel}", "{table", "table}", "{}"])
    func badTemplatesAreRefused(template: String) {
        let rename = #expect(throws: WeirError.self) {
            try RelabelTransform(RenameSettings(table: "public.users", to: template), pipeline: "p")
        }
        #expect(rename?.code == .configurationInvalid)
    }

    @Test func senselessSettingsAreRefused() {
        #expect(throws: WeirError.self) { try RelabelTransform(RenameSettings(table: "a.b"), pipeline: "p") }
        #expect(throws: WeirError.self) { try RelabelTransform(RouteSettings(table: "a.b"), pipeline: "p") }
        #expect(throws: WeirError.self) { try RelabelTransform(RouteSettings(table: "a.b", topic: ""), pipeline: "p") }
        #expect(throws: WeirError.self) { try ProjectTransform(SelectSettings(table: "a.b", columns: [])) }
    }
}

extension TestBatch {
    /// One committed insert.
    static func oneInsert(_ relation: Relation, _ values: [TestValue]) -> ChangeBatch {
        var batch = TestBatch()
        batch.begin(100)
        batch.insert(relation, values)
        batch.commit()
        return batch.seal()
    }
}
