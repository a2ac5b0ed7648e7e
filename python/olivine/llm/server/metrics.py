"""Counters of the server, in Prometheus' text format (version 0.0.4)."""

from __future__ import annotations

import threading
import time

from olivine.llm.heap import malloc_bytes, python_objects

# name -> what it counts.
COUNTERS = {
    "completed": "requests that were answered to the end",
    "cancelled": "requests whose clients went away",
    "failed": "requests that ended with an error",
    "timed_out": "requests that took too long",
    "refused": "requests that found the queue full",
    "prompt_tokens": "tokens of prompts",
    "cached_tokens": "of these, tokens that an earlier prompt had begun with",
    "generated_tokens": "tokens generated",
}
BOUNDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)  # seconds


class Histogram:
    """How many durations were at most each of `BOUNDS`."""

    def __init__(self):
        self.buckets = [0] * len(BOUNDS)
        self.count, self.sum = 0, 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.sum += seconds
        for i, bound in enumerate(BOUNDS):
            self.buckets[i] += seconds <= bound

    def lines(self, name: str, about: str) -> list[str]:
        out = [f"# HELP {name} {about}", f"# TYPE {name} histogram"]
        for bound, count in zip(BOUNDS, self.buckets, strict=True):
            out.append(f'{name}_bucket{{le="{bound:g}"}} {count}')
        out.append(f'{name}_bucket{{le="+Inf"}} {self.count}')
        return [*out, f"{name}_sum {self.sum:.6f}", f"{name}_count {self.count}"]


class Metrics:
    """Counts from any thread."""

    def __init__(self):
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(COUNTERS, 0)
        self._wait, self._whole = Histogram(), Histogram()
        self.started = time.time()

    def count(self, name: str, by: int = 1) -> None:
        with self._lock:
            self._counts[name] += by

    def first_token(self, seconds: float, prompt: int, cached: int) -> None:
        with self._lock:
            self._wait.add(seconds)
            self._counts["prompt_tokens"] += prompt
            self._counts["cached_tokens"] += cached

    def finished(self, seconds: float) -> None:
        with self._lock:
            self._whole.add(seconds)

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    def text(self, running: int, waiting: int, memory: int, kept: int) -> str:
        """All of them, with gauges of the present load and memory in bytes."""
        gauges = {
            "running": (running, "sequences being generated"),
            "waiting": (waiting, "sequences that wait"),
            "memory_bytes": (memory, "memory of arrays in use"),
            "kept_bytes": (kept, "memory that arrays have left, kept for the next ones"),
            "malloc_bytes": (malloc_bytes(), "memory in use beside that of arrays, of malloc"),
            "python_objects": (python_objects(), "memory in use beside that of arrays, of Python"),
            "start_time_seconds": (self.started, "when the server started, Unix time"),
        }
        out = []
        for name, (value, about) in gauges.items():
            out += [f"# HELP olivine_{name} {about}", f"# TYPE olivine_{name} gauge"]
            out.append(f"olivine_{name} {value:.10g}")
        with self._lock:
            for name, about in COUNTERS.items():
                out += [f"# HELP olivine_{name}_total {about}"]
                out += [f"# TYPE olivine_{name}_total counter"]
                out.append(f"olivine_{name}_total {self._counts[name]}")
            out += self._wait.lines("olivine_first_token_seconds", "from request to first token")
            out += self._whole.lines("olivine_request_seconds", "from request to last token")
        return "\n".join(out) + "\n"
