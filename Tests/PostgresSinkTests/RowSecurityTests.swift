import LibPQ
import Testing
import WeirTestKit

@testable import PostgresSink
@testable import WeirCore

/// Row-level security on the target must never swallow a change: what it hides is an error with its remedy.
@Suite("Row-level security on the target", .tags(.integration), .needsPostgres) struct RowSecurityTests {
    /// A target whose role is no owner and no superuser.
    private final class Guarded {
        let target: Target
        let role: String

        init(_ tables: String, names: String = "t") throws {
            target = try Target(tables)
            role = "rls_\(target.database)"
            try target.exec(
                "CREATE ROLE \(role) LOGIN; GRANT ALL ON \(names) TO \(role); "
                    + "GRANT CREATE ON DATABASE \(target.database) TO \(role)")
        }

        deinit { try? target.exec("DROP OWNED BY \(role); DROP ROLE \(role)") }

        func settings(_ change: (inout PostgresTargetSettings) -> Void = { _ in }) -> PostgresTargetSettings {
            target.settings {
                $0.url = target.server.url(database: target.database, user: role)
                change(&$0)
            }
        }

        /// What writing one transaction comes to.
        func outcome(
            _ settings: PostgresTargetSettings, _ body: (inout TestBatch) -> Void
        ) throws -> WeirError? {
            let driver = try SinkDriver(settings)
            return failure { () throws(WeirError) in try driver.write(transaction(200, body)) }
        }
    }

    private static let mine = """
        CREATE TABLE t (id int PRIMARY KEY, v text);
        INSERT INTO t VALUES (1, 'mine'), (2, 'theirs'), (3, 'mine');
        ALTER TABLE t ENABLE ROW LEVEL SECURITY;
        CREATE POLICY mine ON t USING (v = 'mine') WITH CHECK (true)
        """

    private typealias Mode = @Sendable (inout PostgresTargetSettings) -> Void
    private static let modes: [(name: String, set: Mode)] = [
        ("exact", { _ in }), ("ignore", { $0.onMissingRow = .ignore }), ("insert", { $0.onMissingRow = .insert }),
        ("upsert", { $0.applyMode = .upsert }),
    ]

    @Test(arguments: modes.map(\.name)) func aHiddenRowStopsEveryKindOfChange(_ mode: String) throws {
        let guarded = try Guarded(Self.mine)
        let t = try guarded.target.relation("t")
        let set = try #require(Self.modes.first { $0.name == mode }).set
        let changes: [(String, (inout TestBatch) -> Void)] = [
            ("update", { $0.update(t, ["2", "new"]) }),
            ("key change", { $0.update(t, ["7", "mine"], key: ["2", nil]) }),
            ("delete", { $0.delete(t, key: ["2", nil]) }),
        ]
        for (name, change) in changes {
            let error = try guarded.outcome(guarded.settings(set), change)
            #expect(error?.code == .rowRejected || error?.code == .permissionDenied, "\(name): \(error as Any)")
            #expect(error?.table == t.table, "\(name)")
            #expect(error?.advice?.contains("POLICY") == true || error?.advice?.contains("policy") == true, "\(name)")
        }
        #expect(try guarded.target.rows("SELECT * FROM t ORDER BY id") == ["1|mine", "2|theirs", "3|mine"])
    }

    @Test func visibleRowsAreChangedAndAllAreTruncated() throws {
        let guarded = try Guarded(Self.mine)
        let t = try guarded.target.relation("t")
        let error = try guarded.outcome(guarded.settings()) {
            $0.update(t, ["9", "mine"], key: ["1", nil])
            $0.delete(t, key: ["3", nil])
            $0.insert(t, ["4", "theirs"])
        }
        #expect(error == nil)
        #expect(
            try guarded.target.rows("SELECT * FROM t ORDER BY id") == ["2|theirs", "4|theirs", "9|mine"])
        // TRUNCATE knows no policies: hidden rows go as well, as they did on the source.
        let driver = try SinkDriver(guarded.settings())
        try driver.write(transaction(300) { $0.truncate([t]) })
        #expect(try guarded.target.rows("SELECT * FROM t") == [])
    }

    @Test func aRowThatAPolicyRefusesStops() throws {
        let guarded = try Guarded(
            "CREATE TABLE t (id int PRIMARY KEY, v text); ALTER TABLE t ENABLE ROW LEVEL SECURITY; "
                + "CREATE POLICY p ON t USING (true) WITH CHECK (v = 'mine')")
        let t = try guarded.target.relation("t")
        let error = try guarded.outcome(guarded.settings()) { $0.insert(t, ["1", "theirs"]) }
        #expect(error?.code == .permissionDenied && error?.cause?.contains("row-level security") == true)
        #expect(error?.advice?.contains("policy that lets the role write every row") == true)
    }

    /// The update policy is narrower than the select policy: PostgreSQL passes the row over without an error.
    @Test func aRowThatCanBeSeenAndNotChangedStops() throws {
        let guarded = try Guarded(
            """
            CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a');
            ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY see ON t FOR SELECT USING (true);
            CREATE POLICY change ON t FOR UPDATE USING (false); CREATE POLICY go ON t FOR DELETE USING (false)
            """)
        let t = try guarded.target.relation("t")
        for change in [{ $0.update(t, ["1", "b"]) }, { $0.delete(t, key: ["1", nil]) }] as [(inout TestBatch) -> Void] {
            let error = try guarded.outcome(guarded.settings { $0.onMissingRow = .ignore }, change)
            #expect(error?.code == .rowRejected && error?.cause?.contains("row-level security") == true)
        }
    }

    @Test func aWholeRowThatIsHiddenStops() throws {
        let guarded = try Guarded(
            """
            CREATE TABLE t (id int, v text); INSERT INTO t VALUES (1, 'theirs');
            ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON t USING (v = 'mine')
            """)
        let t = try guarded.target.relation("t", identity: .full)
        let error = try guarded.outcome(guarded.settings { $0.onMissingRow = .ignore }) {
            $0.delete(t, full: ["1", "theirs"])
        }
        #expect(error?.code == .rowRejected)
        #expect(try guarded.target.rows("SELECT count(*) FROM t") == ["1"])
    }

    private func snapshot(_ relation: Relation) -> [ChangeBatch] {
        var batch = TestBatch()
        batch.begin(999)
        batch.insert(relation, ["5", "mine"], operation: .read)
        let part = SnapshotPart(
            consistentPoint: LSN(1000), isFirst: true, isFirstOfTable: true, isLastOfTable: true,
            isLast: true)
        return [batch.seal(snapshot: part)]
    }

    /// A table that looks empty because its rows are hidden would get the snapshot's rows beside them.
    @Test func aSnapshotIntoHiddenRowsIsRefused() throws {
        let guarded = try Guarded(
            """
            CREATE TABLE t (id int, v text); INSERT INTO t VALUES (1, 'theirs');
            ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON t USING (v = 'mine')
            """)
        let t = try guarded.target.relation("t")
        for policy in PostgresTargetSettings.SnapshotPolicy.allCases {
            let driver = try SinkDriver(guarded.settings { $0.onSnapshotNotEmpty = policy })
            let error = failure { () throws(WeirError) in for batch in snapshot(t) { try driver.write(batch) } }
            #expect(error?.code == .permissionDenied && error?.advice?.contains("CREATE POLICY weir") == true)
        }
        #expect(try guarded.target.rows("SELECT * FROM t") == ["1|theirs"])
        // The remedy, as it is printed.
        try guarded.target.exec("CREATE POLICY weir ON t TO \(guarded.role) USING (true) WITH CHECK (true)")
        let driver = try SinkDriver(guarded.settings { $0.onSnapshotNotEmpty = .append })
        for batch in snapshot(t) { try driver.write(batch) }
        #expect(try guarded.target.rows("SELECT * FROM t ORDER BY id") == ["1|theirs", "5|mine"])
    }

    @Test func theCheckTellsPoliciesThatHideFromThoseThatDoNot() throws {
        let guarded = try Guarded(
            """
            CREATE TABLE hides (id int PRIMARY KEY); CREATE TABLE none (id int PRIMARY KEY);
            CREATE TABLE opens (id int PRIMARY KEY); CREATE TABLE limits (id int PRIMARY KEY);
            CREATE TABLE apart (id int PRIMARY KEY); CREATE TABLE others (id int PRIMARY KEY);
            CREATE POLICY p ON hides USING (id > 0);
            CREATE POLICY p ON opens USING (true);
            CREATE POLICY p ON limits USING (true); CREATE POLICY r ON limits AS RESTRICTIVE USING (id > 0);
            CREATE POLICY s ON apart FOR SELECT USING (true); CREATE POLICY u ON apart FOR UPDATE USING (true);
            CREATE POLICY d ON apart FOR DELETE USING (true); CREATE POLICY i ON apart FOR INSERT WITH CHECK (true);
            CREATE POLICY p ON others TO postgres USING (true);
            """
                + ["hides", "none", "opens", "limits", "apart", "others"]
                .map { "ALTER TABLE \($0) ENABLE ROW LEVEL SECURITY;" }.joined(),
            names: "hides, none, opens, limits, apart, others")
        let relations = try ["hides", "none", "opens", "limits", "apart", "others"].map {
            try guarded.target.relation($0)
        }
        let findings = TargetInspector.inspect(guarded.settings(), relations: relations)
            .filter { $0.severity == .error && $0.message.contains("Row-level security") }
        #expect(
            findings.map(\.subject).sorted()
                == ["hides", "limits", "none", "others"].map { "target table public.\($0)" })
        #expect(findings.allSatisfy { $0.remedy?.contains("CREATE POLICY weir") == true })
    }
}
