"""The take-over test: the real Debezium stops after some events, `weir import debezium` goes on in its slot.

usage: takeover.py [--cuts N]         run by run.sh --takeover
       takeover.py engines JOBS       runs the engines: JOBS is {"jobs": [{"properties": .., "output": .., "count": ..}]}

One engine reads a workload to its end; others stop for good, as a crash does, after 1, 2, .. events, each over a slot of
its own with its offset in a file. Weir takes each of them over. What the engine wrote before and what Weir writes
behind it must together be what the first engine wrote: every event, once, in order. The workload has transactions of
several rows, transactions whose rows lie between each other's in the log, key changes, truncates, messages inside and
outside of transactions. Rows of one COPY share a position: there Debezium goes on behind all of them, and Weir with it.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from options import read_takeover

END = "weir-takeover-end"
SETUP = """
create table a (id int primary key, v text);
create table b (id int primary key, n numeric(10,2), a int not null default 5);
alter table b replica identity full;
create publication takeover for all tables;
"""
WORKLOAD = """
insert into a values (1, 'one');
begin; insert into a values (2, 'two'); insert into b values (1, 1.5); update a set v = 'zwei' where id = 2; commit;
select pg_logical_emit_message(false, 'alone', 'x');
begin; update a set id = 20 where id = 2; select pg_logical_emit_message(true, 'inside', 'y');
delete from a where id = 1; commit;
insert into b values (2, 2.5), (3, 3.5);
begin; insert into a values (30, 'x'); truncate a, b; insert into a values (31, 'y'); commit;
select pg_logical_emit_message(false, 'alone', 'z');
begin; insert into a values (40, '40'); rollback;
insert into a values (41, '41');
"""


class Events:
    """Writes events; the engine's thread waits for ever once there are enough."""

    def __init__(self, output, count):
        self.output = open(output, "w", encoding="utf-8")
        self.count = count
        self.full = threading.Event()  # the last event was taken, its offset may still be under way
        self.finished = threading.Event()  # the next one came, so the offset is stored

    def handleJsonBatch(self, records):  # The name is the library's.
        if self.full.is_set():
            self.finished.set()
            threading.Event().wait()
        for record in records:
            text = {name: getattr(record, name)() for name in ("destination", "key", "value")}
            line = {name: None if value is None else str(value) for name, value in text.items()}
            self.output.write(json.dumps(line, ensure_ascii=False) + "\n")
            self.output.flush()
            self.count -= 1
            if self.count == 0 or line["key"] is not None and END in line["key"]:
                self.full.set()
                return


def run_engines(path):
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from engine import Engine  # Here, because only the engines' process has the library and a Java machine.

    jobs = json.loads(Path(path).read_text())["jobs"]
    recorders = []
    for job in jobs:
        recorder = Events(job["output"], job["count"])
        engine = Engine(properties=job["properties"], handler=recorder)
        threading.Thread(target=engine.run, daemon=True).start()
        recorders.append(recorder)
    status = 0
    for recorder in recorders:
        status |= not recorder.full.wait(90)
        recorder.finished.wait(5)
    sys.stderr.flush()
    os._exit(status)


def say(text):
    print(f"== {text}", file=sys.stderr, flush=True)


class Test:
    def __init__(self):
        given = os.environ
        self.url = f"postgresql://postgres@{given['DIFFERENTIAL_HOST']}:{given['DIFFERENTIAL_PORT']}/takeover"
        self.psql, self.weir = given["DIFFERENTIAL_PSQL"], given["WEIR_BINARY"]
        self.folder = Path(given["DIFFERENTIAL_FOLDER"]) / "takeover"
        self.folder.mkdir()

    def sql(self, script, database="takeover"):
        command = [self.psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d",
                   self.url.rsplit("/", 1)[0] + "/" + database, "-f", "-"]
        return subprocess.run(command, input=script, capture_output=True, text=True, check=True).stdout.strip()

    def record(self):
        """The workload, between a slot and an end mark."""
        self.sql("create database takeover", "postgres")
        self.sql("alter database takeover set timezone = 'UTC'", "postgres")
        self.sql(SETUP)
        self.sql("select pg_create_logical_replication_slot('takeover', 'pgoutput')")
        self.sql(WORKLOAD)
        self.interleave()
        self.sql(WORKLOAD.replace("(1, 'one')", "(101, 'one')").replace("where id = 1;", "where id = 101;")
                 .replace("(41, '41')", "(141, '41')"))
        self.end = self.sql(f"select pg_logical_emit_message(true, '{END}', '')")

    def interleave(self):
        """Two transactions whose rows lie between each other's; the one that began later commits first."""
        sessions = [
            subprocess.Popen([self.psql, "-X", "-q", "-d", self.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True) for _ in range(2)]
        steps = [
            (0, "begin; insert into a values (50, 'first');"), (1, "begin; insert into a values (60, 'second');"),
            (0, "insert into a values (51, 'first');"), (1, "insert into a values (61, 'second'); commit;"),
            (0, "insert into a values (52, 'first'); commit;"),
        ]
        for number, text in steps:
            session = sessions[number]
            session.stdin.write(text + "\n\\echo done\n")
            session.stdin.flush()
            while session.stdout.readline().strip() != "done":
                pass
        for session in sessions:
            session.communicate()

    def properties(self, number):
        host, port = self.url.split("@")[1].split("/")[0].split(":")
        slot = f"takeover_{number}"
        self.sql(f"select pg_copy_logical_replication_slot('takeover', '{slot}')")
        return {
            "name": f"engine{number}", "topic.prefix": f"cut{number}", "slot.name": slot,
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "plugin.name": "pgoutput",
            "database.hostname": host, "database.port": port, "database.user": "postgres",
            "database.password": "postgres", "database.dbname": "takeover", "publication.name": "takeover",
            "publication.autocreate.mode": "disabled", "snapshot.mode": "no_data", "skipped.operations": "none",
            "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
            "offset.storage.file.filename": str(self.folder / f"{number}.offsets"), "offset.flush.interval.ms": "0",
            "converter.schemas.enable": "false", "key.converter.schemas.enable": "false",
            "value.converter.schemas.enable": "false", "header.converter.schemas.enable": "false",
            "max.batch.size": "1", "max.queue.size": "2", "poll.interval.ms": "20",
        }

    def engines(self, counts):
        """The events of engines that stop after so many events each."""
        jobs = []
        for number, count in counts:
            properties = self.properties(number)
            text = "".join(f"{name}={value}\n" for name, value in properties.items())
            (self.folder / f"{number}.properties").write_text(text)
            jobs.append({"properties": properties, "output": str(self.folder / f"{number}.jsonl"), "count": count})
        plan = self.folder / "jobs.json"
        plan.write_text(json.dumps({"jobs": jobs}))
        with open(self.folder / "engines.log", "ab") as log:
            subprocess.run([sys.executable, __file__, "engines", str(plan)], stdout=log, stderr=log, cwd=self.folder,
                           timeout=180, check=True)
        # The server notices that they are gone.
        self.sql("select pg_terminate_backend(active_pid) from pg_replication_slots where active")
        return {number: self.read(self.folder / f"{number}.jsonl", number) for number, _ in counts}

    def take_over(self, number):
        """Weir's events behind those of an engine."""
        config, state = self.folder / f"{number}.yaml", self.folder / f"{number}.state"
        offsets = self.folder / f"{number}.offsets"
        command = [self.weir, "import", "debezium", str(self.folder / f"{number}.properties"), "--offsets", str(offsets),
                   "--output", str(config), "--state", str(state)]
        environment = {**os.environ, "DATABASE_PASSWORD": "postgres", "KAFKA_BROKERS": "127.0.0.1:1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
        if done.returncode:
            raise RuntimeError(f"import: {done.stderr}")
        output = self.folder / f"{number}.weir.jsonl"
        with open(output, "wb") as events:
            done = subprocess.run(
                [self.weir, "run", str(config), "--set", "sinks=[{type: stdout, name: kafka}]", "--until-lsn", self.end],
                stdout=events, stderr=subprocess.PIPE, text=True, env=environment, timeout=60)
        if done.returncode or "copying tables" in done.stderr:
            raise RuntimeError(f"run: {done.stderr}")
        return self.read(output, number)

    @staticmethod
    def read(path, number):
        """Topic, key, operation, rows or message, and positions of each event before the end mark."""
        events = []
        for line in path.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            topic = (event.get("destination") or event.get("topic")).replace(f"cut{number}.", "", 1)
            key, value = (
                json.loads(event[part]) if isinstance(event[part], str) else event[part] for part in ("key", "value"))
            if key and key.get("prefix") == END:
                break
            source = value and {name: value["source"][name] for name in ("txId", "lsn", "schema", "table")}
            body = value and {name: value.get(name) for name in ("op", "before", "after", "message")}
            events.append(json.dumps([topic, key, body, source]))
        return events


def main():
    cuts = read_takeover().cuts
    test = Test()
    test.record()
    whole = test.engines([(0, -1)])[0]
    say(f"{len(whole)} events")
    # Events of one change have one offset: no cut is between them.
    places = []
    for event in whole:
        source = json.loads(event)[3]
        places.append(source["lsn"] if source else places[-1])
    numbers = [n for n in range(1, len(whole) + 1) if n == len(whole) or places[n - 1] != places[n]]
    if cuts:
        numbers = numbers[:: max(1, len(numbers) // cuts)]
    failures = 0
    for first in range(0, len(numbers), 12):
        batch = numbers[first:first + 12]
        before = test.engines([(number, number) for number in batch])
        for number in batch:
            try:
                behind = test.take_over(number)
            except RuntimeError as failure:
                failures += 1
                print(f"FAILURE: cut after {number}: {failure}", flush=True)
                continue
            if before[number] + behind != whole:
                failures += 1
                place = next((n for n, (a, b) in enumerate(zip(before[number] + behind, whole)) if a != b), None)
                print(f"DIFFERENCE: cut after {number}, {len(behind)} events behind it, {len(whole)} in all; first"
                      f" difference at {place}", flush=True)
                for name, events in (("before", before[number][-2:]), ("behind", behind[:2]),
                                     ("whole", whole[max(0, number - 2):number + 2])):
                    for event in events:
                        print(f"  {name}: {event}")
    print(f"{len(numbers)} cuts, {failures} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["engines"]:
        run_engines(sys.argv[2])
    else:
        main()
