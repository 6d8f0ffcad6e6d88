#!/usr/bin/env python3
"""Records what PostgreSQL sends for a folder's setup.sql and workload.sql, as stream.changes and snapshot.changes.

usage: record.py CONNECTION FOLDER        an empty database, wal_level=logical, TimeZone UTC

When the database has a slot named recorder already, setup and workload have run after its creation (beside the slots
of Debezium runs, say), and it is only read.

Lines, fields parted by tabs, values escaped as in COPY's text form:
  R number schema table identity keys         a relation; keys are indexes of the primary key's columns, in key order,
                                              or of the replica identity index's where there is none
  C flags oid base modifier type kind default name   a column of it; flags: i identity, n NOT NULL
  B xid commit previous-end time              a transaction begins (times in microseconds since 1970)
  I/r number lsn values...                    insert, row of a snapshot
  U number lsn old n values... values...      update; old is -, k or f; n old values first
  D number lsn old values...                  delete
  T lsn flags numbers...                      truncate
  M lsn flags prefix content                  logical message
  E end                                       the transaction's commit
"""
import os
import re
import struct
import subprocess
import sys

CONNECTION = sys.argv[1]
FOLDER = sys.argv[2]
# What Debezium has for a default that a function makes, by the type's name.
ZEROS = {
    "int2": "0", "int4": "0", "int8": "0", "numeric": "0.0", "float4": "0.0", "float8": "0.0", "bool": "false",
    "bpchar": "", "varchar": "", "text": "", "xml": "", "json": "{}", "jsonb": "{}",
    "uuid": "00000000-0000-0000-0000-000000000000", "date": "1970-01-01", "time": "00:00:00",
    "timestamp": "1970-01-01 00:00:00", "timestamptz": "1970-01-01 00:00:00+00", "interval": "00:00:00",
}
LITERAL = re.compile(r"\(?(?:'((?:[^']|'')*)'|(-?[0-9.]+))\)?(?:::[^(]+(?:\([0-9,]+\))?(?:\[\])?)?")


def psql(sql=None, file=None):
    command = ["psql", CONNECTION, "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1"]
    command += ["-f", file] if file else ["-c", sql]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def rows(sql):
    return [line.split("\t") for line in psql(sql).split("\n") if line]


def escape(text):
    if text is None:
        return "\\N"
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


class Catalog:
    """Types by OID, and facts about columns by table and name."""

    def __init__(self):
        self.types = {}
        for oid, name, category, kind, base, modifier, element, labels in rows(
            "select t.oid, t.typname, t.typcategory, t.typtype, t.typbasetype, t.typtypmod, t.typelem,"
            " coalesce((select string_agg(enumlabel, ',' order by enumsortorder) from pg_enum where enumtypid = t.oid), '')"
            " from pg_type t"
        ):
            self.types[int(oid)] = (name, category, kind, int(base), int(modifier), int(element), labels)
        self.columns = {}
        for schema, table, name, notnull, default in rows(
            "select n.nspname, c.relname, a.attname, a.attnotnull, coalesce(pg_get_expr(d.adbin, d.adrelid), '')"
            " from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace"
            " left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum"
            " where n.nspname = 'zoo' and a.attnum > 0 and not a.attisdropped"
        ):
            self.columns[schema, table, name] = (notnull == "t", default)
        self.keys = {}
        for schema, table, name in rows(
            "select n.nspname, c.relname, a.attname from pg_index i join pg_class c on c.oid = i.indrelid"
            " join pg_namespace n on n.oid = c.relnamespace cross join lateral unnest(i.indkey) with ordinality k(n, o)"
            " join pg_attribute a on a.attrelid = c.oid and a.attnum = k.n where i.indisprimary or (i.indisreplident and not exists (select from pg_index p"
            " where p.indrelid = i.indrelid and p.indisprimary)) order by 1, 2, k.o"
        ):
            self.keys.setdefault((schema, table), []).append(name)

    def kind(self, oid):
        name, category, kind, base, _, element, labels = self.types[oid]
        if kind == "d":
            return self.kind(base)
        if category == "A" and element:
            return f"array({element}/{self.base(element)}:{self.types[element][0]}:{self.kind(element)})"
        if kind == "e":
            return f"enumeration({labels})"
        if kind == "c":
            return "composite"
        return {"bool": "boolean", "pg_lsn": "pgLSN"}.get(name, name)

    def base(self, oid):
        return self.base(self.types[oid][3]) if self.types[oid][2] == "d" else oid

    def column(self, schema, table, name, oid, modifier, is_identity):
        notnull, default = self.columns.get((schema, table, name), (False, ""))
        base, effective = oid, modifier
        while self.types[base][2] == "d":
            effective = self.types[base][4] if effective < 0 else effective
            base = self.types[base][3]
        match = LITERAL.fullmatch(default)
        literal = None
        if default in ("true", "false"):
            literal = default
        elif match:
            literal = (match[1] or match[2]).replace("''", "'")
        elif re.match(r"\(?[A-Za-z0-9_.]+\(", default):
            literal = ZEROS.get(self.types[oid][0])
        flags = ("i" if is_identity else "") + ("n" if notnull else "")
        fields = [flags or "-", oid, base, effective, self.types[oid][0], self.kind(oid), escape(literal), escape(name)]
        return "C\t" + "\t".join(map(str, fields))


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values[0]

    def text(self):
        end = self.data.index(0, self.at)
        value = self.data[self.at : end].decode()
        self.at = end + 1
        return value

    def bytes(self, count):
        self.at += count
        return self.data[self.at - count : self.at]

    def tuple(self):
        values = []
        for _ in range(self.take("H")):
            kind = self.bytes(1)
            if kind == b"n":
                values.append("\\N")
            elif kind == b"u":
                values.append("\\u")
            else:
                values.append(escape(self.bytes(self.take("I")).decode()))
        return values


def stream(catalog):
    lines, numbers, previous, in_transaction = [], {}, "-", False
    changes = rows(
        "select lsn, xid, encode(data, 'hex') from pg_logical_slot_get_binary_changes('recorder', null, null,"
        " 'proto_version', '1', 'publication_names', 'gp', 'messages', 'true')"
    )
    for lsn, xid, data in changes:
        reader = Reader(bytes.fromhex(data))
        tag = reader.bytes(1)
        if tag == b"B":
            commit, time, xid = reader.take("Q"), reader.take("Q"), reader.take("I")
            lines.append(f"B\t{xid}\t{commit}\t{previous}\t{time + 946684800000000}")
            in_transaction = True
        elif tag == b"C":
            reader.bytes(9)
            end = reader.take("Q")
            lines.append(f"E\t{end}")
            previous, in_transaction = end, False
        elif tag == b"R":
            oid, schema, table = reader.take("I"), reader.text(), reader.text()
            identity = reader.bytes(1).decode()
            columns = []
            for _ in range(reader.take("H")):
                flag, name = reader.take("B"), reader.text()
                columns.append((name, reader.take("I"), reader.take("i"), flag == 1))
            numbers[oid] = len(numbers) if oid not in numbers else numbers[oid]
            names = [column[0] for column in columns]
            keys = [names.index(name) for name in catalog.keys.get((schema, table), [])]
            lines.append(
                f"R\t{numbers[oid]}\t{schema}\t{escape(table)}\t{identity}\t{','.join(map(str, keys)) or '-'}")
            for name, type_oid, modifier, is_identity in columns:
                lines.append(catalog.column(schema, table, name, type_oid, modifier, is_identity))
        elif tag in (b"I", b"U", b"D"):
            number = numbers[reader.take("I")]
            old, values = "-", []
            part = reader.bytes(1)
            if part in (b"K", b"O"):
                old = "k" if part == b"K" else "f"
                values = reader.tuple()
                part = reader.bytes(1) if tag == b"U" else b""
            count = len(values)
            if part == b"N":
                values += reader.tuple()
            head = [tag.decode(), number, position(lsn)]
            head += [old, count] if tag == b"U" else [old] if tag == b"D" else []
            lines.append("\t".join(map(str, head + values)))
        elif tag == b"T":
            count, flags = reader.take("I"), reader.take("B")
            tables = [str(numbers[reader.take("I")]) for _ in range(count)]
            lines.append("\t".join(["T", str(position(lsn)), str(flags)] + tables))
        elif tag == b"M":
            flags = reader.take("B")
            at, prefix = reader.take("Q"), reader.text()
            content = reader.bytes(reader.take("I")).decode()
            line = f"M\t{at}\t{flags}\t{escape(prefix)}\t{escape(content)}"
            if in_transaction:
                lines.append(line)
            else:
                lines += [f"B\t0\t{at}\t{previous}\t0", line, f"E\t{at}"]
                previous = at
    return lines


def position(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def snapshot(catalog):
    lines = []
    tables = rows("select relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
                  " where n.nspname = 'zoo' and relkind = 'r' order by relname collate \"C\"")
    lsn = position(psql("select pg_current_wal_lsn()").strip())
    for number, (table,) in enumerate(tables):
        columns = rows("select attname, atttypid, atttypmod from pg_attribute where attnum > 0 and not attisdropped"
                       f" and attrelid = 'zoo.\"{table}\"'::regclass order by attnum")
        names = [column[0] for column in columns]
        keys = [names.index(name) for name in catalog.keys.get(("zoo", table), [])]
        lines.append(f"R\t{number}\tzoo\t{escape(table)}\td\t{','.join(map(str, keys)) or '-'}")
        for name, oid, modifier in columns:
            lines.append(catalog.column("zoo", table, name, int(oid), int(modifier), name in
                                        catalog.keys.get(("zoo", table), [])))
        for line in psql(f'copy (select * from zoo."{table}" order by 1) to stdout').split("\n"):
            if line:
                lines.append(f"r\t{number}\t{lsn}\t{line}")
    return lines


def main():
    if not psql("select 1 from pg_replication_slots where slot_name = 'recorder'"):
        psql(file=os.path.join(FOLDER, "setup.sql"))
        psql("create publication gp for all tables")
        psql("select pg_create_logical_replication_slot('recorder', 'pgoutput')")
        psql(file=os.path.join(FOLDER, "workload.sql"))
    catalog = Catalog()
    for name, lines in (("stream", stream(catalog)), ("snapshot", snapshot(catalog))):
        with open(os.path.join(FOLDER, name + ".changes"), "w", encoding="utf-8", newline="\n") as file:
            file.write("\n".join(lines) + "\n")
    psql("select pg_drop_replication_slot('recorder')")


main()
