"""Random orders that depend on a seed alone: the same on every machine and NumPy version."""

from __future__ import annotations

import operator

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2 ** 64 divided by the golden ratio


def mix(x: np.ndarray) -> np.ndarray:
    """The output function of SplitMix64 (Steele et al., 2014), modulo 2 ** 64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def seed_of(seed) -> int:
    """`seed` as an integer below 2 ** 64; a key of `olivine.core.random` counts as its 64 bits."""
    try:
        return operator.index(seed) % 2**64
    except TypeError:
        key = np.asarray(seed)
        if key.shape != (2,) or key.dtype != np.uint32:
            raise TypeError(f"seed must be an integer or a random key; got {seed!r}") from None
        return int(key[0]) << 32 | int(key[1])


def stream(seed: int, *parts: int) -> int:
    """A seed of its own for every tuple of `parts`, such as an epoch's number."""
    # Array arithmetic wraps; NumPy would warn about scalars.
    state = mix(np.array([seed % 2**64], dtype=np.uint64))
    for part in parts:
        state = mix(state + np.uint64((part + 1) % 2**64) * np.ones(1, np.uint64) * GOLDEN)
    return int(state[0])


def permutation(count: int, seed: int) -> np.ndarray:
    """The numbers below `count` in an order that `seed` decides: sorted by a hash of each."""
    start = mix(np.array([seed % 2**64], dtype=np.uint64))
    hashes = mix(start + np.arange(1, count + 1, dtype=np.uint64) * GOLDEN)
    return np.argsort(hashes, kind="stable")


class Generators:
    """NumPy's random numbers for each item of a stream, as `Philox` gives them for both as its key.

    The generator of one item is that of another started anew: making one takes longer than most
    uses of it.
    """

    def __init__(self, seed: int):
        self._bits = np.random.Philox(key=np.array([seed, 0], dtype=np.uint64))
        self._start = self._bits.state
        self._generator = np.random.Generator(self._bits)

    def at(self, index: int) -> np.random.Generator:
        """The generator for item `index`, valid until the next call."""
        self._start["state"]["key"][1] = index
        self._bits.state = self._start
        return self._generator
