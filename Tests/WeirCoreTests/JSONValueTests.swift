import Testing
import WeirCore

@Suite("JSON values")
struct JSONValueTests {
    private func value(_ text: String) throws(JSONFailure) -> JSONValue { try JSONValue(Array(text.utf8)) }

    @Test("values of every kind, members in order, numbers as written")
    func kinds() throws {
        let found = try value(#"{"b":[1,-2.50e3,null],"a":{"x\u0041":"\"é"},"t":true,"f":false,"b":"again"}"#)
        guard case .object(let members) = found else {
            Issue.record("no object")
            return
        }
        #expect(members.map(\.name) == ["b", "a", "t", "f", "b"])
        #expect(members[0].value == .array([.number("1"), .number("-2.50e3"), .null]))
        // The last of several wins.
        #expect(found["b"] == .string("again"))
        #expect(found["a"]?["xA"]?.string == "\"é")
        #expect(found["t"]?.flag == true && found["f"]?.flag == false)
        #expect(found["none"] == nil)
    }

    @Test("a value is asked for what it is, and is nothing else")
    func accessors() throws {
        #expect(try value("9223372036854775807").integer == .max)
        #expect(try value("9223372036854775808").integer == nil)
        #expect(try value("9223372036854775808").text == "9223372036854775808")
        #expect(try value("1.0").integer == nil)
        #expect(try value("\"1\"").integer == nil)
        #expect(try value("\"1\"").string == "1")
        #expect(try value("true").text == "true")
        #expect(try value("1").flag == nil)
        for text in ["null", "[]", "{}"] { #expect(try value(text).text == nil) }
        #expect(try value("[1,[2]]").items == [.number("1"), .array([.number("2")])])
        #expect(try value("{}").items.isEmpty)
        #expect(try value("[1]")["a"] == nil)
    }

    @Test("only one value, and not too deep")
    func refusals() throws {
        for text in ["", "{} {}", "1 2", "[1,]", "{\"a\"}", "{\"a\":}", "]"] {
            #expect(throws: JSONFailure.self) { try value(text) }
        }
        let deepest = JSONReader.depthMax
        #expect(
            try value(String(repeating: "[", count: deepest) + String(repeating: "]", count: deepest)).items.count == 1)
        #expect(throws: JSONFailure.self) {
            try value(String(repeating: "[", count: deepest + 1) + String(repeating: "]", count: deepest + 1))
        }
        #expect(throws: JSONFailure.self) { try value(String(repeating: "{\"a\":", count: 100_000)) }
    }
}
