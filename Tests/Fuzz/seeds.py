#!/usr/bin/env python3
"""Derives the seeds of the corpus from Tests/Fixtures/pgoutput: one file for each recorded transaction, preceded by
the descriptions of the tables that it changes, as CopyData messages on the wire; then what the recording has not."""
import pathlib
import struct

here = pathlib.Path(__file__).resolve().parent
corpus = here / "Corpus"
VALUE_MAX = 64  # a long value tells the decoder no more than a short one


def copy_data(message):
    return b"d" + struct.pack(">I", len(message) + 4) + message


def data(lsn, payload):
    return copy_data(b"w" + struct.pack(">QQq", lsn, lsn, 0) + payload)


def keepalive(lsn, reply):
    return copy_data(b"k" + struct.pack(">QqB", lsn, 0, reply))


def tuple_end(payload, at):
    """Shortens the values of the tuple at `at`; returns its bytes and where it ends."""
    count = struct.unpack_from(">h", payload, at + 1)[0]
    out, at = bytearray(payload[at:at + 3]), at + 3
    for _ in range(count):
        kind = payload[at:at + 1]
        out += kind
        at += 1
        if kind in b"tb":
            length = struct.unpack_from(">i", payload, at)[0]
            value = payload[at + 4:at + 4 + min(length, VALUE_MAX)]
            out += struct.pack(">i", len(value)) + value
            at += 4 + length
    return bytes(out), at


def shortened(payload):
    if payload[:1] not in (b"I", b"U", b"D"):
        return payload
    out, at = payload[:5], 5
    while at < len(payload):
        piece, at = tuple_end(payload, at)
        out += piece
    return out


def tables(payload):
    if payload[:1] in (b"I", b"U", b"D"):
        return [payload[1:5]]
    if payload[:1] == b"T":
        return [payload[6 + 4 * i:10 + 4 * i] for i in range(struct.unpack(">i", payload[1:5])[0])]
    return []


def recorded():
    relations, transaction, number = {}, [], 0
    known, needed = {}, {}  # before this transaction; of those, what it relies on
    for line in (here.parent / "Fixtures/pgoutput/recorded.hex").read_text().split("\n"):
        if not line:
            continue
        position, _, digits = line.split(" ")
        lsn = int(position.split("/")[0], 16) << 32 | int(position.split("/")[1], 16)
        payload = shortened(bytes.fromhex(digits))
        if payload[:1] == b"R":
            relations[payload[1:5]] = payload
        transaction.append((lsn, payload))
        described = {p[1:5] for _, p in transaction if p[:1] == b"R"}
        needed |= {t: known[t] for t in tables(payload) if t not in described}
        if payload[:1] == b"C" or payload[:2] == b"M\0":
            number += 1
            begin = [data(lsn, relation) for relation in needed.values()]
            yield f"recorded-{number:02}", b"".join(begin + [data(l, p) for l, p in transaction])
            transaction, known, needed = [], dict(relations), {}


def made():
    begin, commit = b"B" + struct.pack(">QqI", 16, 0, 1), b"C\0" + struct.pack(">QQq", 16, 24, 0)
    relation = b"R" + struct.pack(">I", 1) + b"\0t\0f" + struct.pack(">h", 1) + b"\1c\0" + struct.pack(">Ii", 17, -1)
    row = struct.pack(">h", 1) + b"b" + struct.pack(">i", 2) + b"\0\xff"
    yield "made-keepalives", keepalive(1, 0) + keepalive(2**64 - 1, 1)
    yield "made-binary", b"".join(
        data(16, p) for p in [begin, relation, b"I\0\0\0\1N" + row, b"D\0\0\0\1O" + row, commit])
    yield "made-unknown-frame", copy_data(b"s" + bytes(33))
    yield "made-order", b"".join(data(16, p) for p in [begin, begin, commit, begin, relation, b"I\0\0\0\2N" + row])
    bad = {
        "empty": b"", "unknown-message": b"S\0\0\0\1", "trailing": commit + b"\0", "truncated": begin[:-1],
        "column-kind": b"I\0\0\0\1N\0\1x", "tuple-kind": b"I\0\0\0\1K\0\0", "identity": b"R\0\0\0\1\0t\0x\0\0",
        "flags": b"C\1" + bytes(24), "string": b"Y\0\0\0\1s\0t", "utf8": b"Y\0\0\0\1s\0\xc3\0",
        "length": b"I\0\0\0\1N\0\1t\xff\xff\xff\xff", "count": b"I\0\0\0\1N\xff\xff",
        "count-large": b"T\x7f\xff\xff\xff\0", "count-wide": b"R\0\0\0\1\0t\0d\x06\x81",
    }
    for name, payload in bad.items():
        yield f"made-bad-{name}", data(16, payload)


for name, content in [*recorded(), *made()]:
    (corpus / name).write_bytes(content)
