"""The engine: one thread that generates for all clients in one continuous batch.

Clients' threads only put commands into a queue and get events by a callback of theirs; nothing a
client does, nor how it ends, touches another's sequence.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import olivine.core as mx
from olivine.llm.batch import Batch, SequenceError
from olivine.llm.cache import PrefixCache
from olivine.llm.generation import Processor, Record, as_ids, room, vocabulary_size
from olivine.llm.sampling import Sampling
from olivine.llm.server.metrics import Metrics


class Busy(Exception):
    """The queue is full, or (`closing`) the server is shutting down."""

    def __init__(self, message: str, closing: bool = False):
        super().__init__(message)
        self.closing = closing


@dataclass
class Failure:
    """The event that ends a request which was not finished: why, in a line."""

    reason: str  # "error", "timeout" or "shutdown"
    message: str


Event = Record | Failure


@dataclass(eq=False)
class Request:
    """One sequence of a client."""

    prompt: list[int]
    send: Callable[[Event], None]
    options: dict[str, Any]
    deadline: float
    arrived: float = field(default_factory=time.monotonic)
    first: float | None = None  # when its first token came
    id: int | None = None  # in the batch


class Engine:
    """Generates for many clients at once.

    Args:
        max_rows: sequences at once; max_queue: sequences that may wait beyond these.
        max_seconds: how long a request may take, waiting included.
        prefix_bytes: memory for beginnings of prompts that later prompts may share.
        cache_bytes: memory for the keys and values of all sequences, a quarter of the machine's by
            default. The buffers are as wide as the longest sequence needs, so a long one leaves
            room for fewer rows.
    """

    def __init__(
        self,
        model,
        tokenizer,
        *,
        max_rows: int = 32,
        max_queue: int = 256,
        max_seconds: float = 600.0,
        prefill_step: int = 512,
        prefix_bytes: int = 1 << 29,
        cache_bytes: int | None = None,
        context: int | None = None,
    ):
        self.model, self.tokenizer, self.context = model, tokenizer, context
        self.max_rows, self.max_queue, self.max_seconds = max_rows, max_queue, max_seconds
        self.prefill_step, self.prefix_bytes = prefill_step, prefix_bytes
        # Buffers have room for up to twice the rows, and at most a quarter more positions.
        most = (cache_bytes or _memory() // 4) * 2 // 5
        self.max_positions = max(1, most // _position_bytes(model))
        self.metrics = Metrics()
        self._wake = threading.Condition()
        self._commands: deque[tuple[str, Request]] = deque()
        self._open: set[Request] = set()  # accepted, not ended; under the lock
        self._closing = False
        self._longest: int | None = None  # bytes of a token
        self._by_id: dict[int, Request] = {}  # of the engine's thread
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    # ---- For clients, from any thread.

    def start(self) -> Engine:
        self._batch = self._new_batch()
        self._thread.start()
        return self

    def submit(
        self,
        prompt: str | Sequence[int],
        send: Callable[[Event], None],
        *,
        max_tokens: int = 256,
        sampler: Sampling | None = None,
        stop: Sequence[str] = (),
        logprobs: int | None = None,
        processors: Sequence[Processor] = (),
    ) -> Request:
        """Queue a sequence; `send` gets its `Record`s, or a `Failure`, from the engine's thread.

        Raises `ValueError` for a prompt or setting the model cannot take, `Busy` when too many
        wait.
        """
        ids = as_ids(self.model, self.tokenizer, prompt)
        room(self.model, [], len(ids), max_tokens, self.context)
        size = vocabulary_size(self.model)
        if sampler is not None and size is not None:
            sampler.check(size)
        options = {
            "max_tokens": max_tokens,
            "sampler": sampler,
            "stop": stop,
            "logprobs": logprobs,
            "processors": processors,
        }
        request = Request(ids, send, options, time.monotonic() + self.max_seconds)
        with self._wake:
            if self._closing:
                raise Busy("the server is shutting down", closing=True)
            if len(self._open) >= self.max_rows + self.max_queue:
                self.metrics.count("refused")
                raise Busy(f"{len(self._open)} requests are running or waiting; try again later")
            self._open.add(request)
            self._commands.append(("add", request))
            self._wake.notify()
        return request

    def check_length(self, prompt: str | Sequence[int]) -> None:
        """ValueError: the prompt surely has more tokens than the context. Megabytes of text take
        seconds to become tokens; this takes none."""
        config = getattr(self.model, "config", None)
        context = self.context or getattr(config, "max_position_embeddings", None)
        if not context:
            return
        if self._longest is None:
            self._longest = max(map(len, self.tokenizer.vocabulary()))
        most = context * (self._longest if isinstance(prompt, str) else 1)
        if len(prompt) > most:
            raise ValueError(
                f"[llm] expected a prompt of at most {context} tokens, the model's context; "
                f"got {len(prompt)} {'characters' if isinstance(prompt, str) else 'tokens'}"
            )

    def cancel(self, request: Request) -> None:
        """Forget a request, whose client has gone; one that has ended is no trouble."""
        with self._wake:
            if request in self._open:
                self._commands.append(("cancel", request))
                self._wake.notify()

    def close(self, seconds: float = 30.0) -> None:
        """Take no more requests, let those that run finish for so long, then end the rest."""
        end = time.monotonic() + seconds
        with self._wake:
            self._closing = True
            self._wake.notify()
            while self._open and time.monotonic() < end and self._thread.is_alive():
                self._wake.wait(0.1)
            for request in self._open:
                self._commands.append(("stop", request))
            self._wake.notify()
        self._thread.join(timeout=10)

    @property
    def load(self) -> tuple[int, int]:
        """Sequences that run, and that wait."""
        running = self._batch.running
        return running, max(0, len(self._open) - running)

    # ---- The engine's thread.

    def _new_batch(self) -> Batch:
        prefixes = PrefixCache(self.prefix_bytes) if self.prefix_bytes else None
        return Batch(
            self.model,
            self.tokenizer,
            max_rows=self.max_rows,
            max_positions=self.max_positions,
            prefill_step=self.prefill_step,
            prefixes=prefixes,
            context=self.context,
        )

    def _run(self) -> None:
        while self._obey():
            self._expire()
            try:
                records = self._batch.step()
            except SequenceError as error:
                request = self._by_id.get(error.id)
                if request is not None:
                    self._send(request, Failure("error", str(error).removeprefix("[llm] ")))
                    self._end(request, "failed", in_batch=False)
                continue
            except Exception as error:  # out of memory, say: the server lives on
                self._fail_all(error)
                continue
            for id, record in records:
                request = self._by_id.get(id)
                if request is not None:
                    self._deliver(request, record)

    def _obey(self) -> bool:
        """Take the commands; waits while there is nothing to do. False: the end."""
        with self._wake:
            while not self._commands and not len(self._batch):
                if self._closing and not self._open:
                    return False
                self._wake.wait(1.0)
            commands = list(self._commands)
            self._commands.clear()
        for name, request in commands:
            if name == "add":
                self._add(request)
            elif name == "cancel":
                self._end(request, "cancelled")
            else:
                self._send(request, Failure("shutdown", "the server is shutting down"))
                self._end(request, "cancelled")
        return True

    def _add(self, request: Request) -> None:
        try:
            request.id = self._batch.add(request.prompt, **request.options)
        except Exception as error:  # of a constraint, or a bug: this client's only
            self._send(request, Failure("error", str(error)))
            self._end(request, "failed")
            return
        self._by_id[request.id] = request

    def _deliver(self, request: Request, record: Record) -> None:
        now = time.monotonic()
        if request.first is None:
            request.first = now
            self.metrics.first_token(
                now - request.arrived, record.prompt_tokens, record.cached_tokens
            )
        self.metrics.count("generated_tokens")
        self._send(request, record)
        if record.finish_reason is not None:
            self.metrics.finished(now - request.arrived)
            self._end(request, "completed", in_batch=False)

    def _send(self, request: Request, event: Event) -> None:
        try:
            request.send(event)
        except Exception:  # its event loop is closed: nobody listens any more
            self._end(request, "cancelled")

    def _end(self, request: Request, outcome: str, in_batch: bool = True) -> None:
        with self._wake:
            if request not in self._open:
                return
            self._open.discard(request)
            self._wake.notify_all()
        self.metrics.count(outcome)
        if request.id is not None:
            self._by_id.pop(request.id, None)
            if in_batch:
                self._batch.cancel(request.id)

    def _expire(self) -> None:
        now = time.monotonic()
        late = [r for r in self._by_id.values() if now > r.deadline]
        for request in late:
            message = f"the request took longer than {self.max_seconds:g} s"
            self._send(request, Failure("timeout", message))
            self._end(request, "timed_out")

    def _fail_all(self, error: Exception) -> None:
        """End every request of the batch, and begin a new one with its memory free."""
        requests = list(self._by_id.values())
        self._by_id.clear()
        self._batch = self._new_batch()
        mx.clear_cache()
        for request in requests:
            self._send(request, Failure("error", str(error) or type(error).__name__))
            request.id = None
            self._end(request, "failed")


def _memory() -> int:
    """Bytes of the machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _position_bytes(model) -> int:
    """What one token adds to the caches, found by reading one."""
    layers = model.make_cache()
    model.features(mx.array([[0]]), layers)
    arrays = [array for layer in layers for array in layer.state]
    return max(1, sum(a.nbytes // a.shape[2] if a.ndim == 4 else a.nbytes for a in arrays))
