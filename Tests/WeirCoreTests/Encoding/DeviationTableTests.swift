import Foundation
import Testing

/// The tables "Where Weir differs from Debezium" list what the comparison with the real engine tolerates, and no more.
@Suite struct DeviationTableTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// The first cells of a table, which begins with a header of these words.
    private static func rows(_ header: String) throws -> [String] {
        let lines = try text("Sources/WeirCore/WeirCore.docc/EventFormat.md").split(separator: "\n")
        let table = lines.drop { !$0.hasPrefix(header) }.prefix { $0.hasPrefix("|") }
        return table.dropFirst(2).map { row in
            row.split(separator: "|")[0].trimmingCharacters(in: .whitespaces)
        }
    }

    @Test func everyRowIsARuleAndEveryRuleARow() throws {
        let rules = try JSONDecoder().decode(
            [String: [String: String]].self, from: Data(Self.text("Tests/Debezium/rules.json").utf8))
        func texts(_ names: String...) -> Set<String> { Set(names.flatMap { (rules[$0] ?? [:]).values }) }
        let loose = try Self.rows("| what | Debezium 3.6.3, and `strict` |")
        let always = try Self.rows("| what | Debezium 3.6.3 | Weir |")
        #expect(Set(loose) == texts("loose") && Set(loose).count == loose.count && loose.count > 10)
        #expect(Set(always) == texts("strict", "beyond") && Set(always).count == always.count && always.count > 5)
        for row in Set(loose).symmetricDifference(texts("loose")).union(
            Set(always).symmetricDifference(texts("strict", "beyond")))
        {
            Issue.record("in one of both only: \(row)")
        }
    }
}
