import Testing
import WeirTestKit

/// A target that an earlier version of Weir has kept: what that version wrote down of the source's tables is still
/// good, and what it did not know of is added.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(5))) struct UpgradeScenarios {
    private static let table = """
        CREATE TYPE mood AS ENUM ('sad', 'happy');
        CREATE TABLE t (id int PRIMARY KEY, a text, n int, m mood, twice int GENERATED ALWAYS AS (n * 2) STORED);
        INSERT INTO t (id, a, n, m) SELECT i, 'row ' || i, i, 'sad' FROM generate_series(1, 9) i;
        """
    private static let columns = ["last_number", "generated_names", "generated_numbers", "generated_expressions"]

    @Test(arguments: ["full", "additive"], Mirror.Definitions.allCases)
    func whatAnEarlierVersionKeptIsStillKnown(schema: String, definitions: Mirror.Definitions) throws {
        let mirror = try Mirror(Self.table, schema: schema, definitions: definitions)
        let first = try mirror.stream()
        try mirror.sync(first)
        try mirror.stop(first)
        let oid = try mirror.target.value("SELECT 't'::regclass::oid")
        let known = try Self.known(mirror)
        #expect(known?.contains("{id,a,n,m}") == true)
        try Self.makeOld(mirror)

        try mirror.source.exec("UPDATE t SET a = 'before' WHERE id = 1")
        if schema == "full" {
            try mirror.source.exec("ALTER TABLE t RENAME COLUMN a TO b; UPDATE t SET b = 'renamed' WHERE id = 2")
        }
        let second = try mirror.stream()
        try mirror.expectSame(second)
        #expect(try mirror.target.value("SELECT 't'::regclass::oid") == oid)
        #expect(
            try Self.known(mirror)
                == known?.replacing("{id,a,n,m}", with: schema == "full" ? "{id,b,n,m}" : "{id,a,n,m}"))
        // What the earlier version had not.
        #expect(
            try mirror.target.query(
                """
                SELECT attname FROM pg_attribute WHERE attrelid = 'weir.source_tables'::regclass AND NOT attisdropped
                    AND attname = ANY ($1) ORDER BY attnum
                """, ["{\(Self.columns.joined(separator: ","))}"]
            ).map { $0[0] } == Self.columns)
        #expect(try mirror.target.value("SELECT to_regclass('weir.source_types') IS NOT NULL") == "t")
        // Used from now on.
        try mirror.source.exec("ALTER TYPE mood ADD VALUE 'best'")
        try mirror.source.exec(
            """
            ALTER TABLE t ADD COLUMN thrice int GENERATED ALWAYS AS (n * 3) STORED;
            UPDATE t SET m = 'best', n = 50 WHERE id = 3
            """)
        try mirror.expectSame(second)
        #expect(
            try mirror.target.value(
                "SELECT generated_names FROM weir.source_tables WHERE source_oid = $1", [Self.oid(mirror)])
                == "{twice,thrice}")
        #expect(
            try mirror.target.value("SELECT part_names FROM weir.source_types WHERE type_name = 'mood'")
                == "{sad,happy,best}")
        try mirror.stop(second)
    }

    /// As the version before generated columns and types were kept left it.
    private static func makeOld(_ mirror: Mirror) throws {
        for column in columns { try mirror.target.exec("ALTER TABLE weir.source_tables DROP COLUMN \(column)") }
        try mirror.target.exec("DROP TABLE weir.source_types; ALTER TABLE t DROP COLUMN twice")
    }

    private static func oid(_ mirror: Mirror) throws -> String? {
        try mirror.source.value("SELECT 't'::regclass::oid")
    }

    /// What is kept of the table, of the columns that each version has.
    private static func known(_ mirror: Mirror) throws -> String? {
        try mirror.target.value(
            """
            SELECT ROW(source_table, table_name, target_oid, primary_key, column_names, column_numbers,
                column_type_oids)::text FROM weir.source_tables WHERE source_oid = $1
            """, [oid(mirror)])
    }
}
