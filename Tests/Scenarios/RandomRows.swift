import WeirTestKit

/// Rows of tables of every replica identity that change, as SQL: what a seed decides.
///
/// Two sessions have transactions open at the same time and commit in any order. One changes rows with even keys, the
/// other those with odd ones, so that neither waits for the other.
struct RandomRows {
    /// What is compared in the end: each table, and the partitions one by one.
    static let tables = [
        "keyed", "named", "pair", "bag", "coded", "log", "part_1", "part_2", "swapped", "base", "child",
    ]

    static let setup = """
        CREATE TABLE keyed (id int PRIMARY KEY, n int, t text, big text, doc jsonb);
        CREATE TABLE named (name text PRIMARY KEY, n int, big text);
        CREATE TABLE pair (a int, b int, n int, big text, PRIMARY KEY (b, a));
        CREATE TABLE bag (n int, t text, big text);
        CREATE TABLE coded (id int, code int NOT NULL UNIQUE, t text, big text);
        CREATE TABLE log (n int, t text);
        CREATE TABLE part (id int, region int, t text, big text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
        CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1); CREATE TABLE part_2 PARTITION OF part DEFAULT;
        CREATE TABLE swapped (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, t text);
        CREATE TABLE base (id int PRIMARY KEY, t text); CREATE TABLE child (u int, PRIMARY KEY (id)) INHERITS (base);
        ALTER TABLE keyed ALTER big SET STORAGE EXTERNAL; ALTER TABLE named ALTER big SET STORAGE EXTERNAL;
        ALTER TABLE named ALTER name SET STORAGE EXTERNAL; ALTER TABLE pair ALTER big SET STORAGE EXTERNAL;
        ALTER TABLE bag ALTER big SET STORAGE EXTERNAL; ALTER TABLE coded ALTER big SET STORAGE EXTERNAL;
        ALTER TABLE pair REPLICA IDENTITY FULL; ALTER TABLE bag REPLICA IDENTITY FULL;
        ALTER TABLE coded REPLICA IDENTITY USING INDEX coded_code_key; ALTER TABLE log REPLICA IDENTITY NOTHING;
        ALTER TABLE swapped REPLICA IDENTITY FULL
        """

    /// A session's next text.
    struct Step {
        /// 0 or 1.
        var session: Int
        var sql: String
    }

    var random: SeededGenerator
    private(set) var history: [String] = []
    private var isOpen = [false, false]

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    /// The next step of a session; every few of them it ends its transaction, in one way or the other.
    mutating func step() -> Step {
        let session = number(below: 2)
        var sql: String
        if !isOpen[session] {
            isOpen[session] = true
            sql = "BEGIN; \(change(session))"
        } else {
            switch number(below: 9) {
            case 0, 1: sql = end("COMMIT", session)
            case 2: sql = end("ROLLBACK", session)
            case 3: sql = "SAVEPOINT s; \(change(session)); ROLLBACK TO s; \(change(session))"
            case 4: sql = "SAVEPOINT s; \(change(session)); RELEASE s"
            default: sql = change(session)
            }
        }
        if isOpen == [false, false], number(below: 3) == 0 { sql += "; \(alone())" }
        history.append("\(session): \(sql)")
        return Step(session: session, sql: sql)
    }

    /// Ends what is open.
    mutating func ends() -> [Step] {
        let steps = [0, 1].filter { isOpen[$0] }.map { Step(session: $0, sql: "COMMIT") }
        isOpen = [false, false]
        return steps
    }

    /// A session's transaction has failed.
    mutating func failed(_ session: Int) -> Step {
        isOpen[session] = false
        history.append("\(session): ROLLBACK")
        return Step(session: session, sql: "ROLLBACK")
    }

    private mutating func end(_ how: String, _ session: Int) -> String {
        isOpen[session] = false
        return how
    }

    /// What waits for others: the only one that runs.
    private mutating func alone() -> String {
        switch number(below: 9) {
        case 0: "ALTER TABLE keyed REPLICA IDENTITY FULL"
        case 1: "ALTER TABLE keyed REPLICA IDENTITY DEFAULT"
        case 2: "ALTER TABLE named REPLICA IDENTITY \(flip() ? "FULL" : "DEFAULT")"
        case 3: "ALTER TABLE pair REPLICA IDENTITY \(flip() ? "FULL" : "DEFAULT")"
        case 4: "ALTER TABLE coded REPLICA IDENTITY \(flip() ? "FULL" : "USING INDEX coded_code_key")"
        case 5: "BEGIN; TRUNCATE \(flip() ? "log, bag" : "part"); INSERT INTO log VALUES (0, 'after'); COMMIT"
        case 6: "TRUNCATE \(flip() ? "base" : "ONLY base")"
        case 7: "BEGIN; TRUNCATE keyed; ROLLBACK"
        default: "ANALYZE keyed"
        }
    }

    // MARK: - Changes

    private mutating func number(below limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }
    private mutating func flip() -> Bool { Bool.random(using: &random) }

    /// A key of a session.
    private mutating func key(_ session: Int) -> Int { 2 * number(below: 12) + session }

    private mutating func text() -> String {
        switch number(below: 6) {
        case 0: "NULL"
        case 1: "''"
        case 2: "E'\\\\N'"
        case 3: "E'a\\tb\\n\\\\.\\r'"
        default: "'t\(number(below: 1000))'"
        }
    }

    /// Mostly stored out of line.
    private mutating func big() -> String {
        switch number(below: 5) {
        case 0: "NULL"
        case 1: "'small \(number(below: 100))'"
        default:
            "(SELECT string_agg(md5((i + \(number(below: 10_000)))::text), '') "
                + "FROM generate_series(1, \(70 + number(below: 200))) i)"
        }
    }

    private mutating func change(_ session: Int) -> String {
        switch number(below: 11) {
        case 0, 1, 2: keyed(session)
        case 3: named(session)
        case 4: pair(session)
        case 5: bag(session)
        case 6: coded(session)
        case 7: "INSERT INTO log SELECT i, \(text()) FROM generate_series(1, \(1 + number(below: 5))) i"
        case 8: part(session)
        case 9: swapped(session)
        default: family(session)
        }
    }

    private mutating func keyed(_ session: Int) -> String {
        let id = key(session), other = key(session)
        switch number(below: 9) {
        case 0, 1:
            return """
                INSERT INTO keyed VALUES (\(id), 1, \(text()), \(big()), '{"a": [1, null]}')
                ON CONFLICT (id) DO UPDATE SET t = EXCLUDED.t, n = keyed.n + 1
                """
        case 2: return "UPDATE keyed SET t = \(text()), n = NULL WHERE id IN (\(id), \(other))"
        case 3: return "UPDATE keyed SET big = \(big()), doc = '[\"d\"]' WHERE id % 4 = \(session)"
        case 4: return "DELETE FROM keyed WHERE id = \(id)"
        case 5:
            // One row takes the other's key.
            return """
                UPDATE keyed SET id = -id WHERE id IN (\(id), \(other));
                UPDATE keyed SET id = CASE id WHEN -\(id) THEN \(other) ELSE \(id) END WHERE id IN (-\(id), -\(other)) \
                AND id <> 0
                """
        case 6: return "DELETE FROM keyed WHERE id = \(id); INSERT INTO keyed VALUES (\(id), 7, \(text()), \(big()))"
        case 7: return "UPDATE keyed SET id = id + \(2 * (1 + number(below: 3))), t = \(text()) WHERE id = \(id)"
        default: return "UPDATE keyed SET n = n WHERE id = \(id); SELECT * FROM keyed WHERE id = \(id) FOR UPDATE"
        }
    }

    /// Keys so long that they are stored out of line themselves.
    private mutating func named(_ session: Int) -> String {
        func name(_ number: Int) -> String {
            "(SELECT string_agg(md5((i + \(number * 1000 + session))::text), '') FROM generate_series(1, 75) i)"
        }
        let (one, other) = (name(number(below: 4)), name(number(below: 4)))
        switch number(below: 6) {
        case 0, 1, 2:
            return "INSERT INTO named VALUES (\(one), 1, \(big())) ON CONFLICT (name) DO UPDATE SET n = named.n + 1"
        case 3: return "UPDATE named SET n = 5 WHERE name = \(one)"
        case 4: return "UPDATE named SET name = \(other) WHERE name = \(one)"
        default: return "DELETE FROM named WHERE name = \(one)"
        }
    }

    private mutating func pair(_ session: Int) -> String {
        let (a, b) = (key(session), number(below: 3))
        switch number(below: 5) {
        case 0, 1: return "INSERT INTO pair VALUES (\(a), \(b), 1, \(big())) ON CONFLICT DO NOTHING"
        case 2: return "UPDATE pair SET n = n + 1 WHERE a = \(a)"
        case 3: return "UPDATE pair SET b = b + 10 WHERE a = \(a) AND b < 3"
        default: return "DELETE FROM pair WHERE a = \(a) AND b <> \(b)"
        }
    }

    /// Rows that are the same, of which some change.
    private mutating func bag(_ session: Int) -> String {
        let n = 2 * number(below: 3) + session
        let one = "ctid = (SELECT min(ctid) FROM bag WHERE n = \(n))"
        switch number(below: 6) {
        case 0: return "INSERT INTO bag SELECT \(n), \(text()), NULL FROM generate_series(1, 3)"
        case 1: return "INSERT INTO bag SELECT \(n), 'same', b FROM (SELECT \(big()) b) x, generate_series(1, 2)"
        case 2: return "UPDATE bag SET t = \(text()) WHERE \(one)"
        case 3: return "UPDATE bag SET big = NULL, t = 'same' WHERE n = \(n)"
        case 4: return "DELETE FROM bag WHERE \(one)"
        default: return "UPDATE bag SET n = n + 6 WHERE \(one)"
        }
    }

    private mutating func coded(_ session: Int) -> String {
        let code = key(session)
        switch number(below: 5) {
        case 0, 1: return "INSERT INTO coded VALUES (1, \(code), \(text()), \(big())) ON CONFLICT (code) DO NOTHING"
        case 2: return "UPDATE coded SET t = \(text()), id = id + 1 WHERE code % 8 = \(code % 8)"
        case 3: return "UPDATE coded SET code = code + 24 WHERE code = \(code)"
        default: return "DELETE FROM coded WHERE code = \(code)"
        }
    }

    /// Rows move between partitions: a delete and an insert.
    private mutating func part(_ session: Int) -> String {
        let id = key(session)
        switch number(below: 5) {
        case 0, 1:
            return "INSERT INTO part VALUES (\(id), \(number(below: 3)), \(text()), \(big())) ON CONFLICT DO NOTHING"
        case 2: return "UPDATE part SET region = (region + 1) % 3 WHERE id = \(id)"
        case 3: return "UPDATE part SET t = \(text()) WHERE id = \(id)"
        default: return "DELETE FROM part WHERE id = \(id)"
        }
    }

    private mutating func swapped(_ session: Int) -> String {
        let id = key(session), other = key(session)
        switch number(below: 4) {
        case 0, 1:
            return "INSERT INTO swapped SELECT \(id), \(text()) WHERE NOT EXISTS (SELECT FROM swapped WHERE id = \(id))"
        // In one statement: the key is looked at when the transaction ends.
        case 2:
            return
                "UPDATE swapped SET id = CASE id WHEN \(id) THEN \(other) ELSE \(id) END WHERE id IN (\(id), \(other))"
        default: return "DELETE FROM swapped WHERE id = \(id)"
        }
    }

    private mutating func family(_ session: Int) -> String {
        let id = key(session)
        switch number(below: 4) {
        case 0: return "INSERT INTO base VALUES (\(id), \(text())) ON CONFLICT DO NOTHING"
        case 1: return "INSERT INTO child VALUES (\(id), \(text()), 4) ON CONFLICT DO NOTHING"
        // Of both tables.
        case 2: return "UPDATE base SET t = \(text()) WHERE id % 6 = \(id % 6)"
        default: return "DELETE FROM base WHERE id = \(id)"
        }
    }
}

/// Two sessions that do what a seed decides.
final class RandomLoad {
    private(set) var rows: RandomRows
    private let sessions: [TestConnection]

    init(_ first: TestConnection, _ second: TestConnection, _ seed: UInt64) throws {
        rows = RandomRows(seed: seed)
        sessions = [first, second]
    }

    func flip() -> Bool { Bool.random(using: &rows.random) }

    func change(_ steps: Int) throws {
        for _ in 0..<steps {
            let step = rows.step()
            do {
                try sessions[step.session].exec(step.sql)
            } catch {
                // A key that is taken: what is left out is no change.
                let end = rows.failed(step.session)
                try sessions[end.session].exec(end.sql)
            }
        }
    }

    /// Ends what is open.
    func end() throws {
        for step in rows.ends() {
            do {
                try sessions[step.session].exec(step.sql)
            } catch {
                // A key that was looked at late.
                try sessions[step.session].exec("ROLLBACK")
            }
        }
    }
}
