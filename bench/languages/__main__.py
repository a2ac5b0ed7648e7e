"""What a call costs in each language: `python -m bench.languages`.

Builds calls.cpp, calls.c and, where there is a Swift, swift/main.swift on the build tree, runs them
and the same loop in Python in turns, and prints the medians of the rounds as a table.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import timeit
from pathlib import Path

import olivine.core as mx
from tools.programs import find_swift, under_valgrind

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
STAGE = ROOT / "build" / "release" / "python" / "olivine"
ROWS = {"build": "add two arrays", "compute": "add and compute 4 numbers"}
CALLS = 20_000


def compiled(folder: Path) -> dict[str, list[str]]:
    """The command of each language's program."""
    link = [f"-L{STAGE / 'lib'}", f"-Wl,-rpath,{STAGE / 'lib'}"]
    cxx = os.environ.get("CXX", "g++")
    commands = {"C++": [str(folder / "cpp")], "C": [str(folder / "c")]}
    subprocess.run(
        [cxx, "-O2", "-std=c++20", f"-I{ROOT / 'include'}", str(HERE / "calls.cpp"), *link,
         "-lolivine", "-o", *commands["C++"]], check=True,
    )  # fmt: skip
    subprocess.run(
        [os.environ.get("CC", "gcc"), "-O2", "-std=c99", f"-I{ROOT / 'bindings/c/include'}",
         str(HERE / "calls.c"), *link, "-lolivine_c", "-o", *commands["C"]], check=True,
    )  # fmt: skip
    if swift := find_swift():
        build = [swift, "build", "-c", "release", "--product", "bench-calls"]
        build += ["--package-path", str(ROOT), "--scratch-path", str(ROOT / "build/swift")]
        subprocess.run([*build, "--quiet"], check=True)
        commands["Swift"] = [str(ROOT / "build/swift/release/bench-calls")]
    else:
        print("no swift was found: its column is left out", file=sys.stderr)
    return commands


def of_program(command: list[str]) -> dict[str, float]:
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {name: float(value) for name, value in (line.split() for line in out.splitlines())}


def loses_nothing(command: list[str]) -> bool:
    """Whether valgrind finds neither lost memory nor wrong accesses."""
    run = under_valgrind(command)
    if run.returncode:
        print(run.stderr[-4000:], file=sys.stderr)
    return run.returncode == 0


def of_python() -> dict[str, float]:
    a, b = mx.array([1.0, 2.0, 3.0, 4.0]), mx.array([5.0, 6.0, 7.0, 8.0])
    mx.eval(a, b)
    calls = {"build": lambda: a + b, "compute": lambda: mx.eval(a + b)}
    return {
        k: min(timeit.repeat(f, number=CALLS, repeat=5)) / CALLS * 1e9 for k, f in calls.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--leaks", action="store_true", help="run them under valgrind instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        commands = compiled(Path(folder))
        if options.leaks:  # 1.4 million calls each
            found = {language: loses_nothing(command) for language, command in commands.items()}
            print(", ".join(f"{k}: {'clean' if v else 'FAILED'}" for k, v in found.items()))
            return 0 if all(found.values()) else 1
        found = {language: [] for language in [*commands, "Python"]}
        for _ in range(options.rounds):
            for language, rounds in found.items():
                command = commands.get(language)
                rounds.append(of_program(command) if command else of_python())
    print("| nanoseconds | " + " | ".join(found) + " |")
    print("|---" * (len(found) + 1) + "|")
    for row, title in ROWS.items():
        medians = [statistics.median(one[row] for one in rounds) for rounds in found.values()]
        print(f"| {title} | " + " | ".join(f"{m:.0f}" for m in medians) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
