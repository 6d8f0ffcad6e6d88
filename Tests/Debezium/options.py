"""The options of the differential test. Run by itself it only checks them: status 2 when they are wrong."""

import argparse


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


if __name__ == "__main__":
    read()
