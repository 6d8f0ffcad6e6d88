import Testing
import WeirCore

@Suite("JSON reader")
struct JSONReaderTests {
    /// The tokens of a text, shown.
    private func read(_ text: String) throws(JSONFailure) -> [String] { try read(Array(text.utf8)) }

    private func read(_ bytes: [UInt8]) throws(JSONFailure) -> [String] {
        var reader = JSONReader(bytes)
        var shown: [String] = []
        while true {
            switch try reader.next() {
            case .beginObject: shown.append("{")
            case .endObject: shown.append("}")
            case .beginArray: shown.append("[")
            case .endArray: shown.append("]")
            case .key(let range, let isEscaped):
                shown.append(JSONText.string(range, of: bytes, isEscaped: isEscaped) + ":")
            case .string(let range, let isEscaped):
                shown.append("'" + JSONText.string(range, of: bytes, isEscaped: isEscaped) + "'")
            case .number(let range): shown.append(String(decoding: bytes[range], as: UTF8.self))
            case .bool(let value): shown.append("\(value)")
            case .null: shown.append("null")
            case .end: return shown
            }
        }
    }

    @Test("a nested text comes token by token, numbers as written")
    func tokens() throws {
        let tokens = try read(
            #" { "a" : [ 1 , -0.5e+10, 12345678901234567890.123 ] ,"b":{},"c":[],"d":"x" , "e":true}"#)
        #expect(
            tokens == [
                "{", "a:", "[", "1", "-0.5e+10", "12345678901234567890.123", "]", "b:", "{", "}", "c:", "[", "]", "d:",
                "'x'", "e:", "true", "}",
            ])
    }

    @Test("a scalar alone is a text")
    func scalars() throws {
        #expect(try read("null") == ["null"])
        #expect(try read(" false ") == ["false"])
        #expect(try read("0") == ["0"])
        #expect(try read("\"\"") == ["''"])
    }

    @Test("escapes resolve, surrogate pairs and all")
    func escapes() throws {
        #expect(try read(#""a\"\\\/\b\f\n\r\té\u0000😀z""#) == ["'a\"\\/\u{8}\u{c}\n\r\té\0😀z'"])
        #expect(try read(#"{"k\u0041":"\u00e9\ud83d\uDE00"}"#) == ["{", "kA:", "'é😀'", "}"])
    }

    @Test(
        "what is no JSON is refused",
        arguments: [
            "", " ", "{", "[", "[1", "[1,", "[1,]", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}",
            "[,]",
            "{a:1}", "{'a':1}", "{\"a\" 1}", "[1 2]", "[1}", "{\"a\":1]", "1 2", "nul", "nullx", "tru", "01", "-", "-a",
            "1.", "1e",
            "1e+", ".5", "+1", "0x10", "NaN", "Infinity", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"a\nb\"", "]", "}", "\u{FEFF}1",
        ])
    func refused(_ text: String) {
        #expect(throws: JSONFailure.self) { try read(text) }
    }

    @Test(
        "bytes that are no UTF-8 are refused",
        arguments: [
            [0x80], [0xC0, 0x80], [0xC3], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
            [0xF8, 0x80],
            [0xE2, 0x82], [0xF0, 0x9F, 0x98, 0x22],
        ] as [[UInt8]])
    func encoding(_ bytes: [UInt8]) {
        #expect(throws: JSONFailure.self) { try read([0x22] + bytes + [0x22]) }
    }

    @Test("nesting has a limit that costs nothing")
    func depth() throws {
        let deepest = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        #expect(try read(deepest).count == 128)
        let mixed = String(repeating: "[{\"a\":", count: 32) + "1" + String(repeating: "}]", count: 32)
        #expect(try read(mixed).count == 161)
        #expect(throws: JSONFailure(offset: 64, reason: "nested deeper than 64")) {
            try read(String(repeating: "[", count: 1_000_000))
        }
    }

    @Test("a value can be passed over whole")
    func skip() throws {
        var reader = JSONReader(Array(#"{"a":{"b":[1,{"c":2}]},"d":3}"#.utf8))
        #expect(try reader.next() == .beginObject)
        #expect(try reader.next() == .key(2..<3, isEscaped: false))
        try reader.skipValue()
        #expect(try reader.next() == .key(24..<25, isEscaped: false))
        try reader.skipValue()
        #expect(try reader.next() == .endObject)
        #expect(try reader.next() == .end)
    }

    @Test("every truncation and every flipped bit is an answer or an error, never a trap")
    func mutations() {
        let text = Array(#"{"before":null,"after":{"id":1,"t":"é😀\n","n":-1.5e3,"a":[true,null]},"op":"c"}"#.utf8)
        var refused = 0
        for length in 0..<text.count where (try? read(Array(text.prefix(length)))) == nil { refused += 1 }
        #expect(refused == text.count)
        for index in text.indices {
            for bit in 0..<8 {
                var changed = text
                changed[index] ^= 1 << bit
                _ = try? read(changed)
            }
        }
    }
}
