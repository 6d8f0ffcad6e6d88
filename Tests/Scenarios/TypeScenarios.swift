import Testing
import WeirTestKit

/// Every value arrives in a target database as it was, by a snapshot and by a stream, whatever either side has set.
@Suite("Types into a target", .tags(.integration), .needsPostgres, .timeLimit(.minutes(10)))
struct TypeScenarios {
    /// Settings that change what values look like, how they are read, or how statements are understood.
    private static let sourceHostility = [
        "datestyle = 'SQL, DMY'", "intervalstyle = 'sql_standard'", "timezone = 'America/St_Johns'",
        "bytea_output = 'escape'", "extra_float_digits = -15", "lc_monetary = 'POSIX'", "client_encoding = 'LATIN1'",
        "standard_conforming_strings = off", "escape_string_warning = off", "backslash_quote = off",
        "xmloption = document", "xmlbinary = hex", "array_nulls = off", "quote_all_identifiers = on",
        "search_path = 'zoo', 'public'", "transform_null_equals = on", "timezone_abbreviations = 'India'",
        "statement_timeout = '1ms'", "default_transaction_isolation = 'serializable'", "row_security = off",
        "default_transaction_deferrable = on", "lc_messages = 'POSIX'",
        "default_text_search_config = 'simple'", "work_mem = '64kB'", "plan_cache_mode = force_generic_plan",
    ]

    private static let targetHostility = [
        "datestyle = 'German, MDY'", "intervalstyle = 'iso_8601'", "timezone = 'Asia/Kolkata'",
        "bytea_output = 'escape'", "extra_float_digits = 0", "client_encoding = 'SQL_ASCII'",
        "standard_conforming_strings = off", "backslash_quote = on", "xmloption = document", "array_nulls = off",
        "quote_all_identifiers = on", "transform_null_equals = on", "timezone_abbreviations = 'Australia'",
        "default_transaction_isolation = 'serializable'", "default_transaction_deferrable = on",
        "search_path = 'zoo', 'public'", "plan_cache_mode = force_custom_plan", "row_security = off",
        "synchronous_commit = off", "lc_monetary = 'POSIX'", "gin_fuzzy_search_limit = 1", "lock_timeout = '1ms'",
    ]

    enum Case: String, CaseIterable {
        case exact, upsert, hostileExact, hostileUpsert

        var options: TypeStage.Options {
            var options = TypeStage.Options()
            if self == .upsert || self == .hostileUpsert { options.sinkKeys = ["apply: upsert"] }
            if self == .hostileExact || self == .hostileUpsert {
                options.sourceSettings = sourceHostility
                options.targetSettings = targetHostility
            }
            return options
        }
    }

    @Test(arguments: Case.allCases)
    func snapshotAndStreamGiveTheSame(_ way: Case) throws {
        let stage = try TypeStage(way.options)
        try stage.fill()
        try stage.catchUp()
        let copied = try stage.differences()
        #expect(copied.isEmpty, "after the snapshot: \(copied)")
        try stage.change()
        // A label that comes later, in the source's order, and used at once.
        for connection in [stage.source, stage.target] {
            try connection.exec("ALTER TYPE public.mood ADD VALUE 'it''s \"late\"' BEFORE 'so, so'")
        }
        try stage.source.exec(
            """
            INSERT INTO zoo.w_enum VALUES (9000, 'it''s "late"');
            INSERT INTO zoo.k_array_enum VALUES (9000, ARRAY['it''s "late"', 'sad']::public.mood[]);
            INSERT INTO zoo.w_composite_nested VALUES (9000, ROW(NULL, NULL, NULL, 'it''s "late"', NULL));
            """)
        try stage.catchUp()
        let streamed = try stage.differences()
        #expect(streamed.isEmpty, "after the stream: \(streamed)")
    }

    /// Databases in other encodings: Weir speaks UTF-8 to both.
    @Test(arguments: [("LATIN1", "UTF8"), ("UTF8", "LATIN1"), ("EUC_JP", "UTF8"), ("UTF8", "EUC_JP")])
    func encodingsOfEitherSide(source: String, target: String) throws {
        var options = TypeStage.Options()
        let form = "TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C' ENCODING"
        options.source = "\(form) '\(source)'"
        options.target = "\(form) '\(target)'"
        let text = [source, target].contains("LATIN1") ? "é ÿ \u{A0} ß" : "日本語 ﾃｽﾄ"
        let entries = [
            TypeZoo.Entry("e1", "text", ["'\(text)'", "''"]),
            TypeZoo.Entry("e2", "varchar(20)", ["'\(text)'"]),
            TypeZoo.Entry("e3", "char(12)", ["'\(text)'"]),
            TypeZoo.Entry("e4", "name", ["'\(text)'"]),
            TypeZoo.Entry("e5", "public.citext", ["'\(text)'"]),
            TypeZoo.Entry("e6", "json", ["'[\"\(text)\", \"\\u00e9\"]'"]),
            TypeZoo.Entry("e7", "jsonb", ["'{\"\(text)\": null}'"]),
            TypeZoo.Entry("e8", "text[]", ["ARRAY['\(text)', '\(text),']"]),
            TypeZoo.Entry("e9", "tsvector", ["$$'\(text)':1A$$"]),
        ]
        let stage = try TypeStage(options, entries: entries, definitions: "CREATE EXTENSION citext SCHEMA public")
        try stage.fill()
        try stage.catchUp()
        let copied = try stage.differences()
        #expect(copied.isEmpty, "after the snapshot: \(copied)")
        try stage.change()
        try stage.catchUp()
        let streamed = try stage.differences()
        #expect(streamed.isEmpty, "after the stream: \(streamed)")
    }
}
