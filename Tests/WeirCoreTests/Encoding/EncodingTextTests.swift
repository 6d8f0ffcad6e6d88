import Testing
import WeirTestKit

@testable import WeirCore

@Suite struct EncodingTextTests {
    private let bench = EncodingBench()
    private var flat: EncodingBench { EncodingBench(EncoderSettings(prefix: "weir", format: .flat)) }

    /// JSON's escapes one by one: the reference for the scan of eight bytes.
    private func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{8}": result += "\\b"
            case "\u{C}": result += "\\f"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{0}"..<"\u{20}":
                let code = String(scalar.value, radix: 16, uppercase: true)
                result += "\\u" + String(repeating: "0", count: 4 - code.count) + code
            case "\u{10000}"...:
                result += scalar.utf16.map { "\\u" + String($0, radix: 16, uppercase: true) }.joined()
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private func appended(_ text: String) -> String {
        var buffer = ByteBuffer(capacity: 64)
        buffer.appendString(utf8: text)
        return buffer.text(0..<buffer.count)
    }

    @Test func textIsEscapedAtEveryPlace() {
        for length in 0..<20 {
            for place in 0..<max(length, 1) {
                for special in ["\"", "\\", "\n", "\u{1}", "\u{1F}", " ", "\u{7F}", "é", "😀"] {
                    var text = String(repeating: "a", count: length)
                    if length > 0 {
                        let index = text.index(text.startIndex, offsetBy: place)
                        text.replaceSubrange(index...index, with: special)
                    }
                    #expect(appended(text) == "\"\(escaped(text))\"")
                }
            }
        }
    }

    @Test func randomTextIsEscaped() {
        var random = SeededGenerator(seed: 5)
        let alphabet: [Unicode.Scalar] = [
            "a", "\"", "\\", "\n", "\u{0}", "\u{1F}", "\u{20}", "é", "\u{80}", "\u{10FFFF}",
        ]
        for _ in 0..<200 {
            var text = ""
            for _ in 0..<Int.random(in: 0...80, using: &random) {
                text.unicodeScalars.append(alphabet.randomElement(using: &random) ?? "a")
            }
            #expect(appended(text) == "\"\(escaped(text))\"")
        }
        for pattern in ["0123456\u{1}", "😀", "a😀", "ab😀", "abc😀", "é", "日本"] {
            let long = String(repeating: pattern, count: 3000)
            #expect(appended(long) == "\"\(escaped(long))\"")
        }
    }

    /// What is not UTF-8 is left as it is, and nothing beyond the text is read.
    @Test func brokenCharactersAreCopied() {
        for bytes in [[0xF0], [0xF0, 0x9F, 0x98], [0xF0, 0x41], [0xF8, 0x88, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80]]
            as [[UInt8]]
        {
            for padding in 0..<9 {
                let text = [UInt8](repeating: 0x61, count: padding) + bytes
                var buffer = ByteBuffer(capacity: 8)
                text.withUnsafeBufferPointer { all in
                    guard let start = all.baseAddress else { return }
                    unsafe buffer.appendString(ByteView(start: start, count: all.count))
                }
                let written = buffer.withUnsafeBytes { unsafe Array($0) }
                #expect(written == [0x22] + text + [0x22])
            }
        }
    }

    /// Debezium writes hstore's object into a text first, where such characters stay as they are.
    @Test func charactersBeyondTheBasicPlane() throws {
        #expect(try bench.json("a😀", .text) == #""a\uD83D\uDE00""#)
        #expect(try bench.json("{😀}", .type(.array(.text))) == #"["\uD83D\uDE00"]"#)
        #expect(try bench.json(#""😀"=>"b""#, .type(.hstore)) == #""{\"\uD83D\uDE00\":\"b\"}""#)
        var map = bench
        map.settings.debezium.hstore = .map
        #expect(try map.json(#""😀"=>"b""#, .type(.hstore)) == #"{"\uD83D\uDE00":"b"}"#)
    }

    /// The only built-in type whose arrays have another delimiter.
    @Test func arraysOfBoxes() throws {
        let text = "{(1,1),(0,0);NULL;(3,3),(2,2)}"
        #expect(try bench.json(text, .type(.array(.type(.box)))) == #"["(1,1),(0,0)",null,"(3,3),(2,2)"]"#)
        #expect(try flat.json(text, .type(.array(.type(.box)))) == #"["(1,1),(0,0)",null,"(3,3),(2,2)"]"#)
        #expect(try bench.json("{(1,1),(0,0),(3,3),(2,2)}", .type(.array(.type(.box)))) != nil)
        #expect(try bench.json("{(1,1);}", .type(.array(.type(.box)))) == nil)
    }

    @Test func arraysOfATypeWithADelimiterOfItsOwn() throws {
        var element = ColumnType(oid: 20000, name: "geometry", kind: .other)
        element.arrayDelimiter = UInt8(ascii: ":")
        let type = ColumnType(oid: 20001, name: "geometry[]", kind: .array(element))
        for bench in [bench, flat] {
            #expect(try bench.json(#"{01EF:NULL:"a:b":c,d}"#, type) == #"["01EF",null,"a:b","c,d"]"#)
        }
    }

    /// Elements of a domain over arrays are arrays, and no dimensions.
    @Test func arraysOfArrays() throws {
        let domain = ColumnType(oid: 20000, baseOID: 1007, name: "numbers", kind: .array(.type(.int4)))
        let type = ColumnType(oid: 20001, name: "numbers[]", kind: .array(domain))
        for bench in [bench, flat] {
            #expect(try bench.json(#"{"{1,NULL}",NULL,"{}"}"#, type) == #"["{1,NULL}",null,"{}"]"#)
        }
    }

    /// Recorded from Debezium 3.6.3.
    @Test func arraysThatDebeziumLoses() throws {
        var strict = bench
        strict.settings.debezium.strict = true
        #expect(try strict.json("{101}", .type(.array(.type(.bit, modifier: 3)))) == "null")
        #expect(try strict.json("{}", .type(.array(.type(.bit, modifier: 1)))) == "null")
        for kind in [ColumnType.Kind.ltree, .tsvector] {
            #expect(try strict.json("{a,b,NULL}", .type(.array(.type(kind)))) == "null")
            #expect(try strict.json("{a}", .type(.array(.type(kind)))) == #"["a"]"#)
            #expect(try bench.json("{a,b,NULL}", .type(.array(.type(kind)))) == #"["a","b",null]"#)
        }
        #expect(try strict.json("{a,NULL}", .type(.array(.text))) == #"["a",null]"#)
        #expect(try bench.json("{101}", .type(.array(.type(.bit, modifier: 3)))) == #"["BQ=="]"#)
        strict.settings.debezium.decimal = .double
        for (text, expected) in [
            ("{1,NaN}", "null"), ("{-Infinity}", "null"), ("{-1,NULL}", "[-1.0,null]"), ("{{1,2},{3,NaN}}", "null"),
        ] {
            #expect(try strict.json(text, .type(.array(.type(.numeric)))) == expected)
        }
        for oid in [22, 30] as [UInt32] {
            let vector = ColumnType(oid: oid, name: "vector", kind: .other)
            #expect(try strict.json("1 2", vector) == "[]")
            #expect(try strict.json("", vector) == "null" && strict.json(nil, vector) == "null")
            #expect(try bench.json("1 2", vector) == #""1 2""#)
        }
    }

    @Test func everyByteGoesThroughBytea() throws {
        let hex = (0...255).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        var hexMode = bench
        hexMode.settings.debezium.binary = .hex
        #expect(try hexMode.json("\\x" + hex, .type(.bytea)) == "\"\(hex)\"")
        // The escape format of the same bytes gives the same.
        let escape = (0...255).map { byte in
            switch byte {
            case 92: "\\\\"
            case 32...126: String(UnicodeScalar(UInt8(byte)))
            default: "\\" + String(byte >> 6) + String(byte >> 3 & 7) + String(byte & 7)
            }
        }.joined()
        #expect(try hexMode.json(escape, .type(.bytea)) == "\"\(hex)\"")
        #expect(try bench.json(escape, .type(.bytea)) == bench.json("\\x" + hex, .type(.bytea)))
    }

    @Test(arguments: [
        ("\\x", "\"\""), ("\\x00", "\"AA==\""), ("\\x0001", "\"AAE=\""), ("\\xfbffbf", "\"+/+/\""), ("\\x0", nil),
        ("\\xzz", nil), ("\\9", nil), ("\\", nil),
    ])
    func bytea(_ text: String, _ expected: String?) throws {
        #expect(try bench.json(text, .type(.bytea)) == expected)
    }

    @Test func byteaAcrossPieces() throws {
        var urlSafe = bench
        urlSafe.settings.debezium.binary = .base64URLSafe
        #expect(try urlSafe.json("\\xfbffbf", .type(.bytea)) == "\"-_-_\"")
        for length in [767, 768, 769, 1536, 2000] {
            let json = try #require(try bench.json("\\x" + String(repeating: "61", count: length), .type(.bytea)))
            #expect(json.hasPrefix("\"YWFhYWFh"))
            #expect(json.count == (length + 2) / 3 * 4 + 2)
            #expect(json.dropLast().hasSuffix("=") == (length % 3 != 0))
        }
    }

    @Test(arguments: [
        ("{}", "[]"), ("{1,NULL,-3}", "[1,null,-3]"), ("[5:6]={1,2}", "[1,2]"), ("{{1,2},{3,4}}", "\"{{1,2},{3,4}}\""),
        ("{1", nil), ("1}", nil), ("{1,}", nil), ("{,1}", nil), ("{1}{2}", nil), ("{1}x", nil), ("", nil),
        ("[1:2", nil),
        ("{x}", nil), ("{1 2}", nil), ("{{1},2", "\"{{1},2\""), ("{\"1\"}", "[1]"), ("{\"1}", nil), ("{}}", nil),
    ])
    func integerArrays(_ text: String, _ expected: String?) throws {
        #expect(try bench.json(text, .type(.array(.int4))) == expected)
    }

    @Test(arguments: [
        (#"{a,"b c",NULL,"NULL",""}"#, #"["a","b c",null,"NULL",""]"#),
        (#"{"q\"x","b\\s","{},",null}"#, #"["q\"x","b\\s","{},","null"]"#),
        ("{\"a\nb\"}", #"["a\nb"]"#), (#"{a"b}"#, #"["a\"b"]"#), (#"{"a\"}"#, nil), (#"{"a\\\"}"#, nil),
    ])
    func textArrays(_ text: String, _ expected: String?) throws {
        #expect(try bench.json(text, .type(.array(.text))) == expected)
    }

    @Test func arraysOfManyDimensionsNestInTheFlatFormat() throws {
        #expect(try flat.json("{{1,NULL},{3,4}}", .type(.array(.int4))) == "[[1,null],[3,4]]")
        #expect(try flat.json("[0:0][2:3]={{a,b}}", .type(.array(.text))) == #"[["a","b"]]"#)
        #expect(try flat.json("{{{{{{{1}}}}}}}", .type(.array(.int4))) == nil)
    }

    @Test(arguments: [
        ("", "{}"), (#""a"=>"1""#, #"{"a":"1"}"#), (#""a"=>NULL, "b"=>"NULL""#, #"{"a":null,"b":"NULL"}"#),
        (#""q\"k"=>"v\\\"""#, #"{"q\"k":"v\\\""}"#), (#""a"=>"1","b"=>"2""#, nil), (#""a""#, nil), (#""a"=>"#, nil),
        (#"NULL=>"a""#, nil), (#""a"=>"1", "#, nil), (#""a=>"1""#, nil), ("x", nil),
    ])
    func hstore(_ text: String, _ expected: String?) throws {
        var map = bench
        map.settings.debezium.hstore = .map
        #expect(try map.json(text, .type(.hstore)) == expected)
        #expect(try bench.json(text, .type(.hstore)) == expected.map { "\"\(escaped($0))\"" })
    }

    @Test func objectsComeInJavasOrderWhenStrict() throws {
        // Buckets of 16: zoo.comppk in 2, zoo.nokey and zoo.iddef in 14, in the order they were added.
        let names = ["zoo.nokey", "zoo.comppk", "zoo.iddef"]
        #expect(JavaHashOrder.order(names.map { JavaHashOrder.hash($0) }) == [1, 0, 2])
        #expect(JavaHashOrder.hash("Aa") == JavaHashOrder.hash("BB"))
        #expect(JavaHashOrder.hash("hello") == 99_162_322)
    }

    @Test(arguments: [
        ("(1,2)", true), ("(1.5,-2)", true), ("(1,2", false), ("1,2)", false), ("(,)", false), ("", false),
    ])
    func points(_ text: String, _ isPoint: Bool) throws {
        #expect(try (bench.json(text, .type(.point)) != nil) == isPoint)
    }

    @Test(arguments: [
        ("1010101010", 10 as Int32, "\"qgI=\"" as String?), ("0000000001", 10, "\"AQ==\""), ("0000000000", 10, "\"\""),
        ("1", 1, "true"), ("0", 1, "false"), ("2", 1, nil), ("12", 2, nil),
    ])
    func bits(_ text: String, _ length: Int32, _ expected: String?) throws {
        #expect(try bench.json(text, .type(.bit, modifier: length)) == expected)
    }

    @Test(arguments: [
        ("t", ColumnType.Kind.boolean, "true" as String?), ("x", .boolean, nil),
        ("12345678901234567890.10", .numeric, "12345678901234567890.10"),
        ("NaN", .numeric, "\"NaN\""), ("1e+300", .float8, "1e+300"), ("2020-02-29", .date, "\"2020-02-29\""),
        ("0044-03-15 BC", .date, "\"-0043-03-15\""), ("infinity", .date, "\"infinity\""),
        ("24:00:00", .time, "\"24:00:00\""),
        ("2020-02-29 13:14:15.5", .timestamp, "\"2020-02-29T13:14:15.5\""), ("-infinity", .timestamp, "\"-infinity\""),
        ("2020-02-29 13:14:15.5+02", .timestamptz, "\"2020-02-29T11:14:15.5Z\""),
        ("{\n \"a\": 1}", .json, "{  \"a\": 1}"), ("1 day", .interval, "\"1 day\""), ("(1,2)", .point, "\"(1,2)\""),
        (#""a"=>"1""#, .hstore, #"{"a":"1"}"#), ("\\x00ff", .bytea, "\"AP8=\""), ("(1,x)", .composite, "\"(1,x)\""),
    ])
    func flatValues(_ text: String, _ kind: ColumnType.Kind, _ expected: String?) throws {
        #expect(try flat.json(text, .type(kind)) == expected)
    }

    /// Whatever the bytes, a value is written or refused, and what is written stays one JSON value on one line.
    @Test func hostileValuesNeitherTrapNorBreakTheEvent() throws {
        var random = SeededGenerator(seed: 6)
        let seeds = [
            "2020-02-29 13:14:15.123456+00", "-1 years 2 mons -3 days 04:05:06.7", "{1,\"a\\\"b\",NULL,{2}}",
            "[0:1]={a,b}",
            "\"k\"=>\"v\", \"n\"=>NULL", "(1.5,-2e10)", "-123456789012345678901234567890.5", "\\x00ff", "\\001a",
            "1010", "$1,234.56", "0044-03-15 BC", "infinity", "NaN", "",
        ].map { Array($0.utf8) }
        let kinds: [ColumnType.Kind] = [
            .boolean, .int4, .float4, .float8, .numeric, .money, .bytea, .date, .time, .timetz, .timestamp,
            .timestamptz,
            .interval, .bit, .hstore, .point, .array(.int4), .array(.text), .array(.type(.numeric)),
            .array(.type(.hstore)),
            .array(.type(.bytea)), .text,
        ]
        var written = 0
        for strict in [false, true] {
            var settings = EncoderSettings(prefix: "weir")
            settings.debezium.strict = strict
            let plans = try kinds.map { try #require(ValuePlan.make(.type($0), settings)) }
            for _ in 0..<1500 {
                let value = mutated(seeds, &random)
                for plan in plans {
                    var program = ColumnProgram(code: plan.code, element: plan.element, scale: plan.scale)
                    program.isStrict = strict
                    var buffer = ByteBuffer(capacity: 64)
                    let isWritten = value.withUnsafeBufferPointer { bytes in
                        bytes.baseAddress.map {
                            unsafe buffer.appendValue(ByteView(start: $0, count: bytes.count), program)
                        } ?? buffer.appendValue(.empty, program)
                    }
                    guard isWritten else { continue }
                    written += 1
                    let isClean = buffer.withUnsafeBytes { unsafe $0.allSatisfy { $0 >= 0x20 } && !$0.isEmpty }
                    #expect(isClean, "\(plan.code) \(value)")
                }
            }
        }
        #expect(written > 3000)
    }

    private func mutated(_ seeds: [[UInt8]], _ random: inout SeededGenerator) -> [UInt8] {
        var value = seeds.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            let place = Int.random(in: 0...value.count, using: &random)
            switch Int.random(in: 0...3, using: &random) {
            case 0 where place < value.count: value.remove(at: place)
            case 1: value.insert(UInt8.random(in: 0...255, using: &random), at: place)
            case 2 where place < value.count: value[place] = UInt8.random(in: 32...126, using: &random)
            default: value.removeSubrange(place..<value.count)
            }
        }
        return value
    }
}
