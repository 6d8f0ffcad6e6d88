"""What may differ between Debezium and Weir: each rule is a row of the tables "Where Weir differs from Debezium" in
EventFormat.md, quoted in rules.json. A test holds both against each other (Tests/WeirCoreTests/Encoding).

A rule allows what its row says and no more: it looks at both values.
"""

import base64
import json
import re
from pathlib import Path

from values import MISSING, Number, Object, parse, same_but_digits, show

# By name: `loose` holds without `strict: true` only, `strict` always; `beyond` are rows that no case here can meet.
TABLES = json.loads((Path(__file__).resolve().parent / "rules.json").read_text(encoding="utf-8"))
RULES = {**TABLES["loose"], **TABLES["strict"]}

GREGORIAN = -141427  # 1582-10-15 in days since 1970
DAY = 86_400_000_000
WORDS = {"NAN": "NaN", "POSITIVE_INFINITY": "Infinity", "NEGATIVE_INFINITY": "-Infinity"}


class ValueRules:
    """The rules about a column's value, in one mode of Weir."""

    def __init__(self, mode, strict):
        self.mode = mode
        self.strict = strict
        # With schemas, Weir too has nothing that is not of the column's type.
        self.is_typed = strict or has_schemas(mode)
        self.placeholder = mode.get("unavailable.value.placeholder", "__debezium_unavailable_value")

    def rule(self, column, debezium, weir, is_snapshot=False):
        """The rule that allows a column's two values, None when none does."""
        kind = column.type
        leaf = kind.element or kind
        if is_snapshot and column.generated and weir is MISSING:
            return "snapshot-generated"
        if debezium is not MISSING and weir is not MISSING:
            found = self.strict_rule(column, leaf, debezium, weir)
            if found:
                return found
        return None if self.strict else self.loose_rule(column, kind, leaf, debezium, weir, is_snapshot)

    def strict_rule(self, column, leaf, debezium, weir):
        if column.type.element and isinstance(debezium, list) and isinstance(weir, str | list) \
                and any(isinstance(item, str) and re.match(r"\[L[\w.]+;@", item) for item in debezium) \
                and (weir == [None] * len(debezium) if self.is_typed else is_nested(weir)):
            return "inner-array-identity"
        is_double = leaf.family in ("float4", "float8", "point") or self.mode.get("decimal") == "double" \
            and leaf.family in ("numeric", "negative_scale", "money", "domain_numeric")
        if is_double and same_but_digits(debezium, weir, leaf.family == "float4"):
            return "float-digits"
        if leaf.family == "negative_scale" and self.mode.get("decimal") == "string" and same_zeros(debezium, weir):
            return "negative-scale-string"
        return None

    def loose_rule(self, column, kind, leaf, debezium, weir, is_snapshot):
        is_array = kind.element is not None
        if debezium is MISSING:
            if kind.known or not isinstance(weir, str | list | None):
                return None
            return "unknown-array" if is_array else "unknown-type"
        if weir is MISSING:
            return None
        if weir is None:
            return "null-with-default" if column.default and not column.required else None
        if is_array:
            return self.array_rule(kind, leaf, debezium, weir)
        if leaf.family == "name" and debezium == ("" if column.required else None) and isinstance(weir, str):
            return "name"
        if debezium is None and leaf.family == "bytea" and self.mode.get("binary", "").startswith("base64"):
            url = self.mode["binary"] == "base64-url-safe"
            encode = base64.urlsafe_b64encode if url else base64.b64encode
            return "placeholder" if weir == encode(self.placeholder.encode()).decode() else None
        return self.scalar_rule(leaf, debezium, weir, is_snapshot)

    def scalar_rule(self, leaf, debezium, weir, is_snapshot=False):
        if leaf.family == "interval" and isinstance(debezium, Number) and isinstance(weir, Number):
            held = max(-(2**63), min(int(weir.text), 2**63 - 1))
            return "interval" if abs(int(debezium.text) - held) <= 1 else None
        if leaf.family == "timestamp" and isinstance(weir, Number) and abs(int(weir.text)) >= 2**63:
            if self.mode.get("time.precision") != "nanoseconds":
                return "timestamp-overflow" if isinstance(debezium, Number) else None
            return "timestamp-nanoseconds" if debezium is None else None
        if leaf.family == "negative_scale" and isinstance(weir, str) and isinstance(debezium, str) \
                and self.mode.get("decimal", "precise") == "precise" \
                and unscaled(debezium) == unscaled(weir) * 10**2048:
            return "negative-scale"
        if leaf.family in ("numeric", "domain_numeric", "negative_scale") and WORDS.get(debezium) == weir:
            return "numeric-words"
        if leaf.family == "hstore" and same_object(debezium, weir):
            return "hstore-order"
        if is_snapshot and leaf.family == "date" and self.is_old(leaf, weir):
            return "snapshot-date"
        if leaf.family == "vector" and isinstance(weir, str) and (debezium == [] or debezium is None and not weir):
            return "vector"
        if leaf.family == "timetz" and (debezium, weir) == ("00:00:00Z", "24:00:00Z"):
            return "midnight"
        return None

    def array_rule(self, kind, leaf, debezium, weir):
        if leaf.family in ("numeric", "domain_numeric", "negative_scale") and debezium is None:
            has_word = re.search(r"NaN|Infinity", weir if isinstance(weir, str) else show(weir))
            if has_word:
                return "numeric-words"
        if isinstance(weir, str) and isinstance(debezium, list) and all(item is None for item in debezium):
            return "several-dimensions" if is_nested(weir) else None
        if debezium is None:
            return self.lost_array_rule(kind, leaf, weir)
        if not isinstance(debezium, list) or not isinstance(weir, list) or len(debezium) != len(weir):
            return None
        pairs = [(a, b) for a, b in zip(debezium, weir) if show(a) != show(b)]
        if leaf.family in ("time", "timetz"):
            return "time-array" if all(self.is_cut(leaf, a, b) for a, b in pairs) else None
        if leaf.family in ("date", "timestamp", "timestamptz"):
            return "calendar-array" if all(self.is_old(leaf, b) for _, b in pairs) else None
        rules = {self.scalar_rule(leaf, a, b) for a, b in pairs}
        return rules.pop() if len(rules) == 1 else None

    def lost_array_rule(self, kind, leaf, weir):
        """An array where Debezium has null."""
        numbers = [byte - 256 if byte > 127 else byte for byte in self.placeholder.encode()]
        is_placeholder = weir == [self.placeholder]
        is_domain = not kind.sql.endswith("[]")
        if is_domain and leaf.family == "integer" or leaf.family == "date" and self.mode.get("time.precision") == "connect":
            is_placeholder = isinstance(weir, list) and show(weir) == show([Number(str(n)) for n in numbers])
        if is_placeholder:
            return "placeholder"
        if leaf.family == "bit":
            return "lost-array" if isinstance(weir, list) or is_nested(weir) else None
        if leaf.lost_with_null and isinstance(weir, list) and None in weir:
            return "lost-array"
        return None

    def is_cut(self, leaf, debezium, weir):
        """Whether a time of day in an array is Weir's without what Debezium cuts off."""
        part = 1000 if leaf.family == "time" else 1_000_000
        if isinstance(debezium, Number) and isinstance(weir, Number):
            unit = self.unit(leaf)  # µs in a unit, or a fraction
            micros = int(weir.text) * unit if unit >= 1 else int(weir.text) // int(1 / unit)
            expected = micros % DAY // part * part
            return int(debezium.text) == (expected // unit if unit >= 1 else expected * int(1 / unit))
        if not isinstance(debezium, str) or not isinstance(weir, str):
            return False
        return clock_micros(debezium) == clock_micros(weir) % DAY // part * part

    def is_old(self, leaf, value):
        """Whether a value in an array is of a time for which Java has another calendar."""
        if isinstance(value, str):
            return value.startswith("-") or not value.startswith("+") and value[:10] < "1582-10-15"
        if not isinstance(value, Number):
            return False
        days = int(value.text)
        if leaf.family == "timestamp":
            days = days * self.unit(leaf) / DAY
        return days < GREGORIAN

    def unit(self, leaf):
        """Microseconds in a unit of numbers that stand for times."""
        precision = self.mode.get("time.precision", "adaptive")
        digits = re.search(r"\((\d)\)", leaf.sql)
        is_short = digits is not None and int(digits[1]) <= 3
        if precision == "connect" or precision == "adaptive" and is_short \
                or precision == "adaptive_time_microseconds" and is_short and leaf.family == "timestamp":
            return 1000
        return 0.001 if precision == "nanoseconds" else 1


def has_schemas(mode):
    return any(name.endswith("schemas.enable") and value == "true" for name, value in mode.items())


def is_nested(weir):
    """Whether Weir's value is the text of an array of several dimensions."""
    return isinstance(weir, str) and re.match(r"(\[[-\d:\[\]]*\]=)?\{\{", weir) is not None


def clock_micros(text):
    match = re.fullmatch(r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z", text)
    if not match:
        return -1
    hours, minutes, seconds, fraction = match.groups()
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 10**6 + int((fraction or "").ljust(6, "0"))


def unscaled(text):
    return int.from_bytes(base64.b64decode(text), "big", signed=True)


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
