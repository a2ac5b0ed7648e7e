"""What the decoder remembers: keys and values of its tokens, and once and for all of the sound."""

from __future__ import annotations

import olivine.core as mx
from olivine.llm.cache import KVCache


class LayerCache:
    """Of one layer: `own` for the tokens; `keys` and `values` of the sound."""

    def __init__(self, keys: mx.array, values: mx.array):
        self.keys, self.values = keys, values
        self.own = KVCache()


class Cache:
    """Of all layers. Rows of tokens may be a multiple of those of sound."""

    def __init__(self, layers: list[LayerCache]):
        self.layers = layers

    @property
    def offset(self) -> int:
        """How many tokens were seen."""
        return self.layers[0].own.offset

    def mask(self, length: int):
        return self.layers[0].own.mask(length)

    @property
    def state(self) -> list[mx.array]:
        """The arrays to evaluate."""
        return [a for x in self.layers for a in (x.keys, x.values, *x.own.state)]

    def select(self, rows: list[int]) -> None:
        """Have row i of the tokens become what row `rows[i]` was."""
        if rows == list(range(len(self.layers[0].own.keys))):
            return
        index = mx.array(rows)
        for layer in self.layers:
            own = layer.own
            own.keys, own.values = own.keys[index], own.values[index]

    def repeat(self, count: int) -> None:
        """Have each row of the tokens become `count` rows."""
        if count > 1:
            rows = len(self.layers[0].own.keys)
            self.select([i for i in range(rows) for _ in range(count)])

    def keep(self, sounds: list[int], rows: list[int]) -> None:
        """Forget all sounds and rows of tokens but these."""
        self.select(rows)
        index = mx.array(sounds)
        for layer in self.layers:
            layer.keys, layer.values = layer.keys[index], layer.values[index]
