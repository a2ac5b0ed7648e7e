"""Stopping a run politely: the first signal asks, the second acts."""

from __future__ import annotations

import signal
import threading


class StopSignal:
    """Turns the first SIGINT, SIGTERM or SIGHUP into a request; a second one acts as usual.

    A loop that looks at `received` after each step can save before it ends.

    >>> with StopSignal() as stop:
    ...     while not stop.received:
    ...         train_step()
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self):
        self.received: str | None = None
        self._handlers: dict = {}

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():  # Python allows no other
            for number in self.SIGNALS:
                self._handlers[number] = signal.signal(number, self._receive)
        return self

    def _receive(self, number, frame) -> None:
        self.received = signal.Signals(number).name
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def __exit__(self, *exception) -> None:
        self._restore()
