"""Rows of gathers and scatters, and __getitem__, __setitem__ and .at against NumPy's own indexing."""

import re

import numpy as np
import pytest

import olivine.core as mx
from tests.harness import DTYPES, LARGE, OpTests, Row
from tests.support import FLOATING, assert_close, assert_same, to_mx, to_np

ALL = {"dtypes": DTYPES, "low": -9, "high": 9}


def index(low, high, dtype="int32"):
    return {1: (dtype, low, high)}


def take_along_axis(x, i, axis=None):
    if axis is None:
        return np.take_along_axis(x.reshape(-1), i.reshape(-1), 0)
    return np.take_along_axis(x, i, axis)


def put_along_axis(x, i, v, axis):
    out = x.copy()
    np.put_along_axis(out, i.astype(np.int64), v, axis)
    return out


def first_indices(axis, size):
    """Index values that name no place twice: the order of writes must not matter here."""

    def call(x, i, v, **kwargs):
        n = i.shape[axis]
        step = mx.arange(n).reshape([-1 if d == axis % i.ndim else 1 for d in range(i.ndim)])
        return mx.put_along_axis(x, (i + step) % size, v, axis=axis)

    def ref(x, i, v):
        n = i.shape[axis]
        step = np.arange(n).reshape([-1 if d == axis % i.ndim else 1 for d in range(i.ndim)])
        # i is constant along the axis, so i + step has no repeats there.
        return put_along_axis(x, (i + step) % size, v, axis)

    return call, ref


def constant_rows(fn):
    return lambda x, i, v: fn(x, i * 0 + 1, v)


put, put_ref = first_indices(1, 4)

ROWS = [
    Row(
        "take",
        np.take,
        (
            (((9,), (4,)), {}),
            (((3, 6), (2, 2)), {"axis": 1}),
            (((6, 3), ()), {"axis": 0}),
            (((8, 4), (7,)), {"axis": 0}),
            (((3, 7), (0,)), {"axis": -1}),
            (((900, 33), (LARGE // 30,)), {"axis": 0}),
        ),
        fixed=index(-3, 3),
        **ALL,
    ),
    Row(
        "take_along_axis",
        take_along_axis,
        (
            (((5, 4), (5, 2)), {"axis": 1}),
            (((6, 3), (2, 3)), {"axis": 0}),
            (((4, 5, 3), (4, 2, 3)), {"axis": -2}),
            (((300, 600), (300, 500)), {"axis": 1}),
        ),
        fixed=index(-2, 3),
        **ALL,
    ),
    Row(
        "put_along_axis",
        constant_rows(put_ref),
        ((((3, 4), (3, 2), (3, 2)), {}), (((2, 4, 2), (2, 3, 2), (2, 3, 2)), {})),
        fixed=index(0, 3),
        call=constant_rows(put),
        **ALL,
    ),
    Row(
        "slice",
        lambda x, i, axes, slice_size: x[1:3, i[0] : i[0] + 2],
        ((((4, 6), (1,)), {"axes": (1,), "slice_size": (2, 2)}),),
        call=lambda x, i, axes, slice_size: mx.slice(
            x, mx.concatenate([mx.array([1]), i]), (0, 1), slice_size
        ),
        fixed=index(0, 3),
        rules="values dtypes grad jvp second compile vmap",
        **ALL,
    ),
    Row(
        "slice_update",
        lambda x, v, i: np.concatenate([x[:, : i[0]], v, x[:, i[0] + 2 :]], 1),
        ((((3, 6), (3, 2), (1,)), {}),),
        call=lambda x, v, i: mx.slice_update(x, v, i, (1,)),
        fixed={2: ("int32", 0, 4)},
        rules="values dtypes grad jvp second compile vmap",
        **ALL,
    ),
]


class TestIndexing(OpTests):
    rows = ROWS


A, B, C = np.array([2, 0, -1]), np.array([[1], [-3]]), np.array([1, 1, 0])
S, E = slice, Ellipsis
INDICES = [
    0, -1, (1, 2), (-1, -2, -3), E, (), None, S(None), S(1, 3), S(-2, None), S(None, None, -1), S(3, 0, -2),
    S(5, 1), S(-99, 99), (S(None), 1), (E, 0), (0, E), (E, None), (None, 1, None), (1, None, E, 2),
    (S(None), S(1, None, 2), S(None, None, -1)), (S(0, 2), -1, None, S(3)), (None, E, None),
    A, (A,), (A, A), (A, B), (A, 1), (1, A), (S(None), A), (S(None), S(None), A), (A, S(1, 3)), (A, S(None), C),
    (S(None), A, C), (A, C, A), (E, A), (A, E), (A, E, C), (None, A), (A, None), (S(1, 3), A, 0), (0, A, S(None, None, 2)),
    (S(None, None, -1), B, S(None)), (A, None, C), (0, S(None), A), (A, S(None), 0), (None, A, S(1, None), None, C),
    np.zeros((0,), int), (np.zeros((2, 0), int), 1), [0, 2], ([0, 1], [1, 0]),
]  # fmt: skip
CUBE = np.arange(4 * 5 * 6).reshape(4, 5, 6)


def ours(key):
    """The same index with arrays of ours for NumPy's."""
    if isinstance(key, tuple):
        return tuple(ours(k) for k in key)
    return to_mx(key, "int32") if isinstance(key, np.ndarray) else key


def name_of(key):
    return re.sub("<object.*?>", "object", str(key)).replace("\n", "").replace("None", "_")[:60]


@pytest.mark.parametrize("key", INDICES, ids=name_of)
def test_reading_agrees_with_numpy(key):
    x = CUBE.astype(np.float32)
    for source in (to_mx(x), to_mx(x[::-1].copy())[::-1], mx.transpose(to_mx(x.T.copy()))):
        assert_same(source[ours(key)], np.asarray(x[key]), "read")
    half = to_mx(x, "bfloat16")
    assert_same(half[ours(key)], np.asarray(to_np(half)[key]), "read bfloat16")


@pytest.mark.parametrize("key", INDICES, ids=name_of)
def test_writing_agrees_with_numpy(key):
    x = CUBE.astype(np.float32)
    part = np.asarray(x[key])
    for value in (None, -np.arange(part.size, dtype=np.float32).reshape(part.shape)):
        want = x.copy()
        want[key] = 7 if value is None else value
        a = to_mx(x)
        kept = a * 1
        a[ours(key)] = 7 if value is None else to_mx(value)
        if has_repeats(key) and value is not None:  # which of two writes stays is not defined
            assert_close(a[ours(key)] * 0, part * 0, "float32")
            continue
        assert_same(a, want, "write")
        assert_same(kept, x, "a copy made before the write")


def has_repeats(key):
    return any(k is C for k in (key if isinstance(key, tuple) else (key,)))


@pytest.mark.parametrize("key", [k for k in INDICES if k is not None], ids=name_of)
def test_at_accumulates_like_numpy_ufunc_at(key):
    x = CUBE.astype(np.float32)
    part = np.asarray(x[key])
    value = (np.arange(part.size, dtype=np.float32).reshape(part.shape) % 7) + 2
    for method, ufunc in [("add", np.add), ("subtract", np.subtract), ("multiply", np.multiply),
                          ("divide", np.divide), ("maximum", np.maximum), ("minimum", np.minimum)]:  # fmt: skip
        want = x.copy()
        ufunc.at(want, key, value)
        a = to_mx(x)
        got = getattr(a.at[ours(key)], method)(to_mx(value))
        assert_close(got, want, "float32", 2, method)
        assert_same(a, x, "the source")


@pytest.mark.parametrize("name", DTYPES)
def test_scatter_of_every_dtype(name):
    x, i = to_mx(np.arange(6) % 2, name), mx.array([1, 1, 5, 0])
    got = x.at[i].add(to_mx(np.ones(4), name))
    if name == "bool_":
        assert got.tolist() == [True, True, False, True, False, True]
    else:
        assert np.array(got.astype(mx.float32)).tolist() == [1, 3, 0, 1, 0, 2]
    x[mx.array([2, 4])] = to_mx(np.array([0, 1]), name)
    assert np.array(x.astype(mx.float32)).tolist() == [0, 1, 0, 1, 1, 1]


@pytest.mark.parametrize(
    "name", ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]
)
def test_indices_of_every_integer_dtype(name):
    i = to_mx(np.array([3, 0, 2]), name)
    assert mx.arange(5)[i].tolist() == [3, 0, 2]
    a = mx.zeros((5,))
    a[i] = mx.array([1.0, 2.0, 3.0])
    assert a.tolist() == [2, 0, 3, 1, 0]


def test_boolean_masks_write():
    x = CUBE.astype(np.float32)
    for mask in (x > 50, x[:, :, 0] > 40, x[:, 0, 0] > 20):
        want, a = x.copy(), to_mx(x)
        want[mask] = 3
        a[mx.array(mask)] = 3
        assert_same(a, want, "scalar through a mask")
        want[mask] = np.arange(want[mask].size, dtype=np.float32).reshape(want[mask].shape)
        a[mx.array(mask)] = to_mx(want[mask])
        assert_same(a, want, "array through a mask")


BAD_KEYS = [
    4, -5, 2**31, -(2**63), (0, 5), (0, 0, 6), (0, 0, 0, 0), (S(None), 7), "x", 1.5, (1, "x"), object(),
    np.array([4]), np.array([0, -5]), np.array([2**31 - 1]), (A, np.array([9, 0, 0])), (0, np.array([5])),
]  # fmt: skip


@pytest.mark.parametrize("key", BAD_KEYS, ids=name_of)
def test_an_index_out_of_range_or_of_a_wrong_kind_is_refused(key):
    a = to_mx(CUBE, "float32")
    wrong_kind = any(
        isinstance(k, str | float) or type(k) is object
        for k in (key if isinstance(key, tuple) else (key,))
    )
    kinds = (IndexError, TypeError, ValueError) if wrong_kind else (IndexError,)
    if isinstance(key, tuple) and len(key) == 4:
        kinds = (IndexError, ValueError)
    with pytest.raises(kinds):
        mx.eval(a[ours(key)])
    with pytest.raises(kinds):
        a[ours(key)] = 1.0
        mx.eval(a)
    with pytest.raises(kinds):
        mx.eval(to_mx(CUBE, "float32").at[ours(key)].add(1.0))
    b = to_mx(CUBE, "float32")
    assert b[0, 0, 1].item() == 1.0


@pytest.mark.parametrize("call", [
    lambda a, i: mx.take(a, i), lambda a, i: mx.take(a, i, axis=0), lambda a, i: mx.take_along_axis(a, i, axis=0),
    lambda a, i: mx.put_along_axis(a, i, mx.array(1.0), axis=0)], ids=["take", "axis", "along", "put"])  # fmt: skip
def test_functions_refuse_indices_out_of_range(call):
    a = mx.arange(5, dtype=mx.float32)
    for i in ([5], [-6], [0, 1, 2**30]):
        with pytest.raises(IndexError):
            mx.eval(call(a, mx.array(i)))
    for i in ([1.0], [1j]):
        with pytest.raises((ValueError, TypeError)):
            mx.eval(call(a, mx.array(i)))


@pytest.mark.parametrize("call", [
    lambda a: mx.take_along_axis(a, mx.array([0]), axis=1),
    lambda a: mx.put_along_axis(a, mx.zeros((3, 1), dtype=mx.int32), mx.array(1.0), axis=1),
    lambda a: mx.put_along_axis(a, mx.zeros((2, 1), dtype=mx.int32), mx.ones((2, 2)), axis=1),
    lambda a: mx.put_along_axis(a[:1], mx.zeros((2, 1), dtype=mx.int32), mx.array(1.0), axis=1),
    lambda a: mx.take(a[:0], mx.array([0]), axis=0),
    lambda a: mx.slice(a, mx.array([0]), axes=(0, 1), slice_size=(2, 2)),
    lambda a: mx.slice(a, mx.array([0, 0]), axes=(0, 1), slice_size=(3, 2)),
    lambda a: mx.slice_update(a, mx.ones((3, 3)), mx.array([0, 0]), axes=(0, 1)),
], ids=range(8))  # fmt: skip
def test_functions_refuse_unfit_shapes(call):
    with pytest.raises((ValueError, IndexError), match=r"^\[(take|put|slice)\w*\] expected"):
        mx.eval(call(mx.ones((2, 3))))


def test_take_of_a_python_integer_is_checked():
    assert mx.take(mx.arange(5), -1).item() == 4
    for i in (5, -6, 2**40):
        with pytest.raises((IndexError, OverflowError)):
            mx.eval(mx.take(mx.arange(5), i))


@pytest.mark.parametrize("name", FLOATING)
def test_gradients_flow_through_reads_and_writes(name):
    x = to_mx(np.arange(6).reshape(2, 3), name)

    def f(x):
        y = x * 2
        y[0, 1] = 0
        y[:, mx.array([2, 1])] *= 3
        return mx.sum(y[mx.array([0, 0, 1])] * x[0])

    def loops(x):
        y = x * 2
        y[0, 1] = 0
        y[:, 1:] *= 3
        return np.sum(y[[0, 0, 1]] * x[0])

    base, want = np.arange(6, dtype=np.float64).reshape(2, 3), np.zeros((2, 3))
    for i in np.ndindex(2, 3):
        step = np.zeros((2, 3))
        step[i] = 1e-3
        want[i] = (loops(base + step) - loops(base - step)) / 2e-3
    assert_close(to_np(mx.grad(f)(x)).astype(np.float64), want, "float32", 20, "gradient", span=10)


def test_writes_are_seen_by_the_same_object_only():
    a = mx.array([1.0, 2.0, 3.0])
    same, copy, view = a, mx.array(a), a[:2]
    a[0] = 9
    assert same.tolist() == [9, 2, 3]
    assert copy.tolist() == [1, 2, 3]
    assert view.tolist() == [1, 2]


def test_iteration_length_and_containment():
    a = mx.arange(6).reshape(3, 2)
    assert len(a) == 3
    assert [r.tolist() for r in a] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(TypeError):
        len(mx.array(1))
    with pytest.raises((TypeError, ValueError, IndexError)):
        list(iter(mx.array(1)))


def test_the_gradient_of_repeated_writes_goes_to_the_last_one():
    x, v, w = (
        to_mx(rng.standard_normal(shape))
        for rng in [np.random.default_rng(3)]
        for shape in ((3, 2), (4, 2), (3, 2))
    )
    at = mx.array([1, 2, 0, 2])

    def written(x, v):
        y = x * 1
        y[at] = v
        return mx.sum(y * w)

    def put(x, v):
        return mx.sum(mx.put_along_axis(x, mx.broadcast_to(at[:, None], (4, 2)), v, axis=0) * w)

    for f in (written, put):
        dx, dv = mx.grad(f, argnums=(0, 1))(x, v)
        assert_same(dx, mx.zeros_like(x))
        assert_same(dv, mx.stack([w[1], mx.zeros_like(w[0]), w[0], w[2]]))


def test_equal_candidates_of_a_maximum_share_the_gradient():
    x, v = mx.array([2.0, 1.0, 5.0]), mx.array([2.0, 2.0, 3.0, 1.0])
    at = mx.array([0, 0, 1, 2])
    f = lambda x, v: mx.sum(x.at[at].maximum(v) * mx.array([3.0, 1.0, 10.0]))  # noqa: E731
    dx, dv = mx.grad(f, argnums=(0, 1))(x, v)
    assert dx.tolist() == [1, 0, 10] and dv.tolist() == [1, 1, 1, 0]
    tangents = [mx.ones(3), mx.zeros(4)]
    assert mx.jvp(f, [x, v], tangents)[1][0].item() == 11
    g = lambda x, v: mx.sum(x.at[at].minimum(v))  # noqa: E731
    assert mx.grad(g, argnums=1)(mx.full((3,), 9.0), v).tolist() == [0.5, 0.5, 1, 1]


def test_a_scalar_mask_is_not_computed_to_write_one_value():
    def f(x):
        y = x * 1
        y[mx.sum(x) > 0] = 5
        return y

    for shape in ((), (3,)):
        for sign in (1, -1):
            x = mx.ones(shape) * sign
            want = mx.full(shape, 5.0) if sign > 0 else x
            assert_same(f(x), want)
            assert_same(mx.compile(f)(x), want)
            assert_same(mx.vmap(f)(mx.stack([x, -x]))[0], want)


@pytest.mark.parametrize("shape", [(40, 2051), (6, 5, 1030), (40, 3, 33), (9, 70001)], ids=str)
@pytest.mark.parametrize("method", ["set", "add", "maximum"])
def test_long_rows_are_written_by_several_threads(shape, method):
    """Threads share out columns, or places; rows that are named twice come in order for each."""
    rng = np.random.default_rng(len(shape))
    x = rng.integers(-9, 9, shape).astype(np.int32)
    rows = rng.integers(0, shape[0], 80)
    values = rng.integers(-99, 99, (80, *shape[1:])).astype(np.int32)
    want, got = x.copy(), mx.array(x)
    if method == "set":
        for row, value in zip(rows, values, strict=True):
            want[row] = value
        got[mx.array(rows)] = mx.array(values)
    else:
        {"add": np.add, "maximum": np.maximum}[method].at(want, rows, values)
        got = getattr(got.at[mx.array(rows)], method)(mx.array(values))
    assert_same(got, want, method)


@pytest.mark.parametrize("method", ["set", "add"])
@pytest.mark.parametrize("name", ["int8", "int16", "float32", "int64", "complex128"])
def test_single_elements_are_written_by_several_threads(name, method):
    """Threads share out places; those that are named twice come in order for each."""
    rng = np.random.default_rng(7)
    x = rng.integers(-9, 9, 5003).astype(name)
    places = rng.integers(-5003, 5003, 70_001)
    values = rng.integers(-9, 9, 70_001).astype(name)
    want, i, v = x.copy(), mx.array(places), to_mx(values)
    if method == "set":
        for place, value in zip(places, values, strict=True):
            want[place] = value
        got = to_mx(x)
        got[i] = v
    else:
        np.add.at(want, places, values)
        got = to_mx(x).at[i].add(v)
    assert_same(got, want, method)
    with pytest.raises(IndexError, match="5003"):
        bad = places.copy()
        bad[69_999] = 5003
        mx.eval(to_mx(x).at[mx.array(bad)].add(v))


@pytest.mark.parametrize("shape", [(20, 3001), (3, 20, 1500), (20, 7)], ids=str)
def test_columns_are_written_along_an_axis_by_several_threads(shape):
    rng = np.random.default_rng(5)
    axis, count = len(shape) - 2, 13
    x = rng.integers(-9, 9, shape).astype(np.float32)
    small = list(shape)
    small[axis] = count
    order = np.argsort(rng.uniform(size=shape), axis=axis)
    places = np.take(order, range(count), axis)  # distinct, since np.put_along_axis says no order
    values = rng.integers(-9, 9, small).astype(np.float32)
    want = x.copy()
    np.put_along_axis(want, places, values, axis)
    got = mx.put_along_axis(
        mx.array(x), mx.array(places - shape[axis] * (places % 2)), mx.array(values), axis
    )
    assert_same(got, want, "put")
    # The gradient of a take adds up where places repeat.
    places = rng.integers(0, shape[axis], small)
    taken = lambda x: mx.sum(mx.take_along_axis(x, mx.array(places), axis) * mx.array(values))  # noqa: E731
    want = np.zeros_like(x)
    grid = list(np.indices(small))
    grid[axis] = places
    np.add.at(want, tuple(grid), values)
    assert_same(mx.grad(taken)(mx.array(x)), want, "gradient")
