import Testing
import WeirCore

@testable import KafkaSource

/// From JSON to PostgreSQL's text form. The JSON is what Debezium 3.6.3 wrote for the value in the recorded streams
/// (`Tests/Fixtures/debezium-3.6.3`), or follows from its documentation.
@Suite("Values of events become PostgreSQL's text form again")
struct TextFormTests {
    private func text(
        _ json: String, _ kind: ColumnType.Kind, modifier: Int32 = -1, _ options: DebeziumOptions = DebeziumOptions()
    ) -> String {
        var tree = JSONTree()
        do {
            try tree.read(Array(json.utf8))
            var output: [UInt8] = []
            let type = ColumnType(oid: 0, modifier: modifier, name: "t", kind: kind)
            switch try TextForm(options).append(JSONTree.root, of: tree, as: type, to: &output) {
            case .text: return String(decoding: output, as: UTF8.self)
            case .null: return "<NULL>"
            case .unchanged: return "<unchanged>"
            }
        } catch {
            return "error: \(error)"
        }
    }

    private static func numeric(_ precision: Int32, _ scale: Int32) -> Int32 { precision << 16 | (scale & 0x7FF) + 4 }

    @Test(
        "plain scalars",
        arguments: [
            ("null", ColumnType.Kind.text, "<NULL>"), ("true", .boolean, "t"), ("false", .boolean, "f"),
            ("-9223372036854775808", .int8, "-9223372036854775808"),
            ("2.718281828459045", .float8, "2.718281828459045"),
            ("\"NaN\"", .float8, "NaN"), ("1.0E10", .float4, "1.0E10"), ("\"a\\n\\\"b\\u00e9\"", .text, "a\n\"bé"),
            ("\"\"", .text, ""), ("\"ab   \"", .bpchar, "ab   "), ("\"{\\\"a\\\": 1}\"", .json, "{\"a\": 1}"),
            ("{\"a\": [1]}", .jsonb, "{\"a\": [1]}"), ("\"192.168.1.5/24\"", .inet, "192.168.1.5/24"),
            ("\"[1,10)\"", .int4range, "[1,10)"), ("\"happy\"", .enumeration(["happy"]), "happy"),
            ("\"(1,a)\"", .composite, "(1,a)"),
            ("{\"x\":1.5,\"y\":-2.0,\"wkb\":\"x\",\"srid\":null}", .point, "(1.5,-2.0)"),
        ])
    func scalars(_ json: String, _ kind: ColumnType.Kind, _ expected: String) {
        #expect(text(json, kind) == expected)
    }

    @Test(
        "numeric: base64 of the unscaled value with the column's scale",
        arguments: [
            ("\"ALxeqA==\"", numeric(12, 4), "1234.5000"), ("\"AA==\"", numeric(10, 2), "0.00"),
            ("\"BQ==\"", numeric(10, 4), "0.0005"), ("\"+w==\"", numeric(10, 4), "-0.0005"),
            ("\"/w==\"", numeric(5, 0), "-1"), ("\"gA==\"", numeric(5, 0), "-128"), ("\"AIA=\"", numeric(5, 0), "128"),
            ("\"/wA=\"", numeric(5, 0), "-256"), ("\"DA==\"", numeric(4, -3), "12000"),
            ("\"AA==\"", numeric(4, -3), "0"),
            ("\"NaN\"", numeric(10, 2), "NaN"), ("\"-Infinity\"", numeric(10, 2), "-Infinity"),
        ])
    func decimals(_ json: String, _ modifier: Int32, _ expected: String) {
        #expect(text(json, .numeric, modifier: modifier) == expected)
    }

    @Test("numeric without scale brings its own; other modes are digits")
    func variableDecimals() {
        #expect(text("{\"scale\":9,\"value\":\"J+QbMka+ybFuOYEV\"}", .numeric) == "12345678901234567890.123456789")
        #expect(text("{\"scale\":0,\"value\":\"DuAMAQ==\"}", .numeric) == "249564161")
        #expect(text("{\"scale\":3,\"value\":\"AA==\"}", .numeric) == "0.000")
        var options = DebeziumOptions()
        options.decimal = .string
        #expect(text("\"1234\"", .numeric, modifier: Self.numeric(8, 2), options) == "1234")
        for (word, value) in [
            ("NAN", "NaN"), ("POSITIVE_INFINITY", "Infinity"), ("NEGATIVE_INFINITY", "-Infinity"), ("NaN", "NaN"),
        ] {
            #expect(text("\"\(word)\"", .numeric, options) == value)
        }
        #expect(text("\"AeJA\"", .money) == "1234.56")
        for broken in ["\"A\"", "\"\"", "{\"scale\":1}", "{\"scale\":99999999,\"value\":\"AA==\"}", "[1]", "true"] {
            #expect(text(broken, .numeric, modifier: Self.numeric(8, 2)).hasPrefix("error"), "\(broken)")
        }
        #expect(text("\"AA==\"", .numeric).hasPrefix("error"))
    }

    @Test(
        "bytes and bits",
        arguments: [
            ("\"AP8Q\"", ColumnType.Kind.bytea, Int32(-1), "\\x00ff10"), ("\"\"", .bytea, -1, "\\x"),
            ("true", .bit, 1, "1"), ("false", .bit, 1, "0"), ("\"qgI=\"", .bit, 10, "1010101010"),
            ("\"AQ==\"", .bit, 10, "0000000001"), ("\"\"", .bit, 10, "0000000000"), ("\"FQ==\"", .varbit, 20, "10101"),
        ])
    func bytes(_ json: String, _ kind: ColumnType.Kind, _ modifier: Int32, _ expected: String) {
        #expect(text(json, kind, modifier: modifier) == expected)
    }

    @Test(
        "dates and times",
        arguments: [
            ("18321", ColumnType.Kind.date, Int32(-1), "2020-02-29"), ("-1", .date, -1, "1969-12-31"),
            ("0", .date, -1, "1970-01-01"), ("-719163", .date, -1, "0001-12-31 BC"),
            ("-2440588", .date, -1, "4714-11-24 BC"),
            ("2145042905", .date, -1, "5874897-12-31"), ("-2147472692", .date, -1, "infinity"),
            ("-2147472691", .date, -1, "-infinity"), ("-622191234", .date, -1, "infinity"),
            ("-625821272", .date, -1, "-infinity"), ("\"2017-09-15Z\"", .date, -1, "2017-09-15"),
            ("47655123456", .time, -1, "13:14:15.123456"), ("47655123", .time, 3, "13:14:15.123"),
            ("86400000000", .time, -1, "24:00:00"), ("0", .time, -1, "00:00:00"),
            ("\"11:14:15.5Z\"", .timetz, -1, "11:14:15.5+00"),
            ("1582982055123456", .timestamp, -1, "2020-02-29 13:14:15.123456"),
            ("1582982055123", .timestamp, 3, "2020-02-29 13:14:15.123"),
            ("1582982055000", .timestamp, 0, "2020-02-29 13:14:15"),
            ("-1", .timestamp, -1, "1969-12-31 23:59:59.999999"),
            ("9224318015999999999", .timestamp, -1, "294276-12-31 23:59:59.999999"),
            ("9224318015999999", .timestamp, 3, "294276-12-31 23:59:59.999"),
            ("9223372036825200000", .timestamp, -1, "infinity"), ("-9223372036832400000", .timestamp, -1, "-infinity"),
            ("9223372036825200", .timestamp, 3, "infinity"), ("9223372036825200000", .timestamp, 3, "infinity"),
            ("-62135596800000001", .timestamp, -1, "0001-12-31 23:59:59.999999 BC"),
            ("\"2020-02-29T11:14:15.123456Z\"", .timestamptz, -1, "2020-02-29 11:14:15.123456+00"),
            ("\"-0043-03-15T00:00Z\"", .timestamptz, -1, "0044-03-15 00:00:00+00 BC"),
            ("\"+10000-01-01T00:00:00Z\"", .timestamptz, -1, "10000-01-01 00:00:00+00"),
            ("\"infinity\"", .timestamptz, -1, "infinity"), ("37091106789000", .interval, -1, "10303:05:06.789"),
            ("-1500000", .interval, -1, "-00:00:01.5"),
            ("5617252800000000000000", .interval, -1, "2136000000 mons 00:00:00"),
            ("-5617252800000001000000", .interval, -1, "-2136000000 mons -00:00:01"),
            ("\"P1Y2M3DT4H5M6.78S\"", .interval, -1, "P1Y2M3DT4H5M6.78S"),
        ])
    func times(_ json: String, _ kind: ColumnType.Kind, _ modifier: Int32, _ expected: String) {
        #expect(text(json, kind, modifier: modifier) == expected)
    }

    @Test("other time precision modes")
    func timeModes() {
        var options = DebeziumOptions()
        options.timePrecision = .connect
        #expect(text("47655123", .time, options) == "13:14:15.123")
        #expect(text("1582982055123", .timestamp, options) == "2020-02-29 13:14:15.123")
        options.timePrecision = .nanoseconds
        #expect(text("1582982055123456000", .timestamp, options) == "2020-02-29 13:14:15.123456")
        #expect(text("9223372036854775807", .timestamp, options) == "infinity")
        #expect(text("47655123456000", .time, options) == "13:14:15.123456")
        options.timePrecision = .isostring
        #expect(text("\"13:14:15.123Z\"", .time, options) == "13:14:15.123")
        #expect(text("\"2020-02-29T13:14:15.12Z\"", .timestamp, options) == "2020-02-29 13:14:15.12")
        #expect(text("\"+294247-01-10T04:00:25.2Z\"", .timestamp, options) == "infinity")
        #expect(text("\"-290308-12-21T19:59:27.6Z\"", .timestamp, options) == "-infinity")
        for (date, infinity) in [
            ("-5877611-06-21Z", "infinity"), ("-5877611-06-22Z", "-infinity"), ("+292278994-08-16Z", "infinity"),
            ("+292269055-12-02Z", "-infinity"),
        ] {
            #expect(text("\"\(date)\"", .date, options) == infinity)
        }
        #expect(text("\"+5874898-01-01Z\"", .date, options).hasPrefix("error"))
        options.timePrecision = .nanoseconds
        #expect(text("-12219336000000000000", .timestamp, options) == "1582-10-14 12:00:00")
        #expect(text("9224318016000000000000", .timestamp, options).hasPrefix("error"))
    }

    @Test(
        "arrays, quoted where they need it",
        arguments: [
            ("[1,null,3]", ColumnType.Kind.int4, "{1,NULL,3}"), ("[]", .int4, "{}"),
            ("[true,false]", .boolean, "{t,f}"),
            (
                "[\"a\",\"\",\"NULL\",\"null\",\"a b\",\"x,y\",\"q\\\"\\\\\",\"{}\"]", .text,
                "{a,\"\",\"NULL\",\"null\",\"a b\",\"x,y\",\"q\\\"\\\\\",\"{}\"}"
            ),
            ("[18321]", .date, "{2020-02-29}"), ("[\"AP8=\"]", .bytea, "{\"\\\\x00ff\"}"),
            ("[[1,2],[3,4]]", .int4, "{{1,2},{3,4}}"), ("\"[0:1]={7,8}\"", .int4, "[0:1]={7,8}"),
            ("[1582982055123456]", .timestamp, "{\"2020-02-29 13:14:15.123456\"}"),
            ("[\"(1,1),(0,0)\",null]", .box, "{\"(1,1),(0,0)\";NULL}"),
        ])
    func arrays(_ json: String, _ element: ColumnType.Kind, _ expected: String) {
        let type = ColumnType.Kind.array(ColumnType(oid: 0, name: "e", kind: element))
        #expect(text(json, type) == expected)
    }

    @Test("arrays of a type with a delimiter of its own, with and without a modifier", arguments: [Int32(-1), 9])
    func arraysWithADelimiter(modifier: Int32) {
        var element = ColumnType(oid: 0, name: "geometry", kind: .other)
        element.arrayDelimiter = UInt8(ascii: ":")
        #expect(text(#"["a",null,"b:c",""]"#, .array(element), modifier: modifier) == #"{a:NULL:"b:c":""}"#)
    }

    @Test("hstore, as a string or an object")
    func hstore() {
        let expected = "\"a\"=>\"1\", \"b\"=>NULL, \"q\\\"\"=>\"\\\\\""
        #expect(text(#""{\"a\":\"1\",\"b\":null,\"q\\\"\":\"\\\\\"}""#, .hstore) == expected)
        #expect(text(#"{"a":"1","b":null,"q\"":"\\"}"#, .hstore) == expected)
        #expect(text("\"{}\"", .hstore) == "")
        #expect(text("\"{oops\"", .hstore).hasPrefix("error"))
    }

    @Test(
        "every shape of the placeholder is an unchanged value",
        arguments: [
            ("\"__debezium_unavailable_value\"", ColumnType.Kind.text),
            ("\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"", .bytea), ("\"__debezium_unavailable_value\"", .jsonb),
            ("[\"__debezium_unavailable_value\"]", .array(ColumnType(oid: 25, name: "text", kind: .text))),
            (
                "[\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"]",
                .array(ColumnType(oid: 17, name: "bytea", kind: .bytea))
            ),
            (
                "\(Array("__debezium_unavailable_value".utf8))",
                .array(ColumnType(oid: 23, name: "int4", kind: .int4))
            ),
            ("{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}", .hstore),
            (#""{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}""#, .hstore),
        ])
    func placeholders(_ json: String, _ kind: ColumnType.Kind) {
        #expect(text(json, kind) == "<unchanged>")
    }

    @Test(
        "values that are none of the type are refused, never guessed",
        arguments: [
            ("{\"a\":1}", ColumnType.Kind.text), ("[1]", .int4), ("\"x\"", .bytea), ("1", .bytea), ("true", .date),
            ("1.5", .date), ("99999999999", .date), ("\"2020-13-01Z\"", .date), ("86400000001", .time), ("-1", .time),
            ("\"yesterday\"", .timestamptz), ("12", .timestamptz), ("-210866803200000001", .timestamp), ("1", .bit),
            ("\"////\"", .bit), ("1", .hstore), ("{\"x\":1}", .point),
            ("{}", .array(ColumnType(oid: 0, name: "e", kind: .int4))),
            ("\"a\\u0000b\"", .text),
        ])
    func refusals(_ json: String, _ kind: ColumnType.Kind) {
        let outcome = text(json, kind, modifier: kind == .bit ? 4 : -1)
        #expect(outcome.hasPrefix("error"), "\(outcome)")
    }
}
