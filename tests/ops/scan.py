"""Rows of the scans: cumulative sums, products, extremes, and differences."""

import numpy as np
import pytest

import olivine.core as mx
from tests.harness import COMPLEX, DTYPES, LARGE, NUMBER, REAL, OpTests, Row
from tests.support import assert_close, assert_same, rounded, to_mx

SHAPES = (
    (((7,),), {}),
    (((3, 4, 5),), {"axis": 1}),
    (((3, 5),), {"axis": 0, "reverse": True}),
    (((4, 6),), {"axis": -1, "inclusive": False}),
    (((4, 6),), {"axis": 1, "reverse": True, "inclusive": False}),
    (((5, 3),), {"axis": 0, "inclusive": False}),
    (((5, 3, 2),), {"axis": 1, "reverse": True, "inclusive": False}),
    (((2, 3),), {}),
    (((0, 3),), {"axis": 1}),
    (((515, 260),), {"axis": 0}),
    (((515, 260),), {"axis": 1, "reverse": True}),
)
DIFF = (
    (((9,),), {}),
    (((3, 4, 5),), {"axis": 1}),
    (((3, 8),), {"n": 3}),
    (((5, 2),), {"n": 2, "axis": 0}),
)


def scan(fn, identity):
    """The reference of a scan: direction and shift around NumPy's accumulate."""

    def ref(x, axis=None, reverse=False, inclusive=True):
        x = x.reshape(-1) if axis is None else x
        axis = 0 if axis is None else axis
        x = np.flip(x, axis) if reverse else x
        out = fn(x, axis)
        if not inclusive:
            first = np.full_like(np.take(out, [0], axis), identity(out.dtype))
            out = np.concatenate([first, np.delete(out, -1, axis)], axis)
        return np.flip(out, axis) if reverse else out

    return ref


def lowest(dtype):
    return False if dtype == bool else -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def highest(dtype):
    return True if dtype == bool else np.inf if dtype.kind == "f" else np.iinfo(dtype).max


def total(x, axis):
    return np.cumsum(x, axis, dtype=np.int64 if x.dtype == bool else x.dtype)


def product(x, axis):
    return np.cumprod(x, axis, dtype=x.dtype)


def sum_dtype(name):
    return "int32" if name == "bool_" else name


def near_one(rng, _, shape):
    return rng.uniform(0.85, 1.15, shape)


cumsum = scan(total, lambda _: 0)
cumprod = scan(product, lambda _: 1)
cummax = scan(np.maximum.accumulate, lowest)
cummin = scan(np.minimum.accumulate, highest)
logcumsumexp = scan(np.logaddexp.accumulate, lambda _: -np.inf)
LONG = ((((LARGE + 9,),), {}),)
VALUES = "values layouts dtypes vmap compile errors"

ROWS = [
    Row(
        "cumsum",
        cumsum,
        SHAPES + LONG,
        DTYPES,
        low=0,
        out=sum_dtype,
        tol=40,
        wrong="axis",
        aliases=("cumulative_sum",),
    ),
    Row(
        "cumprod",
        cumprod,
        SHAPES[:9],
        NUMBER,
        sample=near_one,
        tol=8,
        wrong="axis",
        aliases=("cumulative_prod",),
    ),
    Row("cummax", cummax, SHAPES + LONG, REAL, wrong="axis"),
    Row("cummin", cummin, SHAPES + LONG, REAL, wrong="axis"),
    Row("logcumsumexp", logcumsumexp, SHAPES, REAL, out="float", tol=40, wrong="axis"),
    Row("diff", np.diff, DIFF, NUMBER, wrong="axis"),
]


class TestScan(OpTests):
    rows = ROWS


def test_scans_take_an_accumulation_dtype():
    x = to_mx(np.full(300, 100), "int8")
    assert mx.cumsum(x, dtype=mx.int32)[-1].item() == 30000
    assert mx.cumprod(to_mx(np.full(5, 100), "int16"), dtype=mx.int64)[-1].item() == 10**10


def test_cumprod_gradient_with_zeros():
    got = mx.grad(lambda x: mx.sum(mx.cumprod(x)))(mx.array([2.0, 0.0, 3.0]))
    assert_same(got, np.array([1, 8, 0], np.float32), "gradient")


@pytest.mark.parametrize("name", COMPLEX)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("reverse", [False, True])
def test_tangents_of_complex_products(name, axis, reverse):
    """d prod(x) = prod(x) sum(dx / x), up to each element."""
    rng = np.random.default_rng(3)
    x, v = (rounded(rng.uniform(0.5, 1.5, (6, 4, 2)) @ [1, 1j], name) for _ in range(2))
    turn = lambda a: np.flip(a, axis) if reverse else a  # noqa: E731
    wide, along = turn(x.astype(np.complex128)), turn(v.astype(np.complex128))
    want = np.cumprod(wide, axis) * np.cumsum(along / wide, axis)
    tangent = mx.jvp(lambda x: mx.cumprod(x, axis=axis, reverse=reverse), [to_mx(x)], [to_mx(v)])[
        1
    ][0]
    assert_close(tangent, turn(want), name, 20, span=8)


def test_running_extremes_keep_nan():
    x = mx.array([1.0, float("nan"), 2.0])
    assert np.isnan(np.array(mx.cummax(x))[1:]).all()


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_scans_of_halves_round_once(name):
    """Sums and products that float32 holds exactly: each result is the exact one, rounded."""
    rng = np.random.default_rng(2)
    for n in (1, 5, 16, 31, 33, 100, 1000):
        x = rng.integers(-8, 9, (3, n))
        assert_same(mx.cumsum(to_mx(x, name), 1), rounded(np.cumsum(x, 1), name), f"sum of {n}")
        y = rng.choice([1, -1, 2, 0.5], (3, n))
        y[:, 1::2] = 1 / y[:, : n - n % 2 : 2]
        y[0, n // 2] = 1.03125
        want = np.cumprod(rounded(y, name).astype(np.float64), 1)
        assert_same(mx.cumprod(to_mx(y, name), 1), rounded(want, name), f"product of {n}")


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("op", ["cumsum", "cumprod"])
def test_an_infinity_or_nan_changes_no_scan_before_it(op, name):
    x = np.ones((64, 64))
    for value in (np.inf, -np.inf, np.nan):
        np.fill_diagonal(x, value)
        got = np.array(getattr(mx, op)(to_mx(x, name), 1).astype(mx.float32))
        want = getattr(np, op)(x, 1).astype(np.float32)
        assert np.array_equal(got, want, equal_nan=True)
