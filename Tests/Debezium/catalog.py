"""The types of columns the differential test draws from, each with values that are likely to be written differently."""

import uuid
from dataclasses import dataclass, replace
from typing import Callable

WORDS = [
    "", "a", "x y", "Ab", "NULL", "null", "é", "日本", "😀", '"', "\\", "a,b", "{c}", "it's", "</script>", "\t", "\n",
    "\r\n", "\x01", "\x1f\x7f", "\u2028", "\u0085", "\ufeff", "__debezium_unavailable_value", "🏳️\u200d🌈", "a\\nb",
    "1", "-0", "true", " lead", "trail ", "%s", "$1",
]
DAYS = [
    "1970-01-01", "1969-12-31", "2020-02-29", "1582-10-04", "1582-10-15", "1582-10-10", "1500-01-01", "0001-01-01",
    "9999-12-31", "10000-01-01", "1900-03-01", "2038-01-19", "0044-03-15 BC", "0001-12-31 BC", "4713-01-01 BC",
    "5874897-12-31", "infinity", "-infinity",
]
NARROW_DAYS = ["1970-01-01", "1969-12-31", "2020-02-29", "1677-09-22", "2262-04-10", "1900-03-01", "2038-01-19"]
CLOCKS = [
    "00:00:00", "23:59:59.999999", "12:00:00.5", "00:00:00.000001", "13:14:15.123456", "01:02:03.1", "23:59:59.9996",
    "10:00:00.120000", "04:05:06.007",
]
ZONES = ["+00", "+02", "-08", "+05:30", "+14", "-11:30"]
INTERVALS = [
    "0", "1 sec", "-1 sec", "1 mon", "-1 mon", "1 year", "1 year 13 mons 32 days 25:51:00.1", "0.3 sec", "9.999 sec",
    "-1 day -00:00:01", "-1 year -2 mons +3 days -04:05:06.789", "1 day -00:00:00.000001", "2147483647 hours",
    "123 days 12:34:56.654321", "35.999999 sec", "4 days 04:05:06.789012", "1000 years", "-0.000001 sec",
]
NUMBERS = [
    "0", "1", "-1", "100", "-100.00", "1.2300", "0.001", "-0.001", "127", "128", "-128", "-129", "255", "256", "1e20",
    "1e-20", "9223372036854775807", "9223372036854775808", "0.1", "1.5", "12345678901234567890.123456789", "1e40",
    "0.000", "10.50", "1e-7", "123456789012345678",
]
FLOATS = [
    "0", "-0", "1", "0.1", "1e-10", "1e7", "9999999.999", "0.001", "0.0001", "3.14", "NaN", "Infinity", "-Infinity",
    "16777216", "1e21", "1e22", "123456.789", "2e-3",
]
DOUBLES = FLOATS + ["1e300", "4.9e-324", "1.7976931348623157e308", "2.2250738585072014e-308", "9.9e-324", "2e23"]
REALS = FLOATS + ["1e-45", "3.4028235e38", "1.17549435e-38", "1e10", "3.3e-45"]
JSONS = ['{"a":1,"a":2}', '{ "b" : "\\u00e9\\n" }', '[1, 2]', '"x"', "null", "1e400", "{\n \"x\" : [ ]\n}", "true"]


@dataclass(frozen=True)
class Limits:
    """What the modes of a round can bear: Debezium stops at other values."""

    narrow_times: bool  # nanoseconds hold 1677 to 2262
    words: bool  # NaN and infinity in numeric; not in decimal precise
    version: int  # server_version_num


@dataclass(frozen=True)
class Type:
    """A type of columns. `value(rng, limits)` is the text form of a value."""

    sql: str
    family: str
    value: Callable
    key: bool = False  # may be part of a primary key
    known: bool = True  # to Debezium; others have no field there
    big: Callable | None = None  # a value that is moved out of line
    default: str | None = None  # a literal default
    expression: str | None = None  # a default that is no literal
    element: "Type | None" = None
    since: int = 0
    lost_with_null: bool = False  # an array of it with a NULL
    required: bool = False  # the type itself refuses NULL


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def one_of(values):
    return lambda rng, limits: rng.choice(values)


def words(rng, limits):
    if rng.random() < 0.7:
        return rng.choice(WORDS)
    return "".join(rng.choice(WORDS) for _ in range(rng.randrange(2, 8)))


def short_words(length):
    return lambda rng, limits: words(rng, limits)[:length]


def big_words(rng, limits):
    return "".join(f"{rng.getrandbits(64):016x}é" for _ in range(rng.randrange(200, 300)))


def day(rng, limits):
    if rng.random() < 0.3:
        return f"{rng.randrange(1700, 2250)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
    return rng.choice(NARROW_DAYS if limits.narrow_times else DAYS)


def clock(rng, limits):
    if rng.random() < 0.3:
        seconds, micros = rng.randrange(60), rng.randrange(10**6)
        return f"{rng.randrange(24):02}:{rng.randrange(60):02}:{seconds:02}.{micros:06}"
    return rng.choice(CLOCKS + ["24:00:00"])


def moment(rng, limits):
    date = day(rng, limits)
    if date in ("infinity", "-infinity"):
        return date
    if date.startswith("5874897"):
        date = "294246-12-31"
    date, _, era = date.partition(" ")
    return f"{date} {rng.choice(CLOCKS)}" + (f" {era}" if era else "")


def zoned(rng, limits):
    text = moment(rng, limits)
    if text in ("infinity", "-infinity"):
        return text
    text, era, _ = text.partition(" BC")
    return text + rng.choice(ZONES) + (" BC" if era else "")


def zoned_clock(rng, limits):
    return rng.choice(CLOCKS) + rng.choice(ZONES)


def numeric(digits=None, scale=0):
    def value(rng, limits):
        if limits.words and rng.random() < 0.15:
            return rng.choice(["NaN", "Infinity", "-Infinity"] if digits is None else ["NaN"])
        if digits is None:
            if rng.random() < 0.6:
                return rng.choice(NUMBERS)
            return f"{rng.choice('+-')}{rng.getrandbits(rng.randrange(1, 150))}.{rng.getrandbits(rng.randrange(1, 40))}"
        whole = rng.randrange(10 ** rng.randrange(digits + 1))
        if scale <= 0:
            return f"{rng.choice(['', '-'])}{whole * 10 ** -scale}"
        return f"{rng.choice(['', '-'])}{whole // 10 ** scale}.{whole % 10 ** scale:0{scale}}"

    return value


def integer(bits):
    def value(rng, limits):
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        return str(rng.choice([0, 1, -1, 7, low, high, rng.randrange(low, high)]))

    return value


def money(rng, limits):
    amount = f"{rng.randrange(-(10**7), 10**7)}.{rng.randrange(100)}"
    return rng.choice(["0", "1", "-1", "92233720368547758.07", amount])


def bits(low, high):
    def value(rng, limits):
        length = rng.randrange(low, high + 1)
        return rng.choice(["0" * length, "1" * length, "".join(rng.choice("01") for _ in range(length))])

    return value


def binary(rng, limits):
    return "\\x" + rng.randbytes(rng.choice([0, 1, 2, 3, 7, 40])).hex()


def big_binary(rng, limits):
    return "\\x" + rng.randbytes(3000).hex()


def json_text(rng, limits):
    if rng.random() < 0.7:
        return rng.choice(JSONS)
    return '{"k": ' + str(rng.randrange(-(10**20), 10**20)) + ', "l": [null, "' + "é" * rng.randrange(5) + '"]}'


def jsonb_text(rng, limits):
    return json_text(rng, limits).replace("1e400", "1e4")


def big_json(rng, limits):
    return '["' + big_words(rng, limits) + '"]'


def any_uuid(rng, limits):
    return str(uuid.UUID(int=rng.getrandbits(128)))


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def hstore(rng, limits):
    keys = list(dict.fromkeys(words(rng, limits) for _ in range(rng.randrange(6))))
    values = [rng.choice([None, words(rng, limits)]) for _ in keys]
    return ", ".join(f"{quoted(k)}=>{'NULL' if v is None else quoted(v)}" for k, v in zip(keys, values))


def big_hstore(rng, limits):
    return f"k=>{quoted(big_words(rng, limits))}"


def span(bound):
    def value(rng, limits):
        return rng.choice(["empty", "(,)", f"[{bound[0]},{bound[1]})", f"({bound[0]},]", f"[{bound[0]},{bound[0]}]"])

    return value


def point(rng, limits):
    return f"({rng.choice(['0', '1.5', '-2', '1e-20', '1e300', '123.456'])},{rng.choice(['0', '1e7', '-1.5e300'])})"


def array_of(element):
    """Its arrays: empty, with nulls, of several dimensions, with other bounds."""

    def elements(rng, limits, count):
        return [
            None if rng.random() < 0.15 and not element.required else element.value(rng, limits) for _ in range(count)]

    delimiter = ";" if element.sql == "box" else ","

    def braces(items):
        return "{" + delimiter.join("NULL" if item is None else quoted(item) for item in items) + "}"

    def value(rng, limits):
        chance = rng.random()
        if chance < 0.1:
            return "{}"
        if chance < 0.2:
            count = rng.randrange(1, 3)
            return "{" + delimiter.join(braces(elements(rng, limits, count)) for _ in range(2)) + "}"
        items = elements(rng, limits, rng.randrange(1, 5))
        return ("[2:%d]=" % (len(items) + 1) if chance < 0.25 else "") + braces(items)

    def big(rng, limits):
        return braces([element.value(rng, limits) for _ in range(2)] * 450)

    lossy = element.family in ("money", "name", "interval", "varbit", "xml", "point", "domain", "domain_numeric", "array")
    name = element.sql + "[]"
    return Type(name, "array", value, big=big, known=element.known and not lossy, element=element, since=element.since)


def scalars():
    text = dict(value=words, key=True, big=big_words, default="it's", expression="'a' || 'b'")
    yield Type("boolean", "boolean", one_of(["t", "f"]), key=True, default="true")
    yield Type("int2", "integer", integer(16), key=True, default="-3")
    yield Type("int4", "integer", integer(32), key=True, default="7", expression="1 + 1")
    yield Type("int8", "integer", integer(64), key=True, default="12")
    yield Type("oid", "integer", one_of(["0", "42", "4294967295"]), key=True)
    yield Type("float4", "float4", one_of(REALS), default="2.5")
    yield Type("float8", "float8", one_of(DOUBLES), default="2.5", expression="random()")
    yield Type("numeric", "numeric", numeric(), default="10.50")
    yield Type("numeric(12,4)", "numeric", numeric(12, 4), key=True, default="1.5")
    yield Type("numeric(6,0)", "numeric", numeric(6), key=True)
    yield Type("numeric(60,10)", "numeric", numeric(60, 10))
    yield Type("numeric(5,-2)", "negative_scale", numeric(5, -2), since=150000)
    yield Type("money", "money", money, default="1.25")
    yield Type("text", "text", **text)
    yield Type("varchar", "text", **text)
    yield Type("varchar(20)", "text", short_words(20), key=True, default="ab")
    yield Type("char(5)", "text", short_words(5), key=True, default="ab")
    yield Type("char", "text", short_words(1), key=True)
    yield Type('"char"', "text", one_of(["a", "1", "Z"]))
    yield Type("citext", "text", words, default="Ci")
    yield Type("name", "name", short_words(8), default="nm")
    yield Type("uuid", "uuid", any_uuid, key=True, expression="gen_random_uuid()")
    yield Type("xml", "xml", one_of(["<a/>", '<a b="c">&amp;</a>', "<é>\n</é>"]))
    yield Type("json", "json", json_text, big=big_json, default="{}")
    yield Type("jsonb", "json", jsonb_text, big=big_json, default="{}")
    yield Type("inet", "text", one_of(["::1", "10.0.0.1", "192.168.1.5/24"]), key=True)
    yield Type("cidr", "text", one_of(["10.0.0.0/8", "2001:db8::/32"]))
    yield Type("macaddr", "text", one_of(["08:00:2b:01:02:03"]))
    yield Type("macaddr8", "text", one_of(["08:00:2b:01:02:03:04:05"]))
    yield Type("bytea", "bytea", binary, key=True, big=big_binary, default="\\x01")
    yield Type("date", "date", day, key=True, default="2020-01-02", expression="current_date")
    for precision in ("", "(0)", "(1)", "(3)", "(4)"):
        yield Type(f"time{precision}", "time", clock, default="01:02:03")
        yield Type(f"timestamp{precision}", "timestamp", moment, key=True, default="2020-01-02 03:04:05.6")
        yield Type(f"timestamptz{precision}", "timestamptz", zoned, key=True, expression="now()")
    yield Type("timestamptz", "timestamptz", zoned, default="2020-01-02 03:04:05+00")
    for precision in ("", "(0)", "(3)"):
        yield Type(f"timetz{precision}", "timetz", zoned_clock)
    for interval in ("interval", "interval(0)", "interval day to second"):
        yield Type(interval, "interval", one_of(INTERVALS), default="1 day")
    for length in (1, 10, 33):
        yield Type(f"bit({length})", "bit", bits(length, length))
    for length in (1, 9):
        yield Type(f"varbit({length})", "varbit", bits(0, length))
    yield Type("varbit", "varbit", bits(0, 40))
    yield Type("hstore", "hstore", hstore, big=big_hstore)
    yield Type("ltree", "text", one_of(["", "a", "Top.Science"]), lost_with_null=True)
    yield Type("tsvector", "text", one_of(["", "a:1A b:2", "'it''s' x"]), lost_with_null=True)
    yield Type("point", "point", point)
    yield Type("oidvector", "vector", one_of(["1 2", ""]))
    yield Type("int2vector", "vector", one_of(["-1 2 3"]))
    yield Type("int4range", "text", span(("1", "5")))
    yield Type("int8range", "text", span(("-9", "9223372036854775806")))
    yield Type("numrange", "text", span(("1.0", "2.50")))
    yield Type("tsrange", "text", span(('"2020-01-01 00:00:00"', '"2020-01-02 12:00:00.5"')))
    yield Type("tstzrange", "text", span(('"2020-01-01 00:00:00+02"', "infinity")))
    yield Type("daterange", "text", span(("2020-01-01", "2020-02-01")))
    yield Type(
        "zoo.mood", "text", one_of(["sad", "ok", "so, so", 'quo"te', "é"]), key=True, default="ok", lost_with_null=True)
    # Arrays of domains are lost. No domain over an enum: with one in the database Debezium does not start.
    yield Type("zoo.posint", "domain", one_of(["1", "2147483647"]), key=True, default="5")
    yield Type("zoo.price", "domain_numeric", numeric(8, 3))
    yield Type("zoo.instant", "domain", moment)
    yield Type("zoo.label", "domain", words, key=True)
    yield Type("zoo.inner_label", "domain", short_words(9))
    yield Type("zoo.must", "domain", one_of(["-2147483648", "0", "7"]), key=True, default="9", required=True)
    yield Type("zoo.must_label", "domain", short_words(12), required=True)


def unknown():
    for sql, values in {
        "zoo.pair": ["(1,x)", "(,)", '(2,"a ""b"" c")'], "pg_lsn": ["0/1", "16/B374D848"],
        "int4multirange": ["{[1,2)}", "{}"], "tsquery": ["'fat' & 'cat'"], "box": ["(1,1),(0,0)"],
        "lseg": ["[(0,0),(1,1)]"], "path": ["[(0,0),(1,1)]"], "polygon": ["((0,0),(1,1))"], "circle": ["<(0,0),1>"],
        "line": ["{1,2,3}"], "xid8": ["7"], "jsonpath": ['$."a"'], "zoo.span": ["[1,2)", "empty"],
        "regclass": ["pg_class"], "pg_snapshot": ["10:20:10,14"],
    }.items():
        yield Type(sql, "unknown", one_of(values), known=False, since=140000 if sql == "int4multirange" else 0)


def domains_over_arrays():
    """To Debezium they are arrays; of arrays of them it knows nothing, and Weir has texts."""
    for sql, element in {"zoo.numbers": "int4", "zoo.words": "text"}.items():
        yield replace(array_of(next(t for t in scalars() if t.sql == element)), sql=sql)


def catalog(version):
    """All types of a server of this version."""
    singles = list(scalars()) + list(unknown()) + list(domains_over_arrays())
    arrays = [array_of(t) for t in singles if t.sql not in ("oidvector", "int2vector")]
    return [t for t in singles + arrays if t.since <= version]
