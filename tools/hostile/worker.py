"""A slice of calls, made in a process of its own under limits; what happens goes into a file."""

import collections
import faulthandler
import json
import mmap
import os
import random
import resource
import signal
import struct
import sys
import time
import warnings

import numpy as np

import olivine.core as mx

from . import calls, judge
from .values import Values, describe

MEMORY = 256 << 20  # bytes of arrays
ADDRESSES = 3 << 30  # bytes of address space
INTERRUPT_AFTER = 2.0  # seconds


class TooLong(BaseException):
    """Raised in a call by the timer, as Ctrl-C would be."""


def interrupt(signum, frame):
    raise TooLong


def limit_process():
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, interrupt)
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)


DEFAULT_STREAM = mx.default_stream(mx.cpu)


def reset():
    """Undoes what a call may have set for the whole process."""
    mx.set_default_device(mx.cpu)
    mx.set_default_stream(DEFAULT_STREAM)
    mx.set_memory_limit(MEMORY)
    mx.set_cache_limit(MEMORY // 4)
    mx.set_printoptions()
    mx.set_debug_nonfinite(False, False)
    mx.enable_compile()
    mx.random.seed(0)


def arrays_in(x, depth=0):
    if isinstance(x, mx.array):
        yield x
    elif depth < 3 and type(x) in (list, tuple, dict):
        for item in x.values() if type(x) is dict else x[:100]:
            yield from arrays_in(item, depth + 1)


def use(result, rng):
    """Computes a result, and reads it as a user would."""
    found = list(arrays_in(result))
    mx.eval(found)
    if rng.random() < 0.1:
        for a in found[:3]:
            repr(a)
            if a.size < 10_000:
                a.tolist()
                if a.dtype != mx.bfloat16:
                    np.array(a)


class Slice:
    """Calls `start` to `start + count` of a seed."""

    def __init__(self, seed, only):
        self.seed = seed
        targets = calls.all_targets()
        if only:
            targets = [t for t in targets if any(o in t.name for o in only)]
        if not targets:
            sys.exit(f"no target is called like {only}")
        self.targets = targets
        self.weights = [t.weight for t in targets]

    def draw(self, index):
        """The call of this index: target, callable, args, kwargs, random source for afterwards."""
        rng = random.Random(f"{self.seed}:{index}")
        target = rng.choices(self.targets, self.weights)[0]
        values = Values(rng)
        return (target, *calls.build(target, values), rng)

    def text(self, target, call, args, kwargs):
        """The call as a reader sees it."""
        inner = [describe(a) for a in args] + [f"{k}={describe(x)}" for k, x in kwargs.items()]
        name = target.name if target.call else f"{target.name}: {getattr(call, '__name__', call)}"
        return f"{name}({', '.join(inner)})"

    def run(self, index):
        """Makes one call. Returns (outcome, error type, message, target, text of the call or None)."""
        try:
            return self.run_timed(index)
        except TooLong:  # the timer went off just when the call ended
            return "done", "", "", "", None
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def run_timed(self, index):
        signal.setitimer(signal.ITIMER_REAL, INTERRUPT_AFTER)
        target = text = call = None
        args, kwargs = [], {}
        try:
            target, call, args, kwargs, rng = self.draw(index)
            use(call(*args, **kwargs), rng)
            signal.setitimer(signal.ITIMER_REAL, 0)
            return "done", "", "", target.name, None
        except TooLong:
            text = self.text(target, call, args, kwargs) if target else "(drawing a call)"
            return "interrupted", "", "", target.name if target else "draw", text
        except BaseException as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if target is None or call is None:
                raise
            what = judge.problem(error, target.prefixed)
            message = str(error) if what != "exception without readable text" else ""
            if what:
                text = self.text(target, call, args, kwargs)
            return what or "refused", type(error).__name__, message, target.name, text


def work(seed, start, stop, only, progress_path, report_path, show=False):
    """Runs a slice; the index of the call under way lies in shared memory for the driver."""
    limit_process()
    job = Slice(seed, only)
    with open(progress_path, "r+b") as f:
        progress = mmap.mmap(f.fileno(), 16)
    outcomes, patterns = collections.Counter(), {}
    sys.setrecursionlimit(1000)
    with open(report_path, "a", encoding="utf-8", errors="backslashreplace") as report:
        for index in range(start, stop):
            # In one go: pack_into clears the place first, and the driver may read in between.
            progress[:16] = struct.pack("qd", index, time.monotonic())
            reset()
            if show:
                target, call, args, kwargs, _ = job.draw(index)
                print(f"{seed}:{index} {job.text(target, call, args, kwargs)}", flush=True)
            outcome, kind, message, target, text = job.run(index)
            if show:
                print(f"  {outcome} {kind} {message}", flush=True)
            outcomes[outcome] += 1
            if kind:
                key = (target, kind, judge.pattern(message))
                patterns.setdefault(key, [0, index])[0] += 1
            if outcome not in ("done", "refused"):
                row = dict(
                    index=index,
                    what=outcome,
                    type=kind,
                    message=message[:600],
                    target=target,
                    call=text,
                )
                report.write(json.dumps(row) + "\n")
                report.flush()
            if index % 256 == 0 and mx.sum(mx.ones((1000,))).item() != 1000:
                raise SystemExit("a plain sum has gone wrong")
        summary = dict(
            summary=dict(outcomes),
            patterns=[[*key, *value] for key, value in patterns.items()],
            rss=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        )
        report.write(json.dumps(summary) + "\n")
    struct.pack_into("qd", progress, 0, stop, time.monotonic())
