"""Compares what Debezium and Weir made of the same changes, event by event.

Equal means: the same characters, but for what differs from run to run (`normal`). What else may differ is a rule with a
name; each is a row of the tables "Where Weir differs from Debezium" in EventFormat.md, quoted in RULES.
"""

import json
import re
import struct
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from schemas import split, widened

# Rows of the first table: only without `strict: true`.
LOOSE = {
    "name": "`name` while streaming",
    "unknown-type": "composites, multiranges, pg_lsn, ... other types",
    "unknown-array": "money[], name[], ... arrays of domains and of the types above",
    "several-dimensions": "arrays of several dimensions",
    "time-array": "time[], timetz[]",
    "calendar-array": "date[], timestamp[], timestamptz[] before 1582 or Christ, infinite date[]",
    "null-with-default": "NULL in a column with a default",
    "interval": "interval",
    "timestamp-overflow": "timestamp in µs after the year 294246",
    "timestamp-nanoseconds": "timestamp in ns outside 1677 to 2262",
    "negative-scale": "numeric with negative scale",
    "numeric-words": "NaN, infinity in numeric",
    "hstore-order": "objects made of hstore",
    "tombstone-without-key": "tombstone of a table without key",
    "schema": "schemas of columns and of items of arrays",
    "placeholder": "placeholder of bytea in base64 modes, of bytea[] unless bytes, of date[] in connect and isostring",
}
# Rows of the second table: with `strict: true` too.
STRICT = {
    "float-digits": "float4, float8",
    "negative-scale-string": "numeric with negative scale, decimal string",
    "expression-default": "fallback of a NOT NULL column whose default is an expression",
    "message-collection": "transaction metadata: name of the collection of logical messages",
    "empty-transaction": "`transaction` events of a transaction without an event (all filtered)",
    "origin-lsn": "`origin_lsn`",
    "key-outside-identity": "old key in a key change when the key is not the replica identity",
    "inner-array-identity": "inner arrays of text-like elements",
}
RULES = {**LOOSE, **STRICT}
MISSING = object()


@dataclass(frozen=True)
class Number:
    """A number as it is spelled."""

    text: str


class Object(list):
    """The pairs of a JSON object, in order."""

    def get(self, name):
        return next((value for key, value in self if key == name), MISSING)

    def names(self):
        return [key for key, _ in self]


def parse(text):
    return json.loads(
        text, parse_float=Number, parse_int=Number, parse_constant=Number, object_pairs_hook=Object)


def plain(value):
    """As Python has it: order and spelling forgotten."""
    if isinstance(value, Object):
        return {key: plain(item) for key, item in value}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return float(value.text) if isinstance(value, Number) else value


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


def normal(value):
    """Without Debezium's version and without the times at which an event was processed: those outside `source`, and
    those inside of a message that belongs to no transaction."""
    if value is None:
        return None
    value = re.sub(r'"version":"[^"]*"', '"version":"V"', value, count=1)
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


def read_events(path, end_prefix, is_engine):
    """The events of a file up to the end mark, None when there is no mark. The engine's lines hold key and value as
    texts, Weir's as JSON, whose text is taken as it is written."""
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
            value = normal(value)
            group = group_of(record["topic"], value, group)
            events.append(Event(record["topic"], key, value, headers, group, schemas))
    return None


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


def show(value):
    """A value as JSON, numbers as they were spelled."""
    if value is MISSING:
        return "(no field)"
    if isinstance(value, Number):
        return value.text
    if isinstance(value, Object):
        return "{" + ",".join(f"{json.dumps(key)}:{show(item)}" for key, item in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(show, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def narrowed(debezium, weir):
    """Of two arrays of the same length the first items that differ: (text, text)."""
    if isinstance(debezium, list) and isinstance(weir, list) and not isinstance(debezium, Object) \
            and len(debezium) == len(weir) > 3:
        pairs = [(n, a, b) for n, (a, b) in enumerate(zip(debezium, weir)) if show(a) != show(b)][:4]
        return tuple(", ".join(f"[{pair[0]}] {show(pair[side])}" for pair in pairs) for side in (1, 2))
    return show(debezium), show(weir)


def same_number(debezium, weir, single):
    try:
        left, right = float(debezium.text), float(weir.text)
        return left == right or single and struct.pack("f", left) == struct.pack("f", right)
    except (OverflowError, ValueError):
        return False


def same_but_digits(debezium, weir, single):
    """Whether two values differ in the spelling of numbers only."""
    if isinstance(debezium, Number) and isinstance(weir, Number):
        return same_number(debezium, weir, single)
    if isinstance(debezium, Object) and isinstance(weir, Object):
        return debezium.names() == weir.names() and all(
            same_but_digits(a, b, single) for (_, a), (_, b) in zip(debezium, weir))
    if isinstance(debezium, list) and isinstance(weir, list):
        return len(debezium) == len(weir) and all(same_but_digits(a, b, single) for a, b in zip(debezium, weir))
    return type(debezium) is type(weir) and debezium == weir


class Comparison:
    """Of one mode of Weir with Debezium's events. `tables` is {(schema, name): Table}."""

    def __init__(self, tables, mode, strict):
        self.tables = tables
        self.mode = mode
        self.strict = strict
        self.differences = []
        self.events = 0
        self.shifts = {}  # of a transaction: {collection or None: events that Debezium has more}
        self.table = None
        self.is_message = False

    def run(self, debezium, weir):
        debezium = self.without_empty_transactions(debezium, weir)
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
        self.differences.append(Difference(
            "events", len(debezium), len(weir), None, self.table, group, debezium, weir))

    def without_empty_transactions(self, debezium, weir):
        """Rule empty-transaction: BEGIN and END with nothing between, where Weir has neither."""
        present = {event.group for event in weir if event.topic.endswith(".transaction")}
        kept, at = [], 0
        while at < len(debezium):
            pair = debezium[at:at + 2]
            if len(pair) == 2 and all(e.topic.endswith(".transaction") and e.group not in present for e in pair) \
                    and [e.group[1] for e in pair] == ["BEGIN", "END"] \
                    and '"event_count":0' in pair[1].value:
                self.tolerate("empty-transaction", "events", pair, [])
                at += 2
            else:
                kept.append(debezium[at])
                at += 1
        return kept

    def tolerate(self, rule, path, debezium, weir):
        self.differences.append(Difference(path, MISSING, MISSING, rule, self.table, (), debezium, weir))

    def compare_group(self, group, debezium, weir):
        self.table = self.tables.get(tuple(group[2:4])) if group[0] == "change" else None
        self.events += max(len(debezium), len(weir))
        begin = len(self.differences)
        debezium, weir = self.reconcile(debezium, weir)
        if len(debezium) != len(weir):
            self.differences.append(Difference("events", len(debezium), len(weir)))
        else:
            for ours, theirs in zip(debezium, weir):
                self.compare_event(ours, theirs)
        for difference in self.differences[begin:]:
            difference.table, difference.group = self.table, group
            difference.debezium_events, difference.weir_events = debezium, weir

    def reconcile(self, debezium, weir):
        """Rules about whole events."""
        if not self.strict and self.table and len(debezium) == len(weir) + 1 and weir[-1].value is not None \
                and debezium[-1].value is None and debezium[-1].key is None and weir[-1].key is None:
            self.tolerate("tombstone-without-key", "events", debezium, weir)
            debezium = debezium[:-1]
        if not self.table or self.table.identity != "INDEX" or set(self.table.key) <= set(self.table.index):
            return debezium, weir
        operations = [parse(e.value).get("op") if e.value else None for e in debezium]
        if len(weir) == 1 and parse(weir[0].value).get("op") == "u" and operations in (["d", None, "c"], ["d", "c"]):
            # The event that both have: the new row, which Debezium calls created.
            self.tolerate("key-outside-identity", "events", debezium, weir)
            self.shift(parse(debezium[-1].value))
            created, updated = debezium[-1], weir[0]
            before = parse(updated.value).get("before")
            value = created.value.replace('"op":"c"', '"op":"u"')
            if before is not MISSING and before is not None:
                whole = re.match(r'\{"before":(.*?),"after":', updated.value, re.S).group(1)
                value = value.replace('{"before":null', '{"before":' + whole, 1)
            return [Event(created.topic, created.key, value, {}, created.group, weir[0].schemas)], weir
        return debezium, weir

    def shift(self, value):
        transaction = value.get("transaction")
        if isinstance(transaction, Object):
            counts = self.shifts.setdefault(transaction.get("id"), {})
            collection = f"{self.table.schema}.{self.table.name}"
            counts[None] = counts.get(None, 0) + 1
            counts[collection] = counts.get(collection, 0) + 1

    def differ(self, path, debezium, weir, rule=None):
        self.differences.append(Difference(path, debezium, weir, rule))

    def compare_event(self, debezium, weir):
        if (debezium.topic, debezium.key, debezium.value, debezium.headers, debezium.schemas) \
                == (weir.topic, weir.key, weir.value, weir.headers, weir.schemas):
            return
        begin = len(self.differences)
        if debezium.topic != weir.topic:
            self.differ("topic", debezium.topic, weir.topic)
        self.compare_headers(debezium.headers, weir.headers)
        for part in dict.fromkeys([*debezium.schemas, *weir.schemas]):
            ours, theirs = debezium.schemas.get(part), weir.schemas.get(part)
            if ours != theirs:
                rule = "schema" if not self.strict and widened(ours, theirs) else None
                self.differ(f"schema of {part}", ours, theirs, rule)
        for part in ("key", "value"):
            ours, theirs = getattr(debezium, part), getattr(weir, part)
            if ours == theirs:
                continue
            if ours is None or theirs is None:
                self.differ(part, ours, theirs)
            elif part == "key":
                self.compare_texts(part, ours, theirs, lambda a, b: self.compare_row("key", a, b, None))
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
            same = combined(debezium) == weir
            self.differ(f"{part} ({'characters beyond U+FFFF' if same else 'spelling'})", debezium, weir)

    def compare_headers(self, debezium, weir):
        if list(debezium) != list(weir):
            self.differ("headers", list(debezium), list(weir))
            return
        for name, text in debezium.items():
            if text != weir[name]:
                # Both as JSON here: the engine's header converter is the JSON one.
                self.compare_texts("headers", text, weir[name], lambda a, b: self.compare_row("headers", a, b, None))

    def compare_value(self, debezium, weir):
        if debezium.names() != weir.names():
            self.differ("fields", debezium.names(), weir.names())
            return
        operation = debezium.get("op")
        self.is_message = operation == "m"
        for (name, ours), (_, theirs) in zip(debezium, weir):
            if ours == theirs and show(ours) == show(theirs):
                continue
            if name in ("before", "after") and isinstance(ours, Object) and isinstance(theirs, Object):
                self.compare_row(name, ours, theirs, operation)
            elif name in ("source", "transaction") and isinstance(ours, Object) and isinstance(theirs, Object) \
                    and ours.names() == theirs.names():
                for (field_name, left), (_, right) in zip(ours, theirs):
                    if show(left) != show(right):
                        rule = self.envelope_rule(name, field_name, left, right, ours)
                        self.differ(f"{name}.{field_name}", left, right, rule)
            else:
                self.differ(name, ours, theirs)

    def envelope_rule(self, part, name, debezium, weir, whole):
        if (part, name) == ("source", "origin_lsn") and weir is None:
            return "origin-lsn"
        if part == "transaction" and name == "data_collection_order" and self.is_message:
            return "message-collection"
        counts = self.shifts.get(whole.get("id")) if part == "transaction" else None
        if counts and (name == "total_order" or name == "data_collection_order" and self.table):
            collection = None if name == "total_order" else f"{self.table.schema}.{self.table.name}"
            if int(debezium.text) - int(weir.text) == counts.get(collection, 0):
                return "key-outside-identity"
        return None

    def compare_transaction(self, debezium, weir):
        if debezium.names() != weir.names():
            self.differ("fields", debezium.names(), weir.names())
            return
        counts = self.shifts.get(debezium.get("id"), {})
        for (name, ours), (_, theirs) in zip(debezium, weir):
            if show(ours) == show(theirs):
                continue
            if name == "event_count" and int(ours.text) - int(theirs.text) == counts.get(None, -1):
                self.differ(name, ours, theirs, "key-outside-identity")
            elif name == "data_collections":
                self.compare_collections(ours, theirs, counts)
            else:
                self.differ(name, ours, theirs)

    def compare_collections(self, debezium, weir, counts):
        def pairs(list_):
            return [(item.get("data_collection"), int(item.get("event_count").text)) for item in list_]

        def is_message(name):
            return "LogicalDecodingMessage" in name or re.fullmatch(r".*@[0-9a-f]+", name)

        ours, theirs = pairs(debezium), pairs(weir)
        if sorted(ours) == sorted(theirs):
            self.differ("data_collections", debezium, weir)  # Only the order.
            return
        renamed = [("message" if is_message(name) else name, count) for name, count in ours]
        merged = {}
        for name, count in renamed:
            merged[name] = merged.get(name, 0) + count
        if any(is_message(name) for name, _ in ours):
            self.differ("data_collections", debezium, weir, "message-collection")
        if counts:
            self.differ("data_collections", debezium, weir, "key-outside-identity")
        shifted = {name: count - counts.get(name, 0) for name, count in merged.items()}
        if shifted != dict(theirs):
            self.differ("data_collections", debezium, weir)

    def compare_row(self, place, debezium, weir, operation):
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
                rule = column and self.column_rule(column, place, operation, ours, theirs)
                self.differ(f"{place}.{name}", ours, theirs, rule)

    def same_columns(self, debezium, weir):
        """Whether two keys are made of the same columns, those aside that Debezium does not know."""
        unknown = [name for name in weir.names() if self.table and self.table.column(name)
                   and not self.table.column(name).type.known]
        return debezium.names() == [name for name in weir.names() if self.strict or name not in unknown]

    def column_rule(self, column, place, operation, debezium, weir):
        kind = column.type
        leaf = kind.element or kind
        if debezium is not MISSING and weir is not MISSING:
            rule = self.strict_rule(column, leaf, place, operation, debezium, weir)
            if rule:
                return rule
        return None if self.strict else self.loose_rule(column, kind, leaf, debezium, weir)

    def strict_rule(self, column, leaf, place, operation, debezium, weir):
        if column.type.element and isinstance(debezium, list) and isinstance(weir, str | list) \
                and any(isinstance(item, str) and re.match(r"\[Ljava\.lang\.\w+;@", item) for item in debezium) \
                and (not self.strict or weir == [None] * len(debezium)):
            return "inner-array-identity"
        is_double = leaf.family in ("float4", "float8", "point") or self.mode.get("decimal") == "double" \
            and leaf.family in ("numeric", "negative_scale", "money", "domain_numeric")
        if is_double and same_but_digits(debezium, weir, leaf.family == "float4"):
            return "float-digits"
        if leaf.family == "negative_scale" and self.mode.get("decimal") == "string" \
                and same_zeros(debezium, weir):
            return "negative-scale-string"
        if column.required and column.default_kind == "expression" and self.table.has_old_rows() \
                and column.name not in self.table.identity_columns() and place in ("before", "key"):
            return "expression-default"
        return None

    def loose_rule(self, column, kind, leaf, debezium, weir):
        is_array = kind.element is not None
        if debezium is MISSING:
            if kind.known or not isinstance(weir, str | list | None):
                return None
            return "unknown-array" if is_array else "unknown-type"
        if weir is MISSING:
            return None
        if weir is None and column.default_kind:
            return "null-with-default"
        if is_array:
            return self.array_rule(leaf, debezium, weir)
        if leaf.family == "name" and debezium is None and isinstance(weir, str):
            return "name"
        if leaf.family == "bytea" and debezium is None and self.mode.get("binary", "").startswith("base64"):
            return "placeholder"
        return self.scalar_rule(leaf, debezium, weir)

    def scalar_rule(self, leaf, debezium, weir):
        if leaf.family == "interval" and isinstance(debezium, Number) and isinstance(weir, Number) \
                and abs(int(debezium.text) - int(weir.text)) <= 1:
            return "interval"
        if leaf.family == "timestamp" and isinstance(weir, Number):
            wide = abs(int(weir.text)) >= 2**63
            if wide:
                return "timestamp-nanoseconds" if self.mode.get("time.precision") == "nanoseconds" \
                    else "timestamp-overflow"
        if leaf.family == "negative_scale" and isinstance(weir, str):
            return "negative-scale"
        if leaf.family in ("numeric", "domain_numeric", "negative_scale") and isinstance(weir, str) \
                and weir in ("NaN", "Infinity", "-Infinity"):
            return "numeric-words"
        if leaf.family == "hstore" and same_object(debezium, weir):
            return "hstore-order"
        return None

    def array_rule(self, leaf, debezium, weir):
        if isinstance(weir, str) and isinstance(debezium, list) and all(item is None for item in debezium):
            return "several-dimensions"
        if debezium is None and leaf.family in ("bytea", "date") and isinstance(weir, list):
            return "placeholder"
        if not isinstance(debezium, list) or not isinstance(weir, list) or len(debezium) != len(weir):
            return None
        if leaf.family in ("time", "timetz"):
            return "time-array"
        if leaf.family in ("date", "timestamp", "timestamptz"):
            return "calendar-array"
        rules = {self.scalar_rule(leaf, a, b) for a, b in zip(debezium, weir) if show(a) != show(b)}
        return rules.pop() if len(rules) == 1 else None


def combined(text):
    """JSON with its surrogate pairs as the characters they stand for."""
    return re.sub(
        r"(?<!\\)((?:\\\\)*)(\\u[Dd][89ABab]..\\u[Dd][C-Fc-f]..)",
        lambda match: match[1] + json.loads(f'"{match[2]}"'), text)


def same_zeros(debezium, weir):
    """Rule negative-scale-string: the same digits, and behind Debezium's point zeros alone."""
    if isinstance(debezium, list) and isinstance(weir, list):
        return len(debezium) == len(weir) and all(same_zeros(a, b) for a, b in zip(debezium, weir))
    if not isinstance(debezium, str) or not isinstance(weir, str):
        return debezium == weir
    whole, _, fraction = debezium.partition(".")
    return whole == weir and not fraction.strip("0")


def same_object(debezium, weir):
    """Rule hstore-order: the same pairs, also when the object is in a text, also in an array."""
    if isinstance(debezium, str) and isinstance(weir, str):
        try:
            debezium, weir = parse(debezium), parse(weir)
        except ValueError:
            return False
    if not isinstance(debezium, Object) or not isinstance(weir, Object):
        return False
    return sorted(map(show, map(list, debezium))) == sorted(map(show, map(list, weir)))


def grouped(events):
    groups = []
    for event in events:
        if groups and groups[-1][0] == event.group:
            groups[-1][1].append(event)
        else:
            groups.append((event.group, [event]))
    return groups
