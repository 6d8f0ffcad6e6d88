"""Schemas around the events' payloads, as Kafka Connect's JsonConverter writes them."""

import json

HEAD, MIDDLE = '{"schema":', ',"payload":'


def split(text):
    """(schema, payload) as they are written; (None, text) where there is no schema."""
    if text is None or not text.startswith(HEAD + "{"):
        return None, text
    _, end = json.JSONDecoder().raw_decode(text, len(HEAD))
    if not text.startswith(MIDDLE, end):
        return None, text
    return text[len(HEAD):end], text[end + len(MIDDLE):-1]


def widened(debezium, weir):
    """Rule schema: whether Weir's schema is Debezium's with the columns that Debezium does not know, with items of
    arrays that may be null, with text for vectors, with arrays of bits, and with the scale of a numeric as it was declared."""
    return debezium is not None and weir is not None and fits(json.loads(debezium), json.loads(weir))


def without_fields(schema, names):
    """A schema of an event's value, with rows that lack these columns."""
    rows = [{**field, "fields": [column for column in field["fields"] if column["field"] not in names]}
            if field.get("field") in ("before", "after") and "fields" in field else field
            for field in schema.get("fields", [])]
    return {**schema, "fields": rows}


def is_vector(schema):
    """Whether it is what Debezium has for oidvector and int2vector, whose elements it loses."""
    return schema.get("type") == "array" and schema.get("items") in (
        {"type": "int64", "optional": False}, {"type": "int16", "optional": False})


def is_lost_array(debezium, weir):
    """Whether it is what Debezium has for bit(n)[], which it takes for one value, and loses."""
    if weir.get("type") != "array" or debezium.get("type") not in ("boolean", "bytes"):
        return False
    return {**weir["items"], **{name: value for name, value in weir.items() if name not in ("type", "items")}} == debezium


def fits(debezium, weir):
    if isinstance(debezium, dict) and isinstance(weir, dict) and is_lost_array(debezium, weir):
        return True
    if isinstance(debezium, dict) and is_vector(debezium) and isinstance(weir, dict) and weir.get("type") == "string":
        rest = {name: value for name, value in debezium.items() if name not in ("type", "items")}
        return rest == {name: value for name, value in weir.items() if name != "type"}
    if not isinstance(debezium, dict) or not isinstance(weir, dict) or debezium.keys() != weir.keys():
        return debezium == weir
    for name, ours in debezium.items():
        theirs = weir[name]
        if name == "fields":
            known = {field["field"] for field in ours}
            theirs = [field for field in theirs if field["field"] in known]
            if len(ours) != len(theirs) or not all(map(fits, ours, theirs)):
                return False
        elif name == "items":
            if not fits({**ours, "optional": True}, {**theirs, "optional": True}):
                return False
        elif name == "parameters":
            if {**ours, "scale": 0} != {**theirs, "scale": 0}:
                return False
        elif ours != theirs:
            return False
    return True
