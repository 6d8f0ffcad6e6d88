import Testing
import WeirTestKit

@testable import WeirCore

@Suite struct TransformsComparisonTests {
    private static func type(_ kind: ColumnType.Kind) -> ColumnType { ColumnType(oid: 0, name: "t", kind: kind) }

    /// Whether a value of this type passes a filter with this test; nil when the filter refuses the value.
    private func passes(_ value: String, _ kind: ColumnType.Kind, _ test: ColumnCondition.Test) throws -> Bool {
        let relation = Relation.test("t", ["v": kind], keys: 0)
        var batch = TestBatch()
        batch.begin(1)
        batch.insert(relation, [.text(value)])
        let filter = try FilterTransform(FilterSettings(conditions: [ColumnCondition(column: "v", test: test)]))
        return try filter.apply(batch.seal()).rows.count == 1
    }

    /// Values in PostgreSQL's order, each list's elements being equal.
    static let orders: [(ColumnType.Kind, [[String]])] = [
        (
            .numeric,
            [
                ["-Infinity"], ["-1e3", "-1000"], ["-99.5", "-99.50"], ["-1"], ["-0.001"],
                ["0", "-0", "0.000", "0e5"], ["0.0009999"], ["0.001", "1e-3", "0.00100"], ["0.5", ".5"],
                ["1", "1.000", "01", "+1"], ["1.0000000000000000000000001"], ["9.99"], ["10", "1E+1", "100e-1"],
                ["123456789012345678901234567890.1"], ["123456789012345678901234567890.10001"], ["1e300"],
                ["Infinity"], ["NaN"],
            ]
        ),
        (.int8, [["-9223372036854775808"], ["-1"], ["0"], ["9223372036854775806"], ["9223372036854775807"]]),
        (.float8, [["-1.7976931348623157e+308"], ["-5e-324"], ["5e-324"], ["1e-05"], ["0.1"], ["1e+20"], ["NaN"]]),
        (
            .timestamptz,
            [
                ["-infinity"], ["0044-03-15 11:59:59+00 BC"], ["0044-03-15 12:00:00+00 BC"],
                ["0043-01-01 00:00:00+00 BC"], ["0001-01-01 00:00:00+00"],
                ["2020-02-29 13:14:15+00", "2020-02-29T13:14:15Z", "2020-02-29 13:14:15.000+00:00"],
                ["2020-02-29 13:14:15.5+00", "2020-02-29T13:14:15.50"], ["2020-02-29 13:14:15.51+00"],
                ["2020-03-01 00:00:00+00", "2020-03-01", "2020-03-01T00:00Z"], ["10000-01-01 00:00:00+00"],
                ["294276-12-31 23:59:59.999999+00"], ["infinity"],
            ]
        ),
        (
            .timestamp,
            [
                ["0002-01-01 00:00:00 BC"], ["0001-01-01 00:00:00 BC"], ["1999-12-31 23:59:59.9"],
                ["2000-01-01 00:00:00"],
            ]
        ),
        (
            .date,
            [["-infinity"], ["0010-01-01 BC"], ["0009-01-01 BC"], ["2024-02-29"], ["5874897-12-31"], ["infinity"]]
        ),
        (.time, [["00:00:00"], ["09:30:00", "09:30", "09:30:00.0"], ["09:30:00.000001"], ["24:00:00"]]),
        (.enumeration(["sad", "ok", "happy"]), [["sad"], ["ok"], ["happy"]]),
        (.text, [[""], ["A"], ["B"], ["a"], ["a "], ["ab"], ["b"], ["ž"], ["€"], ["😀"]]),
        (.bpchar, [["a", "a  "], ["ab"], ["b   "]]),
        (.uuid, [["10000000-0000-0000-0000-000000000000"], ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]]),
        (.bytea, [["\\x"], ["\\x00"], ["\\x0001"], ["\\xff"]]),
    ]

    @Test(arguments: orders)
    func valuesSortAsPostgreSQLSortsThem(kind: ColumnType.Kind, sorted: [[String]]) throws {
        let comparison = ValueComparison(Self.type(kind))
        for (leftIndex, left) in sorted.enumerated() {
            for (rightIndex, right) in sorted.enumerated() {
                for (value, operand) in left.flatMap({ l in right.map { (l, $0) } }) {
                    let canonicalValue = try #require(comparison.canonical(value), "\(value)")
                    let canonical = try #require(comparison.canonical(operand), "\(operand)")
                    let result = comparison.compare(canonicalValue.span, canonical.span)
                    #expect(result?.signum() == (leftIndex - rightIndex).signum(), "\(value) and \(operand)")
                }
            }
        }
    }

    @Test func decimalsCompareAsDoublesDo() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let left = Double(bitPattern: generator.next()), right = Double(bitPattern: generator.next())
            guard left.isFinite, right.isFinite else { continue }
            let leftText = Array("\(left)".utf8), rightText = Array("\(right)".utf8)
            let result = ValueComparison(Self.type(.float8)).compare(leftText.span, rightText.span)
            #expect(result?.signum() == (left < right ? -1 : (left > right ? 1 : 0)), "\(left) and \(right)")
        }
    }

    @Test(arguments: ["", "-", ".", "1.2.3", "1e", "1e+", "e5", "1 ", " 1", "0x10", "1,5", "inf", "nan", "1e5x", "--1"])
    func whatIsNoNumberIsRefused(text: String) throws {
        let bytes = Array(text.utf8)
        let shape = DecimalShape(bytes.span)
        #expect(shape == nil)
        let error = #expect(throws: WeirError.self) { try passes("1", .int4, .above(text)) }
        #expect(error?.code == .tableUnusable)
        let rejected = #expect(throws: WeirError.self) { try passes(text, .int4, .above("1")) }
        #expect(rejected?.code == .valueRejected)
    }

    @Test(arguments: [
        "", "2020", "2020-1-01", "20-01-01 00:00:00", "2020-01-01 00:00", "2020-01-01 25", "2020-01-01 00:00:00.",
        "2020-01-01 00:00:00+02", "2020-01-01 00:00:00 AD", "01/02/2020", "2020-01-01x", "99999999999-01-01 00:00:00",
    ])
    func aTimestampInAnotherStyleOrZoneIsRejected(text: String) throws {
        let error = #expect(throws: WeirError.self) { try passes(text, .timestamptz, .above("2000-01-01")) }
        #expect(error?.code == .valueRejected)
        #expect(error?.description.contains(text + "x") == false)
    }

    @Test(arguments: [
        (ColumnType.Kind.timestamp, "2020-01-01T00:00:00Z"), (.timestamptz, "2020-01-01 00:00:00+02"),
        (.date, "2020-01-01 00:00:00"), (.date, "today"), (.time, "25"), (.boolean, "yes please"),
        (.enumeration(["a"]), "b"), (.int4, "one"),
    ])
    func aConfiguredValueThatIsNoneOfTheTypeIsRefused(kind: ColumnType.Kind, text: String) throws {
        let error = #expect(throws: WeirError.self) { try passes("1", kind, .any([text])) }
        #expect(error?.code == .tableUnusable)
        #expect(error?.disposition == .operator)
    }

    @Test func eachTestMeansWhatItSays() throws {
        #expect(try passes("5", .int4, .below("5")) == false)
        #expect(try passes("4", .int4, .below("5")))
        #expect(try passes("5", .int4, .atMost("5")))
        #expect(try passes("6", .int4, .atMost("5")) == false)
        #expect(try passes("5", .int4, .above("5")) == false)
        #expect(try passes("6", .int4, .above("5")))
        #expect(try passes("5", .int4, .atLeast("5.0")))
        #expect(try passes("4", .int4, .atLeast("5")) == false)
        #expect(try passes("b", .text, .any(["a", "b"])))
        #expect(try passes("c", .text, .any(["a", "b"])) == false)
        #expect(try passes("c", .text, .none(["a", "b"])))
        #expect(try passes("b", .text, .none(["a", "b"])) == false)
        #expect(try passes("berlin", .text, .prefix("ber")))
        #expect(try passes("be", .text, .prefix("ber")) == false)
        #expect(try passes("t", .boolean, .any(["true"])))
        #expect(try passes("f", .boolean, .none(["true"])))
        #expect(try passes("192.168.1.5", .inet, .any(["192.168.1.5"])))
        #expect(try passes("x", .text, .null(false)))
        #expect(try passes("x", .text, .null(true)) == false)
    }

    @Test(arguments: [
        ColumnCondition.Test.any(["a"]), .none(["a"]), .prefix("a"), .below("a"), .atMost("a"), .above("a"),
        .atLeast("a"),
    ])
    func nullHoldsNoTestButNull(test: ColumnCondition.Test) throws {
        let relation = Relation.test("t", ["v": .text], keys: 0)
        var batch = TestBatch()
        batch.begin(1)
        batch.insert(relation, [nil])
        let sealed = batch.seal()
        func count(_ test: ColumnCondition.Test) throws -> Int {
            let settings = FilterSettings(conditions: [ColumnCondition(column: "v", test: test)])
            return try FilterTransform(settings).apply(sealed).rows.count
        }
        #expect(try count(test) == 0)
        #expect(try count(.null(true)) == 1)
        #expect(try count(.null(false)) == 0)
    }

    @Test(arguments: [
        (ColumnType.Kind.json, ColumnCondition.Test.any(["{}"])), (.citext, .any(["a"])), (.inet, .below("10.0.0.0")),
        (.boolean, .below("t")), (.int4, .prefix("1")), (.jsonb, .above("{}")), (.other, .above("1")),
    ])
    func whatATypeCannotTellIsRefused(kind: ColumnType.Kind, test: ColumnCondition.Test) throws {
        let error = #expect(throws: WeirError.self) { try passes("1", kind, test) }
        #expect(error?.code == .tableUnusable)
        #expect(error?.advice != nil)
    }
}
