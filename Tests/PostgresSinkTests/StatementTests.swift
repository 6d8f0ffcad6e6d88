import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSink

@Suite("Statements")
struct StatementTests {
    private static let equals = "OPERATOR(pg_catalog.=)"

    private func layout(keyed: Bool = true, partitioned: Bool = false) -> TableLayout {
        TableLayout(
            table: "\"s\".\"t\"",
            columns: [
                .init(sql: "\"id\"", typeOID: 23, equality: .native(Self.equals, coarse: false)),
                .init(sql: "\"n\"", typeOID: 1700, equality: .native(Self.equals, coarse: true)),
                .init(sql: "\"j\"", typeOID: 114, equality: .text),
            ],
            compare: keyed ? [0] : [0, 1, 2], isKeyed: keyed, conflict: keyed ? [0] : [], isPartitioned: partitioned,
            extra: ["\"x\""])
    }

    private func text(
        _ kind: StatementShape.Kind, set: [Int] = [], compare: [Int] = [], nulls: [Int] = [], carried: [Int] = [],
        _ layout: TableLayout? = nil
    ) -> StatementText {
        StatementText(
            StatementShape(
                kind: kind, set: ColumnSet(set), compare: ColumnSet(compare), nulls: ColumnSet(nulls),
                carried: ColumnSet(carried)), layout ?? self.layout())
    }

    @Test func keyedStatements() {
        let table = "\"s\".\"t\""
        #expect(
            text(.insert, set: [0, 2]).sql
                == "INSERT INTO \(table) (\"id\", \"j\") OVERRIDING SYSTEM VALUE VALUES ($1, $2)")
        #expect(text(.insert).sql == "INSERT INTO \(table) DEFAULT VALUES")
        let update = text(.update, set: [1, 2], compare: [0])
        #expect(update.sql == "UPDATE \(table) SET \"n\" = $1, \"j\" = $2 WHERE \"id\" \(Self.equals) $3")
        #expect(update.types == [1700, 114, 23])
        #expect(update.newCells == [1, 2] && update.keyCells == [0])
        #expect(text(.delete, compare: [0]).sql == "DELETE FROM \(table) WHERE \"id\" \(Self.equals) $1")
        #expect(text(.delete, compare: [0], nulls: [0]).sql == "DELETE FROM \(table) WHERE \"id\" IS NULL")
        #expect(text(.probe, compare: [0]).sql == "SELECT 1 FROM \(table) WHERE \"id\" \(Self.equals) $1")
        #expect(
            text(.upsert, set: [0, 1]).sql.hasSuffix("ON CONFLICT (\"id\") DO UPDATE SET \"n\" = EXCLUDED.\"n\""))
        #expect(text(.upsert, set: [0]).sql.hasSuffix("ON CONFLICT (\"id\") DO NOTHING"))
    }

    @Test func statementsForRowsWithoutAKeyTouchOne() {
        let delete = text(.delete, compare: [0, 1, 2], nulls: [0], layout(keyed: false))
        #expect(
            delete.sql == "DELETE FROM \"s\".\"t\" WHERE ctid = (SELECT ctid FROM \"s\".\"t\" WHERE "
                + "\"n\" \(Self.equals) $1 AND \"j\"::text = $2 AND \"id\" IS NULL ORDER BY (\"n\"::text = $1::text) "
                + "DESC LIMIT 1)")
        // A value compared as text is bound as text.
        #expect(delete.types == [1700, 25])
        let update = text(.update, set: [0], compare: [0], layout(keyed: false, partitioned: true))
        #expect(
            update.sql
                == "WITH weir_row AS MATERIALIZED (SELECT tableoid AS part, ctid AS place FROM \"s\".\"t\" WHERE "
                + "\"id\" \(Self.equals) $2 LIMIT 1) UPDATE \"s\".\"t\" SET \"id\" = $1 FROM weir_row WHERE "
                + "\"s\".\"t\".tableoid = weir_row.part AND \"s\".\"t\".ctid = weir_row.place")
    }

    @Test func columnSetsHoldAnyNumber() {
        var set = ColumnSet([0, 63, 64, 1599])
        #expect(set.columns == [0, 63, 64, 1599])
        set.remove(1599)
        #expect(set == ColumnSet([0, 63, 64]))
        #expect(set.contains(64) && !set.contains(1599) && !set.contains(65))
        set.remove(64)
        set.remove(700)
        #expect(set == ColumnSet([63, 0]) && set.hashValue == ColumnSet([63, 0]).hashValue)
        #expect(ColumnSet().isEmpty && !set.isEmpty)
    }

    @Test func copyPaysForItsRoundTrips() {
        #expect(RowApplier.copyRowsMin(roundTrip: .microseconds(40)) == 64)
        #expect(RowApplier.copyRowsMin(roundTrip: .milliseconds(1)) == 500)
        #expect(RowApplier.copyRowsMin(roundTrip: .seconds(1)) == 2048)
    }

    @Test func equalityByType() {
        func type(_ oid: UInt32, _ kind: ColumnType.Kind) -> ColumnType { ColumnType(oid: oid, name: "", kind: kind) }
        let facts: [UInt32: Equality.TypeFacts] = [
            23: .init(category: "b", equals: ("pg_catalog", "=")),
            1700: .init(category: "b", equals: ("pg_catalog", "=")),
            114: .init(category: "b"), 70_000: .init(category: "b", equals: ("my\"ext", "==")),
            3904: .init(category: "r"),
        ]
        let native = Equality.native(Self.equals, coarse: false)
        #expect(Equality(type(23, .int4), facts: facts) == native)
        #expect(Equality(type(1700, .numeric), facts: facts) == .native(Self.equals, coarse: true))
        #expect(Equality(type(114, .json), facts: facts) == .text)
        #expect(Equality(type(1043, .varchar), facts: facts) == native)
        #expect(Equality(type(70_000, .other), facts: facts) == .native("OPERATOR(\"my\"\"ext\".==)", coarse: true))
        #expect(Equality(type(1007, .array(type(23, .int4))), facts: facts) == native)
        #expect(Equality(type(199, .array(type(114, .json))), facts: facts) == .text)
        #expect(Equality(type(90_000, .composite), facts: facts) == .text)
        #expect(Equality(type(3904, .int4range), facts: facts) == .native(Self.equals, coarse: true))
        #expect(Equality(type(5, .other), facts: facts) == .text)
    }
}

@Suite("TypeFit")
struct TypeFitTests {
    private func fit(
        _ source: ColumnType.Kind, _ target: ColumnType.Kind, from: Int32 = -1, to: Int32 = -1
    ) -> String {
        let fit = TypeFit(
            source: ColumnType(oid: 1, modifier: from, name: "a", kind: source),
            target: ColumnType(oid: 2, modifier: to, name: "b", kind: target))
        switch fit {
        case .exact: return "exact"
        case .checked: return "checked"
        case .refused: return "refused"
        }
    }

    @Test func numbers() {
        #expect(fit(.int4, .int8) == "exact")
        #expect(fit(.int8, .int4) == "checked")
        #expect(fit(.int8, .numeric) == "exact")
        #expect(fit(.numeric, .int8) == "checked")
        #expect(fit(.numeric, .float8) == "refused")
        #expect(fit(.int8, .float8) == "refused")
        #expect(fit(.float8, .float4) == "refused")
        // numeric(10,4) into numeric(10,2), and the other way round.
        let (four, two): (Int32, Int32) = (4 + (10 << 16 | 4), 4 + (10 << 16 | 2))
        #expect(fit(.numeric, .numeric, from: four, to: two) == "refused")
        #expect(fit(.numeric, .numeric, from: two, to: four) == "checked")
        #expect(fit(.numeric, .numeric, from: two) == "exact")
        #expect(fit(.numeric, .numeric, to: two) == "refused")
    }

    @Test func textsAndTimes() {
        #expect(fit(.varchar, .text) == "exact")
        #expect(fit(.text, .varchar, to: 4 + 10) == "checked")
        #expect(fit(.varchar, .varchar, from: 4 + 5, to: 4 + 10) == "exact")
        #expect(fit(.text, .name) == "refused")
        #expect(fit(.uuid, .text) == "exact")
        #expect(fit(.text, .uuid) == "checked")
        #expect(fit(.timestamptz, .timestamp) == "refused")
        #expect(fit(.timestamp, .date) == "refused")
        #expect(fit(.date, .timestamp) == "exact")
        #expect(fit(.timestamp, .timestamp, to: 3) == "refused")
        #expect(fit(.json, .jsonb) == "exact")
        #expect(fit(.int4, .boolean) == "refused")
        #expect(fit(.enumeration(["a"]), .enumeration(["a", "b"])) == "checked")
        #expect(fit(.other, .int4) == "checked")
    }
}
