"""Reads Ninja's log after a clean build: the slowest steps, the total, and whether both are in
their limits.

Usage: build_times.py [BUILD_DIR] [--total SECONDS] [--each SECONDS] [--show N]
"""

import argparse
import sys
from pathlib import Path


def read_log(path):
    """Returns {output: (start, end)} in seconds; of an output built twice the last counts."""
    steps = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.split("\t")
        if len(fields) == 5:
            steps[fields[3]] = (int(fields[0]) / 1000, int(fields[1]) / 1000)
    return steps


def main():
    parser = argparse.ArgumentParser(description="Times of the last clean build, from .ninja_log.")
    parser.add_argument("build_dir", nargs="?", default="build/release", type=Path)
    parser.add_argument("--total", type=float, default=600, help="limit of the whole, in seconds")
    parser.add_argument("--each", type=float, default=60, help="limit of one step, in seconds")
    parser.add_argument("--show", type=int, default=15, help="how many of the slowest to print")
    options = parser.parse_args()
    steps = read_log(options.build_dir / ".ninja_log")
    if not steps:
        sys.exit(f"{options.build_dir}: the log names no step")
    slowest = sorted(((end - start, name) for name, (start, end) in steps.items()), reverse=True)
    for seconds, name in slowest[: options.show]:
        print(f"{seconds:7.1f} s  {name}")
    total = max(end for _, end in steps.values()) - min(start for start, _ in steps.values())
    work = sum(seconds for seconds, _ in slowest)
    print(f"{len(steps)} steps, {total:.0f} s from first to last, {work:.0f} s of work")
    too_slow = [name for seconds, name in slowest if seconds > options.each]
    for name in too_slow:
        print(f"over {options.each:.0f} s: {name}")
    if total > options.total:
        print(f"the build took {total:.0f} s; the limit is {options.total:.0f} s")
    return int(bool(too_slow) or total > options.total)


if __name__ == "__main__":
    sys.exit(main())
