import Testing
import WeirCore

@testable import LibPQ

@Suite struct PGErrorTests {
    @Test(arguments: ["40001", "40P01", "57P01", "57P03", "53300", "08006", "08001", "55006", "25006", "58030"])
    func passingConditionsAreRetried(state: String) {
        #expect(PGError(.server, "query", "m", sqlState: state).retry == .later)
        #expect(
            PGError(.server, "query", "m", sqlState: state).weirError(stage: .source, peer: "p").disposition == .retry)
    }

    @Test(arguments: [
        "28P01", "28000", "3D000", "42501", "42P01", "22P02", "23505", "42704", "55000", "53400", "XX000",
    ])
    func conditionsThatNeedAPersonAreNot(state: String) {
        let error = PGError(.connection, "connect", "m", sqlState: state)
        #expect(error.retry == .operatorNeeded)
        #expect(error.weirError(stage: .source, peer: "p").disposition == .operator)
    }

    /// What a statement about the catalog meets while others drop what it reads.
    @Test(arguments: [
        "cache lookup failed for type 32271", "could not open relation with OID 16390", "tuple concurrently updated",
    ])
    func racesWithDefinitionsAreRetried(message: String) {
        #expect(PGError(.server, "read pg_attribute", message, sqlState: "XX000").retry == .later)
    }

    @Test func aLostConnectionIsRetriedAndABadStringIsUsage() {
        #expect(
            PGError(.connection, "receive", "server closed").weirError(stage: .source, peer: "p").disposition == .retry)
        #expect(PGError(.settings, "connect", "m").weirError(stage: .source, peer: "p").disposition == .usage)
    }

    @Test func valuesOfRowsAreTakenOut() {
        let fields = DiagnosticFields(
            severity: "ERROR", sqlState: "22P02", message: "invalid input syntax for type integer: \"canary\"",
            detail: "Key (id)=(canary)", hint: nil, schema: "public", table: "t", column: "c", constraint: nil)
        let error = PGError(server: fields, operation: "apply")
        #expect(error.description == "apply: invalid input syntax for type integer: \"…\" (SQLSTATE 22P02)")
        #expect(error.detail == "Key (id)=(canary)")
        let mapped = error.weirError(stage: .sink, peer: "the target database")
        #expect(!mapped.description.contains("canary"))
        #expect(mapped.code == .rowRejected)
        #expect(mapped.table == TableName(schema: "public", name: "t"))
    }

    @Test(arguments: [
        ("28P01", WeirError.Code.authenticationFailed), ("3D000", .databaseMissing),
        ("42501", .permissionDenied), ("57P03", .serverUnavailable), ("53300", .serverUnavailable),
    ])
    func codesNameTheCause(state: String, code: WeirError.Code) {
        #expect(PGError(.connection, "connect", "m", sqlState: state).weirError(stage: .source, peer: "p").code == code)
    }

    @Test func quotingDoublesEveryMark() {
        #expect(SQLText.identifier("a\"b") == "\"a\"\"b\"")
        #expect(SQLText.literal("it's") == "'it''s'")
        // A combining mark makes one Character with the quote before it: it must be doubled all the same.
        #expect(Array(SQLText.literal("'\u{301}").unicodeScalars).filter { $0 == "'" }.count == 4)
        #expect(Array(SQLText.identifier("\"\u{301}").unicodeScalars).filter { $0 == "\"" }.count == 4)
    }
}
