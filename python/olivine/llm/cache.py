"""What attention remembers between calls.

A cache belongs to one layer. `attend` takes the keys and values of new tokens, remembers them and
attends over all; `offset` counts the positions seen, for rotary positions; `mask` is asked before.
Arrays have shapes `(batch, heads, length, head_dim)`.
"""

from __future__ import annotations

import olivine.core as mx


def causal_mask(length: int, offset: int, window: int | None) -> mx.array | str | None:
    """Which of `offset + length` positions each of the last `length` sees."""
    if window is None or offset + length <= window:
        return None if length == 1 else "causal"
    rows = mx.arange(offset, offset + length)[:, None]
    columns = mx.arange(offset + length)[None]
    return (columns <= rows) & (columns > rows - window)


def attention_mask(length: int, cache=None, window: int | None = None):
    """The mask for `length` new tokens after what `cache` remembers."""
    if cache is None:
        return causal_mask(length, 0, window)
    return cache.mask(length, window)


class KVCache:
    """All keys and values so far, in buffers that grow by `step` positions."""

    step = 256

    def __init__(self):
        self.offset = 0
        self.keys: mx.array | None = None
        self.values: mx.array | None = None

    def __len__(self) -> int:
        return self.offset

    def mask(self, length: int, window: int | None = None):
        return causal_mask(length, self.offset, window)

    def _grow(self, name: str, new: mx.array, length: int) -> None:
        room = -(-length // self.step) * self.step
        buffer = mx.zeros((*new.shape[:2], room, new.shape[3]), new.dtype)
        old = getattr(self, name)
        if old is not None:
            buffer[:, :, : self.offset] = old[:, :, : self.offset]
        setattr(self, name, buffer)

    def extend(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Append along the length axis; returns all."""
        end = self.offset + keys.shape[2]
        if self.keys is None or end > self.keys.shape[2]:
            self._grow("keys", keys, end)
            self._grow("values", values, end)
        self.keys[:, :, self.offset : end] = keys
        self.values[:, :, self.offset : end] = values
        self.offset = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def attend(self, queries, keys, values, **options) -> mx.array:
        keys, values = self.extend(keys, values)
        return mx.fast.scaled_dot_product_attention(queries, keys, values, **options)

    @property
    def state(self) -> list[mx.array]:
        """The arrays to evaluate or save."""
        return [] if self.keys is None else [self.keys, self.values]

    def trim(self, count: int) -> int:
        """Forget the last `count` positions; returns how many there were to forget."""
        count = min(count, self.offset)
        self.offset -= count
        return count
