import LibCrypto
import Testing
import WeirTestKit

@testable import WeirCore

@Suite struct TransformsChainTests {
    private func chain(_ settings: [TransformSettings]) throws -> [any Transform] {
        try TransformChain.make(settings, pipeline: "shop") { salt throws(WeirError) in try SHA256(salt: salt) }
    }

    private func apply(_ settings: [TransformSettings], _ batch: ChangeBatch) throws -> ChangeBatch {
        var result = batch
        for transform in try chain(settings) { result = try transform.apply(result) }
        return result
    }

    @Test func stepsSeeTheNamesThatEarlierOnesGave() throws {
        let users = Relation.test("users", ["id": .int4, "mail": .text, "state": .text, "note": .text])
        var batch = TestBatch()
        batch.begin(100)
        batch.insert(users, ["1", "a@x", "live", "n"])
        batch.insert(users, ["2", "b@x", "dead", "n"])
        batch.commit()
        let result = try apply(
            [
                .filter(
                    FilterSettings(
                        table: "public.users", conditions: [ColumnCondition(column: "state", test: .any(["live"]))])),
                .drop(DropSettings(table: "public.users", columns: ["state"])),
                .rename(RenameSettings(table: "public.users", to: "crm.people", columns: ["mail": "email"])),
                .mask(MaskSettings(columns: ["crm.people.email"], method: .fixed("***"))),
                .select(SelectSettings(table: "crm.people", columns: ["id", "email"])),
                .route(RouteSettings(table: "crm.*", topic: "{pipeline}.{table}")),
            ], batch.seal())
        #expect(result.lines == ["insert crm.people id=1 email=***"])
        #expect(result.relations[0].route == "shop.people")
        #expect(result.relations[0].origin == users.table)
    }

    @Test func theSameBatchAlwaysComesOutTheSame() throws {
        let users = Relation.test("users", ["id": .int4, "mail": .text], identity: .full)
        var batch = TestBatch()
        batch.begin(100)
        batch.update(users, ["1", "a"], full: ["1", "b"])
        batch.update(users, ["2", "b"], full: ["2", "a"])
        batch.commit()
        let sealed = batch.seal()
        let steps: [TransformSettings] = [
            .filter(FilterSettings(conditions: [ColumnCondition(column: "mail", test: .any(["a"]))])),
            .mask(MaskSettings(columns: ["*.*.*"], method: .sha256(salt: "s"))),
        ]
        let first = try apply(steps, sealed), second = try apply(steps, sealed)
        #expect(first.lines == second.lines)
        #expect(first.arena == second.arena && first.rows == second.rows && first.cells == second.cells)
        #expect(first.rows.map { first.identity(of: $0) } == sealed.rows.map { sealed.identity(of: $0) })
    }

    @Test func aSnapshotAndAResumePointPassThrough() throws {
        let users = Relation.test("users", ["id": .int4])
        var batch = TestBatch()
        batch.begin(100)
        batch.insert(users, ["1"], operation: .read)
        let part = SnapshotPart(consistentPoint: LSN(9), isFirst: true, isLastOfTable: true)
        let sealed = batch.seal(snapshot: part, resumeToken: "0=1")
        let result = try apply([.filter(FilterSettings(operations: [.delete]))], sealed)
        #expect(result.rows.isEmpty)
        #expect(result.relations[0] === users, "an empty table is still announced")
        #expect(result.snapshot == part)
        #expect(result.resumeToken == "0=1")
    }

    @Test func aMistakeNamesItsStep() {
        let error = #expect(throws: WeirError.self) {
            try chain([
                .filter(FilterSettings(operations: [.insert])), .mask(MaskSettings(columns: ["x"], method: .null)),
            ])
        }
        #expect(error?.code == .configurationInvalid)
        #expect(error?.message.hasPrefix("transforms[1]: ") == true)
    }

    @Test func plansAreForgottenBeyondTheirLimit() throws {
        var plans = RelationPlans<Int>(limit: 2)
        var made = 0
        func ask(_ relation: Relation) throws -> Int {
            try plans.plan(for: relation) { _ throws(WeirError) in
                made += 1
                return made
            }
        }
        let relations = (0..<3).map { Relation.test("t\($0)", ["id": .int4]) }
        #expect(try ask(relations[0]) == 1)
        #expect(try ask(relations[0]) == 1)
        #expect(try ask(relations[1]) == 2)
        #expect(try ask(relations[2]) == 3)
        #expect(try ask(relations[0]) == 4)
        #expect(try ask(relations[2]) == 3)
    }
}

@Suite struct TransformCheckTests {
    let users = Relation.test("users", ["id": .int4, "mail": .text])
    let orders = Relation.test("orders", ["id": .int4, "user": .int4])

    private func check(_ settings: [TransformSettings]) -> [Finding] {
        TransformChain.check(settings, relations: [users, orders], pipeline: "p") { salt throws(WeirError) in
            try SHA256(salt: salt)
        }
    }

    @Test func stepsThatFitAreFine() {
        let findings = check([
            .rename(RenameSettings(table: "public.users", to: "crm.people", columns: ["mail": "email"])),
            .mask(MaskSettings(columns: ["crm.people.email"], method: .null)),
            .filter(FilterSettings(operations: [.insert])),
        ])
        #expect(findings.map(\.severity) == [.ok])
        #expect(check([]).isEmpty)
    }

    @Test(arguments: [
        (TransformSettings.mask(MaskSettings(columns: ["public.users.emial"], method: .null)), "emial"),
        (.drop(DropSettings(table: "public.users", columns: ["mial"])), "mial"),
        (.select(SelectSettings(table: "public.orders", columns: ["id", "mail"])), "mail"),
        (.rename(RenameSettings(table: "public.*", columns: ["nmae": "name"])), "nmae"),
        (.route(RouteSettings(table: "app.*", topic: "x")), "app.*"),
        (.filter(FilterSettings(table: "public.order", operations: [.insert])), "public.order"),
    ])
    func whatMatchesNothingIsAWarning(step: TransformSettings, name: String) {
        let findings = check([step])
        #expect(findings.map(\.severity) == [.warning])
        #expect(findings.first?.subject == "transforms[0]")
        #expect(findings.first?.message.contains(name) == true)
        #expect(findings.first?.remedy != nil)
    }

    @Test func whatWouldStopThePipelineIsAnError() {
        let findings = check([
            .drop(DropSettings(table: "*.*", columns: ["id"])),
            .filter(
                FilterSettings(
                    table: "public.orders", conditions: [ColumnCondition(column: "gone", test: .null(true))])),
        ])
        #expect(findings.map(\.severity) == [.error, .error, .error])
        #expect(
            findings.map(\.subject) == [
                "transforms[0] table public.users", "transforms[0] table public.orders",
                "transforms[1] table public.orders",
            ])
    }

    @Test func aMistakeOfASettingIsAnError() {
        let findings = check([.mask(MaskSettings(columns: ["a.b.c"], method: .sha256(salt: "")))])
        #expect(findings.map(\.severity) == [.error])
        #expect(findings.first?.message.contains("transforms[0]") == true)
    }
}
