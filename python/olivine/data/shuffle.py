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


def generator(seed: int, *parts: int) -> np.random.Generator:
    """NumPy's random numbers for one tuple of `parts`, such as an epoch and an item."""
    return np.random.Generator(np.random.Philox(key=stream(seed, *parts)))
