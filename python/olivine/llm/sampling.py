"""Choosing the next token: penalties, temperature, filters of candidates, the draw.

Functions take logits `(batch, vocab)`, in float32, and settings that are numbers or arrays
`(batch, 1)`, so that rows of a batch may differ; what is left out becomes `-inf`. Ties are kept
together. `Sampler` composes them in this order: logit bias, repetition, presence and frequency
penalties, temperature, top-k, typical, top-p, min-p, XTC, draw.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import olivine.core as mx

NEVER = -float("inf")


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen. The defaults take the most likely one and change nothing.

    temperature: 0 takes the most likely token; above, logits are divided by it.
    top_k: only the k most likely; 0 for all.
    top_p: only the most likely that together have this probability (Holtzman et al., 2020).
    min_p: only those at least this many times as likely as the most likely (Nguyen et al., 2024).
    typical_p: only those whose surprise is nearest to the expected one, together of this
        probability (Meister et al., 2023).
    xtc_probability, xtc_threshold: with this probability, of the tokens above the threshold only
        the least likely stays ("exclude top choices", Weidmann, 2024).
    repetition_penalty: logits of the last `repetition_context` tokens, the prompt's included, are
        divided by it where positive and multiplied where negative (Keskar et al., 2019).
    presence_penalty, frequency_penalty: subtracted from the logits of generated tokens, once and
        for every occurrence, as OpenAI's API defines them.
    logit_bias: added to the logits of these ids.
    seed: the same seed gives the same text, whatever else is in the batch. Without one, the state
        of `mx.random` decides.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    repetition_penalty: float = 1.0
    repetition_context: int = 64
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    seed: int | None = None

    def __post_init__(self):
        finite = math.isfinite
        checks = [
            ("temperature", "at least 0", finite(self.temperature) and self.temperature >= 0),
            ("top_k", "at least 0", self.top_k >= 0),
            ("top_p", "above 0, up to 1", 0 < self.top_p <= 1),
            ("min_p", "from 0 to 1", 0 <= self.min_p <= 1),
            ("typical_p", "above 0, up to 1", 0 < self.typical_p <= 1),
            ("xtc_probability", "from 0 to 1", 0 <= self.xtc_probability <= 1),
            ("xtc_threshold", "from 0 to 1", 0 <= self.xtc_threshold <= 1),
            ("repetition_penalty", "above 0", finite(p := self.repetition_penalty) and p > 0),
            ("repetition_context", "at least 1", self.repetition_context >= 1),
            ("presence_penalty", "finite", finite(self.presence_penalty)),
            ("frequency_penalty", "finite", finite(self.frequency_penalty)),
            ("logit_bias", "of numbers", not any(b != b for b in self.logit_bias.values())),
        ]
        for name, expected, right in checks:
            if not right:
                raise ValueError(f"[llm] expected a {name} {expected}; got {getattr(self, name)!r}")

    @property
    def greedy(self) -> bool:
        return self.temperature == 0

    def check(self, vocab_size: int) -> None:
        """ValueError: `logit_bias` names ids that a model of so many tokens does not have."""
        wrong = [i for i in self.logit_bias if not 0 <= i < vocab_size]
        if wrong:
            raise ValueError(
                f"[llm] expected a logit_bias of ids below {vocab_size}; got {wrong[0]!r}"
            )


# ---- Filters.


def softmax(logits: mx.array) -> mx.array:
    """Probabilities; 0 below exp(-80) of the largest, which no draw could tell from 0.

    exp is up to ten times as slow where it underflows, as it does wherever a filter left `-inf`.
    """
    floor = mx.max(logits, axis=-1, keepdims=True) - 80
    probabilities = mx.softmax(mx.maximum(logits, floor), axis=-1, precise=True)
    return mx.where(logits < floor, 0, probabilities)


def descending(logits: mx.array, candidates: int | None = None) -> mx.array:
    """Logits by size; if no more than `candidates` are finite, only those."""
    if candidates is not None and candidates < logits.shape[-1]:
        logits = mx.topk(logits, candidates, axis=-1)
    return -mx.sort(-logits, axis=-1)


def top_k(logits: mx.array, k: int | mx.array, most: int | None = None) -> mx.array:
    """The `k` largest; all where `k` is 0. An array of them needs `most`, the largest one."""
    most = min(k if most is None else most, logits.shape[-1])
    if most == 0:
        return logits
    largest = mx.topk(logits, most, axis=-1)
    if isinstance(k, int):
        bar = mx.min(largest, axis=-1, keepdims=True)
    else:
        index = mx.clip(k, 1, most).astype(mx.int32) - 1
        bar = mx.take_along_axis(descending(largest), index, axis=-1)
        bar = mx.where(k > 0, bar, NEVER)
    return mx.where(logits < bar, NEVER, logits)


def top_p(logits: mx.array, p: float | mx.array, candidates: int | None = None) -> mx.array:
    """The fewest most likely tokens whose probabilities add up to `p` or more."""
    ordered = descending(logits, candidates)
    probabilities = softmax(ordered)
    before = mx.cumsum(probabilities, axis=-1) - probabilities
    bar = mx.min(mx.where(before < p, ordered, float("inf")), axis=-1, keepdims=True)
    bar = mx.where(mx.array(p) < 1, bar, NEVER)
    return mx.where(logits < bar, NEVER, logits)


def min_p(logits: mx.array, p: float | mx.array) -> mx.array:
    """Those at least `p` times as likely as the most likely one."""
    bar = mx.max(logits, axis=-1, keepdims=True) + mx.log(mx.array(p, mx.float32))
    return mx.where(logits < bar, NEVER, logits)


def typical_p(logits: mx.array, p: float | mx.array) -> mx.array:
    """The fewest tokens of probability `p` or more whose surprise is nearest to the entropy."""
    logs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    probabilities = mx.exp(logs)
    entropy = -mx.sum(mx.where(probabilities > 0, probabilities * logs, 0), -1, keepdims=True)
    distance = mx.abs(-logs - entropy)
    order = mx.argsort(distance, axis=-1)
    ordered = mx.take_along_axis(probabilities, order, axis=-1)
    before = mx.cumsum(ordered, axis=-1) - ordered
    distances = mx.take_along_axis(distance, order, axis=-1)
    bar = mx.max(mx.where(before < p, distances, NEVER), axis=-1, keepdims=True)
    bar = mx.where(mx.array(p) < 1, bar, float("inf"))
    return mx.where(distance > bar, NEVER, logits)


def exclude_top(logits: mx.array, threshold: float | mx.array, on: bool | mx.array) -> mx.array:
    """Where `on`: of the tokens of probability above `threshold`, the least likely and its ties."""
    probabilities = softmax(logits)
    above = probabilities > threshold
    least = mx.min(mx.where(above, logits, float("inf")), axis=-1, keepdims=True)
    return mx.where(mx.array(on) & above & (logits > least), NEVER, logits)


def repetition(logits: mx.array, ids: mx.array, penalty: float | mx.array) -> mx.array:
    """Logits of `ids`, shape `(batch, n)`, made less likely; repeated ids count once."""
    seen = mx.take_along_axis(logits, ids, axis=-1)
    return mx.put_along_axis(
        logits, ids, mx.where(seen > 0, seen / penalty, seen * penalty), axis=-1
    )


def draw(logits: mx.array, uniform: mx.array) -> mx.array:
    """One id for each row, of probability `softmax(logits)`, from one number in [0, 1) each.

    The first id at which the running sum of probabilities exceeds the number: a row's draw depends
    on its own number alone.
    """
    total = mx.cumsum(softmax(logits), axis=-1)
    last = total[:, -1:]
    bar = mx.minimum(uniform * last, last * (1 - 2**-23))  # rounding must not reach the end
    return mx.argmax(total > bar, axis=-1)


# ---- Rows of a batch.


class Row:
    """What the choice of a sequence's tokens depends on: settings, tokens so far, random state."""

    def __init__(self, settings: Sampling, prompt: Sequence[int] = ()):
        self.settings = settings
        self.recent = list(prompt[-settings.repetition_context :])
        self.counts: Counter[int] = Counter()
        seed = settings.seed
        if seed is None and not settings.greedy:
            seed = mx.random.randint(0, 2**31 - 1).item()
        self.random = random.Random(seed)

    def observe(self, token: int) -> None:
        self.recent.append(token)
        if len(self.recent) > 2 * self.settings.repetition_context:
            del self.recent[: -self.settings.repetition_context]
        self.counts[token] += 1

    def continued(self, tokens: Sequence[int]) -> Row:
        """A row that has these tokens more, without random state of its own."""
        other = object.__new__(Row)
        other.settings, other.random = self.settings, self.random
        other.recent, other.counts = [*self.recent, *tokens], self.counts + Counter(tokens)
        return other


class Sampler:
    """Chooses a token for every row of a batch. Rows may differ in their settings.

    A call may come before the token of the call before is known: it stays an array until `observe`
    tells it, so evaluation need not wait.
    """

    def __init__(self, rows: Sequence[Row]):
        self._rows = list(rows)
        self._pending: mx.array | None = None  # the latest tokens, unless they are known
        self._untold = 0  # calls whose tokens are not known
        self._prepare()

    @property
    def rows(self) -> list[Row]:
        return self._rows

    def replace(self, rows: Sequence[Row], pending: mx.array | None) -> None:
        """Go on with other rows; `pending` are their latest tokens if these are not known yet."""
        self._rows, self._pending, self._untold = list(rows), pending, int(pending is not None)
        if self._rows:
            self._prepare()

    def _prepare(self) -> None:
        """The settings of all rows as arrays, and what of them any row uses."""
        settings = [row.settings for row in self._rows]
        neutral = Sampling()

        def used(name):
            return any(getattr(s, name) != getattr(neutral, name) for s in settings)

        def column(name):
            """One number if all rows agree."""
            values = [getattr(s, name) for s in settings]
            if len(set(values)) == 1:
                return values[0]
            return mx.array(values)[:, None]

        self._bias = self._biases(settings) if used("logit_bias") else None
        self._penalties = {
            name: column(name) if used(name) else None
            for name in ("repetition_penalty", "presence_penalty", "frequency_penalty")
        }
        self._counts_used = used("presence_penalty") or used("frequency_penalty")
        self._all_greedy = all(s.greedy for s in settings)
        self._greedy = mx.array([s.greedy for s in settings])
        self._any_greedy = any(s.greedy for s in settings)
        self._cold = [1.0 if s.greedy else 1 / s.temperature for s in settings]
        self._filters = [] if self._all_greedy else self._make_filters(settings, used, column)
        self._xtc = None
        if used("xtc_probability") and not self._all_greedy:
            self._xtc = column("xtc_threshold")
        self._unchanged = (
            self._bias is None
            and not self._counts_used
            and self._penalties["repetition_penalty"] is None
        )

    def _make_filters(self, settings, used, column) -> list:
        filters, most = [], None
        if any(t != 1 for t in self._cold):
            cold = self._cold[0] if len(set(self._cold)) == 1 else mx.array(self._cold)[:, None]
            filters.append(lambda x: x * cold)
        if used("top_k"):
            k, most = column("top_k"), max(s.top_k for s in settings)
            filters.append(lambda x, most=most: top_k(x, k, most))
            if not all(s.top_k for s in settings):
                most = None
        if used("typical_p"):
            typical = column("typical_p")
            filters.append(lambda x: typical_p(x, typical))
        if used("top_p"):
            p = column("top_p")
            filters.append(lambda x: top_p(x, p, most))
        if used("min_p"):
            least = column("min_p")
            filters.append(lambda x: min_p(x, least))
        return filters

    def _biases(self, settings) -> tuple[mx.array, mx.array, mx.array]:
        triples = [(i, t, b) for i, s in enumerate(settings) for t, b in s.logit_bias.items()]
        rows, ids, values = zip(*triples, strict=True)
        return mx.array(rows), mx.array(ids), mx.array(values, mx.float32)

    def _penalize_recent(self, logits: mx.array) -> mx.array:
        """The repetition penalty."""
        pending = self._pending
        recent = [
            row.recent[-n:]
            if (n := row.settings.repetition_context - (pending is not None))
            else []
            for row in self._rows
        ]
        penalty = self._penalties["repetition_penalty"]
        if pending is None and not all(recent):
            penalty = mx.where(mx.array([[bool(ids)] for ids in recent]), penalty, 1.0)
        # Rows with fewer tokens repeat one that they have: it counts once all the same.
        width = max(map(len, recent))
        ids = mx.array([_padded(ids, width, ids[0] if ids else 0) for ids in recent], mx.int32)
        ids = ids.reshape(len(recent), width)
        if pending is not None:
            last = pending.astype(mx.int32)[:, None]
            empty = mx.array([[not known] for known in recent])
            ids = mx.concatenate([mx.where(empty, last, ids), last], axis=-1)
        elif width == 0:
            return logits
        return repetition(logits, ids, penalty)

    def _penalize_counts(self, logits: mx.array) -> mx.array:
        """Presence and frequency penalties."""
        presence, frequency = (
            0.0 if (penalty := self._penalties[name]) is None else penalty
            for name in ("presence_penalty", "frequency_penalty")
        )
        rows = mx.arange(len(self._rows))
        width = max(1, *(len(row.counts) for row in self._rows))
        ids = mx.array([_padded(row.counts.keys(), width) for row in self._rows], mx.int32)
        counts = mx.array([_padded(row.counts.values(), width) for row in self._rows])
        known = counts > 0
        logits = logits.at[rows[:, None], ids].add(-(frequency * counts + presence * known))
        if self._pending is not None:
            last = self._pending.astype(mx.int32)
            new = ~mx.any((ids == last[:, None]) & known, axis=-1, keepdims=True)
            change = mx.broadcast_to(-(frequency + presence * new), (len(self._rows), 1))
            logits = logits.at[rows, last].add(change[:, 0])
        return logits

    def process(self, logits: mx.array) -> mx.array:
        """Logits after bias and penalties, in float32."""
        logits = logits.astype(mx.float32)
        if self._unchanged:
            return logits
        if self._bias is not None:
            rows, ids, values = self._bias
            logits = logits.at[rows, ids].add(values)
        if self._penalties["repetition_penalty"] is not None:
            logits = self._penalize_recent(logits)
        if self._counts_used:
            logits = self._penalize_counts(logits)
        return logits

    def filtered(self, logits: mx.array) -> mx.array:
        """Processed logits whose softmax is drawn from, for rows that are not greedy."""
        for filter_ in self._filters:
            logits = filter_(logits)
        if self._xtc is not None:
            on = [
                row.settings.xtc_probability > 0
                and row.random.random() < row.settings.xtc_probability
                for row in self._rows
            ]
            logits = exclude_top(logits, self._xtc, mx.array(on)[:, None])
        return logits

    def probabilities(self, logits: mx.array) -> mx.array:
        """The distribution that `__call__` draws from; all on one token for greedy rows."""
        processed = self.process(logits)
        best = mx.argmax(processed, axis=-1, keepdims=True)
        hot = (mx.arange(logits.shape[-1]) == best).astype(mx.float32)
        if self._all_greedy:
            return hot
        drawn = softmax(self.filtered(processed))
        return mx.where(self._greedy[:, None], hot, drawn) if self._any_greedy else drawn

    def __call__(self, logits: mx.array) -> mx.array:
        """A token for each row of `logits`, shape `(batch,)`."""
        processed = self.process(logits)
        if self._all_greedy:
            return self._chosen(mx.argmax(processed, axis=-1))
        filtered = self.filtered(processed)
        uniform = [0.0 if r.settings.greedy else r.random.random() for r in self._rows]
        tokens = draw(filtered, mx.array(uniform)[:, None])
        if self._any_greedy:
            tokens = mx.where(self._greedy, mx.argmax(processed, axis=-1), tokens)
        return self._chosen(tokens)

    def _chosen(self, tokens: mx.array) -> mx.array:
        self._pending = tokens
        self._untold += 1
        return tokens

    def observe(self, tokens: Sequence[int]) -> None:
        """Tell the tokens of the earliest call not yet told about."""
        for row, token in zip(self._rows, tokens, strict=True):
            row.observe(token)
        self._untold -= 1
        if self._untold <= 0:
            self._pending, self._untold = None, 0


def _padded(values, width: int, value: int = 0) -> list[int]:
    values = list(values)
    return values + [value] * (width - len(values))


def make_sampler(
    settings: Sampling | None = None, prompt: Sequence[int] = (), **options
) -> Sampler:
    """A sampler for one sequence; `options` are fields of `Sampling`."""
    return Sampler([Row(settings or Sampling(**options), prompt)])
