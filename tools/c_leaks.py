"""Runs programs of the C API under valgrind: no leak, no access to memory that is not theirs.

    python tools/c_leaks.py [--calls N] [NAME ...]

NAME is one of tests/bindings/c (all of them unless given); `leaks` calls each kind of function N
times. Ends with 1 if one fails, with 2 where valgrind or the programs are missing (`make build`).
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from programs import under_valgrind

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "build/release/python/olivine/lib"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--calls", type=int, default=100, help="of each family in leaks")
    args = parser.parse_args()
    names = args.names or sorted(p.stem for p in (ROOT / "tests/bindings/c").glob("*.c"))
    missing = [n for n in names if not (PROGRAMS / f"olivine_c_{n}").exists()]
    if missing or not shutil.which("valgrind"):
        print(f"not there: {', '.join(missing) or 'valgrind'}")
        sys.exit(2)
    failed = False
    for name in names:
        options = [str(args.calls)] if name == "leaks" else []
        with tempfile.TemporaryDirectory() as folder:
            run = under_valgrind([PROGRAMS / f"olivine_c_{name}", *options], cwd=folder)
        print(f"{'clean' if run.returncode == 0 else 'FAILED'}: {name}")
        if run.returncode:
            print(run.stdout[-2000:], run.stderr[-6000:], sep="\n")
            failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
