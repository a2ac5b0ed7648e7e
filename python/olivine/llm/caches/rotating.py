"""The cache of a sliding window: the latest positions and, if wanted, the very first ones."""

from __future__ import annotations

import olivine.core as mx
from olivine.llm.caches.growing import another
from olivine.llm.caches.masks import causal_mask, sink_mask


class RotatingKVCache:
    """Keys and values of the first `keep` positions and the latest `max_size - keep`.

    Every query sees `max_size` positions at most, itself included, no matter in which pieces the
    tokens come. Positions count on, so rotary angles between neighbours stay what they were. The
    first positions are kept because attention rests on them (Xiao et al., "Efficient Streaming
    Language Models with Attention Sinks", 2023); a layer trained with a window needs none.

    The buffers lie in order of time. When they are full, what is still seen moves to new ones with
    room for `step` more: a copy of the window every 256 tokens, while attention reads the window
    for every token. Some positions more than the window are held, so that up to `slack` can be
    forgotten again.
    """

    kind = "rotating"
    step = 256
    slack = 32

    def __init__(self, max_size: int, keep: int = 0, dtype: mx.Dtype | None = None):
        if max_size < 1 or not 0 <= keep < max_size:
            raise ValueError(
                "[llm] expected a rotating cache of at least one position, of which fewer are "
                f"kept; got max_size={max_size}, keep={keep}"
            )
        self.max_size, self.keep, self.dtype = max_size, keep, dtype
        self.offset = 0
        self.dropped = 0  # positions after the kept ones that are no longer held
        self.keys: mx.array | None = None
        self.values: mx.array | None = None

    def __len__(self) -> int:
        return self.offset - self.dropped

    def _first(self) -> int:
        """Where in the buffers the part that the next token sees begins."""
        return 0 if self.keep else max(0, len(self) + 1 - self.max_size)

    def mask(self, length: int, window: int | None = None):
        span = self.max_size - self.keep
        span = span if window is None else min(span, window)
        if self.keep:
            return sink_mask(length, len(self) - self._leaving(length), span, self.keep)
        return causal_mask(length, len(self) - self._first(), span)

    def _leaving(self, length: int) -> int:
        """How many positions `length` new ones drive out: some only when the buffers are full."""
        if self.keys is None or len(self) + length <= self.keys.shape[2]:
            return 0
        return max(0, len(self) - self.max_size - self.slack)

    def _moved(self, old: mx.array | None, new: mx.array, held: int, leaving: int) -> mx.array:
        """A buffer with room for `new`, without the `leaving` positions after the kept ones."""
        parts = []
        if old is not None and leaving:
            parts.append(old[:, :, : self.keep])
        if old is not None:
            parts.append(old[:, :, self.keep + leaving if leaving else 0 : held])
        room = max(new.shape[2], self.step)
        shape = (*new.shape[:2], room, new.shape[3])
        parts.append(mx.zeros(shape, self.dtype or new.dtype))
        return mx.concatenate(parts, axis=2)

    def extend(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Append along the length axis; returns what the new positions see."""
        length = keys.shape[2]
        if self.keys is None or len(self) + length > self.keys.shape[2]:
            held, leaving = len(self), self._leaving(length)
            buffers = [
                self._moved(old, new, held, leaving)
                for old, new in ((self.keys, keys), (self.values, values))
            ]
            # All at once: no call, so no interrupt, comes between.
            (self.keys, self.values), self.dropped = buffers, self.dropped + leaving
        start, held = self._first(), len(self)
        end = held + length
        self.keys[:, :, held:end] = keys
        self.values[:, :, held:end] = values
        self.offset += length
        return self.keys[:, :, start:end], self.values[:, :, start:end]

    def attend(self, queries, keys, values, **options) -> mx.array:
        keys, values = self.extend(keys, values)
        return mx.fast.scaled_dot_product_attention(queries, keys, values, **options)

    @property
    def state(self) -> list[mx.array]:
        return [] if self.keys is None else [self.keys, self.values]

    @property
    def trimmable(self) -> int:
        """How many of the last positions can be forgotten: no more than leaves a whole window."""
        return self.offset if not self.dropped else max(0, len(self) - self.max_size)

    def trim(self, count: int) -> int:
        """Forget the last `count` positions; returns how many could be forgotten."""
        count = max(0, min(count, self.trimmable))
        self.offset -= count
        return count

    def fresh(self) -> RotatingKVCache:
        return type(self)(self.max_size, self.keep, self.dtype)

    def copy(self) -> RotatingKVCache:
        other = self.fresh()
        other.offset, other.dropped = self.offset, self.dropped
        other.keys, other.values = another(self.keys), another(self.values)
        return other

    def settings(self) -> dict:
        return {
            "max_size": self.max_size,
            "keep": self.keep,
            "offset": self.offset,
            "dropped": self.dropped,
        }

    def arrays(self) -> dict[str, mx.array]:
        if self.keys is None:
            return {}
        return {"keys": self.keys[:, :, : len(self)], "values": self.values[:, :, : len(self)]}

    def restore(self, settings: dict, arrays: dict[str, mx.array]) -> None:
        self.__init__(settings["max_size"], settings["keep"])
        offset, dropped = settings["offset"], settings["dropped"]
        if offset:
            self.keys, self.values = arrays["keys"], arrays["values"]
            self.dtype = self.keys.dtype
            held = {a.shape[2] if a.ndim == 4 else None for a in (self.keys, self.values)}
            if held != {offset - dropped} or dropped < 0:
                raise ValueError(f"keys and values of {offset - dropped} positions")
        self.offset, self.dropped = offset, dropped
