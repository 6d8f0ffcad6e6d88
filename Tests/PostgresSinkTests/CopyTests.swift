import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSink

@Suite("Apply: runs of inserts as COPY", .tags(.integration), .needsPostgres)
struct CopyTests {
    /// Values that COPY's text format could confuse with one another.
    static let texts: [String?] = [
        nil, "", "NULL", "\\N", "\\.", "\\\\", "\\", "a\tb", "a\nb", "a\rb", "a\r\nb", "\\t", "\u{8}\u{B}\u{C}",
        "\\x41",
        "é😀\u{FEFF}\u{202E}", "'", "\"", "$1", "{NULL}", "\u{7F}\u{1}",
    ]

    private func values(_ text: String?) -> TestValue { text.map { .text($0) } ?? .null }

    @Test(arguments: [1, 100_000])
    func keepsHostileTextsApart(copyRowsMin: Int) throws {
        let target = try Target("CREATE TABLE t (id int, v text)")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings { $0.copyRowsMin = copyRowsMin })
        try driver.write(
            transaction(100) { batch in
                for (index, text) in Self.texts.enumerated() { batch.insert(t, [.text("\(index)"), values(text)]) }
            })
        let found = try target.connection.query("SELECT v FROM t ORDER BY id").map { $0[0] }
        #expect(found == Self.texts)
        // Rows of one COPY share a command; single inserts do not.
        let commands = try target.connection.number("SELECT count(DISTINCT cmin::text) FROM t")
        #expect(commands == (copyRowsMin == 1 ? 1 : Self.texts.count))
    }

    @Test func copiesRunsAcrossTransactionsAndTables() throws {
        let target = try Target("CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int)")
        let (a, b) = (try target.relation("a"), try target.relation("b"))
        let driver = try SinkDriver(target.settings { $0.copyRowsMin = 5 })
        var batch = TestBatch()
        var id = 0
        for commit in 1...20 {
            batch.begin(UInt64(commit * 100))
            for _ in 0..<3 {
                batch.insert(a, [.text("\(id)"), .text("v")])
                id += 1
            }
            if commit == 10 {
                for other in 0..<10 { batch.insert(b, [.text("\(other)")]) }
                batch.update(a, [.text("0"), "updated"])
            }
            batch.commit()
        }
        try driver.write(batch.seal())
        #expect(try target.rows("SELECT count(*), count(DISTINCT cmin::text) FROM a WHERE v = 'v'") == ["59|2"])
        #expect(try target.rows("SELECT v FROM a WHERE id = 0") == ["updated"])
        #expect(try target.rows("SELECT count(*) FROM b") == ["10"])
        #expect(driver.confirmed == LSN(2008))
    }

    @Test func carriesEveryTypeAsTheSourceWroteIt() throws {
        let columns =
            "id int PRIMARY KEY, b bool, i8 bigint, n numeric, f4 real, f8 float8, m money, by bytea, c char(5), "
            + "vc varchar(9), nm name, ch \"char\", d date, ts timestamp, tz timestamptz, ti time, tt timetz, "
            + "iv interval, u uuid, j json, jb jsonb, bi bit(3), vb varbit, ip inet, ci cidr, ma macaddr, "
            + "ar int[], ta text[], "
            + "r int4range, mr int4multirange, tsv tsvector, po polygon, ls pg_lsn"
        let target = try Target("CREATE TABLE t (\(columns)); CREATE TABLE s (\(columns))")
        let literals = [
            "true", "9223372036854775807", "'NaN'", "'-Infinity'", "1e-300", "'-92233720368547758.08'",
            "'\\x00ff5c0a'", "'ab'", "'\u{e4}\u{1F600}'", "'nm'", "'x'", "'4714-11-24 BC'", "'infinity'",
            "'294276-12-31 23:59:59.999999+00'", "'24:00'", "'12:00:00.5+15:59:59'", "'-1 mons +3 days -04:05:06.7'",
            "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'{\"a\": 1, \"a\" : 2}'", "'{\"b\": [1e400]}'", "B'101'", "B''",
            "'10.0.0.1/8'", "'10.0.0.0/8'", "'08:00:2b:01:02:03'", "'[0:1][-1:0]={{1,NULL},{3,4}}'",
            "'{\"a,b\",NULL,\"NULL\",\"\\\\\"}'", "'[1,5)'", "'{[1,2),[5,)}'", "'a:1 b:2A'", "'((0,0),(1,1))'",
            "'0/16B3748'",
        ].joined(separator: ", ")
        try target.exec("INSERT INTO s VALUES (1, \(literals))")
        let names = try target.connection.query(
            "SELECT attname FROM pg_attribute WHERE attrelid = 's'::regclass AND attnum > 0 ORDER BY attnum"
        ).compactMap { $0[0] }
        let texts = names.map { "\(quotedIdentifier($0))::text" }.joined(separator: ", ")
        try target.exec("ALTER DATABASE \(target.database) SET datestyle = 'SQL, DMY'")
        try target.exec("ALTER DATABASE \(target.database) SET timezone = 'Asia/Kathmandu'")
        // The source's sessions pin their settings as Weir's do.
        try target.exec(
            "SET datestyle = ISO; SET timezone = UTC; SET extra_float_digits = 3; SET intervalstyle = postgres")
        let row = try #require(try target.connection.query("SELECT \(texts) FROM s").first)
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings { $0.copyRowsMin = 2 })
        let cells = row.map { values($0) }
        try driver.write(
            transaction(100) { batch in
                // One alone as a statement, then, after another change, two as COPY.
                batch.insert(t, cells)
                batch.update(t, cells)
                batch.insert(t, ["2"] + cells.dropFirst())
                batch.insert(t, ["3"] + cells.dropFirst())
            })
        let found = try target.connection.query("SELECT \(texts) FROM t ORDER BY id")
        #expect(found.count == 3)
        for copy in found { #expect(copy.dropFirst() == row.dropFirst()) }
        // And the whole row finds itself.
        let full = Relation(
            oid: 0, table: t.table, columns: t.columns, identity: .full)
        try target.exec("ALTER TABLE t DROP CONSTRAINT t_pkey")
        let second = try SinkDriver(target.settings { $0.pipeline = "second" })
        try second.write(transaction(100) { $0.delete(full, full: ["2"] + cells.dropFirst()) })
        #expect(try target.rows("SELECT id FROM t ORDER BY id") == ["1", "3"])
    }
}
