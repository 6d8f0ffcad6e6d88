import Testing
import WeirTestKit

/// Arrays whose elements no comma parts: what an event and a target have of them.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct DelimiterScenarios {
    /// `box` in both forms of the stream, and of a domain, whose delimiter is that of its base type.
    @Test(arguments: ["auto", "never"]) func boxes(binary: String) throws {
        let lead = "(3,3),(2,2)"
        try follow(
            """
            CREATE DOMAIN frame AS box;
            CREATE TABLE t (id int PRIMARY KEY, v box[], d frame[]); ALTER TABLE t REPLICA IDENTITY FULL
            """, binary: binary,
            [
                ("{\(lead);NULL;\"(1,1),(0,0)\"}", "[\"\(lead)\",null,\"(1,1),(0,0)\"]"), ("{NULL}", "[null]"),
                ("{}", "[]"), ("[2:3]={\(lead);NULL}", "[\"\(lead)\",null]"), ("{\"\(lead)\"}", "[\"\(lead)\"]"),
                ("{{\(lead);NULL};{NULL;\(lead)}}", "\"{{\(lead);NULL};{NULL;\(lead)}}\""),
            ])
    }

    /// A type of a user with a delimiter of its own, as PostGIS's geometry has.
    @Test func ofAUsersType() throws {
        try follow(
            """
            CREATE TYPE mark;
            CREATE FUNCTION mark_in(cstring) RETURNS mark LANGUAGE internal IMMUTABLE STRICT AS 'textin';
            CREATE FUNCTION mark_out(mark) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
            CREATE TYPE mark (INPUT = mark_in, OUTPUT = mark_out, LIKE = text, DELIMITER = ':');
            CREATE DOMAIN label AS mark;
            CREATE TABLE t (id int PRIMARY KEY, v mark[], d label[])
            """, binary: "auto",
            [
                ("{a:NULL:\"b:c\"}", "[\"a\",null,\"b:c\"]"), ("{NULL}", "[null]"), ("{}", "[]"),
                ("{\"NULL\":\"\":d,e:\"q\\\"\":\"f g\"}", "[\"NULL\",\"\",\"d,e\",\"q\\\"\",\"f g\"]"),
                ("{{a:NULL}:{b:\"c:\"}}", "\"{{a:NULL}:{b:\\\"c:\\\"}}\""),
            ])
    }

    /// Copies rows with these arrays, streams the same ones with other keys, and changes them: events have `json`, the
    /// target has what the source has.
    private func follow(_ schema: String, binary: String, _ values: [(text: String, json: String)]) throws {
        let shop = try Shop([.postgres, .stdout], schema: schema, sourceExtra: "  binary: \(binary)")
        let places = values.indices
        for place in places { try shop.source.exec(Self.insert(place, values[place].text)) }
        let copied = try catchUp(shop)
        for place in places { #expect(copied.contains { $0.contains(Self.after(place, values[place].json)) }) }
        for place in places { try shop.source.exec(Self.insert(100 + place, values[place].text)) }
        let count = values.count
        try shop.source.exec(
            """
            UPDATE t SET v = n.v, d = NULL FROM t n WHERE t.id < \(count) AND n.id = (t.id + 1) % \(count);
            DELETE FROM t WHERE id = 101
            """)
        let streamed = try catchUp(shop)
        for place in places {
            #expect(streamed.contains { $0.contains(Self.after(100 + place, values[place].json)) })
            let next = values[(place + 1) % count].json
            #expect(streamed.contains { $0.contains("\"after\":{\"id\":\(place),\"v\":\(next),\"d\":null}") })
        }
    }

    private static func insert(_ id: Int, _ text: String) -> String {
        "INSERT INTO t VALUES (\(id), \(quotedLiteral(text)), \(quotedLiteral(text)))"
    }

    private static func after(_ id: Int, _ json: String) -> String {
        "\"after\":{\"id\":\(id),\"v\":\(json),\"d\":\(json)}"
    }

    /// The events up to now; the target is as the source behind them.
    private func catchUp(_ shop: Shop) throws -> [String] {
        let end = try shop.source.value("SELECT pg_current_wal_insert_lsn()") ?? "0/0"
        let run = try shop.weir(["run", shop.config, "--until-lsn", end])
        #expect(run.exit == .status(0), "\(run.errors.suffix(5))")
        #expect(try shop.differences(["t"]) == [])
        return run.output
    }
}
