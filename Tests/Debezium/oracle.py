"""What PostgreSQL says of the values that Debezium has none of: the last event of each row against the row itself.

The rules allow Weir a field where Debezium has none; here is what it must hold. Only without `strict: true`.
"""

import json

from cases import identifier
from values import Number, Object, parse, show


def is_asked(column):
    """Whether Weir's value of a column is PostgreSQL's text, or an array of it, and Debezium's may be missing."""
    leaf = column.type.element or column.type
    return leaf.family in ("unknown", "vector", "name", "xml", "array") or not column.type.known and leaf.family == "domain" \
        and leaf.sql.endswith("label")


def final_rows(environment, database, tables):
    """The rows at the end: {(schema, table): {id: {column: text, list of texts, or None}}}."""
    rows = {}
    for table in tables:
        columns = [c for c in table.columns if is_asked(c)]
        if not columns or not any(c.name == "id" for c in table.columns):
            continue
        pairs = ", ".join(f"'{n}', {value(c)}" for n, c in enumerate(columns))
        script = f"select coalesce(json_object_agg(id, json_build_object({pairs})), '{{}}') from {table.sql}"
        text, _ = environment.sql(database, script)
        rows[table.schema, table.name] = {
            row: {columns[int(n)].name: item for n, item in found.items()} for row, found in json.loads(text).items()}
    return rows


def value(column):
    name = identifier(column.name)
    if column.type.element is None:
        return f"{name}::text"
    # One dimension is an array of texts, more are the text of it all.
    return f"case when array_ndims({name}) > 1 then to_json({name}::text) else to_json({name}::text[]) end"


def wrong_values(events, rows, is_typed):
    """Of Weir's events the last of each row, where it is not the row's: (event, table, column, expected, found). With
    schemas (`is_typed`) arrays of several dimensions and placeholders of arrays are as Debezium has them."""
    last = {}
    for event in events:
        if event.value is None or event.group[:1] != ("change",):
            continue
        after = parse(event.value).get("after")
        if isinstance(after, Object) and isinstance(after.get("id"), Number):
            last[event.group[2], event.group[3], after.get("id").text] = event, after
    for (schema, table), by_id in rows.items():
        for row, columns in by_id.items():
            event, after = last.get((schema, table, row), (None, None))
            if event is None:
                continue
            for name, expected in columns.items():
                found = after.get(name)
                if is_typed and (found is None or isinstance(expected, str) and isinstance(found, list)):
                    continue
                if show(found) != show(expected) and not is_placeholder(found):
                    yield event, (schema, table), name, expected, found


def is_placeholder(found):
    """A value that was not sent; what it must be is another matter."""
    return found in ("__debezium_unavailable_value", "gone", 'é "x"') or isinstance(found, list) and len(found) == 1 \
        and is_placeholder(found[0])
