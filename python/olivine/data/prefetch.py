"""Threads that compute numbered results ahead of their consumer, who receives them in order.

The consumer hands out tickets, as many as results may exist that it has not taken, so memory is
bounded. A ticket carries the queue its result goes to. `SimpleQueue` may be used within a garbage
collection, which is when a dropped iterator stops its threads.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

EXIT_PATIENCE = 0.5  # seconds that the end of the program waits for the items being read


class Stopped(Exception):
    """Work was given up because nobody waits for it any more."""


class _State:
    """What the threads know. They know nothing of the prefetcher, so it can be dropped."""

    def __init__(self, work: Callable[[int, Callable[[], None]], Any]):
        self.work = work
        self.tickets: SimpleQueue = SimpleQueue()
        self.stopped = False
        self.pid = os.getpid()
        self.threads: list[threading.Thread] = []

    def check(self) -> None:
        """Called by the work between its steps."""
        if self.stopped:
            raise Stopped

    def stop(self) -> None:
        self.stopped = True
        if self.pid == os.getpid():  # a fork's child has the threads' names, not the threads
            for _ in self.threads:
                self.tickets.put(None)


_running: weakref.WeakSet[_State] = weakref.WeakSet()


def _run(state: _State) -> None:
    while (ticket := state.tickets.get()) is not None:
        number, answer = ticket
        try:
            state.check()
            answer.put((True, state.work(number, state.check)))
        except BaseException as error:  # whatever it is, the consumer must not wait for ever
            answer.put((False, error))
        del ticket, answer  # a waiting thread keeps no batch alive


class Prefetcher:
    """`work(number, check)` for each of `numbers`, by `workers` threads, at most `ahead` ahead.

    `check` raises within the work when the prefetcher has been stopped or dropped.
    """

    def __init__(self, work: Callable, numbers: range, workers: int, ahead: int):
        self._state = _State(work)
        self._numbers = iter(numbers)
        self._pending: deque[SimpleQueue] = deque()
        weakref.finalize(self, self._state.stop).atexit = False
        _running.add(self._state)
        for _ in range(ahead):
            self._hand_out()
        for i in range(min(workers, len(self._pending))):
            thread = threading.Thread(
                target=_run, args=(self._state,), name=f"olivine-data-{i}", daemon=True
            )
            self._state.threads.append(thread)
            thread.start()

    def _hand_out(self) -> None:
        number = next(self._numbers, None)
        if number is not None:
            answer: SimpleQueue = SimpleQueue()
            self._pending.append(answer)
            self._state.tickets.put((number, answer))

    @property
    def is_ours(self) -> bool:
        """Whether this process started the threads; the child of a fork has none of them."""
        return self._state.pid == os.getpid()

    def get(self):
        """The next result. An exception of the work is raised here, `Stopped` after `stop`."""
        succeeded, value = self._pending[0].get()
        self._pending.popleft()
        self._hand_out()
        if succeeded:
            return value
        try:
            raise value
        finally:
            del value  # the traceback holds this frame

    def finish(self) -> None:
        """Wait for the threads to end, once all results were taken."""
        self.stop()
        if self.is_ours:
            for thread in self._state.threads:
                thread.join()

    def stop(self) -> None:
        """End the threads: at once those that wait, the others after the item at hand."""
        self._state.stop()


@atexit.register
def _stop_all() -> None:
    """Threads must not run while Python is taken down; one that is stuck is not waited for."""
    states = [state for state in list(_running) if state.pid == os.getpid()]
    for state in states:
        state.stop()
    until = time.monotonic() + EXIT_PATIENCE
    for state in states:
        for thread in state.threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))
