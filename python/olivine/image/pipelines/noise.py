"""Where a pipeline's random numbers come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import olivine.core as mx


class SeededNoise:
    """Normal numbers for several images; those of an image depend on its own seed alone.

    An image can so be made again without the others. Numbers are in float32, and every call gives
    new ones.
    """

    def __init__(self, seeds: Sequence[int]):
        bad = next((s for s in seeds if not 0 <= s < 2**64), None)
        if bad is not None:
            raise ValueError(f"[image] expected seeds from 0 to 2**64 - 1; got {bad}")
        self._keys = [mx.random.key(seed) for seed in seeds]

    def __call__(self, shape: Sequence[int]) -> mx.array:
        """Numbers of a shape whose first axis are the images."""
        out = []
        for i, key in enumerate(self._keys):
            self._keys[i], now = mx.random.split(key)
            out.append(mx.random.normal(shape[1:], key=now))
        return mx.stack(out)


Noise = Callable[[Sequence[int]], mx.array]
