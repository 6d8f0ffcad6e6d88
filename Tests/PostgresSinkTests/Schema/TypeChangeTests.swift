import Testing
import WeirCore

@testable import PostgresSink

@Suite struct TypeChangeTests {
    private func type(_ kind: ColumnType.Kind, _ modifier: Int32 = -1) -> ColumnType {
        ColumnType(oid: 20, modifier: modifier, name: "\(kind) \(modifier)", kind: kind)
    }

    private func numeric(_ precision: Int32, _ scale: Int32) -> ColumnType {
        type(.numeric, ((precision << 16) | (scale & 0x7FF)) + 4)
    }

    @Test func integersAndFloatsWiden() {
        let integers: [ColumnType.Kind] = [.int2, .int4, .int8]
        for (low, small) in integers.enumerated() {
            for (high, large) in integers.enumerated() {
                #expect(TypeChange.widens(type(small), to: type(large)) == (low <= high))
            }
        }
        #expect(TypeChange.widens(type(.float4), to: type(.float8)))
        #expect(!TypeChange.widens(type(.float8), to: type(.float4)))
        #expect(!TypeChange.widens(type(.int8), to: type(.float8)))
        #expect(
            TypeChange.widens(type(.int4), to: type(.numeric)) && TypeChange.widens(type(.int4), to: numeric(12, 2)))
        #expect(!TypeChange.widens(type(.int4), to: numeric(11, 2)))
        #expect(!TypeChange.widens(type(.numeric), to: type(.int8)))
    }

    @Test func lengthsAndPrecisionsWiden() {
        #expect(
            TypeChange.widens(numeric(8, 2), to: numeric(10, 2)) && TypeChange.widens(numeric(8, 2), to: numeric(10, 4))
        )
        #expect(
            !TypeChange.widens(numeric(8, 2), to: numeric(9, 4)) && !TypeChange.widens(numeric(8, 2), to: numeric(8, 1))
        )
        #expect(
            TypeChange.widens(numeric(8, 2), to: type(.numeric))
                && !TypeChange.widens(type(.numeric), to: numeric(8, 2)))
        #expect(TypeChange.widens(type(.varchar, 14), to: type(.varchar, 24)))
        #expect(!TypeChange.widens(type(.varchar, 24), to: type(.varchar, 14)))
        #expect(
            TypeChange.widens(type(.varchar, 14), to: type(.text)) && TypeChange.widens(type(.text), to: type(.varchar))
        )
        #expect(!TypeChange.widens(type(.text), to: type(.varchar, 14)))
        // Padded values are other values.
        #expect(!TypeChange.widens(type(.bpchar, 7), to: type(.bpchar, 9)))
        #expect(TypeChange.widens(type(.timestamp, 3), to: type(.timestamp)))
        #expect(!TypeChange.widens(type(.timestamp), to: type(.timestamp, 3)))
        #expect(
            TypeChange.widens(type(.date), to: type(.timestamp))
                && !TypeChange.widens(type(.date), to: type(.timestamptz)))
        #expect(TypeChange.widens(type(.array(type(.int2))), to: type(.array(type(.int8)))))
        #expect(!TypeChange.widens(type(.int4), to: type(.text)) && !TypeChange.widens(type(.text), to: type(.int4)))
    }

    @Test func conversionsWithoutAnExpression() {
        for (old, new) in [
            (.int8, .int4), (.float8, .numeric), (.int4, .text), (.json, .jsonb), (.timestamptz, .date),
            (.text, .varchar), (.boolean, .text),
        ] as [(ColumnType.Kind, ColumnType.Kind)] {
            #expect(TypeChange.convertsByItself(type(old), to: type(new)), "\(old) \(new)")
        }
        for (old, new) in [
            (.text, .int4), (.int4, .boolean), (.date, .time), (.text, .enumeration(["a"])), (.int4, .date),
            (.bytea, .uuid),
        ] as [(ColumnType.Kind, ColumnType.Kind)] {
            #expect(!TypeChange.convertsByItself(type(old), to: type(new)), "\(old) \(new)")
        }
    }

    @Test(arguments: [
        ("5", true), ("now()", true), ("'it''s nextval('::text", true), ("('a'::text || upper('b'::text))", true),
        ("'sad'::zoo.mood", true), ("gen_random_uuid()", true), ("nextval('public.s'::regclass)", false),
        ("public.mine()", false), ("lower(zoo.\"My f\"(1))", false), ("pg_catalog.now()", true),
        ("E'a\\'b nextval('::text", true), ("'a\\'::text || public.f()", false), ("(1 + (2 * 3))", true),
    ])
    func defaultsThatMeanTheSameElsewhere(expression: String, isPortable: Bool) {
        #expect(SourceExpression.isPortable(expression) == isPortable)
    }

    @Test func conversionsThatTheTargetCannotRepeat() {
        for (old, new) in [
            (.timestamp, .timestamptz), (.timestamptz, .date), (.time, .timetz), (.timestamptz, .text), (.money, .text),
            (.array(type(.timestamptz)), .text), (.array(type(.date)), .array(type(.timestamptz))),
        ] as [(ColumnType.Kind, ColumnType.Kind)] {
            #expect(TypeChange.dependsOnSession(type(old), to: type(new)), "\(old) \(new)")
        }
        for (old, new) in [
            (.int4, .text), (.date, .timestamp), (.timetz, .time), (.timestamp, .timestamp), (.numeric, .int4),
        ] as [(ColumnType.Kind, ColumnType.Kind)] {
            #expect(!TypeChange.dependsOnSession(type(old), to: type(new)), "\(old) \(new)")
        }
        #expect(
            TypeChange.narrows(type(.int8), to: type(.int2)) && !TypeChange.narrows(type(.float8), to: type(.float4)))
    }

    @Test(arguments: [
        ("ALTER TABLE t ALTER a TYPE bigint USING a * 2", true),
        ("alter table t alter a set data type int using f(a)", true),
        ("ALTER TABLE t ALTER a TYPE bigint", false), ("ALTER TABLE t ALTER a SET DEFAULT 'type using'", false),
    ])
    func expressionsOfConversionsAreSeen(statement: String, isConversion: Bool) {
        #expect(SourceExpression.isConversion(statement) == isConversion)
    }
}
