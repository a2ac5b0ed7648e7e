#!/usr/bin/env python3
"""Compares olivine.nn, olivine.optimizers and olivine.utils with MLX's and PyTorch's.

Every layer, loss, function, initializer and optimizer, with several settings each, is run on the
same parameters and inputs in all libraries: outputs, gradients with respect to parameters and
inputs, running statistics, parameters and states of optimizers after several steps, representations
and the names and order of parameters; in float32 and bfloat16.

    tools/nn_equality.py --oracle PYTHON                 # prints a table and what differs
    tools/nn_equality.py --oracle PYTHON --only pooling  # one family, or cases whose text holds it
    tools/nn_equality.py --oracle PYTHON --write         # also writes docs/nn-equality.md
    tools/nn_equality.py --oracle PYTHON --keep /tmp/eq  # keeps what every library gave

The oracle is a Python that can import mlx (0.32) and torch; nothing of either is needed otherwise.
Ends with status 1 if something differs that docs/differences.md does not explain.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

LIBRARIES = ("mlx", "torch", "olivine")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from nn_cases import all_cases, coverage, report  # noqa: E402
from nn_cases.worker import load  # noqa: E402


def run_worker(python, package, folder, only, path=None):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [path]))}
    command = [python, "-m", "nn_cases.worker", package, str(folder), only]
    status = subprocess.run(command, cwd=ROOT / "tools", env=environment, check=False)
    if status.returncode:
        sys.exit(f"the process for {package} ended with status {status.returncode}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--oracle", required=True, metavar="PYTHON", help="has mlx and torch")
    parser.add_argument("--ours", default=sys.executable, metavar="PYTHON", help="runs olivine")
    parser.add_argument(
        "--package",
        default=str(ROOT / "build/release/python"),
        metavar="FOLDER",
        help="the folder that holds the olivine package (default: the release build)",
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="a family or part of a case")
    parser.add_argument("--list", action="store_true", help="list the cases and stop")
    parser.add_argument("--keep", metavar="FOLDER", help="keep all results there")
    parser.add_argument(
        "--run",
        nargs="*",
        default=LIBRARIES,
        choices=LIBRARIES,
        help="only run these again, and take the others' results from --keep",
    )
    parser.add_argument("--write", action="store_true", help="write docs/nn-equality.md")
    parser.add_argument("--date", default="", help="the date to name on the page")
    parser.add_argument("--examples", type=int, default=40, help="how many differences to show")
    args = parser.parse_args()
    if args.list:
        for case in all_cases():
            print(f"{case.family:14} {case.name}")
        return 0
    if args.write and args.only:
        parser.error("--write needs all cases")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.keep or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for package in args.run:
            ours = package == "olivine"
            python = args.ours if ours else args.oracle
            run_worker(python, package, folder, args.only, args.package if ours else None)
        results = {name: load(folder / name) for name in LIBRARIES}
    cases = [case for case in all_cases() if args.only in case.name or args.only == case.family]
    found = report.compare_all(cases, results)
    report.show(found, args.examples)
    covered, forgotten = coverage(results["olivine"][1]["surface"], all_cases())
    print(f"covered: {covered}")
    if forgotten:
        sys.exit(f"no case names {', '.join(forgotten)}")
    if args.write:
        text = report.page(found, results, cases, covered, args.date)
        (ROOT / "docs/nn-equality.md").write_text(text)
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
