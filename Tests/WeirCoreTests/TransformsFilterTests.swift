import Testing
import WeirTestKit

@testable import WeirCore

@Suite struct TransformsFilterTests {
    let orders = Relation.test("orders", ["id": .int4, "status": .text, "doc": .text])
    let full = Relation.test("orders", ["id": .int4, "status": .text, "doc": .text], identity: .full)
    let other = Relation.test("other", ["id": .int4, "status": .text, "doc": .text])
    let paid = ColumnCondition(column: "status", test: .any(["paid"]))

    private func filtered(_ settings: FilterSettings, _ batch: ChangeBatch) throws -> ChangeBatch {
        try FilterTransform(settings).apply(batch)
    }

    // MARK: - Operations and tables

    @Test func operationsOfMatchingTablesAreKept() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.insert(orders, ["1", "new", nil])
        batch.update(orders, ["1", "paid", nil])
        batch.delete(orders, key: ["1", nil, nil])
        batch.delete(other, key: ["2", nil, nil])
        batch.commit()
        let settings = FilterSettings(table: "public.orders", operations: [.insert, .update])
        let result = try filtered(settings, batch.seal())
        #expect(
            result.lines == [
                "insert public.orders id=1 status=new doc=NULL", "update public.orders id=1 status=paid doc=NULL",
                "delete public.other key id=2 status=NULL doc=NULL",
            ])
        #expect(result.rows.map(\.ordinal) == [1, 2, 4])
    }

    @Test func insertBringsTheRowsOfASnapshot() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.insert(orders, ["1", "new", nil], operation: .read)
        batch.insert(orders, ["2", "new", nil])
        batch.commit()
        let sealed = batch.seal()
        #expect(try filtered(FilterSettings(operations: [.insert]), sealed).lines.count == 2)
        #expect(
            try filtered(FilterSettings(operations: [.read]), sealed).lines == [
                "read public.orders id=1 status=new doc=NULL"
            ])
        #expect(try filtered(FilterSettings(operations: [.delete]), sealed).lines.isEmpty)
    }

    @Test func messagesGoByAFilterOfAllTablesOnly() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.message("app", "hello")
        batch.insert(orders, ["1", "new", nil])
        batch.commit()
        let sealed = batch.seal()
        #expect(
            try filtered(FilterSettings(table: "*.*", operations: []), sealed).lines == ["message app hello"])
        #expect(
            try filtered(FilterSettings(operations: [.message]), sealed).lines == ["message app hello"])
        #expect(
            try filtered(FilterSettings(operations: [.insert]), sealed).lines == [
                "insert public.orders id=1 status=new doc=NULL"
            ])
        #expect(try filtered(FilterSettings(conditions: [paid]), sealed).lines == ["message app hello"])
    }

    @Test func anEmptyTransactionKeepsItsEnd() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.insert(orders, ["1", "new", nil])
        batch.commit()
        batch.begin(200)
        batch.insert(orders, ["2", "paid", nil])
        batch.insert(orders, ["3", "new", nil])
        batch.commit()
        batch.begin(300)
        batch.insert(orders, ["4", "paid", nil])
        let result = try filtered(FilterSettings(conditions: [paid]), batch.seal())
        #expect(
            result.lines == [
                "insert public.orders id=2 status=paid doc=NULL", "insert public.orders id=4 status=paid doc=NULL",
            ])
        #expect(result.transactions.map(\.rows) == [0..<0, 0..<1, 1..<2])
        #expect(result.transactions.map(\.ends) == [true, true, false])
        #expect(result.endLSN == LSN(208))
        for (index, transaction) in result.transactions.enumerated() {
            #expect(result.rows[transaction.rows].allSatisfy { $0.transaction == Int32(index) })
        }
    }

    @Test func aBatchThatLosesNothingIsTheSame() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.insert(orders, ["1", "paid", nil])
        batch.truncate([orders])
        batch.commit()
        let sealed = batch.seal()
        let result = try filtered(FilterSettings(conditions: [paid]), sealed)
        #expect(result.rows == sealed.rows)
        #expect(result.relations[0] === orders)
    }

    @Test func aTruncateStatementBeginsWithTheFirstTableLeft() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.truncate([other])
        batch.truncate([orders, other, full])
        batch.commit()
        let settings = FilterSettings(table: "public.orders", operations: [.insert])
        let third = Relation.test("third", ["id": .int4])
        var wider = TestBatch()
        wider.begin(100)
        wider.truncate([other])
        wider.truncate([orders, third, other])
        wider.truncate([third])
        wider.commit()
        #expect(
            try filtered(settings, wider.seal()).lines == [
                "truncate public.other", "truncate public.third", "truncate public.other too", "truncate public.third",
            ])
        #expect(try filtered(settings, batch.seal()).lines == ["truncate public.other", "truncate public.other"])
    }

    // MARK: - Changes of the set

    @Test func withTheOldRowTheChangesOfTheSetComeOut() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.update(full, ["1", "paid", "a"], full: ["1", "paid", "b"])
        batch.update(full, ["2", "paid", "a"], full: ["2", "new", "a"])
        batch.update(full, ["3", "new", "a"], full: ["3", "paid", "a"])
        batch.update(full, ["4", "new", "a"], full: ["4", "open", "a"])
        batch.delete(full, full: ["5", "paid", "a"])
        batch.delete(full, full: ["6", "new", "a"])
        batch.commit()
        let result = try filtered(FilterSettings(conditions: [paid]), batch.seal())
        #expect(
            result.lines == [
                "update public.orders id=1 status=paid doc=a was id=1 status=paid doc=b",
                "insert public.orders id=2 status=paid doc=a",
                "delete public.orders was id=3 status=paid doc=a",
                "delete public.orders was id=5 status=paid doc=a",
            ])
        #expect(result.rows.map(\.ordinal) == [1, 2, 3, 5])
    }

    @Test func withoutTheOldRowNothingThatLeftTheSetIsKept() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.update(orders, ["1", "paid", .unchanged])
        batch.update(orders, ["2", "new", .unchanged])
        batch.update(orders, ["4", "new", "x"], key: ["3", nil, nil])
        batch.delete(orders, key: ["5", nil, nil])
        batch.commit()
        let result = try filtered(FilterSettings(conditions: [paid]), batch.seal())
        #expect(
            result.lines == [
                "update public.orders id=1 status=paid doc=~",
                "delete public.orders key id=2 status=NULL doc=NULL",
                "delete public.orders key id=3 status=NULL doc=NULL",
                "delete public.orders key id=5 status=NULL doc=NULL",
            ])
    }

    @Test func conditionsOnTheKeyNeedNoOldRow() throws {
        let large = ColumnCondition(column: "id", test: .atLeast("10"))
        var batch = TestBatch()
        batch.begin(100)
        batch.update(orders, ["9", "a", .unchanged])
        batch.update(orders, ["10", "a", .unchanged])
        batch.update(orders, ["11", "a", "x"], key: ["9", nil, nil])
        batch.update(orders, ["8", "a", .unchanged], key: ["12", nil, nil])
        batch.delete(orders, key: ["7", nil, nil])
        batch.delete(orders, key: ["13", nil, nil])
        batch.commit()
        let result = try filtered(FilterSettings(conditions: [large]), batch.seal())
        #expect(
            result.lines == [
                "update public.orders id=10 status=a doc=~",
                "insert public.orders id=11 status=a doc=x",
                "delete public.orders key id=12 status=NULL doc=NULL",
                "delete public.orders key id=13 status=NULL doc=NULL",
            ])
    }

    @Test func operationsAreJudgedOnWhatComesOut() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.update(full, ["2", "paid", "a"], full: ["2", "new", "a"])
        batch.update(full, ["3", "new", "a"], full: ["3", "paid", "a"])
        batch.update(full, ["4", "paid", "a"], full: ["4", "paid", "b"])
        batch.commit()
        let sealed = batch.seal()
        #expect(
            try filtered(FilterSettings(operations: [.insert], conditions: [paid]), sealed).lines == [
                "insert public.orders id=2 status=paid doc=a"
            ])
        #expect(
            try filtered(FilterSettings(operations: [.delete], conditions: [paid]), sealed).lines == [
                "delete public.orders was id=3 status=paid doc=a"
            ])
        #expect(try filtered(FilterSettings(operations: [.read], conditions: [paid]), sealed).lines.isEmpty)
    }

    @Test func aRowThatComesInIsWhole() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.update(full, ["2", "paid", .unchanged], full: ["2", "new", "large"])
        batch.commit()
        #expect(
            try filtered(FilterSettings(conditions: [paid]), batch.seal()).lines == [
                "insert public.orders id=2 status=paid doc=large"
            ])
    }

    @Test func aRowThatComesInWithoutItsLargeValueIsRefused() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.update(orders, ["50", "a", .unchanged], key: ["5", nil, nil])
        let settings = FilterSettings(conditions: [ColumnCondition(column: "id", test: .above("10"))])
        let sealed = batch.seal()
        let error = #expect(throws: WeirError.self) { try filtered(settings, sealed) }
        #expect(error?.code == .valueRejected)
        #expect(error?.message.contains("doc") == true)
        #expect(error?.position == LSN(100))
        #expect(error?.disposition == .operator)
    }

    // MARK: - Unchanged values

    @Test func anUnchangedConditionColumnComesFromTheOldRow() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.update(full, ["1", .unchanged, "a"], full: ["1", "paid", "b"])
        batch.update(full, ["2", .unchanged, "a"], full: ["2", "new", "b"])
        batch.commit()
        #expect(
            try filtered(FilterSettings(conditions: [paid]), batch.seal()).lines == [
                "update public.orders id=1 status=~ doc=a was id=1 status=paid doc=b"
            ])
    }

    @Test func anUnchangedConditionColumnWithoutAnOldRowIsRefused() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.update(orders, ["1", .unchanged, "a"])
        let sealed = batch.seal()
        let error = #expect(throws: WeirError.self) {
            try filtered(FilterSettings(table: "public.orders", conditions: [paid]), sealed)
        }
        #expect(error?.code == .valueRejected)
        #expect(error?.table == orders.table)
        #expect(error?.message.contains("status") == true)
        #expect(error?.advice?.contains("ALTER TABLE \"public\".\"orders\" REPLICA IDENTITY FULL") == true)
        #expect(error?.description.contains("paid") == false)
    }

    @Test func anUnchangedValueIsNotNull() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.update(orders, ["1", .unchanged, "a"])
        let sealed = batch.seal()
        let notNull = ColumnCondition(column: "status", test: .null(false))
        #expect(try filtered(FilterSettings(conditions: [notNull]), sealed).lines.count == 1)
        let both = [notNull, ColumnCondition(column: "id", test: .any(["2"])), paid]
        #expect(try filtered(FilterSettings(conditions: both), sealed).lines.isEmpty, "a known no needs no more")
    }

    // MARK: - Refusals

    @Test func aMissingColumnIsRefusedAtFirstSight() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.insert(orders, ["1", "a", nil])
        let sealed = batch.seal()
        let settings = FilterSettings(conditions: [ColumnCondition(column: "Status", test: .null(true))])
        let error = #expect(throws: WeirError.self) { try filtered(settings, sealed) }
        #expect(error?.code == .tableUnusable)
        #expect(error?.table == orders.table)
    }

    @Test func binaryValuesAreComparedOnlyWhereTheyAreText() throws {
        var batch = TestBatch()
        batch.begin(100)
        batch.insert(orders, [.binary([0, 0, 0, 1]), .binary(Array("paid".utf8)), nil])
        let sealed = batch.seal()
        #expect(try filtered(FilterSettings(conditions: [paid]), sealed).lines.count == 1)
        let number = ColumnCondition(column: "id", test: .any(["1"]))
        let error = #expect(throws: WeirError.self) { try filtered(FilterSettings(conditions: [number]), sealed) }
        #expect(error?.code == .valueRejected)
        let present = ColumnCondition(column: "id", test: .null(false))
        #expect(try filtered(FilterSettings(conditions: [present]), sealed).lines.count == 1)
    }

    @Test(arguments: [
        FilterSettings(), FilterSettings(table: "a.b.c", operations: []), FilterSettings(table: "", operations: []),
        FilterSettings(conditions: [ColumnCondition(column: "a", test: .any([]))]),
    ])
    func senselessSettingsAreRefused(settings: FilterSettings) {
        let error = #expect(throws: WeirError.self) { try FilterTransform(settings) }
        #expect(error?.code == .configurationInvalid)
        #expect(error?.disposition == .usage)
    }

    @Test func everyRelationIsCompiledOnce() throws {
        let filter = try FilterTransform(FilterSettings(conditions: [paid]))
        let changed = Relation.test("orders", ["id": .int4, "note": .text, "status": .text])
        for _ in 0..<3 {
            var batch = TestBatch()
            batch.begin(100)
            batch.insert(orders, ["1", "paid", nil])
            batch.insert(changed, ["2", "x", "paid"])
            batch.insert(changed, ["3", "paid", "x"])
            batch.commit()
            #expect(
                try filter.apply(batch.seal()).lines == [
                    "insert public.orders id=1 status=paid doc=NULL",
                    "insert public.orders id=2 note=x status=paid",
                ])
        }
    }
}
