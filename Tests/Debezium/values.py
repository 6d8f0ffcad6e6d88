"""JSON values with what Python's own forget: the order of members, the spelling of numbers."""

import json
import struct
from dataclasses import dataclass

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
