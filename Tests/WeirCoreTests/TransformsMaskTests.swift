import LibCrypto
import Testing
import WeirTestKit

@testable import WeirCore

@Suite struct TransformsMaskTests {
    let users = Relation.test("users", ["id": .int4, "email": .varchar, "age": .int4])
    let full = Relation.test("users", ["id": .int4, "email": .varchar, "age": .int4], identity: .full)

    private func mask(_ columns: [String], _ method: MaskSettings.Method) throws -> MaskTransform {
        try MaskTransform(MaskSettings(columns: columns, method: method)) { salt throws(WeirError) in
            try SHA256(salt: salt)
        }
    }

    private func changes(_ relation: Relation) -> ChangeBatch {
        var batch = TestBatch()
        batch.begin(100)
        batch.message("ann", "ann")
        batch.insert(relation, ["1", "ann", "30"])
        batch.insert(relation, ["2", nil, "31"])
        batch.update(relation, ["1", "bob", nil], full: ["1", "ann", "30"])
        batch.update(relation, ["3", .unchanged, nil])
        batch.delete(relation, full: ["1", "bob", nil])
        batch.commit()
        return batch.seal()
    }

    @Test func aFixedTextHidesNewAndOldValues() throws {
        let result = try mask(["public.users.email"], .fixed("***")).apply(changes(full))
        #expect(
            result.lines == [
                "message ann ann", "insert public.users id=1 email=*** age=30",
                "insert public.users id=2 email=NULL age=31",
                "update public.users id=1 email=*** age=NULL was id=1 email=*** age=30",
                "update public.users id=3 email=~ age=NULL", "delete public.users was id=1 email=*** age=NULL",
            ])
        #expect(result.relations[0].columns[1].type.kind == .varchar)
        #expect(result.endLSN == LSN(108))
    }

    @Test func nullHidesValues() throws {
        let result = try mask(["public.users.email"], .null).apply(changes(full))
        #expect(result.lines[1] == "insert public.users id=1 email=NULL age=30")
        #expect(result.lines[4] == "update public.users id=3 email=~ age=NULL")
        #expect(!result.relations[0].columns[1].isNotNull)
    }

    @Test func hashesAreThoseOfSha256sum() throws {
        // printf 'pepperann@example.org' | sha256sum
        let expected = "b18264b09ad9f8f63b8cf409616260694bb363cc52019dd27b0da6e84aa4c545"
        let transform = try mask(["public.users.email"], .sha256(salt: "pepper"))
        for _ in 0..<2 {
            let result = try transform.apply(TestBatch.oneInsert(users, ["1", "ann@example.org", nil]))
            #expect(result.lines == ["insert public.users id=1 email=\(expected) age=NULL"])
        }
    }

    @Test func aMaskedKeyIsTheSameInOldAndNewRows() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.insert(users, ["1", "a", nil])
        batch.update(users, ["2", "a", nil], key: ["1", nil, nil])
        batch.delete(users, key: ["2", nil, nil])
        let result = try mask(["public.users.id"], .sha256(salt: "s")).apply(batch.seal())
        let cells = result.rows.map { row in
            (
                row.cells < 0 ? nil : result.text(result.cell(0, of: row)),
                row.oldCells < 0 ? nil : result.text(result.oldCell(0, of: row))
            )
        }
        #expect(cells[0].0 == cells[1].1)
        #expect(cells[1].0 == cells[2].1)
        #expect(cells[0].0 != cells[1].0)
        #expect(cells[0].0?.utf8.count == 64)
        let derived = result.relations[0]
        #expect(derived.columns[0].type.kind == .text && derived.columns[0].isIdentity)
        #expect(derived.keyColumns == [0] && derived.primaryKey == [0])
    }

    @Test(arguments: [MaskSettings.Method.fixed("0"), .null])
    func aKeyIsNotMadeTheSame(method: MaskSettings.Method) throws {
        let transform = try mask(["public.users.*"], method)
        let error = #expect(throws: WeirError.self) { try transform.apply(changes(users)) }
        #expect(error?.code == .tableUnusable)
        #expect(error?.table == users.table)
        #expect(error?.message.contains("id") == true)
    }

    @Test func hiddenBytesAreGoneFromTheBatch() throws {
        func holds(_ batch: ChangeBatch, _ text: String) -> Bool {
            let bytes = Array(text.utf8)
            return batch.arena.indices.contains { batch.arena[$0...].starts(with: bytes) }
        }
        for method in [MaskSettings.Method.fixed("x"), .null, .sha256(salt: "s")] {
            let batch = TestBatch.oneInsert(users, ["1", "ann@example.org", "30"])
            let result = try mask(["public.users.email"], method).apply(batch)
            #expect(!holds(result, "ann@example.org"))
            #expect(holds(batch, "ann@example.org"), "the batch before is as it was")
            #expect(result.lines[0].hasSuffix("age=30"))
        }
    }

    @Test func masksFollowEachOther() throws {
        let first = try mask(["public.users.email", "public.users.age"], .fixed("7"))
        let second = try mask(["public.users.email"], .sha256(salt: "s"))
        let result = try second.apply(try first.apply(changes(full)))
        let line = result.lines[1]
        #expect(line.hasSuffix(" age=7"))
        #expect(!line.contains("email=7"))
    }

    @Test func patternsTakeQuotesWildcardsAndExclusions() throws {
        let odd = Relation.test("Odd.Table", schema: "my schema", ["id": .int4, "e.mail": .text, "e2": .text])
        let batch = TestBatch.oneInsert(odd, ["1", "a", "b"])
        func lines(_ patterns: [String]) throws -> [String] { try mask(patterns, .fixed("x")).apply(batch).lines }
        let name = "insert \"my schema\".\"Odd.Table\" id=1"
        #expect(try lines(["\"my schema\".\"Odd.Table\".\"e.mail\""]) == ["\(name) e.mail=x e2=b"])
        #expect(try lines(["*.*.e*"]) == ["\(name) e.mail=x e2=x"])
        #expect(try lines(["*.*.e?"]) == ["\(name) e.mail=a e2=x"])
        #expect(try lines(["*.*.*", "!*.*.id"]) == ["\(name) e.mail=x e2=x"])
        #expect(try lines(["*.*.*", "!*.*.id", "!*.*.e2"]) == ["\(name) e.mail=x e2=b"])
        #expect(try lines(["other.*.*"]) == ["\(name) e.mail=a e2=b"])
    }

    @Test func aPatternOfTwoPartsIsInSchemaPublic() throws {
        let batch = TestBatch.oneInsert(users, ["1", "a", nil])
        let result = try mask(["users.email"], .fixed("x")).apply(batch)
        #expect(result.lines == ["insert public.users id=1 email=x age=NULL"])
    }

    @Test func aBatchWithoutSuchColumnsIsTheSame() throws {
        let batch = changes(users)
        let result = try mask(["public.others.*"], .null).apply(batch)
        #expect(result.relations[0] === users)
        #expect(result.arena == batch.arena)
    }

    @Test func binaryValuesAreHashedOnlyWhereTheyAreText() throws {
        let batch = TestBatch.oneInsert(users, ["1", .binary(Array("ann".utf8)), .binary([0, 0, 0, 30])])
        let text = try mask(["public.users.email"], .sha256(salt: "s")).apply(batch)
        let plain = try mask(["public.users.email"], .sha256(salt: "s"))
            .apply(TestBatch.oneInsert(users, ["1", "ann", .binary([0, 0, 0, 30])]))
        #expect(text.lines == plain.lines)
        let transform = try mask(["public.users.age"], .sha256(salt: "s"))
        let error = #expect(throws: WeirError.self) { try transform.apply(batch) }
        #expect(error?.code == .valueRejected)
        #expect(error?.table == users.table && error?.position == LSN(100))
        #expect(error?.message.contains("age") == true)
        #expect(try mask(["public.users.age"], .null).apply(batch).lines[0].hasSuffix("age=NULL"))
    }

    @Test func aFixedTextMustBeAValueOfTheType() throws {
        let batch = TestBatch.oneInsert(users, ["1", "ann", "30"])
        #expect(try mask(["public.users.age"], .fixed("0")).apply(batch).lines[0].hasSuffix("age=0"))
        let transform = try mask(["public.users.age"], .fixed("***"))
        let error = #expect(throws: WeirError.self) { try transform.apply(batch) }
        #expect(error?.code == .tableUnusable)
        #expect(error?.message.contains("age") == true)
    }

    @Test(arguments: [
        MaskSettings(columns: [], method: .null), MaskSettings(columns: ["!a.b.c"], method: .null),
        MaskSettings(columns: ["email"], method: .null), MaskSettings(columns: ["a.b.c.d"], method: .null),
        MaskSettings(columns: ["a.b."], method: .null), MaskSettings(columns: ["a.b.\"c"], method: .null),
        MaskSettings(columns: ["a.b.c"], method: .sha256(salt: "")),
    ])
    func senselessSettingsAreRefused(settings: MaskSettings) {
        let error = #expect(throws: WeirError.self) {
            try MaskTransform(settings) { salt throws(WeirError) in try SHA256(salt: salt) }
        }
        #expect(error?.code == .configurationInvalid)
    }

    @Test func defaultsOfMaskedColumnsAreForgotten() throws {
        let type = ColumnType(oid: 25, name: "text", kind: .text)
        let relation = Relation(
            oid: 1, table: TableName(schema: "public", name: "t"),
            columns: [Column(name: "v", type: type, isNotNull: true, defaultText: "secret")], identity: .nothing)
        for method in [MaskSettings.Method.fixed("x"), .null, .sha256(salt: "s")] {
            let result = try mask(["public.t.v"], method).apply(TestBatch.oneInsert(relation, ["a"]))
            #expect(result.relations[0].columns[0].defaultText == nil)
        }
    }
}
