import Testing

@testable import PgOutput

@Suite struct MalformedMessageTests {
    private func failure(_ bytes: [UInt8]) -> DecodeError? {
        do throws(DecodeError) {
            _ = try decoded(bytes)
            return nil
        } catch { return error }
    }

    private let insertHead: [UInt8] = [0x49, 0, 0, 0, 7, 0x4E]

    @Test func truncationAtEveryByteIsAnError() throws {
        for message in try Recording.load().messages {
            for count in 0..<message.bytes.count {
                let found = failure(Array(message.bytes.prefix(count)))
                switch found?.reason {
                case .truncated, .unterminatedString: break
                default: Issue.record("\(count) bytes of \(message.bytes): \(String(describing: found))")
                }
            }
        }
    }

    @Test func trailingBytesAreAnError() throws {
        for message in try Recording.load().messages {
            #expect(failure(message.bytes + [0, 0])?.reason == .trailing(2))
        }
    }

    @Test func unknownMessageTypesAreErrors() {
        // S, E, c, A and the others belong to protocols 2 to 4, which are not asked for.
        for tag in UInt8.min...UInt8.max where !"BCORYIUDTM".utf8.contains(tag) {
            #expect(failure([tag, 0, 0, 0, 0]) == DecodeError(.unknownMessage(tag), message: tag, offset: 0))
        }
        #expect(failure([])?.reason == .truncated(needed: 1))
    }

    @Test func unknownBytesInsideAreNamed() {
        #expect(
            failure([0x49, 0, 0, 0, 7, 0x4B, 0, 0]) == DecodeError(.unknownTupleKind(0x4B), message: 0x49, offset: 5))
        #expect(
            failure([0x55, 0, 0, 0, 7, 0x4F, 0, 0, 0x4B])
                == DecodeError(.unknownTupleKind(0x4B), message: 0x55, offset: 8))
        #expect(
            failure([0x44, 0, 0, 0, 7, 0x4E, 0, 0]) == DecodeError(.unknownTupleKind(0x4E), message: 0x44, offset: 5))
        #expect(failure(insertHead + [0, 1, 0x78]) == DecodeError(.unknownColumnKind(0x78), message: 0x49, offset: 8))
        let relation: [UInt8] = [0x52, 0, 0, 0, 7, 0x73, 0, 0x74, 0]
        #expect(failure(relation + [0x7A, 0, 0]) == DecodeError(.unknownIdentity(0x7A), message: 0x52, offset: 9))
        let column: [UInt8] = [2, 0x61, 0, 0, 0, 0, 23, 0xFF, 0xFF, 0xFF, 0xFF]
        #expect(failure(relation + [0x64, 0, 1] + column)?.reason == .unknownFlags(2))
        #expect(failure([0x43, 1] + [UInt8](repeating: 0, count: 24))?.reason == .unknownFlags(1))
        #expect(failure([0x54, 0, 0, 0, 0, 4])?.reason == .unknownFlags(4))
        #expect(failure([0x4D, 2] + [UInt8](repeating: 0, count: 13))?.reason == .unknownFlags(2))
    }

    @Test func absurdLengthsAndCountsAreErrors() {
        #expect(failure(insertHead + [0xFF, 0xFF]) == DecodeError(.invalidCount(-1), message: 0x49, offset: 6))
        #expect(failure(insertHead + [0x7F, 0xFF])?.reason == .invalidCount(0x7FFF))
        #expect(failure(insertHead + [0, 1, 0x74, 0xFF, 0xFF, 0xFF, 0xFF])?.reason == .invalidLength(-1))
        #expect(failure(insertHead + [0, 1, 0x74, 0x7F, 0xFF, 0xFF, 0xFF])?.reason == .invalidLength(0x7FFF_FFFF))
        #expect(failure(insertHead + [0, 1, 0x74, 0x3F, 0xFF, 0xFF, 0xFF])?.reason == .truncated(needed: 0x3FFF_FFFF))
        #expect(failure([0x54, 0x80, 0, 0, 0, 0])?.reason == .invalidCount(-0x8000_0000))
        #expect(failure([0x54, 0x7F, 0xFF, 0xFF, 0xFF, 0])?.reason == .truncated(needed: 4 * 0x7FFF_FFFF))
        #expect(failure([0x52, 0, 0, 0, 7, 0, 0, 0x64, 0x80, 0])?.reason == .invalidCount(-0x8000))
    }

    @Test func namesMustEndAndBeUTF8() {
        #expect(failure([0x59, 0, 0, 0, 1, 0x61, 0, 0x62])?.reason == .unterminatedString)
        #expect(
            failure([0x59, 0, 0, 0, 1, 0xC3, 0x28, 0, 0x62, 0]) == DecodeError(.invalidUTF8, message: 0x59, offset: 5))
        #expect(failure([0x59, 0, 0, 0, 1, 0x61, 0, 0xED, 0xA0, 0x80, 0])?.reason == .invalidUTF8)
    }

    @Test func anEmptySchemaNameIsPgCatalog() throws {
        var decoder = PgOutputDecoder()
        let bytes: [UInt8] = [0x59, 0, 0, 0, 1, 0, 0x62, 0]
        _ = try decoder.decode(bytes.span.bytes)
        let type = decoder.type
        #expect(type == TypeMessage(oid: 1, schema: "pg_catalog", name: "b"))
    }

    @Test func errorsSayWhereAndWhat() {
        let error = DecodeError(.truncated(needed: 4), message: 0x49, offset: 7)
        #expect(error.description == "message 'I' at byte 7: 4 more bytes needed")
        #expect(
            DecodeError(.unknownMessage(3), message: 3, offset: 0).description
                == "message 3 at byte 0: unknown message type 3")
    }
}
