"""Tables as the catalog has them, for cases that are written as SQL."""

import json

from cases import Column, Table
from catalog import Type, catalog

# Families of types that have no entry in the catalog of random types, by pg_type.typtype.
OTHERS = {"e": ("text", True), "c": ("unknown", False), "m": ("unknown", False), "r": ("unknown", False),
          "b": ("unknown", False), "p": ("unknown", False)}
COLUMNS = """
select n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod) as sql, a.atttypid::int8, t.typtype as kind,
    t.typcategory, t.typelem::int8, e.typtype as element_kind, t.typbasetype::int8, a.attnotnull,
    pg_get_expr(d.adbin, d.adrelid) as fallback, a.attgenerated <> '' as generated,
    c.relreplident,
    array(select k.attname from pg_index i, pg_attribute k where i.indrelid = c.oid and i.indisprimary
        and k.attrelid = c.oid and k.attnum = any (i.indkey) order by array_position(i.indkey, k.attnum)) as key,
    array(select k.attname from pg_index i, pg_attribute k where i.indrelid = c.oid and i.indisreplident
        and k.attrelid = c.oid and k.attnum = any (i.indkey) order by array_position(i.indkey, k.attnum)) as index
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
    join pg_type t on t.oid = a.atttypid left join pg_type e on e.oid = t.typelem
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relkind in ('r', 'p') and n.nspname !~ '^pg_|^information_schema$' and a.attnum > 0 and not a.attisdropped
order by c.oid, a.attnum
"""
IDENTITIES = {"d": "DEFAULT", "f": "FULL", "n": "NOTHING", "i": "INDEX"}


def known_types(environment, database, version):
    """Types of the catalog by OID: {oid: Type}."""
    types = {t.sql.partition("(")[0]: t for t in reversed(catalog(version)) if t.element is None}
    names = json.dumps(list(types))
    script = f"select coalesce(json_object_agg(name, to_regtype(name)::oid::int8), '{{}}')" \
        f" from json_array_elements_text('{names.replace(chr(39), chr(39) * 2)}') name"
    text, _ = environment.sql(database, script)
    return {oid: types[name] for name, oid in json.loads(text).items() if oid}


def described(environment, database, version):
    """The tables of a database: {(schema, name): Table}."""
    known = known_types(environment, database, version)
    text, _ = environment.sql(database, f"select coalesce(json_agg(row_to_json(r)), '[]') from ({COLUMNS}) r")
    tables = {}
    for row in json.loads(text):
        schema, name, column, sql, oid, kind, category, element, element_kind, base, required, default, \
            generated, identity, key, index = row.values()
        single = type_of(known, element or oid, sql.removesuffix("[]"), element_kind if category == "A" else kind, base)
        if category == "A" and oid not in known:
            lossy = single.family in ("money", "name", "interval", "varbit", "xml", "point", "domain", "domain_numeric")
            found = Type(sql, "array", None, known=single.known and not lossy, element=single)
        else:
            found = single if oid not in known else type_of(known, oid, sql, kind, base)
        entry = tables.setdefault((schema, name), {"columns": [], "identity": identity, "key": key, "index": index})
        default = None if generated else default
        entry["columns"].append(Column(
            column, found, required, default, "catalog" if default else None, generated=generated))
    return {
        place: Table(*place, tuple(entry["columns"]), tuple(entry["key"]), IDENTITIES[entry["identity"]],
                     tuple(entry["index"]))
        for place, entry in tables.items()
    }


def type_of(known, oid, sql, kind, base):
    """A type that is no array. A domain is as its base type; of arrays of it Debezium knows nothing."""
    found = known.get(oid)
    if found is None and kind == "d":
        found = known.get(base)
        family = "domain_numeric" if found and found.family == "numeric" else "domain"
        return Type(sql, family, None, known=found is None or found.known)
    if found is None:
        family, is_known = OTHERS[kind]
        return Type(sql, family, None, known=is_known, lost_with_null=kind == "e")
    family = "negative_scale" if found.family == "numeric" and ",-" in sql else found.family
    return Type(sql, family, None, known=found.known, lost_with_null=found.lost_with_null)
