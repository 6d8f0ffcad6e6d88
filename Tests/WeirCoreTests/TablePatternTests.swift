import Testing
import WeirCore

@Suite struct TablePatternTests {
    private func pattern(_ text: String) throws -> TablePattern { try TablePattern(text) }

    @Test(arguments: [
        ("public.*", "public", "orders", true),
        ("public.*", "audit", "orders", false),
        ("*.orders", "x", "orders", true),
        ("public.order?", "public", "orders", true),
        ("public.order?", "public", "order", false),
        ("public.*_log_*", "public", "a_log_b_log_c", true),
        ("public.a*b*c", "public", "axxbyyc", true),
        ("public.a*b*c", "public", "axxbyy", false),
        ("orders", "public", "orders", true),
        ("orders", "sales", "orders", false),
        ("public.Orders", "public", "orders", false),
        ("\"a.b\".\"x*\"", "a.b", "x*", true),
        ("\"a.b\".\"x*\"", "a.b", "xy", false),
        ("a.b", "public", "a.b", false),
        ("\"a.b\"", "public", "a.b", true),
        ("\"quo\"\"te\".t", "quo\"te", "t", true),
        ("zoo.*", "zoo", "Odd Näme", true),
    ])
    func matches(_ text: String, _ schema: String, _ name: String, _ expected: Bool) throws {
        #expect(try pattern(text).matches(TableName(schema: schema, name: name)) == expected)
    }

    @Test(arguments: [
        ("", TablePattern.Problem.emptyPart), ("!", .emptyPart), ("a.", .emptyPart), (".b", .emptyPart),
        ("a.b.c", .tooManyParts), ("\"a", .unclosedQuote), ("\"a\"b.c", .textAfterQuote), ("\"\".b", .emptyPart),
    ])
    func refuses(_ text: String, _ problem: TablePattern.Problem) {
        #expect(throws: problem) { try TablePattern(text) }
    }

    @Test func theLastMatchWins() throws {
        let selection = TableSelection(
            try ["public.*", "!public.audit_*", "public.audit_kept"].map(pattern))
        #expect(selection.contains(TableName(schema: "public", name: "orders")))
        #expect(!selection.contains(TableName(schema: "public", name: "audit_log")))
        #expect(selection.contains(TableName(schema: "public", name: "audit_kept")))
        #expect(!selection.contains(TableName(schema: "other", name: "orders")))
    }

    @Test func anExclusionAloneKeepsTheRest() throws {
        let selection = TableSelection(try ["!*.secrets"].map(pattern))
        #expect(selection.contains(TableName(schema: "a", name: "orders")))
        #expect(!selection.contains(TableName(schema: "a", name: "secrets")))
        #expect(TableSelection().contains(TableName(schema: "a", name: "secrets")))
    }

    @Test func anExactPatternNamesItsTable() throws {
        #expect(try pattern("\"A b\".c").exactTable == TableName(schema: "A b", name: "c"))
        #expect(try pattern("a.*").exactTable == nil)
    }
}
