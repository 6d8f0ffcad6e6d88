"""Random changes of tables under way: columns that come, go, and change names and types, new labels of an enum, switched
replica identities, with rows before and after, also in one transaction.

Both sides look the catalog up when they read the log, which is after the last of these changes, so the catalog says the
same to both. Only types without a rule of their own are drawn.
"""

from catalog import literal
from fixed import ALTERNATIVE, DEFAULT, Fixed

TYPES = {
    "int4": ["1", "-7", "2147483647"], "int8": ["5", "-9223372036854775808"], "text": ["", "a", "it's", "é 😀"],
    "varchar(20)": ["", "b", "x y"], "numeric(12,4)": ["1.5", "-0.0001", "99999999"], "boolean": ["t", "f"],
    "timestamptz(3)": ["2020-02-29 13:14:15.5+02", "1999-12-31 23:59:59.999+00"],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], "date": ["2020-02-29", "1970-01-01"], "jsonb": ['{"a": 1}', "[]"],
    "mood": ["ok", "sad"], "int4[]": ["{1,2}", "{}"],
}
EXPRESSIONS = {"timestamptz(3)": "now()", "uuid": "gen_random_uuid()", "text": "'a' || 'b'", "date": "current_date"}
WIDER = {"int4": ["int8", "text", "numeric(12,4)"], "varchar(20)": ["text"], "date": ["timestamptz(3)"]}


class Changing:
    """A table whose columns change."""

    def __init__(self, rng, name, labels):
        self.rng = rng
        self.name = name
        self.labels = labels
        self.columns = {}  # type by name, without `id`
        self.rows = []
        self.retyped = set()  # names; a default of the new type is none of the old one's, which the log still has
        self.number = 0
        self.next_row = 1
        for _ in range(rng.randrange(1, 4)):
            self.columns[self.fresh()] = rng.choice(list(TYPES))

    def fresh(self):
        self.number += 1
        return f"c{self.number}"

    def create(self):
        columns = "".join(f", {name} {kind}" for name, kind in self.columns.items())
        return f"create table {self.name} (id int primary key{columns})"

    def value(self, name):
        kind = self.columns[name]
        values = self.labels if kind == "mood" else TYPES[kind]
        return "null" if self.rng.random() < 0.2 else literal(self.rng.choice(values))

    def change(self):
        rng = self.rng
        chance = rng.random()
        if not self.rows or chance < 0.45:
            names = [name for name in self.columns if rng.random() < 0.8]
            row = self.next_row
            self.next_row += 1
            self.rows.append(row)
            return f"insert into {self.name} ({', '.join(['id', *names])})" \
                f" values ({', '.join([str(row), *map(self.value, names)])})"
        row = rng.choice(self.rows)
        if chance < 0.85 and self.columns:
            name = rng.choice(list(self.columns))
            return f"update {self.name} set {name} = {self.value(name)} where id = {row}"
        self.rows.remove(row)
        return f"delete from {self.name} where id = {row}"

    def alteration(self):
        rng, table = self.rng, f"alter table {self.name}"
        if len(self.columns) < 2 or rng.random() < 0.3:
            name, kind = self.fresh(), rng.choice(list(TYPES))
            self.columns[name] = kind
            chance = rng.random()
            default = EXPRESSIONS.get(kind) if chance < 0.3 else literal(TYPES[kind][0]) if chance < 0.7 else None
            rest = f" default {default}" + (" not null" if rng.random() < 0.4 else "") if default else ""
            return f"{table} add column {name} {kind}{rest}"
        name = rng.choice(list(self.columns))
        chance = rng.random()
        if chance < 0.25:
            del self.columns[name]
            return f"{table} drop column {name}"
        if chance < 0.5:
            new = self.fresh()
            self.columns = {new if n == name else n: kind for n, kind in self.columns.items()}
            return f"{table} rename column {name} to {new}"
        if chance < 0.7:
            kind = rng.choice(WIDER.get(self.columns[name], ["text"]))
            self.columns[name] = kind
            self.retyped.add(name)
            return f"{table} alter {name} drop default, alter {name} type {kind} using {name}::text::{kind}"
        if chance < 0.8 and name not in self.retyped:
            default = rng.choice(["drop default", f"set default {literal(TYPES[self.columns[name]][-1])}"])
            return f"{table} alter {name} {default}"
        return f"{table} replica identity {rng.choice(['full', 'default'])}"


def ddl_case(rng, number):
    labels = ["sad", "ok"]
    tables = [Changing(rng, f"t{n}", labels) for n in range(4)]
    setup = ["create type mood as enum ('sad', 'ok')", *(table.create() for table in tables)]
    steps = ["\\set ON_ERROR_ROLLBACK on"]
    for _ in range(60):
        table = rng.choice(tables)
        if rng.random() < 0.06:
            labels.append(f"label {len(labels)}")
            steps.append(f"alter type mood add value '{labels[-1]}';")
        elif rng.random() < 0.5:
            inside = [table.change(), table.alteration(), table.change()]
            if rng.random() < 0.3:
                inside += [table.alteration(), rng.choice(tables).change()]
            steps.append("begin; " + "; ".join(inside) + "; commit;")
        else:
            steps += [f"{table.change()};", f"{table.alteration()};", f"{table.change()};"]
    return Fixed(f"ddl{number}", ";\n".join(setup) + ";\n", "\n".join(steps) + "\n", [DEFAULT, ALTERNATIVE])
