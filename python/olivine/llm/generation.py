"""Text from a model, token by token.

`stream_generate` yields a `Record` for every token, `generate` returns the text. While a token is
evaluated, Python decodes the one before and builds the graph of the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import olivine.core as mx
from olivine.llm.caches.prompt import PromptCache
from olivine.llm.caches.rotating import RotatingKVCache
from olivine.llm.sampling import Row, Sampler, Sampling
from olivine.llm.text import TextStream

# Changes logits (1, vocab), given the ids of the prompt and of all generated tokens.
Processor = Callable[[list[int], mx.array], mx.array]


@dataclass(slots=True)
class Record:
    """One generated token.

    text: what it adds to the text that can be shown; it may be empty, or more than the token's.
    logprob, top_logprobs: of the token, and of the likeliest as pairs (id, logprob), if wanted;
        before temperature and filters.
    finish_reason: `stop` or `length` in the last record, else None.
    cached_tokens: tokens at the prompt's beginning that the cache had seen.
    prompt_tps, generation_tps: tokens per second so far, the cached ones not counted.
    peak_memory: bytes, of the whole process.
    """

    text: str
    token: int
    logprob: float | None
    top_logprobs: list[tuple[int, float]] | None
    finish_reason: str | None
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    prompt_tps: float
    generation_tps: float
    peak_memory: int


def last_logits(model, tokens: mx.array, layers: list) -> mx.array:
    """Logits `(batch, vocab)` after the last of `tokens`, `(batch, length)`."""
    return model.head(model.features(tokens, layers)[:, -1:])[:, 0]


def prefill(
    model,
    cache: PromptCache,
    prompt: Sequence[int],
    step: int = 512,
    progress: Callable[[int, int], None] | None = None,
) -> mx.array:
    """Let `cache` see the prompt in pieces; returns the logits `(1, vocab)` after its last token.

    Memory is that of one piece. Between pieces the cache is consistent and `progress(done, total)`
    is called. Logits of other positions are never computed: nobody asks for their values.
    """
    total = len(prompt)
    for start in range(0, total, step):
        piece = list(prompt[start : start + step])
        logits = last_logits(model, mx.array([piece]), cache.layers)
        last = start + step >= total
        mx.eval([logits] if last else [], cache.state)
        cache.tokens += piece
        if progress is not None:
            progress(min(start + step, total), total)
    return logits


class Logprobs:
    """Log-probabilities of chosen tokens and of the `count` likeliest, as arrays until read."""

    def __init__(self, count: int, logits: mx.array, tokens: mx.array):
        logits = logits.astype(mx.float32)
        logs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        self.chosen = mx.take_along_axis(logs, tokens[:, None], axis=-1)
        self.arrays = [self.chosen]
        if count:
            count = min(count, logs.shape[-1])
            ids = mx.argpartition(-logs, count - 1, axis=-1)[:, :count]
            values = mx.take_along_axis(logs, ids, axis=-1)
            order = mx.argsort(-values, axis=-1)
            self.ids = mx.take_along_axis(ids, order, axis=-1)
            self.values = mx.take_along_axis(values, order, axis=-1)
            self.arrays += [self.ids, self.values]

    def row(self, index: int) -> tuple[float, list[tuple[int, float]] | None]:
        chosen = self.chosen[index, 0].item()
        if len(self.arrays) == 1:
            return chosen, None
        pairs = zip(self.ids[index].tolist(), self.values[index].tolist(), strict=True)
        return chosen, list(pairs)


def no_logprobs(index: int) -> tuple[None, None]:
    return None, None


class Generation:
    """One sequence being generated: what its sources of tokens need. See `stream_generate`."""

    def __init__(self, model, cache, prompt, sampler, processors, max_tokens, logprobs):
        self.model, self.cache, self.prompt = model, cache, prompt
        self.sampler, self.processors = sampler, processors
        self.max_tokens, self.logprobs = max_tokens, logprobs

    def logprobs_of(self, logits: mx.array, tokens: mx.array) -> Logprobs | None:
        return None if self.logprobs is None else Logprobs(self.logprobs, logits, tokens)

    def overlapped(self, logits: mx.array) -> Iterator[tuple[int, Callable]]:
        """Tokens with their `Logprobs.row`; the graph of the next is built and started first."""
        model, cache, sampler = self.model, self.cache, self.sampler

        def chosen(logits):
            tokens = sampler(logits)
            logs = self.logprobs_of(logits, tokens)
            mx.async_eval([tokens] if logs is None else [tokens, *logs.arrays])
            return tokens, logs

        tokens, logs = chosen(logits)
        for left in range(self.max_tokens - 1, -1, -1):
            following = chosen(model(tokens[:, None], cache.layers)[:, -1]) if left else None
            token = tokens.item()
            sampler.observe([token])
            if left:
                cache.tokens.append(token)
            yield token, no_logprobs if logs is None else logs.row
            if left:
                tokens, logs = following

    def in_turn(self, logits: mx.array) -> Iterator[tuple[int, Callable]]:
        """As `overlapped`, for processors, which must know every token before the next."""
        seen = list(self.prompt)
        for left in range(self.max_tokens - 1, -1, -1):
            raw = logits
            for processor in self.processors:
                logits = processor(seen, logits)
            tokens = self.sampler(logits)
            logs = self.logprobs_of(raw, tokens)
            token = tokens.item()
            self.sampler.observe([token])
            seen.append(token)
            if left:
                logits = self.model(mx.array([[token]]), self.cache.layers)[:, -1]
                mx.async_eval(logits)  # computed while the processors look at the token
                self.cache.tokens.append(token)
            yield token, no_logprobs if logs is None else logs.row


class _AnySampler:
    """A user's own function of logits, as `Sampler` is used."""

    def __init__(self, function: Callable[[mx.array], mx.array]):
        self.function = function

    def __call__(self, logits: mx.array) -> mx.array:
        return self.function(logits).reshape(-1)

    def observe(self, tokens: Sequence[int]) -> None:
        pass


def as_sampler(sampler, prompt: Sequence[int], vocab_size: int | None):
    if sampler is None or isinstance(sampler, Sampling):
        settings = sampler or Sampling()
        if vocab_size is not None:
            settings.check(vocab_size)
        return Sampler([Row(settings, prompt)])
    return sampler if isinstance(sampler, Sampler) else _AnySampler(sampler)


def as_ids(model, tokenizer, prompt: str | Sequence[int]) -> list[int]:
    """The prompt's ids, checked against the model's vocabulary."""
    ids = tokenizer.encode(prompt) if isinstance(prompt, str) else [int(i) for i in prompt]
    if not ids:
        raise ValueError("[llm] expected a prompt of at least one token; got none")
    size = vocabulary_size(model)
    if size is not None and not (0 <= min(ids) and max(ids) < size):
        wrong = next(i for i in ids if not 0 <= i < size)
        raise ValueError(f"[llm] expected a prompt of ids below the model's {size}; got {wrong}")
    return ids


def vocabulary_size(model) -> int | None:
    return getattr(getattr(model, "config", None), "vocab_size", None)


def room(model, layers: list, length: int, max_tokens: int, context: int | None = None) -> int:
    """How many tokens can follow a text of `length`, up to `max_tokens`.

    ValueError: the text alone is longer than the context. A cache that keeps the first positions
    and a window goes on for ever.
    """
    if max_tokens < 1:
        raise ValueError(f"[llm] expected max_tokens of at least 1; got {max_tokens}")
    if context is None:
        context = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    endless = any(isinstance(x, RotatingKVCache) and x.keep for x in layers)
    if not context or endless:
        return max_tokens
    if length > context:
        raise ValueError(
            f"[llm] expected a prompt of at most {context} tokens, the model's context; "
            f"got {length}"
        )
    return min(max_tokens, context - length + 1)


def stream_generate(
    model,
    tokenizer,
    prompt: str | Sequence[int],
    *,
    max_tokens: int = 256,
    sampler: Sampling | Callable[[mx.array], mx.array] | None = None,
    processors: Sequence[Processor] = (),
    constraint=None,
    stop: str | Sequence[str] = (),
    cache: PromptCache | list | None = None,
    draft=None,
    prefill_step: int = 512,
    logprobs: int | None = None,
    context: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Record]:
    """Continue `prompt`, a text or ids; yields a `Record` for every token.

    Args:
        sampler: how tokens are chosen; greedily by default. A function gets logits `(1, vocab)`.
        processors: functions that change logits first.
        constraint: what the text must match, from `olivine.llm.constraints`.
        stop: strings that end the text; they are not part of it.
        cache: a `PromptCache`, of which what it has in common with the prompt is used, or a list of
            layers' caches, which the prompt continues. Afterwards, however it ends (Ctrl-C too),
            it holds what its `tokens` say: the prompt and what was yielded, perhaps less the last.
        draft: guesses several tokens for the model to check at once (`olivine.llm.speculative`).
        prefill_step: tokens of the prompt processed at once.
        logprobs: how many of the likeliest tokens to name for each; 0 for the token's own alone.
        context: the most tokens the model may see, its own limit by default; 0 for no limit.
        progress: called with the number of processed tokens of the prompt, and of all.

    Raises:
        ValueError: at once, for an empty prompt, one longer than the context, or bad settings.
    """
    ids = as_ids(model, tokenizer, prompt)
    if isinstance(cache, PromptCache):
        layers = cache.layers
        length = len(ids)
    else:
        layers = model.make_cache() if cache is None else cache
        length = len(ids) + (layers[0].offset if cache else 0)
    max_tokens = room(model, layers, length, max_tokens, context)
    if prefill_step < 1:
        raise ValueError(f"[llm] expected a prefill_step of at least 1; got {prefill_step}")
    processors = list(processors)
    if constraint is not None:
        processors.append(constraint.processor(tokenizer, vocabulary_size(model), len(ids)))
    cached, fresh = 0, ids
    if isinstance(cache, PromptCache):
        cached = cache.align(ids)
        fresh = ids[cached:]
    else:
        # The tokens before are not known, only how many.
        cache = PromptCache(layers, [-1] * (length - len(ids)))
    generation = Generation(
        model,
        cache,
        ids,
        as_sampler(sampler, ids, vocabulary_size(model)),
        processors,
        max_tokens,
        logprobs,
    )
    text = TextStream(tokenizer, stop)
    if draft is not None:
        draft.start(generation)

    def logits():
        return prefill(model, cache, fresh, prefill_step, progress)

    return _records(generation, text, logits, draft, len(fresh), cached)


def _records(generation, text, prefilled, draft, fresh, cached) -> Iterator[Record]:
    cache, last = generation.cache, generation.max_tokens
    try:
        start = time.perf_counter()
        logits = prefilled()
        now = time.perf_counter()
        prompt_tps = fresh / max(now - start, 1e-9)
        start = now
        if draft is not None:
            source = draft.tokens(generation, logits)
        elif generation.processors:
            source = generation.in_turn(logits)
        else:
            source = generation.overlapped(logits)
        for count, (token, logs) in enumerate(source, 1):
            piece, reason = text.add(token, count == last)
            logprob, top = logs(0)
            elapsed = max(time.perf_counter() - start, 1e-9)
            yield Record(
                piece,
                token,
                logprob,
                top,
                reason,
                len(generation.prompt),
                cached,
                count,
                prompt_tps,
                count / elapsed,
                mx.get_peak_memory(),
            )
            if reason is not None:
                return
    finally:
        cache.settle()


def generate(model, tokenizer, prompt: str | Sequence[int], **options) -> str:
    """The text that follows `prompt`; `options` are those of `stream_generate`."""
    return "".join(record.text for record in stream_generate(model, tokenizer, prompt, **options))
