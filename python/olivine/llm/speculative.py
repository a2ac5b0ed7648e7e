"""Speculative decoding: something cheap guesses tokens, the model checks them all at once.

Reading the weights takes most of a step, so that checking a few tokens costs little more than
making one. What comes out is what the model alone would give: the same tokens when greedy, the same
distribution when sampled (Leviathan et al., "Fast Inference from Transformers via Speculative
Decoding", 2023). `PromptLookup` guesses that the text repeats itself (Saxena, "Prompt Lookup
Decoding", 2023), `DraftModel` asks a smaller model.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import olivine.core as mx
from olivine.llm.cache import PromptCache
from olivine.llm.generation import Generation, no_logprobs, prefill, vocabulary_size
from olivine.llm.sampling import Row, Sampler, draw

# A proposal: tokens, and the distributions they were drawn from, (count, vocab). None: the tokens
# are what they are, as if drawn from a distribution that has nothing else.
Proposal = tuple[list[int], mx.array | None]


class Speculation:
    """What guesses have in common: `tokens`, a source of tokens for `stream_generate`.

    `accepted` and `proposed` count guesses over all uses.
    """

    count = 8

    def __init__(self):
        self.proposed = self.accepted = 0

    def start(self, generation: Generation) -> None:
        """Called once for every sequence. ValueError: it asks for what speculation cannot do."""
        if generation.processors or not isinstance(generation.sampler, Sampler):
            raise ValueError(
                "[llm] expected speculation without processors, constraints and samplers of one's "
                "own: they would have to look at tokens one by one"
            )

    def propose(self, history: list[int], count: int, row: Row) -> Proposal:
        """Up to `count` guesses of what follows `history`."""
        raise NotImplementedError

    def tokens(self, generation: Generation, logits: mx.array) -> Iterator[tuple[int, Callable]]:
        """Tokens with readers of their log-probabilities."""
        cache, held, yielded = generation.cache, len(generation.cache), 0
        try:
            for token, reader in self._rounds(generation, logits):
                yielded += 1
                yield token, reader
        finally:
            cache.settle()
            cache.rewind(held + yielded)  # of what was accepted, some may not have been taken

    def _rounds(self, generation, logits) -> Iterator[tuple[int, Callable]]:
        sampler, cache = generation.sampler, generation.cache
        row, history, left = sampler.rows[0], list(generation.prompt), generation.max_tokens
        checker, guesses, proposal = Checker(row), [], ([], None)
        while True:
            accepted, token = checker.check(logits, *proposal)
            self.accepted += accepted
            new = [*guesses[:accepted], token]
            if guesses:
                rejected = len(guesses) - accepted
                for layer in cache.layers:
                    layer.trim(rejected)
                cache.tokens += guesses[:accepted]
            logs = generation.logprobs_of(logits[: len(new)], mx.array(new))
            for index, one in enumerate(new):
                history.append(one)
                row.observe(one)
                yield one, no_logprobs if logs is None else _reader(logs, index)
            left -= len(new)
            if left <= 0:
                return
            # The model adds one token of its own to what it accepts.
            proposal = self.propose(history, min(self.count, left - 1), row)
            guesses = proposal[0]
            self.proposed += len(guesses)
            logits = generation.model(mx.array([[token, *guesses]]), cache.layers)[0]
            mx.eval(logits)
            cache.tokens.append(token)


def _reader(logs, index: int) -> Callable:
    return lambda _: logs.row(index)


class Checker:
    """Decides how many guesses stand, and which token follows them."""

    def __init__(self, row: Row):
        s = row.settings
        self.row = row
        self.greedy = s.greedy
        self.looks_back = not (
            s.repetition_penalty == 1 and s.presence_penalty == 0 and s.frequency_penalty == 0
        )
        self._samplers: dict[int, Sampler] = {}

    def sampler(self, guesses: Sequence[int]) -> Sampler:
        """For the positions before, between and after the guesses."""
        count = len(guesses) + 1
        if self.looks_back:
            return Sampler([self.row.continued(guesses[:i]) for i in range(count)])
        if count not in self._samplers:
            self._samplers[count] = Sampler([self.row] * count)
        return self._samplers[count]

    def check(
        self, logits: mx.array, guesses: list[int], drawn_from: mx.array | None
    ) -> tuple[int, int]:
        """How many of the guesses stand and the token after them.

        `logits`: `(len(guesses) + 1, vocab)`, the model's before each guess and after the last.
        """
        sampler = self.sampler(guesses)
        if self.greedy:
            best = mx.argmax(sampler.process(logits), axis=-1).tolist()
            count = agreeing(best, guesses)
            return count, best[count]
        return accept(sampler.probabilities(logits), guesses, drawn_from, self.row.random)


def agreeing(a: Sequence[int], b: Sequence[int]) -> int:
    """How many items the two begin with together."""
    for count, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return count
    return min(len(a), len(b))


def accept(
    wanted: mx.array, guesses: list[int], drawn_from: mx.array | None, rng: random.Random
) -> tuple[int, int]:
    """How many guesses stand and the token after them, which is distributed as `wanted` says.

    `wanted`, `(len(guesses) + 1, vocab)`: the model's distributions; `drawn_from`: those of the
    guesses, or None where guesses are fixed. A guess x stands with probability p(x) / q(x); the
    first that does not is replaced by a draw from max(p - q, 0). Source: Leviathan et al. (2023),
    algorithm 1.
    """
    count = len(guesses)
    if count:
        ids = mx.array(guesses)[:, None]
        p = mx.take_along_axis(wanted[:count], ids, axis=-1)[:, 0].tolist()
        q = [1.0] * count
        if drawn_from is not None:
            q = mx.take_along_axis(drawn_from, ids, axis=-1)[:, 0].tolist()
    for index, guess in enumerate(guesses):
        if rng.random() * q[index] < p[index]:
            continue
        if drawn_from is None:
            other = mx.arange(wanted.shape[-1]) != guess
            rest = mx.where(other, wanted[index], 0)
        else:
            rest = mx.maximum(wanted[index] - drawn_from[index], 0)
        # Where rounding leaves nothing, p and q are the same and p itself is what is wanted.
        rest = mx.where(mx.sum(rest) > 0, rest, wanted[index])
        return index, _draw(rest, rng)
    return count, _draw(wanted[count], rng)


def _draw(weights: mx.array, rng: random.Random) -> int:
    return draw(mx.log(weights)[None], mx.array([[rng.random()]])).item()


class PromptLookup(Speculation):
    """Guesses that what followed the last few tokens before follows them again.

    Costs nothing and helps where text is copied: summaries, corrections, code. `longest` to
    `shortest` tokens are looked up, the longest that occurred before first.
    """

    def __init__(self, count: int = 8, longest: int = 3, shortest: int = 1):
        super().__init__()
        if count < 1 or not 1 <= shortest <= longest:
            raise ValueError(
                "[llm] expected count of at least 1 and 1 <= shortest <= longest; "
                f"got count={count}, shortest={shortest}, longest={longest}"
            )
        self.count, self.longest, self.shortest = count, longest, shortest

    def start(self, generation: Generation) -> None:
        super().start(generation)
        self._after: dict[tuple[int, ...], int] = {}  # n-gram -> where what follows it begins
        self._indexed = 0

    def propose(self, history: list[int], count: int, row: Row) -> Proposal:
        for end in range(self._indexed + 1, len(history)):
            for size in range(self.shortest, min(self.longest, end) + 1):
                self._after[tuple(history[end - size : end])] = end
        self._indexed = len(history) - 1
        for size in range(self.longest, self.shortest - 1, -1):
            begin = self._after.get(tuple(history[-size:]))
            if begin is not None:
                return history[begin : begin + count], None
        return [], None


class DraftModel(Speculation):
    """Guesses made by a smaller model of the same vocabulary, `count` at a time."""

    def __init__(self, model, count: int = 4, cache: list | None = None):
        super().__init__()
        if count < 1:
            raise ValueError(f"[llm] expected count of at least 1; got {count}")
        self.model, self.count = model, count
        self._cache = PromptCache(model.make_cache() if cache is None else cache)

    def start(self, generation: Generation) -> None:
        super().start(generation)
        own, other = vocabulary_size(self.model), vocabulary_size(generation.model)
        if own != other:
            raise ValueError(
                f"[llm] expected a draft model of the model's {other} tokens; it has {own}"
            )

    def propose(self, history: list[int], count: int, row: Row) -> Proposal:
        if count < 1:
            return [], None
        cache, checker = self._cache, Checker(row)
        try:
            fresh = history[cache.align(history) :]
            logits = prefill(self.model, cache, fresh)
            tokens, known, distributions = [], [], []
            for index in range(count):
                sampler = Sampler([row.continued(known)]) if checker.looks_back else None
                sampler = sampler or checker.sampler([])
                if checker.greedy:
                    token = mx.argmax(sampler.process(logits), axis=-1)
                else:
                    distributions.append(sampler.probabilities(logits))
                    uniform = mx.array([[row.random.random()]])
                    token = draw(mx.log(distributions[-1]), uniform)
                tokens.append(token)
                if checker.looks_back:
                    known.append(token.item())
                if index + 1 < count:
                    logits = self.model(token[:, None], cache.layers)[:, -1]
            guesses = mx.concatenate(tokens).tolist()
            cache.tokens += guesses[:-1]
        finally:
            cache.settle()
        return guesses, mx.concatenate(distributions) if distributions else None
