"""Writes docs/ops.md, the table of what every op's record has.

python tools/op_table.py [--check]
"""

import argparse
import sys
from pathlib import Path

import olivine.core as mx

PAGE = Path(__file__).resolve().parent.parent / "docs" / "ops.md"
HEAD = """# Ops and their rules

Written by `python tools/op_table.py` from the op records; a test compares.

| column | meaning |
|---|---|
| vjp, jvp | reverse and forward mode; `0`: the derivative is zero or there is none to speak of |
| vmap | a batching rule; `each`: one run per element |
| infer | shapes and dtypes follow from those of the inputs |
| any size | no size among its parameters: files of functions for any sizes may hold it |
| export | can be written to a file and read back |
| also | `view`: costs no copy; `composite`: works where there is no kernel |

| op | kind | vjp | jvp | vmap | infer | any size | export | also |
|---|---|---|---|---|---|---|---|---|
"""
# Records that are no ops of a user's graph: how results of an op of several are told apart, and what
# a call of a compiled function becomes. Transformations look through both.
MACHINERY = ("compiled", "output")


def yes(value):
    return "yes" if value else "–"


def derivative(record, name):
    return "0" if record["zero"] and record[name] else yes(record[name])


def rows():
    for r in mx._op_records():
        if r["name"] in MACHINERY:
            continue
        vmap = {True: "yes", False: "–", "per element": "each"}[r["vmap"]]
        also = ", ".join(word for word in ("view", "composite") if r[word])
        yield (
            *(r["name"], r["kind"], derivative(r, "vjp"), derivative(r, "jvp"), vmap),
            *(yes(r["infer"]), yes(r["any_size"]), yes(r["export"]), also),
        )


def page():
    lines = "".join(f"| {' | '.join(row)} |\n".replace("|  |", "| |") for row in rows())
    return HEAD + lines


def main():
    parser = argparse.ArgumentParser(description="Write docs/ops.md.")
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    text = page()
    if parser.parse_args().check:
        sys.exit(0 if PAGE.exists() and PAGE.read_text() == text else f"out of date: {PAGE}")
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
