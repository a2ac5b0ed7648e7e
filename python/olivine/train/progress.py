"""The progress of a loop: a live bar on a terminal (with rich), plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from typing import Any

import olivine.core as mx
from olivine._duration import duration


def progress(total: int | None = None, plain: bool = False) -> PlainProgress | LiveProgress:
    """Shows the progress of a loop of `total` steps, in the way that suits standard output.

    `update(step, loss=...)` after each step shows it with speed, time left and the values given;
    they may be arrays. To show an array its value is needed, so on a terminal the bar evaluates
    it at every step, plain lines only when they are printed. `message(text)` prints a line.

    >>> with progress(1000) as bar:
    ...     for step in range(1000):
    ...         bar.update(step + 1, loss=train_step())
    """
    if plain or not sys.stdout.isatty():
        return PlainProgress(total)
    try:
        return LiveProgress(total)
    except ModuleNotFoundError:  # rich is an extra
        return PlainProgress(total)


class _Speed:
    """The mean seconds per step over the last updates; NaN until the second one."""

    def __init__(self):
        self._times: deque[tuple[int, float]] = deque(maxlen=100)

    def __call__(self, step: int) -> float:
        self._times.append((step, time.monotonic()))
        (first, begin), (last, end) = self._times[0], self._times[-1]
        return (end - begin) / (last - first) if last > first else math.nan


def _texts(step: int, total: int | None, seconds_per_step: float, values: dict) -> list[str]:
    texts = [f"{step:,}" if total is None else f"{step:,}/{total:,}"]
    for name, value in values.items():
        value = value.item() if isinstance(value, mx.array) else value
        texts.append(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}")
    if seconds_per_step > 0:  # no NaN
        texts.append(f"{1 / seconds_per_step:,.3g} steps/s")
        if total is not None:
            texts.append(f"ETA {duration(max(0, total - step) * seconds_per_step)}")
    return texts


class PlainProgress:
    """A line every ten seconds, and one for each message."""

    EVERY = 10.0

    def __init__(self, total: int | None = None):
        self._total = total
        self._speed = _Speed()
        self._next = time.monotonic() + 2.0

    def __enter__(self):
        return self

    def __exit__(self, *exception) -> None:
        pass

    def message(self, text: str) -> None:
        print(text, flush=True)

    def update(self, step: int, **values: Any) -> None:
        seconds = self._speed(step)
        if self._is_due() and not math.isnan(seconds):
            self._wait()
            self.message("step " + ", ".join(_texts(step, self._total, seconds, values)))

    def _is_due(self) -> bool:
        return time.monotonic() >= self._next

    def _wait(self) -> None:
        self._next = time.monotonic() + self.EVERY


class LiveProgress:
    """A bar with the values behind it; messages scroll by above it.

    `columns` are rich's texts, made of the fields named `names`.
    """

    def __init__(
        self,
        total: int | None = None,
        columns: tuple[str, ...] = ("{task.fields[texts]}",),
        names: tuple[str, ...] = ("texts",),
    ):
        from rich.progress import BarColumn, Progress, TextColumn

        self._total = total
        self._speed = _Speed()
        self._progress = Progress(
            BarColumn(bar_width=None),
            *map(TextColumn, columns),
            expand=True,
            refresh_per_second=4,
        )
        self._task = self._progress.add_task("", total=total, **dict.fromkeys(names, "-"))

    def __enter__(self):
        self._progress.start()
        return self

    def __exit__(self, *exception) -> None:
        self._progress.stop()

    def message(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def update(self, step: int, **values: Any) -> None:
        texts = _texts(step, self._total, self._speed(step), values)
        self._show(step, self._total, texts="  ".join(texts).replace("[", "\\["))

    def _show(self, step: int, total: int | None, **fields: str) -> None:
        self._progress.update(self._task, completed=step, total=total, **fields)
