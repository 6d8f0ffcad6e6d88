#!/usr/bin/env python3
"""Renders recorded.hex as text, one message a line: a second decoder, written for nothing but checking the first.

Usage: render.py < recorded.hex > recorded.txt. Long values are shortened to their length and first character.
"""
import struct
import sys


def text(value):
    shown = value.decode("utf-8", "backslashreplace")
    return f"{shown[0]}*{len(value)}" if len(value) > 100 else shown.replace("\t", "\\t").replace("\n", "\\n")


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, code):
        (value,) = struct.unpack_from(">" + code, self.data, self.at)
        self.at += struct.calcsize(code)
        return value

    def string(self):
        end = self.data.index(0, self.at)
        value = self.data[self.at : end].decode("utf-8")
        self.at = end + 1
        return value

    def bytes(self):
        size = self.number("i")
        self.at += size
        return self.data[self.at - size : self.at]

    def lsn(self):
        value = self.number("Q")
        return f"{value >> 32:X}/{value & 0xFFFFFFFF:X}"

    def kind(self):
        return chr(self.number("B"))

    def tuple(self):
        cells = []
        for _ in range(self.number("h")):
            kind = self.kind()
            cells.append(kind if kind in "nu" else f"{kind}={text(self.bytes())}")
        return "(" + ", ".join(cells) + ")"


def render(data):
    r = Reader(data)
    kind = r.kind()
    if kind == "B":
        out = f"begin final={r.lsn()} time={r.number('q')} xid={r.number('I')}"
    elif kind == "C":
        out = f"commit flags={r.number('B')} lsn={r.lsn()} end={r.lsn()} time={r.number('q')}"
    elif kind == "O":
        out = f"origin lsn={r.lsn()} name={r.string()}"
    elif kind == "Y":
        out = f"type oid={r.number('I')} {r.string() or 'pg_catalog'}.{r.string()}"
    elif kind == "R":
        out = f"relation oid={r.number('I')} {r.string() or 'pg_catalog'}.{r.string()} identity={r.kind()}"
        for _ in range(r.number("h")):
            key = "*" if r.number("B") else ""
            out += f" {key}{r.string()}:{r.number('I')}:{r.number('i')}"
    elif kind == "I":
        out = f"insert oid={r.number('I')} {r.kind()}{r.tuple()}"
    elif kind in "UD":
        out = f"{'update' if kind == 'U' else 'delete'} oid={r.number('I')}"
        while r.at < len(data):
            out += f" {r.kind()}{r.tuple()}"
    elif kind == "T":
        count, flags = r.number("i"), r.number("B")
        out = f"truncate cascade={flags & 1} restart={flags >> 1 & 1}"
        out += "".join(f" {r.number('I')}" for _ in range(count))
    elif kind == "M":
        out = f"message transactional={r.number('B')} lsn={r.lsn()} prefix={r.string()} content={r.bytes().hex()}"
    assert r.at == len(data), (kind, r.at, len(data))
    return out


for line in sys.stdin:
    print(render(bytes.fromhex(line.split()[2])))
