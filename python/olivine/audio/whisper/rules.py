"""Which tokens may come next: what is never written, how text begins, where timestamps stand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import olivine.core as mx

NEVER = -float("inf")


class Rules:
    """The tokens that rows of a batch may continue with.

    `suppress` are ids that never come, `blank` those that do not begin a text. With `timestamps`,
    they come in pairs around text and never go back; the first is at most `first_most` steps after
    the beginning.
    """

    def __init__(
        self,
        tokenizer,
        suppress: Sequence[int],
        blank: Sequence[int],
        timestamps: bool,
        first_most: int | None,
    ):
        self.begin, self.eot = tokenizer.timestamp_begin, tokenizer.eot
        self.size = tokenizer.n_vocab
        self.timestamps = timestamps
        self.first_most = first_most
        never = np.zeros(self.size, np.float32)
        never[list(suppress)] = NEVER
        if timestamps:
            never[tokenizer.no_timestamps] = NEVER
        first = never.copy()
        first[list(blank)] = NEVER
        self._never, self._first = mx.array(never), mx.array(first)

    def apply(self, logits: mx.array, rows: Sequence[Sequence[int]]) -> mx.array:
        """Logits `(rows, vocabulary)` after the sampled tokens `rows`; -inf for others."""
        first = not rows[0]
        logits = logits + (self._first if first else self._never)
        if not self.timestamps:
            return logits
        return self._prefer(logits + self._bounds(rows))

    def _bounds(self, rows: Sequence[Sequence[int]]) -> mx.array:
        """What the tokens so far rule out: 0 or -inf for each row and token."""
        keys = [self._state(row) for row in rows]
        if len(set(keys)) == 1:
            return mx.array(self._bound(*keys[0])[None])
        return mx.array(np.stack([self._bound(*key) for key in keys]))

    def _state(self, row: Sequence[int]) -> tuple[int, int, int, int]:
        """Ids from and up to which nothing comes, twice: text, then timestamps."""
        begin = self.begin
        if not row:  # a text begins with a timestamp
            most = self.size if self.first_most is None else begin + self.first_most + 1
            return 0, begin, min(most, self.size), self.size
        stamped = row[-1] >= begin
        closed = len(row) < 2 or row[-2] >= begin
        last = next((t for t in reversed(row) if t >= begin), None)
        if stamped and closed:  # a pair, or the first: text comes
            return 0, 0, begin, self.size
        if stamped:  # text has ended: its pair, or the end of all
            return 0, self.eot, begin, last
        return 0, 0, begin, begin if last is None else last + 1

    def _bound(self, text_from: int, text_to: int, from_: int, to: int) -> np.ndarray:
        out = np.zeros(self.size, np.float32)
        out[text_from:text_to] = NEVER
        out[from_:to] = NEVER
        return out

    def _prefer(self, logits: mx.array) -> mx.array:
        """Only timestamps where all of them together are likelier than any other token."""
        stamps = mx.logsumexp(logits[:, self.begin :], axis=-1, keepdims=True)
        text = mx.max(logits[:, : self.begin], axis=-1, keepdims=True)
        is_text = mx.arange(self.size) < self.begin
        return mx.where((stamps > text) & is_text, NEVER, logits)
