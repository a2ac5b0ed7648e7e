"""Recording a profile: `with profile() as p`, or `start()` and `stop()`."""

from __future__ import annotations

import os
import threading
from functools import cached_property
from pathlib import Path

from olivine.profiler.events import Place, Step, Thread, read_thread
from olivine.profiler.memory import Memory

MAX_EVENTS = 10_000_000  # 48 bytes each


class Profile:
    """What was recorded, once the recording has ended.

    Attributes:
        title: the heading of the page and of the trace.
    """

    def __init__(self, limit: int = MAX_EVENTS):
        self._limit = limit
        self._found = None
        self.title = ""

    # ---- Recording.

    def __enter__(self) -> Profile:
        import olivine.core as mx

        if self._found is not None:
            raise RuntimeError("[profiler] expected a new profile; got one that has ended")
        mx._profile_start(self._limit)
        return self

    def __exit__(self, *_) -> None:
        import olivine.core as mx

        self._found = mx._profile_stop()
        for thread in threading.enumerate():
            self._found.name_thread(thread.native_id or 0, thread.name)

    @property
    def _ended(self):
        """What was recorded, as the core keeps it."""
        if self._found is None:
            raise RuntimeError("[profiler] expected a recording that has ended; got one that runs")
        return self._found

    # ---- Where time went.

    @property
    def wall(self) -> float:
        """Seconds from begin to end."""
        return self._ended.wall

    @property
    def dropped(self) -> int:
        """Events beyond the limit, which are missing in everything but `phases`."""
        return self._ended.dropped

    @property
    def phases(self) -> dict[str, float]:
        """Seconds of each phase on the thread that began; they add up to `wall`."""
        return dict(self._ended.phases())

    @property
    def attributed(self) -> float:
        """The share of all threads' time whose cause is known.

        That between the steps of a plan is not. The library's own threads count where they are
        not idle.
        """
        return self._ended.attributed

    @cached_property
    def threads(self) -> list[Thread]:
        """The threads that used the library, first the one that began."""
        return [read_thread(thread) for thread in self._ended.threads()]

    def rows(self, by: str = "op") -> list:
        """Steps added up, the longest first.

        Each row has `name`, `count`, `seconds` (without the steps inside), `bytes` (read and
        written, each operand once), `flops`, `flops_per_second`, `bytes_per_second` and
        `share(limits)`, how near it comes to what the machine can do.

        Args:
            by: "op" (a fused region is one op), "kernel", "shape", "line", "layer" or "stream". A
                region's time belongs in equal parts to the lines of its ops.

        Raises:
            ValueError: for another `by`.
        """
        return self._ended.rows(by)

    @property
    def flops(self) -> float:
        """Floating-point operations of all steps; see src/profiler/operations.cpp."""
        return self._ended.flops

    @property
    def bytes(self) -> float:
        """Bytes that all steps read and wrote, each operand once."""
        return self._ended.bytes

    @property
    def limits(self):
        """What the machine can do; see `measure_limits`."""
        return measure_limits()

    @cached_property
    def memory(self) -> Memory:
        """Live bytes over time, by source line."""
        return Memory(self)

    @cached_property
    def steps(self) -> dict[int, Step]:
        """What events' `what` means."""
        return {n: Step(kind, tuple(parts)) for n, (kind, parts) in self._ended.steps().items()}

    @cached_property
    def places(self) -> dict[int, Place]:
        """What events' `location` means."""
        return {number: Place(*place) for number, place in self._ended.places().items()}

    # ---- Showing it.

    def summary(self) -> list[str]:
        """Lines about the whole: time by phase, arithmetic, memory."""
        return self._ended.summary()

    def table(self, by: str = "op", rows: int = 15, limits: bool = True) -> str:
        """Text for a terminal: phases, then the longest rows of `rows(by)`."""
        return self._ended.table(by, rows, limits)

    def __str__(self) -> str:
        return self.table()

    def json(self) -> str:
        """All figures, all threads' phases and the rows of every kind, as a JSON object."""
        self._ended.set_title(self.title or "olivine")
        return self._ended.json()

    def save_json(self, path: str | os.PathLike) -> None:
        """Write what `json()` returns."""
        Path(path).write_text(self.json(), encoding="utf-8")

    def save_trace(self, path: str | os.PathLike) -> None:
        """Write a trace for https://ui.perfetto.dev and chrome://tracing."""
        self._ended.set_title(self.title or "olivine")
        self._ended.save_trace(os.fspath(path))

    def save_html(self, path: str | os.PathLike) -> None:
        """Write a page with pictures that needs nothing else."""
        from olivine.profiler.page import page

        text = page(self)
        Path(path).write_text(text, encoding="utf-8")


def measure_limits():
    """The best that this machine does: `flops` a second, and `bandwidth` in bytes a second.

    Of float32 products of 768 x 768 and of negating 64 MB, five times each; measured once.
    """
    import olivine.core as mx

    return mx._profile_limits()


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
