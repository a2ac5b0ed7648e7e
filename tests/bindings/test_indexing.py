"""x[index], x[index] = value and x.at[index] agree with NumPy."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import olivine.core as mx

SHAPE = (3, 4, 5)
BASIC = [
    0, -1, 2, None, Ellipsis, slice(None), slice(1, None), slice(None, None, -1),
    slice(2, 0, -1), slice(5, 9), slice(-2, None), slice(None, None, 2),
]  # fmt: skip
ARRAYS = [
    [0, 2], [1], np.array([[0, 1], [2, 0]]), np.array(1), np.array([], np.int32), [-1, 0, -1],
]  # fmt: skip


def values(shape=SHAPE):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def converted(index):
    """The index with NumPy arrays as olivine arrays."""
    if isinstance(index, tuple):
        return tuple(converted(i) for i in index)
    return mx.array(index) if isinstance(index, np.ndarray) else index


def check_get(n, index):
    try:
        expected = n[index]
    except IndexError:
        with pytest.raises(IndexError):
            mx.eval(mx.array(n)[converted(index)])
        return
    got = np.array(mx.array(n)[converted(index)])
    assert got.shape == expected.shape, index
    np.testing.assert_array_equal(got, expected, err_msg=str(index))


def check_set(n, index, value):
    expected = n.copy()
    try:
        expected[index] = value
    except (IndexError, ValueError) as error:
        with pytest.raises(type(error)):
            a = mx.array(n)
            a[converted(index)] = mx.array(value)
            mx.eval(a)
        return
    a = mx.array(n)
    a[converted(index)] = mx.array(value)
    np.testing.assert_array_equal(np.array(a), expected, err_msg=str(index))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_basic_indices(count):
    n = values()
    for index in itertools.product(BASIC, repeat=count):
        if sum(i is Ellipsis for i in index) <= 1:
            check_get(n, index)
    check_get(n, 1)
    check_get(n, slice(1, 3))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_index_arrays_mixed_with_basic_indices(count):
    n = values()
    choices = [0, None, slice(1, None), Ellipsis, [0, 2], np.array([[0, 1], [2, 0]]), np.array(1)]
    for index in itertools.product(choices, repeat=count):
        if sum(i is Ellipsis for i in index) <= 1:
            check_get(n, index)
    for index in ARRAYS:
        check_get(n, index if isinstance(index, np.ndarray) else (index,))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_assignment(count):
    n = values()
    choices = [0, -1, None, slice(1, None), slice(None, None, -2), Ellipsis, [0, 2], np.array(1)]
    for index in itertools.product(choices, repeat=count):
        if sum(i is Ellipsis for i in index) > 1:
            continue
        try:
            shape = n[index].shape
        except IndexError:
            continue
        check_set(n, index, np.float32(-7))
        full = -np.arange(1, 1 + np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
        check_set(n, index, full)
        if shape:
            check_set(n, index, full[:1])
            check_set(n, index, full[None])


def test_boolean_masks():
    n = values()
    for mask in (n > 7, n[..., 0] > 20, n[:, 0, 0] > 1, np.zeros(SHAPE, bool), np.ones(3, bool)):
        check_get(n, mask)
        check_get(n, (mask,) if mask.ndim == 3 else (mask, ..., 0))
        check_set(n, mask, np.float32(5))
        check_set(n, mask, np.zeros(n[mask].shape, np.float32))
    check_get(n, (slice(None), n[0, :, 0] > 5))
    check_get(n, (n[:, 0, 0] > 1, [0, 1]))
    with pytest.raises(IndexError):
        mx.array(n)[mx.array([True, False])]


def test_bools_and_empty_tuples():
    n = values()
    for index in ((), True, False, (True, 0), (0, True), (slice(None), False)):
        check_get(n, index)


def test_lists_of_bools_are_masks():
    n = values()
    check_get(n, ([True, False, True],))


@st.composite
def indices(draw):
    item = st.one_of(
        st.integers(-6, 6),
        st.none(),
        st.just(Ellipsis),
        st.builds(
            slice,
            st.one_of(st.none(), st.integers(-7, 7)),
            st.one_of(st.none(), st.integers(-7, 7)),
            st.one_of(st.none(), st.integers(-3, 3).filter(bool)),
        ),
        st.lists(st.integers(-3, 2), min_size=1, max_size=3).map(np.array),
        st.lists(st.lists(st.integers(-3, 2), min_size=2, max_size=2), min_size=1, max_size=2).map(
            np.array
        ),
    )
    return tuple(draw(st.lists(item, max_size=4)))


@given(indices())
def test_random_indices(index):
    n = values()
    check_get(n, index)
    try:
        shape = n[index].shape
        flat = np.zeros(SHAPE, np.int64)
        flat.reshape(-1)[:] = np.arange(flat.size)
        repeated = len(np.unique(flat[index])) != flat[index].size
    except IndexError:
        return
    if not repeated:
        check_set(n, index, np.ones(shape, np.float32))


def test_indices_out_of_range_raise_at_once():
    a = mx.arange(4)
    for index in (10, 4, -5):
        with pytest.raises(IndexError, match=r"expected an index in \[-4, 4\)"):
            a[index]
        with pytest.raises(IndexError):
            a[index] = 1
    with pytest.raises(IndexError, match="at most 1 indices"):
        a[0, 0]
    with pytest.raises(TypeError, match="float"):
        a[1.0]
    with pytest.raises(TypeError, match="str"):
        a["x"]
    with pytest.raises(TypeError, match="float32"):
        a[mx.array([0.5])]
    with pytest.raises(IndexError):
        mx.eval(a[mx.array([0, 9])])


def test_setting_changes_the_object_and_keeps_the_dtype():
    a = mx.array([1, 2, 3])
    b = a
    a[0] = 9.7
    assert b.tolist() == [9, 2, 3] and b.dtype == mx.int32
    a[:] = [7, 8, 9]
    assert b.tolist() == [7, 8, 9]
    a[...] = 0
    assert b.tolist() == [0, 0, 0]
    with pytest.raises(TypeError):
        del a[0]
    with pytest.raises(ValueError):
        a[:2] = mx.array([1, 2, 3])


def test_at_counts_every_update():
    a = mx.zeros((4,))
    i = mx.array([0, 0, 2])
    assert a.at[i].add(1).tolist() == [2, 0, 1, 0]
    assert a.at[i].subtract(1).tolist() == [-2, 0, -1, 0]
    assert (a + 1).at[i].multiply(3).tolist() == [9, 1, 3, 1]
    assert (a + 1).at[i].divide(2).tolist() == [0.25, 1, 0.5, 1]
    assert a.at[i].maximum(mx.array([1.0, 5.0, 2.0])).tolist() == [5, 0, 2, 0]
    assert a.at[i].minimum(mx.array([1.0, -5.0, 2.0])).tolist() == [-5, 0, 0, 0]
    assert a.at[1:3].add(mx.array([1.0, 2.0])).tolist() == [0, 1, 2, 0]
    assert a.at[:].add(1).tolist() == [1, 1, 1, 1]
    assert mx.zeros((2, 3)).at[1, mx.array([0, 2])].add(4).tolist() == [[0, 0, 0], [4, 0, 4]]
    assert a.tolist() == [0, 0, 0, 0]
    with pytest.raises(ValueError, match="expected an index"):
        a.at.add(1)


def test_gradients_pass_through_indexing():
    x = mx.array([1.0, 2.0, 3.0])

    def f(x):
        y = x * 2
        y[0] = 5.0
        return (y[mx.array([0, 1, 1])] ** 2).sum() + x[-1]

    assert mx.grad(f)(x).tolist() == [0, 32, 1]
