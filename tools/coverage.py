"""Builds with line counters, runs the C++ and Python tests, and prints the line coverage of src/.

    .venv/bin/python tools/coverage.py                  everything: build, run, report
    .venv/bin/python tools/coverage.py --report         only the report on the last run
    .venv/bin/python tools/coverage.py --report --missing src/ops/fft.cpp    lines that never ran
    .venv/bin/python tools/coverage.py --add tests/ops/fft.py                run more, keep counts

The build lies in build/coverage (preset "coverage": -O1 --coverage, kernels for plain and avx2). A
line counts once, however many instruction sets, template arguments and objects hold it: it is
covered if one of them ran. The counts come from gcc's own gcov. Exit status 1 below --least percent
or where a test fails.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "coverage"
BIN = Path(sys.executable).parent


def run(command, limit, env=None):
    """Runs a step; returns whether it passed (a failing test still leaves its counts)."""
    print("====", *command, flush=True)
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **(env or {})}, timeout=limit)
    print(f"==== {time.monotonic() - start:.0f} s, exit status {done.returncode}", flush=True)
    return done.returncode == 0


def build(jobs):
    if not (BUILD / "build.ninja").exists():
        command = [BIN / "cmake", "--preset", "coverage", f"-DPython_EXECUTABLE={sys.executable}"]
        if (BIN / "ninja").exists():
            command.append(f"-DCMAKE_MAKE_PROGRAM={BIN / 'ninja'}")
        if not run(command, 300):
            sys.exit("the configuration failed")
    if not run([BIN / "cmake", "--build", BUILD, "-j", str(jobs)], 3600):
        sys.exit("the build failed")


def forget_counts():
    for path in BUILD.rglob("*.gcda"):
        path.unlink()


def run_tests(jobs, paths):
    """All C++ and Python tests and, as `make test`, those of ops for older machines; or `paths`."""
    if paths:
        return run_python_tests(jobs, paths, "avx2")
    steps = [
        run_cpp_tests(jobs),
        run_python_tests(jobs, ["tests"], "avx2"),
        run_python_tests(jobs, ["tests/ops"], "plain"),
    ]
    return all(steps)


def run_cpp_tests(jobs):
    """Both programs; a process per job shares out the tests of the large one. Those of the allocator
    have one to themselves, because they count what the process holds."""
    programs = BUILD / "python" / "olivine" / "lib"
    tests = [programs / "olivine_tests", "--gtest_brief=1"]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        shards = [
            {"GTEST_TOTAL_SHARDS": str(jobs), "GTEST_SHARD_INDEX": str(i)} for i in range(jobs)
        ]
        others = [*tests, "--gtest_filter=-Allocator.*"]
        passed = list(pool.map(lambda env: run(others, 1800, env), shards))
    passed.append(run([*tests, "--gtest_filter=Allocator.*"], 300))
    return all(passed) & run([programs / "olivine_mlx_program"], 60)


def run_python_tests(jobs, paths, isa):
    # Without --slow: those tests measure time, or do the same for longer.
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(jobs), *paths]
    return run(command, 3600, {"PYTHONPATH": str(BUILD / "python"), "OLIVINE_CPU_ISA": isa})


def lines_of(counts):
    """gcov's report on one object: file below src/ -> {line: count}."""
    command = ["gcov", "--json-format", "--stdout", str(counts)]
    done = subprocess.run(command, cwd=BUILD, capture_output=True, text=True, errors="replace")
    files = {}
    for text in filter(None, done.stdout.splitlines()):
        for entry in json.loads(text)["files"]:
            path = (BUILD / entry["file"]).resolve()
            if not path.is_relative_to(ROOT / "src"):
                continue
            lines = files.setdefault(str(path.relative_to(ROOT)), {})
            for line in entry["lines"]:
                number = line["line_number"]
                lines[number] = max(lines.get(number, 0), line["count"])
    return files


def collect(jobs):
    """The same, of all objects together; an object that nothing loaded counts as never run."""
    notes = sorted(p for p in BUILD.rglob("*.gcno") if "/bindings/" not in str(p))
    total = collections.defaultdict(dict)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for i, files in enumerate(pool.map(lines_of, notes)):
            for name, lines in files.items():
                into = total[name]
                for number, count in lines.items():
                    into[number] = max(into.get(number, 0), count)
            if sys.stderr.isatty():
                print(f"{i + 1} of {len(notes)} objects", end="\r", file=sys.stderr, flush=True)
    return {name: lines for name, lines in total.items() if lines}


def percent(lines):
    return 100 * sum(count > 0 for count in lines) / max(len(lines), 1)


def report(total, below):
    """Prints folders, then the files under `below` percent; returns the whole percentage."""
    folders = collections.defaultdict(list)
    for name, lines in total.items():
        folders[str(Path(name).parent)] += lines.values()
    everything = [count for lines in total.values() for count in lines.values()]
    print(f"{'folder':40}{'lines':>8}{'run':>8}")
    for name, lines in sorted(folders.items()):
        print(f"{name:40}{len(lines):8}{percent(lines):7.1f}%")
    print(f"{'src':40}{len(everything):8}{percent(everything):7.1f}%")
    low = [(percent(lines.values()), name, len(lines)) for name, lines in total.items()]
    low = sorted(row for row in low if row[0] < below)
    if low:
        print(f"\nfiles below {below:.0f} %")
    for share, name, count in low:
        print(f"{name:60}{count:6} lines{share:7.1f}%")
    return percent(everything)


def show_missing(total, names):
    for name in names:
        lines = total.get(name, {})
        text = (ROOT / name).read_text(encoding="utf-8").splitlines()
        print(f"\n{name}: {percent(lines.values()):.1f} %")
        for number in sorted(n for n, count in lines.items() if count == 0):
            print(f"{number:6} {text[number - 1]}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=2, help="compilers and tests at once (2)")
    parser.add_argument(
        "--build", action="store_true", help="only build (resumes where it stopped)"
    )
    parser.add_argument("--report", action="store_true", help="only report on the last run")
    parser.add_argument(
        "--add", nargs="+", metavar="TEST", help="run these tests on top, and report"
    )
    parser.add_argument(
        "--missing", nargs="+", default=[], metavar="FILE", help="list lines not run"
    )
    parser.add_argument("--below", type=float, default=90, help="name files under this percentage")
    parser.add_argument("--least", type=float, default=90, help="fail under this percentage (90)")
    options = parser.parse_args()
    passed = True
    if not options.report:
        build(options.jobs)
        if options.build:
            return 0
        if not options.add:
            forget_counts()
        passed = run_tests(options.jobs, options.add)
    total = collect(options.jobs)
    covered = report(total, options.below)
    show_missing(total, options.missing)
    print(f"\n{covered:.1f} % of the lines of src/ ran" + ("" if passed else "; some tests failed"))
    return 0 if passed and covered >= options.least else 1


if __name__ == "__main__":
    sys.exit(main())
