"""Random tables and changes of one round of the differential test."""

import re
from dataclasses import dataclass, field, replace

from catalog import Type, catalog, literal

NAMES = ["plain", "Upper", "sp ace", 'quo"te', "naïve", "日本", "a.b", "semi;colon", "select", "dash-ed", "d$llar"]
OPTIONS = {
    "decimal": ("decimal.handling.mode", ["precise", "double", "string"]),
    "time.precision": (
        "time.precision.mode",
        ["adaptive", "adaptive_time_microseconds", "connect", "microseconds", "nanoseconds", "isostring"],
    ),
    "interval": ("interval.handling.mode", ["numeric", "string"]),
    "binary": ("binary.handling.mode", ["bytes", "base64", "base64-url-safe", "hex"]),
    "hstore": ("hstore.handling.mode", ["json", "map"]),
    "tombstones": ("tombstones.on.delete", ["true", "false"]),
    "transaction.metadata": ("provide.transaction.metadata", ["false", "true"]),
    "unavailable.value.placeholder": (
        "unavailable.value.placeholder", ["__debezium_unavailable_value", "gone", 'é "x"'],
    ),
    "skipped.operations": ("skipped.operations", ["none", "t", "d", "u,t", "c"]),
    "key.schemas.enable": ("key.converter.schemas.enable", ["false", "false", "true"]),
    "value.schemas.enable": ("value.converter.schemas.enable", ["false", "false", "true"]),
    "header.schemas.enable": ("header.converter.schemas.enable", ["false", "false", "true"]),
    "money.fraction.digits": ("money.fraction.digits", ["2", "2", "0", "4"]),
}
# Key columns by table, which both name by the same option but spell differently.
KEY_COLUMNS = "message.key.columns"


@dataclass(frozen=True)
class Column:
    name: str
    type: Type
    required: bool = False
    default: str | None = None  # SQL
    default_kind: str | None = None  # "literal" or "expression"
    external: bool = False  # stored out of line when long
    generated: bool = False

    @property
    def refuses_null(self):
        return self.required or self.type.required

    def ddl(self):
        text = f"{identifier(self.name)} {self.type.sql}"
        if self.generated:
            return text + " generated always as (1) stored"
        return text + (f" default {self.default}" if self.default else "") + (" not null" if self.required else "")


@dataclass(frozen=True, eq=False)
class Table:
    schema: str
    name: str
    columns: tuple
    key: tuple = ()  # names
    identity: str = "DEFAULT"
    index: tuple = ()  # names of the replica identity index

    @property
    def sql(self):
        return f"{identifier(self.schema)}.{identifier(self.name)}"

    def column(self, name):
        return next((column for column in self.columns if column.name == name), None)

    def ddl(self):
        parts = [column.ddl() for column in self.columns]
        if self.key:
            parts.append(f"primary key ({', '.join(map(identifier, self.key))})")
        yield f"create table {self.sql} ({', '.join(parts)})"
        for column in self.columns:
            if column.external:
                yield f"alter table {self.sql} alter {identifier(column.name)} set storage external"
        if self.identity == "INDEX":
            yield f"create unique index {identifier('x_' + self.name)} on {self.sql} " \
                f"({', '.join(map(identifier, self.index))})"
            yield f"alter table {self.sql} replica identity using index {identifier('x_' + self.name)}"
        elif self.identity != "DEFAULT":
            yield f"alter table {self.sql} replica identity {self.identity.lower()}"

    def identity_columns(self):
        if self.identity == "FULL":
            return {column.name for column in self.columns}
        if self.identity == "NOTHING":
            return set()
        return set(self.index if self.identity == "INDEX" else self.key)

    def has_old_rows(self):
        return bool(self.identity_columns())

    def has_index_key(self):
        """Whether old values lack the primary key."""
        return self.identity == "INDEX" and not set(self.key) <= set(self.index)


@dataclass(frozen=True, eq=False)
class Change:
    """A statement on a table. `values` are SQL by column; `row` is the id of the row it is about."""

    table: Table
    kind: str
    row: int = 0
    values: dict = field(default_factory=dict)

    def sql(self):
        where = f"where id = {self.row}"
        if self.kind == "insert":
            columns = ", ".join(map(identifier, self.values))
            return f"insert into {self.table.sql} ({columns}) values ({', '.join(self.values.values())})"
        if self.kind == "update":
            pairs = ", ".join(f"{identifier(name)} = {value}" for name, value in self.values.items())
            return f"update {self.table.sql} set {pairs} {where}"
        if self.kind == "delete":
            return f"delete from {self.table.sql} {where}"
        return f"truncate {self.table.sql}"

    def of(self, table):
        """The same change of a table with fewer columns; nil when nothing of it is left."""
        names = {column.name for column in table.columns}
        values = {name: value for name, value in self.values.items() if name in names}
        if self.kind == "update" and not values:
            return None
        return replace(self, table=table, values=values)


def identifier(name):
    return '"' + name.replace('"', '""') + '"'


@dataclass
class Round:
    """Tables and transactions. A transaction is a list of changes and of SQL texts."""

    tables: list
    transactions: list


class Generator:
    def __init__(self, rng, limits):
        self.rng = rng
        self.limits = limits
        self.types = catalog(limits.version)
        self.deck = []
        self.keys = [t for t in self.types if t.key]
        self.rows = {}  # ids of the rows of each table
        self.next_row = 1

    def draw_type(self):
        """Each type before any comes again."""
        if not self.deck:
            self.deck = list(self.types)
            self.rng.shuffle(self.deck)
        return self.deck.pop()

    def column(self, number):
        rng, kind = self.rng, self.draw_type()
        name = f"c{number}" if rng.random() < 0.8 else f"{rng.choice(NAMES)}{number}"
        default = default_kind = None
        if kind.default and rng.random() < 0.35:
            default, default_kind = literal(kind.default), "literal"
        elif kind.expression and rng.random() < 0.5:
            default, default_kind = kind.expression, "expression"
        external = kind.big is not None and rng.random() < 0.6 and kind.element is None \
            or kind.element is not None and rng.random() < 0.3
        # Debezium stops where a NOT NULL column has no value in its eyes: the placeholder of bytea in base64 modes,
        # arrays it cannot convert, an empty varbit(1) or vector, in nanoseconds a timestamp that old values lack.
        can_be_null = external and kind.family == "bytea" or kind.sql == "varbit(1)" or kind.family == "vector" \
            or kind.element is not None and (external or kind.sql not in ("int4[]", "text[]")) \
            or self.limits.narrow_times and (kind.family == "timestamp" or kind.sql == "zoo.instant")
        return Column(name, kind, not can_be_null and rng.random() < 0.3, default, default_kind, external)

    def table(self, number):
        rng = self.rng
        columns = [self.column(n) for n in range(1, rng.randrange(4, 11))]
        if rng.random() < 0.15:
            columns.append(Column("gen", next(t for t in self.types if t.sql == "int4"), generated=True))
        key, index = ["id"], ()
        id_column = Column("id", next(t for t in self.types if t.sql in ("int4", "int8") and rng.random() < 0.6
                                      or t.sql == "int8"), required=True)
        shape = rng.random()
        if shape < 0.2:
            extra = rng.choice(self.keys)
            columns.append(Column("k", extra, required=True))
            key = rng.choice([["id", "k"], ["k", "id"]])
        elif shape < 0.35:
            key = []
        identity = rng.choices(["DEFAULT", "FULL", "NOTHING", "INDEX"], [10, 5, 1, 3])[0]
        if identity == "INDEX":
            extra = rng.choice([t for t in self.keys if t.family in ("integer", "text", "uuid")])
            columns.append(Column("u", extra, required=True))
            # Not the key: the old values then lack the key, or, of a key of two columns, all of it.
            index = ("u", "id") if len(key) < 2 and rng.random() < 0.6 else ("u",)
        columns.insert(rng.choice([0, 0, 0, len(columns)]), id_column)
        schema = rng.choice(["public", "public", "zoo", "Odd Schéma"])
        name = f"t{number}" if rng.random() < 0.7 else f"{rng.choice(NAMES)} {number}"
        return Table(schema, name, tuple(columns), tuple(key), identity, tuple(index))

    def value(self, column):
        rng = self.rng
        if not column.refuses_null and rng.random() < 0.15:
            return "null"
        if column.external and rng.random() < 0.7:
            maker = column.type.big
            if maker:
                return literal(maker(rng, self.limits))
        return literal(column.type.value(rng, self.limits))

    def insert(self, table):
        row = self.next_row
        self.next_row += 1
        values = {}
        for column in table.columns:
            if column.name == "id":
                values["id"] = str(row)
            elif not column.generated and not (column.default and self.rng.random() < 0.3):
                if column.refuses_null or self.rng.random() < 0.9:
                    values[column.name] = self.value(column)
        self.rows[table].append(row)
        return Change(table, "insert", row, values)

    def change(self, table):
        rng, rows = self.rng, self.rows[table]
        writable = [c for c in table.columns if not c.generated and c.name != "id"]
        chance = rng.random()
        if not rows or chance < 0.35 or not table.has_old_rows() and chance < 0.95:
            return self.insert(table)
        row = rng.choice(rows)
        if chance < 0.75:
            chosen = rng.sample(writable, rng.randrange(1, max(2, len(writable) // 2)))
            values = {column.name: self.value(column) for column in chosen}
            if rng.random() < 0.15:
                values["id"] = str(self.next_row)
                rows[rows.index(row)] = self.next_row
                self.next_row += 1
            return Change(table, "update", row, values)
        if chance < 0.95 and table.has_old_rows():
            rows.remove(row)
            return Change(table, "delete", row)
        rows.clear()
        return Change(table, "truncate")

    def message(self):
        rng = self.rng
        prefix = literal(rng.choice(["foo", "wéir", "a\"b", "x"]))
        content = rng.choice(["''", "'bar'", "'\\x00ff'::bytea", literal(rng.choice(["é😀", '"', "\n"]))])
        return f"select pg_logical_emit_message({rng.choice(['true', 'false'])}, {prefix}, {content})"

    def transaction(self, tables):
        rng, steps = self.rng, []
        before = {table: list(rows) for table, rows in self.rows.items()}
        for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
            table = rng.choice(tables)
            if rng.random() < 0.1:
                kept = {t: list(rows) for t, rows in self.rows.items()}
                steps += ["savepoint s", self.change(table), self.change(table), "rollback to savepoint s"]
                self.rows = kept
            steps.append(self.change(table))
            if rng.random() < 0.04:
                steps.append(self.message())
            if rng.random() < 0.03:
                several = rng.sample(tables, 2)
                steps.append("truncate " + ", ".join(t.sql for t in several))
                for t in several:
                    self.rows[t].clear()
        if rng.random() < 0.05:
            steps.append("rollback")
            self.rows = before
        return steps

    def round(self, count):
        tables = [self.table(number) for number in range(count)]
        self.rows = {table: [] for table in tables}
        transactions = []
        for table in tables:  # Each table has something to update and something of each kind.
            transactions.append([self.insert(table), self.insert(table)])
            transactions.append([self.insert(table)])
            if table.has_old_rows():
                writable = next(c for c in table.columns if not c.generated and c.name != "id")
                row = self.rows[table][0]
                transactions.append([Change(table, "update", row, {writable.name: self.value(writable)})])
                transactions.append([Change(table, "update", row, {"id": str(self.next_row)})])
                self.rows[table][0] = self.next_row
                self.next_row += 1
                transactions.append([Change(table, "delete", self.rows[table].pop())])
        for _ in range(count * 12):
            transactions.append(self.transaction(tables))
        return Round(tables, transactions)


def draw_modes(rng, count, first_default):
    """Mode combinations of a round: {option of Weir: value}; the first may be the default."""
    modes = []
    narrow = rng.random() < 0.4  # nanoseconds only in rounds whose values fit them
    exact = rng.random() < 0.6  # decimal precise only in rounds without NaN
    for number in range(count):
        if number == 0 and first_default:
            narrow, exact = False, True
            modes.append({"skipped.operations": "none"})
            continue
        mode = {name: rng.choice(values) for name, (_, values) in OPTIONS.items()}
        if mode["time.precision"] == "nanoseconds" and not narrow:
            mode["time.precision"] = rng.choice(["adaptive", "microseconds", "isostring"])
        if mode["decimal"] == "precise" and not exact:
            mode["decimal"] = rng.choice(["double", "string"])
        if rng.random() < 0.6:
            mode["skipped.operations"] = "none"
        modes.append(mode)
    return modes, narrow, not exact


def configured_keys(mode):
    """The key columns a mode configures: {(schema, table): names}."""
    return {tuple(name.split(".", 1)): columns for name, columns in mode.get(KEY_COLUMNS, {}).items()}


def draw_keys(rng, mode, tables):
    """Now and then configured key columns: of tables whose names neither side has to quote."""
    if rng.random() < 0.5:
        return
    plain = [t for t in tables if re.fullmatch(r"\w+", t.schema + t.name, re.ASCII)]
    chosen = {}
    for table in rng.sample(plain, min(len(plain), 5)):
        names = [c.name for c in table.columns
                 if c.type.key and not c.generated and re.fullmatch(r"\w+", c.name, re.ASCII)]
        chosen[f"{table.schema}.{table.name}"] = rng.sample(names, rng.randrange(1, min(len(names), 3) + 1))
    mode[KEY_COLUMNS] = chosen
    # Rule configured-key takes a delete and an insert for an update: neither may be missing.
    mode["skipped.operations"] = "none"
