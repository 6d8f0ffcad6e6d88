"""Compares what Debezium and Weir made of the same changes, event by event.

Equal means: the same characters, but for what differs from run to run (`normal`). What else may differ is a rule of
rules.py with a name.
"""

import json
import operator
import re
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher

from cases import configured_keys
from rules import ValueRules
from schemas import fits, split, widened, without_fields
from values import MISSING, Object, parse, show


@dataclass
class Event:
    """One message; `value` and `key` are texts with what changes from run to run taken out."""

    topic: str
    key: str | None
    value: str | None
    headers: dict
    group: tuple = ()
    schemas: dict = field(default_factory=dict)  # of the parts that have one: {part: text}

    def raw(self):
        headers = "".join(f"\n  {name}: {value}" for name, value in self.headers.items())
        return f"{self.topic} {self.key}\n  {self.value}{headers}"


def normal(value, is_snapshot=False):
    """Without Debezium's version and without the times at which an event was processed: those outside `source`, and
    those inside of a message that belongs to no transaction. Of a snapshot, which each takes at its own time, without
    its position."""
    if value is None:
        return None
    value = re.sub(r'"version":"[^"]*"', '"version":"V"', value, count=1)
    if is_snapshot:
        head, _, tail = value.rpartition('"source":{')
        tail = re.sub(r'"(ts_ms|ts_us|ts_ns|txId|lsn)":\d+', r'"\1":0', tail)
        value = f'{head}"source":{{' + re.sub(r'"sequence":"[^,]*,[^,]*",', '"sequence":"",', tail)
    value = re.sub(r'"ts_ms":\d+,"ts_us":\d+,"ts_ns":\d+\}$', '"ts_ms":0,"ts_us":0,"ts_ns":0}', value)
    if value.startswith('{"op":"m"') and '"txId":null' in value:
        value = re.sub(r'"ts_(ms|us|ns)":\d+', r'"ts_\1":0', value)
    return re.sub(r'^\{"op":"m","ts_ms":\d+', '{"op":"m","ts_ms":0', value)


def group_of(topic, value, previous):
    """What an event is about: the transaction for its own events, else position and table."""
    if value is None:
        return previous  # a tombstone
    parsed = parse(value)
    if topic.endswith(".transaction"):
        return ("transaction", parsed.get("status"), parsed.get("id"))
    source = parsed.get("source")
    return ("change", source.get("lsn").text, source.get("schema"), source.get("table"))


def read_events(path, end_prefix, is_engine, is_snapshot=False):
    """The events of a file up to the end mark, None when there is no mark, or all of a snapshot. The engine's lines hold
    key and value as texts, Weir's as JSON, whose text is taken as it is written."""
    end_key = json.dumps({"prefix": end_prefix}, separators=(",", ":"))
    events, group = [], ()
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if not is_engine:
                record = raw_members(line)
                record["topic"] = json.loads(record["topic"])
                record["headers"] = raw_members(record["headers"])
            parts = {"key": split(record["key"]), "value": split(record["value"])}
            key, value = parts["key"][1], parts["value"][1]
            if key == end_key:
                return events
            headers = {
                name: text for name, text in record["headers"].items()
                if not name.startswith(("weir-", "__debezium.context."))
            }
            parts |= {name: split(text) for name, text in headers.items()}
            headers = {name: parts[name][1] for name in headers}
            schemas = {name: schema for name, (schema, _) in parts.items() if schema}
            value = normal(value, is_snapshot)
            group = group_of(record["topic"], value, group)
            events.append(Event(record["topic"], key, value, headers, group, schemas))
    return events if is_snapshot else None


def raw_members(line):
    """The members of a JSON object as they are written: {name: text, or None for null}."""
    decoder, texts, at = json.JSONDecoder(), {}, 1
    while line[at] != "}":
        name, at = decoder.raw_decode(line, at)
        begin = at + 1
        _, at = decoder.raw_decode(line, begin)
        text = line[begin:at]
        texts[name] = None if text == "null" else text
        at += line[at] == ","
    return texts


@dataclass
class Difference:
    """Where two events differ. `rule` names what allows it, None when nothing does."""

    path: str
    debezium: object
    weir: object
    rule: str | None = None
    table: object = None
    group: tuple = ()
    debezium_events: list = field(default_factory=list)
    weir_events: list = field(default_factory=list)


class Comparison:
    """Of one mode of Weir with Debezium's events. `tables` is {(schema, name): Table}. With `is_narrowed` it is a
    snapshot through a publication that narrows what is read (rule snapshot-publication)."""

    def __init__(self, tables, mode, strict, is_narrowed=False):
        self.tables = tables
        self.mode = mode
        self.strict = strict
        self.is_narrowed = is_narrowed
        self.keys = configured_keys(mode)
        self.rules = ValueRules(mode, strict)
        self.differences = []
        self.events = 0
        self.shifts = {}  # of a transaction: {collection or None: events that Debezium has more}
        self.table = None
        self.source = None  # of the event at hand
        self.operation = None

    def run(self, debezium, weir):
        left, right = grouped(debezium), grouped(weir)
        matcher = SequenceMatcher(None, [g for g, _ in left], [g for g, _ in right], autojunk=False)
        for tag, a, b, c, d in matcher.get_opcodes():
            if tag == "equal":
                for (group, ours), (_, theirs) in zip(left[a:b], right[c:d]):
                    self.compare_group(group, ours, theirs)
                continue
            for group, events in left[a:b]:
                self.add_missing(group, events, [])
            for group, events in right[c:d]:
                self.add_missing(group, [], events)
        return self.differences

    def add_missing(self, group, debezium, weir):
        self.table = self.tables.get(tuple(group[2:4])) if group and group[0] == "change" else None
        self.events += max(len(debezium), len(weir))
        rule = "snapshot-publication" if self.is_narrowed and not weir else None
        self.differences.append(Difference(
            "events", len(debezium), len(weir), rule, self.table, group, debezium, weir))

    def tolerate(self, rule, path, debezium, weir):
        self.differences.append(Difference(path, MISSING, MISSING, rule, self.table, (), debezium, weir))

    def compare_group(self, group, debezium, weir):
        self.table = self.tables.get(tuple(group[2:4])) if group[0] == "change" else None
        self.events += max(len(debezium), len(weir))
        begin = len(self.differences)
        if self.is_narrowed and len(debezium) > len(weir):
            kept = {event.key for event in weir}
            self.tolerate("snapshot-publication", "events", debezium, weir)
            debezium = [event for event in debezium if event.key in kept]
        if not self.strict and self.table:
            debezium, weir = self.reconcile(debezium, weir)
        if len(debezium) != len(weir):
            self.differences.append(Difference("events", len(debezium), len(weir)))
        else:
            for ours, theirs in zip(debezium, weir):
                self.compare_event(ours, theirs)
        for difference in self.differences[begin:]:
            difference.table, difference.group = self.table, group
            difference.debezium_events, difference.weir_events = debezium, weir

    # Rules about whole events, without `strict: true` only.

    def reconcile(self, debezium, weir):
        if len(debezium) == len(weir) + 1 and weir[-1].value is not None \
                and debezium[-1].value is None and debezium[-1].key is None and weir[-1].key is None:
            self.tolerate("tombstone-without-key", "events", debezium, weir)
            debezium = debezium[:-1]
        key = self.configured_key()
        if key is None and self.table.has_index_key():
            return debezium, self.with_primary_key(debezium, weir)
        if key is not None and not set(key) <= self.table.identity_columns():
            return self.without_key_change(debezium, weir), weir
        return debezium, weir

    def configured_key(self):
        return self.keys.get((self.table.schema, self.table.name))

    def with_primary_key(self, debezium, weir):
        """Rule index-key: Weir's keys are made of the index's columns, with the values of their rows. Its events with
        Debezium's keys in their place."""
        if len(debezium) != len(weir):
            return weir
        rows = [self.row_of(event) for event in weir]
        replaced = []
        for place, (ours, theirs) in enumerate(zip(debezium, weir)):
            # A tombstone is about the row of the event before it.
            row = rows[place] if theirs.value is not None else rows[place - 1] if place else None
            if theirs.key is None or row is None:
                replaced.append(theirs)
                continue
            headers = {}
            for name, text in theirs.headers.items():
                # The row of the other key's event, unless that event is skipped.
                other = weir[-1] if name == "__debezium.newkey" else weir[0]
                is_there = other.value is not None and other is not theirs
                is_right = name in ours.headers and (
                    is_same(text, self.index_key(self.row_of(other))) if is_there
                    else parse(text).names() == list(self.table.index))
                headers[name] = ours.headers[name] if is_right else text
            key = ours.key if is_same(theirs.key, self.index_key(row)) else theirs.key
            replaced.append(replace(theirs, key=key, headers=headers))
        if any(new is not old for new, old in zip(replaced, weir)):
            self.tolerate("index-key", "key", debezium, weir)
        return replaced

    def row_of(self, event):
        if event.value is None:
            return None
        value = parse(event.value)
        return value.get("after") if isinstance(value.get("after"), Object) else value.get("before")

    def index_key(self, row):
        if not isinstance(row, Object):
            return None
        return Object((name, row.get(name)) for name in self.table.index)

    def without_key_change(self, debezium, weir):
        """Rule configured-key: Debezium takes a key whose old values were not sent for a changed one. The event that
        both have is the new row, which Debezium calls created."""
        operations = [parse(e.value).get("op") if e.value else None for e in debezium]
        if len(weir) != 1 or weir[0].value is None or parse(weir[0].value).get("op") != "u" \
                or operations not in (["d", None, "c"], ["d", "c"]):
            return debezium
        self.tolerate("configured-key", "events", debezium, weir)
        created, updated = debezium[-1], weir[0]
        self.shift(parse(created.value))
        value = created.value.replace('"op":"c"', '"op":"u"')
        if isinstance(parse(updated.value).get("before"), Object):
            whole = re.match(r'\{"before":(.*?),"after":', updated.value, re.S).group(1)
            value = value.replace('{"before":null', '{"before":' + whole, 1)
        return [Event(created.topic, created.key, value, {}, created.group, updated.schemas)]

    def shift(self, value):
        transaction = value.get("transaction")
        if isinstance(transaction, Object):
            counts = self.shifts.setdefault(transaction_id(transaction), {})
            collection = f"{self.table.schema}.{self.table.name}"
            counts[None] = counts.get(None, 0) + 1
            counts[collection] = counts.get(collection, 0) + 1

    # Events

    def differ(self, path, debezium, weir, rule=None):
        self.differences.append(Difference(path, debezium, weir, rule))

    def compare_event(self, debezium, weir):
        if (debezium.topic, debezium.key, debezium.value, debezium.headers, debezium.schemas) \
                == (weir.topic, weir.key, weir.value, weir.headers, weir.schemas):
            return
        begin = len(self.differences)
        self.operation = parse(weir.value).get("op") if weir.value else None
        if debezium.topic != weir.topic:
            self.differ("topic", debezium.topic, weir.topic)
        self.compare_headers(debezium.headers, weir.headers)
        self.compare_schemas(debezium.schemas, weir.schemas)
        for part in ("key", "value"):
            ours, theirs = getattr(debezium, part), getattr(weir, part)
            if ours == theirs:
                continue
            if ours is None or theirs is None:
                self.differ(part, ours, theirs)
            elif part == "key":
                self.compare_texts(part, ours, theirs, lambda a, b: self.compare_row("key", a, b))
            elif debezium.topic.endswith(".transaction"):
                self.compare_texts(part, ours, theirs, self.compare_transaction)
            else:
                self.compare_texts(part, ours, theirs, self.compare_value)
        if len(self.differences) == begin:
            self.differ("event", debezium.raw(), weir.raw())

    def compare_texts(self, part, debezium, weir, compare):
        """Two JSON texts by their parts; when those are equal, the characters are spelled differently."""
        known = len(self.differences)
        compare(parse(debezium), parse(weir))
        if len(self.differences) == known:
            self.differ(f"{part} (spelling)", debezium, weir)

    def compare_headers(self, debezium, weir):
        if list(debezium) != list(weir):
            self.differ("headers", list(debezium), list(weir))
            return
        for name, text in debezium.items():
            if text != weir[name]:
                # Both as JSON here: the engine's header converter is the JSON one.
                self.compare_texts("headers", text, weir[name], lambda a, b: self.compare_row("headers", a, b))

    def compare_schemas(self, debezium, weir):
        for part in dict.fromkeys([*debezium, *weir]):
            ours, theirs = debezium.get(part), weir.get(part)
            if ours != theirs:
                rule = None
                if not self.strict and widened(ours, theirs):
                    rule = "schema"
                elif self.lacks_generated(ours, theirs):
                    rule = "snapshot-generated"
                elif self.is_narrowed and part == "value":
                    rule = "snapshot-publication"
                elif not self.strict and part != "value" and self.table and self.table.has_index_key():
                    rule = "index-key"
                self.differ(f"schema of {part}", ours, theirs, rule)

    def lacks_generated(self, debezium, weir):
        """Rule snapshot-generated: whether Weir's schema is Debezium's without the generated columns."""
        if debezium is None or weir is None or self.table is None or self.operation != "r":
            return False
        generated = {column.name for column in self.table.columns if column.generated}
        return bool(generated) and (fits if not self.strict else operator.eq)(
            without_fields(json.loads(debezium), generated), json.loads(weir))

    def compare_value(self, debezium, weir):
        if debezium.names() != weir.names():
            self.differ("fields", debezium.names(), weir.names())
            return
        self.source = weir.get("source")
        for (name, ours), (_, theirs) in zip(debezium, weir):
            if ours == theirs and show(ours) == show(theirs):
                continue
            if name in ("before", "after") and isinstance(ours, Object) and isinstance(theirs, Object):
                self.compare_row(name, ours, theirs)
            elif name in ("source", "transaction") and isinstance(ours, Object) and isinstance(theirs, Object) \
                    and ours.names() == theirs.names():
                for (field_name, left), (_, right) in zip(ours, theirs):
                    if show(left) != show(right):
                        rule = self.envelope_rule(name, field_name, left, right, ours)
                        self.differ(f"{name}.{field_name}", left, right, rule)
            else:
                self.differ(name, ours, theirs)

    def envelope_rule(self, part, name, debezium, weir, whole):
        if part == "transaction" and name == "data_collection_order" and self.operation == "m":
            return "message-collection"
        if part == "source" and name == "snapshot" and self.is_narrowed:
            return "snapshot-publication"
        if part == "source" and name in ("origin", "origin_lsn") and not self.strict and weir is None \
                and self.operation == "m" and self.source.get("txId") is None:
            return "stale-origin"
        counts = self.shifts.get(transaction_id(whole)) if part == "transaction" else None
        if counts and (name == "total_order" or name == "data_collection_order" and self.table):
            collection = None if name == "total_order" else f"{self.table.schema}.{self.table.name}"
            if int(debezium.text) - int(weir.text) == counts.get(collection, 0):
                return "configured-key"
        return None

    def compare_transaction(self, debezium, weir):
        if debezium.names() != weir.names():
            self.differ("fields", debezium.names(), weir.names())
            return
        counts = self.shifts.get(transaction_id(debezium), {})
        for (name, ours), (_, theirs) in zip(debezium, weir):
            if show(ours) == show(theirs):
                continue
            if name == "event_count" and int(ours.text) - int(theirs.text) == counts.get(None, -1):
                self.differ(name, ours, theirs, "configured-key")
            elif name == "data_collections":
                self.compare_collections(ours, theirs, counts)
            else:
                self.differ(name, ours, theirs)

    def compare_collections(self, debezium, weir, counts):
        def pairs(list_):
            return [(item.get("data_collection"), int(item.get("event_count").text)) for item in list_]

        def is_message(name):
            return re.fullmatch(r"io\.debezium\.[\w.$]*LogicalDecodingMessage[\w$]*@[0-9a-f]+", name)

        ours, theirs = pairs(debezium), pairs(weir)
        merged = {}
        for name, count in ours:
            name = "message" if is_message(name) else name
            merged[name] = merged.get(name, 0) + count
        rules = ["message-collection"] if any(is_message(name) for name, _ in ours) else []
        rules += ["configured-key"] if counts else []
        shifted = {name: count - counts.get(name, 0) for name, count in merged.items()}
        if not rules or shifted != dict(theirs):
            self.differ("data_collections", debezium, weir)
        for rule in rules:
            self.differ("data_collections", debezium, weir, rule)

    def compare_row(self, place, debezium, weir):
        if place in ("key", "headers") and not self.same_columns(debezium, weir):
            self.differ(f"{place} (columns)", debezium, weir)
            return
        known = [name for name in weir.names() if debezium.get(name) is not MISSING]
        if known != [name for name in debezium.names() if weir.get(name) is not MISSING]:
            self.differ(f"{place} (order)", debezium.names(), weir.names())
            return
        for name in dict.fromkeys(debezium.names() + weir.names()):
            ours, theirs = debezium.get(name), weir.get(name)
            if ours is MISSING or theirs is MISSING or show(ours) != show(theirs):
                column = self.table.column(name) if self.table else None
                if self.is_narrowed and theirs is MISSING and place == "after":
                    self.differ(f"{place}.{name}", ours, theirs, "snapshot-publication")
                    continue
                rule = column and self.rules.rule(column, ours, theirs, self.operation == "r")
                if rule is None and place in ("key", "headers") and self.is_configured_old(name):
                    rule = "configured-key"
                self.differ(f"{place}.{name}", ours, theirs, rule)

    def is_configured_old(self, name):
        """Whether a key's column was configured and is none of the old values."""
        return not self.strict and self.table is not None and name in (self.configured_key() or ()) \
            and name not in self.table.identity_columns()

    def same_columns(self, debezium, weir):
        """Whether two keys are made of the same columns, those aside that Debezium does not know."""
        unknown = [name for name in weir.names() if self.table and self.table.column(name)
                   and not self.table.column(name).type.known]
        return debezium.names() == [name for name in weir.names() if self.strict or name not in unknown]


def is_same(text, value):
    return value is not None and show(parse(text)) == show(value)


def transaction_id(value):
    """The transaction of a block or event: the first part of its id, the second is a position."""
    return value.get("id").partition(":")[0]


def grouped(events):
    groups = []
    for event in events:
        if groups and groups[-1][0] == event.group:
            groups[-1][1].append(event)
        else:
            groups.append((event.group, [event]))
    return groups
