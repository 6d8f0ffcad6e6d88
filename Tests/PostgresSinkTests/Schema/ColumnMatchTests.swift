import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSink

/// A version of a table in short: `a2` is column `a` with number 2, `a` one without; types are int unless `:text`.
private enum Short {
    static func columns(_ text: String) -> [(name: String, number: Int16?, type: UInt32)] {
        text.split(separator: " ").map { word in
            let parts = word.split(separator: ":")
            let digits = String(parts[0].drop { !$0.isNumber })
            let name = String(parts[0].prefix { !$0.isNumber })
            return (name, Int16(digits), parts.count > 1 ? 25 : 23)
        }
    }

    static func known(_ text: String) -> [AppliedTable.Column] {
        columns(text).map {
            AppliedTable.Column(
                source: $0.name, number: $0.number, typeOID: $0.type, target: $0.name, type: "t",
                defaultExpression: nil)
        }
    }

    /// - Parameter catalog: as it is now; `_` is a dropped column.
    static func details(_ stream: String, catalog: String, isExact: Bool = false) -> RelationDetails {
        let now = columns(catalog)
        return RelationDetails(
            columns: columns(stream).map { column in
                let found = now.first { $0.name == column.name && $0.type == column.type }
                return StreamColumn(name: column.name, typeOID: column.type, number: found?.number)
            },
            attributes: now.map {
                SourceAttribute(
                    number: $0.number ?? 0, name: $0.name == "_" ? nil : $0.name,
                    typeOID: $0.name == "_" ? 0 : $0.type)
            }, asOf: isExact ? nil : LSN(1))
    }
}

/// Which columns are which, with a catalog that may be ahead of the stream.
@Suite struct ColumnMatchTests {
    /// Old map, stream, catalog of now, and what is expected: `=a` continues a, `a>b` renames, `+b` adds, `-a` drops,
    /// `?a/b` is unclear.
    @Test(arguments: [
        // The catalog is where the stream is.
        ("id1 a2", "id a", "id1 a2", "=id =a"), ("id1 a2", "id a b", "id1 a2 b3", "=id =a +b"),
        ("id1 a2", "id", "id1 _2", "=id -a"), ("id1 a2", "id b", "id1 b2", "=id a>b"),
        ("id1 a2", "id b", "id1 _2 b3", "=id +b -a"), ("id1 a2 b3", "id b a", "id1 b2 a3", "=id a>b b>a"),
        ("id1 a2", "id b:text", "id1 b2:text", "=id a>b"), ("id1 a2 b3", "id b a", "id1 _2 b3 a4", "=id =b +a -a"),
        // Added, renamed and dropped before anything was read.
        ("id1", "id a", "id1 _2", "=id +a"), ("id1 a2", "id b", "id1 _2", "=id a>b"),
        ("id1 a2", "id", "id1 _2", "=id -a"),
        // Renamed later, with columns behind it.
        ("id1 a2 z3", "id a z", "id1 c2 z3", "=id =a =z"), ("id1 a2 z3", "id b z", "id1 c2 z3", "=id a>b =z"),
        // The name belongs to another column by now.
        ("id1 a2", "id a", "id1 b2 a3", "=id =a"), ("id1 a2 b3", "id a b", "id1 b2 a3", "=id =a =b"),
        ("id1 a2 b3", "id a b", "id1 _2 b3 a4", "=id =a =b"),
        // A type that changes later, or has changed.
        ("id1 a2", "id a", "id1 a2:text", "=id =a"), ("id1 a2", "id a:text", "id1 a2:text", "=id =a"),
        // Two columns at once.
        ("id1 a2 b3", "id c d", "id1 c2 d3", "=id a>c b>d"), ("id1 a2 b3", "id c d", "id1 e2 f3", "=id a>c b>d"),
        ("id1 a2 b3", "id c", "id1 _2 c3", "=id b>c -a"),
        // The table is gone.
        ("id1 a2", "id a", "", "=id =a"), ("id1 a2", "id a b", "", "=id =a +b"),
        ("id1 a2 z3", "id b z", "", "=id a>b =z"),
        ("id1 a2", "id b", "", "=id ?a/b +b -a"),
        // Two readings.
        ("id1 a2", "id b", "id1 _2 _3", "=id ?a/b +b -a"), ("id1 a2", "id a", "id1 _2 a3", "=id ?a/a +a -a"),
    ])
    func readings(old: String, stream: String, catalog: String, expected: String) {
        let known = Short.known(old)
        let details = Short.details(stream, catalog: catalog)
        #expect(Self.text(ColumnMatch(old: known, details: details), known, details) == expected)
    }

    @Test(arguments: [
        ("id1 a2", "id a", "id1 _2 a3", "=id +a -a"), ("id1 a2", "id b", "id1 _2 b3", "=id +b -a"),
        ("id1 a2", "id b", "id1 b2", "=id a>b"),
    ])
    func exactFactsLeaveNoDoubt(old: String, stream: String, catalog: String, expected: String) {
        let known = Short.known(old)
        let details = Short.details(stream, catalog: catalog, isExact: true)
        #expect(Self.text(ColumnMatch(old: known, details: details), known, details) == expected)
    }

    /// A number that was given out is no new column's: 2 was `a`, which is gone.
    @Test func whatWasSeenBeforeIsNotNew() {
        let first = ColumnMatch(old: Short.known("id1"), last: 1, details: Short.details("id a", catalog: "id1 _2 c3"))
        #expect(first.continued == [0, nil] && first.lastNumber == 2)
        let gone = ColumnMatch(old: Short.known("id1 a"), last: 2, details: Short.details("id", catalog: "id1 _2 c3"))
        #expect(gone.dropped == [1] && gone.lastNumber == 2)
        let details = Short.details("id b:text", catalog: "id1 _2 c3:text")
        #expect(ColumnMatch(old: Short.known("id1"), last: 2, details: details).numbers == [1, 3])
    }

    /// Each version of a table in turn, read with the last catalog, gives the changes that were made, or a doubt. A
    /// history that is not the simplest can be misread: 6 of 20,000 such sequences are.
    @Test(arguments: 0..<1000)
    func aLaggingReaderIsNeverWrong(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var table: [(name: String, number: Int16)] = [("id", 1)]
        var versions = [table]
        var highest: Int16 = 1
        let names = ["a", "b", "c", "d"]
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let free = names.filter { name in !table.contains { $0.name == name } }
            switch Int.random(in: 0..<3, using: &random) {
            case 0:
                guard let name = free.randomElement(using: &random) else { continue }
                highest += 1
                table.append((name, highest))
            case 1:
                guard table.count > 1, let name = free.randomElement(using: &random) else { continue }
                table[Int.random(in: 1..<table.count, using: &random)].name = name
            default:
                guard table.count > 1 else { continue }
                table.remove(at: Int.random(in: 1..<table.count, using: &random))
            }
            versions.append(table)
        }
        let last = table
        let attributes = (1...highest).map { number in
            let name = last.first { $0.number == number }?.name
            return SourceAttribute(number: number, name: name, typeOID: name == nil ? 0 : 23)
        }
        var known = versions[0].map {
            AppliedTable.Column(
                source: $0.name, number: $0.number, typeOID: 23, target: $0.name, type: "t", defaultExpression: nil)
        }
        var lastNumber: Int16 = 1
        // What the known columns really are.
        var truth = versions[0].map(\.number)
        for version in versions.dropFirst() {
            let details = RelationDetails(
                columns: version.map { column in
                    StreamColumn(
                        name: column.name, typeOID: 23, number: last.first { $0.name == column.name }?.number)
                }, attributes: attributes, asOf: LSN(1))
            let match = ColumnMatch(old: known, last: lastNumber, details: details)
            guard match.doubts.isEmpty else { return }
            lastNumber = match.lastNumber
            for (place, column) in version.enumerated() {
                let before = match.continued[place].map { truth[$0] }
                let isNew = !truth.contains(column.number)
                #expect(before == (isNew ? nil : column.number), "seed \(seed): \(version) after \(truth)")
            }
            known = version.enumerated().map { place, column in
                AppliedTable.Column(
                    source: column.name, number: match.numbers[place], typeOID: 23, target: column.name, type: "t",
                    defaultExpression: nil)
            }
            truth = version.map(\.number)
        }
    }

    private static func text(
        _ match: ColumnMatch, _ old: [AppliedTable.Column], _ details: RelationDetails
    ) -> String {
        var words = details.columns.indices.map { place in
            let name = details.columns[place].name
            guard let index = match.continued[place] else { return "+\(name)" }
            return old[index].source == name ? "=\(name)" : "\(old[index].source)>\(name)"
        }
        words += match.dropped.map { "-\(old[$0].source)" }
        let doubts = match.doubts.map { "?\($0.old)/\($0.new)" }
        // Doubts stand before what they are about.
        let place = words.firstIndex { $0.hasPrefix("+") || $0.hasPrefix("-") } ?? words.count
        words.insert(contentsOf: doubts, at: place)
        return words.joined(separator: " ")
    }
}
