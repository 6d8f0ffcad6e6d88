import Synchronization
import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSource

/// A database in SQL_ASCII takes any bytes as text: what is not UTF-8 is refused or carried, and never mangled.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct InvalidTextTests {
    private func ascii() throws -> SourceDatabase {
        let database = try SourceDatabase(
            options: "TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
        try database.exec("CREATE TABLE t (id int PRIMARY KEY, v text, w text)")
        return database
    }

    /// SQL of a text with these bytes.
    private func text(_ hex: String) -> String { "convert_from('\\x\(hex)', 'SQL_ASCII')" }

    @Test func aSnapshotStopsAtTextThatIsNotUTF8() throws {
        let database = try ascii()
        try database.exec("INSERT INTO t VALUES (1, 'plain', \(text("c3a9"))), (2, 'x', \(text("717a71e9")))")
        let run = SourceRun(database.settings())
        let error = try #require(try run.outcome())
        #expect(error.code == .valueRejected && error.table?.description == "public.t" && error.position != nil)
        #expect(error.message.contains("column w") && error.cause?.contains("byte 3 ") == true)
        #expect(error.advice?.contains("source.invalid.text") == true)
        #expect(!"\(error)".contains("qzq"))
    }

    @Test func aStreamStopsThereAndNothingOvertakesIt() throws {
        let database = try ascii()
        let run = SourceRun(database.settings(snapshot: .never))
        try #require(eventually { run.statistics.isStreaming })
        try database.exec("INSERT INTO t VALUES (1, \(text("e282ac")), NULL)")
        #expect(run.log.wait(count: 1))
        try database.exec("INSERT INTO t VALUES (2, \(text("ff")), NULL)")
        try database.exec("INSERT INTO t VALUES (3, 'after', NULL)")
        let error = try #require(try run.outcome())
        #expect(error.code == .valueRejected && error.table?.description == "public.t" && error.position != nil)
        #expect(run.log.events == ["insert public.t 1,€,NULL"])
        // The other choice carries it from the same position.
        var settings = database.settings(snapshot: .never)
        settings.invalidText = .bytes
        let second = SourceRun(settings, store: run.store)
        #expect(second.log.wait(count: 2))
        try second.stop()
        #expect(second.log.events == ["insert public.t 2,\\xff,NULL", "insert public.t 3,after,NULL"])
    }

    @Test(arguments: PostgresSourceSettings.Binary.allCases)
    func bytesComeAsHexadecimalDigits(_ binary: PostgresSourceSettings.Binary) throws {
        let database = try ascii()
        try database.exec("ALTER TABLE t REPLICA IDENTITY FULL")
        try database.exec("INSERT INTO t VALUES (1, \(text("e9")), 'ok'), (2, \(text("c3a9")), \(text("c328")))")
        var settings = database.settings()
        settings.invalidText = .bytes
        settings.binary = binary
        let run = SourceRun(settings)
        #expect(run.log.wait(count: 2))
        try database.exec("UPDATE t SET w = \(text("eda080")) WHERE id = 1; DELETE FROM t WHERE id = 2")
        #expect(run.log.wait(count: 4))
        try run.stop()
        #expect(
            run.log.events == [
                "read public.t 1,\\xe9,ok", "read public.t 2,é,\\xc328",
                "update public.t 1,\\xe9,\\xeda080 was 1,\\xe9,ok", "delete public.t was 2,é,\\xc328",
            ])
    }

    /// In any encoding "char" holds a byte, and servers before 15 send it as it is.
    @Test(arguments: PostgresSourceSettings.Binary.allCases)
    func aCharOfHalfACharacterIsNoText(_ binary: PostgresSourceSettings.Binary) throws {
        let database = try SourceDatabase()
        try database.exec(
            """
            CREATE TABLE t (id int PRIMARY KEY, v text, c "char", a "char"[]);
            INSERT INTO t VALUES (1, 'é', 'x', NULL), (2, 'é', 'é', '{a,é}')
            """)
        let isSentRaw =
            try database.connection.value("SELECT current_setting('server_version_num')::int < 150000") == "t"
        var settings = database.settings()
        settings.binary = binary
        if isSentRaw {
            let error = try #require(try SourceRun(settings).outcome())
            #expect(error.code == .valueRejected && error.message.contains("column c"))
            #expect(error.cause?.contains("the type \"char\"") == true)
        }
        settings.invalidText = .bytes
        let run = SourceRun(settings)
        #expect(run.log.wait(count: 2))
        try database.exec("UPDATE t SET v = 'ü', a = NULL WHERE id = 2; UPDATE t SET c = 'y' WHERE id = 2")
        #expect(run.log.wait(count: 4))
        try run.stop()
        let char = isSentRaw ? "\\xc3" : "\\303"
        let array = isSentRaw ? "\\x7b612cc37d" : #"{a,"\\303"}"#
        #expect(
            run.log.events == [
                "read public.t 1,é,x,NULL", "read public.t 2,é,\(char),\(array)",
                "update public.t 2,ü,\(char),NULL", "update public.t 2,ü,y,NULL",
            ])
    }

    @Test func onlySomeTypesAreLookedAt() {
        func applies(_ kind: ColumnType.Kind, isAnyText: Bool = false) -> Bool {
            let type = ColumnType(oid: 1, name: "t", kind: kind)
            let relation = Relation(
                oid: 1, table: TableName(schema: "s", name: "t"), columns: [Column(name: "c", type: type)],
                identity: .default)
            return TextRule(.refuse, isAnyText: isAnyText).applies(to: relation)
        }
        let text = ColumnType(oid: 25, name: "text", kind: .text)
        let char = ColumnType(oid: 18, name: "char", kind: .char)
        #expect(!applies(.text) && !applies(.int8) && !applies(.array(text)))
        #expect(applies(.char) && applies(.array(char)) && applies(.composite))
        #expect(applies(.text, isAnyText: true))
    }

    /// The check says what Swift's own decoder says, for every pair of bytes and random longer ones.
    @Test func theCheckIsUTF8() {
        var random = SystemRandomNumberGenerator()
        var cases = (0...UInt8.max).flatMap { first in (0...UInt8.max).map { [first, $0] } }
        for _ in 0..<20_000 {
            cases.append(
                (0..<Int.random(in: 0...6, using: &random)).map { _ in
                    [0x41, 0x80, 0xBF, 0xC2, 0xE0, 0xED, 0xA0, 0xF0, 0x90, 0xF4, 0x8F, 0xEF, 0xFF, 0x9F]
                        .randomElement(using: &random) ?? 0
                })
        }
        for bytes in cases {
            let found = bytes.withUnsafeBytes { TextCheck.firstInvalid($0) }
            #expect((found == nil) == (String(validating: bytes, as: UTF8.self) != nil), "\(bytes)")
            if let found {
                #expect(String(validating: bytes[..<found], as: UTF8.self) != nil, "\(bytes)")
            }
        }
    }

    @Test func aTypeWithoutADecoderIsReportedOnce() throws {
        let database = try SourceDatabase()
        try database.exec(
            "CREATE EXTENSION cube; CREATE TABLE t (id int PRIMARY KEY, c cube, d cube[]); "
                + "CREATE TABLE u (id int PRIMARY KEY, c cube); INSERT INTO t VALUES (1, '(1,2)', '{(3)}')")
        let lines = Mutex<[String]>([])
        let logger = Logger(level: .info) { _, message, values in
            guard message.contains("decoder") else { return }
            lines.withLock { $0.append(values.map { "\($0.0)=\($0.1)" }.joined(separator: " ")) }
        }
        let history = PostgresSourceHistory()
        let settings = database.settings()
        let run = SourceRun(
            SourceFactory(name: "postgres") { PostgresSource(settings, history: history, logger: logger) })
        #expect(run.log.wait(count: 1))
        try database.exec("INSERT INTO u VALUES (2, '(5)'); INSERT INTO t VALUES (3, NULL, '{}')")
        #expect(run.log.wait(count: 3))
        try run.stop()
        #expect(
            run.log.events == [
                "read public.t 1,(1, 2),{(3)}", "insert public.u 2,(5)", "insert public.t 3,NULL,{}",
            ])
        #expect(
            lines.withLock { $0 } == ["column=public.t.c type=public.cube", "column=public.t.d type=public.cube[]"])
    }
}
