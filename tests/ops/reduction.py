"""Rows of the reductions and of the functions made of them: softmax, norms, comparisons of arrays."""

import numpy as np
import pytest

import olivine.core as mx
from tests.harness import (
    BINARY,
    COMPLEX,
    DTYPES,
    FLOATING,
    INTEGER,
    LARGE,
    REAL,
    OpTests,
    Row,
)
from tests.support import assert_close, assert_same, rounded, to_mx

PLAIN = "values layouts dtypes vmap compile errors"
INEXACT = FLOATING + COMPLEX
ONE_AXIS = (
    (((7,),), {}),
    (((4, 5, 6),), {"axis": 1}),
    (((4, 5, 6),), {"axis": -1, "keepdims": True}),
    (((3, 4),), {"axis": 0}),
    (((),), {}),
    (((1, 129),), {"axis": 0}),
    (((517, 259),), {"axis": 0}),
    (((517, 259),), {"axis": 1}),
    (((LARGE + 7,),), {}),
)
AXES = ONE_AXIS + (
    (((3, 4, 5, 2),), {"axis": (0, 2)}),
    (((3, 4, 5),), {"axis": (2, 0), "keepdims": True}),
    (((2, 3),), {"axis": ()}),
    (((0, 3),), {"axis": 1}),
    (((33, 35, 131),), {"axis": (0, 2)}),
    (((65, 3, 700),), {"axis": (1,)}),
)
EMPTY = ((((0,),), {}), (((0, 3),), {"axis": 0}), (((3, 0),), {}))
MOMENTS = tuple((s, k) for s, k in AXES if k.get("axis") != ()) + (
    (((5, 6),), {"axis": 0, "ddof": 1}),
    (((5, 6),), {"ddof": 2}),
)
SOFTMAX = tuple((s, {"axis": k.get("axis")}) for s, k in AXES[:9]) + (
    (((3, 4, 5),), {"axis": (0, 2)}),
)


def logsumexp(x, axis=None, keepdims=False):
    if axis == ():
        return x
    top = np.max(x.real, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    out = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return out if keepdims else np.squeeze(out, axis=axis)


def softmax(x, axis=None):
    e = np.exp(x - np.max(x.real, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def minmax(x, **kwargs):
    return np.min(x, **kwargs), np.max(x, **kwargs)


def half(rng, _, shape):
    return (rng.uniform(0, 1, shape) < 0.5).astype(float)


def mostly(rng, _, shape):
    return (rng.uniform(0, 1, shape) < 0.97).astype(float)


def distinct(rng, _, shape):
    return rng.permutation(int(np.prod(shape))).reshape(shape) * 0.37 - 3


def one_axis(fn):
    def ref(x, axis=None, keepdims=False):
        return fn(x, axis=axis, keepdims=keepdims)

    return ref


def count_nonzero(x, **kwargs):
    return np.asarray(np.sum(x != 0, **kwargs))


def near_one(rng, _, shape):
    return rng.uniform(0.9, 1.1, shape) * np.sign(rng.uniform(-1, 9, shape))


ROWS = [
    Row("all", np.all, AXES + EMPTY, DTYPES, sample=mostly, out="bool_", rules=PLAIN, wrong="axis"),
    Row("any", np.any, AXES + EMPTY, DTYPES, sample=half, out="bool_", rules=PLAIN, wrong="axis"),
    Row("sum", np.sum, AXES + EMPTY, DTYPES, out="sum", tol=8, span=1, wrong="axis"),
    Row(
        "prod",
        np.prod,
        AXES[:6] + EMPTY + AXES[9:12],
        DTYPES,
        sample=near_one,
        out="sum",
        tol=8,
        wrong="axis",
    ),
    Row("mean", np.mean, MOMENTS[:-2], DTYPES, out="float", tol=8, span=1, wrong="axis"),
    Row("max", np.max, AXES, REAL, sample=distinct, wrong="axis"),
    Row("min", np.min, AXES, REAL, sample=distinct, wrong="axis"),
    Row("minmax", minmax, AXES[:9], REAL, sample=distinct, wrong="axis"),
    Row("argmax", one_axis(np.argmax), ONE_AXIS, REAL, out="uint32", rules=PLAIN, wrong="axis"),
    Row("argmin", one_axis(np.argmin), ONE_AXIS, REAL, out="uint32", rules=PLAIN, wrong="axis"),
    Row(
        "median",
        np.median,
        AXES[:6] + AXES[9:11],
        REAL,
        out="float",
        sample=distinct,
        wrong="axis",
        tol=2,
    ),
    Row("var", np.var, MOMENTS, DTYPES, out="float real", tol=16, span=1, wrong="axis"),
    Row("std", np.std, MOMENTS, DTYPES, out="float real", tol=16, span=1, wrong="axis"),
    Row("logsumexp", logsumexp, AXES, REAL, out="float", tol=4, span=1, wrong="axis"),
    Row("softmax", softmax, SOFTMAX, REAL, out="float", tol=6, wrong="axis"),
    Row(
        "count_nonzero",
        count_nonzero,
        AXES + EMPTY,
        DTYPES,
        sample=half,
        out="int32",
        rules=PLAIN,
        wrong="axis",
    ),
    Row(
        "allclose",
        lambda a, b: np.asarray(np.allclose(a, b)),
        BINARY[:4],
        REAL,
        sample=lambda r, i, s: np.ones(s),
        out="bool_",
        rules=PLAIN,
    ),
    Row(
        "array_equal",
        lambda a, b: np.asarray(np.array_equal(a, b)),
        BINARY[:2],
        DTYPES,
        sample=lambda r, i, s: np.ones(s),
        out="bool_",
        rules=PLAIN,
    ),
]


class TestReduction(OpTests):
    rows = ROWS


@pytest.mark.parametrize("op", ["max", "min", "logsumexp", "softmax"])
def test_nan_and_infinities_pass_through_every_position(op):
    """Vector bodies and tails of all lengths keep a NaN, wherever it is."""
    for n in range(1, 70):
        x = np.linspace(-2, 2, n, dtype=np.float32)
        for i in {0, n // 2, n - 1}:
            y = x.copy()
            y[i] = np.nan
            out = np.array(getattr(mx, op)(mx.array(y)))
            assert np.all(np.isnan(out)), f"{op} of {n} elements lost the NaN at {i}: {out}"


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
def test_extremes_are_found_in_every_place(name):
    for n in (3, 17, 64, 150, 300):
        least = np.eye(n) * -3 + 1
        least[0, n // 2] = -0.5
        assert np.array(mx.min(to_mx(least, name), 1).astype(mx.float32)).tolist() == [-2.0] * n
        assert np.array(mx.max(to_mx(-least, name), 1).astype(mx.float32)).tolist() == [2.0] * n
        assert mx.argmax(to_mx(-least, name), 1).tolist() == list(range(n))
        nan = to_mx(np.where(np.eye(n) > 0, np.nan, least), name)
        for f in (mx.min, mx.max):
            assert np.isnan(np.array(f(nan, 1).astype(mx.float32))).all()


def test_extremes_of_infinities():
    inf = mx.array([float("-inf")] * 5)
    assert mx.logsumexp(inf).item() == float("-inf")
    assert mx.logsumexp(-inf).item() == float("inf")
    assert mx.max(inf).item() == float("-inf")
    mask = mx.array([float("-inf"), 0.0, float("-inf"), 0.0])
    assert mx.softmax(mask).tolist() == [0.0, 0.5, 0.0, 0.5]


@pytest.mark.parametrize("name", COMPLEX)
def test_logsumexp_of_complex_numbers_is_the_log_of_the_sum(name):
    rng = np.random.default_rng(4)
    x = rounded(rng.uniform(-2, 2, (4, 5)) + 1j * rng.uniform(-1, 1, (4, 5)), name)
    for axis, keepdims in ((0, False), (1, True), (None, False)):
        want = np.log(np.sum(np.exp(x.astype(np.complex128)), axis=axis, keepdims=keepdims))
        got = mx.logsumexp(to_mx(x), axis=axis, keepdims=keepdims)
        assert_close(got, rounded(want, name), name, 4, f"axis {axis}")
    # Neither overflows nor underflows, and minus infinity adds nothing.
    assert_close(mx.logsumexp(to_mx(x + 1000), axis=1), logsumexp(x + 1000, axis=1), name, 4)
    assert_close(mx.logsumexp(to_mx(x - 1000), axis=1), logsumexp(x - 1000, axis=1), name, 4)
    nothing = to_mx(np.full(3, complex(-np.inf, 0)), name)
    assert np.real(mx.logsumexp(nothing).item()) == -np.inf
    some = mx.logsumexp(mx.concatenate([nothing, to_mx(x[0])]))
    assert_close(some, logsumexp(x[0]), name, 4)


def test_gradient_of_a_complex_logsumexp_is_a_softmax():
    x = np.array([0.3 + 1j, -1 + 0.5j, 0.2 - 2j])
    v = np.array([1.0, 2j, -1 + 1j])
    tangent = mx.jvp(mx.logsumexp, [to_mx(x)], [to_mx(v)])[1][0]
    weights = np.exp(x) / np.exp(x).sum()
    assert_close(tangent, (weights * v).sum(), "complex128", 4)


@pytest.mark.parametrize("op", ["argmax", "argmin"])
@pytest.mark.parametrize("name", REAL)
def test_positions_down_a_few_long_columns(op, name):
    """Columns too few to share are cut in pieces, and of equal values the first one counts."""
    rng = np.random.default_rng(11)
    x = rounded(np.floor(rng.uniform(0, 2 if name == "bool_" else 100, (3000, 3))), name)
    x[:, 2] = x[0, 2]
    extreme = x.astype(np.float64).max() if op == "argmax" else x.astype(np.float64).min()
    x[[700, 1800], 1] = rounded(extreme, name)
    want = getattr(np, op)(x.astype(np.float64), axis=0).astype(np.uint32)
    assert_same(getattr(mx, op)(to_mx(x), axis=0), want)
    if name in FLOATING:
        x[[1900, 2900], 0] = np.nan
        assert getattr(mx, op)(to_mx(x), axis=0)[0].item() == 1900


def test_equal_arrays_may_hold_nan_if_asked():
    nan = float("nan")
    a, b = mx.array([1.0, nan, 3.0]), mx.array([1.0, nan, 3.0])
    assert not mx.array_equal(a, b).item()
    assert mx.array_equal(a, b, equal_nan=True).item()
    assert not mx.array_equal(a, mx.array([nan, 1.0, 3.0]), equal_nan=True).item()
    assert not mx.array_equal(a, b[:2], equal_nan=True).item()
    c = mx.array([complex(nan, 1), 2j])
    assert mx.array_equal(c, c, equal_nan=True).item() and not mx.array_equal(c, c).item()
    assert mx.array_equal(mx.array([1, 2]), mx.array([1.0, 2.0]), equal_nan=True).item()


@pytest.mark.parametrize("op", ["max", "min", "argmax", "argmin", "median"])
def test_empty_reductions_without_identity_are_refused(op):
    with pytest.raises(ValueError, match=rf"\[{op}\]"):
        mx.eval(getattr(mx, op)(mx.zeros((0,)), axis=0))


@pytest.mark.parametrize("op", ["argmax", "argmin"])
def test_ties_give_the_first_index(op):
    for dtype in REAL:
        x = to_mx(np.ones((3, 70)), dtype)
        assert getattr(mx, op)(x, axis=1).tolist() == [0, 0, 0]
    big = to_mx(np.ones(LARGE + 3), "float32")
    assert getattr(mx, op)(big).item() == 0


def test_long_sums_stay_accurate():
    """Pairwise or blocked summation: the error grows slowly with the length."""
    rng = np.random.default_rng(1)
    for n in (1 << 20, 1 << 22):
        x = rng.uniform(0, 1, n).astype(np.float32)
        got = mx.sum(mx.array(x)).item()
        assert abs(got - x.astype(np.float64).sum()) < 2e-6 * n
    for name in ("float16", "bfloat16"):
        x = rounded(rng.uniform(0, 1, 8192), name)
        want = rounded(x.astype(np.float64).sum(), name)
        assert_close(mx.sum(to_mx(x)), want, name, 1, "sum in 16 bits accumulates in 32")
        want = rounded(x.astype(np.float64).mean(), name)
        assert_close(mx.mean(to_mx(x)), want, name, 1, "mean in 16 bits accumulates in 32")


def test_integer_sums_wrap_and_keep_64_bits():
    x = np.array([2**62, 2**62, -5], np.int64)
    assert_same(mx.sum(to_mx(x)), np.sum(x), "sum")
    x = np.full(3, 2**31 - 1, np.int32)
    assert_same(mx.sum(to_mx(x)), np.asarray(np.sum(x, dtype=np.int32)), "sum")


@pytest.mark.parametrize("name", INTEGER)
def test_extremes_of_integers_are_exact(name):
    info = np.iinfo(name)
    x = np.array([info.min, info.max, 3, info.max - 1], name)
    assert mx.max(to_mx(x)).item() == info.max
    assert mx.min(to_mx(x)).item() == info.min
    assert mx.argmax(to_mx(x)).item() == 1


def test_gradient_of_tied_extremes_is_shared_evenly_or_kept_in_sum():
    g = np.array(mx.grad(lambda x: mx.max(x))(mx.array([1.0, 3.0, 3.0])))
    assert g[0] == 0 and np.isclose(g.sum(), 1) and (g >= 0).all()


def test_prod_gradient_with_zeros():
    g = mx.grad(lambda x: mx.prod(x))
    assert g(mx.array([2.0, 0.0, 3.0])).tolist() == [0.0, 6.0, 0.0]
    assert g(mx.array([0.0, 0.0, 3.0])).tolist() == [0.0, 0.0, 0.0]
