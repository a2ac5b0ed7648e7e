"""What this machine can do, measured in a tenth of a second: products and copies."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The best that was measured here."""

    flops: float  # a second, in a float32 product of matrices that stay in cache
    bandwidth: float  # bytes read and written a second, by arrays larger than the caches


def _fastest(f, rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        begin = time.perf_counter()
        f()
        best = min(best, time.perf_counter() - begin)
    return best


@functools.cache
def measure_limits() -> Limits:
    """Float32 products of 768 x 768 and negation of 64 MB, the best of a few; measured once."""
    import olivine.core as mx

    size, count = 768, 1 << 24
    a = mx.ones((size, size))
    mx.eval(a)
    product = _fastest(lambda: mx.eval(a @ a), 5)
    x = mx.ones((count,))
    mx.eval(x)
    sweep = _fastest(lambda: mx.eval(mx.negative(x)), 5)
    return Limits(2 * size**3 / product, 2 * 4 * count / sweep)
