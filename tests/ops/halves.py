"""16-bit floats: tables of activations, extremes by their bits, conversions, draws.

Expected values come from float32 arithmetic in NumPy, rounded once.
"""

import numpy as np
import pytest

import olivine.core as mx
from olivine import nn
from tests.support import assert_same, rounded, to_np

HALVES = [mx.float16, mx.bfloat16]
LARGE = 600_007  # enough for a table of a chain
PIECE = 9_001  # too few for one

FUNCTIONS = [
    nn.silu, nn.gelu, nn.gelu_approx, nn.mish, nn.elu, nn.selu, nn.softplus, nn.hardswish,
    lambda x: nn.celu(x, 0.5), lambda x: nn.celu(x, 2.0),
    lambda x: mx.exp(x) * x + 1,
]  # fmt: skip


def all_halves(dtype, count):
    """Every 16-bit float, and others after them, in an order of their own."""
    bits = np.random.default_rng(1).permutation(np.arange(count, dtype=np.uint32)).astype(np.uint16)
    return mx.array(bits).view(dtype)


def bits_of(x):
    """Bits, all NaNs as one."""
    return np.where(np.isnan(to_np(x.astype(mx.float32))), 0x7FFF, to_np(x.view(mx.uint16)))


def in_pieces(function, *arrays):
    return np.concatenate(
        [
            bits_of(function(*(a[i : i + PIECE] for a in arrays)))
            for i in range(0, arrays[0].size, PIECE)
        ]
    )


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_tables_of_chains_hold_what_the_steps_compute(function, dtype):
    x = all_halves(dtype, LARGE)
    expected = in_pieces(function, x)
    for _ in range(2):
        np.testing.assert_array_equal(bits_of(function(x)), expected)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_chains_are_looked_up_inside_larger_programs(dtype):
    x, y = all_halves(dtype, LARGE), all_halves(dtype, LARGE)[::-1]
    row = all_halves(dtype, 7)

    def gated(x, y):
        return nn.silu(x) * y + nn.gelu(x)

    expected = in_pieces(gated, x, y)
    np.testing.assert_array_equal(bits_of(gated(x, y)), expected)
    # What are numbers in one run are arrays in the next.
    by_row = mx.compile(lambda x, a: mx.tanh(x * a) + a)
    square = x[: 7 * 80_000].reshape(-1, 7)
    for a in (row[:1], row, row[1:2], square):
        got = by_row(square, a)
        parts = [by_row(square[i : i + 1000], a[i : i + 1000] if a.ndim == 2 else a)
                 for i in range(0, 80_000, 1000)]  # fmt: skip
        np.testing.assert_array_equal(bits_of(got), np.concatenate([bits_of(p) for p in parts]))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide"])
def test_arithmetic_rounds_to_the_nearest(name, dtype):
    rng = np.random.default_rng(0)
    a, b = (mx.array(rng.integers(0, 65536, 40_003).astype(np.uint16)).view(dtype) for _ in "ab")
    # Blocks of ordinary numbers too, subnormal ones and ties among them.
    small = mx.array(rng.integers(-3000, 3000, 40_003) / 64).astype(dtype)
    tiny = mx.array(rng.integers(-3000, 3000, 40_003) * 2.0**-24).astype(dtype)
    half = mx.array(0.5, dtype)
    # And blocks of every finite number: results too large or too small, zeros of either sign.
    every = all_halves(dtype, 65536)
    finite = np.isfinite(to_np(every.astype(mx.float32)))
    every = mx.array(to_np(every.view(mx.uint16))[finite]).view(dtype)
    for x, y in ((a, b), (small, small[::-1]), (small, tiny), (tiny, tiny[::-1]), (tiny, half),
                 (half, small), (small, a), (every, every[::-1]), (every, half),
                 (half, every)):  # fmt: skip
        with np.errstate(all="ignore"):
            u, v = (to_np(z.astype(mx.float32)) for z in (x, y))
            expected = getattr(np, name)(u, v)
        assert_same(
            getattr(mx, name)(x, y), rounded(expected, str(dtype).rsplit(".")[-1]), "rounded once"
        )


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_rows_that_are_finite_and_others_agree(dtype):
    """Sums along a row do not depend on what other rows hold."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((4, 777)).astype(np.float32) * 2.0 ** rng.integers(-20, 4, (4, 777))
    x, v = mx.array(x).astype(dtype), mx.array(rng.standard_normal(777)).astype(dtype)
    spoilt = mx.concatenate([x[:2], mx.full((1, 777), np.inf, dtype), x[3:]])
    for function in (lambda x: x @ v, lambda x: mx.cumsum(x, 1), lambda x: mx.sum(x, 1),
                     lambda x: mx.fast.rms_norm(x, v, 1e-5)):  # fmt: skip
        for row in (0, 1, 3):
            np.testing.assert_array_equal(bits_of(function(x)[row]), bits_of(function(spoilt)[row]))
    wide = to_np(x.astype(mx.float32)).astype(np.float64)
    expected = np.cumsum(wide, 1)
    got = to_np(mx.cumsum(x, 1).astype(mx.float32))
    digits = 2.0 ** (-10 if dtype == mx.float16 else -7)
    np.testing.assert_allclose(got, expected, rtol=digits, atol=1e-4)
    expected = wide @ to_np(v.astype(mx.float32)).astype(np.float64)
    np.testing.assert_allclose(to_np((x @ v).astype(mx.float32)), expected, rtol=digits, atol=1e-3)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_conversions_of_every_value(dtype):
    x = all_halves(dtype, 65536)
    wide = x.astype(mx.float32)
    np.testing.assert_array_equal(bits_of(wide.astype(dtype)), bits_of(x))
    if dtype == mx.float16:
        with np.errstate(all="ignore"):
            assert_same(wide, to_np(x.view(mx.uint16)).view(np.float16).astype(np.float32), "wide")


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", ["max", "min", "cummax", "cummin"])
def test_extremes_with_nans_of_either_sign(name, dtype):
    rng = np.random.default_rng(3)
    pairwise = np.maximum if name.endswith("max") else np.minimum
    reference = pairwise.accumulate if name.startswith("cum") else pairwise.reduce
    for n in (1, 7, 33, 200, 3000):
        for special in ([], [np.nan], [-np.nan], [np.inf, -np.inf], [-np.inf, -np.nan]):
            x = rng.standard_normal((5, n)).astype(np.float32)
            x[1] = -abs(x[1])
            x[2] = abs(x[2])
            for k, value in enumerate(special):
                x[k % 5 :: 2, rng.integers(0, n)] = value
            x = mx.array(x).astype(dtype)
            expected = reference(to_np(x.astype(mx.float32)), axis=1)
            got = getattr(mx, name)(x, 1)
            assert_same(got.astype(mx.float32), expected, f"{name} of {n}")


def test_float32_extremes_see_every_nan():
    for n in (1, 5, 64, 129, 1000):
        for at in {0, n // 2, n - 1}:
            for sign in (1, -1):
                x = np.arange(n, dtype=np.float32)
                x[at] = np.copysign(np.nan, sign)
                assert np.isnan(mx.max(mx.array(x)).item()) and np.isnan(mx.min(mx.array(x)).item())


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_uniform_rounds_the_draws_of_float32(dtype):
    for shape in ((1,), (3, 7), (1001,), (300, 301)):
        key = mx.random.key(5)
        wide = to_np(mx.random.uniform(shape=shape, key=key))
        below = 1 - 2.0 ** (-11 if dtype == mx.float16 else -8)
        name = str(dtype).rsplit(".")[-1]
        nearest = rounded(wide, name).astype(np.float32)
        expected = rounded(np.minimum(nearest, np.float32(below)), name)
        assert_same(mx.random.uniform(shape=shape, dtype=dtype, key=key), expected, f"{shape}")


def test_softmax_of_masked_rows():
    x = np.full((4, 1000), -np.inf, np.float32)
    x[:, :3] = [[0, 1, 2]]
    x[3, 5] = -95  # a subnormal term
    e = np.exp(x.astype(np.float64) - 2)
    expected = e / e.sum(1, keepdims=True)
    np.testing.assert_allclose(to_np(mx.softmax(mx.array(x), 1)), expected, 1e-5, 1e-45)
