"""Makes a failing case smaller: fewer columns, fewer statements, tried side by side in one engine run."""

from dataclasses import dataclass, replace

from cases import KEY_COLUMNS, configured_keys
from compare import Comparison, read_events
from servers import END, Failure, Recording, Stopped


@dataclass
class Case:
    """A table and the changes that make the difference, each in a transaction of its own."""

    table: object
    changes: list

    def size(self):
        return len(self.changes) * 4 + len(self.table.columns) + sum(len(c.values) for c in self.changes)

    def with_table(self, table):
        changes = [change.of(table) for change in self.changes]
        return Case(table, [change for change in changes if change])

    def without_columns(self, names):
        return self.with_table(replace(self.table, columns=tuple(c for c in self.table.columns if c.name not in names)))

    def script(self):
        return [*self.table.ddl(), *(change.sql() for change in self.changes)]


def reductions(case, path, mode):
    """Smaller cases that may still differ."""
    key = configured_keys(mode).get((case.table.schema, case.table.name), ())
    needed = {"id", *case.table.key, *case.table.index, *key}
    loose = [c.name for c in case.table.columns if c.name not in needed]
    named = path.partition(".")[2]
    if named in loose and len(loose) > 1:
        yield case.without_columns([name for name in loose if name != named])
    for name in loose:
        yield case.without_columns([name])
    if len(loose) > 3:
        yield case.without_columns(loose[len(loose) // 2:])
        yield case.without_columns(loose[:len(loose) // 2])
    count = len(case.changes)
    for size in dict.fromkeys((count // 2, count // 4, 1)):
        if size:
            for at in range(0, count, size):
                yield Case(case.table, case.changes[:at] + case.changes[at + size:])
    if case.table.identity == "INDEX":
        yield case.with_table(replace(case.table, identity="DEFAULT", index=()))
    for column in case.table.columns:
        if column.default or column.external or column.required and column.name not in needed:
            bare = replace(column, default=None, default_kind=None, external=False, required=False)
            yield case.with_table(replace(
                case.table, columns=tuple(bare if c is column else c for c in case.table.columns)))


def differing(environment, name, cases, mode, strict, path):
    """Of several cases those that still differ at the path, with the difference, smallest first."""
    recording = Recording(environment, name)
    try:
        placed = [case.with_table(replace(case.table, schema=f"s{n}")) for n, case in enumerate(cases)]
        key = configured_keys(mode).get((cases[0].table.schema, cases[0].table.name))
        if key:
            mode = {**mode, KEY_COLUMNS: {f"{c.table.schema}.{c.table.name}": key for c in placed}}
        recording.record([c.table for c in placed], [[change] for c in placed for change in c.changes])
        debezium = read_events(recording.run_engines([mode], 120)[0], END, True)
        weir = read_events(recording.run_weir(0, mode, strict, 120), END, False)
        comparison = Comparison({(c.table.schema, c.table.name): c.table for c in placed}, mode, strict)
        found = {}
        for difference in comparison.run(debezium, weir):
            if difference.rule is None and difference.table is not None and difference.path == path:
                found.setdefault(int(difference.table.schema[1:]), difference)
        results = [(cases[number], difference) for number, difference in found.items()]
        return sorted(results, key=lambda result: result[0].size())
    finally:
        recording.drop()


def shrink(environment, name, case, mode, strict, path, steps=6):
    """The smallest case found, with its difference; None when the case alone does not differ."""
    best, base = None, case
    candidates = [case]
    for step in range(steps):
        try:
            found = differing(environment, f"{name}_{step}", candidates, mode, strict, path)
        except (Failure, Stopped):
            return best
        if not found:
            return best
        best = found[0]
        together = combined(base, [smaller for smaller, _ in found])
        base = best[0]
        smaller = [*together, *reductions(base, path, mode)]
        candidates = [c for c in smaller if c.changes and c.size() < base.size()][:60]
        if not candidates:
            return best
    return best


def combined(base, found):
    """What could be left out of a case alone, left out together: all of it, the columns, the statements."""
    columns = {c.name for c in base.table.columns}
    gone = {name for f in found for name in columns - {c.name for c in f.table.columns}}
    # Some case may be left with the one column that another does without.
    gone -= {name for name in gone if any(len(f.table.columns) < len(columns) // 2 + 1 and f.table.column(name)
                                          for f in found)}
    kept = [c for c in base.changes if all(f.table is not base.table or c in f.changes for f in found)]
    yield Case(base.table, kept).without_columns(gone)
    yield base.without_columns(gone)
    yield Case(base.table, kept)
