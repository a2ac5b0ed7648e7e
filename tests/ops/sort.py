"""Rows of sorting, selecting and searching."""

import numpy as np
import pytest

import olivine.core as mx
from tests.harness import LARGE, REAL, OpTests, Row
from tests.support import FLOATING, assert_same, rounded, to_mx, to_np

PLAIN = "values layouts dtypes vmap compile errors"
SHAPES = (
    (((9,),), {}),
    (((3, 4, 5),), {"axis": 1}),
    (((6, 7),), {"axis": 0}),
    (((3, 5),), {"axis": None}),
    (((0, 4),), {"axis": 0}),
    (((4, 5000),), {}),
    (((700, 190),), {"axis": 0}),
    (((LARGE + 3,),), {}),
)
INDEX = {"dtypes": REAL, "out": "uint32", "rules": PLAIN}


def stable(x, axis=-1):
    return np.argsort(x, axis=axis, kind="stable")


def spread(rng, _, shape):
    return rng.permutation(int(np.prod(shape, dtype=int))).reshape(shape) * 0.37 - 3


def haystack(rng, i, shape):
    return np.sort(rng.uniform(-9, 9, shape)) if i == 0 else rng.uniform(-10, 10, shape)


def searchsorted(a, v, side="left"):
    return np.searchsorted(a, v, side)


def row_sorted(rng, _, shape):
    """Few distinct values, so that ties and their order matter."""
    return np.floor(rng.uniform(-4, 4, shape))


ROWS = [
    Row("sort", np.sort, SHAPES, REAL, sample=spread, wrong="axis"),
    Row("argsort", stable, SHAPES, sample=row_sorted, wrong="axis", **INDEX),
    Row(
        "searchsorted",
        searchsorted,
        (
            (((9,), (7,)), {}),
            (((9,), (3, 4)), {"side": "right"}),
            (((1,), ()), {}),
            (((0,), (5,)), {}),
            (((5000,), (LARGE,)), {}),
        ),
        sample=haystack,
        dtypes=REAL,
        out="uint32",
        rules="values dtypes compile errors",
    ),
]


class TestSort(OpTests):
    rows = ROWS


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", ["int32", "float16", "float32", "float64"])
def test_values_in_order_are_found_near_each_other(name, side):
    """Rising and falling values, close together and far apart, ties in both, past both ends."""
    rng = np.random.default_rng(9)
    haystack = np.sort(rounded(rng.integers(0, 900, 20_000), name))
    for count in (5, 3000, 30_000):
        values = np.sort(rounded(rng.integers(-50, 950, count), name))
        for v in (values, values[::-1], np.concatenate([values[::2], values])):
            got = mx.searchsorted(to_mx(haystack), to_mx(v), side=side)
            np.testing.assert_array_equal(to_np(got), np.searchsorted(haystack, v, side))


@pytest.mark.parametrize("name", REAL)
def test_partition_and_topk_select(name):
    rng = np.random.default_rng(4)
    for shape, axis, k in [
        ((50,), -1, 7),
        ((6, 40), 0, 2),
        ((3, 40, 2), 1, 39),
        ((1,), 0, 0),
        ((5, 700), None, 9),
    ]:
        a = to_mx(rng.uniform(-60, 60, shape), name)
        x, n = to_np(a), a.size if axis is None else shape[axis]
        ordered = np.sort(x, axis=axis)
        at = 0 if axis is None else axis
        got = to_np(mx.partition(a, k, axis=axis))
        assert_same(np.sort(got, axis=at), ordered, f"partition {name}")
        pivot = np.take(ordered, [k], at)
        assert (np.take(got, range(k), at) <= pivot).all() and (
            np.take(got, [k], at) == pivot
        ).all()
        assert (np.take(got, range(k, n), at) >= pivot).all()
        index = mx.argpartition(a, k, axis=axis)
        assert index.dtype == mx.uint32
        source = x.reshape(-1) if axis is None else x
        picked = np.take_along_axis(source, np.array(index).astype(np.int64), at)
        assert_same(np.sort(picked, axis=at), ordered, f"argpartition {name}")
        assert (np.take(picked, [k], at) == pivot).all()
        best = np.sort(to_np(mx.topk(a, k + 1, axis=axis)), axis=at)
        assert_same(best, np.take(ordered, range(n - k - 1, n), at), f"topk {name}")


@pytest.mark.parametrize("name", FLOATING)
def test_nan_sorts_last(name):
    for n in (3, 40, 3000):
        x = np.random.default_rng(n).uniform(-5, 5, n)
        x[n // 2], x[0], x[-1] = np.nan, np.inf, -np.inf
        a = to_mx(x, name)
        want = np.sort(to_np(a).astype(np.float64)).astype(to_np(a).dtype)
        assert_same(mx.sort(a), want, f"sort of {n}")
        assert np.array(mx.argsort(a))[-1] == n // 2


def test_signed_zeros_and_extremes_sort():
    x = np.array([0.0, -0.0, 5, -5, np.inf, -np.inf, 1e-40], np.float32)
    assert (np.array(mx.sort(mx.array(x))) == np.sort(x)).all()
    for name in ("int8", "int64", "uint64", "uint8"):
        info = np.iinfo(name)
        x = np.array([info.max, info.min, 3, info.max - 1], name)
        assert_same(mx.sort(to_mx(x)), np.sort(x), name)


def test_gradient_of_partition_and_topk_goes_to_the_selected():
    x = mx.array([3.0, 1.0, 2.0, 5.0])
    assert mx.grad(lambda a: mx.sum(mx.topk(a, 2)))(x).tolist() == [1.0, 0.0, 0.0, 1.0]
    w = mx.array([1.0, 2.0, 3.0, 4.0])
    assert mx.grad(lambda a: mx.sum(mx.partition(a, 3)))(x).tolist() == [1.0] * 4
    assert mx.grad(lambda a: mx.sum(mx.sort(a) * w))(x).tolist() == [3.0, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("op", ["partition", "argpartition", "topk"])
def test_selecting_outside_the_axis_is_refused(op):
    for k in (8, -9):
        with pytest.raises((ValueError, IndexError), match=rf"\[{op}\]"):
            mx.eval(getattr(mx, op)(mx.arange(7), k + (op == "topk")))
    with pytest.raises((ValueError, IndexError), match=rf"\[{op}\]"):
        mx.eval(getattr(mx, op)(mx.arange(7), 2, axis=3))


def test_unique_pads_to_a_static_size():
    x = mx.array([3, 1, 2, 3, 1])
    values, index, inverse, counts = mx.unique(
        x, size=4, return_index=True, return_inverse=True, return_counts=True, fill_value=9
    )
    assert values.tolist() == [1, 2, 3, 9]
    assert index.tolist()[:3] == [1, 2, 0]
    assert inverse.tolist() == [2, 0, 1, 2, 0]
    assert counts.tolist() == [2, 1, 2, 0]
    assert mx.unique(x, size=2).tolist() == [1, 2]


def test_unique_fills_with_the_smallest_and_clips_positions():
    x = mx.array([[3.0, 1.0], [1.0, 2.0]])
    values, inverse = mx.unique(x, size=5, return_inverse=True)
    assert values.tolist() == [1, 2, 3, 1, 1] and inverse.tolist() == [[2, 0], [0, 1]]
    values, index, inverse = mx.unique(x, size=2, return_index=True, return_inverse=True)
    assert (values.tolist(), index.tolist(), inverse.tolist()) == ([1, 2], [1, 3], [[1, 0], [0, 1]])
    assert mx.grad(lambda x: mx.unique(x, size=4).sum())(mx.array([3.0, 1.0, 1.0])).tolist() == [
        1,
        3,
        0,
    ]
    assert mx.unique(mx.array([]), size=2, fill_value=7).tolist() == [7, 7]
    for kwargs in ({"size": -1}, {"size": 2}, {"size": 2, "fill_value": mx.array([1, 2])}):
        with pytest.raises(ValueError, match=r"\[unique\]"):
            mx.unique(mx.array([]), **kwargs)


def orders(n, rng):
    """Rows that quicksorts find hard, and ones they find easy."""
    half = np.arange(n // 2)
    return {
        "random": rng.integers(0, 1 << 31, n),
        "few": rng.integers(0, 4, n),
        "equal": np.full(n, 7),
        "sorted": np.arange(n),
        "reversed": np.arange(n)[::-1],
        "organ pipe": np.concatenate([half, np.arange(n - n // 2)[::-1]]),
    }


@pytest.mark.parametrize(
    "name", ["float32", "float64", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
)
def test_rows_of_every_length_and_order_are_sorted(name):
    rng = np.random.default_rng(0)
    for n in (
        1,
        2,
        7,
        15,
        16,
        17,
        63,
        64,
        65,
        127,
        129,
        255,
        257,
        513,
        1023,
        4097,
        131072,
        200001,
        600001,
    ):
        for order, row in orders(n, rng).items():
            x = row.astype(name)
            assert np.array_equal(to_np(mx.sort(to_mx(x))), np.sort(x)), (n, order)
    for shape, axis in (((300, 37), 0), ((140000, 3), 0), ((37, 300), 1)):
        x = rng.integers(0, 1 << 31, shape).astype(name)
        assert np.array_equal(to_np(mx.sort(to_mx(x), axis=axis)), np.sort(x, axis=axis))


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_rows_of_16_bit_floats_of_every_length_and_order_are_sorted(name):
    rng = np.random.default_rng(0)
    dtype = getattr(mx, name)
    for n in (1, 7, 8, 9, 31, 32, 33, 100, 1000, 4097, 131072, 200001, 600001):
        for order, row in orders(n, rng).items():
            x = mx.array((row % 4001 - 2000).astype(np.float32)).astype(dtype)
            x[n // 3] = -0.0
            x[n // 5 :: 1000] = float("nan")
            got, want = (to_np(v.astype(mx.float32)) for v in (mx.sort(x), x))
            assert np.array_equal(got, np.sort(want), equal_nan=True), (n, order)
            assert np.signbit(got[got == 0]).sum() == np.signbit(want[want == 0]).sum(), (n, order)
    for shape, axis in (((300, 37), 0), ((140000, 3), 0), ((37, 300), 1)):
        x = mx.array(rng.standard_normal(shape).astype(np.float32)).astype(dtype)
        got, want = (to_np(v.astype(mx.float32)) for v in (mx.sort(x, axis=axis), x))
        assert np.array_equal(got, np.sort(want, axis=axis))


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_long_rows_keep_signs_of_zero_and_put_nan_last(name):
    x = np.random.default_rng(0).standard_normal(150000).astype(name)
    x[:400:4], x[1:400:4], x[2:400:4], x[3:400:4] = np.nan, -0.0, np.inf, -np.inf
    x[500:600] = 0.0
    got = to_np(mx.sort(to_mx(x)))
    assert np.array_equal(got, np.sort(x), equal_nan=True)
    assert np.signbit(got[got == 0]).tolist() == [True] * 100 + [False] * 100
