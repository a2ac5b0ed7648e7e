"""Recording a profile: `with profile() as p`, or `start()` and `stop()`."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from olivine.profiler.events import PHASES, Place, Thread, read_step, read_thread
from olivine.profiler.machine import Limits, measure_limits
from olivine.profiler.memory import Memory
from olivine.profiler.rows import Row, Total, group, totals

MAX_EVENTS = 10_000_000  # 48 bytes each


class Profile:
    """What was recorded, once the recording has ended.

    Attributes:
        wall: seconds from begin to end.
        threads: the threads that used the library, first the one that began.
        dropped: events beyond the limit, which are missing in everything but `phases`.
        title: the heading of the page and of the trace.
    """

    def __init__(self, limit: int = MAX_EVENTS):
        self._limit = limit
        self._has_ended = False
        self.title = ""

    # ---- Recording.

    def __enter__(self) -> Profile:
        import olivine.core as mx

        if self._has_ended:
            raise RuntimeError("[profiler] expected a new profile; got one that has ended")
        mx._profile_start(self._limit)
        return self

    def __exit__(self, *_) -> None:
        import olivine.core as mx

        self._read(mx._profile_stop())

    def _read(self, raw: dict) -> None:
        scale = raw["ns_per_tick"]
        self.wall = (raw["end"] - raw["begin"]) * scale / 1e9
        self.dropped = raw["dropped"]
        self.steps = {number: read_step(step) for number, step in raw["steps"].items()}
        self.places = {number: Place(*place) for number, place in raw["places"].items()}
        self.threads = [read_thread(t, raw["begin"], scale) for t in raw["threads"]]
        _name_threads(self.threads)
        self._has_ended = True

    def _ended(self) -> None:
        if not self._has_ended:
            raise RuntimeError("[profiler] expected a recording that has ended; got one that runs")

    # ---- Where time went.

    @property
    def phases(self) -> dict[str, float]:
        """Seconds of each phase on the thread that began; they add up to `wall`."""
        self._ended()
        return self.threads[0].phases

    @property
    def attributed(self) -> float:
        """The share of `wall` whose cause is known: all but the time between steps of a plan."""
        return 1 - self.phases["running"] / self.wall

    @cached_property
    def _totals(self) -> list[Total]:
        self._ended()
        return totals(self.threads, self.steps, self.places)

    def rows(self, by: str = "op") -> list[Row]:
        """Steps added up, the longest first.

        Args:
            by: "op" (a fused region is one op), "kernel", "shape", "line", "layer" or "stream". A
                region's time belongs in equal parts to the lines of its ops.
        """
        return group(self._totals, self.places, by)

    @property
    def flops(self) -> float:
        """Floating-point operations of all steps; see olivine/profiler/flops.py."""
        return sum(t.row.flops for t in self._totals)

    @property
    def bytes(self) -> float:
        """Bytes that all steps read and wrote, each operand once."""
        return sum(t.row.bytes for t in self._totals)

    @cached_property
    def limits(self) -> Limits:
        """What the machine can do; measured when it is first asked for."""
        return measure_limits()

    @cached_property
    def memory(self) -> Memory:
        """Live bytes over time, by source line."""
        self._ended()
        return Memory(self)

    # ---- Showing it.

    def table(self, by: str = "op", rows: int = 15, limits: bool = True) -> str:
        """Text for a terminal: phases, then the longest rows of `rows(by)`."""
        from olivine.profiler.table import table

        return table(self, by, rows, limits)

    def __str__(self) -> str:
        return self.table()

    def save_trace(self, path: str | os.PathLike) -> None:
        """Write a trace for https://ui.perfetto.dev and chrome://tracing."""
        from olivine.profiler.trace import write_trace

        self._ended()
        write_trace(self, Path(path))

    def save_html(self, path: str | os.PathLike) -> None:
        """Write a page with pictures that needs nothing else."""
        from olivine.profiler.page import page

        self._ended()
        Path(path).write_text(page(self), encoding="utf-8")


def _name_threads(threads: list[Thread]) -> None:
    """Python's names for its threads; the library's own are named by their stream."""
    import threading

    names = {t.native_id: t.name for t in threading.enumerate()}
    for thread in threads:
        if thread.id in names:
            thread.name = names[thread.id]
        elif thread.name == "olivine-stream":
            streams = thread.events["stream"][thread.events["kind"] == PHASES.index("steps")]
            thread.name = f"stream {streams[0]}" if len(streams) else "stream"
        if thread.id not in names:
            thread.phases["idle"] = thread.phases.pop("Python")


def profile(max_events: int = MAX_EVENTS) -> Profile:
    """Record what a `with` block does; the profile can be read after it.

    Args:
        max_events: of 48 bytes each; what comes after them is counted, not recorded.

    Raises:
        RuntimeError: on entering, if a profile is running already.

    Example:
        with mx.profiler.profile() as p:
            mx.eval(step(x))
        print(p)
    """
    return Profile(max_events)


_running: Profile | None = None


def start(max_events: int = MAX_EVENTS) -> None:
    """Begin to record, until `stop()`.

    Raises:
        RuntimeError: if a profile is running already.
    """
    global _running
    p = Profile(max_events)
    p.__enter__()
    _running = p


def stop() -> Profile:
    """End what `start()` began.

    Raises:
        RuntimeError: if `start()` was not called.
    """
    global _running
    if _running is None:
        raise RuntimeError("[profiler] expected a profile that start() began; got none")
    p, _running = _running, None
    p.__exit__()
    return p
