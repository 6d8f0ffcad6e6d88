"""The options of the differential test and of the takeover. Run by itself it only checks them: status 2 when they are
wrong."""

import argparse
import sys


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def read(arguments=None):
    parser = argparse.ArgumentParser(
        prog="Tests/run.sh --debezium", allow_abbrev=False,
        description="The same changes through the real Debezium and through Weir, events compared.")
    parser.add_argument("--cases", type=positive, default=500, help="at least that many random cases (default: 500)")
    parser.add_argument("--seed", type=int, help="of the random tables and changes (default: from the clock)")
    parser.add_argument("--shown", type=int, default=5, help="differences that are shown and made smaller (default: 5)")
    return parser.parse_args(arguments)


def read_takeover(arguments=None):
    parser = argparse.ArgumentParser(
        prog="Tests/run.sh --debezium --takeover", allow_abbrev=False,
        description="The real Debezium stops after each event, and Weir goes on in its slot.")
    parser.add_argument("--cuts", type=positive, help="about that many places where it stops (default: all)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--takeover"]:
        read_takeover(sys.argv[2:])
    else:
        read()
