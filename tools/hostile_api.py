"""Calls the Python API at random with hostile arguments and reports what is no clear answer.

    .venv/bin/python tools/hostile_api.py --calls 20000 --seed 1     a first look
    .venv/bin/python tools/hostile_api.py --only linalg.svd          one function (part of its name)
    .venv/bin/python tools/hostile_api.py --replay 1:4711            one call again, shown
    .venv/bin/python tools/hostile_api.py --replay 1:4000-4711       with the calls before it

Every call is drawn from (seed, index) alone: a target out of the typed stubs (functions, methods,
operators) or made by hand (indexing, construction, transformations, graphs, layers), and arguments
of which usually one is hostile: a wrong type, an edge of an integer type, a NaN, a shape that
overflows, an axis out of range, a list that contains or empties itself, a foreign buffer. The
result is computed. Calls run in worker processes with little memory; the driver starts a new worker
where one dies. A finding is

    a signal     the worker died
    a hang       one call took over 10 s of processor time, or 60 s in all, of which others or the
                 system had the rest (after 2 s it gets what Ctrl-C sends)
    an error     that is no sentence, has no [op] in front, tells of the implementation, or is of a
                 type that blames the wrong side

and "interrupted" counts calls that the 2-second Ctrl-C ended; they are honest long work or a bug, so
they are listed, but do not fail. Exit status 1 if there is a finding.
"""

import argparse
import collections
import json
import multiprocessing
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
HANG, WAIT = 10.0, 60.0  # seconds of the processor's time, and of the clock's


class Worker:
    """A process at work on the calls from `start` to `stop`."""

    def __init__(self, folder, number, options, start, stop):
        self.start, self.stop = start, stop
        self.folder = Path(folder) / f"{number}-{start}"
        self.folder.mkdir()
        self.progress = self.folder / "progress"
        self.progress.write_bytes(struct.pack("qd", start, time.monotonic() + 20))
        self.report = self.folder / "report"
        self.report.touch()
        self.log = self.folder / "log"
        context = multiprocessing.get_context("spawn")
        self.process = context.Process(
            target=enter,
            args=(str(self.folder), options.seed, start, stop, options.only, str(self.log), False),
        )
        self.process.start()
        self.seen, self.used = start, 0.0

    def at(self):
        """(index of the call under way, when it began)"""
        return struct.unpack("qd", self.progress.read_bytes())

    def hangs(self):
        index, began = self.at()
        if index != self.seen:
            self.seen, self.used = index, self.processor_time()
        waited = time.monotonic() - began
        if waited <= HANG:
            return False
        return waited > WAIT or self.processor_time() - self.used > HANG

    def processor_time(self):
        """Seconds that the process has used so far; 0 once it is gone."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rows(self):
        return [json.loads(line) for line in self.report.read_text(encoding="utf-8").splitlines()]


def enter(folder, seed, start, stop, only, log, show):
    """The main function of a worker process."""
    os.environ["PYTHONHASHSEED"] = "0"
    os.chdir(folder)
    if log:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
    from hostile import worker

    worker.work(seed, start, stop, only, "progress", "report", show)


class Run:
    """All workers of a run, and what they found."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.todo = []
        for start in range(options.start, options.start + options.calls, options.slice):
            self.todo.append((start, min(start + options.slice, options.start + options.calls)))
        self.todo.reverse()
        self.findings, self.interrupted = [], []
        self.outcomes, self.patterns = collections.Counter(), {}
        self.done, self.count, self.rss = 0, 0, 0
        self.began = time.monotonic()

    def go(self):
        workers, shown = [], 0.0
        while workers or self.todo:
            while self.todo and len(workers) < self.options.jobs:
                self.count += 1
                workers.append(Worker(self.folder, self.count, self.options, *self.todo.pop()))
            time.sleep(0.05)
            for worker in list(workers):
                if worker.process.is_alive() and worker.hangs():
                    os.kill(worker.process.pid, signal.SIGABRT)  # its log gets a traceback
                    worker.process.join(2)
                    worker.process.kill()
                    worker.process.join()
                    self.end(worker, "hang")
                elif worker.process.is_alive():
                    continue
                else:
                    worker.process.join()
                    self.end(worker, None)
                workers.remove(worker)
            if time.monotonic() - shown > 2:
                shown = time.monotonic()
                now = self.done + sum(w.at()[0] - w.start for w in workers)
                self.show(now)

    def show(self, now):
        if sys.stderr.isatty() or self.options.progress:
            rate = now / (time.monotonic() - self.began)
            text = f"{now:,} of {self.options.calls:,} calls, {rate:,.0f}/s, {len(self.findings)} findings"
            print(text, file=sys.stderr, end="\r" if sys.stderr.isatty() else "\n", flush=True)

    def end(self, worker, what):
        """Takes over what a worker wrote, and puts the rest of its slice back if it died."""
        index = worker.at()[0]
        code = worker.process.exitcode
        for row in worker.rows():
            if "summary" in row:
                self.outcomes.update(row["summary"])
                self.rss = max(self.rss, row["rss"])
                for target, kind, text, count, first in row["patterns"]:
                    self.patterns.setdefault((target, kind, text), [0, first])[0] += count
            elif row["what"] == "interrupted":
                self.interrupted.append(row)
            else:
                self.findings.append(row)
        if what is None and code == 0:
            self.done += worker.stop - worker.start
        else:
            what = what or (f"signal {-code}" if code < 0 else f"exit status {code}")
            log = worker.log.read_text(errors="replace")[-3000:] if worker.log.exists() else ""
            text = self.shown(index)
            target = text.partition(" ")[2].partition("(")[0]
            row = dict(index=index, what=what, type="", message=log, target=target, call=text)
            self.findings.append(row)
            self.done += min(index + 1, worker.stop) - worker.start
            if index + 1 < worker.stop:
                self.todo.append((index + 1, worker.stop))
        shutil.rmtree(worker.folder, ignore_errors=True)

    def shown(self, index):
        """The text of a call that its worker could not tell."""
        command = [sys.executable, __file__, "--replay", f"{self.options.seed}:{index}"]
        if self.options.only:
            command += ["--only", *self.options.only]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=HANG)
            return done.stdout.partition("\n")[0] + ("" if done.returncode else " (not alone)")
        except subprocess.TimeoutExpired as error:
            return (error.stdout or b"").decode(errors="replace").partition("\n")[0]

    def report(self):
        """Prints findings, equal ones together. Returns whether there were none."""
        seconds = time.monotonic() - self.began
        groups = {}
        for row in self.findings:
            key = (row["what"], row["target"], row["type"], row["message"][:60])
            groups.setdefault(key, []).append(row)
        for (what, target, kind, _), rows in sorted(groups.items(), key=lambda g: -len(g[1])):
            first = rows[0]
            print(
                f"\n{what}: {target} ({len(rows)} times), --replay {self.options.seed}:{first['index']}"
            )
            print(f"    {first['call']}")
            print(f"    {kind}: {first['message']}")
        if self.interrupted:
            print("\nended by the 2-second interrupt:")
            for row in self.interrupted[:20]:
                print(f"    {self.options.seed}:{row['index']} {row['call']}")
        if self.options.patterns:
            print("\nerrors by target, type and wording:")
            for (target, kind, text), (count, first) in sorted(self.patterns.items()):
                print(f"    {target} {kind} x{count} {self.options.seed}:{first}: {text}")
        signals = sum(r["what"].startswith(("signal", "exit")) for r in self.findings)
        hangs = sum(r["what"] == "hang" for r in self.findings)
        print(
            f"\n{self.done:,} calls in {seconds:.0f} s ({self.done / seconds:,.0f}/s, "
            f"{self.options.jobs} workers, up to {self.rss >> 10} MiB each): "
            f"{self.outcomes['done']:,} done, {self.outcomes['refused']:,} refused with a clear error, "
            f"{len(self.interrupted)} interrupted\n"
            f"{signals} signals, {hangs} hangs, {len(self.findings) - signals - hangs} unclear errors"
        )
        return not self.findings


def replay(options):
    """Runs some calls in this process, each shown before it is made."""
    seed, _, span = options.replay.partition(":")
    first, _, last = span.partition("-")
    folder = tempfile.mkdtemp(prefix="hostile-")
    (Path(folder) / "progress").write_bytes(bytes(16))
    stop = int(last or first) + 1
    try:
        enter(folder, int(seed), int(first), stop, options.only, None, True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=10_000, help="how many (10,000)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other calls (0)")
    parser.add_argument("--start", type=int, default=0, help="index of the first call (0)")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="workers (2)")
    parser.add_argument("--slice", type=int, default=10_000, help="calls per process (10,000)")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="targets whose name contains NAME"
    )
    parser.add_argument("--patterns", action="store_true", help="also list every error's wording")
    parser.add_argument("--progress", action="store_true", help="progress lines, terminal or not")
    parser.add_argument("--replay", metavar="SEED:INDEX", help="make one call again, or SEED:A-B")
    options = parser.parse_args()
    if options.replay:
        replay(options)
        return 0
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        run = Run(options, folder)
        run.go()
        return 0 if run.report() else 1


if __name__ == "__main__":
    sys.exit(main())
