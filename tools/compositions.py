#!/usr/bin/env python3
"""Random programs of 20 to 60 ops: step by step, lazily, compiled, mapped and differentiated alike.

    tools/compositions.py --count N --seed S [--short] [--seconds T] [--show SEED]

Seeds S to S + N - 1 are checked, in a process of their own that is started anew should it die. Every
finding is printed with its seed and a program cut down to what is needed. With --short, programs have
3 to 10 statements and are compiled, compiled for any size, and computed by the plain kernels: 100,000
of them take about half an hour of one core. Where a run ends, it says how to go on. --show prints the
program of a seed. tests/compositions/ says how programs are drawn and what must hold.
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


def length_of(seed, short):
    return 3 + seed // 3 % 8 if short else None


def work(first, count, seconds, short):
    """Checks programs, one line per event on standard output."""
    from tests.compositions.check import CHECKS, SHORT, by_reference
    from tests.compositions.reference import Reference

    with Reference() as process:
        checks = (*(SHORT if short else CHECKS), by_reference(process))
        work_through(range(first, first + count), time.monotonic() + seconds, short, checks)
    print("end", flush=True)


def work_through(seeds, end, short, checks):
    from tests.compositions.check import Finding, check, shrink
    from tests.compositions.program import draw

    for seed in seeds:
        if time.monotonic() > end:
            break
        print(f"begin {seed}", flush=True)
        try:
            program = draw(seed, length_of(seed, short))
        except Exception as error:
            print(f"finding drawing | seed {seed}: {type(error).__name__}: {error}")
            continue
        try:
            check(program, checks)
        except Finding as finding:
            program, finding = shrink(program, finding, checks)
            print(
                f"finding {finding.kind} | seed {seed}, {program.profile}: "
                + " ".join(str(finding).split())[:600]
            )
            print("\n".join("    " + line for line in program.text().splitlines()))
        print(f"done {len(program.statements)} {program.profile}", flush=True)


class Run:
    """Follows the worker processes and counts."""

    def __init__(self, first, count, seconds, short):
        self.first, self.seed, self.last, self.short = first, first, first + count, short
        self.end = time.monotonic() + seconds
        self.programs, self.statements, self.findings = 0, 0, collections.Counter()
        self.began = self.shown = time.monotonic()

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
            str(int(self.short)),
        ]
        # In a session of its own, so that Ctrl-C ends this process, which then ends it.
        worker = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            return self.listen(worker)
        except KeyboardInterrupt:
            worker.terminate()
            raise

    def listen(self, worker):
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
        now = time.monotonic()
        on_terminal = sys.stderr.isatty()
        if now - self.shown < (0.5 if on_terminal else 20):
            return
        self.shown = now
        whole = self.last - self.first
        done = (self.seed - self.first) / whole
        rate = self.programs / (now - self.began)
        bar = "#" * int(30 * done) + "." * (30 - int(30 * done))
        left = (self.last - self.seed) / rate / 60
        text = (
            f"[{bar}] {self.programs} of {whole} programs, {rate:.1f} a second, "
            f"{sum(self.findings.values())} findings, {left:.0f} min left"
        )
        print(
            f"\r{text}" if on_terminal else text, end="" if on_terminal else "\n", file=sys.stderr
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="many short programs, fewer rules")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop drawing after this long")
    parser.add_argument("--show", type=int, metavar="SEED", help="print the program of a seed")
    parser.add_argument("--work", nargs=4, type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        first, count, seconds, short = args.work
        return work(int(first), int(count), seconds, bool(short))
    if args.show is not None:
        from tests.compositions.program import draw

        print(draw(args.show, length_of(args.show, args.short)).text())
        return
    run = Run(args.seed, args.count, args.seconds, args.short)
    try:
        while not run.follow():
            pass
    except KeyboardInterrupt:
        pass
    return report(run)


def report(run):
    seconds = time.monotonic() - run.began
    isa = os.environ.get("OLIVINE_CPU_ISA", "the newest")
    print(f"\nseeds {run.first} to {run.seed - 1}: {run.programs} programs, {run.statements} statements, "
          f"{seconds:.0f} s, {run.programs / seconds:.1f} a second, instruction set {isa}")  # fmt: skip
    if run.seed < run.last:
        short = " --short" if run.short else ""
        print(f"go on with --seed {run.seed} --count {run.last - run.seed}{short}")
    print(
        "findings: "
        + (", ".join(f"{n} {kind}" for kind, n in run.findings.most_common()) or "none")
    )
    return 1 if run.findings else 0


if __name__ == "__main__":
    sys.exit(main())
