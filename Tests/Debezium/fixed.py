"""Cases that are the same in every run, written as SQL: recorded workloads, changed tables, partitions, publications
with lists of columns and filters."""

from dataclasses import dataclass, field
from pathlib import Path

from cases import KEY_COLUMNS

FIXTURES = Path(__file__).resolve().parent.parent / "Fixtures/debezium-3.6.3"
DEFAULT = {"skipped.operations": "none"}
ALTERNATIVE = {
    "skipped.operations": "none", "transaction.metadata": "true", "decimal": "string", "time.precision": "isostring",
    "interval": "string", "binary": "hex", "hstore": "map",
}
METADATA = {"transaction.metadata": "true", "tombstones": "false", "binary": "base64", "skipped.operations": "t"}


@dataclass(frozen=True)
class Fixed:
    name: str
    setup: str
    workload: str
    modes: list = field(default_factory=lambda: [DEFAULT, ALTERNATIVE])
    publication: str = "for all tables"
    is_narrowed: bool = False  # Debezium's snapshot reads more than the publication has
    since: int = 0  # server_version_num


def recorded(name, folder, modes):
    return Fixed(name, (folder / "setup.sql").read_text(), (folder / "workload.sql").read_text(), modes)


PARTITIONS = """
create table p (id int, d date, t text, primary key (id, d)) partition by range (d);
create table p_2020 partition of p for values from ('2020-01-01') to ('2021-01-01');
create table p_2021 (t text, id int not null, d date not null, primary key (id, d));
alter table p attach partition p_2021 for values from ('2021-01-01') to ('2022-01-01');
create table p_rest partition of p default;
create schema leaves;
create table leaves.deep partition of p for values from ('2022-01-01') to ('2023-01-01') partition by list (id);
create table leaves.one partition of leaves.deep for values in (1);
create table leaves.others partition of leaves.deep default;
create table h (id int primary key, v text) partition by hash (id);
create table h0 partition of h for values with (modulus 2, remainder 0);
create table h1 partition of h for values with (modulus 2, remainder 1);
alter table h replica identity full; alter table h0 replica identity full; alter table h1 replica identity full;
"""
PARTITIONS_WORKLOAD = """
insert into p values (1, '2020-05-05', 'a'), (1, '2021-05-05', 'b'), (1, '2022-05-05', 'c'), (2, '2022-05-05', 'd'),
    (3, '1999-01-01', 'e');
update p set t = t || 'x';
update p set d = '2021-06-06' where id = 1 and d = '2020-05-05';
update p set id = 1 where id = 2;
insert into leaves.one values (1, '2022-07-07', 'direct');
delete from p where id = 3;
begin; insert into h select n, 'v' || n from generate_series(1, 6) n; update h set v = 'w' where id < 4; commit;
update h set id = id + 10 where id = 2;
delete from h where id > 10;
truncate p_2020;
truncate h;
insert into p values (9, '2020-09-09', 'z');
insert into h values (7, 'z');
"""
LISTED = """
create schema zoo; create type zoo.pair as (a int, b text);
create table few (id int primary key, a text, "B c" int default 7, hidden text not null default 'h', n name,
    q zoo.pair);
create table rows_only (id int primary key, v int, t text); alter table rows_only replica identity full;
create table part (a int, b int not null, c text, d text); create unique index part_b on part (b);
alter table part replica identity using index part_b;
create table apart (id int primary key);
"""
LISTED_WORKLOAD = """
insert into few (id, a, hidden, n, q) values (1, 'a', 'x', 'nm', '(1,x)'), (2, null, 'y', null, null);
update few set a = 'b', hidden = 'z' where id = 1; update few set "B c" = null; update few set id = 5 where id = 1;
delete from few where id = 5;
insert into rows_only select n, n, 't' from generate_series(1, 6) n;
update rows_only set v = v + 2; update rows_only set t = 'u' where id > 3; update rows_only set id = 20 where id = 6;
delete from rows_only where id in (2, 20);
insert into part values (1, 1, 'c', 'd'), (2, 2, null, null);
update part set c = 'e' where b = 1; update part set b = 7 where b = 2; delete from part where b = 7;
insert into apart values (1);
begin; insert into apart values (2); insert into few (id) values (8); commit;
truncate few, rows_only;
insert into few (id, a) values (9, 'last'); insert into rows_only values (1, 9, 'last');
"""
DEFAULTS = """
create type mood as enum ('sad', 'ok'); create domain posint as int; create extension citext; create extension hstore;
create table d (id int primary key, a int default 1 + 1, b text default 'a' || 'b', c text default current_user,
    d text default E'a\\\\b', e varchar(5) default 'x''y', f bool default (1 = 1), g bool default true,
    h bit(3) default '101', h1 bit(1) default '1', hv varbit default '10', i numeric default 1 + 1,
    i2 numeric(6,2) default 1.5, i3 numeric default 2.50, j float8 default random(), k date default current_date,
    l timestamp default now(), m timestamptz default now(), n time default localtime, o interval default '1 day',
    p uuid default gen_random_uuid(), q json default '{"a":1}', r xml default '<a/>', s mood default 'ok',
    s2 mood default 'ok'::text::mood, t posint default 5, v citext default 'y', w money default 1,
    x bytea default '\\x01', y inet default '1.1.1.1', z name default 'n', aa "char" default 'c', ab oid default 5,
    ac timetz default '10:00+00', ag int[] default '{1}', ah hstore default 'a=>1', ai int8 default 12,
    aj int2 default -3, ak date default '2020-01-01'::date + 1, al text default lower('A'),
    am text default (lower('A') || 'x'), an timestamptz(3) default now(), ao timestamp(0) default now(),
    ap bit(8) default 5::bit(8), aq interval default make_interval(1), ar char(5) default 'ab',
    at numeric(6,2) default random(), au bool default (not true), av jsonb default jsonb_build_object(),
    az date default '0044-03-15 BC', ba date default '10000-01-01', bb timestamp(3) default '2020-01-01 10:11:12.1236',
    bd float4 default 1.1, be float8 default '1e300', bg float8 default 'NaN', bh int4 default -5,
    bi int8 default -9223372036854775807, bj timestamptz default '2020-01-02 03:04:05.6+02',
    bm text default 'it''s "q" \\ 😀', bo interval default '-1 year 2 mons 3 days 04:05:06.7',
    bp numeric(10,0) default 5.0, bq varbit(1) default '1', br text default ('a' || 'it''s'),
    bt timestamp default timezone('utc', now()), bu int default (random() * 5)::int, bs serial);
create table r (like d including defaults);
do $$ declare c record; begin
    for c in select attname from pg_attribute where attrelid = 'r'::regclass and attnum > 1 loop
        execute format('alter table r alter %I set not null', c.attname);
    end loop;
end $$;
alter table r add primary key (id);
"""
DEFAULTS_WORKLOAD = """
do $$ declare names text; begin
    select string_agg(quote_ident(attname), ',') into names from pg_attribute
        where attrelid = 'd'::regclass and attnum > 1 and attname <> 'bs';
    execute format('insert into d (id, %s) values (1, %s)', names,
        array_to_string(array_fill('null'::text, array[array_length(string_to_array(names, ','), 1)]), ','));
end $$;
insert into r (id) values (1); delete from r;
"""
KEYLESS = """
create table a (a int, b int not null, c text); create unique index a_b on a (b);
create unique index a_a on a (a) include (c); alter table a replica identity full;
create table b (a int, b int not null, c text); create unique index b_b on b (b);
create unique index b_a on b ((a + 1)); create unique index b_c on b (c) where a > 1;
create table e (a int); create index e_a on e (a); alter table e replica identity full;
"""
KEYLESS_WORKLOAD = """
insert into a values (1, 1, 'a'), (null, 2, 'b'); update a set a = 5 where b = 1; update a set c = 'z' where b = 2;
update a set b = 3 where b = 2; delete from a; insert into b values (1, 1, 'a'), (null, 2, 'b');
insert into e values (1); update e set a = 2; delete from e; insert into a values (7, 7, '7'); insert into e values (3);
"""


def fixed_cases():
    keys = {"zoo.by_index": ["a"], "zoo.pair_key": ["n", "b"], "zoo.full_nopk": ["a"]}
    types = [DEFAULT, {"decimal": "double", "time.precision": "connect", "binary": "base64", "hstore": "map"},
             {"decimal": "string", "time.precision": "microseconds", "binary": "base64-url-safe", "interval": "string"}]
    return [
        recorded("golden", FIXTURES, [DEFAULT, ALTERNATIVE]),
        recorded("keys", FIXTURES / "keys", [DEFAULT, {**METADATA, KEY_COLUMNS: keys}]),
        recorded("types", FIXTURES / "types", types),
        Fixed("defaults", DEFAULTS, DEFAULTS_WORKLOAD),
        Fixed("keyless", KEYLESS, KEYLESS_WORKLOAD),
        Fixed("partitions", PARTITIONS, PARTITIONS_WORKLOAD, is_narrowed=True),
        Fixed("partition_roots", PARTITIONS, PARTITIONS_WORKLOAD, is_narrowed=True,
              publication="for all tables with (publish_via_partition_root = true)"),
        Fixed("listed", LISTED, LISTED_WORKLOAD,
              is_narrowed=True,
              publication='for table few (id, a, "B c", n, q), rows_only where (v % 2 = 1), part (b, d)', since=150000),
    ]
