#!/usr/bin/env python3
"""Random programs of 20 to 60 ops: step by step, lazily, compiled, mapped and differentiated alike.

    tools/compositions.py --count N --seed S [--seconds T] [--show SEED]

Seeds S to S + N - 1 are checked, in a process of their own that is started anew should it die. Every
finding is printed with its seed and a program cut down to what is needed. --show prints the program
of a seed. tests/compositions/ says how programs are drawn and what must hold.
"""

import argparse
import collections
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def work(first, count, seconds):
    """Checks programs, one line per event on standard output."""
    from tests.compositions.check import Finding, check, shrink
    from tests.compositions.program import draw

    end = time.monotonic() + seconds
    for seed in range(first, first + count):
        if time.monotonic() > end:
            break
        print(f"begin {seed}", flush=True)
        try:
            program = draw(seed)
        except Exception as error:
            print(f"finding drawing | seed {seed}: {type(error).__name__}: {error}")
            continue
        try:
            check(program)
        except Finding as finding:
            program, finding = shrink(program, finding)
            print(
                f"finding {finding.kind} | seed {seed}, {program.profile}: "
                + " ".join(str(finding).split())[:600]
            )
            print("\n".join("    " + line for line in program.text().splitlines()))
        print(f"done {len(program.statements)} {program.profile}", flush=True)
    print("end", flush=True)


class Run:
    """Follows the worker processes and counts."""

    def __init__(self, first, count, seconds):
        self.seed, self.last = first, first + count
        self.end = time.monotonic() + seconds
        self.programs, self.statements, self.findings = 0, 0, collections.Counter()
        self.shown = time.monotonic()

    def follow(self):
        """One worker, to its end or death; whether all is done."""
        left = self.end - time.monotonic()
        command = [
            sys.executable,
            __file__,
            "--work",
            str(self.seed),
            str(self.last - self.seed),
            str(left),
        ]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        begun = self.seed
        for line in worker.stdout:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "begin":
                begun = int(rest)
            elif word == "done":
                self.programs += 1
                self.statements += int(rest.split()[0])
                self.seed = begun + 1
                self.progress()
            elif word == "end":
                worker.wait()
                return True
            else:
                if word == "finding":
                    self.findings[rest.split(" |")[0]] += 1
                print(line, end="", flush=True)
        if worker.wait() < 0:
            self.findings["death"] += 1
            print(
                f"finding death | seed {begun}: the process died of signal {-worker.returncode}",
                flush=True,
            )
        else:
            sys.exit(f"the worker ended with status {worker.returncode}")
        self.seed = begun + 1
        return self.seed >= self.last or time.monotonic() > self.end

    def progress(self):
        if time.monotonic() - self.shown > 20:
            self.shown = time.monotonic()
            print(
                f"  {self.programs} programs, {sum(self.findings.values())} findings",
                file=sys.stderr,
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=280, help="stop drawing after this long")
    parser.add_argument("--show", type=int, metavar="SEED", help="print the program of a seed")
    parser.add_argument("--work", nargs=3, type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        return work(int(args.work[0]), int(args.work[1]), args.work[2])
    if args.show is not None:
        from tests.compositions.program import draw

        print(draw(args.show).text())
        return
    start, run = time.monotonic(), Run(args.seed, args.count, args.seconds)
    while not run.follow():
        pass
    isa = os.environ.get("OLIVINE_CPU_ISA", "the newest")
    print(f"seeds {args.seed} to {run.seed - 1}: {run.programs} programs, {run.statements} statements, "
          f"{time.monotonic() - start:.0f} s, instruction set {isa}")  # fmt: skip
    print(
        "findings: "
        + (", ".join(f"{n} {kind}" for kind, n in run.findings.most_common()) or "none")
    )
    return 1 if run.findings else 0


if __name__ == "__main__":
    sys.exit(main())
