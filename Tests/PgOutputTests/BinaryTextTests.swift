import PgOutput
import Testing

/// Values by hand, and everything that is no value. What PostgreSQL itself prints is compared in PostgresSourceTests.
@Suite struct BinaryTextTests {
    private func text(_ bytes: [UInt8], _ form: BinaryForm, version: Int = 150_000) throws -> String {
        var values = BinaryText(serverVersion: version)
        // Not at the beginning: offsets count from the value.
        let message = [0xAA] + bytes
        try values.append(message.span.bytes, ByteRange(offset: 1, length: bytes.count), as: form)
        return values.text.withBytes { String(decoding: $0, as: UTF8.self) }
    }

    private func reason(_ bytes: [UInt8], _ form: BinaryForm) -> BinaryValueError? {
        var values = BinaryText(serverVersion: 150_000)
        do throws(BinaryValueError) {
            try values.append(bytes.span.bytes, ByteRange(offset: 0, length: bytes.count), as: form)
            return nil
        } catch {
            return error
        }
    }

    @Test func valuesBecomeText() throws {
        #expect(try text([1], BinaryForm(.bool)) == "t")
        #expect(try text([0x80, 0, 0, 0], BinaryForm(.int4)) == "-2147483648")
        #expect(try text([0, 2, 0, 0, 0x40, 0, 0, 2, 0, 1, 0x09, 0xC4], BinaryForm(.numeric)) == "-1.25")
        #expect(try text([0x80, 0, 0, 0, 0, 0, 0, 0], BinaryForm(.float8)) == "-0")
        #expect(try text([0x3D, 0x30, 0, 0, 0, 0, 0, 0], BinaryForm(.float8)) == "5.684341886080802e-14")
        #expect(try text([0, 0, 0, 0], BinaryForm(.date)) == "2000-01-01")
        #expect(try text([], BinaryForm(.text)) == "")
        #expect(try text([1, 0x5B, 0x5D], BinaryForm(.versionedText)) == "[]")
        #expect(try text([0, 0xFF], BinaryForm(.bytea)) == "\\x00ff")
        #expect(
            try text(
                [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 25, 0, 0, 0, 3, 0, 0, 0, 0]
                    + [0, 0, 0, 4] + Array("NuLl".utf8) + [0xFF, 0xFF, 0xFF, 0xFF] + [0, 0, 0, 2] + Array("\"\\".utf8),
                BinaryForm(.text, .array)) == #"[0:2]={"NuLl",NULL,"\"\\"}"#)
        #expect(
            try text([0x02, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 5], BinaryForm(.int4, .range)) == "[1,5)")
    }

    /// All ones is a finite interval until PostgreSQL 16 and `infinity` from 17 on.
    @Test func theGreatestIntervalIsInfiniteInNewerServers() throws {
        let greatest: [UInt8] =
            [0x7F] + Array(repeating: 0xFF, count: 7) + [0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]
        #expect(
            try text(greatest, BinaryForm(.interval), version: 160_000)
                == "178956970 years 7 mons 2147483647 days 2562047788:00:54.775807")
        #expect(try text(greatest, BinaryForm(.interval), version: 170_000) == "infinity")
    }

    @Test func malformedValuesAreErrors() {
        #expect(reason([], BinaryForm(.bool))?.reason == .truncated(needed: 1))
        #expect(reason([2], BinaryForm(.bool))?.reason == .invalidValue)
        #expect(reason([0, 0, 0, 0, 0], BinaryForm(.int4))?.reason == .trailing(1))
        #expect(reason([0x80, 0, 0, 1], BinaryForm(.date))?.reason == .invalidValue)
        #expect(reason([0, 1, 0, 0, 0, 0, 0, 0], BinaryForm(.numeric))?.reason == .truncated(needed: 2))
        #expect(reason([0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10], BinaryForm(.numeric))?.reason == .invalidValue)
        #expect(reason([0, 1, 0, 1, 0, 0, 0, 0, 0, 0], BinaryForm(.numeric))?.reason == .invalidValue)
        #expect(reason([0, 0, 0, 0, 0, 0, 0x40, 0], BinaryForm(.numeric))?.reason == .invalidCount(0x4000))
        #expect(reason([0, 0, 0, 0, 0x12, 0, 0, 0], BinaryForm(.numeric))?.reason == .invalidValue)
        #expect(reason([0xFF, 0xFF, 0xFF, 0xFF], BinaryForm(.bit))?.reason == .invalidCount(-1))
        #expect(reason([2], BinaryForm(.versionedText))?.reason == .invalidValue)
        #expect(reason([2, 33, 0, 4, 1, 2, 3, 4], BinaryForm(.inet))?.reason == .invalidValue)
        #expect(reason([0, 0x7F, 0xFF, 0xFF, 0xFF], BinaryForm(.path))?.reason == .invalidCount(0x7FFF_FFFF))
        // Counts that no message can hold are refused before anything is done with them.
        let many: [UInt8] = [0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1]
        #expect(reason([0, 0, 0, 7], BinaryForm(.int4, .array))?.reason == .invalidCount(7))
        #expect(
            reason([0, 0, 0, 2] + Array(repeating: 0, count: 8) + many + many, BinaryForm(.int4, .array))?.reason
                == .invalidCount(0x7FFF_FFFF))
        #expect(reason([0, 0xFF, 0xFF, 0xFF, 0xFF], BinaryForm(.int4, .range))?.reason == .invalidValue)
        #expect(reason([0x20], BinaryForm(.int4, .range))?.reason == .invalidValue)
    }

    /// Any bytes in any form are a value or an error whose place is in the value.
    @Test func anythingIsAnsweredWithTextOrAnError() throws {
        var random = SystemRandomNumberGenerator()
        var values = BinaryText(serverVersion: 150_000)
        let shapes: [BinaryForm.Shape] = [.scalar, .array, .range]
        var errors = 0, texts = 0
        for scalar in BinaryForm.Scalar.allCases {
            for shape in shapes {
                for round in 0..<1500 {
                    let bytes = Self.bytes(round, &random)
                    values.removeAll()
                    do throws(BinaryValueError) {
                        try values.append(
                            bytes.span.bytes, ByteRange(offset: 0, length: bytes.count),
                            as: BinaryForm(scalar, shape))
                        texts += 1
                    } catch {
                        errors += 1
                        #expect(error.offset >= 0 && error.offset <= bytes.count, "\(scalar) \(shape) \(bytes)")
                    }
                }
            }
        }
        #expect(errors > 10_000 && texts > 1000, "\(errors) errors, \(texts) texts")
    }

    /// Random bytes, with the small numbers that lengths and counts are.
    private static func bytes(_ round: Int, _ random: inout SystemRandomNumberGenerator) -> [UInt8] {
        (0..<Int.random(in: 0...(round % 60), using: &random)).map { _ in
            switch Int.random(in: 0..<4, using: &random) {
            case 0: UInt8.random(in: .min ... .max, using: &random)
            case 1: UInt8.random(in: 0...6, using: &random)
            default: 0
            }
        }
    }
}
