"""One line of progress on a terminal's standard error: a bar, what is at work, the time left."""

from __future__ import annotations

import shutil
import sys
import time

from olivine._duration import duration

_WIDTH = 24  # of the bar
_SOON = 0.3  # seconds before anything is shown: what is quick needs no bar
_OFTEN = 0.05


class ProgressLine:
    """Called with `(done, total, what)`; gone when it is closed. Shows nothing off a terminal.

    `doing` says what the steps are for, as in "packing"; a new one begins anew.
    """

    def __init__(self, doing: str = ""):
        self._shown = sys.stderr.isatty()
        self._used = False
        self.begin(doing)

    def begin(self, doing: str) -> None:
        self.doing = doing
        self._start = self._last = time.monotonic()

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def __call__(self, done: int, total: int, what: str = "") -> None:
        now = time.monotonic()
        if not self._shown or now - self._start < _SOON or now - self._last < _OFTEN:
            return
        self._last, self._used = now, True
        columns = shutil.get_terminal_size().columns
        line = self._text(done, total, what, now - self._start)[: columns - 1]
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    def _text(self, done: int, total: int, what: str, seconds: float) -> str:
        share = min(max(done / total, 0), 1) if total else 0
        full = round(share * _WIDTH)
        bar = "█" * full + "░" * (_WIDTH - full)
        left = f"  {duration(seconds / share - seconds)} left" if share else ""
        return f"{self.doing} {bar} {done:,}/{total:,}{left}  {what}".lstrip()

    def close(self) -> None:
        if self._used:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
            self._used = False
