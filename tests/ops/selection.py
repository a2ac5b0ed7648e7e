"""Rows of nonzero, extract, compress and repeat by an array; masks as indices against NumPy's."""

import re

import numpy as np
import pytest

import olivine.core as mx
from tests.harness import DTYPES, LARGE, OpTests, Row
from tests.support import DTYPES as ALL_DTYPES
from tests.support import run_python, to_mx, to_np

CONDITION = {0: ("bool_", 0, 1)}
EXACT = "values layouts dtypes jvp grad second"
BOUNDED = EXACT + " vmap compile"


def bounded(x, axis, size, fill_value):
    """The first `size` parts along an axis, and the fill value where there are fewer."""
    if size is None:
        return x
    x = np.take(x, np.arange(min(size, x.shape[axis])), axis)
    width = [(0, size - n if d == axis % x.ndim else 0) for d, n in enumerate(x.shape)]
    return np.pad(x, width, constant_values=fill_value or 0)


def nonzero(x, size=None, fill_value=0):
    return tuple(bounded(i, 0, size, fill_value) for i in np.nonzero(x))


def flatnonzero(x, size=None, fill_value=0):
    return bounded(np.flatnonzero(x), 0, size, fill_value)


def argwhere(x, size=None, fill_value=0):
    return bounded(np.argwhere(x), 0, size, fill_value)


def extract(condition, x, size=None, fill_value=0):
    return bounded(x[condition], 0, size, fill_value)


def compress(condition, x, axis=None, size=None, fill_value=0):
    return bounded(np.compress(condition, x, axis), axis or 0, size, fill_value)


def repeat(x, repeats, axis=None, total_repeat_length=None):
    x = x.reshape(-1) if axis is None else x
    repeats = np.broadcast_to(repeats.astype(np.int64), x.shape[axis or 0])
    out = np.repeat(x, repeats, axis or 0)
    if total_repeat_length is None:
        return out
    last = np.take(x, [-1] * total_repeat_length, axis or 0)
    out = np.concatenate([out, last], axis or 0)
    return np.take(out, np.arange(total_repeat_length), axis or 0)


def few(rng, _, shape):
    """Half of the values are zero."""
    return np.floor(rng.uniform(-2, 2, shape)) * (rng.uniform(size=shape) < 0.7)


def cases(shapes, *options):
    return tuple((shape, kwargs) for shape in shapes for kwargs in options)


ARRAYS = (((9,),), ((3, 4),), ((2, 3, 5),), ((0, 3),), ((70, 190),), ((LARGE + 3,),))
SIZES = ({"size": 5}, {"size": 20, "fill_value": -2}, {"size": 0})
PAIRS = (((9,), (9,)), ((3, 4), (3, 4)), ((3,), (3, 4)), ((2, 3), (2, 3, 5)), ((0,), (0, 2)))
LONG = (((LARGE + 3,), (LARGE + 3,)), ((700,), (700, 190)))
CROSSED = (
    (((9,), (9,)), {"axis": 0}),
    (((4,), (3, 4)), {"axis": 1}),
    (((2,), (3, 4)), {"axis": -1}),
    (((3,), (2, 3, 5)), {"axis": 1}),
    (((6,), (2, 3)), {}),
    (((700,), (190, 700)), {"axis": 1}),
)
RUNS = (
    (((5,), (5,)), {}),
    (((3, 4), (4,)), {"axis": 1}),
    (((3, 4), (3,)), {"axis": 0}),
    (((3, 4), (1,)), {"axis": -1}),
    (((3000,), (3000,)), {}),
)
POSITIONS = {"dtypes": DTYPES, "out": "int32", "sample": few}

ROWS = [
    Row("nonzero", nonzero, cases(ARRAYS, {}), rules="values layouts dtypes", **POSITIONS),
    Row("nonzero", nonzero, cases(ARRAYS, *SIZES), rules="values vmap compile", **POSITIONS),
    Row("flatnonzero", flatnonzero, cases(ARRAYS, {}), rules="values layouts", **POSITIONS),
    Row(
        "flatnonzero", flatnonzero, cases(ARRAYS, *SIZES), rules="values vmap compile", **POSITIONS
    ),
    Row("argwhere", argwhere, cases(ARRAYS, {}), rules="values layouts", **POSITIONS),
    Row("argwhere", argwhere, cases(ARRAYS, *SIZES), rules="values vmap compile", **POSITIONS),
    Row("extract", extract, cases(PAIRS + LONG, {}), DTYPES, fixed=CONDITION, rules=EXACT),
    Row("extract", extract, cases(PAIRS + LONG, *SIZES), fixed=CONDITION, rules=BOUNDED),
    Row("compress", compress, CROSSED, DTYPES, fixed=CONDITION, rules=EXACT),
    Row(
        "compress",
        compress,
        tuple((shapes, {**kwargs, **size}) for shapes, kwargs in CROSSED for size in SIZES),
        fixed=CONDITION,
        rules=BOUNDED,
    ),
    Row("repeat", repeat, RUNS, DTYPES, fixed={1: ("int32", 0, 4)}, rules=EXACT),
    Row(
        "repeat",
        repeat,
        tuple((s, {**kw, "total_repeat_length": n}) for s, kw in RUNS for n in (4, 17)),
        fixed={1: ("int32", 0, 4)},
        rules=BOUNDED,
    ),
]


class TestSelection(OpTests):
    rows = ROWS


# ---- Every kernel by every size of element, at densities that take its different ways.


@pytest.mark.parametrize("density", [0, 0.001, 0.1, 0.5, 0.9, 1])
def test_every_dtype_and_density_agrees_with_numpy(density):
    rng = np.random.default_rng(round(density * 100))
    for name in ALL_DTYPES:
        for n in (1, 7, 8, 63, 1000, 40001):
            mask = rng.uniform(size=n) < density
            x = to_mx(rng.integers(0, 2 if name == "bool_" else 100, n), name)
            want = to_np(x)[mask]
            np.testing.assert_array_equal(to_np(x[mx.array(mask)]), want)
            filled = to_np(mx.extract(mx.array(mask), x, size=n // 2 + 1))
            np.testing.assert_array_equal(filled[: len(want)], want[: n // 2 + 1])
            assert not filled[len(want) :].any()


def test_bools_that_are_not_one_count_once():
    mask = mx.array(np.array([0, 2, 255, 128, 1, 0, 0, 3, 7, 0], np.uint8)).view(mx.bool_)
    x = mx.arange(10)
    assert mx.flatnonzero(mask, size=8, fill_value=-1).tolist() == [1, 2, 3, 4, 7, 8, -1, -1]
    assert mx.extract(mask, x, size=4).tolist() == [1, 2, 3, 4]


HASHES = """
    import hashlib
    import numpy as np
    import olivine.core as mx

    rng = np.random.default_rng(3)
    m, n = rng.uniform(size=(300, 1000)) < 0.3, rng.standard_normal((300, 1000))
    counts = rng.integers(0, 4, 300)
    mask, x = mx.array(m), mx.array(n, mx.float64)
    for got, want in (
        (x[mask], n[m]),
        (x[mask[:, 0]], n[m[:, 0]]),
        (mx.argwhere(mask), np.argwhere(m)),
        (mx.extract(mask, x, size=50_000), n[m][:50_000]),
        (mx.compress(mask[0], x, axis=1), n[:, m[0]]),
        (mx.repeat(x, mx.array(counts), 0), np.repeat(n, counts, 0)),
        (mx.unique(mx.round(x * 1000)), np.unique(np.round(n * 1000))),
        (mx.grad(lambda x: mx.sum(mx.square(x[mask])))(x), np.where(m, 2 * n, 0)),
    ):
        got = np.array(got)
        assert np.array_equal(got, want)
        print(hashlib.sha1(got.tobytes()).hexdigest())
"""


def test_results_are_numpys_bits_for_any_number_of_threads():
    one, two, five = (run_python(HASHES, {"OLIVINE_NUM_THREADS": n}).stdout for n in "125")
    assert one == two == five and len(one.split()) == 8


# ---- Masks as indices.

SHAPE = (3, 4, 5)


def a_mask(rng, axes):
    return rng.uniform(size=axes) < rng.choice([0.2, 0.5, 0.9])


def random_index(rng):
    """An index of SHAPE in which masks of any rank stand beside all other kinds."""
    items, axis, ellipsis = [], 0, False
    while axis < 3 and rng.uniform() < 0.85:
        left = 3 - axis
        kind = rng.choice(["mask", "mask", "int", "slice", "array", "new", "ellipsis", "flag"])
        if kind == "mask" and not ellipsis:
            rank = int(rng.integers(1, left + 1))
            items.append(a_mask(rng, SHAPE[axis : axis + rank]))
            axis += rank
        elif kind == "int":
            items.append(int(rng.integers(-2, 3)))
            axis += 1
        elif kind == "slice":
            items.append(slice(*rng.choice([None, 0, 1, 3, -1], 2), rng.choice([None, 1, 2, -1])))
            axis += 1
        elif kind == "array":
            shape = [(), (1,), (2,), (2, 1)][rng.integers(4)]
            items.append(np.array(rng.integers(-3, 3, shape)))
            axis += 1
        elif kind == "new":
            items.append(None)
        elif kind == "ellipsis" and not ellipsis:
            items.append(Ellipsis)
            ellipsis = True
        elif kind == "flag":
            items.append(bool(rng.uniform() < 0.7))
    return tuple(items)


def converted(index):
    return tuple(mx.array(i) if isinstance(i, np.ndarray) else i for i in index)


def test_random_mixed_indices_agree_with_numpy():
    rng = np.random.default_rng(11)
    n = np.arange(60, dtype=np.float32).reshape(SHAPE)
    read = refused = 0
    while read < 600:
        index = random_index(rng)
        if not any(isinstance(i, np.ndarray) and i.dtype == bool for i in index):
            continue
        try:
            want = n[index]
        except IndexError:
            refused += 1
            with pytest.raises(IndexError):
                mx.eval(mx.array(n)[converted(index)])
            continue
        got = np.array(mx.array(n)[converted(index)])
        assert got.shape == want.shape, index
        np.testing.assert_array_equal(got, want, err_msg=str(index))
        changed, a = n.copy(), mx.array(n)
        changed[index] = -1
        a[converted(index)] = -1
        np.testing.assert_array_equal(np.array(a), changed, err_msg=str(index))
        read += 1
    assert refused > 50


def test_masks_of_numpy_and_lists_are_masks():
    x = mx.arange(4)
    assert x[np.array([True, False, True, False])].tolist() == [0, 2]
    assert x[[True, False, True, False]].tolist() == [0, 2]
    assert x[mx.array(True)].tolist() == [[0, 1, 2, 3]]


def test_masks_of_another_shape_are_refused():
    x = mx.zeros((3, 4))
    for mask in (mx.array([True, False]), mx.zeros((3, 3), mx.bool_)):
        with pytest.raises(IndexError, match="mask of the shape of the axes"):
            x[mask]
        with pytest.raises(ValueError, match=r"\[extract\] expected a condition of the shape"):
            mx.extract(mask, x)


def test_empty_results_keep_their_shape():
    x = mx.zeros((3, 4))
    assert x[mx.zeros((3,), mx.bool_)].shape == (0, 4)
    assert x[mx.zeros((3, 4), mx.bool_)].shape == (0,)
    assert [i.shape for i in mx.nonzero(x)] == [(0,), (0,)]
    assert mx.argwhere(x).shape == (0, 2)
    assert mx.unique(mx.zeros((0,))).shape == (0,)
    assert mx.grad(lambda x: x[x > 1].sum())(x).tolist() == x.tolist()


# ---- Derivatives.


def test_the_gradient_of_masked_elements_goes_where_they_were():
    x = mx.array([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]])
    g = mx.grad(lambda x: (x[x > 0] ** 3).sum())
    assert g(x).tolist() == [[3, 0, 27], [0, 75, 0]]
    second = mx.grad(lambda x: g(x).sum())
    assert second(x).tolist() == [[6, 0, 18], [0, 30, 0]]
    values, tangents = mx.jvp(lambda x: x[x > 0] ** 2, [x], [mx.ones((2, 3))])
    assert values[0].tolist() == [1, 9, 25] and tangents[0].tolist() == [2, 6, 10]


def test_the_gradient_of_unique_elements_goes_to_one_of_the_equals():
    x = mx.array([2.0, 1.0, 2.0])
    g = mx.grad(lambda x: (mx.unique(x) * mx.array([1.0, 10.0])).sum())(x)
    assert g[1].item() == 1 and sorted(g.tolist()) == [0, 1, 10]


# ---- Traced functions.


def traces(tmp_path):
    yield "compile", lambda f, x: mx.compile(f)(x)
    yield "vmap", lambda f, x: mx.vmap(f)(x[None])
    yield "export", lambda f, x: mx.export_function(tmp_path / "f", f, x)
    yield "compiled gradient", lambda f, x: mx.compile(mx.grad(lambda x: f(x)[0].sum()))(x)


UNBOUNDED = {
    "size=n": {
        "nonzero": lambda x: mx.nonzero(x)[0] * x,
        "flatnonzero": lambda x: mx.flatnonzero(x) * x,
        "argwhere": lambda x: mx.argwhere(x) * x,
        "extract": lambda x: mx.extract(x > 0, x),
        "compress": lambda x: mx.compress(x > 0, x),
        "unique": lambda x: mx.unique(x),
    },
    "total_repeat_length=n": {"repeat": lambda x: mx.repeat(x, (x > 0).astype(mx.int32))},
    "extract(mask, x, size=n)": {"getitem": lambda x: x[x > 0]},
}


@pytest.mark.parametrize("instead", UNBOUNDED)
def test_without_a_bound_traced_functions_say_what_to_give(instead, tmp_path):
    x = mx.array([1.0, -2.0, 3.0])
    for op, f in UNBOUNDED[instead].items():
        mx.eval(f(x))
        for name, run in traces(tmp_path):
            text = re.escape(f"[{op}] expected {instead} where compile, vmap or export traces")
            with pytest.raises(ValueError, match=text):
                mx.eval(run(f, x))
                pytest.fail(f"{op} under {name}")


def test_masks_that_are_known_need_no_bound_in_traced_functions():
    x, mask = mx.array([1.0, -2.0, 3.0]), mx.array([True, False, True])
    assert mx.compile(lambda x: x[mask] * 2)(x).tolist() == [2, 6]
    assert mx.vmap(lambda x: x[mask])(mx.stack([x, x + 1])).tolist() == [[1, 3], [2, 4]]


def test_bounded_selections_compose_with_every_transformation():
    x = mx.array([[1.0, -2.0, 3.0, 4.0], [-1.0, 2.0, -3.0, 5.0]])

    def f(row):
        return (mx.extract(row > 0, row, size=3) ** 2).sum()

    want = [[2, 0, 6, 8], [0, 4, 0, 10]]
    assert mx.vmap(mx.grad(f))(x).tolist() == want
    assert mx.compile(mx.vmap(mx.grad(f)))(x).tolist() == want
    assert mx.grad(lambda x: mx.vmap(f)(x).sum())(x).tolist() == want
    at = mx.compile(lambda x: x[mx.nonzero(x > 0, size=6)])
    assert at(x).tolist() == [1, 3, 4, 2, 5, 1]


def test_values_may_be_written_under_a_traced_mask():
    x, v = mx.array([[1.0, -2.0], [-3.0, 4.0]]), mx.array([10.0, 20.0, 30.0])

    def assign(x, v, by_row=False):
        x = x + 0
        x[(x < 0)[:, 0] if by_row else x < 0] = v
        return x

    assert mx.compile(assign)(x, v[:2]).tolist() == assign(x, v[:2]).tolist() == [[1, 10], [20, 4]]
    assert mx.compile(assign)(x, mx.array(7.0)).tolist() == [[1, 7], [7, 4]]
    rows = mx.compile(lambda x, v: assign(x, v, by_row=True))
    assert rows(x, v[:2]).tolist() == [[1, -2], [10, 20]]
    assert rows(x, v[None, :2]).tolist() == [[1, -2], [10, 20]]
    with pytest.raises(IndexError):
        mx.eval(mx.compile(assign)(x, v[:0]))


# ---- unique.


def test_unique_agrees_with_numpy():
    rng = np.random.default_rng(5)
    for name in ("int32", "float32", "uint8", "bool_", "int64", "float64"):
        for shape in ((1,), (50,), (6, 7), (20000,)):
            x = rng.integers(0, 2 if name == "bool_" else 30, shape)
            a = to_mx(x, name)
            x = to_np(a)
            np.testing.assert_array_equal(to_np(mx.unique(a)), np.unique(x))
            all_ = mx.unique_all(a)
            want = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
            for got, w in zip(all_, want, strict=True):
                np.testing.assert_array_equal(to_np(got), w)
            names = ("indices", "inverse_indices", "counts")
            assert all(getattr(all_, n).dtype == mx.int32 for n in names)
            np.testing.assert_array_equal(to_np(all_.values[all_.inverse_indices]), x)
            np.testing.assert_array_equal(to_np(mx.unique_counts(a).counts), want[3])
            np.testing.assert_array_equal(to_np(mx.unique_inverse(a).inverse_indices), want[2])
            np.testing.assert_array_equal(to_np(mx.unique_values(a)), want[0])


def test_every_nan_is_distinct():
    x = mx.array([float("nan"), 1.0, float("nan"), 1.0])
    assert to_np(mx.unique(x))[:1].tolist() == [1.0] and mx.unique(x).size == 3
    assert mx.unique_counts(x).counts.tolist() == [2, 1, 1]


# ---- Arguments.


def test_wrong_arguments_are_told():
    x = mx.arange(3)
    for call, text in (
        (lambda: mx.nonzero(mx.array(1)), "[nonzero] expected an array of at least one axis"),
        (lambda: mx.nonzero(x, size=-1), "[nonzero] expected a size >= 0; got -1"),
        (lambda: mx.compress(x > 0, x[:2]), "[compress] expected a 1-d condition of at most 2"),
        (
            lambda: mx.compress(x > 0, x, size=3, fill_value=x),
            "[compress] expected a fill value of",
        ),
        (lambda: mx.repeat(x, mx.array([1, -1, 0])), "[repeat] expected repeats >= 0; got -1"),
        (lambda: mx.repeat(x, -1), "[repeat] expected repeats >= 0; got -1"),
        (lambda: mx.repeat(x, 2**40), "[repeat] expected repeats below 2^31"),
        (lambda: mx.repeat(x, x, 0, -2), "[repeat] expected total_repeat_length >= 0; got -2"),
        (lambda: mx.unique(x, size=-1), "[unique] expected a size"),
    ):
        with pytest.raises(ValueError, match=re.escape(text)):
            call()
    for repeats in (mx.array([1, 2]), 1.5, mx.array([[1, 1, 1]])):
        with pytest.raises(TypeError, match=r"\[repeat\] expected an integer or 3 of them"):
            mx.repeat(x, repeats)


def test_axes_beyond_32_bits_have_positions_of_64():
    mask = mx.broadcast_to(mx.array([True]), (2**31, 1))[:, :0]
    assert mx.nonzero(mask)[0].dtype == mx.int64
    assert mx.nonzero(mx.array([1]), size=2, fill_value=2**40)[0].tolist() == [0, 2**40]
