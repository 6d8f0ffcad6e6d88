/// Columns of every kind of type that PostgreSQL has, with the values at the edges of each: what must arrive as it
/// was, wherever it goes.
public struct TypeZoo: Sendable {
    /// One type and values of it.
    public struct Entry: Sendable {
        /// A plain lower-case name, unique.
        public let name: String
        /// The type as SQL.
        public let type: String
        /// SQL expressions that assign to the type; a quoted literal in most cases.
        public let values: [String]
        /// The server's first version that takes all of it.
        public let since: Int

        /// Makes an entry.
        public init(_ name: String, _ type: String, _ values: [String], since: Int = 120000) {
            self.name = name
            self.type = type
            self.values = values
            self.since = since
        }
    }

    /// The entries that a server of this version takes.
    public static func entries(serverVersion: Int) -> [Entry] {
        (numbers + texts + times + structures + ranges + arrays + others).filter { $0.since <= serverVersion }
    }

    /// The types and extensions that the entries need, in the schema `public`. Needs a superuser.
    public static let definitions = """
        CREATE EXTENSION hstore SCHEMA public; CREATE EXTENSION citext SCHEMA public;
        CREATE EXTENSION ltree SCHEMA public; CREATE EXTENSION cube SCHEMA public;
        CREATE EXTENSION seg SCHEMA public; CREATE EXTENSION isn SCHEMA public;
        CREATE TYPE public.mood AS ENUM ('sad', 'so, so', 'it''s', 'quo"te', '', 'NULL', 'back\\slash', '(grün)');
        CREATE TYPE public.pair AS (a int, b text);
        CREATE TYPE public.nested AS (p public.pair, n numeric, l int[], m public.mood, d timestamptz);
        CREATE TYPE public.nothing AS ();
        CREATE TYPE public."Odd ""type" AS ("Odd ""field" public.pair[], "é" float8);
        CREATE DOMAIN public.positive AS int CHECK (VALUE > 0);
        CREATE DOMAIN public.price AS numeric(8, 3);
        CREATE DOMAIN public.dear AS public.price CHECK (VALUE > 1);
        CREATE DOMAIN public.numbers AS int[];
        CREATE DOMAIN public.couple AS public.pair;
        CREATE DOMAIN public.words AS text COLLATE "C" NOT NULL;
        CREATE TYPE public.floatrange AS RANGE (subtype = float8, subtype_diff = float8mi);
        CREATE TYPE public.textrange AS RANGE (subtype = text);
        CREATE TYPE public.whole;
        CREATE FUNCTION public.whole_in(cstring) RETURNS public.whole LANGUAGE internal STRICT IMMUTABLE AS 'int4in';
        CREATE FUNCTION public.whole_out(public.whole) RETURNS cstring LANGUAGE internal STRICT IMMUTABLE AS 'int4out';
        CREATE TYPE public.whole (INPUT = public.whole_in, OUTPUT = public.whole_out, LIKE = int4);
        """

    // MARK: - Numbers

    private static let numbers: [Entry] = [
        Entry("bool", "boolean", ["true", "false"]),
        Entry("int2", "int2", ["-32768", "32767", "0"]),
        Entry("int4", "int4", ["-2147483648", "2147483647", "-1"]),
        Entry("int8", "int8", ["-9223372036854775808", "9223372036854775807", "0"]),
        Entry("oid", "oid", ["0", "4294967295"]),
        Entry("xid", "xid", ["'0'", "'4294967295'"]),
        Entry("cid", "cid", ["'0'", "'4294967295'"]),
        Entry("xid8", "xid8", ["'0'", "'18446744073709551615'"], since: 130000),
        Entry(
            "numeric", "numeric",
            [
                "'NaN'", "0", "0.000", "-0.10", "1.50", "1e131071", "'1e-16383'", "-12345678901234567890.0123456789",
                "10000", "0.0001", "9999.9999", "100000000", "1e20", "-1",
                "(repeat('9', 131072) || '.' || repeat('9', 16383))::numeric",
            ]),
        Entry("numeric_infinite", "numeric", ["'Infinity'", "'-Infinity'"], since: 140000),
        Entry("numeric_scaled", "numeric(12,2)", ["1", "-9999999999.99", "'NaN'", "0.10"]),
        Entry("numeric_negative", "numeric(5,-2)", ["99900", "-9999900", "'NaN'", "0"], since: 150000),
        Entry("numeric_small", "numeric(3,5)", ["0.00999", "-0.00001"], since: 150000),
        Entry(
            "float4", "float4",
            [
                "'1e-45'", "'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "'3.4028235e38'", "'1.17549435e-38'", "'0.1'",
                "16777217", "'1e15'", "'1e-5'",
            ]),
        Entry(
            "float8", "float8",
            [
                "'4.9e-324'", "'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "'1.7976931348623157e308'",
                "'2.2250738585072014e-308'", "'0.1'", "9007199254740993", "'1e15'", "'1e16'", "'1e-5'", "'5e-324'",
                "'0.30000000000000004'", "'-123456.789'",
            ]),
        Entry("money", "money", ["'-92233720368547758.08'", "'92233720368547758.07'", "'0'", "'0.01'", "'-1234.5'"]),
        Entry("pg_lsn", "pg_lsn", ["'0/0'", "'FFFFFFFF/FFFFFFFF'", "'16/B374D848'"]),
        Entry("isbn", "public.isbn", ["'978-0-393-04002-9'"]),
    ]

    // MARK: - Text

    /// Texts that are easily taken for something else.
    public static let hostileTexts = [
        "''", "'\\N'", "'\\.'", "'\\'", "'\\\\N'", "E'a\\tb\\nc\\rd\\be\\ff\\x0bg'", "'NULL'", "'null'",
        "E'\\x01\\x7f'",
        "'😀 é ﬀ'", "' x '", "E'\\n'", "'it''s'", "'\"'", "'{}'", "'%s $1 ?'", "E'\\u2028'", "E'\\\\.\\n'", "'t'",
    ]

    private static let texts: [Entry] = [
        Entry("text", "text", hostileTexts + ["repeat('long é', 20000)", "repeat('\\', 9000)"]),
        Entry("varchar", "varchar", hostileTexts),
        Entry("varchar_short", "varchar(3)", ["''", "'a'", "'é\\N'", "'   '"]),
        Entry("bpchar", "char(5)", ["''", "'ab'", "'ab   '", "'ééééé'", "' \\N'"]),
        Entry("bpchar_one", "char", ["'a'", "''", "'\\'"]),
        Entry("bpchar_free", "bpchar", ["'ab   '", "''"]),
        Entry("char", "\"char\"", ["'a'", "''", "'\\'", "E'\\t'", "E'\\n'", "'\\303'"]),
        Entry("name", "name", ["''", "'\\N'", "repeat('é', 31)"]),
        Entry("citext", "public.citext", ["''", "'MiXeD é'", "'\\N'"]),
        Entry(
            "bytea", "bytea",
            ["''", "'\\x00'", "'\\x5c4e'", "'\\x5c2e0a00ff80'", "decode(repeat('00ff5c0a', 9000), 'hex')"]),
        Entry("uuid", "uuid", ["'00000000-0000-0000-0000-000000000000'", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"]),
        Entry(
            "json", "json",
            [
                "'{\"a\":1,\"a\":2}'", "'  [ 1 , 2 ]  '", "'null'", "'\"\"'",
                "E'\"\\\\u00e9 \\\\\\\\ \\\\n\\\\u0000\"'",
                "E'{\\n\\t\"x\" : 1.10e5\\r\\n}'", "'1e400'",
            ]),
        Entry(
            "jsonb", "jsonb",
            [
                "'{\"b\": [1, 1.0, 1e400], \"a\": null}'", "'null'", "'\"é\\n\"'", "'1.10'", "'{\"\": \"\"}'",
                "'[]'", "to_jsonb(repeat('j', 30000))",
            ]),
        Entry(
            "xml", "xml",
            [
                "'<a b=\"c\">&amp;é</a>'", "''", "'only text'", "'<a/><b/>'", "'<!-- c --><a/>'",
                "'<?xml version=\"1.1\" encoding=\"UTF-8\" standalone=\"yes\"?><a/>'", "'<!DOCTYPE a><a/>'", "'\\N'",
            ]),
        Entry("jsonpath", "jsonpath", ["'$.a[*] ? (@ > 1)'", "'strict $'", "'$.\"a b\"'"]),
    ]

    // MARK: - Times

    private static let days = [
        "'4714-11-24 BC'", "'4713-01-01 BC'", "'0044-03-15 BC'", "'0001-12-31 BC'", "'0001-01-01'", "'0099-12-31'",
        "'1582-10-10'", "'1969-12-31'", "'1970-01-01'", "'2000-02-29'", "'9999-12-31'", "'10000-01-01'",
        "'infinity'", "'-infinity'",
    ]

    private static let moments =
        days + [
            "'1999-12-31 23:59:59.999999'", "'1970-01-01 00:00:00.000001'", "'0001-12-31 23:59:59.5 BC'",
            "'2024-11-03 01:30:00.1'", "'2024-02-29 24:00:00'",
        ]

    private static let times: [Entry] = [
        Entry("date", "date", days + ["'5874897-12-31'", "'99999-01-01'"]),
        Entry("time", "time", ["'00:00'", "'24:00'", "'23:59:59.999999'", "'00:00:00.000001'", "'12:34:56.7'"]),
        Entry("time3", "time(3)", ["'24:00'", "'23:59:59.999'"]),
        Entry(
            "timetz", "timetz",
            [
                "'24:00+00'", "'00:00:00+15:59:59'", "'23:59:59.999999-15:59:59'", "'12:00:00.5+05:30'", "'24:00-08'",
            ]),
        Entry("timestamp", "timestamp", moments + ["'294276-12-31 23:59:59.999999'"]),
        Entry("timestamp0", "timestamp(0)", ["'1999-12-31 23:59:59'", "'infinity'"]),
        Entry(
            "timestamptz", "timestamptz",
            moments.map { $0.contains("inf") ? $0 : $0.dropLast() + (" UTC'") }
                + ["'294276-12-31 23:59:59.999999 UTC'", "'1900-01-01 00:00:00 America/New_York'"]),
        Entry(
            "interval", "interval",
            [
                "'0'", "'178000000 years'", "'-178000000 years'", "'2147483647 mons'", "'-2147483648 mons'",
                "'2147483647 days'", "'-2147483648 days'", "'2562047788:00:54.775807'", "'-2562047788:00:54.775807'",
                "'1 mon -1 day 00:00:00.000001'", "'-00:00:00.5'", "'1 year 2 mons 3 days 04:05:06.7'",
                "'-1 year -2 mons +3 days -04:05:06.789'", "'-1 mon +2 days'", "'1 day -00:00:01'", "'-1 day'",
                "'11 mons -30 days'", "'24:00:00'",
            ]),
        Entry("interval_infinite", "interval", ["'infinity'", "'-infinity'"], since: 170000),
        Entry("interval_ds", "interval day to second(3)", ["'1 day 02:03:04.567'", "'-1.5 sec'"]),
        Entry("interval_ym", "interval year to month", ["'1 year 1 mon'", "'-13 mons'"]),
    ]

    // MARK: - Network, bits, search, geometry

    private static let structures: [Entry] = [
        Entry(
            "inet", "inet",
            [
                "'0.0.0.0'", "'255.255.255.255/0'", "'192.168.1.5/24'", "'::1'", "'::ffff:1.2.3.4/128'",
                "'2001:db8::1/32'",
            ]),
        Entry("cidr", "cidr", ["'10.0.0.0/8'", "'0.0.0.0/0'", "'2001:db8::/32'", "'::/0'"]),
        Entry("macaddr", "macaddr", ["'00:00:00:00:00:00'", "'ff:ff:ff:ff:ff:ff'"]),
        Entry("macaddr8", "macaddr8", ["'00:00:00:00:00:00:00:00'", "'08:00:2b:01:02:03:04:05'"]),
        Entry("bit", "bit", ["'0'", "'1'"]),
        Entry("bit9", "bit(9)", ["'101010101'", "'000000000'"]),
        Entry("varbit", "varbit", ["''", "'1'", "'10000000011'", "repeat('10', 500)::varbit"]),
        Entry("tsvector", "tsvector", ["''", "$$'a':1A,2B 'it''s':3 '\\\\x':16383 'é'$$", "'x'"]),
        Entry("tsquery", "tsquery", ["''", "$$a & !(b | c) <2> 'it''s':*AB$$", "$$'\\\\'$$"]),
        Entry("point", "point", ["'(0,-0)'", "'(4.9e-324,-1.7976931348623157e308)'", "'(NaN,Infinity)'"]),
        Entry("line", "line", ["'{1,-1,0.1}'", "'{-0,1,1e-300}'"]),
        Entry("lseg", "lseg", ["'[(0,0),(0.1,-0)]'"]),
        Entry("box", "box", ["'(1,1),(0,0)'", "'(0.1,0.2),(-0.1,-0.2)'"]),
        Entry("path", "path", ["'[(0,0),(1,1)]'", "'((0,0),(0.1,1e300))'"]),
        Entry("polygon", "polygon", ["'((0,0),(1,1),(2,-0))'"]),
        Entry("circle", "circle", ["'<(0.1,-0),1e-300>'", "'<(0,0),0>'"]),
        Entry("cube", "public.cube", ["'(1,2),(0.1,-0)'", "'(4)'"]),
        Entry("seg", "public.seg", ["'1.50 .. 2.0'", "'<5'", "'~6.5'"]),
    ]

    // MARK: - Ranges

    private static let ranges: [Entry] = [
        Entry("int4range", "int4range", ["'empty'", "'(,)'", "'[1,5)'", "'[-2147483648,2147483646]'", "'(,5)'"]),
        Entry("int8range", "int8range", ["'empty'", "'[9223372036854775806,9223372036854775807)'"]),
        Entry("numrange", "numrange", ["'[1.50,2.0)'", "'(,NaN]'", "'empty'"]),
        Entry("tsrange", "tsrange", ["'[-infinity,infinity]'", "'(\"2020-01-01 00:00:00.5\",)'", "'empty'"]),
        Entry("tstzrange", "tstzrange", ["'[\"4714-11-24 00:00:00+00 BC\",\"2020-01-01 00:00:00.5+00\"]'", "'(,)'"]),
        Entry("daterange", "daterange", ["'[-infinity,infinity)'", "'(,2020-01-01]'", "'[\"0044-03-15 BC\",)'"]),
        Entry("floatrange", "public.floatrange", ["'[0.1,Infinity]'", "'(-0,4.9e-324)'", "'empty'"]),
        Entry(
            "textrange", "public.textrange",
            [
                "'[\"a b\",\"c\"\"d\")'", "'(\"\",\"\\\\\")'", "'[\"(\",\",\"]'".replacing("\",\"", with: "[\",\"]"),
                "'(,)'",
            ]),
        Entry("int4multirange", "int4multirange", ["'{}'", "'{[1,2),[5,)}'", "'{(,)}'"], since: 140000),
        Entry("datemultirange", "datemultirange", ["'{[2020-01-01,2020-01-02),[2021-01-01,infinity]}'"], since: 140000),
        Entry("floatmultirange", "public.floatmultirange", ["'{}'", "'{[0.1,0.2],(3,)}'"], since: 140000),
    ]

    // MARK: - Arrays

    private static let arrays: [Entry] = [
        Entry("array_int4", "int4[]", ["'{}'", "'[2:4]={1,2,3}'", "'[-3:-2][5:6]={{1,2},{3,NULL}}'", "'{NULL}'"]),
        Entry(
            "array_text", "text[]",
            [
                "'{\"NULL\",NULL,\"\",\" \",\"a,b\",\"{\",\"}\",\"\\\"\",\"\\\\\",\"\\\\N\",\"\\\\.\",t}'", "'{}'",
                "'{\"\"}'",
                "E'{\"a\\tb\",\"c\\nd\"}'", "'{{{{{{deep}}}}}}'", "'{null}'", "array_fill('é'::text, array[3000])",
            ]),
        Entry("array_bool", "bool[]", ["'{t,f,NULL}'"]),
        Entry("array_numeric", "numeric[]", ["'{NaN,1.50,-0.00,NULL,1e100}'"]),
        Entry("array_float8", "float8[]", ["'{NaN,-0,Infinity,4.9e-324,0.1}'"]),
        Entry("array_money", "money[]", ["'{-1.5,NULL}'"]),
        Entry(
            "array_box", "box[]",
            [
                "'{(1,1),(0,0);(2,2),(1,1)}'", "'{\"(1,1),(0,0)\";NULL}'", "'{NULL}'", "'{}'",
                "'[2:3][-1:0]={{(0.1,-0),(-1,-1);NULL};{NULL;(1,1),(0,0)}}'",
            ]),
        Entry("array_timestamptz", "timestamptz[]", ["'{\"0044-03-15 00:00:00+00 BC\",infinity,NULL}'"]),
        Entry("array_date", "date[]", ["'{-infinity,\"4713-01-01 BC\",5874897-12-31}'"]),
        Entry("array_interval", "interval[]", ["'{\"-1 mons +2 days -00:00:00.5\",NULL}'"]),
        Entry("array_json", "json[]", ["array['{\"a\": 1, \"a\" : 2}'::json, NULL, '\"NULL\"']"]),
        Entry("array_jsonb", "jsonb[]", ["array['{\"a\": [1]}'::jsonb, 'null']"]),
        Entry("array_bytea", "bytea[]", ["array['\\x00ff5c'::bytea, '']"]),
        Entry("array_name", "name[]", ["'{a,\"\",NULL}'"]),
        Entry("array_char", "\"char\"[]", ["'{a,\"\",\"\\\\\"}'"]),
        Entry("array_bpchar", "char(3)[]", ["'{a,\"\",NULL}'"]),
        Entry("array_varbit", "varbit[]", ["'{\"\",101}'"]),
        Entry("array_enum", "public.mood[]", ["'{sad,\"so, so\",\"\",\"NULL\",NULL}'"]),
        Entry("array_hstore", "public.hstore[]", ["array['a=>\"b,c\"'::public.hstore, '']"]),
        Entry("array_range", "int4range[]", ["'{\"[1,5)\",empty,NULL}'"]),
        Entry("array_domain", "public.positive[]", ["'{1,2,NULL}'"]),
        Entry(
            "array_pair", "public.pair[]",
            ["array[ROW(1, 'a\"b')::public.pair, ROW(NULL, '')::public.pair, NULL]", "'{}'"]),
        Entry("array_uuid", "uuid[]", ["'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'"]),
        Entry("array_tid", "tid[]", ["'{\"(1,2)\",NULL}'"]),
        Entry("int2vector", "int2vector", ["''", "'1 -2 3'"]),
        Entry("oidvector", "oidvector", ["''", "'1 4294967295'"]),
    ]

    // MARK: - User-defined types and others

    private static let others: [Entry] = [
        Entry(
            "enum", "public.mood",
            ["'sad'", "'so, so'", "'it''s'", "'quo\"te'", "''", "'NULL'", "'back\\slash'", "'(grün)'"]),
        Entry("domain", "public.positive", ["1", "2147483647"]),
        Entry("domain_twice", "public.dear", ["1.5", "99999.999"]),
        Entry("domain_array", "public.numbers", ["'{1,NULL}'", "'[0:0]={7}'"]),
        Entry("domain_composite", "public.couple", ["ROW(1, 'x')::public.pair", "ROW(NULL, NULL)::public.pair"]),
        Entry(
            "composite", "public.pair",
            [
                "ROW(NULL, NULL)", "ROW(1, '')", "ROW(-1, 'a\"b\\,() ')", "ROW(NULL, 'NULL')", "ROW(2, E'\\t\\n\\\\N')",
                "ROW(3, NULL)",
            ]),
        Entry(
            "composite_nested", "public.nested",
            [
                "ROW(ROW(1, 'x,\"y')::public.pair, 'NaN', '{1,NULL}', 'so, so', 'infinity')",
                "ROW(NULL, 1.50, '{}', '', '0044-03-15 00:00:00 UTC BC')", "ROW(NULL, NULL, NULL, NULL, NULL)",
            ]),
        Entry("composite_empty", "public.nothing", ["'()'"]),
        Entry(
            "composite_odd", "public.\"Odd \"\"type\"",
            ["ROW(array[ROW(1, '\"')::public.pair], 'NaN')", "ROW('{}', '-0')"]),
        Entry(
            "hstore", "public.hstore",
            ["''", "'\"a\"=>NULL, \"b\"=>\"NULL\", \"\"=>\"\", \"q\\\"\\\\\"=>\"a=>b, c\"'", "E'\"t\\t\"=>\"\\n\"'"]),
        Entry("ltree", "public.ltree", ["''", "'Top.Science.a_1'"]),
        Entry("lquery", "public.lquery", ["'Top.*{1,2}.!a|b@*%'"]),
        Entry("base_type", "public.whole", ["'-2147483648'", "'42'"]),
        Entry("tid", "tid", ["'(0,0)'", "'(4294967295,65535)'"]),
        Entry("snapshot", "pg_snapshot", ["'10:20:10,14,15'"], since: 130000),
        Entry("regclass", "regclass", ["'pg_catalog.pg_class'", "0"]),
        Entry("regtype", "regtype", ["'int4[]'", "'numeric'"]),
        Entry("refcursor", "refcursor", ["'c'", "''"]),
    ]
}
