"""What the differential test runs: SQL, the real engine, Weir."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cases import KEY_COLUMNS, OPTIONS, Change, identifier

END = "weir-differential-end"
HERE = Path(__file__).resolve().parent


class Failure(Exception):
    """The test could not be carried out."""


class Stopped(Exception):
    """Weir stopped where Debezium did not."""


@dataclass(frozen=True)
class Environment:
    """The commands and the PostgreSQL the test was given."""

    host: str
    port: str
    psql: str
    python: str  # of the virtual environment that has the engine
    weir: str
    folder: Path

    def url(self, database):
        return f"postgresql://postgres@{self.host}:{self.port}/{database}"

    def sql(self, database, script, stop=True):
        """Runs a script. Returns its output and the refused statements' messages."""
        stop_option = ["-v", f"ON_ERROR_STOP={int(stop)}", "-v", "VERBOSITY=terse"]
        command = [self.psql, "-X", "-q", "-A", "-t", *stop_option, "-d", self.url(database), "-f", "-"]
        environment = {**os.environ, "PGCLIENTENCODING": "UTF8", "PGOPTIONS": "-c client_min_messages=error"}
        done = subprocess.run(command, input=script, capture_output=True, text=True, encoding="utf-8", env=environment)
        if stop and done.returncode:
            raise Failure(f"psql: {done.stderr.strip()[-2000:]}")
        return done.stdout.strip(), [line for line in done.stderr.splitlines() if "ERROR" in line]


class Recording:
    """A database whose changes are in the WAL between a slot and an end mark."""

    def __init__(self, environment, name, types=True):
        self.environment = environment
        self.name = name
        self.folder = environment.folder / name
        self.folder.mkdir()
        self.slots = 0
        self.refused = []
        environment.sql("postgres", f"create database {name}")
        # Both contenders and the server's text forms that DDL holds agree on the zone.
        environment.sql("postgres", f"alter database {name} set timezone = 'UTC'")
        if types:
            environment.sql(name, (HERE / "types.sql").read_text())

    def record(self, tables, transactions):
        """Creates the tables, the publication and the slot, then runs the transactions and sets the end mark."""
        schemas = dict.fromkeys(t.schema for t in tables)
        ddl = [f"create schema if not exists {identifier(schema)}" for schema in schemas]
        for table in tables:
            ddl += table.ddl()
        self.record_script(";\n".join(ddl) + ";\n", self.script(transactions))

    def record_script(self, setup, workload, publication="for all tables"):
        """The same for tables and changes that are written as SQL."""
        self.environment.sql(self.name, setup)
        self.environment.sql(
            self.name, f"create publication differential {publication};\n"
            "select pg_replication_origin_create(current_database())")
        self.environment.sql(self.name, "select pg_create_logical_replication_slot(current_database(), 'pgoutput')")
        _, self.refused = self.environment.sql(self.name, workload, stop=False)
        end = f"select pg_logical_emit_message(true, '{END}', '')"
        self.end, _ = self.environment.sql(self.name, end)

    def script(self, transactions):
        script = ["\\set ON_ERROR_ROLLBACK on"]
        for number, steps in enumerate(transactions):
            # Now and then a transaction that came from another server.
            is_foreign = number % 29 == 28
            if is_foreign:
                script.append("select pg_replication_origin_session_setup(current_database());")
            script.append("begin;")
            if is_foreign:
                script.append(f"select pg_replication_origin_xact_setup('0/{number + 16:X}', now());")
            script += [(step.sql() if isinstance(step, Change) else step) + ";" for step in steps]
            if steps[-1] != "rollback":
                script.append("commit;")
            if is_foreign:
                script.append("select pg_replication_origin_session_reset();")
        return "\n".join(script) + "\n"

    def copy_slot(self):
        self.slots += 1
        name = f"{self.name}_{self.slots}"
        self.environment.sql(self.name, f"select pg_copy_logical_replication_slot('{self.name}', '{name}')")
        return name

    def drop(self):
        """Drops the slots and the database; the files stay with the run's folder."""
        self.environment.sql(
            "postgres",
            "select pg_terminate_backend(active_pid) from pg_replication_slots where active;\n"
            f"select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = '{self.name}';\n"
            f"select pg_replication_origin_drop(roname) from pg_replication_origin where roname = '{self.name}';\n"
            f"drop database {self.name} with (force);", stop=False)
        shutil.rmtree(self.folder)

    def run_engines(self, modes, timeout, snapshot=False):
        """Debezium's events in each mode, as a list of paths; with `snapshot` the one of a snapshot in the first mode
        is the last of them."""
        jobs, paths = [], []
        for number, mode in enumerate([*modes, *modes[:snapshot]]):
            path = self.folder / f"debezium-{number}.jsonl"
            paths.append(path)
            properties = self.properties(number, mode, is_snapshot=number == len(modes))
            jobs.append({"properties": properties, "output": str(path)})
        plan = self.folder / "jobs.json"
        plan.write_text(json.dumps({"end": END, "timeout": timeout, "jobs": jobs}))
        command = [self.environment.python, str(HERE / "engine.py"), str(plan)]
        log = self.folder / "engine.log"
        with open(log, "wb") as output:
            subprocess.run(command, stdout=output, stderr=output, cwd=self.folder, timeout=timeout + 60)
        for path in paths:
            failed = Path(f"{path}.failed")
            if failed.exists() or not path.exists():
                reason = failed.read_text() if failed.exists() else log.read_text(errors="replace")[-2000:]
                mode = [*modes, "snapshot"][paths.index(path)]
                raise Failure(f"Debezium in mode {mode}: {reason}\n{self.engine_errors()}")
        return paths

    def engine_errors(self):
        """What the engines' logs say went wrong."""
        texts = [p.read_text(errors="replace") for p in [self.folder / "engine.log", *self.folder.glob("logs/*.log")]]
        lines = [line for text in texts for line in text.splitlines() if "ERROR" in line or "Caused by" in line]
        return "\n".join(dict.fromkeys(line.partition("] - ")[2] or line for line in lines[-12:]))

    def properties(self, number, mode, is_snapshot=False):
        # The names differ, or the engines would wait for each other's metrics to go.
        properties = {
            "name": f"engine{number}", "topic.prefix": f"mode{number}",
            "slot.name": f"{self.name}_snapshot" if is_snapshot else self.copy_slot(),
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "plugin.name": "pgoutput",
            "database.hostname": self.environment.host, "database.port": self.environment.port,
            "database.user": "postgres", "database.password": "postgres", "database.dbname": self.name,
            "publication.name": "differential", "publication.autocreate.mode": "disabled",
            "snapshot.mode": "initial_only" if is_snapshot else "no_data",
            "offset.storage": "org.apache.kafka.connect.storage.MemoryOffsetBackingStore",
            "converter.schemas.enable": "false", "key.converter.schemas.enable": "false",
            "value.converter.schemas.enable": "false", "header.converter.schemas.enable": "false",
            "poll.interval.ms": "50",
        }
        for name, value in mode.items():
            if name == KEY_COLUMNS:
                value = ";".join(f"{re.escape(table)}:{','.join(columns)}" for table, columns in value.items())
            properties[OPTIONS.get(name, (name,))[0]] = value
        return properties

    def run_weir(self, number, mode, strict, timeout, is_snapshot=False):
        """Weir's events, as a path."""
        name = f"weir-{number}-{'strict' if strict else 'loose'}"
        settings = {"strict": str(strict).lower(), **mode}
        if "skipped.operations" in settings:
            words = settings["skipped.operations"].split(",")
            settings["skipped.operations"] = words
        typed = {
            key: json.loads(value) if value in ("true", "false", "0", "2", "4") else value
            for key, value in settings.items()
        }
        slot = f"{self.name}_{name.replace('-', '_')}" if is_snapshot else self.copy_slot()
        configuration = {
            "pipeline": f"mode{number}",
            "source": {
                "url": self.environment.url(self.name), "slot": slot, "publication": "differential",
                "snapshot": "only" if is_snapshot else "never",
            },
            "sinks": [{"type": "stdout"}], "state": {"path": str(self.folder / f"{name}.state")}, "debezium": typed,
        }
        # JSON is YAML.
        file = self.folder / f"{name}.yaml"
        file.write_text(json.dumps(configuration))
        path, log = self.folder / f"{name}.jsonl", self.folder / f"{name}.log"
        with open(path, "wb") as output, open(log, "wb") as errors:
            command = [self.environment.weir, "run", str(file)]
            command += [] if is_snapshot else ["--until-lsn", self.end]
            done = subprocess.run(command, stdout=output, stderr=errors, timeout=timeout)
        if done.returncode:
            lines = [line for line in log.read_text().splitlines() if line.startswith("weir: ")]
            raise Stopped(f"status {done.returncode}: {' '.join(lines)[-1000:]}")
        return path
