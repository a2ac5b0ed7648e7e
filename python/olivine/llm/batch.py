"""Many sequences at once: each step reads the weights once for all of them.

`Batch` is continuous: sequences join when they come and leave when they end, in the midst of the
others, and each gets the tokens that it would get alone. `batch_generate` runs a list of prompts.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import olivine.core as mx
from olivine.llm.cache import PrefixCache, PromptCache, make_cache
from olivine.llm.generation import (
    Logprobs,
    Processor,
    Record,
    as_ids,
    last_logits,
    room,
    vocabulary_size,
)
from olivine.llm.sampling import Row, Sampler, Sampling
from olivine.llm.text import TextStream

# Tokens of prompts between two tokens of sequences that run: these should not stall.
BETWEEN_TOKENS = 128


class SequenceError(Exception):
    """A sequence's own prompt, processor or constraint failed; it is gone, others go on.

    `id` is its number, `cause` what went wrong.
    """

    def __init__(self, id: int, cause: Exception):
        super().__init__(str(cause) or type(cause).__name__)
        self.id, self.cause = id, cause


@dataclass(eq=False)
class Running:
    """One sequence of a batch, waiting or running."""

    id: int
    prompt: list[int]
    row: Row
    text: TextStream
    max_tokens: int
    logprobs: int | None
    processors: list[Processor]
    reader: object = None  # of its prompt; None: the batch's model
    cache: PromptCache | None = None  # until it joins
    cached: int = 0
    tokens: list[int] = field(default_factory=list)
    logs: Callable = lambda: (None, None)  # reads those of the chosen token
    prompt_seconds: float = 0.0
    joined: float = 0.0
    error: Exception | None = None  # of its processors

    def processed(self, logits: mx.array) -> mx.array:
        """Its logits `(1, vocab)` after its processors; an error of theirs is kept for `step`."""
        seen = [*self.prompt, *self.tokens] if self.processors else []
        try:
            for processor in self.processors:
                logits = processor(seen, logits)
        except Exception as error:
            self.error = error
        return logits

    def record(self, token: int) -> Record:
        self.tokens.append(token)
        count = len(self.tokens)
        text, reason = self.text.add(token, count == self.max_tokens)
        logprob, top = self.logs()
        elapsed = max(time.perf_counter() - self.joined, 1e-9)
        prompt_tps = (len(self.prompt) - self.cached) / max(self.prompt_seconds, 1e-9)
        return Record(
            text,
            token,
            logprob,
            top,
            reason,
            len(self.prompt),
            self.cached,
            count,
            prompt_tps,
            count / elapsed,
            mx.get_peak_memory(),
        )


class Batch:
    """Sequences that are generated together.

    Args:
        max_rows: sequences at once; others wait in the order they came.
        max_positions: bounds rows times the longest of them, which is the caches' memory.
        prefill_step: tokens of prompts processed at once; while sequences run, it is at most 128
            before each of their tokens.
        prefixes: prompts that begin alike are processed once; None: each by itself.
    """

    def __init__(
        self,
        model,
        tokenizer,
        *,
        max_rows: int = 64,
        max_positions: int | None = None,
        prefill_step: int = 512,
        prefixes: PrefixCache | None = None,
        context: int | None = None,
    ):
        if min(max_rows, prefill_step) < 1:
            raise ValueError(
                "[llm] expected max_rows and prefill_step of at least 1; "
                f"got {max_rows} and {prefill_step}"
            )
        self.model, self.tokenizer = model, tokenizer
        self.max_rows, self.max_positions = max_rows, max_positions
        self.prefill_step, self.prefixes, self.context = prefill_step, prefixes, context
        self._waiting: deque[Running] = deque()
        self._running: list[Running] = []  # in the order of the caches' rows
        self._layers = make_cache(model, "batched")
        self._sampler = Sampler([])
        self._chosen: mx.array | None = None  # a token for each row, not read yet
        self._next_id = 0

    def __len__(self) -> int:
        """Sequences that wait or run."""
        return len(self._waiting) + len(self._running)

    @property
    def running(self) -> int:
        return len(self._running)

    def add(
        self,
        prompt: str | Sequence[int],
        *,
        max_tokens: int = 256,
        sampler: Sampling | None = None,
        stop: str | Sequence[str] = (),
        logprobs: int | None = None,
        processors: Sequence[Processor] = (),
        constraint=None,
        reader=None,
    ) -> int:
        """Queue a sequence; returns the number under which `step` speaks of it.

        The arguments are those of `stream_generate`, and so are the errors. `reader` is what reads
        the prompt instead of the model, where ids are not all there is to it: it shares nothing.
        """
        ids = as_ids(self.model, self.tokenizer, prompt)
        max_tokens = room(self.model, [], len(ids), max_tokens, self.context)
        settings = sampler or Sampling()
        size = vocabulary_size(self.model)
        if size is not None:
            settings.check(size)
        processors = list(processors)
        if constraint is not None:
            processors.append(constraint.processor(self.tokenizer, size, len(ids)))
        text = TextStream(self.tokenizer, stop)
        row = Row(settings, ids)
        sequence = Running(self._next_id, ids, row, text, max_tokens, logprobs, processors, reader)
        self._next_id += 1
        self._waiting.append(sequence)
        return sequence.id

    def cancel(self, id: int) -> bool:
        """Forget a sequence; False if it has ended already."""
        for sequence in self._waiting:
            if sequence.id == id:
                self._waiting.remove(sequence)
                return True
        for index, sequence in enumerate(self._running):
            if sequence.id == id:
                self._remove([index])
                return True
        return False

    def step(self) -> list[tuple[int, Record]]:
        """One token of every running sequence, after some of the waiting ones' prompts.

        SequenceError: one was taken out because its processors or its prompt failed; the next call
        goes on.
        """
        self._admit()
        for index, sequence in enumerate(self._running):
            if sequence.error is not None:
                self._remove([index])
                raise SequenceError(sequence.id, sequence.error)
        if not self._running:
            return []
        overlapped = not any(s.processors for s in self._running)
        chosen, logs = self._chosen, None
        if overlapped and any(len(s.tokens) + 1 < s.max_tokens for s in self._running):
            following, logs = self._choose(self._decode(chosen))
        tokens = chosen.tolist()
        self._sampler.observe(tokens)
        pairs = zip(self._running, tokens, strict=True)
        records = [(sequence.id, sequence.record(token)) for sequence, token in pairs]
        ended = [i for i, (_, r) in enumerate(records) if r.finish_reason is not None]
        if logs is not None:
            self._chosen = following
            for sequence, own in zip(self._running, logs, strict=True):
                sequence.logs = own
        self._remove(ended)
        if logs is None and self._running:
            tokens = mx.array([s.tokens[-1] for s in self._running])
            self._chosen, logs = self._choose(self._decode(tokens))
            for sequence, own in zip(self._running, logs, strict=True):
                sequence.logs = own
        return records

    # ---- The steps of a step.

    def _decode(self, tokens: mx.array) -> mx.array:
        return self.model(tokens[:, None], self._layers)[:, -1]

    def _choose(self, logits: mx.array) -> tuple[mx.array, list[Callable]]:
        """A token for every row, started, and how to read the log-probabilities of each."""
        running, raw = self._running, logits
        if any(s.processors for s in running):
            logits = mx.concatenate(
                [s.processed(logits[i : i + 1]) for i, s in enumerate(running)], axis=0
            )
        tokens = self._sampler(logits)
        readers, arrays = _read_logprobs(running, raw, tokens)
        mx.async_eval([tokens, *arrays])
        return tokens, readers

    def _admit(self) -> None:
        """Process prompts, up to `prefill_step` tokens, and let the finished ones join."""
        budget = min(self.prefill_step, BETWEEN_TOKENS) if self._running else self.prefill_step
        while budget > 0 and self._waiting and self._fits(self._waiting[0]):
            sequence = self._waiting[0]
            start = time.perf_counter()
            try:
                count, logits = self._read_prompt(sequence, budget)
            except Exception as error:  # out of memory, say
                self._waiting.popleft()
                raise SequenceError(sequence.id, error) from error
            budget -= count
            if len(sequence.cache) == len(sequence.prompt):
                self._join(sequence, logits)
            sequence.prompt_seconds += time.perf_counter() - start

    def _read_prompt(self, sequence: Running, most: int) -> tuple[int, mx.array]:
        """Process up to `most` more tokens; returns how many, and the logits after the last."""
        if sequence.cache is None:
            self._open(sequence)
        cache = sequence.cache
        piece = sequence.prompt[len(cache) : len(cache) + most]
        logits = last_logits(sequence.reader or self.model, mx.array([piece]), cache.layers)
        mx.eval(logits, cache.state)
        cache.tokens += piece
        return len(piece), logits

    def _fits(self, sequence: Running) -> bool:
        if not self._running:
            return True
        if len(self._running) >= self.max_rows:
            return False
        if self.max_positions is None:
            return True
        longest = max(len(s.prompt) + s.max_tokens for s in [*self._running, sequence])
        return (len(self._running) + 1) * longest <= self.max_positions

    def _open(self, sequence: Running) -> None:
        """Give it the longest known beginning of its prompt."""
        shares = self.prefixes is not None and sequence.reader is None
        found = self.prefixes.find(sequence.prompt) if shares else None
        sequence.cache = found or PromptCache(self.model.make_cache())
        sequence.cached = len(sequence.cache)

    def _join(self, sequence: Running, logits: mx.array) -> None:
        self._waiting.popleft()
        if self.prefixes is not None and sequence.reader is None:
            self.prefixes.put(sequence.cache)
        for layer, own in zip(self._layers, sequence.cache.layers, strict=True):
            layer.join(own)
        sequence.cache = None
        mx.eval([layer.state for layer in self._layers])  # frees the sequence's own arrays
        own = Sampler([sequence.row])
        tokens = own(sequence.processed(logits))
        (sequence.logs,), arrays = _read_logprobs([sequence], logits, tokens)
        if self._running:
            tokens = mx.concatenate([self._chosen, tokens])
        mx.async_eval([tokens, *arrays])
        self._chosen = tokens
        self._running.append(sequence)
        sequence.joined = time.perf_counter()
        self._sampler.replace([s.row for s in self._running], tokens)

    def _remove(self, indices: list[int]) -> None:
        """Take rows out, from the last to the first; as in the caches, the last row moves up."""
        if not indices:
            return
        order = list(range(len(self._running)))
        for index in sorted(indices, reverse=True):
            for layer in self._layers:
                layer.remove(index)
            order[index] = order[-1]
            order.pop()
        self._running = [self._running[i] for i in order]
        self._chosen = self._chosen[mx.array(order)] if order else None
        if not order:
            self._layers = make_cache(self.model, "batched")
        self._sampler.replace([s.row for s in self._running], self._chosen)


def _read_logprobs(
    sequences: list[Running], logits: mx.array, tokens: mx.array
) -> tuple[list[Callable], list[mx.array]]:
    """How to read each row's log-probabilities, and the arrays to evaluate for it."""
    wanted = [s.logprobs for s in sequences if s.logprobs is not None]
    if not wanted:
        return [lambda: (None, None)] * len(sequences), []
    logs = Logprobs(max(wanted), logits, tokens)

    def reader(index: int, count: int | None) -> Callable:
        if count is None:
            return lambda: (None, None)

        def read():
            logprob, top = logs.row(index)
            return logprob, top[:count] if count else None

        return read

    return [reader(i, s.logprobs) for i, s in enumerate(sequences)], logs.arrays


@dataclass
class Result:
    """What one prompt gave."""

    text: str
    tokens: list[int]
    finish_reason: str
    records: list[Record]


def batch_generate(
    model,
    tokenizer,
    prompts: Iterable[str | Sequence[int]],
    *,
    max_tokens: int | Sequence[int] = 256,
    sampler: Sampling | Sequence[Sampling] | None = None,
    stop: str | Sequence[str] = (),
    logprobs: int | None = None,
    constraint=None,
    max_rows: int = 64,
    prefill_step: int = 512,
    progress: Callable[[int, int], None] | None = None,
) -> list[Result]:
    """Continue every prompt, up to `max_rows` at once; results in the prompts' order.

    `max_tokens` and `sampler` may be one for each prompt. `progress` is called with the number of
    finished prompts and of all.
    """
    prompts = list(prompts)
    batch = Batch(model, tokenizer, max_rows=max_rows, prefill_step=prefill_step)
    limits = _each(max_tokens, int, len(prompts), "max_tokens")
    samplers = _each(sampler, (Sampling, type(None)), len(prompts), "sampler")
    records: dict[int, list[Record]] = {}
    for prompt, limit, settings in zip(prompts, limits, samplers, strict=True):
        id = batch.add(
            prompt,
            max_tokens=limit,
            sampler=settings,
            stop=stop,
            logprobs=logprobs,
            constraint=constraint,
        )
        records[id] = []
    finished = 0
    while len(batch):
        for id, record in batch.step():
            records[id].append(record)
            if record.finish_reason is not None:
                finished += 1
                if progress is not None:
                    progress(finished, len(prompts))
    return [
        Result("".join(r.text for r in rows), [r.token for r in rows], rows[-1].finish_reason, rows)
        for rows in records.values()
    ]


def _each(value, kind, count: int, name: str) -> list:
    values = [value] * count if isinstance(value, kind) else list(value)
    if len(values) != count:
        raise ValueError(
            f"[llm] expected one {name} for each of {count} prompts; got {len(values)}"
        )
    return values
