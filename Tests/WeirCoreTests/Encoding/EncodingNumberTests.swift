import Testing
import WeirTestKit

@testable import WeirCore

@Suite struct EncodingNumberTests {
    private let bench = EncodingBench()

    /// The modifier of numeric(precision, scale).
    private func numeric(_ precision: Int32, _ scale: Int32) -> ColumnType {
        .type(.numeric, modifier: (precision << 16 | scale & 0x7FF) + 4)
    }

    private func bytes(base64 text: String) -> [UInt8] {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var bits = 0
        var count = 0
        var bytes: [UInt8] = []
        for character in text.utf8 {
            guard let value = alphabet.firstIndex(of: character) else { continue }
            bits = (bits << 6 | value) & 0xFFFF
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
            }
        }
        return bytes
    }

    /// Decimal digits of a big-endian two's complement number: the reference the other way round.
    private func decimal(_ bytes: [UInt8]) -> String {
        let isNegative = bytes[0] & 0x80 != 0
        var magnitude = isNegative ? bytes.map { ~$0 } : bytes
        if isNegative {
            for index in magnitude.indices.reversed() {
                magnitude[index] = magnitude[index] &+ 1
                if magnitude[index] != 0 { break }
            }
        }
        var digits: [UInt8] = [0]
        for byte in magnitude {
            var carry = Int(byte)
            for index in digits.indices {
                carry += Int(digits[index]) * 256
                digits[index] = UInt8(carry % 10)
                carry /= 10
            }
            while carry > 0 {
                digits.append(UInt8(carry % 10))
                carry /= 10
            }
        }
        let text = digits.reversed().map(String.init).joined()
        return isNegative ? "-" + text : text
    }

    @Test func decimalsDecodeBackAtEveryLength() throws {
        var random = SeededGenerator(seed: 1)
        for length in Array(1...45) + [100, 700] {
            for sign in ["", "-"] {
                var digits = String(Int.random(in: 1...9, using: &random))
                for _ in 1..<max(length, 1) { digits += String(Int.random(in: 0...9, using: &random)) }
                let json = try #require(try bench.json(sign + digits, numeric(1000, 0)))
                let encoded = bytes(base64: json)
                #expect(decimal(encoded) == sign + digits)
                let isShortest =
                    encoded.count == 1
                    || !(encoded[0] == 0 && encoded[1] < 128 || encoded[0] == 255 && encoded[1] > 127)
                #expect(isShortest, "\(sign + digits)")
            }
        }
    }

    @Test func decimalsAtPowersOfTwoHaveTheShortestForm() throws {
        for power in 1...62 {
            for value in [Int64(1) << power - 1, Int64(1) << power, -(Int64(1) << power), -(Int64(1) << power) - 1] {
                // The same number by the short way and, through zeros after the point, by the long one.
                let short = try #require(try bench.json("\(value)", numeric(20, 0)))
                let long = try #require(try bench.json("\(value).0000000000000000000000", numeric(20, 0)))
                #expect(short == long)
                #expect(decimal(bytes(base64: short)) == "\(value)")
            }
        }
    }

    @Test(arguments: [
        ("1.5", 2, "\"AJY=\""), ("150", -1, "\"Dw==\""), ("-0.00", 2, "\"AA==\""), ("0", 3, "\"AA==\""),
        ("12", -2, nil), ("1.501", 2, nil), ("1e5", 2, nil), ("", 2, nil), ("-", 2, nil), (".", 2, nil),
        ("1.2.3", 2, nil), ("NaN", 2, "\"NaN\""),
    ])
    func scales(_ text: String, _ scale: Int32, _ expected: String?) throws {
        #expect(try bench.json(text, numeric(10, scale)) == expected)
    }

    @Test(arguments: [
        ("0.00", #"{"scale":0,"value":"AA=="}"#), ("100", #"{"scale":0,"value":"ZA=="}"#),
        ("1.50", #"{"scale":1,"value":"Dw=="}"#), ("-0.001", #"{"scale":3,"value":"/w=="}"#),
        ("Infinity", "\"Infinity\""),
    ])
    func variableScales(_ text: String, _ expected: String) throws {
        #expect(try bench.json(text, .type(.numeric)) == expected)
    }

    @Test func specialDecimalsStopAStrictPipeline() throws {
        var strict = bench
        strict.settings.debezium.strict = true
        #expect(try strict.json("NaN", .type(.numeric)) == nil)
        strict.settings.debezium.decimal = .string
        #expect(try strict.json("NaN", .type(.numeric)) == "\"NAN\"")
        strict.settings.debezium.decimal = .double
        #expect(try strict.json("-Infinity", .type(.numeric)) == "\"-Infinity\"")
    }

    @Test(arguments: [
        ("12345678901234567890", "1.2345678901234567E19"), ("0.1", "0.1"), ("100", "100.0"), ("1e-3", "0.001"),
        ("9007199254740993", "9.007199254740992E15"), ("-0.00012", "-1.2E-4"),
        ("179769313486231570000000000000000000000000", "1.797693134862316E41"),
    ])
    func decimalsAsDoubles(_ text: String, _ expected: String) throws {
        var double = bench
        double.settings.debezium.decimal = .double
        #expect(try double.json(text, .type(.numeric)) == expected)
    }

    @Test(arguments: [
        ("$1,234.56", "1234.56"), ("-$0.01", "-0.01"), ("($5.00)", "-5.00"), ("1.234,56 €", "1234.56"),
        ("$92,233,720,368,547,758.07", "92233720368547758.07"),
        ("-$92,233,720,368,547,758.08", "-92233720368547758.08"), ("¥1,234", "1234"), ("¥1,234,567", "1234567"),
        ("1,234.567", "1234.567"), ("$92,233,720,368,547,758.08", nil), ("free", nil), ("1.2345678901234567890", nil),
    ])
    func money(_ text: String, _ expected: String?) throws {
        var strings = bench
        strings.settings.debezium.decimal = .string
        #expect(try strings.json(text, .type(.money)) == expected.map { "\"\($0)\"" })
    }

    /// Recorded from Debezium 3.6.3: `money.fraction.digits` is about the precise mode only.
    @Test(
        arguments: [
            (0, "$1,234.56", "BNM="), (0, "$0.50", "AQ=="), (0, "-$0.50", "/w=="), (0, "-$1.49", "/w=="),
            (0, "$0.49", "AA=="), (2, "$1,234.56", "AeJA"), (4, "$1,234.56", "ALxhAA=="),
            (4, "$92,233,720,368,547,758.07", "Mf////////+c"),
        ] as [(Int, String, String)])
    func moneyInOtherDigits(_ digits: Int, _ text: String, _ expected: String) throws {
        var bench = bench
        bench.settings.debezium.moneyFractionDigits = digits
        #expect(try bench.json(text, .type(.money)) == "\"\(expected)\"")
        bench.settings.debezium.decimal = .string
        let two = try bench.json(text, .type(.money))
        bench.settings.debezium.moneyFractionDigits = 2
        #expect(try bench.json(text, .type(.money)) == two)
    }

    @Test(arguments: [
        ("0", "0.0"), ("-0", "-0.0"), ("1", "1.0"), ("1e+15", "1.0E15"), ("1234567", "1234567.0"),
        ("12345678", "1.2345678E7"), ("9999999.999", "9999999.999"), ("0.001", "0.001"), ("0.00012", "1.2E-4"),
        ("1e-05", "1.0E-5"), ("1.5e+300", "1.5E300"), ("5e-324", "4.9E-324"), ("1e-323", "9.9E-324"),
        ("1.5e-323", "1.5E-323"), ("5e-323", "4.9E-323"), ("1e-322", "9.9E-323"), ("2e-323", "2.0E-323"),
        ("2.2250738585072014e-308", "2.2250738585072014E-308"), ("NaN", "\"NaN\""), ("-Infinity", "\"-Infinity\""),
        ("abc", nil), ("1e", nil), ("--1", nil), ("", nil), ("1e9999999", nil),
    ])
    func doublesHaveJavasLayout(_ text: String, _ expected: String?) throws {
        #expect(try bench.json(text, .type(.float8)) == expected)
    }

    @Test(arguments: [
        ("1e-45", "1.4E-45"), ("3e-45", "2.8E-45"), ("4e-45", "4.2E-45"), ("1e-44", "9.8E-45"), ("3.14", "3.14"),
        ("3.4028235e+38", "3.4028235E38"), ("1e+07", "1.0E7"), ("1.1754944e-38", "1.1754944E-38"),
    ])
    func floatsHaveJavasLayout(_ text: String, _ expected: String) throws {
        #expect(try bench.json(text, .type(.float4)) == expected)
    }

    @Test func doublesKeepTheirValue() throws {
        var random = SeededGenerator(seed: 2)
        for _ in 0..<1000 {
            let value = Double(bitPattern: UInt64.random(in: 0...UInt64.max, using: &random))
            guard value.isFinite else { continue }
            let json = try #require(try bench.json("\(value)", .type(.float8)))
            #expect(Double(json) == value, "\(value)")
            // One digit before the point, at least one behind it, no sign or zero in front of the exponent.
            #expect(json.wholeMatch(of: /-?[0-9]+\.([0-9]*[1-9]|0)(E-?[1-9][0-9]*)?/) != nil, "\(json)")
        }
    }

    @Test(arguments: [
        ("0", "0"), ("-9223372036854775808", "-9223372036854775808"), ("18446744073709551615", "18446744073709551615"),
        ("", nil), ("-", nil), ("1 ", nil), ("0x1", nil), ("***", nil), ("123456789012345678901", nil),
    ])
    func integersAreLookedAt(_ text: String, _ expected: String?) throws {
        #expect(try bench.json(text, .type(.int8)) == expected)
    }

    @Test func integersOfAllLengthsAreWritten() {
        var random = SeededGenerator(seed: 3)
        var buffer = ByteBuffer()
        for bits in 0..<64 {
            for _ in 0..<8 {
                let value = UInt64.random(in: 0...UInt64.max, using: &random) >> UInt64(bits)
                buffer.removeAll()
                buffer.appendInteger(value)
                #expect(buffer.text(0..<buffer.count) == "\(value)")
                buffer.removeAll()
                buffer.appendPosition(LSN(value))
                #expect(buffer.text(0..<buffer.count) == "\(LSN(value))")
                let wide = Int128(Int64(bitPattern: value)) * Int128(value)
                buffer.removeAll()
                buffer.appendInteger(wide: wide)
                #expect(buffer.text(0..<buffer.count) == "\(wide)")
            }
        }
    }

    /// Whatever a transform or another source has left in the cell, the event stays JSON.
    @Test(arguments: [
        ("1.5", true), ("-0.001", true), ("0", true), ("1e+20", true), ("NaN", true), ("1.", false), (".5", false),
        ("+1", false), ("007", false), ("-", false), ("1e", false), ("1.2.3", false), ("", false),
    ])
    func numbersAreWrittenAsJSONHasThem(text: String, isNumber: Bool) throws {
        let flat = EncodingBench(EncoderSettings(prefix: "weir", format: .flat))
        for kind in [ColumnType.Kind.numeric, .float8] {
            #expect(try (flat.json(text, .type(kind)) != nil) == isNumber, "\(kind)")
        }
        #expect(try flat.json("-05", .type(.int4)) == nil && flat.json("0", .type(.int4)) == "0")
    }
}
