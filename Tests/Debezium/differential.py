"""The differential test: the same changes through the real Debezium and through Weir, events compared.

A case is one table with its random types and changes in one mode combination; Weir's events are held against
Debezium's twice, with `strict: true` and without. Before them come the cases of fixed.py and ddl.py. Prints progress,
each difference that no rule of rules.py allows with the smallest case found for it, and a summary. Status: 0 all equal, 1 differences, 2 wrong usage.
"""

import os
import random
import re
import sys
import time
from collections import Counter
from pathlib import Path

from cases import Change, Generator, draw_keys, draw_modes
from catalog import Limits
from compare import Comparison, Difference, read_events
from ddl import ddl_case
from describe import described
from fixed import fixed_cases
from options import read as read_options
from oracle import final_rows, wrong_values
from rules import RULES, has_schemas
from servers import END, Environment, Failure, Recording, Stopped
from shrink import Case, shrink
from values import narrowed, parse

TABLES, MODES, DDL_CASES, TIMEOUT = 32, 4, 4, 180


def say(text):
    print(f"== {text}", file=sys.stderr, flush=True)


class Test:
    def __init__(self, environment, seed, shown):
        self.environment = environment
        self.seed = seed
        self.shown = shown  # differences that are still to be shown and shrunk
        self.seen = set()
        self.tolerated = Counter()
        self.cases = self.events = self.differences = self.refused = 0
        version, _ = environment.sql("postgres", "show server_version_num")
        self.version = int(version)

    def round(self, number, tables, modes):
        rng = random.Random(f"{self.seed}/{number}")
        modes, narrow, words = draw_modes(rng, modes, number == 0)
        plan = Generator(rng, Limits(narrow, words, self.version)).round(tables)
        for mode in modes[1:]:
            draw_keys(rng, mode, plan.tables)
        recording = Recording(self.environment, f"round{number}")
        try:
            recording.record(plan.tables, plan.transactions)
            by_name = {(t.schema, t.name): t for t in plan.tables}
            found = self.examine(recording, f"round {number}, {len(plan.tables)} tables", by_name, modes)
            self.cases += len(plan.tables) * len(modes)
        finally:
            recording.drop()
        for mode, strict, difference in found:
            self.show(f"round {number}", plan, mode, strict, difference)

    def fixed(self, case):
        recording = Recording(self.environment, f"fixed_{case.name}", types=False)
        try:
            recording.record_script(case.setup, case.workload, case.publication)
            tables = described(self.environment, recording.name, self.version)
            found = self.examine(recording, f"fixed case {case.name}", tables, case.modes, case.is_narrowed)
        finally:
            recording.drop()
        for mode, strict, difference in found:
            self.show(f"fixed case {case.name}", None, mode, strict, difference)

    def examine(self, recording, label, tables, modes, is_narrowed=False):
        """The differences of a recording, in each mode and, in the first one, of a snapshot."""
        self.refused += len(recording.refused)
        for line in recording.refused[:3]:
            say(f"refused: {line[:200]}")
        begin = time.monotonic()
        engines = recording.run_engines(modes, TIMEOUT, snapshot=True)
        ended = time.monotonic()
        found, events = [], self.events
        rows = final_rows(self.environment, recording.name, tables.values())
        for index, path in enumerate(engines):
            is_snapshot = index == len(modes)
            mode = modes[0] if is_snapshot else modes[index]
            debezium = read_events(path, END, True, is_snapshot)
            for strict in (True, False):
                try:
                    path = recording.run_weir(index, mode, strict, TIMEOUT, is_snapshot)
                except Stopped as stopped:
                    self.differences += 1
                    print(f"\nDIFFERENCE: Weir stopped where Debezium did not: seed {self.seed}, {label},"
                          f" strict {str(strict).lower()}, mode {mode}\n  {stopped}", flush=True)
                    continue
                weir = read_events(path, END, False, is_snapshot)
                if weir is None:
                    raise Failure(f"weir in mode {mode}: no end mark")
                if not strict:
                    found += self.check(mode, tables, weir, rows)
                found += self.compare(Comparison(tables, mode, strict, is_narrowed and is_snapshot), debezium, weir)
        say(
            f"{label}: {len(modes)} modes, {self.events - events} events, {len(found)} differences;"
            f" Debezium {ended - begin:.1f} s, Weir {time.monotonic() - ended:.1f} s,"
            f" {len(recording.refused)} statements refused")
        return found

    def check(self, mode, tables, weir, rows):
        """Weir's values against PostgreSQL's, where Debezium has none."""
        if {"c", "u"} & set(mode.get("skipped.operations", "t").split(",")):
            return []
        found = []
        for event, place, name, expected, value in wrong_values(weir, rows, has_schemas(mode)):
            self.differences += 1
            path = f"after.{name} (PostgreSQL's own)"
            difference = Difference(path, expected, value, None, tables[place], event.group, [], [event])
            found.append((mode, False, difference))
        return found

    def compare(self, comparison, debezium, weir):
        found = []
        for difference in comparison.run(debezium, weir):
            if difference.rule:
                self.tolerated[difference.rule] += 1
            else:
                self.differences += 1
                found.append((comparison.mode, comparison.strict, difference))
        self.events += comparison.events
        return found

    def show(self, label, plan, mode, strict, difference):
        """The first difference of each kind, with its smallest case."""
        table = difference.table
        place, _, name = difference.path.partition(".")
        column = table.column(name) if table else None
        # Of a type, not of each of its precisions and of each place.
        kind = (column.type.sql.partition("(")[0], column.type.element is None) if column else (place, name)
        if kind in self.seen or self.shown <= 0:
            return
        self.seen.add(kind)
        self.shown -= 1
        print(f"\nDIFFERENCE at {difference.path}: seed {self.seed}, {label}, strict {str(strict).lower()}")
        print(f"mode: {mode}")
        print_difference(difference)
        if table is None or plan is None:
            return
        changes = [step for steps in plan.transactions for step in steps if isinstance(step, Change)]
        changes = [change for change in changes if change.table is table]
        for line in table.ddl():
            print(f"table: {line}")
        for change in matching(changes, difference):
            print(f"statement: {shortened(change.sql())}")
        say(f"making the case of {difference.path} in {table.sql} smaller")
        smallest = shrink(self.environment, f"shrink{len(self.seen)}", Case(table, changes), mode, strict,
                          difference.path)
        if smallest is None:
            print("The table alone, each statement in its own transaction, does not differ.")
            return
        case, difference = smallest
        print("smallest case:")
        for line in case.script():
            print(f"    {shortened(line)};")
        print_difference(difference)
        sys.stdout.flush()


def matching(changes, difference):
    """The statements that an event may come from: those of its row and kind."""
    for event in difference.debezium_events + difference.weir_events:
        if event.value is None:
            continue
        value = parse(event.value)
        kind = {"c": "insert", "u": "update", "d": "delete", "t": "truncate"}.get(value.get("op"))
        rows = [value.get(part).get("id") for part in ("before", "after") if isinstance(value.get(part), list)]
        ids = {int(row.text) for row in rows if hasattr(row, "text")}
        found = [c for c in changes if c.kind == kind and (c.row in ids or int(c.values.get("id", 0)) in ids)]
        if found:
            return found[:3]
    return []


def shortened(text, length=600):
    """A text with the middle of its long runs left out, and its end."""
    text = re.sub(r"""([^\s,"']{60})[^\s,"']{40,}""", r"\1..", text)
    return text if len(text) <= length else f"{text[:length]}... ({len(text)} characters)"


def print_difference(difference):
    debezium, weir = narrowed(difference.debezium, difference.weir)
    print(f"  Debezium: {shortened(debezium)}\n  Weir:     {shortened(weir)}")
    for name, events in (("Debezium", difference.debezium_events), ("Weir", difference.weir_events)):
        for event in events:
            print(f"  {name}'s event: {shortened(event.raw())}")


def main():
    options = read_options()
    given = os.environ
    environment = Environment(
        given["DIFFERENTIAL_HOST"], given["DIFFERENTIAL_PORT"], given["DIFFERENTIAL_PSQL"], sys.executable,
        given["WEIR_BINARY"], Path(given["DIFFERENTIAL_FOLDER"]))
    seed = options.seed if options.seed is not None else int(time.time()) % 10**6
    say(f"seed {seed}, at least {options.cases} cases")
    test = Test(environment, seed, options.shown)
    failures, number = 0, 0
    cases = fixed_cases() + [ddl_case(random.Random(f"{seed}/ddl{n}"), n) for n in range(DDL_CASES)]
    for case in cases:
        try:
            if test.version >= case.since:
                test.fixed(case)
        except Failure as failure:
            failures += 1
            print(f"FAILURE: fixed case {case.name}: {failure}", flush=True)
    while test.cases < options.cases and failures < 3:
        left = options.cases - test.cases
        try:
            test.round(number, min(TABLES, left), MODES if left > TABLES else 1)
        except Failure as failure:
            failures += 1
            print(f"FAILURE: seed {seed}, round {number}: {failure}", flush=True)
        number += 1
    for rule, count in sorted(test.tolerated.items()):
        print(f"{count:8} {rule}: {RULES[rule]}")
    print(
        f"{test.cases} cases, {test.events} events compared, {test.differences} differences,"
        f" {sum(test.tolerated.values())} tolerated by rule (seed {seed}, {test.refused} statements refused)"
        + (f"; {failures} rounds FAILED" if failures else ""))
    sys.exit(1 if test.differences or failures else 0)


main()
