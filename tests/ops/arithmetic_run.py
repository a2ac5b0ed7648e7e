"""Runs of short float ops as machine code give the bits of the ops' loops.

Programs of many elements are run by machine code, programs of few by loops: the same chain is
computed over a large array and over pieces of it.
"""

import numpy as np
import pytest

import olivine.core as mx
from tests.support import to_np

COUNT = 70_003  # more than the 2^15 elements from which machine code is made; no whole vectors
PIECE = 9_001
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-40, 3e38, -3e38, 1.0, -1.0]

UNARY = [
    mx.negative,
    mx.abs,
    mx.square,
    mx.sqrt,
    mx.rsqrt,
    mx.reciprocal,
    mx.exp,  # has no machine code: cuts a run
]
BINARY = [mx.add, mx.subtract, mx.multiply, mx.divide, mx.maximum, mx.minimum]


def values(rng, count, dtype):
    x = rng.standard_normal(count).astype(np.float32)
    x[rng.integers(0, count, count // 8)] = rng.choice(SPECIAL, count // 8)
    return mx.array(x).astype(dtype)


def chain(rng, length, outputs):
    """A function of arrays and scalars: ops on what came before, or on constants."""
    steps = []
    for i in range(length):
        known = 3 + i
        if rng.random() < 0.25:
            steps.append((UNARY[rng.integers(len(UNARY))], [rng.integers(known)]))
            continue
        a, b = rng.integers(known, size=2)
        constant = float(np.float32(rng.choice([0.5, -2.0, 3.0, np.nan, 0.1])))
        kind = rng.random()
        operands = [constant, b] if kind < 0.2 else [a, constant] if kind < 0.4 else [a, b]
        steps.append((BINARY[rng.integers(len(BINARY))], operands))
    kept = sorted(rng.choice(length, min(outputs, length), replace=False))

    def function(*arrays):
        known = list(arrays)
        for op, operands in steps:
            known.append(op(*(o if isinstance(o, float) else known[o] for o in operands)))
        return [known[len(arrays) + k] for k in kept] + [known[-1]]

    return function


def bits(a):
    a = to_np(a.astype(mx.float32))
    return np.where(np.isnan(a), np.float32(np.nan), a).view(np.uint32)


def check(function, arrays, cut=lambda a, b, e: a[b:e]):
    whole = mx.compile(function)(*arrays)
    mx.eval(whole)
    for begin in range(0, COUNT, PIECE):
        end = min(begin + PIECE, COUNT)
        # Copies: a slice of everything would be one program again.
        part = [mx.array(to_np(cut(a, begin, end))).astype(a.dtype) for a in arrays]
        for w, p in zip(whole, function(*part), strict=True):
            assert np.array_equal(bits(w)[begin:end], bits(p))


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16, mx.float16], ids=str)
@pytest.mark.parametrize("seed", range(12))
def test_random_chains(dtype, seed):
    rng = np.random.default_rng(seed)
    function = chain(rng, int(rng.integers(2, 60)), int(rng.integers(0, 4)))
    check(function, [values(rng, COUNT, dtype) for _ in range(3)])


@pytest.mark.parametrize("seed", range(6))
def test_chains_across_dtypes(seed):
    """Casts between floats of all sizes, with 16-bit outputs on the way."""
    rng = np.random.default_rng(seed)
    dtypes = [mx.float32, mx.bfloat16, mx.float16]
    plan = [
        (BINARY[rng.integers(len(BINARY))], rng.integers(3 + i, size=2), dtypes[rng.integers(3)])
        for i in range(int(rng.integers(3, 20)))
    ]

    def function(*arrays):
        known = list(arrays)
        for op, (i, j), dtype in plan:
            known.append(op(known[i].astype(dtype), known[j].astype(dtype)))
        return known[-3:]

    check(function, [values(rng, COUNT, dtype) for dtype in dtypes])


def test_more_values_than_registers():
    """Forty values that all live until the end."""

    def function(a, b, c):
        parts = [a * (0.5 + i) + b for i in range(40)]
        total = c
        for part in reversed(parts):
            total = total * part - c
        return [total]

    rng = np.random.default_rng(0)
    check(function, [values(rng, COUNT, mx.float32) for _ in range(3)])


def test_results_over_operands():
    """Operands that die give their memory to results."""
    rng = np.random.default_rng(1)
    start = values(rng, COUNT, mx.float32)
    want = to_np(start)
    x = start + 0.0
    mx.eval(x)
    with np.errstate(all="ignore"):
        for _ in range(3):
            x = (x * x - 0.25) / (x + 2.0)
            mx.eval(x)
            want = (want * want - np.float32(0.25)) / (want + np.float32(2.0))
    assert np.array_equal(np.isnan(want), np.isnan(to_np(x)))
    assert np.array_equal(np.nan_to_num(want), np.nan_to_num(to_np(x)))


@pytest.mark.parametrize(
    "shape", [((300, 401), (401,)), ((300, 401), (300, 1)), ((7, 5, 2003),) * 2]
)
def test_broadcast_operands(shape):
    rng = np.random.default_rng(2)
    x, y = (rng.standard_normal(s).astype(np.float32) for s in shape)
    a, b = mx.array(x), mx.array(y)
    got = (a * b + b) * (b - 1.0) - a
    want = (x * y + y) * (y - np.float32(1)) - x
    assert np.array_equal(to_np(got), want)
    if x.ndim == 2:
        got = (a.T * 2.0 + 1.0) * a.T
        assert np.array_equal(to_np(got), (x.T * np.float32(2) + np.float32(1)) * x.T)
