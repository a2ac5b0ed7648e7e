"""The plain cache: all keys and values, in buffers that grow."""

from __future__ import annotations

import copy

import olivine.core as mx
from olivine.llm.caches.masks import causal_mask


def another(array: mx.array | None) -> mx.array | None:
    """An array object of its own with the same contents: assignments to either leave the other."""
    return None if array is None else copy.copy(array)


def room_for(length: int, step: int) -> int:
    """Positions of a buffer that must hold `length`: an eighth more, up to a multiple of `step`."""
    return -(-(length + length // 8) // step) * step


class KVCache:
    """All keys and values so far, in buffers with room for some more.

    New positions are written into the buffers where they lie: 14 us for keys and values of three
    heads of 64 features, after 256 positions as after 16,384. `dtype` is what they are kept in; by
    default they stay as they come.
    """

    kind = "growing"
    step = 64

    def __init__(self, dtype: mx.Dtype | None = None):
        self.dtype = dtype
        self.offset = 0
        self.keys: mx.array | None = None
        self.values: mx.array | None = None

    def __len__(self) -> int:
        return self.offset

    def mask(self, length: int, window: int | None = None):
        return causal_mask(length, self.offset, window)

    def _grow(self, name: str, new: mx.array, length: int) -> None:
        shape = (*new.shape[:2], room_for(length, self.step), new.shape[3])
        buffer = mx.zeros(shape, self.dtype or new.dtype)
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
        self.offset = end  # last: whatever stops this earlier leaves the cache as it was
        return self.keys[:, :, :end], self.values[:, :, :end]

    def attend(self, queries, keys, values, **options) -> mx.array:
        keys, values = self.extend(keys, values)
        return mx.fast.scaled_dot_product_attention(queries, keys, values, **options)

    @property
    def state(self) -> list[mx.array]:
        """The arrays to evaluate."""
        return [] if self.keys is None else [self.keys, self.values]

    @property
    def trimmable(self) -> int:
        """How many of the last positions can be forgotten."""
        return self.offset

    def trim(self, count: int) -> int:
        """Forget the last `count` positions; returns how many there were to forget."""
        count = max(0, min(count, self.trimmable))
        self.offset -= count
        return count

    def fresh(self) -> KVCache:
        """An empty cache of the same kind."""
        return type(self)(self.dtype)

    def copy(self) -> KVCache:
        """Another cache with the same contents. Costs nothing until one of the two is extended."""
        other = self.fresh()
        other.offset = self.offset
        other.keys, other.values = another(self.keys), another(self.values)
        return other

    def settings(self) -> dict:
        """What, beside `arrays`, a saved cache needs."""
        return {"offset": self.offset}

    def arrays(self) -> dict[str, mx.array]:
        """The contents to save, without room for more."""
        if self.keys is None:
            return {}
        return {"keys": self.keys[:, :, : self.offset], "values": self.values[:, :, : self.offset]}

    def restore(self, settings: dict, arrays: dict[str, mx.array]) -> None:
        """Become what was saved. KeyError or ValueError: it is not a cache of this kind."""
        offset = settings["offset"]
        if offset:
            self.keys, self.values = arrays["keys"], arrays["values"]
            self.dtype = self.keys.dtype
            held = {a.shape[2] if a.ndim == 4 else None for a in (self.keys, self.values)}
            if held != {offset}:
                raise ValueError(f"keys and values of {offset} positions")
        self.offset = offset
