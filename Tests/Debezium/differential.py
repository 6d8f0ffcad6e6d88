"""The differential test: the same random changes through the real Debezium and through Weir, events compared.

A case is one table with its random types and changes in one mode combination; Weir's events are held against
Debezium's twice, with `strict: true` and without. Prints progress, each difference that no rule of compare.py allows
with the smallest case found for it, and a summary. Status: 0 all equal, 1 differences, 2 wrong usage.
"""

import argparse
import os
import random
import re
import sys
import time
from collections import Counter
from pathlib import Path

from cases import Change, Generator, draw_modes
from catalog import Limits
from compare import RULES, Comparison, narrowed, parse, read_events
from servers import END, Environment, Failure, Recording, Stopped
from shrink import Case, shrink

TABLES, MODES, TIMEOUT = 32, 4, 180


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
        recording = Recording(self.environment, f"round{number}")
        try:
            begin = time.monotonic()
            recording.record(plan.tables, plan.transactions)
            self.refused += len(recording.refused)
            for line in recording.refused[:3]:
                say(f"refused: {line[:200]}")
            recorded = time.monotonic()
            engines = recording.run_engines(modes, TIMEOUT)
            ended = time.monotonic()
            found, events = [], self.events
            for index, mode in enumerate(modes):
                debezium = read_events(engines[index], END, True)
                for strict in (True, False):
                    try:
                        weir = read_events(recording.run_weir(index, mode, strict, TIMEOUT), END, False)
                    except Stopped as stopped:
                        self.differences += 1
                        print(f"\nDIFFERENCE: Weir stopped where Debezium did not: seed {self.seed}, round {number},"
                              f" strict {str(strict).lower()}, mode {mode}\n  {stopped}", flush=True)
                        continue
                    if weir is None:
                        raise Failure(f"weir in mode {mode}: no end mark")
                    found += self.compare(plan, mode, strict, debezium, weir)
                self.cases += len(plan.tables)
            say(
                f"round {number}: {len(plan.tables)} tables, {len(modes)} modes, {self.events - events} events,"
                f" {len(found)} differences; changes {recorded - begin:.1f} s, Debezium {ended - recorded:.1f} s,"
                f" Weir {time.monotonic() - ended:.1f} s, {len(recording.refused)} statements refused")
        finally:
            recording.drop()
        for mode, strict, difference in found:
            self.show(number, plan, mode, strict, difference)

    def compare(self, plan, mode, strict, debezium, weir):
        comparison = Comparison({(t.schema, t.name): t for t in plan.tables}, mode, strict)
        found = []
        for difference in comparison.run(debezium, weir):
            if difference.rule:
                self.tolerated[difference.rule] += 1
            else:
                self.differences += 1
                found.append((mode, strict, difference))
        self.events += comparison.events
        return found

    def show(self, number, plan, mode, strict, difference):
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
        print(f"\nDIFFERENCE at {difference.path}: seed {self.seed}, round {number}, strict {str(strict).lower()}")
        print(f"mode: {mode}")
        print_difference(difference)
        if table is None:
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


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def arguments():
    parser = argparse.ArgumentParser(prog="Tests/run.sh --debezium", description=__doc__)
    parser.add_argument("--cases", type=positive, default=500, help="at least that many cases (default: 500)")
    parser.add_argument("--seed", type=int, help="of the random tables and changes (default: from the clock)")
    parser.add_argument("--shown", type=int, default=5, help="differences that are shown and made smaller (default: 5)")
    return parser.parse_args()


def main():
    options = arguments()
    given = os.environ
    environment = Environment(
        given["DIFFERENTIAL_HOST"], given["DIFFERENTIAL_PORT"], given["DIFFERENTIAL_PSQL"], sys.executable,
        given["WEIR_BINARY"], Path(given["DIFFERENTIAL_FOLDER"]))
    seed = options.seed if options.seed is not None else int(time.time()) % 10**6
    say(f"seed {seed}, at least {options.cases} cases")
    test = Test(environment, seed, options.shown)
    failures, number = 0, 0
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
