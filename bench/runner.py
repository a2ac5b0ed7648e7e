"""One process per library, rounds interleaved; the processes that are not timed are stopped.

A workload gives, per library, a function that sets up and returns a step; a step is one whole call
whose result has been computed when it returns. Steps are repeated until a sample is long enough to
time, libraries take turns, and the median of the samples is reported with its spread.
"""

import argparse
import importlib
import importlib.util
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field

# name -> the package to import; "machine" is the limit of the hardware, measured with plain tools.
LIBRARIES = {
    "olivine": "olivine",
    "mlx": "mlx",
    "jax": "jax",
    "torch": "torch",
    "onnxruntime": "onnxruntime",
    "numpy": "numpy",
    "scipy": "scipy",
    "machine": "numpy",
}
MODULES = (
    "bench.startup",
    "bench.overheads",
    "bench.training",
    "bench.memory",
    "bench.matmul",
    "bench.attention",
    "bench.fft",
    "bench.linalg",
    "bench.quantized",
    "bench.convolution",
    "bench.image",
    "bench.sparse",
    "bench.loops",
)
SAMPLE_SECONDS = 0.1


@dataclass
class Workload:
    name: str
    work: float = 0.0  # units of work per call
    unit: str = ""  # of the work: "GB", "GFLOP", "token"
    limit: str = ""  # the figure of bench/limits.cpp that bounds the rate: "copy", "read", "f32"
    slow: bool = False  # one call takes long: few samples
    setups: dict = field(default_factory=dict)

    @property
    def module(self):
        return next(iter(self.setups.values())).__module__

    def on(self, *libraries):
        """Decorator: the function sets the workload up for these libraries."""

        def register(setup):
            for library in libraries:
                self.setups[library] = setup
            return setup

        return register


WORKLOADS = {}


def workload(name, **kwargs):
    WORKLOADS[name] = Workload(name, **kwargs)
    return WORKLOADS[name]


def load_workloads():
    for module in MODULES:
        importlib.import_module(module)
    return WORKLOADS


def available(names):
    return [name for name in names if importlib.util.find_spec(LIBRARIES[name])]


# ---- The process of one library: a request a line in, an answer a line out.


def timed(step, calls):
    start = time.perf_counter()
    for _ in range(calls):
        step()
    return (time.perf_counter() - start) / calls


def serve(library):
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    if library == "torch":
        importlib.import_module("torch").set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    load_workloads()
    step, calls = None, 1
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "setup":
                step = WORKLOADS[request["name"]].setups[library](library)
                first = timed(step, 1)
                second = timed(step, 1)
                while first < 1 and second * 3 < first:  # still warming up
                    first, second = second, timed(step, 1)
                calls = max(1, int(SAMPLE_SECONDS / max(second, 1e-7)))
                answer = {"seconds": second}
            elif request["do"] == "time":
                answer = {"seconds": timed(step, calls)}
            else:
                step, answer = None, {}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:200]}
        answers.write(json.dumps(answer) + "\n")


class Worker:
    def __init__(self, library, threads):
        self.library, self.threads = library, threads
        env = {**os.environ, "JAX_PLATFORMS": "cpu", "OLIVINE_NUM_THREADS": str(threads)}
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            env[name] = str(threads)
        env.pop("OPENBLAS_CORETYPE", None)  # OpenBLAS takes the best kernels it has
        cpus = sorted(os.sched_getaffinity(0))[:threads]
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"from bench.runner import serve; serve({library!r})"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=env,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus),
        )

    def ask(self, **request):
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            return {"error": f"the process ended ({self.process.wait()})"}
        self.process.send_signal(signal.SIGSTOP)
        return json.loads(line)

    def close(self):
        self.process.kill()
        self.process.communicate()


class Workers:
    """Processes that are used again by the next measurement; close() ends them."""

    def __init__(self):
        self.idle = []

    def take(self, library, threads):
        for worker in self.idle:
            if (worker.library, worker.threads) == (library, threads):
                self.idle.remove(worker)
                return worker
        return Worker(library, threads)

    def give(self, worker):
        if worker.process.poll() is None:
            self.idle.append(worker)
        else:
            worker.close()

    def close(self):
        while self.idle:
            self.idle.pop().close()


def measure(jobs, rounds, threads, pool=None):
    """Job -> (median seconds, spread) or an error text; jobs: name -> (workload, library).

    Whoever takes 5 seconds and 5 times as long as the fastest is timed once.
    """
    workers, samples, out = {}, {}, {}
    own = pool is None
    pool = pool or Workers()
    try:
        for job, (work, library) in jobs.items():
            workers[job] = pool.take(library, threads)
            answer = workers[job].ask(do="setup", name=work.name)
            if "error" in answer:
                out[job] = answer["error"]
            else:
                samples[job] = []
        order = list(samples)
        slow = any(work.slow for work, _ in jobs.values())
        for turn in range(min(rounds, 3) if slow else rounds):
            for job in order[turn % max(len(order), 1) :] + order[: turn % max(len(order), 1)]:
                answer = workers[job].ask(do="time")
                if "error" in answer:
                    out[job] = answer["error"]
                else:
                    samples[job].append(answer["seconds"])
            fastest = min((t[-1] for t in samples.values() if t), default=0)
            order = [j for j in order if j not in out and samples[j][-1] < max(5, 5 * fastest)]
        for worker in workers.values():
            worker.ask(do="forget")
    finally:
        for worker in workers.values():
            pool.give(worker)
        if own:
            pool.close()
    for job, times in samples.items():
        if times and job not in out:
            middle = statistics.median(times)
            out[job] = (middle, (max(times) - min(times)) / middle)
    return out


def measure_rates(jobs, rounds, threads):
    """Units of work per second by job, 0 for one that failed; see `measure`."""
    results = measure(jobs, rounds, threads)
    return {
        name: 0.0 if isinstance(r, str) else jobs[name][0].work / r[0]
        for name, r in results.items()
    }


def compare(program, description, names, prefix=""):
    """Prints a table of the rows `names`, or those that the command line chooses, beside PyTorch.

    The rows are shown and chosen without `prefix`.
    """
    parser = argparse.ArgumentParser(prog=program, description=description.splitlines()[0])
    parser.add_argument("names", nargs="*", help="rows whose names hold one of these texts")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(f"Medians of {options.rounds} interleaved samples, {options.threads} threads.\n")
    print("| row | olivine us | PyTorch us | olivine's rate |")
    print("|---" * 4 + "|")
    libraries = available(["olivine", "torch"])
    for name in names:
        title = name.removeprefix(prefix)
        if options.names and not any(text in title for text in options.names):
            continue
        row = WORKLOADS[name]
        results = measure({lib: (row, lib) for lib in libraries}, options.rounds, options.threads)
        times = [results.get(library, "not installed") for library in ("olivine", "torch")]
        cells = [r if isinstance(r, str) else f"{r[0] * 1e6:.0f}" for r in times]
        known = row.work and not isinstance(times[0], str)
        rate = f"{row.work / times[0][0]:.1f} {row.unit}/s" if known else ""
        print("| " + " | ".join([title, *cells, rate]) + " |", flush=True)
